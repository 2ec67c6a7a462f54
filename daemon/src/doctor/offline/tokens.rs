//! The life of tokens: over, not begun, from the future, or ending with nobody to bring a new one.

use std::time::{Duration, SystemTime};

use offhook_engine::vocabulary::Lifetime;
use toml::Spanned;

use crate::config::literal_secret::{Kind, kind};
use crate::config::secret_file;
use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::offline::scene::Scene;
use crate::doctor::span::span;

/// Clocks that differ by less are right.
pub(crate) const CLOCK_SLACK: Duration = Duration::from_secs(30);

pub(crate) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for account in scene.accounts().iter().map(Spanned::get_ref) {
        let Some(text) = &account.token_file else {
            continue;
        };
        let Some(secret) = scene
            .secret_path(text)
            .and_then(|path| secret_file::read(&path).ok())
        else {
            continue;
        };
        let place = scene.value(text, account);
        let of_token = judge(secret.expose(), &place, scene.now);
        let lives = of_token.is_empty();
        findings.extend(of_token);
        if lives {
            findings.extend(without_source(secret.expose(), place, scene.now));
        }
    }
    findings
}

/// What is wrong with a token at this moment.
pub(crate) fn judge(token: &str, place: &Place, now: SystemTime) -> Vec<Finding> {
    let finding = |code, what: &str, remedy| Finding::new(code, place.clone(), what, remedy);
    let token = token.trim();
    if kind(token) == Some(Kind::ApiKey) || token.starts_with("KEY") && !token.contains('.') {
        // Told as what it is, where files are looked through for keys.
        return Vec::new();
    }
    let life = match Lifetime::read(token) {
        Ok(life) => life,
        Err(fault) => {
            let what = format!("what should be a token is none: {fault}");
            let remedy = "put a token there as the server's API gives it out, and nothing else";
            return vec![finding(Code::TokenMalformed, &what, remedy)];
        }
    };
    let mut findings = Vec::new();
    if let Some(since) = life.expired_since(now) {
        findings.push(finding(
            Code::TokenExpired,
            &format!("the token expired {} ago by this machine's clock", span(since)),
            "get a new one, and name a source that brings the next by itself: `token = { url = ... }` or \
             `token = { command = [...] }`; if the token is new, set this machine's clock",
        ));
    }
    if let Some(wait) = life.good_in(now).filter(|wait| *wait > CLOCK_SLACK) {
        findings.push(finding(
            Code::TokenNotYetValid,
            &format!(
                "the token is not valid before {} from now by this machine's clock",
                span(wait)
            ),
            "set this machine's clock (NTP), or wait",
        ));
    }
    if let Some(ahead) = ahead(&life, now) {
        findings.push(finding(
            Code::ClockOff,
            &format!(
                "the token was made {} in the future by this machine's clock, so that clock is slow, or the issuer's is fast",
                span(ahead)
            ),
            "let this machine set its clock by NTP (`timedatectl set-ntp true`)",
        ));
    }
    findings
}

/// How far in the future the token was made, beyond what clocks may differ by.
fn ahead(life: &Lifetime, now: SystemTime) -> Option<Duration> {
    let made = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(life.issued_at?))?;
    made.duration_since(now)
        .ok()
        .filter(|ahead| *ahead > CLOCK_SLACK)
}

fn without_source(token: &str, place: Place, now: SystemTime) -> Option<Finding> {
    let end = Lifetime::read(token.trim()).ok()?.expires?;
    let end = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(end))?;
    let left = end.duration_since(now).ok()?;
    let what = format!(
        "the token ends in {}, and no source is named that would bring the next one",
        span(left)
    );
    Some(Finding::new(
        Code::TokenWithoutSource,
        place,
        &what,
        "name its source: `token = { url = ... }` or `token = { command = [...] }`; where another program writes this file anew \
         in time, run doctor with `--allow token_without_source`",
    ))
}

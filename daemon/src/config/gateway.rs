//! Reads what an account says of the gateway behind its server: environment, routing, and the rest after a refused login.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use offhook_engine::config::{AccountConfig, ReportPace};
use offhook_engine::ice::{Environment, IceServers};
use offhook_engine::protocol::Protocol;
use offhook_engine::vocabulary::{ProxyTarget, TELNYX, Variable};
use toml::Spanned;

use crate::config::account::Blame;
use crate::config::checked::{choice, duration, value};
use crate::config::duration::RawDuration;
use crate::config::error::Fault;
use crate::config::raw::{RawAccount, RawVariables, Text};

/// `environment`, which only Telnyx has.
pub(crate) fn environment(
    raw: &RawAccount,
    protocol: Protocol,
) -> Result<Option<Environment>, Blame> {
    let Some(text) = &raw.environment else {
        return Ok(None);
    };
    let wanted = environment_named(text.get_ref()).ok_or_else(|| {
        choice(
            "environment",
            text,
            &["production", "development"],
            "\"production\" or \"development\"",
        )
    })?;
    only_gateway("environment", text.get_ref(), text.span().start, protocol)?;
    Ok(Some(wanted))
}

/// The environment that a word means.
pub(crate) fn environment_named(word: &str) -> Option<Environment> {
    match word {
        "production" => Some(Environment::Production),
        "development" => Some(Environment::Development),
        _ => None,
    }
}

/// The rest; `environment` has been read before, since the server's URL may follow from it.
pub(crate) fn read(
    raw: &RawAccount,
    environment: Option<Environment>,
    account: &mut AccountConfig,
) -> Result<(), Blame> {
    let protocol = account.protocol;
    if let (Some(environment), None) = (environment, &raw.ice_servers) {
        account.ice.servers = IceServers::Environment(environment);
    }
    let flag = |key: &'static str, wanted: &Option<Spanned<bool>>| match wanted {
        Some(wanted) if *wanted.get_ref() => {
            only_gateway(key, "true", wanted.span().start, protocol).map(|()| true)
        }
        Some(_) | None => Ok(false),
    };
    account.skip_instance = flag("skip_last_voice_sdk_id", &raw.skip_last_voice_sdk_id)?;
    account.canary = flag("canary", &raw.canary)?;
    account.skip_trailing = flag("skip_trailing", &raw.skip_trailing)?;
    account.proxy_target = proxy_target(raw, protocol)?;
    if let (Some(wanted), true, Some(_)) = (&raw.canary, account.canary, account.proxy_target) {
        let why = "`rtc_ip` names the place to go, and the gateway then looks for no canary";
        let fault = value("canary", "true", why.to_owned(), "one of the two");
        return Err((Some(wanted.span().start), fault));
    }
    if let Some(text) = &raw.origin {
        account.connect.origin = Some(origin(text)?);
    }
    if let Some(pause) = &raw.refused_retry {
        account.refused_retry = duration("refused_retry", pause)?;
        account.refused_cap = account.refused_cap.max(account.refused_retry);
    }
    if let Some(pause) = &raw.refused_retry_max {
        account.refused_cap = duration("refused_retry_max", pause)?;
        if account.refused_cap < account.refused_retry {
            let fault = value(
                "refused_retry_max",
                &pause.get_ref().written(),
                format!(
                    "it is shorter than `refused_retry` ({} s)",
                    account.refused_retry.as_secs()
                ),
                "the longest pause after refused logins, such as \"1h\" in seconds: 3600",
            );
            return Err((Some(pause.span().start), fault));
        }
    }
    account.user_variables = variables("user_variables", &raw.user_variables, protocol)?;
    account.login_params = variables("login_params", &raw.login_params, protocol)?;
    account.start_muted = raw.start_muted.unwrap_or_default();
    account.watch = watched(raw, protocol)?;
    Ok(())
}

/// Names as `watch` takes them; what the server makes of each is told when it has been asked.
fn watched(raw: &RawAccount, protocol: Protocol) -> Result<Vec<String>, Blame> {
    const MOST: usize = 256;
    const LONGEST: usize = 256;
    let Some(channels) = &raw.watch else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for channel in channels {
        let name = channel.get_ref();
        let why = if protocol.name() == TELNYX.name {
            "a telnyx server has no channels".to_owned()
        } else if name.is_empty() || name.len() > LONGEST {
            format!("a channel's name has 1 to {LONGEST} bytes")
        } else if names.len() == MOST {
            format!("{MOST} channels are watched at most")
        } else {
            names.push(name.clone());
            continue;
        };
        let fault = value(
            "watch",
            name,
            why,
            "names of channels such as \"presence:bob@example.com\"",
        );
        return Err((Some(channel.span().start), fault));
    }
    Ok(names)
}

/// How finely calls are reported, and how often.
pub(crate) fn read_report_pace(raw: &RawAccount, account: &mut AccountConfig) -> Result<(), Blame> {
    let read = |key: &'static str,
                written: &Spanned<RawDuration>,
                range: RangeInclusive<Duration>,
                expected: &'static str| {
        let (text, start) = (written.get_ref().written(), written.span().start);
        only_gateway(key, &text, start, account.protocol)?;
        let wanted = duration(key, written)?;
        if range.contains(&wanted) {
            return Ok(wanted);
        }
        let why = if wanted < *range.start() {
            "it is too short"
        } else {
            "it is too long"
        };
        Err((Some(start), value(key, &text, why.to_owned(), expected)))
    };
    const INTERVAL: &str = "1 s to 60 s";
    const FLUSH: &str = "5 s to 1 h";
    let mut pace = account.report_pace;
    if let Some(written) = &raw.call_report_interval {
        let key = "call_report_interval";
        pace.interval = read(key, written, ReportPace::INTERVALS, INTERVAL)?;
    }
    if let Some(written) = &raw.call_report_flush_interval {
        let key = "call_report_flush_interval";
        pace.flush = read(key, written, ReportPace::FLUSHES, FLUSH)?;
        if pace.flush < pace.interval {
            let fault = value(
                key,
                &written.get_ref().written(),
                format!(
                    "it is shorter than `call_report_interval` ({} s)",
                    pace.interval.as_secs()
                ),
                "at least as long",
            );
            return Err((Some(written.span().start), fault));
        }
    }
    account.report_pace = pace;
    Ok(())
}

fn proxy_target(raw: &RawAccount, protocol: Protocol) -> Result<Option<ProxyTarget>, Blame> {
    let missing = |key, present: &'static str, start: usize| {
        let fault = Fault::Missing {
            key,
            table: format!("an account with `{present}`"),
            meaning: "the gateway's proxy takes both or none",
        };
        (Some(start), fault)
    };
    let (text, port) = match (&raw.rtc_ip, &raw.rtc_port) {
        (None, None) => return Ok(None),
        (Some(text), Some(port)) => (text, port),
        (Some(text), None) => return Err(missing("rtc_port", "rtc_ip", text.span().start)),
        (None, Some(port)) => return Err(missing("rtc_ip", "rtc_port", port.span().start)),
    };
    only_gateway("rtc_ip", text.get_ref(), text.span().start, protocol)?;
    let ip: IpAddr = text.get_ref().parse().map_err(|_| {
        let why = "it is no IP address".to_owned();
        let fault = value(
            "rtc_ip",
            text.get_ref(),
            why,
            "an address such as \"192.0.2.7\"",
        );
        (Some(text.span().start), fault)
    })?;
    let number = *port.get_ref();
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(Some(ProxyTarget { ip, port })),
        _ => {
            let why = "it is no port".to_owned();
            let fault = value("rtc_port", &number.to_string(), why, "1 to 65535");
            Err((Some(port.span().start), fault))
        }
    }
}

/// An origin as browsers send it (RFC 6454, section 6.1): scheme, host, perhaps a port.
fn origin(text: &Text) -> Result<String, Blame> {
    let written = text.get_ref();
    let rest = written
        .strip_prefix("https://")
        .or_else(|| written.strip_prefix("http://"));
    let host = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    if rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(host)) {
        return Ok(written.clone());
    }
    let why = "it is no scheme with a host".to_owned();
    let fault = value(
        "origin",
        written,
        why,
        "an origin such as \"https://kiosk.example\"",
    );
    Err((Some(text.span().start), fault))
}

fn variables(
    key: &'static str,
    raw: &RawVariables,
    protocol: Protocol,
) -> Result<BTreeMap<String, Variable>, Blame> {
    raw.iter()
        .map(
            |(name, written)| match variable(written.get_ref(), protocol) {
                Ok(value) => Ok((name.clone(), value)),
                Err(why) => {
                    let shown = format!("{name} = ...");
                    let expected = "single values: text, true, false, or (Telnyx) numbers";
                    Err((
                        Some(written.span().start),
                        value(key, &shown, why, expected),
                    ))
                }
            },
        )
        .collect()
}

fn variable(written: &toml::Value, protocol: Protocol) -> Result<Variable, String> {
    let number = match written {
        toml::Value::String(text) => return Ok(text.clone().into()),
        toml::Value::Boolean(flag) => return Ok((*flag).into()),
        toml::Value::Integer(number) => Some((*number).into()),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    };
    match number {
        Some(number) if protocol.carries().number_variables => Ok(Variable::Number(number)),
        Some(_) => Err(format!(
            "a {} server drops numbers without a word, so write it as text",
            protocol.name()
        )),
        None => Err("it is no single value".to_owned()),
    }
}

fn only_gateway(
    key: &'static str,
    written: &str,
    start: usize,
    protocol: Protocol,
) -> Result<(), Blame> {
    if protocol.has_gateway() {
        return Ok(());
    }
    let why = format!("a {} server has no such thing", protocol.name());
    let expected = "it in an account at Telnyx only";
    Err((Some(start), value(key, written, why, expected)))
}

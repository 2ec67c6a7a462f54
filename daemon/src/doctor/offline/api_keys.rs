//! API keys within reach of a client: given as its token or password, in the header of its token endpoint or WebSocket, in a file
//! that its token command or a tool's reads, in its environment, among its credentials.

use std::path::{Path, PathBuf};

use toml::Spanned;

use crate::config::literal_secret::{Kind, find, kind};
use crate::config::raw::{RawAccount, RawHeader, RawToken};
use crate::config::secret_file;
use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::offline::scene::Scene;

/// What is done in place of it.
const BACKEND: &str = "withdraw the key; run a backend that holds the new one and hands out tokens (`offhook-credentials serve` is one), \
                       and let the account ask that: `token = { url = \"https://backend/token\" }`";
/// Longest file of a token command that is looked into.
const LOOK: u64 = 16 * 1024;

/// The credential by which `offhook-credentials` gets its key.
const CREDENTIAL: &str = "offhook-api-key";

pub(crate) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = around(scene);
    for account in scene.accounts().iter().map(Spanned::get_ref) {
        findings.extend(as_login(account, scene));
        if let Some(token) = &account.token {
            findings.extend(at_endpoint(token.get_ref(), account, scene));
            if let Some(command) = &token.get_ref().command {
                findings.extend(at_command("token command", command, account, scene));
            }
        }
        for tool in &account.tool {
            if let Some(command) = &tool.get_ref().command {
                findings.extend(at_command("tool's command", command, account, scene));
            }
        }
        for header in account.socket_headers.values() {
            findings.extend(at_socket(header, account, scene));
        }
    }
    findings
}

/// What every account here has, and every program that is run for one.
fn around(scene: &Scene<'_>) -> Vec<Finding> {
    let place = || Place::line(scene.file, None);
    let finding =
        |what: &str, remedy: &str| Finding::new(Code::ApiKeyAtClient, place(), what, remedy);
    let mut findings = Vec::new();
    if scene.api_key {
        let what = "an API key stands in this environment (`OFFHOOK_API_KEY`): a daemon that is started with it hands it to every \
                    program of a token or a tool";
        let remedy = "start the daemon without it; only `offhook-credentials`, on the machine of the backend, needs the key";
        findings.push(finding(what, remedy));
    }
    let credential = scene
        .credentials
        .as_ref()
        .map(|folder| folder.join(CREDENTIAL));
    if let Some(path) = credential.filter(|path| path.exists()) {
        let what = format!(
            "the service has the API key as a credential, {}",
            path.display()
        );
        let remedy = format!(
            "take `LoadCredential={CREDENTIAL}` out of this unit; only that of `offhook-credentials serve`, on the machine of the \
             backend, needs the key"
        );
        findings.push(finding(&what, &remedy));
    }
    findings
}

fn at_socket(
    header: &Spanned<RawHeader>,
    account: &RawAccount,
    scene: &Scene<'_>,
) -> Option<Finding> {
    let path = scene.secret_path(&header.get_ref().file)?;
    if !holds_key(&path) {
        return None;
    }
    let what = format!(
        "the upgrade of the WebSocket is sent the API key in {}",
        path.display()
    );
    let place = scene.named(header.span().start, account);
    Some(Finding::new(Code::ApiKeyAtClient, place, &what, BACKEND))
}

fn as_login(account: &RawAccount, scene: &Scene<'_>) -> Vec<Finding> {
    let files = [
        (&account.token_file, "token"),
        (&account.password_file, "password"),
    ];
    files
        .into_iter()
        .filter_map(|(text, meant)| {
            let text = text.as_ref()?;
            let path = scene.secret_path(text)?;
            if !holds_key(&path) {
                return None;
            }
            let what = format!(
                "{} holds an API key where a {meant} belongs",
                path.display()
            );
            Some(Finding::new(
                Code::ApiKeyAsToken,
                scene.value(text, account),
                &what,
                BACKEND,
            ))
        })
        .collect()
}

fn at_endpoint(token: &RawToken, account: &RawAccount, scene: &Scene<'_>) -> Vec<Finding> {
    let Some(url) = &token.url else {
        return Vec::new();
    };
    let api = is_rest_api(url.get_ref());
    let headers = token.headers.values();
    headers
        .filter_map(|header| {
            let path = scene.secret_path(&header.get_ref().file)?;
            let what = match (api, holds_key(&path)) {
                (true, _) => format!(
                    "the token's URL is Telnyx's REST API itself, which takes only an API key: the one in {}",
                    path.display()
                ),
                (false, true) => format!("the token endpoint is sent the API key in {}", path.display()),
                (false, false) => return None,
            };
            let place = scene.named(header.span().start, account);
            Some(Finding::new(Code::ApiKeyAtClient, place, &what, BACKEND))
        })
        .collect()
}

fn at_command(
    whose: &str,
    command: &Spanned<Vec<String>>,
    account: &RawAccount,
    scene: &Scene<'_>,
) -> Vec<Finding> {
    let mut told: Vec<PathBuf> = Vec::new();
    // The first of them too: what is run may be a script with the key inside.
    for path in command
        .get_ref()
        .iter()
        .flat_map(|argument| paths(argument))
    {
        if !told.contains(&path) && holds_key(&path) {
            told.push(path);
        }
    }
    told.iter()
        .map(|path| {
            let what = if Some(path.as_path()) == command.get_ref().first().map(Path::new) {
                format!("the {whose} {} holds an API key", path.display())
            } else {
                format!(
                    "the {whose} reads {}, which holds an API key",
                    path.display()
                )
            };
            let place = scene.named(command.span().start, account);
            Finding::new(Code::ApiKeyAtClient, place, &what, BACKEND)
        })
        .collect()
}

/// Every absolute path that an argument may name: as a whole, or in one of its words behind whatever a program wants in front,
/// such as `@/etc/key`, `--header=@/etc/key`, `-H@/etc/key`, `-f/etc/key` or `$(cat /etc/key)`.
fn paths(argument: &str) -> Vec<PathBuf> {
    let closing = |letter: char| "\"'`);|&<>,]}".contains(letter);
    let within = |letter: char| letter.is_ascii_alphanumeric() || "/._-~".contains(letter);
    let mut paths = Vec::new();
    if argument.starts_with('/') {
        paths.push(PathBuf::from(argument));
    }
    for word in argument.split_whitespace() {
        let word = word.trim_end_matches(closing);
        for (at, _) in word.match_indices('/') {
            let (before, path) = word.split_at(at);
            let short_option = before.len() == 2 && before.starts_with('-');
            let path = PathBuf::from(path);
            if (short_option || !before.ends_with(within)) && !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    paths
}

/// Telnyx's own API, or one at another address that is used like it.
fn is_rest_api(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut steps = path.rsplit('/');
    let mints = steps.next() == Some("token")
        && steps.next().is_some()
        && steps.next() == Some("telephony_credentials");
    host.eq_ignore_ascii_case("api.telnyx.com") || mints
}

/// Whether there is an API key in a small file; what cannot be read holds none for us.
fn holds_key(path: &Path) -> bool {
    let Ok(facts) = std::fs::metadata(path) else {
        return false;
    };
    if !facts.is_file() || facts.len() > LOOK {
        return false;
    }
    if let Ok(secret) = secret_file::read(path) {
        return kind(secret.expose().trim()) == Some(Kind::ApiKey) || any_key(secret.expose());
    }
    // Readable by everybody is no reason to overlook it.
    std::fs::read_to_string(path).is_ok_and(|text| any_key(&text))
}

fn any_key(text: &str) -> bool {
    find(text).iter().any(|(_, kind)| *kind == Kind::ApiKey)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{is_rest_api, paths};

    #[test]
    fn a_path_is_found_behind_whatever_stands_in_front() {
        for argument in [
            "/etc/key",
            "@/etc/key",
            "--header=@/etc/key",
            "-H@/etc/key",
            "-f/etc/key",
            "file:/etc/key",
            "Authorization: Bearer $(cat /etc/key)",
            "mint \"@/etc/key\" | tee",
            "mint </etc/key",
        ] {
            let found = paths(argument);
            let wanted = PathBuf::from("/etc/key");
            assert!(found.contains(&wanted), "{argument}: {found:?}");
            let part = PathBuf::from("/key");
            assert!(!found.contains(&part), "{argument}: {found:?}");
        }
        assert!(paths("/etc/my key").contains(&PathBuf::from("/etc/my key")));
        for argument in ["", "etc/key", "./key", "~/key", "-"] {
            assert!(paths(argument).is_empty(), "{argument}");
        }
    }

    #[test]
    fn the_rest_api_is_known_by_host_and_by_path() {
        for url in [
            "https://api.telnyx.com/v2/telephony_credentials/x/token",
            "https://API.telnyx.com",
            "http://127.0.0.1:1/v2/telephony_credentials/x/token?a=b",
        ] {
            assert!(is_rest_api(url), "{url}");
        }
        for url in [
            "https://backend.example/token",
            "https://backend.example/api.telnyx.com/token",
            "https://backend.example",
        ] {
            assert!(!is_rest_api(url), "{url}");
        }
    }
}

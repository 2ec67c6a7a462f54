//! One credential behind two accounts of the configuration.

use std::collections::BTreeMap;

use offhook_engine::vocabulary::subject;
use toml::Spanned;

use crate::config::gateway;
use crate::config::raw::{RawAccount, RawToken};
use crate::config::same_login::{ServerKey, is_same_user};
use crate::config::secret_file;
use crate::doctor::code::Code;
use crate::doctor::finding::Finding;
use crate::doctor::offline::scene::{Scene, name_of};

pub(crate) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut seen: Vec<(ServerKey, Credential, &str)> = Vec::new();
    let mut findings = Vec::new();
    for entry in scene.accounts() {
        let account = entry.get_ref();
        let (Some(server), Some(name)) = (server_of(account), name_of(entry)) else {
            continue;
        };
        for credential in credentials(account, scene) {
            let server = ServerKey::of(server);
            let first = seen
                .iter()
                .find(|(place, other, _)| other.is_same(&credential) && *place == server);
            match first {
                Some((_, _, first)) => findings.push(finding(first, entry, scene)),
                None => seen.push((server, credential, name)),
            }
        }
    }
    findings
}

/// The server of an account, which may follow from its environment.
fn server_of(account: &RawAccount) -> Option<&str> {
    if let Some(server) = &account.server {
        return Some(server.get_ref());
    }
    let environment = account.environment.as_ref()?;
    Some(gateway::environment_named(environment.get_ref())?.server())
}

/// What an account logs in with. It never leaves this module.
enum Credential {
    /// A user with a password.
    User(String),
    /// A token, or where it comes from: as texts that are the same for the same one.
    Token(String),
    /// A token in a file, and whom it is for.
    Jwt(String, Option<String>),
}

impl Credential {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::User(one), Self::User(other)) => is_same_user(one, other),
            (Self::Token(one), Self::Token(other)) => one == other,
            (Self::Jwt(one, whose), Self::Jwt(other, theirs)) => {
                one == other || (whose.is_some() && whose == theirs)
            }
            (Self::User(_) | Self::Token(_) | Self::Jwt(..), _) => false,
        }
    }
}

fn finding(first: &str, second: &Spanned<RawAccount>, scene: &Scene<'_>) -> Finding {
    let name = name_of(second).unwrap_or_default();
    let what = format!(
        "the accounts `{first}` and `{name}` log in with the same credential at the same server: only one of them is called"
    );
    let place = scene.named(second.span().start, second.get_ref());
    let remedy = "give each account a credential of its own (`offhook-credentials users create`)";
    Finding::new(Code::SharedCredential, place, &what, remedy)
}

fn credentials(account: &RawAccount, scene: &Scene<'_>) -> Vec<Credential> {
    let user = account.login.as_ref();
    let user = user.map(|login| Credential::User(login.get_ref().clone()));
    let token = account.token_file.as_ref().and_then(|text| {
        let secret = secret_file::read(&scene.secret_path(text)?).ok()?;
        let token = secret.expose().trim();
        // With SIP the login beside the token says whose calls come here.
        let whose = subject(token).filter(|_| account.login.is_none());
        Some(Credential::Jwt(token.to_owned(), whose))
    });
    let source = account.token.as_ref();
    let source = source.map(|token| Credential::Token(source_of(token.get_ref(), scene)));
    [user, token, source].into_iter().flatten().collect()
}

fn source_of(token: &RawToken, scene: &Scene<'_>) -> String {
    let headers = token.headers.iter().map(|(name, header)| {
        let path = scene.secret_path(&header.get_ref().file);
        let secret = path.and_then(|path| secret_file::read(&path).ok());
        let value = secret.map(|secret| secret.expose().trim().to_owned());
        (name.to_ascii_lowercase(), value)
    });
    let headers: BTreeMap<_, _> = headers.collect();
    let command = token.command.as_ref().map(Spanned::get_ref);
    let url = token.url.as_ref().map(Spanned::get_ref);
    format!("source {command:?} {url:?} {headers:?}")
}

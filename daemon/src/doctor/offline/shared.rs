//! One credential behind two accounts of the configuration.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use toml::Spanned;

use crate::config::raw::{RawAccount, RawToken};
use crate::config::secret_file;
use crate::doctor::code::Code;
use crate::doctor::finding::Finding;
use crate::doctor::offline::scene::{Scene, name_of};

pub(crate) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut seen: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut findings = Vec::new();
    for entry in scene.accounts() {
        let account = entry.get_ref();
        let Some(server) = &account.server else {
            continue;
        };
        let server = server.get_ref().trim_end_matches('/').to_ascii_lowercase();
        let Some(name) = name_of(entry) else { continue };
        for credential in credentials(account, scene) {
            match seen.entry((server.clone(), credential)) {
                Entry::Vacant(free) => {
                    free.insert(name.to_owned());
                }
                Entry::Occupied(first) => findings.push(finding(first.get(), entry, scene)),
            }
        }
    }
    findings
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

/// What an account logs in with, as texts that are the same for the same credential. They never leave this module.
fn credentials(account: &RawAccount, scene: &Scene<'_>) -> Vec<String> {
    let user = account.login.as_ref();
    let user = user.map(|login| format!("user {}", login.get_ref()));
    let token = account.token_file.as_ref().and_then(|text| {
        let secret = secret_file::read(&scene.secret_path(text)?).ok()?;
        Some(format!("token {}", secret.expose().trim()))
    });
    let source = account.token.as_ref();
    let source = source.map(|token| source_of(token.get_ref(), scene));
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

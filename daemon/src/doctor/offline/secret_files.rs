//! Looks at every file that holds a secret: who may read it, and whether it holds one.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use toml::Spanned;

use crate::config::error::SecretFault;
use crate::config::raw::{RawAccount, Text};
use crate::config::secret_file;
use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::offline::refusals::of_secret;
use crate::doctor::offline::scene::Scene;

/// Rights of everybody else.
const OTHERS: u32 = 0o007;

pub(crate) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for account in scene.accounts().iter().map(Spanned::get_ref) {
        for (key, text, at) in secrets(account) {
            let place = scene.named(at, account);
            findings.extend(unusable(key, text, place, scene));
        }
        if let Some(text) = &account.proxy_credentials_file {
            let path = scene.folder().join(text.get_ref());
            let place = scene.value(text, account);
            findings.extend(open_to_all("proxy_credentials_file", &path, place));
        }
    }
    let state = scene.raw.as_ref().and_then(|raw| raw.state.as_ref());
    if let Some(text) = state.and_then(|state| state.file.as_ref()) {
        let path = scene.folder().join(text.get_ref());
        findings.extend(open_to_all(
            "state.file",
            &path,
            scene.at(text.span().start),
        ));
    }
    findings
}

/// The keys of an account that name secret files, with where each is to blame.
pub(crate) fn secrets(account: &RawAccount) -> Vec<(&'static str, &Text, usize)> {
    let plain = [
        ("password_file", &account.password_file),
        ("token_file", &account.token_file),
    ];
    let plain = plain
        .into_iter()
        .filter_map(|(key, text)| text.as_ref().map(|text| (key, text, text.span().start)));
    let headers = account
        .token
        .iter()
        .flat_map(|token| token.get_ref().headers.values());
    // The config check names the whole header.
    let headers =
        headers.map(|header| ("token.headers", &header.get_ref().file, header.span().start));
    plain.chain(headers).collect()
}

fn unusable(key: &str, text: &Text, place: Place, scene: &Scene<'_>) -> Option<Finding> {
    let read = secret_file::locate(text.get_ref(), &scene.places())
        .and_then(|path| secret_file::read(&path));
    let fault: SecretFault = read.err()?;
    let (code, remedy) = of_secret(&fault);
    Some(Finding::new(
        code,
        place,
        &format!("`{key}`: {fault}"),
        remedy,
    ))
}

/// A file that the config check does not read; one that is missing is not there to be read by others.
fn open_to_all(key: &str, path: &Path, place: Place) -> Option<Finding> {
    let mode = fs::metadata(path).ok()?.mode() & 0o7777;
    if mode & OTHERS == 0 {
        return None;
    }
    let what = format!(
        "`{key}`: {} is readable by everybody (mode {mode:04o})",
        path.display()
    );
    Some(Finding::new(
        Code::SecretReadable,
        place,
        &what,
        "take the rights of others away (`chmod o-rwx FILE`)",
    ))
}

//! A users file of `offhook-credentials`: users that share a credential, and accounts that log in as the same user.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use offhook_engine::driver::secret_file::without_value;
use serde::Deserialize;
use toml::Spanned;

use crate::config::checked::line_of;
use crate::config::error::SecretFault;
use crate::config::raw::RawAccount;
use crate::config::secret_file;
use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::offline::refusals::of_secret;
use crate::doctor::offline::scene::{Scene, name_of};
use crate::doctor::offline::secret_files::secrets;
use offhook_engine::error::SecretFileError;

/// As much of the file as is needed here.
#[derive(Deserialize)]
struct Users {
    #[serde(default, rename = "user")]
    users: Vec<Spanned<User>>,
}

/// One user of the file.
#[derive(Deserialize)]
pub(crate) struct User {
    name: String,
    /// Of its credential, which a token may name.
    pub(crate) credential_id: String,
    /// Under this name it is called.
    pub(crate) sip_username: String,
    token_secret: Option<String>,
}

impl User {
    /// Whether this is what it shows the token endpoint, after whatever prefix.
    pub(crate) fn shows(&self, secret: &str) -> bool {
        let own = self.token_secret.as_deref().filter(|own| !own.is_empty());
        own.is_some_and(|own| secret.trim().ends_with(own))
    }
}

/// The users of a file, as far as it can be read; what is wrong with it is found by [`check`].
pub(crate) fn read(file: &Path) -> Vec<User> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let users = toml::from_str::<Users>(&text).map(|users| users.users);
    let users = users.unwrap_or_default().into_iter();
    users.map(Spanned::into_inner).collect()
}

pub(crate) fn check(file: &Path, scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            let what = format!("the users file cannot be read ({error})");
            return vec![unusable(file, None, &what)];
        }
    };
    // Only for its rights: such a file may be larger than any secret.
    if let Err(fault @ SecretFault::File(SecretFileError::WorldReadable { .. })) =
        secret_file::read(file)
    {
        let (code, remedy) = of_secret(&fault);
        findings.push(Finding::new(
            code,
            Place::line(file, None),
            &fault.to_string(),
            remedy,
        ));
    }
    let users = match toml::from_str::<Users>(&text) {
        Ok(users) => users.users,
        Err(error) => {
            let line = error.span().map(|span| line_of(&text, span.start));
            let what = format!("this is no users file: {}", without_value(error.message()));
            findings.push(unusable(file, line, &what));
            return findings;
        }
    };
    findings.extend(doubles(&users, file, &text));
    findings.extend(shared_by_accounts(&users, scene));
    findings
}

fn unusable(file: &Path, line: Option<usize>, what: &str) -> Finding {
    let place = Place::line(file, line);
    let remedy = "name the file that `offhook-credentials users create --out` wrote";
    Finding::new(Code::SecretUnusable, place, what, remedy)
}

/// Users of the file with one credential.
fn doubles(users: &[Spanned<User>], file: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for user in users {
        let known = user.get_ref();
        let keys = [known.credential_id.as_str(), known.sip_username.as_str()];
        let first = keys.iter().find_map(|key| seen.get(key)).copied();
        if let Some(first) = first {
            let what = format!(
                "the users `{first}` and `{}` have the same credential",
                known.name
            );
            let place = Place::line(file, Some(line_of(text, user.span().start)));
            let remedy =
                "delete one of them and create it anew: each user needs its own credential";
            findings.push(Finding::new(Code::SharedCredential, place, &what, remedy));
        }
        for key in keys {
            seen.entry(key).or_insert(known.name.as_str());
        }
    }
    findings
}

/// Accounts of the configuration behind which the same user stands, whichever way each logs in.
fn shared_by_accounts(users: &[Spanned<User>], scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for user in users.iter().map(Spanned::get_ref) {
        let mut of_user = scene.accounts().iter().filter(|account| {
            let account = account.get_ref();
            is_login(user, account) || shows_secret(user, account, scene)
        });
        let Some(first) = of_user.next().and_then(|account| name_of(account)) else {
            continue;
        };
        for second in of_user {
            let name = name_of(second).unwrap_or_default();
            let what = format!(
                "the accounts `{first}` and `{name}` log in as the user `{}` of the users file",
                user.name
            );
            let place = scene.named(second.span().start, second.get_ref());
            let remedy = "give each account a user of its own";
            findings.push(Finding::new(Code::SharedCredential, place, &what, remedy));
        }
    }
    findings
}

fn is_login(user: &User, account: &RawAccount) -> bool {
    let login = account.login.as_ref().map(Spanned::get_ref);
    login.is_some_and(|login| login.split('@').next() == Some(user.sip_username.as_str()))
}

/// Whether the account asks the token endpoint in the user's name.
fn shows_secret(user: &User, account: &RawAccount, scene: &Scene<'_>) -> bool {
    let headers = secrets(account).into_iter();
    headers
        .filter(|(key, _, _)| *key == "token.headers")
        .filter_map(|(_, text, _)| secret_file::read(&scene.secret_path(text)?).ok())
        .any(|shown| user.shows(shown.expose()))
}

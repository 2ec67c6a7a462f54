//! Under which number an account is called: by its login, by what its token says, by a user of the users file.

use offhook_engine::config::AccountConfig;
use offhook_engine::token_source::{HeaderValue, TokenSource};
use offhook_engine::vocabulary::{Login, Secret, subject};

use crate::config::secret_file;
use crate::doctor::code::Code;
use crate::doctor::finding::{Finding, Place};
use crate::doctor::offline::users::User;

/// Telnyx makes up the names of its users, and all begin so.
const MADE_UP: &str = "gencred";

/// The number under which an account is called, as far as its configuration and the users show.
pub(crate) fn own_number(
    account: &AccountConfig,
    given: &[(String, String)],
    users: &[User],
) -> Option<String> {
    let given = given.iter().find(|(name, _)| *name == account.name);
    if let Some((_, number)) = given {
        return Some(number.clone());
    }
    let of_telnyx = account.protocol.has_gateway();
    match &account.login {
        Login::Password { user, .. } => {
            let name = user.split('@').next().unwrap_or(user);
            Some(if of_telnyx {
                address(name)
            } else {
                name.to_owned()
            })
        }
        Login::Token { token } if of_telnyx => by_token(account, token, users),
        // Nobody can call an anonymous client.
        Login::Token { .. } | Login::Anonymous { .. } | _ => None,
    }
}

fn address(name: &str) -> String {
    format!("sip:{name}@sip.telnyx.com")
}

fn by_token(account: &AccountConfig, token: &Secret, users: &[User]) -> Option<String> {
    let subject = subject(token.expose());
    let named = |user: &&User| {
        let names = [&user.credential_id, &user.sip_username];
        subject.as_ref().is_some_and(|name| names.contains(&name))
    };
    let shown = shown_secrets(account);
    let asks = |user: &&User| shown.iter().any(|secret| user.shows(secret.expose()));
    let user = users.iter().find(named).or_else(|| users.iter().find(asks));
    let name = match user {
        Some(user) => &user.sip_username,
        // A credential's id is no number: whoever called that would take a refusal for a conflict.
        None => subject
            .as_ref()
            .filter(|subject| subject.starts_with(MADE_UP))?,
    };
    Some(address(name))
}

/// What the token endpoint is shown.
fn shown_secrets(account: &AccountConfig) -> Vec<Secret> {
    let Some(TokenSource::Endpoint(endpoint)) = &account.token_source else {
        return Vec::new();
    };
    let values = endpoint.headers.iter().map(|(_, value)| value);
    values
        .filter_map(|value| match value {
            HeaderValue::File { path, .. } => secret_file::read(path).ok(),
            HeaderValue::Memory(secret) => Some(secret.clone()),
            _ => None,
        })
        .collect()
}

/// Says that an account makes no call to itself.
pub(crate) fn unknown(account: &AccountConfig) -> Finding {
    Finding::new(
        Code::OwnNumberUnknown,
        Place::account(&account.name).at_server(&account.server),
        "not checked: calls to this account, by one to itself, since its token does not say under which number it is called",
        "name its number by `--own-number ACCOUNT=NUMBER`, or the users file that it comes from by `--users FILE`",
    )
}

//! Who a login says it is, and whether that is believed.

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use offhook_signaling::auth::jwt::Lifetime;
use offhook_signaling::verto::message::login::LoginParams;
use serde::Deserialize;

use crate::assistant::message::{NO_CONVERSATION, NO_CONVERSATION_TEXT};
use crate::rest::account::Account;
use crate::rest::login::NotLetIn;
use crate::users;

/// Error code: log in first.
pub(super) const AUTHENTICATION_REQUIRED: i64 = -32000;
/// Error code: the login was refused.
pub(super) const LOGIN_REFUSED: i64 = -32001;

/// Whom a client acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// One of the users; can call and be called.
    User(String),
    /// Somebody without a name here; can call.
    Guest,
    /// Somebody without credentials; can call one assistant.
    Anonymous(Target),
}

/// Whom a client without credentials talks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The assistant.
    pub(crate) id: String,
    /// Its version; the latest when absent.
    pub(crate) version: Option<String>,
    /// The conversation that is to be resumed.
    pub(crate) conversation: Option<String>,
}

impl Identity {
    /// For messages and the log.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::User(name) => name,
            Self::Guest | Self::Anonymous(_) => "anonymous",
        }
    }
}

/// Why a login is refused. The texts for the wire are those of the servers; the log says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no login in it at all.
    NoLogin,
    /// A user without a password.
    NoPassword,
    /// There is no such user.
    UnknownUser,
    /// The password is wrong.
    WrongPassword,
    /// The token is no JSON Web Token.
    MalformedToken,
    /// The token is too old, or not valid yet.
    ExpiredToken,
    /// There is nothing wrong with it: the fault plan wants this code.
    OnPurpose(i64),
    /// No target, or none of a kind that is here.
    NoTarget,
    /// The conversation that is to be resumed is unknown, or another target's.
    NoConversation,
    /// A credential or token of the REST API that is not good here and now.
    Account(NotLetIn),
}

impl Refused {
    pub(super) fn code(self) -> i64 {
        match self {
            Self::NoLogin => AUTHENTICATION_REQUIRED,
            Self::OnPurpose(code) => code,
            Self::NoConversation => NO_CONVERSATION,
            Self::NoPassword
            | Self::NoTarget
            | Self::UnknownUser
            | Self::WrongPassword
            | Self::MalformedToken
            | Self::ExpiredToken
            | Self::Account(_) => LOGIN_REFUSED,
        }
    }

    pub(super) fn text(self, telnyx: bool) -> &'static str {
        match self {
            Self::NoLogin | Self::OnPurpose(AUTHENTICATION_REQUIRED) => "Authentication Required",
            Self::NoPassword => "Missing passwd",
            Self::WrongPassword if !telnyx => "Authentication Failure",
            Self::NoConversation => NO_CONVERSATION_TEXT,
            Self::WrongPassword
            | Self::NoTarget
            | Self::UnknownUser
            | Self::MalformedToken
            | Self::ExpiredToken
            | Self::OnPurpose(_)
            | Self::Account(_) => "Login Incorrect",
        }
    }

    pub(super) fn log_text(self) -> &'static str {
        match self {
            Self::NoLogin => "no login in the first request",
            Self::NoPassword => "no password",
            Self::UnknownUser => {
                "no such user (there are demo-1 to demo-9, and what the REST API made)"
            }
            Self::WrongPassword => "wrong password",
            Self::MalformedToken => "the token is no JSON Web Token",
            Self::ExpiredToken => "the token has expired or is not valid yet",
            Self::OnPurpose(_) => "the fault plan wants it",
            Self::NoTarget => {
                "an anonymous login needs the target_type ai_assistant and a target_id"
            }
            Self::NoConversation => "the conversation is unknown, or another assistant's",
            Self::Account(why) => why.log_text(),
        }
    }
}

/// Believes a login, or says why not.
pub(super) fn check(
    params: &LoginParams,
    tokens: bool,
    account: &Account,
    demo_password: &str,
    wall: SystemTime,
) -> Result<Identity, Refused> {
    if let Some(password) = &params.passwd {
        let login = params.login.as_deref().ok_or(Refused::NoLogin)?;
        let right = |known: &str| users::is_same(password.expose(), known);
        if let Some(answer) = account.let_in_by_password(login, right, wall) {
            return answer.map(Identity::User).map_err(Refused::Account);
        }
        let user = users::named(login).ok_or(Refused::UnknownUser)?;
        return if right(demo_password) {
            Ok(Identity::User(user.to_owned()))
        } else {
            Err(Refused::WrongPassword)
        };
    }
    let token = params.login_token.as_ref().filter(|_| tokens);
    let Some(token) = token else {
        return Err(match params.login {
            Some(_) => Refused::NoPassword,
            None => Refused::NoLogin,
        });
    };
    check_token(token.expose(), params.login.as_deref(), account, wall)
}

/// Believes a token, or says why not. `login`: the user that it is for, where somebody else made it.
pub(crate) fn check_token(
    token: &str,
    login: Option<&str>,
    account: &Account,
    wall: SystemTime,
) -> Result<Identity, Refused> {
    let life = Lifetime::read(token).map_err(|_| Refused::MalformedToken)?;
    if life.expired_since(wall).is_some() || life.good_in(wall).is_some() {
        return Err(Refused::ExpiredToken);
    }
    if let Some(answer) = account.let_in_by_token(token, wall) {
        return answer.map(Identity::User).map_err(Refused::Account);
    }
    let named = login.map(str::to_owned).or_else(|| subject(token));
    let user = named.as_deref().and_then(users::named);
    Ok(user.map_or(Identity::Guest, |user| Identity::User(user.to_owned())))
}

/// The claim `sub` of a token.
fn subject(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: Option<String>,
    }
    let claims = token.trim().split('.').nth(1)?.trim_end_matches('=');
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok()?.sub
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use offhook_signaling::secret::Secret;

    use super::*;
    use crate::rest::settings::RestSettings;

    /// An unsigned token for a user.
    pub(crate) fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
    }

    fn account() -> Account {
        Account::new(RestSettings::default(), [1; 32])
    }

    fn wall() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000)
    }

    fn with_token(claims: &str) -> Result<Identity, Refused> {
        let params = LoginParams {
            login_token: Some(Secret::new(token(claims))),
            ..LoginParams::default()
        };
        check(&params, true, &account(), users::PASSWORD, wall())
    }

    fn with_password(login: &str, password: &str) -> Result<Identity, Refused> {
        let params = LoginParams {
            login: Some(login.to_owned()),
            passwd: Some(Secret::new(password)),
            ..LoginParams::default()
        };
        check(&params, true, &account(), users::PASSWORD, wall())
    }

    #[test]
    fn tokens_are_good_while_they_live_and_name_their_user() {
        let user = Ok(Identity::User("demo-3".to_owned()));
        assert_eq!(with_token(r#"{"sub":"demo-3","exp":2000000001}"#), user);
        assert_eq!(with_token(r#"{"sub":"elsewhere"}"#), Ok(Identity::Guest));
        assert_eq!(
            with_token(r#"{"sub":"demo-3","exp":1999999999}"#),
            Err(Refused::ExpiredToken)
        );
        let params = LoginParams {
            login_token: Some(Secret::new("no token")),
            ..LoginParams::default()
        };
        let check = |tokens| check(&params, tokens, &account(), users::PASSWORD, wall());
        assert_eq!(check(true), Err(Refused::MalformedToken));
        assert_eq!(check(false), Err(Refused::NoLogin));
    }

    #[test]
    fn passwords_are_checked_for_known_users() {
        let user = Ok(Identity::User("demo-1".to_owned()));
        assert_eq!(with_password("demo-1@pbx.example", "sandbox"), user);
        assert_eq!(
            with_password("demo-1", "wrong"),
            Err(Refused::WrongPassword)
        );
        assert_eq!(
            with_password("nobody", "sandbox"),
            Err(Refused::UnknownUser)
        );
    }
}

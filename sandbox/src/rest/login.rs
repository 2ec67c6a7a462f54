//! Whether the gateway lets somebody in with what the REST API has made.

use std::time::SystemTime;

use serde_json::Value;

use crate::rest::account::Account;
use crate::rest::token::Read;

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotLetIn {
    /// Made a moment ago; it will work by itself.
    Fresh,
    /// The credential has expired.
    Expired,
    /// The token's credential was deleted.
    Deleted,
    /// Not signed here, or changed since.
    Signature,
    /// The password is wrong.
    Password,
    /// The connection is switched off.
    Disabled,
}

impl NotLetIn {
    pub(crate) fn log_text(self) -> &'static str {
        match self {
            Self::Fresh => "the credential or token is too fresh; it works in a moment",
            Self::Expired => "the credential has expired",
            Self::Deleted => "the credential was deleted",
            Self::Signature => "the token was not signed here",
            Self::Password => "wrong password",
            Self::Disabled => "the connection is not active",
        }
    }
}

impl Account {
    /// A login by name and password; `None` when the name is not known here.
    pub(crate) fn let_in_by_password(
        &self,
        login: &str,
        is_right: impl Fn(&str) -> bool,
        wall: SystemTime,
    ) -> Option<Result<String, NotLetIn>> {
        let name = login.split_once('@').map_or(login, |(name, _)| name);
        if let Some(known) = self.named(name) {
            let answer = if !is_right(&known.sip_password) {
                Err(NotLetIn::Password)
            } else {
                self.usable(&known.id, wall)
            };
            return Some(answer);
        }
        let connection = self.connection_named(name)?;
        let password = connection.fields.get("password").and_then(Value::as_str);
        Some(match password {
            Some(password) if is_right(password) && connection.is_active() => Ok(name.to_owned()),
            Some(password) if is_right(password) => Err(NotLetIn::Disabled),
            _ => Err(NotLetIn::Password),
        })
    }

    /// A login by token that is within its life; `None` when it is somebody else's token.
    pub(crate) fn let_in_by_token(
        &self,
        token: &str,
        wall: SystemTime,
    ) -> Option<Result<String, NotLetIn>> {
        Some(match self.signer.read(token) {
            Read::Ours(claims) => {
                let delay = self.settings.fresh_delay;
                if self.issued.is_fresh(&claims.jti, wall, delay) {
                    Err(NotLetIn::Fresh)
                } else {
                    self.usable(&claims.sub, wall)
                }
            }
            Read::Forged => Err(NotLetIn::Signature),
            Read::Foreign if self.settings.signed_tokens_only => Err(NotLetIn::Signature),
            Read::Foreign => return None,
        })
    }

    /// Keeps when a name logged in.
    pub(crate) fn note_login(&mut self, name: &str, wall: SystemTime) {
        let known = self.named(name).is_some() || self.connection_named(name).is_some();
        if known {
            self.logins.insert(name.to_owned(), wall);
        }
    }

    fn usable(&self, id: &str, wall: SystemTime) -> Result<String, NotLetIn> {
        let known = self.credential(id).ok_or(NotLetIn::Deleted)?;
        let connection = self.connection(&known.connection);
        if connection.is_some_and(|(_, connection)| !connection.is_active()) {
            return Err(NotLetIn::Disabled);
        }
        if known.has_expired(wall) {
            return Err(NotLetIn::Expired);
        }
        if known.created + self.settings.fresh_delay > wall {
            return Err(NotLetIn::Fresh);
        }
        Ok(known.sip_username.clone())
    }
}

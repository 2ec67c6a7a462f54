//! The ways to say who we are.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::secret::Secret;

/// Credentials of one session.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Login {
    /// User and password; with FreeSWITCH the user may be `user@domain`.
    Password {
        /// The user.
        user: String,
        /// The password; it goes over the wire as it is, so use `wss`.
        password: Secret,
    },
    /// A JSON Web Token made for one user.
    Token {
        /// The token.
        token: Secret,
    },
    /// No identity: every call goes to one target.
    Anonymous {
        /// Kind of target, `ai_assistant` being the known one.
        target_type: String,
        /// The target.
        target_id: String,
        /// Version of the target; absent means the latest.
        target_version: Option<String>,
        /// Open map handed to the target, such as `conversation_id`; values are any JSON.
        target_params: BTreeMap<String, Value>,
    },
}

impl Login {
    /// Who logs in, for messages: never a secret.
    pub fn who(&self) -> String {
        match self {
            Self::Password { user, .. } => user.clone(),
            Self::Token { .. } => "the holder of the token".to_owned(),
            Self::Anonymous { target_id, .. } => format!("anonymous caller of {target_id}"),
        }
    }

    /// The kind of login.
    pub fn kind(&self) -> LoginKind {
        match self {
            Self::Password { .. } => LoginKind::Password,
            Self::Token { .. } => LoginKind::Token,
            Self::Anonymous { .. } => LoginKind::Anonymous,
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.who())
    }
}

/// The kinds of [`Login`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoginKind {
    /// User and password.
    Password,
    /// JSON Web Token.
    Token,
    /// Anonymous, to one target.
    Anonymous,
}

impl fmt::Display for LoginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password => "password",
            Self::Token => "token",
            Self::Anonymous => "anonymous",
        })
    }
}

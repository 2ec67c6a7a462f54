//! What a session needs to know for its whole life.

use std::time::SystemTime;

use crate::auth::login::Login;
use crate::backoff::Backoff;
use crate::deadlines::Timers;
use crate::verto::dialect::differences::Dialect;

/// What a session needs to know for its whole life.
#[derive(Clone, Debug)]
pub struct Config {
    /// `ws://` or `wss://` URL; its path and query are kept.
    pub server: String,
    /// How the server speaks.
    pub dialect: Dialect,
    /// Who we are; replaced by [`crate::command::Command::Login`].
    pub login: Login,
    /// Session name of an earlier process, to recover its calls. `None`: a new one.
    pub sessid: Option<String>,
    /// Name and version told to the server, such as `offhook/0.1.0`.
    pub user_agent: String,
    /// Time limits.
    pub timers: Timers,
    /// Pauses between connection attempts.
    pub backoff: Backoff,
    /// Wall time at the moment of [`super::Session::new`]; only to say why a token was refused.
    pub wall_clock: Option<SystemTime>,
}

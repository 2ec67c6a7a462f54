//! What a session needs to know for its whole life.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::auth::login::Login;
use crate::auth::refresh::TokenRefresh;
use crate::backoff::Backoff;
use crate::deadlines::Timers;
use crate::remembered::Remembered;
use crate::variable::Variable;
use crate::verto::dialect::differences::Dialect;

/// Where the gateway's proxy is to send a client (`rtc_ip` and `rtc_port` of the URL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyTarget {
    /// `rtc_ip`.
    pub ip: IpAddr,
    /// `rtc_port`.
    pub port: u16,
}

/// What a session needs to know for its whole life.
#[derive(Clone, Debug)]
pub struct Config {
    /// `ws://` or `wss://` URL; its path and query are kept.
    pub server: String,
    /// How the server speaks.
    pub dialect: Dialect,
    /// Who we are; replaced by [`crate::command::Command::Login`].
    pub login: Login,
    /// How long ago the login was made, as far as its keeper knows: the server may not know one of some seconds yet.
    pub login_age: Option<Duration>,
    /// What an earlier process told to remember, to recover its calls and, with FreeSWITCH, to go on as the same
    /// device. Default: nothing.
    pub remembered: Remembered,
    /// Name and version told to the server, such as `offhook/0.1.0`.
    pub user_agent: String,
    /// Time limits.
    pub timers: Timers,
    /// Pauses between connection attempts.
    pub backoff: Backoff,
    /// Wall time at the moment of [`super::Session::new`]; only to say why a token was refused.
    pub wall_clock: Option<SystemTime>,
    /// When a token is asked for again; `None`: there is no source that could be asked. With a source, the first
    /// token may be left empty.
    pub token_refresh: Option<TokenRefresh>,
    /// Region of the gateway, as a host label such as `eu`; the automatic choice follows when it cannot be reached.
    /// `None` or a host that has no regions: automatic.
    pub region: Option<String>,
    /// Never ask for the instance of the gateway that we were at last (Telnyx).
    pub skip_instance: bool,
    /// Where the gateway's proxy is to send us; then neither an instance is asked for nor the canary (Telnyx).
    pub proxy_target: Option<ProxyTarget>,
    /// Use the instances that get new releases first (Telnyx).
    pub canary: bool,
    /// Have the gateway's proxy skip its look-up of who we are (Telnyx).
    pub skip_trailing: bool,
    /// Offers and answers are sent before all candidates are known, and these follow (Telnyx).
    pub trickle: bool,
    /// Ourselves as callers that we answer are to see us, where the server tells them (FreeSWITCH).
    pub own_name: Option<String>,
    /// The number beside it.
    pub own_number: Option<String>,
    /// Variables of each call of this session.
    pub user_variables: BTreeMap<String, Variable>,
    /// Facts for the server's directory.
    pub login_params: BTreeMap<String, Variable>,
}

impl Config {
    /// The usual values for everything but who, where and how.
    pub fn new(server: impl Into<String>, dialect: Dialect, login: Login) -> Self {
        Self {
            server: server.into(),
            dialect,
            login,
            login_age: None,
            remembered: Remembered::default(),
            user_agent: concat!("offhook/", env!("CARGO_PKG_VERSION")).to_owned(),
            timers: Timers::default(),
            backoff: Backoff::default(),
            wall_clock: None,
            token_refresh: None,
            region: None,
            skip_instance: false,
            proxy_target: None,
            canary: false,
            skip_trailing: false,
            trickle: false,
            own_name: None,
            own_number: None,
            user_variables: BTreeMap::new(),
            login_params: BTreeMap::new(),
        }
    }
}

//! One connection to one edge, with the registration on it (RFC 5626).

use std::time::Instant;

use rand::Rng;

use crate::auth::login::Login;
use crate::auth::pace::LoginPace;
use crate::sip::config::Config;
use crate::sip::flow_id::FlowId;
use crate::sip::message::Method;
use crate::sip::registration::Registration;

/// One flow.
#[derive(Debug)]
pub(in crate::sip) struct Flow {
    pub(in crate::sip) id: FlowId,
    pub(in crate::sip) url: String,
    pub(in crate::sip) link: Link,
    /// Counts its connections.
    pub(in crate::sip) connection: u32,
    /// Calls could be made over it before, over this connection or an earlier one.
    pub(in crate::sip) was_ready: bool,
    /// Since when they can be, over this one.
    pub(in crate::sip) ready_since: Option<Instant>,
    pub(in crate::sip) registration: Registration,
    /// Failures since the last registration that held.
    pub(in crate::sip) failures: u32,
    /// Refusals of who we are, in a row.
    pub(in crate::sip) refusals: u32,
    /// Its registrar refused the last REGISTER.
    pub(in crate::sip) refused: bool,
    /// Whom the last REGISTER named.
    pub(in crate::sip) sent_login: Option<Login>,
    /// Keeps registrations that commands ask for apart.
    pub(in crate::sip) logins: LoginPace,
    /// Methods that its server wants none of for now (503 with Retry-After), and until when.
    avoided: Vec<(Method, Instant)>,
    /// What its registrar said last of other devices, and of push.
    pub(in crate::sip) told: (Vec<String>, bool),
    /// Unanswered keep-alives of the present round.
    pub(in crate::sip) pings: u8,
    /// It was told that answers over this connection prove a wrong password.
    pub(in crate::sip) doubted: bool,
}

/// The flow's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Link {
    /// No attempt without a command.
    Down,
    /// The next attempt has its deadline.
    Waiting,
    Connecting,
    Open,
}

impl Flow {
    pub(in crate::sip) fn new(
        id: FlowId,
        url: String,
        config: &Config,
        rng: &mut impl Rng,
    ) -> Self {
        Self {
            id,
            url,
            link: Link::Down,
            connection: 0,
            was_ready: false,
            ready_since: None,
            registration: Registration::new(id, config, rng),
            failures: 0,
            refusals: 0,
            refused: false,
            sent_login: None,
            logins: LoginPace::default(),
            avoided: Vec::new(),
            told: (Vec::new(), false),
            pings: 0,
            doubted: false,
        }
    }

    pub(in crate::sip) fn is_open(&self) -> bool {
        self.link == Link::Open
    }

    /// Whether calls can be made over it.
    pub(in crate::sip) fn is_ready(&self, config: &Config) -> bool {
        self.is_open() && (!config.registers || self.registration.granted.is_some())
    }

    /// The server wants no such requests until then (RFC 3261, 21.5.4).
    pub(in crate::sip) fn avoid(&mut self, method: &Method, until: Instant) {
        self.avoided.retain(|(known, _)| known != method);
        self.avoided.push((method.clone(), until));
    }

    /// Such requests are tried again whatever it said.
    pub(in crate::sip) fn welcome(&mut self, method: &Method) {
        self.avoided.retain(|(known, _)| known != method);
    }

    /// Until when it wants none.
    pub(in crate::sip) fn avoided_until(&self, method: &Method, now: Instant) -> Option<Instant> {
        self.avoided
            .iter()
            .find(|(known, until)| known == method && *until > now)
            .map(|(_, until)| *until)
    }

    /// Whether TLS covers it.
    pub(in crate::sip) fn is_secure(&self) -> bool {
        is_secure(&self.url)
    }

    /// Whether it may carry what needs TLS, or what does not.
    pub(in crate::sip) fn carries(&self, secure: bool) -> bool {
        !secure || self.is_secure()
    }

    /// `WS` or `WSS`, as Via names it (RFC 7118, 5.1).
    pub(in crate::sip) fn via_transport(&self) -> &'static str {
        if self.is_secure() { "WSS" } else { "WS" }
    }
}

/// Whether a server at that URL is reached over TLS.
pub(in crate::sip) fn is_secure(url: &str) -> bool {
    url.get(..4)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("wss:"))
}

//! One connection to one edge, with the registration on it (RFC 5626).

use rand::Rng;

use crate::sip::config::Config;
use crate::sip::flow_id::FlowId;
use crate::sip::registration::Registration;

/// One flow.
#[derive(Clone, Debug)]
pub(in crate::sip) struct Flow {
    pub(in crate::sip) id: FlowId,
    pub(in crate::sip) url: String,
    pub(in crate::sip) link: Link,
    pub(in crate::sip) registration: Registration,
    /// Failures since the last registration that held.
    pub(in crate::sip) failures: u32,
    /// Refusals of who we are, in a row.
    pub(in crate::sip) refusals: u32,
    /// Unanswered keep-alives of the present round.
    pub(in crate::sip) pings: u8,
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
            registration: Registration::new(id, config, rng),
            failures: 0,
            refusals: 0,
            pings: 0,
        }
    }

    pub(in crate::sip) fn is_open(&self) -> bool {
        self.link == Link::Open
    }

    /// Whether calls can be made over it.
    pub(in crate::sip) fn is_ready(&self, config: &Config) -> bool {
        self.is_open() && (!config.registers || self.registration.granted.is_some())
    }

    /// `WS` or `WSS`, as Via names it (RFC 7118, 5.1).
    pub(in crate::sip) fn via_transport(&self) -> &'static str {
        if self.url.starts_with("wss:") {
            "WSS"
        } else {
            "WS"
        }
    }
}

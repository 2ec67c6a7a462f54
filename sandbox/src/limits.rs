//! The limits of a server that faces strangers, with their defaults.

use std::ops::RangeInclusive;
use std::time::Duration;

/// What one peer, and all peers together, may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Largest message of a client, in bytes; a longer one closes its socket.
    pub(crate) message_bytes: usize,
    /// Sockets open at the same time; one more is refused.
    pub(crate) sockets: usize,
    /// Calls of one session at the same time; one more fails as a switch in congestion would say.
    pub(crate) calls_per_session: usize,
    /// Failed logins on one socket before it is closed.
    pub(crate) login_tries: u32,
    /// Time from the open socket to a good login.
    pub(crate) login_within: Duration,
    /// UDP ports for media; `None` lets the system choose.
    pub(crate) media_ports: Option<RangeInclusive<u16>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // mod_verto: a payload of 1,000,000 bytes with its terminator.
            message_bytes: 999_999,
            sockets: 4096,
            calls_per_session: 32,
            login_tries: 5,
            login_within: Duration::from_secs(30),
            media_ports: None,
        }
    }
}

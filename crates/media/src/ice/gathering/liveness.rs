//! When to ask whether a TURN server still has an allocation of ours: when checks that go by it come back from nowhere.
//!
//! A server that was started again, or that sees us come from another address since a NAT forgot us, drops what we send and says
//! nothing. Asked to refresh the allocation it says that there is none (437, RFC 8656 section 7.3).

use std::time::{Duration, Instant};

/// So many checks went, and nothing came since the first of them, which is so long ago: the server is asked. A pair whose media stopped is
/// checked after half a second, each fifth of a second, so that this is little more than a second after it was heard.
const SILENCE: Duration = Duration::from_millis(500);
const UNANSWERED: u32 = 3;
/// How a check begins (RFC 8489, section 5).
const BINDING_REQUEST: [u8; 2] = [0, 1];

/// What is known of one allocation.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    /// The first check that was sent by it since something came, and how many were.
    silent_since: Option<Instant>,
    unanswered: u32,
}

impl Liveness {
    /// Something came by the allocation, or was said of it.
    pub(super) fn hear(&mut self) {
        *self = Self::default();
    }

    /// A datagram leaves by it; whether the server is to be asked.
    pub(super) fn send(&mut self, bytes: &[u8], now: Instant) -> bool {
        if !bytes.starts_with(&BINDING_REQUEST) {
            return false;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        let since = *self.silent_since.get_or_insert(now);
        self.is_doubted() && now >= since + SILENCE
    }

    /// Whether several checks went by it, and nothing came since.
    pub(super) const fn is_doubted(&self) -> bool {
        self.unanswered >= UNANSWERED
    }
}

//! Decides when the server has been quiet for so long that it must be probed.

use std::time::Instant;

use crate::verto::dialect::differences::Probes;

/// Probes under way at the same time; a server that floods us with pings gets no more answers than this.
pub(crate) const MOST_PROBES: usize = 8;

/// When we last heard from the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Liveness {
    heard: Instant,
    replied: Instant,
}

impl Liveness {
    /// A socket that has just been opened.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            heard: now,
            replied: now,
        }
    }

    /// Any message came.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// A reply to something of ours came. A socket that still receives but no longer sends looks well otherwise.
    pub(crate) fn replied(&mut self, now: Instant) {
        self.replied = now;
    }

    /// Whether it is not known that the server is there: it has said nothing for as long as it may take for a reply.
    pub(crate) fn is_doubtful(&self, probes: &Probes, now: Instant) -> bool {
        now > self.heard + probes.reply_within
    }

    /// When the next probe is due.
    pub(crate) fn probe_at(&self, probes: &Probes) -> Instant {
        (self.heard + probes.after_silence).min(self.replied + probes.after_no_reply)
    }
}

//! How often a registrar may be asked after it said no, or nothing.

use std::time::Instant;

use offhook_signaling::sip::config::FlowBackoff;

use crate::sip::watch::{Verdict, check};

/// When a flow may ask its registrar again after failures (RFC 5626, 4.5; RFC 3261, 20.33).
#[derive(Debug, Default)]
pub(super) struct Pace {
    failures: u32,
    /// Half of the window that the failures have opened.
    pub(super) earliest: Option<Instant>,
    /// The registrar named it.
    pub(super) named: Option<Instant>,
    /// The last answer asked for the same once more, with something else in it.
    pub(super) amends: bool,
}

impl Pace {
    /// Whether another REGISTER may go.
    pub(super) fn allows(&self, now: Instant) -> Verdict {
        let earliest = self.earliest.max(self.named);
        check(earliest.is_none_or(|earliest| now >= earliest), || {
            format!(
                "a REGISTER {:?} too early, after {} failures",
                earliest.map(|earliest| earliest - now),
                self.failures
            )
        })
    }

    /// Whoever was registered comes back at once.
    pub(super) fn held(&mut self) {
        self.failures = 0;
        self.earliest = None;
    }

    /// Nothing but this failure is known: "Retry-After: 0" may be taken at its word.
    pub(super) fn is_first(&self) -> bool {
        self.failures == 1
    }

    /// A registration did not come to be.
    pub(super) fn failed(&mut self, backoff: &FlowBackoff, now: Instant) {
        self.failures += 1;
        let window = backoff.base * (1 << self.failures.min(10));
        self.earliest = Some(now + window.min(backoff.max) / 2);
    }
}

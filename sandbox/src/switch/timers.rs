//! When each leg has to be looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::switch::leg::LegId;

/// What a leg waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The next step of its script.
    Step,
    /// The end of patience: a client that does not answer, or does not come back.
    Limit,
}

/// A table of deadlines, at most one of each kind for a leg.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeSet<(Instant, LegId, Timer)>,
    at: BTreeMap<(LegId, Timer), Instant>,
}

impl Timers {
    /// Sets, moves or (with `None`) removes a deadline.
    pub(super) fn set(&mut self, leg: LegId, timer: Timer, at: Option<Instant>) {
        if let Some(before) = self.at.remove(&(leg, timer)) {
            self.queue.remove(&(before, leg, timer));
        }
        if let Some(at) = at {
            self.at.insert((leg, timer), at);
            self.queue.insert((at, leg, timer));
        }
    }

    /// Removes all deadlines of a leg.
    pub(super) fn forget(&mut self, leg: LegId) {
        self.set(leg, Timer::Step, None);
        self.set(leg, Timer::Limit, None);
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _, _)| *at)
    }

    /// Takes one deadline that has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<(LegId, Timer)> {
        let &(at, leg, timer) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.set(leg, timer, None);
        Some((leg, timer))
    }
}

//! A request to the server and what is waited for (RFC 8489, section 6.2).

use std::time::{Duration, Instant};

use crate::ice::gathering::probe::{Challenge, Request};
use crate::ice::gathering::relay::Purpose;

/// First wait for an answer, longest wait, repeats, and the wait after the last of them.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(1);
const REPEATS: u32 = 5;
const LAST: Duration = Duration::from_secs(2);
/// In a stream nothing is repeated; its own repeats of what was lost take this long.
const IN_STREAM: Duration = Duration::from_secs(10);
/// That of a question whether the server is there at all.
const IS_THERE: Duration = Duration::from_secs(3);

/// How what is sent goes to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Datagrams,
    Stream,
}

/// What to do with a request now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Wait,
    Repeat,
    GiveUp,
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) purpose: Purpose,
    pub(super) request: Request,
    /// What it was signed with.
    pub(super) challenge: Option<Challenge>,
    /// So often it was refused for what it was signed with.
    pub(super) stale: u8,
    pub(super) due: Instant,
    over: Over,
    repeats: u32,
}

impl Transaction {
    pub(super) fn new(
        purpose: Purpose,
        request: Request,
        challenge: Option<Challenge>,
        stale: u8,
        over: Over,
        now: Instant,
    ) -> Self {
        let wait = match (over, purpose) {
            (Over::Datagrams, _) => FIRST,
            (Over::Stream, Purpose::Refresh) => IS_THERE,
            (Over::Stream, _) => IN_STREAM,
        };
        Self {
            purpose,
            request,
            challenge,
            stale,
            due: now + wait,
            over,
            repeats: 0,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Step {
        if now < self.due {
            return Step::Wait;
        }
        if self.over == Over::Stream || self.repeats == REPEATS {
            return Step::GiveUp;
        }
        self.repeats += 1;
        let wait = match self.repeats {
            REPEATS => LAST,
            repeats => (FIRST * 2_u32.saturating_pow(repeats)).min(LONGEST),
        };
        self.due = now + wait;
        Step::Repeat
    }
}

//! The questions to a source of tokens: one at a time, apart from each other, and fewer the longer it fails.

use std::time::{Duration, Instant};

use rand::Rng;

use crate::auth::refresh::TokenRefresh;
use crate::event::TokenWantedReason;

/// What was asked of an account's source, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    open: bool,
    last: Option<Instant>,
    /// Failures of the source in a row.
    failures: u32,
}

/// Whether the source is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Now, for this reason.
    Asked(TokenWantedReason),
    /// It was asked a moment ago: not before this instant.
    NotBefore(Instant),
    /// It has not answered the last question yet.
    Open,
}

/// What is known of the present token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Present {
    /// There is none.
    pub(crate) missing: bool,
    /// The server has refused it.
    pub(crate) refused: bool,
    /// Its end.
    pub(crate) expires: Option<Instant>,
}

impl Present {
    fn reason(self, now: Instant) -> TokenWantedReason {
        let left = self.expires.map(|end| end.saturating_duration_since(now));
        match left {
            _ if self.missing => TokenWantedReason::Missing,
            _ if self.refused => TokenWantedReason::Refused,
            Some(left) if left.is_zero() => TokenWantedReason::Expired,
            Some(left) => TokenWantedReason::Refresh { left },
            None => TokenWantedReason::Refused,
        }
    }
}

impl Questions {
    /// A question is wanted.
    pub(crate) fn ask(&mut self, rule: TokenRefresh, present: Present, now: Instant) -> Question {
        if self.open {
            return Question::Open;
        }
        let earliest = self.last.map(|last| last + rule.spacing);
        if let Some(at) = earliest.filter(|at| *at > now) {
            return Question::NotBefore(at);
        }
        self.open = true;
        self.last = Some(now);
        Question::Asked(present.reason(now))
    }

    /// Whether one waits for its answer.
    pub(crate) const fn is_open(&self) -> bool {
        self.open
    }

    /// A token came, from the source or from elsewhere: no answer is waited for any more.
    pub(crate) const fn close(&mut self) {
        self.open = false;
    }

    /// No token came, or none of use: how long the source is left alone. `told`: as long as it wanted itself.
    pub(crate) fn failed(
        &mut self,
        rule: TokenRefresh,
        told: Option<Duration>,
        rng: &mut impl Rng,
    ) -> Duration {
        self.open = false;
        self.failures = self.failures.saturating_add(1);
        rule.pause_as_told(self.failures, told, rng)
    }

    /// Its token is accepted, or a better one came from elsewhere.
    pub(crate) const fn worked(&mut self) {
        self.failures = 0;
    }

    /// Whether it failed last.
    pub(crate) const fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// The next one need not keep its distance: a command wants it.
    pub(crate) const fn hurry(&mut self) {
        self.last = None;
    }
}

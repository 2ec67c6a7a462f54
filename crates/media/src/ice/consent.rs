//! Consent to send (RFC 7675): the far end has to answer our checks; that it asks us is not enough.

use std::time::{Duration, Instant};

/// After the last answer nothing more may be sent (RFC 7675, section 5.1).
const EXPIRY: Duration = Duration::from_secs(30);

/// After so long without an answer the far end is asked more often than a steady path needs: loss alone must not cost a call.
const UNEASE: Duration = Duration::from_secs(5);

/// After so long without an answer it is told: by then twenty checks went unanswered.
pub(crate) const DOUBT: Duration = Duration::from_secs(15);

/// The far end's consent to receive from us by the selected pair.
#[derive(Debug, Default)]
pub(crate) struct Consent {
    /// When a check of ours was answered last.
    given: Option<Instant>,
    doubted: bool,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// It was expected.
    Still,
    /// It had been in doubt.
    Again,
}

/// How things stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The last answer is recent, or what is to be said of it was said.
    Fresh,
    /// It is not; said once.
    Doubtful,
    /// There is no consent any more.
    Expired,
}

impl Consent {
    /// A check was answered.
    pub(crate) fn give(&mut self, now: Instant) -> Given {
        self.given = Some(now);
        match std::mem::take(&mut self.doubted) {
            true => Given::Again,
            false => Given::Still,
        }
    }

    pub(crate) fn look(&mut self, now: Instant) -> Verdict {
        match self.given {
            Some(given) if now >= given + EXPIRY => {
                self.given = None;
                Verdict::Expired
            }
            Some(given) if now >= given + DOUBT && !self.doubted => {
                self.doubted = true;
                Verdict::Doubtful
            }
            _ => Verdict::Fresh,
        }
    }

    /// Whether it was said that nobody answers.
    pub(crate) const fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// Whether an answer is overdue.
    pub(crate) fn is_uneasy(&self, now: Instant) -> bool {
        self.given.is_some_and(|given| now >= given + UNEASE)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let wait = if self.doubted { EXPIRY } else { DOUBT };
        self.given.map(|given| given + wait)
    }
}

//! Whether anything comes by the selected pair, and when one that answers has to take its place without a word of signalling.
//!
//! A pair may die long before its checks give it up: a NAT on the way forgot it, a relay is gone. Media that stops tells at once.

use std::time::{Duration, Instant};

/// Media that paused for so long may have lost its path. Opus with DTX has a packet every 400 ms.
const QUIET: Duration = Duration::from_millis(500);

/// A living pair has answered by then: it is asked at once or, if it just was, [`ASKING`] later.
const ANSWER: Duration = Duration::from_millis(400);

/// The longest wait between checks while the pair is asked.
pub(crate) const ASKING: Duration = Duration::from_millis(200);

/// Without an answer of any pair for so long, asking goes on at the pace of seeking.
const PATIENCE: Duration = Duration::from_secs(1);

/// Media that comes by another pair alone for so long has moved there.
const MOVED: Duration = Duration::from_millis(200);

/// What is heard by the selected pair.
#[derive(Debug)]
pub(crate) struct Listening {
    state: State,
    /// When media came last, or when the pair was selected.
    media: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No media, but nothing speaks against the pair.
    Idle,
    /// Media comes.
    Hearing,
    /// The pair was asked then and has not answered; `late`: it should have.
    Asked { since: Instant, late: bool },
    /// Nor did any other.
    Unanswered,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// All pairs are to be asked now.
    Ask,
    /// A pair that has answered since then takes the place of the selected one, which has not.
    Replace(Instant),
    /// There is none; all pairs are asked on at the pace of seeking.
    Seek,
}

impl Listening {
    /// The pair is selected.
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            state: State::Idle,
            media: now,
        }
    }

    /// Media came by the selected pair; `true` when there had been none.
    pub(crate) fn media(&mut self, now: Instant) -> bool {
        self.media = now;
        std::mem::replace(&mut self.state, State::Hearing) != State::Hearing
    }

    /// A check or an answer came by it: it lives. `true` when it had been asked for that.
    pub(crate) fn sign_of_life(&mut self) -> bool {
        let was_asked = matches!(self.state, State::Asked { .. } | State::Unanswered);
        if was_asked {
            self.state = State::Idle;
        }
        was_asked
    }

    /// Media came by another pair; `true` when the selected one is to be asked whether it still is one.
    pub(crate) fn media_elsewhere(&mut self, now: Instant) -> bool {
        match self.state {
            State::Idle | State::Hearing => self.ask(now),
            // It has had its time: the other one takes over with its first answer.
            State::Unanswered => {
                self.state = State::Asked {
                    since: now,
                    late: true,
                };
            }
            State::Asked { .. } => return false,
        }
        true
    }

    /// The pair did not answer, and may now; `true` when it is to be asked more often again.
    pub(crate) fn ask_again(&mut self, now: Instant) -> bool {
        let goes_unanswered = matches!(self.state, State::Asked { .. } | State::Unanswered);
        if goes_unanswered {
            self.ask(now);
        }
        goes_unanswered
    }

    /// Whether media that comes by another pair has left the selected one.
    pub(crate) fn has_moved(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.media) >= MOVED
    }

    /// Whether the selected pair should have answered: another one that does may take its place.
    pub(crate) const fn is_silent(&self) -> bool {
        matches!(self.state, State::Asked { late: true, .. })
    }

    /// What is due by now.
    pub(crate) fn look(&mut self, now: Instant) -> Option<Need> {
        if self.deadline().is_none_or(|due| now < due) {
            return None;
        }
        match self.state {
            State::Hearing => {
                self.ask(now);
                Some(Need::Ask)
            }
            State::Asked { since, late: false } => {
                self.state = State::Asked { since, late: true };
                Some(Need::Replace(since))
            }
            State::Asked { late: true, .. } => {
                self.state = State::Unanswered;
                Some(Need::Seek)
            }
            State::Idle | State::Unanswered => None,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Hearing => Some(self.media + QUIET),
            State::Asked { since, late: false } => Some(since + ANSWER),
            State::Asked { since, late: true } => Some(since + PATIENCE),
            State::Idle | State::Unanswered => None,
        }
    }

    fn ask(&mut self, now: Instant) {
        self.state = State::Asked {
            since: now,
            late: false,
        };
    }
}

//! Consent to send (RFC 7675): the far end has to answer our checks; that it asks us is not enough.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// After the last answer nothing more may be sent (RFC 7675, section 5.1).
const EXPIRY: Duration = Duration::from_secs(30);

/// Between two consent checks, drawn anew for each: 5 s, times 0.8 to 1.2 (RFC 7675, section 5.1).
const PERIOD: std::ops::RangeInclusive<u64> = 4_000..=6_000;

/// After so long without an answer, which is half a second after a consent check that got none, the pair itself is in question, and is
/// checked as one that is sought: at intervals of half a second, until one is answered or consent expires. RFC 7675 has a consent check
/// sent once only, and the next one no sooner than in 4 s; six of them in 30 s would let loss alone cost a call (three of ten datagrams
/// lost each way: one call in fifty each half minute). These are connectivity checks of ICE in their place, on a pair that may be dead, each a
/// transaction of its own, and none of them lets consent last longer than its last answer does.
const UNEASE: Duration = Duration::from_millis(6_500);

/// After so long without an answer it is told: by then some fifteen checks went unanswered.
pub(crate) const DOUBT: Duration = Duration::from_secs(15);

/// The far end's consent to receive from us by the selected pair.
#[derive(Debug, Default)]
pub(crate) struct Consent {
    /// When a check of ours was answered last.
    given: Option<Instant>,
    uneasy: bool,
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
    /// An answer is overdue; said once.
    Uneasy,
    /// There was none for long; said once.
    Doubtful,
    /// There is no consent any more.
    Expired,
}

/// How long to wait between two checks of a steady path. The crate has one such time for all of an agent's pairs, so that a pair which is
/// not in use is checked as seldom.
#[derive(Debug)]
pub(crate) struct Interval {
    seed: u64,
    drawn: u64,
    present: Duration,
}

impl Interval {
    pub(crate) fn new(seed: u64) -> Self {
        let mut interval = Self {
            seed,
            drawn: 0,
            present: Duration::ZERO,
        };
        interval.draw();
        interval
    }

    pub(crate) const fn present(&self) -> Duration {
        self.present
    }

    /// A check went out: the next one comes after another time.
    pub(crate) fn draw(&mut self) {
        self.drawn = self.drawn.wrapping_add(1);
        // Once in seconds: a generator kept would cost each call more than this does.
        let mut rng = StdRng::seed_from_u64(self.seed.wrapping_add(self.drawn.rotate_left(32)));
        self.present = Duration::from_millis(rng.random_range(PERIOD));
    }
}

impl Consent {
    /// A check was answered.
    pub(crate) fn give(&mut self, now: Instant) -> Given {
        self.given = Some(now);
        self.uneasy = false;
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
                self.uneasy = true;
                Verdict::Doubtful
            }
            Some(given) if now >= given + UNEASE && !self.uneasy => {
                self.uneasy = true;
                Verdict::Uneasy
            }
            _ => Verdict::Fresh,
        }
    }

    /// When it was given last, while it lasts.
    pub(crate) const fn given(&self) -> Option<Instant> {
        self.given
    }

    /// Whether it was said that nobody answers.
    pub(crate) const fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// Whether an answer is overdue.
    pub(crate) const fn is_uneasy(&self) -> bool {
        self.uneasy
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let wait = match (self.doubted, self.uneasy) {
            (true, _) => EXPIRY,
            (false, true) => DOUBT,
            (false, false) => UNEASE,
        };
        self.given.map(|given| given + wait)
    }
}

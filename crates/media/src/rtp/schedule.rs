//! When the next RTCP report is due (RFC 3550 section 6.2 and 6.3): every 5 s, jittered, the first one early.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::{Duration, Instant};

/// Mean time between reports (RFC 3550 section 6.2: 5 s; a call's two participants never need more bandwidth than allowed).
pub const INTERVAL: Duration = Duration::from_secs(5);
/// Mean time to the first report, so that the round trip is known early in the call.
pub const FIRST: Duration = Duration::from_secs(1);

/// The due times of one session's reports.
#[derive(Debug)]
pub struct Schedule {
    rng: StdRng,
    interval: Duration,
    next: Instant,
}

impl Schedule {
    /// The first report is due about a second after `now`.
    #[must_use]
    pub fn new(seed: [u8; 32], interval: Duration, now: Instant) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let next = now + jittered(&mut rng, FIRST.min(interval));
        Self {
            rng,
            interval,
            next,
        }
    }

    /// When the next report is due.
    #[must_use]
    pub const fn due_at(&self) -> Instant {
        self.next
    }

    /// Whether a report is due; if so, the one after it is planned. After a long sleep one report is due, not many.
    pub fn take_due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now + jittered(&mut self.rng, self.interval);
        true
    }
}

/// Half to one and a half times the mean (RFC 3550 section 6.3.1), so that many calls do not report on the same millisecond.
fn jittered(rng: &mut StdRng, mean: Duration) -> Duration {
    mean.mul_f64(rng.random_range(0.5..1.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "a test needs some instant to begin at"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_first_report_is_early_and_the_others_spread_around_five_seconds() {
        let begin = start();
        let mut schedule = Schedule::new([7; 32], INTERVAL, begin);
        let mut now = schedule.due_at();
        assert!((Duration::from_millis(500)..Duration::from_millis(1500)).contains(&(now - begin)));
        assert!(!schedule.take_due(now - Duration::from_millis(1)));
        let mut sum = Duration::ZERO;
        for _ in 0..1000 {
            assert!(schedule.take_due(now));
            let gap = schedule.due_at() - now;
            assert!((Duration::from_millis(2500)..Duration::from_millis(7500)).contains(&gap));
            sum += gap;
            now = schedule.due_at();
        }
        assert!((sum.as_secs_f64() / 1000.0 - 5.0).abs() < 0.2);
    }

    #[test]
    fn a_long_sleep_makes_one_report_due() {
        let begin = start();
        let mut schedule = Schedule::new([7; 32], INTERVAL, begin);
        let now = begin + Duration::from_secs(3600);
        assert!(schedule.take_due(now));
        assert!(!schedule.take_due(now));
    }
}

//! When the slots of a call are due: every 20 ms from a fixed instant, so that no error ever adds up.

use std::time::{Duration, Instant};

use crate::program::SLOT;

/// A slot this much after its time counts as late.
pub(crate) const LATE: Duration = Duration::from_millis(5);
/// How many slots are caught up with after a delay; older ones are left out, since their audio would come too late.
const CATCH_UP: u32 = 5;

/// One slot to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// Its number, from 0.
    pub(crate) index: u64,
    /// It runs more than [`LATE`] after its time.
    pub(crate) late: bool,
    /// Slots left out just before it.
    pub(crate) skipped: u64,
}

/// The slots of one call.
#[derive(Debug)]
pub(crate) struct Pacing {
    next: Instant,
    index: u64,
}

impl Pacing {
    /// Slots at `phase` plus whole slots; the first one not before `now`.
    pub(crate) fn starting(phase: Instant, now: Instant) -> Self {
        let next = match now.checked_duration_since(phase) {
            None => phase,
            Some(elapsed) => {
                let into = elapsed.as_nanos() % SLOT.as_nanos();
                let into = Duration::from_nanos(u64::try_from(into).unwrap_or_default());
                if into.is_zero() {
                    now
                } else {
                    now - into + SLOT
                }
            }
        };
        Self { next, index: 0 }
    }

    /// When the next slot is due.
    pub(crate) const fn next(&self) -> Instant {
        self.next
    }

    /// The next slot, if its time has come. Call until there is none.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Due> {
        let lag = now.checked_duration_since(self.next)?;
        let behind = u64::try_from(lag.as_nanos() / SLOT.as_nanos()).unwrap_or(u64::MAX);
        let skipped = if behind > u64::from(CATCH_UP) {
            behind
        } else {
            0
        };
        // Skipped slots are a span that fits into the time passed, so this cannot overflow.
        let span = Duration::from_nanos(
            u64::try_from(SLOT.as_nanos())
                .unwrap_or_default()
                .saturating_mul(skipped),
        );
        self.next += span;
        self.index += skipped;
        let due = Due {
            index: self.index,
            late: lag > LATE,
            skipped,
        };
        self.index += 1;
        self.next += SLOT;
        Some(due)
    }
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
    fn an_hour_of_uneven_wake_ups_does_not_drift() {
        let phase = start();
        let mut pacing = Pacing::starting(phase, phase + Duration::from_millis(7));
        let begin = phase + SLOT;
        assert_eq!(pacing.next(), begin);
        let mut slots = 0;
        let mut now = begin;
        while now < begin + Duration::from_secs(3600) {
            while let Some(due) = pacing.take(now) {
                assert_eq!((due.index, due.skipped), (slots, 0));
                slots += 1;
            }
            now += Duration::from_micros(20_000 + (slots * 7919) % 9_000);
        }
        assert_eq!(pacing.next(), begin + SLOT * u32::try_from(slots).unwrap());
        assert!(pacing.next() - now < SLOT);
    }

    #[test]
    fn a_slot_on_the_dot_runs_at_once_and_late_ones_are_told() {
        let phase = start();
        let mut pacing = Pacing::starting(phase, phase);
        assert_eq!(
            pacing.take(phase),
            Some(Due {
                index: 0,
                late: false,
                skipped: 0
            })
        );
        assert_eq!(pacing.take(phase), None);
        let late = phase + SLOT + LATE + Duration::from_millis(1);
        assert_eq!(
            pacing.take(late),
            Some(Due {
                index: 1,
                late: true,
                skipped: 0
            })
        );
    }

    #[test]
    fn a_short_delay_is_caught_up_with_and_a_long_sleep_is_skipped() {
        let phase = start();
        let mut pacing = Pacing::starting(phase, phase);
        let now = phase + SLOT * 3;
        assert_eq!(std::iter::from_fn(|| pacing.take(now)).count(), 4);
        let now = phase + Duration::from_secs(3600);
        let due = pacing.take(now).unwrap();
        assert_eq!((due.index, due.skipped, due.late), (180_000, 179_996, true));
        assert_eq!(pacing.take(now), None);
        assert_eq!(pacing.next(), now + SLOT);
    }
}

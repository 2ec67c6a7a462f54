//! Turns the engine's monotonic instants into the NTP timestamps that sender reports carry.

use std::time::{Duration, Instant};

/// A monotonic NTP clock: the 64-bit timestamp (32.32 fixed point seconds) of any later instant.
///
/// Which wall time it started at is the caller's to say. RFC 3550 section 4 asks only that one session keeps one clock, and allows
/// elapsed time where there is no wall clock; round trips come out right either way.
#[derive(Debug, Clone, Copy)]
pub struct NtpClock {
    start: Instant,
    at_start: u64,
}

impl NtpClock {
    /// A clock that shows `at_start` (NTP 32.32 fixed point) at `start`.
    #[must_use]
    pub const fn new(start: Instant, at_start: u64) -> Self {
        Self { start, at_start }
    }

    /// The timestamp at `now`; an instant before the start counts as the start.
    #[must_use]
    pub fn at(&self, now: Instant) -> u64 {
        self.at_start
            .wrapping_add(to_ntp(now.saturating_duration_since(self.start)))
    }

    /// The middle 32 bits at `now`: what LSR fields carry and round trips are computed with (RFC 3550 section 6.4.1).
    #[must_use]
    pub fn compact_at(&self, now: Instant) -> u32 {
        compact(self.at(now))
    }
}

/// The middle 32 bits of a 64-bit NTP timestamp (16.16 fixed point seconds).
#[must_use]
pub const fn compact(ntp: u64) -> u32 {
    ((ntp >> 16) & 0xFFFF_FFFF) as u32
}

/// A duration in 16.16 fixed point seconds, as DLSR carries it; saturates at about 18 hours.
#[must_use]
pub fn to_compact(duration: Duration) -> u32 {
    if duration.as_secs() > 0xFFFF {
        return u32::MAX;
    }
    compact(to_ntp(duration))
}

/// A 16.16 fixed point number of seconds as a duration.
#[must_use]
pub fn from_compact(units: u32) -> Duration {
    Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16)
}

fn to_ntp(duration: Duration) -> u64 {
    let fraction = (u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000;
    (duration.as_secs() << 32) | fraction
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
    fn half_a_second_is_half_of_the_fraction() {
        let start = start();
        let clock = NtpClock::new(start, 7 << 32);
        assert_eq!(
            clock.at(start + Duration::from_millis(1500)),
            (8 << 32) | 0x8000_0000
        );
        assert_eq!(
            clock.compact_at(start + Duration::from_millis(1500)),
            0x0008_8000
        );
    }

    #[test]
    fn compact_durations_survive_the_way_there_and_back() {
        for millis in [0, 1, 20, 999, 5_000, 61_234] {
            let duration = Duration::from_millis(millis);
            let back = from_compact(to_compact(duration));
            assert!(
                duration - back < Duration::from_micros(16),
                "{duration:?} became {back:?}"
            );
        }
        assert_eq!(to_compact(Duration::from_secs(1 << 40)), u32::MAX);
    }
}

//! When to register again: before the end, and after a failure.

use std::time::Duration;

use rand::{Rng, RngExt};

use crate::sip::config::FlowBackoff;

/// No registrar is asked more often, however little it grants.
const SHORTEST: Duration = Duration::from_secs(1);
/// What is granted for less counts for as much.
pub const LEAST: Duration = Duration::from_secs(2);

/// Time until the refresh of a registration that holds that long (RFC 5627, 4.2): at least 32 s before its end, at half
/// when it is shorter than 64 s; and not later than 80 to 90 % of it, so that a thousand clients do not ask at once. A second at
/// least.
pub fn refresh_after(expires: Duration, rng: &mut impl Rng) -> Duration {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let whole = millis(expires);
    if whole < 64_000 {
        return Duration::from_millis(whole / 2).max(SHORTEST);
    }
    let percent = rng.random_range(80..=90);
    let usual = whole / 100 * percent;
    Duration::from_millis(usual.min(whole - 32_000))
}

/// No server is left alone for longer because it asks to be: what it gives is worth another question a day.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The pause before another try (RFC 5626, 4.5): 50 to 100 % of min(max, base x 2^failures); `failures` counts those in a row,
/// the one that just happened among them. With another flow alive the base is three times as long.
pub fn back_off(
    backoff: &FlowBackoff,
    failures: u32,
    others_alive: bool,
    rng: &mut impl Rng,
) -> Duration {
    let base = if others_alive {
        backoff.base.saturating_mul(3)
    } else {
        backoff.base
    };
    let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    let window = base
        .checked_mul(factor)
        .unwrap_or(backoff.max)
        .min(backoff.max);
    let millis = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(rng.random_range(millis / 2..=millis))
}

/// The pause before the first try after a connection broke (RFC 6455, 7.2.3): up to 5 s, never above the back-off's base.
pub fn after_break(backoff: &FlowBackoff, rng: &mut impl Rng) -> Duration {
    let most = backoff.base.min(Duration::from_secs(5));
    let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(rng.random_range(0..=millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn refreshes_leave_32_seconds_or_half() {
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!(refresh_after(seconds(20), &mut rng), seconds(10));
        assert_eq!(refresh_after(seconds(60), &mut rng), seconds(30));
        for _ in 0..100 {
            assert_eq!(refresh_after(seconds(100), &mut rng), seconds(68));
            let long = refresh_after(seconds(3600), &mut rng);
            assert!((seconds(2880)..=seconds(3240)).contains(&long), "{long:?}");
        }
        for brief in [Duration::ZERO, Duration::from_millis(30), seconds(1)] {
            assert_eq!(refresh_after(brief, &mut rng), seconds(1));
        }
    }

    #[test]
    fn pauses_double_to_half_an_hour_and_stay_in_the_upper_half() {
        let mut rng = StdRng::seed_from_u64(2);
        let backoff = FlowBackoff::default();
        for (failures, window) in [(1, 60), (2, 120), (3, 240), (5, 960), (6, 1800), (40, 1800)] {
            for _ in 0..50 {
                let pause = back_off(&backoff, failures, false, &mut rng);
                assert!((seconds(window) / 2..=seconds(window)).contains(&pause));
            }
        }
        assert!(back_off(&backoff, 1, true, &mut rng) >= seconds(90));
    }
}

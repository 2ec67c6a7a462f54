//! When a token is asked for again: before it ends, and not by all of a thousand users at once.

use std::time::Duration;

use rand::{Rng, RngExt};

/// The rule. Default: one hour before the end, at half of a life under two hours, up to a tenth of that time earlier
/// by chance, and never twice within ten seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRefresh {
    /// How long before its end a long token is replaced.
    pub before: Duration,
    /// Least time between two questions to the source.
    pub spacing: Duration,
    /// Longest time between two questions to a failing source.
    pub cap: Duration,
}

/// A source that wants to be left alone for longer is asked all the same: the login must not end by a slip of its.
const LONGEST_TOLD: Duration = Duration::from_secs(3600);

impl Default for TokenRefresh {
    fn default() -> Self {
        Self {
            before: Duration::from_secs(3600),
            spacing: Duration::from_secs(10),
            cap: Duration::from_secs(300),
        }
    }
}

impl TokenRefresh {
    /// How long to wait before asking for the successor of a token that has `left` to live, of a whole `life`.
    pub fn wait(&self, left: Duration, life: Duration, rng: &mut impl Rng) -> Duration {
        let lead = if life < self.before.saturating_mul(2) {
            life / 2
        } else {
            self.before
        };
        let most = u64::try_from((lead / 10).as_micros()).unwrap_or(u64::MAX);
        let early = Duration::from_micros(rng.random_range(0..=most));
        left.saturating_sub(lead)
            .saturating_sub(early)
            .max(self.spacing)
    }

    /// How long to wait before asking a source again that failed this many times in a row.
    pub fn pause(&self, failures: u32, rng: &mut impl Rng) -> Duration {
        let factor = 1u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let window = self.spacing.saturating_mul(factor).min(self.cap);
        let half = u64::try_from((window / 2).as_micros()).unwrap_or(u64::MAX);
        window / 2 + Duration::from_micros(rng.random_range(0..=half))
    }

    /// The same for a source that may have said itself when it wants to be asked again: never sooner, and not by all of a
    /// thousand users at once.
    pub fn pause_as_told(
        &self,
        failures: u32,
        told: Option<Duration>,
        rng: &mut impl Rng,
    ) -> Duration {
        let pause = self.pause(failures, rng);
        let Some(told) = told.map(|told| told.min(LONGEST_TOLD)) else {
            return pause;
        };
        let most = u64::try_from((told / 10).as_micros()).unwrap_or(u64::MAX);
        pause.max(told + Duration::from_micros(rng.random_range(0..=most)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::{SeedableRng, rngs::StdRng};

    use super::TokenRefresh;

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    #[test]
    fn what_was_met_late_in_a_long_life_is_renewed_an_hour_before_its_end_too() {
        let (rule, mut rng) = (TokenRefresh::default(), StdRng::seed_from_u64(2));
        let day = minutes(24 * 60);
        let wait = rule.wait(minutes(90), day, &mut rng);
        assert!(wait <= minutes(30) && wait >= minutes(24), "{wait:?}");
        assert_eq!(rule.wait(minutes(50), day, &mut rng), rule.spacing);
    }

    #[test]
    fn a_day_is_renewed_an_hour_before_its_end_and_a_short_life_at_its_half() {
        let (rule, mut rng) = (TokenRefresh::default(), StdRng::seed_from_u64(1));
        for _ in 0..200 {
            let day = rule.wait(minutes(24 * 60), minutes(24 * 60), &mut rng);
            assert!(
                day <= minutes(23 * 60) && day >= minutes(23 * 60 - 6),
                "{day:?}"
            );
            let short = rule.wait(minutes(60), minutes(60), &mut rng);
            assert!(short <= minutes(30) && short >= minutes(27), "{short:?}");
            assert!(
                rule.wait(Duration::from_secs(3), Duration::from_secs(3), &mut rng) >= rule.spacing
            );
        }
    }

    #[test]
    fn users_of_one_minute_do_not_ask_at_once_and_a_failing_source_is_left_alone_longer_and_longer()
    {
        let (rule, mut rng) = (TokenRefresh::default(), StdRng::seed_from_u64(2));
        let waits: Vec<Duration> = (0..100)
            .map(|_| rule.wait(minutes(24 * 60), minutes(24 * 60), &mut rng))
            .collect();
        let spread = *waits.iter().max().unwrap() - *waits.iter().min().unwrap();
        assert!(spread > minutes(4), "{spread:?}");
        assert!(rule.pause(1, &mut rng) >= Duration::from_secs(5));
        assert!(rule.pause(99, &mut rng) >= rule.cap / 2);
        assert!(rule.pause(99, &mut rng) <= rule.cap);

        let told = |wait| Some(Duration::from_secs(wait));
        for _ in 0..200 {
            let pause = rule.pause_as_told(1, told(120), &mut rng);
            assert!(pause >= minutes(2) && pause <= minutes(2) + Duration::from_secs(12));
            // Less than we would wait anyway is no reason to hurry, and a slip no reason to wait for ever.
            assert!(rule.pause_as_told(1, told(0), &mut rng) >= Duration::from_secs(5));
            assert!(rule.pause_as_told(1, told(u64::MAX), &mut rng) <= minutes(66));
        }
    }
}

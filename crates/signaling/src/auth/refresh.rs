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
    /// How long to wait before asking for the successor of a token that has this long to live.
    pub fn wait(&self, life: Duration, rng: &mut impl Rng) -> Duration {
        let lead = if life < self.before.saturating_mul(2) {
            life / 2
        } else {
            self.before
        };
        let most = u64::try_from((lead / 10).as_micros()).unwrap_or(u64::MAX);
        let early = Duration::from_micros(rng.random_range(0..=most));
        life.saturating_sub(lead)
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
    fn a_day_is_renewed_an_hour_before_its_end_and_a_short_life_at_its_half() {
        let (rule, mut rng) = (TokenRefresh::default(), StdRng::seed_from_u64(1));
        for _ in 0..200 {
            let day = rule.wait(minutes(24 * 60), &mut rng);
            assert!(
                day <= minutes(23 * 60) && day >= minutes(23 * 60 - 6),
                "{day:?}"
            );
            let short = rule.wait(minutes(60), &mut rng);
            assert!(short <= minutes(30) && short >= minutes(27), "{short:?}");
            assert!(rule.wait(Duration::from_secs(3), &mut rng) >= rule.spacing);
        }
    }

    #[test]
    fn users_of_one_minute_do_not_ask_at_once_and_a_failing_source_is_left_alone_longer_and_longer()
    {
        let (rule, mut rng) = (TokenRefresh::default(), StdRng::seed_from_u64(2));
        let waits: Vec<Duration> = (0..100)
            .map(|_| rule.wait(minutes(24 * 60), &mut rng))
            .collect();
        let spread = *waits.iter().max().unwrap() - *waits.iter().min().unwrap();
        assert!(spread > minutes(4), "{spread:?}");
        assert!(rule.pause(1, &mut rng) >= Duration::from_secs(5));
        assert!(rule.pause(99, &mut rng) >= rule.cap / 2);
        assert!(rule.pause(99, &mut rng) <= rule.cap);
    }
}

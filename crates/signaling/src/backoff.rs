//! How long to wait before the next try: capped exponential growth with full jitter.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Delay before try number n: uniform in 0 ..= min(`cap`, `base` x 2^n).
///
/// Full jitter spreads a thousand clients that lost the same server over the whole window, where a fixed delay with
/// a small jitter would send them back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Window of the first retry. Default 1 s.
    pub base: Duration,
    /// Largest window. Default 30 s.
    pub cap: Duration,
    /// Tries in a row after which only a command brings the next one; 0: a lost connection is not opened again. Default:
    /// `None`, endless.
    pub attempts: Option<u32>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(30),
            attempts: None,
        }
    }
}

impl Backoff {
    /// The delay before retry `failures` (0 = after the first failure).
    pub fn delay(&self, failures: u32, rng: &mut impl Rng) -> Duration {
        let window = self.window(failures).as_micros();
        let window = u64::try_from(window).unwrap_or(u64::MAX);
        Duration::from_micros(rng.random_range(0..=window))
    }

    /// Whether so many tries in a row were the last.
    pub fn is_exhausted(&self, attempts: u32) -> bool {
        self.attempts.is_some_and(|most| attempts >= most)
    }

    /// The largest delay that [`Backoff::delay`] may give.
    pub fn window(&self, failures: u32) -> Duration {
        let factor = 1u32.checked_shl(failures).unwrap_or(u32::MAX);
        self.base
            .checked_mul(factor)
            .map_or(self.cap, |grown| grown.min(self.cap))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rand::{SeedableRng, rngs::StdRng};

    use super::Backoff;

    #[test]
    fn windows_double_up_to_the_cap_and_never_overflow() {
        let backoff = Backoff::default();
        let seconds: Vec<u64> = (0..7).map(|n| backoff.window(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.window(u32::MAX), Duration::from_secs(30));
    }

    #[test]
    fn delays_fill_the_whole_window() {
        let mut rng = StdRng::seed_from_u64(3);
        let backoff = Backoff::default();
        let delays: Vec<Duration> = (0..500).map(|_| backoff.delay(9, &mut rng)).collect();
        assert!(delays.iter().all(|delay| *delay <= Duration::from_secs(30)));
        assert!(delays.iter().any(|delay| *delay < Duration::from_secs(3)));
        assert!(delays.iter().any(|delay| *delay > Duration::from_secs(27)));
    }
}

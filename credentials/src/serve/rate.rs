//! So many requests a minute for each caller: a bucket that fills up again.

use std::time::{Duration, Instant};

/// One caller's bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Requests that may be made at once.
    left: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn full(per_minute: u32, now: Instant) -> Self {
        Self {
            left: f64::from(per_minute),
            at: now,
        }
    }

    /// Takes one request out; `Err` says when the next one is there.
    pub(super) fn take(&mut self, per_minute: u32, now: Instant) -> Result<(), Duration> {
        let size = f64::from(per_minute);
        let a_second = size / 60.0;
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * a_second).min(size);
        self.at = now;
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / a_second));
        }
        self.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_up_again() {
        let start = Instant::now();
        let mut bucket = Bucket::full(2, start);
        assert_eq!(bucket.take(2, start), Ok(()));
        assert_eq!(bucket.take(2, start), Ok(()));
        let wait = bucket.take(2, start).unwrap_err();
        assert_eq!(wait.as_secs(), 30);
        assert_eq!(bucket.take(2, start + wait), Ok(()));
        assert!(bucket.take(2, start + wait).is_err());
    }
}

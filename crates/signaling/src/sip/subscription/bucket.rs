//! How often something may happen: a burst, and then so many a second.

use std::time::{Duration, Instant};

/// Notifications of one subscription in a burst.
const BURST: u32 = 40;
/// The pause that makes room for one more.
const PAUSE: Duration = Duration::from_millis(200);

/// Room that fills again with time.
#[derive(Clone, Debug)]
pub(in crate::sip) struct Bucket {
    /// When it will be full again.
    full: Instant,
}

impl Bucket {
    pub(in crate::sip) fn new(now: Instant) -> Self {
        Self { full: now }
    }

    /// Takes one. `false`: too much has come.
    pub(in crate::sip) fn take(&mut self, now: Instant) -> bool {
        let full = self.full.max(now) + PAUSE;
        let fits = full.saturating_duration_since(now) <= PAUSE * BURST;
        if fits {
            self.full = full;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_five_a_second() {
        #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        let taken = |bucket: &mut Bucket, now| (0..100).filter(|_| bucket.take(now)).count();
        assert_eq!(taken(&mut bucket, start), 40);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(1)), 5);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(3600)), 40);
    }
}

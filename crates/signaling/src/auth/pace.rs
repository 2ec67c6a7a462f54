//! Keeps logins apart, whatever a server does: never more than six in any minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Logins allowed in one [`WINDOW`].
pub const MOST: usize = 6;
/// The span in which logins are counted.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Remembers the last logins.
#[derive(Debug, Default)]
pub struct LoginPace {
    sent: VecDeque<Instant>,
}

impl LoginPace {
    /// The first instant at or after `now` at which another login may be sent.
    pub fn earliest(&self, now: Instant) -> Instant {
        let full = self.sent.len() >= MOST;
        self.sent
            .front()
            .filter(|_| full)
            .map_or(now, |oldest| now.max(*oldest + WINDOW))
    }

    /// Notes a login.
    pub fn note(&mut self, now: Instant) {
        if self.sent.len() >= MOST {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::LoginPace;

    #[test]
    fn the_seventh_login_waits_for_the_minute_to_pass() {
        #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
        let start = Instant::now();
        let mut pace = LoginPace::default();
        for second in 0..6 {
            let now = start + Duration::from_secs(second);
            assert_eq!(pace.earliest(now), now);
            pace.note(now);
        }
        let seventh = start + Duration::from_secs(7);
        assert_eq!(pace.earliest(seventh), start + Duration::from_secs(60));
        pace.note(start + Duration::from_secs(60));
        assert_eq!(
            pace.earliest(start + Duration::from_secs(60)),
            start + Duration::from_secs(61)
        );
    }
}

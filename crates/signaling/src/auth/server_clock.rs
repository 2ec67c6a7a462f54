//! What time it is at the server, which judges our tokens by its own clock.

use std::time::{Duration, Instant, SystemTime};

/// Differences up to this many milliseconds are those of whole seconds and of the way.
const SLACK: u64 = 2000;

/// Wall time from the instants that come with each input, corrected by what the server says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServerClock {
    /// Milliseconds since 1970 at an instant, by this machine.
    wall: Option<(i64, Instant)>,
    /// How far the server is ahead, in milliseconds.
    skew: i64,
}

impl ServerClock {
    pub(crate) fn new(wall: Option<SystemTime>, now: Instant) -> Self {
        let wall = wall.map(|wall| (millis(wall), now));
        Self { wall, skew: 0 }
    }

    /// This machine's clock as it is now; what is known of the server's distance stays.
    pub(crate) fn set_wall(&mut self, wall: SystemTime, now: Instant) {
        self.wall = Some((millis(wall), now));
    }

    /// The server's clock as it is now, told in whole seconds. Gives back whether that is news.
    pub(crate) fn learn(&mut self, server: SystemTime, now: Instant) -> bool {
        let server = millis(server);
        let Some(here) = self.here(now) else {
            self.wall = Some((server, now));
            return true;
        };
        let skew = server.saturating_sub(here);
        let news = skew.abs_diff(self.skew) > SLACK;
        if news {
            self.skew = skew;
        }
        news
    }

    /// By this machine's clock.
    pub(crate) fn local(&self, now: Instant) -> Option<SystemTime> {
        time(self.here(now)?)
    }

    /// By the server's clock, as far as it is known.
    pub(crate) fn server(&self, now: Instant) -> Option<SystemTime> {
        time(self.here(now)?.saturating_add(self.skew))
    }

    /// When the server's clock will show this second; `None` when it never will, or nobody knows the time.
    pub(crate) fn instant(&self, second: u64, now: Instant) -> Option<Instant> {
        let at = Duration::from_secs(second);
        let passed = self
            .server(now)?
            .duration_since(SystemTime::UNIX_EPOCH)
            .ok()?;
        if at <= passed {
            return Some(now);
        }
        now.checked_add(at - passed)
    }

    fn here(&self, now: Instant) -> Option<i64> {
        let (wall, at) = self.wall?;
        let since = now.saturating_duration_since(at).as_millis();
        Some(wall.saturating_add(i64::try_from(since).unwrap_or(i64::MAX)))
    }
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

fn time(millis: i64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(u64::try_from(millis).ok()?))
}

//! Rate limits: windows of fixed length, aligned to the clock, one count an endpoint.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::rest::settings::Rate;

/// What the headers say while nothing is limited.
const UNLIMITED: Rate = Rate {
    requests: 1000,
    seconds: 60,
};

/// Counts of every endpoint.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<&'static str, (u64, u32)>);

/// What one request finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    rate: Rate,
    remaining: u32,
    /// Seconds until the next window.
    reset: u64,
    /// The request is one too many.
    pub(super) over: bool,
}

impl Counts {
    /// Counts one request.
    pub(super) fn count(
        &mut self,
        endpoint: &'static str,
        limit: Option<Rate>,
        wall: SystemTime,
    ) -> Standing {
        let rate = limit.unwrap_or(UNLIMITED);
        let now = wall
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let length = u64::from(rate.seconds.max(1));
        let window = now / length;
        let entry = self.0.entry(endpoint).or_insert((window, 0));
        if entry.0 != window {
            *entry = (window, 0);
        }
        let over = limit.is_some() && entry.1 >= rate.requests;
        if !over {
            entry.1 = entry.1.saturating_add(1);
        }
        Standing {
            rate,
            remaining: rate.requests.saturating_sub(entry.1),
            reset: length - now % length,
            over,
        }
    }
}

impl Standing {
    /// The same for a request that is refused whatever was counted.
    pub(super) fn exhausted(self) -> Self {
        Self {
            remaining: 0,
            reset: 1,
            over: true,
            ..self
        }
    }

    /// `x-ratelimit-*`.
    pub(super) fn headers(&self) -> [(&'static str, String); 3] {
        let Rate { requests, seconds } = self.rate;
        [
            (
                "x-ratelimit-limit",
                format!("{requests}, {requests};w={seconds}"),
            ),
            ("x-ratelimit-remaining", self.remaining.to_string()),
            ("x-ratelimit-reset", self.reset.to_string()),
        ]
    }

    /// Seconds until the next try makes sense.
    pub(super) fn reset(&self) -> u64 {
        self.reset
    }
}

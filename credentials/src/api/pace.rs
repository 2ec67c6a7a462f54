//! Rate limits as the server tells them: who must wait, and until when.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::wire::HttpReply;

/// Larger numbers of seconds are no wait but a mistake: one page of the documents shows the time of day.
const LARGEST: u64 = 100_000;
/// Wait of a refusal that names none.
const UNNAMED: Duration = Duration::from_secs(2);
/// Waits are whole seconds and windows begin for all at once: this spreads the requests.
const SPREAD: Duration = Duration::from_millis(250);

/// Until when each endpoint takes no more requests.
#[derive(Debug, Default)]
pub(super) struct Pace(BTreeMap<&'static str, Duration>);

impl Pace {
    /// How long a request for an endpoint has to wait.
    pub(super) fn wait(&self, endpoint: &'static str, now: Duration) -> Option<Duration> {
        let until = self.0.get(endpoint)?;
        until.checked_sub(now).filter(|wait| !wait.is_zero())
    }

    /// Reads what an answer says about the rate.
    pub(super) fn note(
        &mut self,
        endpoint: &'static str,
        reply: &HttpReply,
        now: Duration,
        chance: f64,
    ) {
        let refused = reply.status == 429;
        let number = |name| reply.header(name)?.trim().parse::<u64>().ok();
        let seconds = |name| {
            number(name)
                .filter(|seconds| *seconds < LARGEST)
                .map(Duration::from_secs)
        };
        let used_up = number("x-ratelimit-remaining") == Some(0);
        if !refused && !used_up {
            return;
        }
        let named = number("retry-after-ms")
            .map(Duration::from_millis)
            .or_else(|| seconds("retry-after"))
            .or_else(|| seconds("x-ratelimit-reset"));
        let Some(wait) = named.or_else(|| refused.then_some(UNNAMED)) else {
            return;
        };
        let until = now + wait + SPREAD.mul_f64(chance);
        let kept = self.0.entry(endpoint).or_insert(until);
        *kept = (*kept).max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)]) -> HttpReply {
        let headers = headers
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        HttpReply {
            status,
            headers: headers.collect(),
            body: Vec::new(),
        }
    }

    fn wait(status: u16, headers: &[(&str, &str)]) -> Option<u64> {
        let mut pace = Pace::default();
        pace.note("e", &reply(status, headers), Duration::ZERO, 0.0);
        assert_eq!(pace.wait("other", Duration::ZERO), None);
        pace.wait("e", Duration::ZERO).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_used_up_window_is_waited_for_before_anything_is_refused() {
        let reset = ("x-ratelimit-reset", "7");
        assert_eq!(wait(200, &[("x-ratelimit-remaining", "1"), reset]), None);
        assert_eq!(wait(200, &[("x-ratelimit-remaining", "0"), reset]), Some(7));
        assert_eq!(wait(429, &[reset]), Some(7));
        assert_eq!(wait(429, &[reset, ("retry-after", "3")]), Some(3));
        assert_eq!(wait(429, &[]), Some(2));
        assert_eq!(wait(429, &[("x-ratelimit-reset", "1795600800")]), Some(2));
    }
}

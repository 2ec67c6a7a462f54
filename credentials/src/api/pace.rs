//! Rate limits as the server tells them: who must wait, and until when.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::wire::HttpReply;
use crate::timestamp;

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
            .or_else(|| until_date(reply))
            .or_else(|| seconds("x-ratelimit-reset"));
        let Some(wait) = named.or_else(|| refused.then_some(UNNAMED)) else {
            return;
        };
        let until = now + wait + SPREAD.mul_f64(chance);
        let kept = self.0.entry(endpoint).or_insert(until);
        *kept = (*kept).max(until);
    }
}

/// `Retry-After` as a date (RFC 9110, section 10.2.3), by the clock that the same answer shows: ours may be wrong.
fn until_date(reply: &HttpReply) -> Option<Duration> {
    let date = |name| timestamp::http(reply.header(name)?);
    let (until, now) = (date("retry-after")?, date("date")?);
    let wait = until.duration_since(now).unwrap_or_default();
    (wait.as_secs() < LARGEST).then_some(wait)
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

    #[test]
    fn a_date_to_wait_for_is_measured_by_the_servers_clock() {
        let date = ("date", "Wed, 25 Nov 2026 16:15:37 GMT");
        let until = |text| wait(429, &[date, ("retry-after", text)]);
        assert_eq!(until("Wed, 25 Nov 2026 16:16:07 GMT"), Some(30));
        assert_eq!(until("Thu, 26 Nov 2026 00:00:00 GMT"), Some(27_863));
        // It is over already.
        assert_eq!(until("Wed, 25 Nov 2026 16:15:00 GMT"), None);
        // Weeks ahead, no date at all, or no clock to measure it by: as if nothing were named.
        assert_eq!(until("Fri, 25 Dec 2026 16:15:37 GMT"), Some(2));
        assert_eq!(until("soon"), Some(2));
        let bare = ("retry-after", "Wed, 25 Nov 2026 16:16:07 GMT");
        assert_eq!(wait(429, &[bare]), Some(2));
    }
}

//! Which address to try next, and when: Happy Eyeballs version 2 (RFC 8305) without sockets or clock.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Orders addresses for a race: the families alternate, the resolver's order within a family stays, doubles go (RFC 8305, section 4).
///
/// The family of the first address leads, because the resolver has sorted by RFC 6724 already.
#[must_use]
pub fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return Vec::new();
    };
    let (mut leading, mut other): (VecDeque<SocketAddr>, VecDeque<SocketAddr>) = addresses
        .iter()
        .partition(|address| address.is_ipv6() == first.is_ipv6());
    let mut ordered = Vec::with_capacity(addresses.len());
    while !leading.is_empty() || !other.is_empty() {
        for family in [&mut leading, &mut other] {
            while let Some(address) = family.pop_front() {
                if !ordered.contains(&address) {
                    ordered.push(address);
                    break;
                }
            }
        }
    }
    ordered
}

/// What a race wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Begin a connection attempt to this address and ask again.
    Start(SocketAddr),
    /// Nothing to begin before this instant, unless an attempt fails first; `None`: every address has been tried, wait for the attempts.
    Wait(Option<Instant>),
    /// Every attempt has failed.
    Lost,
}

/// One race among the addresses of one server. The first attempt that succeeds ends it; the caller drops the others.
#[derive(Debug)]
pub struct Race {
    waiting: VecDeque<SocketAddr>,
    delay: Duration,
    running: usize,
    /// When the next attempt may begin though one is still running.
    next: Option<Instant>,
}

impl Race {
    /// A race over `addresses` in this order, with `delay` between attempts (RFC 8305, section 5: 250 ms).
    #[must_use]
    pub fn new(addresses: Vec<SocketAddr>, delay: Duration) -> Self {
        Self {
            waiting: addresses.into(),
            delay,
            running: 0,
            next: None,
        }
    }

    /// What to do at `now`. Ask until it is not [`Step::Start`].
    pub fn poll(&mut self, now: Instant) -> Step {
        let due = self.running == 0 || self.next.is_none_or(|next| next <= now);
        if due && let Some(address) = self.waiting.pop_front() {
            self.running += 1;
            self.next = Some(now + self.delay);
            return Step::Start(address);
        }
        if self.running == 0 {
            return Step::Lost;
        }
        Step::Wait(if self.waiting.is_empty() {
            None
        } else {
            self.next
        })
    }

    /// An attempt failed: the next address need not wait any longer.
    pub fn failed(&mut self) {
        self.running = self.running.saturating_sub(1);
        self.next = None;
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "any instant does as the start of virtual time"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DELAY: Duration = Duration::from_millis(250);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_alternate_and_the_first_family_leads() {
        let sorted = [
            "[2001:db8::1]:443",
            "[2001:db8::2]:443",
            "[2001:db8::3]:443",
            "192.0.2.1:443",
            "192.0.2.2:443",
        ];
        let ordered = interleave(&sorted.map(address));
        let wanted = [
            "[2001:db8::1]:443",
            "192.0.2.1:443",
            "[2001:db8::2]:443",
            "192.0.2.2:443",
            "[2001:db8::3]:443",
        ];
        assert_eq!(ordered, wanted.map(address));
    }

    #[test]
    fn a_silent_ipv6_costs_a_quarter_second_and_no_more() {
        let start = Instant::now();
        let (v6, v4) = (address("[2001:db8::1]:443"), address("192.0.2.1:443"));
        let mut race = Race::new(vec![v6, v4], DELAY);
        assert_eq!(race.poll(start), Step::Start(v6));
        assert_eq!(race.poll(start), Step::Wait(Some(start + DELAY)));
        assert_eq!(
            race.poll(start + DELAY - Duration::from_millis(1)),
            Step::Wait(Some(start + DELAY))
        );
        assert_eq!(race.poll(start + DELAY), Step::Start(v4));
        assert_eq!(race.poll(start + DELAY), Step::Wait(None));
    }

    #[test]
    fn a_refusal_starts_the_next_address_at_once() {
        let start = Instant::now();
        let (v6, v4) = (address("[2001:db8::1]:443"), address("192.0.2.1:443"));
        let mut race = Race::new(vec![v6, v4], DELAY);
        assert_eq!(race.poll(start), Step::Start(v6));
        race.failed();
        assert_eq!(race.poll(start), Step::Start(v4));
        race.failed();
        assert_eq!(race.poll(start), Step::Lost);
    }

    #[test]
    fn a_refusal_does_not_wait_for_another_attempt_that_is_still_silent() {
        let start = Instant::now();
        let [first, second, third] =
            ["192.0.2.1:443", "192.0.2.2:443", "192.0.2.3:443"].map(address);
        let mut race = Race::new(vec![first, second, third], DELAY);
        assert_eq!(race.poll(start), Step::Start(first));
        assert_eq!(race.poll(start + DELAY), Step::Start(second));
        race.failed();
        assert_eq!(race.poll(start + DELAY), Step::Start(third));
        assert_eq!(race.poll(start + DELAY), Step::Wait(None));
    }

    proptest! {
        #[test]
        fn every_address_is_tried_once_whatever_fails(count in 0usize..12, fails in proptest::collection::vec(any::<bool>(), 40)) {
            let start = Instant::now();
            let addresses: Vec<SocketAddr> = (0..count).map(|n| address(&format!("192.0.2.{n}:443"))).collect();
            let mut race = Race::new(addresses.clone(), DELAY);
            let (mut now, mut tried, mut running) = (start, Vec::new(), 0);
            for fail in fails {
                match race.poll(now) {
                    Step::Start(address) => { tried.push(address); running += 1; }
                    Step::Wait(next) => {
                        prop_assert!(running > 0);
                        if fail || next.is_none() { race.failed(); running -= 1; } else if let Some(next) = next { now = next; }
                    }
                    Step::Lost => { prop_assert_eq!(running, 0); break; }
                }
            }
            prop_assert_eq!(tried, addresses);
        }
    }
}

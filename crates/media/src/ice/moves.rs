//! Two agents in virtual time whose path changes without a word of signalling.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::ice::agent::{Agent, AgentEvent, Pair};
use crate::ice::candidate::{CandidateType, LocalCandidate};
use crate::ice::credentials::IceCredentials;

const MS: Duration = Duration::from_millis(1);
const SLOT: Duration = Duration::from_millis(20);
/// Audio is to be back by then, in both directions.
const SOON: Duration = Duration::from_secs(1);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Ours, and whoever it talks to.
struct World {
    agents: [Agent; 2],
    now: Instant,
    /// When media came last.
    heard: [Instant; 2],
    /// Pairs that were selected, with the time.
    moves: [Vec<(Instant, Pair)>; 2],
    talks: bool,
}

impl World {
    /// Both begin to check; theirs has two addresses.
    fn new(controlling: usize) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "virtual time needs a first instant"
        )]
        let now = Instant::now();
        let mut rng = StdRng::seed_from_u64(3);
        let credentials = [(); 2].map(|()| IceCredentials::generate(&mut rng));
        let hosts: [&[&str]; 2] = [&["127.0.0.1:4000"], &["127.0.0.1:5000", "127.0.0.2:5000"]];
        let mut agents = [0, 1].map(|side: usize| {
            let mut agent = Agent::new(&credentials[side], side as u64, side == controlling);
            for host in hosts[side] {
                let host = LocalCandidate::host(address(host));
                agent.add_local(host, now).unwrap();
            }
            agent
        });
        let told = [0, 1].map(|side: usize| agents[side].local_candidates());
        for side in [0, 1] {
            agents[side].start(&credentials[1 - side], now);
            for candidate in &told[1 - side] {
                agents[side].add_remote(candidate, now);
            }
        }
        Self {
            agents,
            now,
            heard: [now; 2],
            moves: [Vec::new(), Vec::new()],
            talks: true,
        }
    }

    /// Lets time pass; `carry` says how the other side sees a datagram of this one, if it arrives.
    fn run(
        &mut self,
        time: Duration,
        carry: impl Fn(usize, SocketAddr, SocketAddr) -> Option<(SocketAddr, SocketAddr)>,
    ) {
        let end = self.now + time;
        let mut slot = self.now;
        while self.now < end {
            for side in [0, 1] {
                self.agents[side].handle_timeout(self.now);
                while let Some(event) = self.agents[side].poll_event(self.now) {
                    if let AgentEvent::Selected(pair) = event {
                        self.moves[side].push((self.now, pair));
                    }
                }
                while let Some((from, to, datagram)) = self.agents[side].poll_transmit() {
                    if let Some((from, to)) = carry(side, from, to) {
                        let _ = self.agents[1 - side].handle_stun(to, from, &datagram, self.now);
                    }
                }
                if let Some(pair) = self.agents[side].selected()
                    && self.talks
                    && self.now >= slot
                    && let Some((from, to)) = carry(side, pair.local, pair.remote)
                {
                    self.heard[1 - side] = self.now;
                    self.agents[1 - side].hear(to, from, self.now);
                }
            }
            if self.now >= slot {
                slot += SLOT;
            }
            self.now += 5 * MS;
        }
    }

    fn both_hear(&self) -> bool {
        self.heard.iter().all(|at| self.now < *at + 2 * SLOT)
    }
}

/// A network that shows the first agent at this address.
fn seen_at(
    outside: &str,
) -> impl Fn(usize, SocketAddr, SocketAddr) -> Option<(SocketAddr, SocketAddr)> {
    let (inside, outside) = (address("127.0.0.1:4000"), address(outside));
    move |side, from, to| match side {
        0 => Some((outside, to)),
        _ => (to == outside).then_some((from, inside)),
    }
}

#[test]
fn media_follows_a_far_end_whose_nat_was_rebound() {
    for controlling in [0, 1] {
        let mut world = World::new(controlling);
        world.run(10 * SOON, seen_at("198.51.100.1:20000"));
        assert!(world.both_hear());
        for port in 20_001..20_004 {
            let rebound = world.now;
            world.run(SOON, seen_at(&format!("198.51.100.1:{port}")));
            assert!(world.both_hear(), "controlling: {controlling}");
            let mut moves = world.moves[1].iter().filter(|(at, _)| *at >= rebound);
            let last = moves.next_back().map(|(_, pair)| pair.remote.port());
            assert_eq!(last, Some(port));
            world.run(5 * SOON, seen_at(&format!("198.51.100.1:{port}")));
        }
    }
}

/// Nothing came through for a while before.
#[test]
fn media_follows_a_far_end_whose_nat_was_rebound_in_an_outage() {
    for controlling in [0, 1] {
        for outage in [1, 2, 5, 8] {
            let mut world = World::new(controlling);
            world.run(10 * SOON, seen_at("198.51.100.1:20000"));
            world.run(outage * SOON, |_, _, _| None);
            world.run(SOON, seen_at("198.51.100.1:20001"));
            assert!(world.both_hear(), "{controlling}: {outage} s");
        }
    }
}

#[test]
fn a_pair_that_answers_takes_the_place_of_a_dead_one() {
    for controlling in [0, 1] {
        let mut world = World::new(controlling);
        world.run(10 * SOON, |_, from, to| Some((from, to)));
        let dead = world.agents[0].selected().unwrap().remote;
        let without = |_, from, to| (from != dead && to != dead).then_some((from, to));
        world.run(SOON, without);
        assert!(world.both_hear(), "controlling: {controlling}");
        world.run(60 * SOON, without);
        assert!(world.both_hear(), "controlling: {controlling}");
    }
}

/// Its address is replaced by another one, which has a route a moment later.
#[test]
fn media_leaves_an_address_that_is_gone() {
    let (before, after) = (address("127.0.0.1:4000"), address("127.0.0.3:4000"));
    for controlling in [0, 1] {
        for routed_after in [0, 100, 700, 1500, 5000] {
            let mut world = World::new(controlling);
            world.run(10 * SOON, |_, from, to| Some((from, to)));
            let moved = |_, from, to| (from != before && to != before).then_some((from, to));
            let replaced = LocalCandidate::host(after);
            let _ = world.agents[0].add_local(replaced, world.now).unwrap();
            world.agents[0].forsake(before.ip());
            assert!(!world.agents[0].is_well());
            world.run(routed_after * MS, |_, _, _| None);
            assert!(world.agents[0].look_again(world.now));
            world.run(SOON, moved);
            assert!(world.both_hear(), "{controlling}: {routed_after}");
            assert_eq!(world.agents[0].selected().unwrap().local, after);
            assert!(world.agents[0].is_well());
            world.run(60 * SOON, moved);
            assert!(world.both_hear(), "{controlling}: {routed_after}");
            assert!(!world.agents[0].look_again(world.now));
        }
    }
}

/// The one address that there is, a relay's, is gone, and another relay comes later.
#[test]
fn media_goes_by_another_relay_once_it_stands() {
    let (before, after) = (address("127.0.0.1:4000"), address("127.0.0.1:4001"));
    for controlling in [0, 1] {
        for replaced_after in [50, 1000, 8000] {
            let mut world = World::new(controlling);
            world.run(10 * SOON, |_, from, to| Some((from, to)));
            let without = |_, from, to| (from != before && to != before).then_some((from, to));
            world.agents[0].keep(&[], world.now);
            world.agents[0].forsake(before.ip());
            assert!(!world.agents[0].is_well());
            world.run(replaced_after * MS, without);
            let relay = LocalCandidate {
                address: after,
                base: address("127.0.0.9:4000"),
                typ: CandidateType::Relay,
                by_connection: false,
            };
            let _ = world.agents[0].add_local(relay, world.now).unwrap();
            world.run(SOON, without);
            assert!(world.both_hear(), "{controlling}: {replaced_after}");
            assert_eq!(world.agents[0].selected().unwrap().local, after);
            world.run(60 * SOON, without);
            assert!(world.both_hear(), "{controlling}: {replaced_after}");
        }
    }
}

/// Our addresses change, and those that carry stay: as a relay does, and what was found to be another view of one.
#[test]
fn what_carries_is_kept_when_other_addresses_go() {
    for controlling in [0, 1] {
        let mut world = World::new(controlling);
        let relay = LocalCandidate {
            address: address("127.0.0.7:6000"),
            base: address("127.0.0.9:4000"),
            typ: CandidateType::Relay,
            by_connection: false,
        };
        let _ = world.agents[0].add_local(relay, world.now).unwrap();
        let by_relay = |side, from, to| {
            let ours = if side == 0 { from } else { to };
            (ours == relay.address).then_some((from, to))
        };
        world.run(10 * SOON, by_relay);
        assert_eq!(world.agents[0].selected().unwrap().local, relay.address);
        let before = world.moves.clone();
        world.agents[0].keep(&[relay.address], world.now);
        world.run(60 * SOON, by_relay);
        assert!(world.both_hear());
        assert_eq!(world.moves, before);
    }
}

/// A link was down, and its owner knows that it is up: nothing waits for the next check.
#[test]
fn a_path_in_doubt_is_asked_as_soon_as_something_changes() {
    for controlling in [0, 1] {
        for cut in [3, 10, 20] {
            let mut world = World::new(controlling);
            world.run(60 * SOON, |_, from, to| Some((from, to)));
            world.run(cut * SOON, |_, _, _| None);
            assert!(world.agents[0].look_again(world.now));
            world.run(SOON / 2, |_, from, to| Some((from, to)));
            assert!(world.agents.iter().all(Agent::is_well), "{cut} s");
        }
    }
}

#[test]
fn a_pause_of_media_or_of_everything_moves_nothing() {
    for controlling in [0, 1] {
        let mut world = World::new(controlling);
        world.run(10 * SOON, |_, from, to| Some((from, to)));
        let before = world.moves.clone();
        for _ in 0..4 {
            world.talks = false;
            world.run(3 * SOON, |_, from, to| Some((from, to)));
            world.talks = true;
            world.run(SOON, |_, from, to| Some((from, to)));
            assert!(world.both_hear());
            world.run(3 * SOON, |_, _, _| None);
            world.run(SOON, |_, from, to| Some((from, to)));
            assert!(world.both_hear());
        }
        assert_eq!(world.moves, before, "controlling: {controlling}");
    }
}

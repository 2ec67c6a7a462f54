//! Two agents in virtual time, for what only shows between them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::{Class, StunMessage};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::ice::agent::{Agent, AgentEvent};
use crate::ice::candidate::{Candidate, CandidateType, LocalCandidate};
use crate::ice::consent::DOUBT;
use crate::ice::credentials::IceCredentials;
use crate::ice::generations::Generations;

fn agent(rng: &mut StdRng, port: u16, controlling: bool, now: Instant) -> (Agent, IceCredentials) {
    let credentials = IceCredentials::generate(rng);
    let mut agent = Agent::new(&credentials, u64::from(port), controlling);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    agent.add_local(LocalCandidate::host(address), now).unwrap();
    (agent, credentials)
}

/// A description with many candidates, and many checks of the far end, bring about no burst of ours (RFC 8445, section 6.1.4.2).
#[test]
fn checks_are_spaced() {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time needs a first instant"
    )]
    let start = Instant::now();
    let mut rng = StdRng::seed_from_u64(3);
    let (mut ours, our_credentials) = agent(&mut rng, 4000, true, start);
    let (mut theirs, their_credentials) = agent(&mut rng, 5000, false, start);
    theirs.start(&our_credentials, start);
    theirs.add_remote(&ours_candidates(start)[0], start);
    let (_, _, question) = theirs.poll_transmit().unwrap();
    let far = |n: u8| SocketAddr::from(([127, 0, 1, n], 5000));
    ours.start(&their_credentials, start);
    for n in 1..=10 {
        let mut candidate = theirs.local_candidates()[0].clone();
        candidate.addr = far(n);
        ours.add_remote(&candidate, start);
    }
    let mut began = Vec::new();
    let mut asked = Vec::new();
    for tick in 0..400_u64 {
        let now = start + Duration::from_millis(tick);
        if tick >= 200 && tick % 2 == 0 {
            let stranger = SocketAddr::from(([127, 0, 2, (tick / 8) as u8], 5000));
            let here = SocketAddr::from(([127, 0, 0, 1], 4000));
            ours.handle_stun(here, stranger, &question, now).unwrap();
        }
        if ours.deadline().is_some_and(|due| due <= now) {
            ours.handle_timeout(now);
        }
        while let Some((_, to, datagram)) = ours.poll_transmit() {
            if datagram.starts_with(&[0, 1]) {
                began.push(tick);
                asked.push(to);
            }
        }
    }
    let early: Vec<u64> = began.iter().copied().filter(|at| *at < 200).collect();
    assert!(
        early.windows(2).all(|two| two[1] - two[0] >= 20),
        "{early:?}"
    );
    assert!((1..=10).all(|n| asked[..10].contains(&far(n))), "{asked:?}");
    let later = &began[early.len()..];
    let hasty = later.windows(2).filter(|two| two[1] - two[0] < 5);
    assert!(hasty.count() <= 2, "{later:?}");
}

/// The worst of many addresses on both sides is the one that leads anywhere.
#[test]
fn a_relay_is_tried_however_many_addresses_there_are() {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time needs a first instant"
    )]
    let start = Instant::now();
    let mut rng = StdRng::seed_from_u64(3);
    let (mut ours, our_credentials) = agent(&mut rng, 4000, true, start);
    let (mut theirs, their_credentials) = agent(&mut rng, 5000, false, start);
    for n in 2..=8 {
        let host = LocalCandidate::host(SocketAddr::from(([127, 0, 3, n], 4000)));
        ours.add_local(host, start).unwrap();
    }
    let relayed = SocketAddr::from(([127, 0, 4, 1], 6000));
    let relay = LocalCandidate {
        address: relayed,
        base: SocketAddr::from(([127, 0, 0, 1], 4000)),
        typ: CandidateType::Relay,
        by_connection: false,
    };
    ours.add_local(relay, start).unwrap();
    ours.start(&their_credentials, start);
    theirs.start(&our_credentials, start);
    let there = theirs.local_candidates()[0].clone();
    for n in 1..=31 {
        let mut nowhere = there.clone();
        nowhere.addr = SocketAddr::from(([127, 0, 5, n], 5000));
        ours.add_remote(&nowhere, start);
    }
    ours.add_remote(&there, start);
    let mut now = start;
    while ours.selected().is_none() && now < start + Duration::from_secs(30) {
        ours.handle_timeout(now);
        theirs.handle_timeout(now);
        while let Some((from, to, datagram)) = ours.poll_transmit() {
            if from == relayed && to == there.addr {
                let _ = theirs.handle_stun(to, from, &datagram, now);
            }
        }
        while let Some((from, to, datagram)) = theirs.poll_transmit() {
            if to == relayed {
                let _ = ours.handle_stun(to, from, &datagram, now);
            }
        }
        while ours.poll_event(now).is_some() {}
        while theirs.poll_event(now).is_some() {}
        now += Duration::from_millis(5);
    }
    let pair = ours.selected().expect("a path by the relay");
    assert_eq!(
        (pair.local, pair.local_type),
        (relayed, CandidateType::Relay)
    );
}

/// Both addresses of the far end worked; then none does, and somebody plays its last answer again. What worked once is no
/// path now, and what was answered once is no consent again.
#[test]
fn neither_a_pair_nor_an_answer_of_before_is_a_path() {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time needs a first instant"
    )]
    let start = Instant::now();
    let mut rng = StdRng::seed_from_u64(7);
    let (mut ours, our_credentials) = agent(&mut rng, 4000, true, start);
    let (mut theirs, their_credentials) = agent(&mut rng, 5000, false, start);
    let second = LocalCandidate::host(SocketAddr::from(([127, 0, 0, 2], 5000)));
    theirs.add_local(second, start).unwrap();
    for (agent, credentials, other) in [
        (&mut ours, &their_credentials, theirs.local_candidates()),
        (&mut theirs, &our_credentials, ours_candidates(start)),
    ] {
        agent.start(credentials, start);
        other.iter().for_each(|it| agent.add_remote(it, start));
    }
    let mut now = start;
    let cut_at = start + Duration::from_secs(10);
    let mut selected_after_cut = Vec::new();
    let mut doubted_at = None;
    let mut recorded = None;
    while now < start + Duration::from_secs(60) {
        let cut = now >= cut_at;
        while let Some(event) = ours.poll_event(now) {
            if cut && matches!(event, AgentEvent::Selected(_)) {
                selected_after_cut.push(now - start);
            }
            if matches!(event, AgentEvent::Unanswered | AgentEvent::Lost) {
                doubted_at.get_or_insert(now);
            }
        }
        while theirs.poll_event(now).is_some() {}
        while let Some((from, to, datagram)) = ours.poll_transmit() {
            if !cut {
                let _ = theirs.handle_stun(to, from, &datagram, now);
            }
        }
        while let Some((from, to, datagram)) = theirs.poll_transmit() {
            if !cut {
                let _ = ours.handle_stun(to, from, &datagram, now);
                if datagram.starts_with(&[1, 1]) {
                    recorded = Some((from, to, datagram));
                }
            }
        }
        if now >= cut_at + Duration::from_secs(8)
            && let Some((from, to, answer)) = recorded.take()
        {
            let _ = ours.handle_stun(to, from, &answer, now);
        }
        now += Duration::from_millis(10);
        ours.handle_timeout(now);
        theirs.handle_timeout(now);
    }
    assert!(selected_after_cut.is_empty(), "{selected_after_cut:?}");
    assert!(doubted_at.is_some_and(|at| at <= cut_at + DOUBT));
}

fn ours_candidates(now: Instant) -> Vec<Candidate> {
    agent(&mut StdRng::seed_from_u64(0), 4000, true, now)
        .0
        .local_candidates()
}

/// A far end that checks while its answer is still on its way, and then says nothing more by itself.
#[test]
fn checks_that_come_before_the_answer_do_not_put_ours_to_sleep() {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time needs a first instant"
    )]
    let start = Instant::now();
    for early in 1..5 {
        let mut rng = StdRng::seed_from_u64(early);
        let (mut ours, our_credentials) = agent(&mut rng, 4000, true, start);
        let (mut theirs, their_credentials) = agent(&mut rng, 5000, false, start);
        theirs.start(&our_credentials, start);
        theirs.add_remote(&ours.local_candidates()[0], start);
        let mut now = start;
        let mut came = 0;
        while came < early {
            while let Some((from, to, check)) = theirs.poll_transmit() {
                ours.handle_stun(to, from, &check, now).unwrap();
                came += 1;
            }
            now = theirs.deadline().unwrap();
            theirs.handle_timeout(now);
        }
        ours.start(&their_credentials, now);
        ours.add_remote(&theirs.local_candidates()[0], now);
        let end = now + Duration::from_secs(1);
        let mut asked = false;
        while let Some(due) = ours.deadline().filter(|due| *due <= end && !asked) {
            while let Some((_, _, datagram)) = ours.poll_transmit() {
                let message = StunMessage::parse(&datagram).unwrap();
                asked |= message.class() == Class::Request;
            }
            now = now.max(due);
            ours.handle_timeout(now);
        }
        assert!(asked, "no check of ours after {early} early ones");
    }
}

/// A far end with several addresses and one socket for all of them: whichever of them is asked, it answers from another than it told of.
#[test]
fn an_answer_from_elsewhere_does_not_make_a_path_of_the_address_that_was_asked() {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time needs a first instant"
    )]
    let start = Instant::now();
    for controlling in [true, false] {
        let mut rng = StdRng::seed_from_u64(11);
        let (mut ours, our_credentials) = agent(&mut rng, 4000, controlling, start);
        let (mut theirs, their_credentials) = agent(&mut rng, 5000, !controlling, start);
        let told = SocketAddr::from(([127, 0, 0, 1], 5000));
        let used = SocketAddr::from(([127, 0, 0, 2], 5000));
        ours.start(&their_credentials, start);
        ours.add_remote(&theirs.local_candidates()[0], start);
        let mut selected = Vec::new();
        for tick in 0..500 {
            let now = start + tick * Duration::from_millis(10);
            if tick == 20 {
                theirs.start(&our_credentials, now);
                theirs.add_remote(&ours.local_candidates()[0], now);
            }
            while let Some(event) = ours.poll_event(now) {
                if let AgentEvent::Selected(pair) = event {
                    selected.push(pair.remote);
                }
            }
            while theirs.poll_event(now).is_some() {}
            while let Some((from, _, datagram)) = ours.poll_transmit() {
                let _ = theirs.handle_stun(told, from, &datagram, now);
            }
            while let Some((_, to, datagram)) = theirs.poll_transmit() {
                let _ = ours.handle_stun(to, used, &datagram, now);
            }
            ours.handle_timeout(now);
            theirs.handle_timeout(now);
        }
        assert_eq!(selected, [used], "controlling: {controlling}");
    }
}

/// A NAT was rebound and a check showed our new address; after a restart a server shows it too.
#[test]
fn an_address_that_a_check_showed_may_be_gathered_after_a_restart() {
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time needs a first instant"
    )]
    let now = Instant::now();
    let mut rng = StdRng::seed_from_u64(9);
    let our_credentials = IceCredentials::generate(&mut rng);
    let mut ours = Generations::new(&our_credentials, 4000, true);
    let (mut theirs, their_credentials) = agent(&mut rng, 5000, false, now);
    let host = SocketAddr::from(([127, 0, 0, 1], 4000));
    ours.add_local(LocalCandidate::host(host), now).unwrap();
    let outside = SocketAddr::from(([198, 51, 100, 1], 20_000));
    ours.start(&their_credentials, now);
    theirs.start(&our_credentials, now);
    ours.add_remote(&theirs.local_candidates()[0], now);
    // Theirs sees us where the NAT is, and says so.
    while let Some((_, to, check)) = ours.poll_transmit() {
        theirs.handle_stun(to, outside, &check, now).unwrap();
    }
    while let Some((from, _, answer)) = theirs.poll_transmit() {
        let _ = ours.handle_stun(host, from, &answer, now);
    }
    ours.keep(&[host], now);
    ours.restart(&IceCredentials::generate(&mut rng), now);
    let gathered = LocalCandidate {
        address: outside,
        base: host,
        typ: CandidateType::ServerReflexive,
        by_connection: false,
    };
    assert!(ours.add_local(gathered, now).is_some());
    assert_eq!(ours.local_candidates().len(), 2);
}

/// Whichever comes first: what is lost on the way of a connection delays all that follows.
#[test]
fn a_relay_behind_a_connection_comes_after_one_behind_datagrams() {
    let [host, by_tcp, by_udp] =
        [4000, 4001, 4002].map(|port| SocketAddr::from(([192, 0, 2, 7], port)));
    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time needs a first instant"
    )]
    let start = Instant::now();
    for order in [[by_tcp, by_udp], [by_udp, by_tcp]] {
        let mut agent = Agent::new(
            &IceCredentials::generate(&mut StdRng::seed_from_u64(1)),
            1,
            true,
        );
        agent.add_local(LocalCandidate::host(host), start).unwrap();
        for address in order {
            let relay = LocalCandidate {
                address,
                base: host,
                typ: CandidateType::Relay,
                by_connection: address == by_tcp,
            };
            agent.add_local(relay, start).unwrap();
        }
        let candidates = agent.local_candidates();
        let priority =
            |of: SocketAddr| candidates.iter().find(|it| it.addr == of).unwrap().priority;
        assert!(priority(host) > priority(by_udp) && priority(by_udp) > priority(by_tcp));
        // A restart keeps that.
        let again = agent.own_candidates().find(|it| it.address == by_tcp);
        assert!(again.unwrap().by_connection);
    }
}

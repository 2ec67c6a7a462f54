//! Paths that are found, lost, given up and replaced.

use std::time::Duration;

use crate::dtls::setup::Setup;
use crate::ice::candidate::Candidate;
use crate::ice::credentials::IceCredentials;
use crate::media_transport::event::{Event, IceFailure, NotReady};
use crate::media_transport::tests::world::{CALLEE, CALLER, World};
use crate::media_transport::transport::MediaTransport;

#[test]
fn a_far_end_that_asks_and_never_answers_is_not_sent_media_for_longer_than_its_consent_lasts() {
    let mut world = World::new(16);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(2)));
    world.run_for(Duration::from_secs(60));
    world.assert_media_flows(1);
    world.link.unanswering = Some(CALLEE);
    let began = world.now;
    let mut last = 0;
    for second in 0..60_u16 {
        if world.say(CALLER, 2 + second, b"hello?").is_ok() {
            last = (world.now - began).as_secs();
        }
        world.run_for(Duration::from_secs(1));
    }
    assert!((23..=30).contains(&last), "{last} s");
    let at = |wanted: &Event| world.events[CALLER].iter().find(|(_, it)| it == wanted);
    let (warned, _) = at(&Event::IceDisconnected).expect("a warning");
    assert!((69..76).contains(&warned.as_secs()), "{warned:?}");
    let remote = world.addresses[CALLEE];
    assert!(at(&Event::IceFailed(IceFailure::Lost { remote })).is_some());
    // Only a restart brings it back.
    world.link.unanswering = None;
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.say(CALLER, 100, b"?"), Err(NotReady::NotConnected));
}

#[test]
fn answers_that_come_back_in_time_are_told() {
    let mut world = World::new(17);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(2)));
    world.run_for(Duration::from_secs(60));
    let before = world.events[CALLER].len();
    world.link.unanswering = Some(CALLEE);
    world.run_for(Duration::from_secs(22));
    world.link.unanswering = None;
    world.run_for(Duration::from_secs(60));
    let told = &world.events[CALLER][before..];
    assert!(
        matches!(
            told,
            [(_, Event::IceDisconnected), (_, Event::IceConnected { .. })]
        ),
        "{told:?}"
    );
    world.assert_media_flows(1);
}

#[test]
fn a_lost_path_is_told_and_comes_back_when_the_link_does() {
    let mut world = World::new(12);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.link.cut = true;
    world.run_for(Duration::from_secs(28));
    for end in [CALLER, CALLEE] {
        assert!(
            world.saw(end, &Event::IceDisconnected),
            "{:?}",
            world.events[end]
        );
        assert_eq!(world.failure(end), None);
    }
    world.link.cut = false;
    world.run_for(Duration::from_secs(10));
    assert!(world.ends.iter().all(MediaTransport::is_connected));
    world.assert_media_flows(2);

    world.link.cut = true;
    world.run_for(Duration::from_secs(60));
    let remote = world.addresses[CALLEE];
    assert!(world.saw(CALLER, &Event::IceFailed(IceFailure::Lost { remote })));
}

#[test]
fn ice_restarts_on_new_credentials_and_media_goes_on_meanwhile() {
    let mut world = World::new(14);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.assert_media_flows(1);
    for end in [CALLER, CALLEE] {
        let credentials = IceCredentials::generate(&mut world.rng);
        world.ends[end].restart(credentials, world.now);
    }
    world.assert_media_flows(2);
    let before = world.events.each_ref().map(Vec::len);
    world.negotiate(Setup::ActPass, Setup::Active);
    world.run_for(Duration::from_secs(2));
    for end in [CALLER, CALLEE] {
        let told = &world.events[end][before[end]..];
        assert!(
            matches!(told, [(_, Event::IceConnected { .. })]),
            "{told:?}"
        );
    }
    world.assert_media_flows(3);
}

/// Both talk until both are heard; how long that took, or that it took too long.
fn both_are_heard(world: &mut World, sequence: &mut u16, limit: Duration) -> Option<Duration> {
    const SLOT: Duration = Duration::from_millis(20);
    let began = world.now;
    let before = world.media.each_ref().map(Vec::len);
    while world.now < began + limit {
        for end in [CALLER, CALLEE] {
            let _ = world.say(end, *sequence, b"hello?");
        }
        *sequence += 1;
        world.run_for(SLOT);
        if (0..2).all(|end| world.media[end].len() > before[end]) {
            return Some(world.now - began);
        }
    }
    None
}

/// Its offer cannot be answered before the link is back, and is not for a long while after.
#[test]
fn a_path_that_is_back_carries_media_while_a_restart_waits_for_its_answer() {
    const SOON: Duration = Duration::from_secs(1);
    for restarted_after in [0, 2, 6, 16, 19] {
        for (seed, who) in [(20, CALLER), (21, CALLEE), (22, CALLER), (23, CALLEE)] {
            let mut world = World::new(seed);
            world.negotiate(Setup::ActPass, Setup::Active);
            assert!(world.run_until_connected(Duration::from_secs(5)));
            world.run_for(Duration::from_secs(60));
            let mut sequence = 1;
            world.link.cut = true;
            world.run_for(Duration::from_secs(restarted_after));
            let credentials = IceCredentials::generate(&mut world.rng);
            world.ends[who].restart(credentials, world.now);
            world.run_for(Duration::from_secs(20 - restarted_after));
            world.link.cut = false;
            let back = both_are_heard(&mut world, &mut sequence, SOON);
            let when = format!("restarted by {who} after {restarted_after} s");
            assert!(back.is_some(), "{when}: {:?}", world.events);
            // It holds by itself.
            for _ in 0..40 {
                world.run_for(SOON);
                assert!(both_are_heard(&mut world, &mut sequence, SOON / 10).is_some());
            }
            let before = world.events[who].len();
            let credentials = IceCredentials::generate(&mut world.rng);
            world.ends[1 - who].restart(credentials, world.now);
            world.negotiate(Setup::ActPass, Setup::Active);
            assert!(both_are_heard(&mut world, &mut sequence, SOON / 10).is_some());
            world.run_for(Duration::from_secs(2));
            let told = &world.events[who][before..];
            let is_new = matches!(told, [(_, Event::IceConnected { .. })]);
            assert!(is_new, "{when}: {told:?}");
            world.run_for(Duration::from_secs(60));
            assert!(both_are_heard(&mut world, &mut sequence, SOON / 10).is_some());
            assert_eq!(world.failure(who), None);
        }
    }
}

#[test]
fn a_restart_that_waits_for_its_answer_lets_consent_last_no_longer() {
    let mut world = World::new(24);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(2)));
    world.run_for(Duration::from_secs(60));
    world.link.unanswering = Some(CALLEE);
    let began = world.now;
    let mut last = 0;
    for second in 0..60_u16 {
        if second == 16 {
            let credentials = IceCredentials::generate(&mut world.rng);
            world.ends[CALLER].restart(credentials, world.now);
        }
        if world.say(CALLER, 2 + second, b"hello?").is_ok() {
            last = (world.now - began).as_secs();
        }
        world.run_for(Duration::from_secs(1));
    }
    assert!((23..=30).contains(&last), "{last} s");
    let remote = world.addresses[CALLEE];
    assert!(world.saw(CALLER, &Event::IceFailed(IceFailure::Lost { remote })));
    // What answers then is no path any more, but the answer to the restart brings one.
    world.link.unanswering = None;
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.say(CALLER, 100, b"?"), Err(NotReady::NotConnected));
    let credentials = IceCredentials::generate(&mut world.rng);
    world.ends[CALLEE].restart(credentials, world.now);
    world.negotiate(Setup::ActPass, Setup::Active);
    world.run_for(Duration::from_secs(2));
    world.assert_media_flows(200);
}

/// The far end's new addresses are out of reach, and it answers at the one of before.
#[test]
fn a_restart_that_finds_no_new_path_leaves_the_one_of_before() {
    let mut world = World::new(25);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    let before = world.events.each_ref().map(Vec::len);
    for end in [CALLER, CALLEE] {
        let credentials = IceCredentials::generate(&mut world.rng);
        world.ends[end].restart(credentials, world.now);
    }
    for end in [CALLER, CALLEE] {
        let mut remote = world.parameters(1 - end, [Setup::ActPass, Setup::Active][1 - end]);
        let nowhere = "1 1 udp 99 192.0.2.99 9 typ host";
        remote.candidates = vec![nowhere.parse().unwrap()];
        world.ends[end].set_remote(remote, world.now).unwrap();
    }
    for sequence in 1..60 {
        world.run_for(Duration::from_secs(1));
        world.assert_media_flows(sequence);
    }
    for end in [CALLER, CALLEE] {
        let told = &world.events[end][before[end]..];
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn candidates_of_no_use_are_left_aside() {
    let mut world = World::new(17);
    let mut offered = world.parameters(CALLER, Setup::ActPass);
    let useful = offered.candidates.clone();
    offered.candidates = [
        "2 2 udp 99 192.0.2.1 4000 typ host",
        "3 1 tcp 99 192.0.2.1 9 typ host",
    ]
    .map(|line| line.parse::<Candidate>().unwrap())
    .to_vec();
    offered.candidates.extend(useful);
    world.ends[CALLEE].set_remote(offered, world.now).unwrap();
    let answered = world.parameters(CALLEE, Setup::Active);
    world.ends[CALLER].set_remote(answered, world.now).unwrap();
    assert!(world.run_until_connected(Duration::from_secs(5)));
}

/// A session timer repeats descriptions for as long as a call lasts, candidates that nobody here can reach among them.
#[test]
fn descriptions_that_are_repeated_use_no_room_up() {
    let mut world = World::new(18);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    let mut repeated = world.parameters(CALLEE, Setup::Active);
    let unreachable = "2 1 udp 99 2001:db8::7 4000 typ host";
    repeated.candidates.push(unreachable.parse().unwrap());
    let known = |world: &World| world.ends[CALLER].census().remote_candidates;
    let mut before = None;
    for _ in 0..100 {
        world.ends[CALLER]
            .set_remote(repeated.clone(), world.now)
            .unwrap();
        world.run_for(Duration::from_secs(1));
        assert_eq!(known(&world), *before.get_or_insert_with(|| known(&world)));
    }
    let news: Candidate = "3 1 udp 99 192.0.2.77 4000 typ host".parse().unwrap();
    world.ends[CALLER].add_remote_candidate(&news, world.now);
    assert!(world.ends[CALLER].knows(news.addr));
}

#[test]
fn an_idle_connection_costs_a_check_each_few_seconds() {
    let mut world = World::new(19);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.run_for(Duration::from_secs(5));
    world.recorded.clear();
    world.run_for(Duration::from_secs(60));
    // Two ends, a question and an answer each, every four to six seconds.
    assert!(world.recorded.len() <= 64, "{}", world.recorded.len());
    assert!(world.recorded.len() >= 36, "{}", world.recorded.len());
}

/// RFC 7675, section 5.1.
#[test]
fn consent_is_asked_for_at_intervals_of_four_to_six_seconds_that_vary() {
    let mut world = World::new(26);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.run_for(Duration::from_secs(15));
    world.recorded.clear();
    world.run_for(Duration::from_secs(600));
    for end in [CALLER, CALLEE] {
        let asked = world.recorded.iter();
        let asked = asked.filter(|it| it.to == 1 - end && it.bytes.starts_with(&[0, 1]));
        let asked: Vec<_> = asked.map(|it| it.due).collect();
        let mut intervals: Vec<u128> = asked
            .windows(2)
            .map(|two| (two[1] - two[0]).as_millis())
            .collect();
        assert!(intervals.len() >= 100, "{}", intervals.len());
        assert!(
            intervals.iter().all(|it| (4_000..=6_050).contains(it)),
            "{intervals:?}"
        );
        intervals.sort_unstable();
        intervals.dedup();
        assert!(intervals.len() > 50, "{intervals:?}");
    }
}

/// Three of ten datagrams lost each way, for half an hour: half of all checks go unanswered, and the path holds.
#[test]
fn loss_alone_takes_no_consent_away() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.negotiate(Setup::ActPass, Setup::Active);
        assert!(world.run_until_connected(Duration::from_secs(5)));
        world.link.loss = 30;
        let before = [CALLER, CALLEE].map(|end| world.events[end].len());
        world.run_for(Duration::from_secs(1800));
        for end in [CALLER, CALLEE] {
            let since = &world.events[end][before[end]..];
            assert!(since.is_empty(), "{seed}: {since:?}");
        }
    }
}

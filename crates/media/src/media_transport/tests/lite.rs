//! A far end that is ICE-lite, as media servers at public addresses are: it answers checks and sends none.

use std::time::Duration;

use crate::dtls::setup::Setup;
use crate::ice::credentials::IceCredentials;
use crate::media_transport::event::{Event, IceFailure, NotReady};
use crate::media_transport::tests::world::{CALLEE, CALLER, World};

const MINUTE: Duration = Duration::from_secs(60);

fn connected(world: &mut World, offer: Setup, answer: Setup) {
    world.negotiate_with_lite(offer, answer);
    assert!(world.run_until_connected(Duration::from_secs(10)));
}

/// We control, whoever of both made the offer (RFC 8445, section 6.1.1), and nothing waits for a check that never comes.
#[test]
fn it_is_nominated_and_connects_as_fast_as_any() {
    for controlling in [true, false] {
        for (offer, answer) in [
            (Setup::ActPass, Setup::Active),
            (Setup::Active, Setup::Passive),
        ] {
            let mut world = World::with(31, |_, config| config.controlling = controlling);
            connected(&mut world, offer, answer);
            assert!(world.ends[CALLER].is_controlling());
            let took = world.now - world.start;
            assert!(took <= Duration::from_millis(5 * 20), "{took:?}");
            world.assert_media_flows(1);
        }
    }
}

#[test]
fn its_answers_alone_are_consent_for_as_long_as_they_come() {
    let mut world = World::new(32);
    connected(&mut world, Setup::ActPass, Setup::Active);
    let mut sequence = 1;
    world.run_for(MINUTE);
    for _ in 1..=3 {
        let before = world.lite.as_ref().unwrap().asked;
        // Both talk, as in a call.
        for _ in 0..300 {
            world.assert_media_flows(sequence);
            world.run_for(Duration::from_millis(150));
            sequence += 1;
        }
        // RFC 7675, section 5.1: each 4 to 6 s.
        let asked = world.lite.as_ref().unwrap().asked - before;
        assert!((9..=16).contains(&asked), "{asked} checks in a minute");
    }
    assert!(!world.saw(CALLER, &Event::IceDisconnected));
    assert_eq!(world.failure(CALLER), None);

    // It talks on, and answers no more: that it talks is no consent. Nobody's checks speak for the pair either, so that it is given up
    // sooner than one to a full agent would be, and taken again with the first answer.
    for comes_back in [true, false] {
        world.lite.as_mut().unwrap().dead = true;
        let began = world.now;
        while world.say(CALLER, sequence, b"hello?").is_ok() {
            let took = world.now - began;
            assert!(took < Duration::from_secs(30), "sends on and on");
            world.say(CALLEE, sequence, b"hello!").unwrap();
            world.run_for(Duration::from_millis(200));
            sequence += 1;
        }
        let took = world.now - began;
        assert!(took > Duration::from_millis(6_500), "{took:?}");
        assert!(world.saw(CALLER, &Event::IceDisconnected));
        assert_eq!(world.failure(CALLER), None);
        if comes_back {
            world.lite.as_mut().unwrap().dead = false;
            world.run_for(Duration::from_secs(1));
            world.assert_media_flows(sequence);
            sequence += 1;
            world.run_for(MINUTE);
        }
    }
    world.run_for(MINUTE);
    let remote = world.addresses[CALLEE];
    assert!(world.saw(CALLER, &Event::IceFailed(IceFailure::Lost { remote })));
    assert_eq!(
        world.say(CALLER, sequence, b"?"),
        Err(NotReady::NotConnected)
    );
}

#[test]
fn a_restart_of_ours_finds_it_again_and_media_goes_on_meanwhile() {
    let mut world = World::new(33);
    connected(&mut world, Setup::ActPass, Setup::Active);
    world.run_for(MINUTE);
    for round in 0..3 {
        let before = world.events[CALLER].len();
        let credentials = IceCredentials::generate(&mut world.rng);
        world.ends[CALLER].restart(credentials, world.now);
        world.assert_media_flows(2 * round);
        let credentials = IceCredentials::generate(&mut world.rng);
        world.ends[CALLEE].restart(credentials, world.now);
        world.negotiate_with_lite(Setup::ActPass, Setup::Active);
        world.run_for(MINUTE);
        let told = &world.events[CALLER][before..];
        assert!(
            matches!(told, [(_, Event::IceConnected { .. })]),
            "{told:?}"
        );
        world.assert_media_flows(2 * round + 1);
    }
    assert_eq!(world.failure(CALLER), None);
}

#[test]
fn it_connects_over_a_link_that_loses_a_third() {
    for seed in 40..60 {
        let mut world = World::new(seed);
        world.link.loss = 30;
        connected(&mut world, Setup::ActPass, Setup::Active);
    }
}

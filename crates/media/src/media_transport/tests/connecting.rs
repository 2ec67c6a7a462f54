//! Two ends connect, or say why not, and part.

use std::time::Duration;

use crate::dtls::fingerprint::FingerprintHash;
use crate::dtls::setup::{DtlsRole, Setup};
use crate::ice::candidate::CandidateType;
use crate::media_transport::config::{RemoteRefused, TransportLimits};
use crate::media_transport::counters::Refusal;
use crate::media_transport::event::{DtlsFailure, Event, IceFailure, NotReady, Received, Route};
use crate::media_transport::tests::world::{CALLEE, CALLER, CERTIFICATES, World, mirror, rtp};
use crate::srtp::profile::SrtpProfile;

#[test]
fn two_ends_connect_and_hear_each_other() {
    let mut world = World::new(1);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.assert_media_flows(1);
    let connected = Event::IceConnected {
        route: Route {
            local: world.addresses[CALLER],
            remote: world.addresses[CALLEE],
        },
        local: CandidateType::Host,
        remote: CandidateType::Host,
    };
    assert!(world.saw(CALLER, &connected));
    for (end, role) in [(CALLER, DtlsRole::Server), (CALLEE, DtlsRole::Client)] {
        let profile = SrtpProfile::AeadAes128Gcm;
        assert!(world.saw(end, &Event::DtlsConnected { profile, role }));
    }
}

/// One round trip of checks, one to nominate, three of DTLS: nothing waits for a timer.
#[test]
fn a_clean_path_connects_in_five_round_trips() {
    let mut world = World::new(2);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    let took = world.now - world.start;
    assert!(took <= Duration::from_millis(5 * 20), "{took:?}");
}

#[test]
fn each_setup_combination_connects() {
    for (offer, answer, caller) in [
        (Setup::ActPass, Setup::Active, DtlsRole::Server),
        (Setup::ActPass, Setup::Passive, DtlsRole::Client),
        (Setup::Active, Setup::Passive, DtlsRole::Client),
        (Setup::Passive, Setup::Active, DtlsRole::Server),
    ] {
        let mut world = World::new(3);
        // The answerer decided: what it hears is the offer as the answer resolved it.
        let resolved = mirror(answer);
        assert!(offer == Setup::ActPass || offer == resolved);
        world.negotiate(resolved, answer);
        assert!(world.run_until_connected(Duration::from_secs(5)));
        assert_eq!(world.ends[CALLER].dtls_role(), Some(caller));
        world.assert_media_flows(7);
    }
}

#[test]
fn each_profile_works_and_none_in_common_is_named() {
    for profile in SrtpProfile::ALL {
        let mut world = World::with(4, |end, config| {
            if end == CALLEE {
                config.profiles = vec![profile];
            }
        });
        world.negotiate(Setup::ActPass, Setup::Active);
        assert!(world.run_until_connected(Duration::from_secs(5)));
        assert_eq!(world.ends[CALLER].profile(), Some(profile));
        world.assert_media_flows(9);
    }
    let mut world = World::with(5, |end, config| {
        config.profiles = vec![SrtpProfile::ALL[end]];
    });
    world.negotiate(Setup::ActPass, Setup::Active);
    world.run_for(Duration::from_secs(20));
    assert_eq!(
        world.failure(CALLER),
        Some(&Event::DtlsFailed(DtlsFailure::NoCommonProfile))
    );
    assert!(world.failure(CALLEE).is_some());
}

#[test]
fn a_role_conflict_is_resolved() {
    for controlling in [true, false] {
        let mut world = World::with(6, |_, config| config.controlling = controlling);
        world.negotiate(Setup::ActPass, Setup::Active);
        assert!(world.run_until_connected(Duration::from_secs(5)));
        assert_ne!(
            world.ends[CALLER].is_controlling(),
            world.ends[CALLEE].is_controlling()
        );
        world.assert_media_flows(3);
    }
}

#[test]
fn a_wrong_fingerprint_fails_the_call_and_no_media_passes() {
    for setup in [Setup::Active, Setup::Passive] {
        let mut world = World::new(7);
        let offered = world.parameters(CALLER, mirror(setup));
        world.ends[CALLEE].set_remote(offered, world.now).unwrap();
        let mut answered = world.parameters(CALLEE, setup);
        answered.fingerprints = vec![CERTIFICATES[CALLER].fingerprint(FingerprintHash::Sha256)];
        world.ends[CALLER].set_remote(answered, world.now).unwrap();
        world.run_for(Duration::from_secs(20));
        assert_eq!(
            world.failure(CALLER),
            Some(&Event::DtlsFailed(DtlsFailure::FingerprintMismatch {
                expected: FingerprintHash::Sha256
            }))
        );
        assert_eq!(world.ends[CALLER].profile(), None);
        assert_eq!(world.say(CALLER, 1, b"secret"), Err(NotReady::NotConnected));
        // The far end, which was content with us, is told to stop; what it sent before that is not let in.
        assert_eq!(world.failure(CALLEE), Some(&Event::ClosedByPeer));
        let mut forged = rtp(1, b"who am I?");
        let [local, remote] = world.addresses;
        let received = world.ends[CALLER].handle_datagram(local, remote, &mut forged, world.now);
        assert_eq!(received, Received::Refused(Refusal::Unverified));
    }
}

#[test]
fn a_description_that_cannot_be_trusted_is_refused() {
    let mut world = World::new(8);
    let mut bare = world.parameters(CALLER, Setup::ActPass);
    bare.fingerprints.clear();
    let refused = world.ends[CALLEE].set_remote(bare, world.now);
    assert_eq!(refused, Err(RemoteRefused::NoFingerprint));
    let mut weak = world.parameters(CALLER, Setup::ActPass);
    weak.credentials.as_mut().unwrap().pwd = "short".into();
    let refused = world.ends[CALLEE].set_remote(weak, world.now);
    assert_eq!(refused, Err(RemoteRefused::BadCredentials));
    // Legal, but longer than a check can name beside ours.
    let mut long = world.parameters(CALLER, Setup::ActPass);
    long.credentials.as_mut().unwrap().ufrag = "u".repeat(120);
    let refused = world.ends[CALLEE].set_remote(long.clone(), world.now);
    let (length, limit) = (120, 119);
    assert_eq!(refused, Err(RemoteRefused::LongUfrag { length, limit }));
    long.credentials.as_mut().unwrap().ufrag = "u".repeat(119);
    world.ends[CALLEE].set_remote(long, world.now).unwrap();
    world.run_for(Duration::from_secs(1));
}

#[test]
fn a_peer_that_never_answers_is_a_typed_failure_in_bounded_time() {
    let mut world = World::new(9);
    world.link.cut = true;
    world.negotiate(Setup::ActPass, Setup::Active);
    world.run_for(Duration::from_secs(60));
    for end in [CALLER, CALLEE] {
        let (at, event) = world.events[end].last().unwrap();
        assert_eq!(
            *event,
            Event::IceFailed(IceFailure::NeverConnected { candidates: 1 })
        );
        assert_eq!(*at, TransportLimits::default().ice);
    }
    assert!(
        world.drain().is_none(),
        "a failed transport wants no more waking"
    );
}

#[test]
fn dtls_that_never_comes_is_a_typed_failure_in_bounded_time() {
    let mut world = World::new(10);
    // Both wait for the other's ClientHello.
    let offered = world.parameters(CALLER, Setup::Active);
    world.ends[CALLEE].set_remote(offered, world.now).unwrap();
    let answered = world.parameters(CALLEE, Setup::Active);
    world.ends[CALLER].set_remote(answered, world.now).unwrap();
    world.run_for(Duration::from_secs(30));
    for end in [CALLER, CALLEE] {
        assert!(world.saw(end, &Event::DtlsFailed(DtlsFailure::Timeout)));
    }
}

#[test]
fn closing_tells_the_far_end() {
    let mut world = World::new(11);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.ends[CALLER].close(world.now);
    assert_eq!(world.say(CALLER, 1, b"more"), Err(NotReady::NotConnected));
    world.run_for(Duration::from_secs(1));
    assert!(world.saw(CALLEE, &Event::ClosedByPeer));
    assert!(!world.ends[CALLEE].is_connected());
}

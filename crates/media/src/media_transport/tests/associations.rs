//! Which DTLS association there is, and what it takes up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::dtls::certificate::Certificate;
use crate::dtls::fingerprint::FingerprintHash;
use crate::dtls::setup::Setup;
use crate::ice::candidate::LocalCandidate;
use crate::ice::credentials::IceCredentials;
use crate::media_transport::counters::Refusal;
use crate::media_transport::event::{Event, NotReady, Received};
use crate::media_transport::tests::world::{CALLEE, CALLER, Datagram, World, config, rtp};
use crate::media_transport::transport::MediaTransport;
use crate::sdp::sdes::{CryptoLine, OwnMaterial};
use crate::srtp::profile::SrtpProfile;

#[test]
fn another_tls_id_is_another_association() {
    let mut world = World::new(18);
    let handshakes = |world: &World| {
        let done = |(_, event): &&(Duration, Event)| matches!(event, Event::DtlsConnected { .. });
        world.events[CALLER].iter().filter(done).count()
    };
    for (tls_id, expected) in [
        (Some("one"), 1),
        (Some("one"), 1),
        (None, 1),
        (Some("two"), 2),
    ] {
        for (end, setup) in [(CALLER, Setup::Passive), (CALLEE, Setup::Active)] {
            let mut parameters = world.parameters(end, setup);
            parameters.tls_id = tls_id.map(str::to_owned);
            world.ends[1 - end]
                .set_remote(parameters, world.now)
                .unwrap();
        }
        world.run_for(Duration::from_secs(2));
        assert_eq!(handshakes(&world), expected, "{tls_id:?}");
    }
    world.assert_media_flows(1);
}

/// The callee's ClientHello, as a link that overtakes would bring it.
fn recorded_hello() -> Vec<u8> {
    let mut world = World::new(13);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    let is_hello = |it: &&Datagram| it.to == CALLER && it.bytes[0] == 22;
    world.recorded.iter().find(is_hello).unwrap().bytes.clone()
}

#[test]
fn a_client_hello_before_the_answer_is_kept() {
    let mut world = World::new(13);
    let offered = world.parameters(CALLER, Setup::ActPass);
    world.ends[CALLEE].set_remote(offered, world.now).unwrap();
    let answered = world.parameters(CALLEE, Setup::Active);
    let mut hello = recorded_hello();
    let [local, remote] = world.addresses;
    let now = world.now;
    let received = world.ends[CALLER].handle_datagram(local, remote, &mut hello, now);
    assert_eq!(received, Received::Consumed);
    assert_eq!(world.ends[CALLER].counters().dtls_received, 0);

    world.run_for(Duration::from_millis(500));
    world.ends[CALLER].set_remote(answered, world.now).unwrap();
    assert_eq!(world.ends[CALLER].counters().dtls_received, 1);
}

/// What a transport before this one was still being sent is of no use to the handshake that begins.
#[test]
fn a_client_hello_of_long_ago_is_not_taken_up() {
    let mut world = World::new(13);
    let offered = world.parameters(CALLER, Setup::ActPass);
    world.ends[CALLEE].set_remote(offered, world.now).unwrap();
    let answered = world.parameters(CALLEE, Setup::Active);
    let mut hello = recorded_hello();
    let [local, remote] = world.addresses;
    let received = world.ends[CALLER].handle_datagram(local, remote, &mut hello, world.now);
    assert_eq!(received, Received::Consumed);
    world.run_for(Duration::from_secs(3));
    world.ends[CALLER].set_remote(answered, world.now).unwrap();
    assert_eq!(world.ends[CALLER].counters().dtls_received, 0);
    assert!(world.run_until_connected(Duration::from_secs(5)));
}

#[test]
fn a_client_hello_before_the_first_check_is_kept_until_one_vouches() {
    let mut world = World::new(13);
    world.negotiate(Setup::ActPass, Setup::Active);
    let [local, remote] = world.addresses;
    let now = world.now;
    let mut hello = recorded_hello();
    let received = world.ends[CALLER].handle_datagram(local, remote, &mut hello, now);
    assert_eq!(received, Received::Consumed);
    assert_eq!(world.ends[CALLER].counters().dtls_received, 0);
    // One way of the link: the callee's check is here, a hello of its own cannot be.
    world.run_for(Duration::from_millis(15));
    assert_eq!(world.ends[CALLER].counters().dtls_received, 1);

    // From elsewhere, little is kept and nothing is taken up.
    let stranger = SocketAddr::from(([203, 0, 113, 1], 9));
    let refusals = (0..20)
        .filter(|_| {
            let mut hello = hello.clone();
            let received = world.ends[CALLER].handle_datagram(local, stranger, &mut hello, now);
            received == Received::Refused(Refusal::Unverified)
        })
        .count();
    assert_eq!(refusals, 20 - 8);
    assert_eq!(world.ends[CALLER].counters().dtls_received, 1);
}

#[test]
fn a_new_certificate_makes_a_new_association() {
    let mut world = World::new(15);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    // The callee starts over, as a server does that lost its state: new certificate, new credentials.
    let mut config = config(CALLEE, &mut world.rng);
    config.certificate = Arc::new(Certificate::generate().unwrap());
    let fingerprint = config.certificate.fingerprint(FingerprintHash::Sha256);
    world.ends[CALLEE] = MediaTransport::new(config, world.now);
    world.ends[CALLEE]
        .add_local_candidate(LocalCandidate::host(world.addresses[CALLEE]), world.now)
        .unwrap();
    let credentials = IceCredentials::generate(&mut world.rng);
    world.ends[CALLER].restart(credentials, world.now);
    let offered = world.parameters(CALLER, Setup::ActPass);
    world.ends[CALLEE].set_remote(offered, world.now).unwrap();
    let mut answered = world.parameters(CALLEE, Setup::Active);
    answered.fingerprints = vec![fingerprint];
    world.ends[CALLER].set_remote(answered, world.now).unwrap();
    assert!(!world.ends[CALLER].is_connected());
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.assert_media_flows(1);
}

#[test]
fn a_repeated_description_changes_nothing() {
    let mut world = World::new(16);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    let before = world.events.each_ref().map(Vec::len);
    // A re-offer from the other side: actpass does not turn the roles around.
    for (end, setup) in [(CALLER, Setup::ActPass), (CALLEE, Setup::ActPass)] {
        let parameters = world.parameters(1 - end, setup);
        world.ends[end].set_remote(parameters, world.now).unwrap();
    }
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.events.each_ref().map(Vec::len), before);
    world.assert_media_flows(1);
}

/// Without ICE, and behind a NAT that its description knows nothing of: its handshake shows where it is.
#[test]
fn a_handshake_without_ice_goes_where_it_comes_from() {
    for (latching, connects) in [(true, true), (false, false)] {
        let mut world = World::with(22, |_, config| config.latching = latching);
        let [here, there] = world.addresses;
        let inside_its_nat = SocketAddr::from(([10, 0, 0, 7], 4000));
        let now = world.now;
        for (end, of, setup, address) in [
            (CALLEE, CALLER, Setup::Active, inside_its_nat),
            (CALLER, CALLEE, Setup::Passive, there),
        ] {
            let mut parameters = world.parameters(of, setup);
            parameters.credentials = None;
            parameters.candidates = Vec::new();
            parameters.address = Some(address);
            world.ends[end].set_remote(parameters, now).unwrap();
        }
        world.run_for(Duration::from_secs(3));
        let connected = world.ends[CALLEE].is_connected();
        assert_eq!(connected, connects, "latching: {latching}");
        if connects {
            assert_eq!(world.ends[CALLEE].route().unwrap().remote, here);
            world.assert_media_flows(1);
        }
    }
}

/// Beside media that flows little is kept of the handshake; the end is heard all the same.
#[test]
fn a_long_call_keeps_little_of_its_handshake_and_hears_the_goodbye() {
    let mut world = World::new(21);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    let is_rested = |world: &World, end: usize| format!("{:?}", world.ends[end]).contains("Rested");
    world.run_for(Duration::from_secs(20));
    assert!(
        !is_rested(&world, CALLER),
        "nothing proves that the far end is done"
    );
    world.assert_media_flows(1);
    world.run_for(Duration::from_secs(9));
    assert!(!is_rested(&world, CALLER) && !is_rested(&world, CALLEE));
    world.run_for(Duration::from_secs(9));
    assert!(is_rested(&world, CALLER) && is_rested(&world, CALLEE));
    world.assert_media_flows(2);
    let now = world.now;
    world.ends[CALLER].close(now);
    world.run_for(Duration::from_secs(1));
    let is_told = |(_, event): &(Duration, Event)| *event == Event::ClosedByPeer;
    assert!(world.events[CALLEE].iter().any(is_told));
}

/// Firefox says so and goes on as it was; whoever means it begins the new one itself.
#[test]
fn a_far_end_that_is_to_be_the_client_now_is_heard_as_before_until_it_begins() {
    let mut world = World::new(19);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    let handshakes = |world: &World| {
        let done = |(_, event): &&(Duration, Event)| matches!(event, Event::DtlsConnected { .. });
        world.events[CALLEE].iter().filter(done).count()
    };
    let turned = world.parameters(CALLER, Setup::Active);
    for _ in 0..2 {
        world.ends[CALLEE]
            .set_remote(turned.clone(), world.now)
            .unwrap();
    }
    world.run_for(Duration::from_secs(40));
    world.assert_media_flows(1);
    assert_eq!(handshakes(&world), 1);

    let turned = world.parameters(CALLEE, Setup::Passive);
    world.ends[CALLER].set_remote(turned, world.now).unwrap();
    world.run_for(Duration::from_secs(5));
    assert_eq!(handshakes(&world), 2);
    world.assert_media_flows(1);
}

/// While that is waited for, anybody can send what begins like it.
#[test]
fn a_strangers_client_hello_takes_no_association_from_a_call() {
    for forged in [
        recorded_hello(),
        [&[22, 254, 253, 0, 0][..], &[0; 8], &[1, 0]].concat(),
    ] {
        let mut world = World::new(19);
        world.negotiate(Setup::ActPass, Setup::Active);
        assert!(world.run_until_connected(Duration::from_secs(5)));
        let turned = world.parameters(CALLER, Setup::Active);
        world.ends[CALLEE].set_remote(turned, world.now).unwrap();
        let [from, at] = world.addresses;
        let now = world.now;
        let _ = world.ends[CALLEE].handle_datagram(at, from, &mut forged.clone(), now);
        world.assert_media_flows(1);
        world.run_for(Duration::from_secs(5));
        world.assert_media_flows(2);
        let _ = world.ends[CALLEE].handle_datagram(at, from, &mut forged.clone(), world.now);

        // The far end means it after all, and the stranger's is still under way.
        let turned = world.parameters(CALLEE, Setup::Passive);
        world.ends[CALLER].set_remote(turned, world.now).unwrap();
        world.run_for(Duration::from_secs(20));
        world.assert_media_flows(3);
        assert_eq!(world.failure(CALLER), None);
        assert_eq!(world.failure(CALLEE), None);
    }
}

/// SDES: a key of ours that goes on with another one of the far end's goes on where it was.
#[test]
fn a_new_key_of_the_far_end_begins_none_of_ours_twice() {
    let mut world = World::new(23);
    let mut material = || OwnMaterial::generate(&mut world.rng);
    let (ours, theirs, theirs_later) = (material(), material(), material());
    let profile = SrtpProfile::Aes128CmHmacSha1_80;
    let line = |of: &OwnMaterial| CryptoLine::parse(&of.line(1, profile)).unwrap();
    let agree = |world: &mut World, theirs: &OwnMaterial| {
        for (end, keys) in [
            (CALLER, ours.paired_with(&line(theirs))),
            (CALLEE, theirs.paired_with(&line(&ours))),
        ] {
            let mut parameters = world.parameters(1 - end, Setup::Passive);
            parameters.keys = keys;
            world.ends[end].set_remote(parameters, world.now).unwrap();
        }
    };
    agree(&mut world, &theirs);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    // A rollover, which a packet does not tell.
    for sequence in [1, 30_000, 60_000, 10_000, 40_000] {
        world.say(CALLER, sequence, b"on and on").unwrap();
    }
    world.run_for(Duration::from_millis(50));
    agree(&mut world, &theirs_later);
    let again = world.say(CALLER, 40_000, b"another packet, under the same number");
    assert_eq!(again, Err(NotReady::SequenceReused));
    world.say(CALLEE, 7, b"heard by the new key").unwrap();
    world.run_for(Duration::from_millis(50));
    assert_eq!(
        world.media[CALLER].last(),
        Some(&rtp(7, b"heard by the new key"))
    );
}

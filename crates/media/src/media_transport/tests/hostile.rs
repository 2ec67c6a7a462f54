//! Links and strangers that mean harm.

use std::time::Duration;

use proptest::prelude::*;

use crate::dtls::setup::Setup;
use crate::media_transport::counters::Refusal;
use crate::media_transport::event::Received;
use crate::media_transport::tests::world::{CALLEE, CALLER, World, rtp};

#[test]
fn replayed_and_damaged_datagrams_are_refused_and_counted() {
    let mut world = World::new(18);
    world.negotiate(Setup::ActPass, Setup::Active);
    assert!(world.run_until_connected(Duration::from_secs(5)));
    world.assert_media_flows(1);
    let last = world
        .recorded
        .iter()
        .rfind(|it| it.to == CALLEE && it.bytes[0] == 0x80)
        .unwrap();
    let (route, packet) = (last.route, last.bytes.clone());
    let before = world.ends[CALLEE].counters().refused;
    let now = world.now;
    let mut give = |mut bytes: Vec<u8>| {
        let received =
            world.ends[CALLEE].handle_datagram(route.local, route.remote, &mut bytes, now);
        match received {
            Received::Refused(refusal) => refusal,
            Received::Rtp(_) | Received::Rtcp(_) | Received::Consumed => panic!("{received:?}"),
        }
    };
    assert_eq!(give(packet.clone()), Refusal::Replay);
    let mut damaged = packet;
    damaged[2] ^= 1;
    damaged[14] ^= 1;
    assert_eq!(give(damaged), Refusal::BadAuthentication);
    assert_eq!(give(vec![0x80, 111, 0]), Refusal::Malformed);
    assert_eq!(give(vec![100; 40]), Refusal::Unknown);
    assert_eq!(give(vec![0; 19]), Refusal::Malformed);
    let refused = world.ends[CALLEE].counters().refused;
    assert_eq!(refused.total() - before.total(), 5);
    assert_eq!((refused.replay, refused.bad_authentication), (1, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the loss, a call ends connected or with a typed failure, in bounded time.
    #[test]
    fn lossy_links_connect_or_fail_in_bounded_time(
        seed in any::<u64>(), loss in 0_u32..=60, delay in 0_u64..300, jitter in 0_u64..200,
    ) {
        let mut world = World::new(seed);
        world.link.loss = loss;
        world.link.delay = Duration::from_millis(delay);
        world.link.jitter = Duration::from_millis(jitter);
        world.negotiate(Setup::ActPass, Setup::Active);
        // Once is enough: with this much loss a path may be doubted at any later moment.
        let connected = world.run_until_connected(Duration::from_secs(30));
        // The end that gave up knows; the other may be content already, and hears of it by silence.
        let failed = [CALLER, CALLEE].iter().any(|end| world.failure(*end).is_some());
        prop_assert!(connected || failed, "{:?}", world.events);
        if loss <= 15 && delay <= 150 {
            prop_assert!(connected, "{:?}", world.events);
        }
        if connected {
            world.link.loss = 0;
            world.say(CALLER, 1, b"through the noise").unwrap();
            world.run_for(Duration::from_secs(1));
            let expected = rtp(1, b"through the noise");
            prop_assert_eq!(world.media[CALLEE].last(), Some(&expected));
        }
    }

    #[test]
    fn no_datagram_makes_it_panic(
        seed in any::<u64>(), garbage in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..40),
    ) {
        let mut world = World::new(seed);
        world.negotiate(Setup::ActPass, Setup::Active);
        world.run_for(Duration::from_millis(25));
        let [local, remote] = world.addresses;
        for (position, mut bytes) in garbage.into_iter().enumerate() {
            // Half of it looks like what it is not.
            if let (Some(first), 0) = (bytes.first_mut(), position % 2) {
                *first = [0, 22, 0x80][position / 2 % 3];
            }
            let now = world.now;
            let _ = world.ends[CALLER].handle_datagram(local, remote, &mut bytes, now);
        }
        prop_assert!(world.run_until_connected(Duration::from_secs(20)));
    }
}

//! Calls over IPv6.

use std::time::Duration;

use offhook_media::session::event::MediaEvent;

use crate::programs::Talker;
use crate::world::{Side, World};

#[test]
fn a_call_between_two_ipv6_addresses_is_as_any_other() {
    let mut world = World::over_ipv6(Talker::new().0, Talker::new().0);
    let offer = world.caller.session.create_offer(world.now);
    assert!(offer.contains("c=IN IP6 2001:db8::1\r\n"), "{offer}");
    assert!(offer.contains(" 2001:db8::1 4000 typ host"), "{offer}");
    for restarts in 0..2 {
        if restarts > 0 {
            let now = world.now;
            world.caller.session.restart_ice(now);
        }
        world.negotiate();
        world.run(Duration::from_secs(1));
        let before = [Side::Caller, Side::Callee].map(|side| heard(&mut world, side));
        world.run(Duration::from_secs(60));
        for (side, before) in [Side::Caller, Side::Callee].into_iter().zip(before) {
            let after = heard(&mut world, side);
            assert!(after >= before + 2990, "{before} to {after}");
            let (local, remote) = (world.end(side).address, world.end(side.other()).address);
            assert!(local.is_ipv6() && remote.is_ipv6());
            let pair = |event: &MediaEvent| matches!(event, MediaEvent::IcePair { local: ours, remote: theirs, .. } if (*ours, *theirs) == (local, remote));
            assert_eq!(world.count(side, pair), 1 + restarts);
            let secured = |event: &MediaEvent| matches!(event, MediaEvent::DtlsConnected { .. });
            assert_eq!(world.count(side, secured), 1);
            let lost = |event: &MediaEvent| matches!(event, MediaEvent::PathLost { .. });
            assert_eq!(world.count(side, lost), 0);
        }
    }
}

fn heard(world: &mut World, side: Side) -> u64 {
    let now = world.now;
    world
        .end(side)
        .session
        .statistics(now)
        .inbound
        .packets_received
}

//! An ICE restart of ours that comes to nothing: what was agreed on before stands, and media goes on by its path.

use std::time::Duration;

use offhook_media::session::event::MediaEvent;
use offhook_media::session::media_session::Renewal;

use crate::programs::Talker;
use crate::world::{Side, World};

/// Longer than consent lasts (RFC 7675, section 5.1).
const LONG: Duration = Duration::from_secs(60);

/// The credentials that a description has.
fn ice(sdp: &str) -> Vec<&str> {
    let lines = sdp.lines();
    let ice = lines.filter(|line| line.starts_with("a=ice-ufrag") || line.starts_with("a=ice-pwd"));
    let ice: Vec<_> = ice.collect();
    assert_eq!(ice.len(), 2, "{sdp}");
    ice
}

/// A call that is up, and the credentials of the caller.
fn talking() -> (World, String) {
    let mut world = World::new(Talker::new().0, Talker::new().0);
    world.negotiate();
    world.run(Duration::from_secs(1));
    let agreed = world.caller.session.create_offer(world.now);
    (world, agreed)
}

/// The caller offers new credentials; nobody answers.
fn restart(world: &mut World, agreed: &str) -> String {
    let now = world.now;
    world.caller.session.restart_ice(now);
    let offer = world.caller.session.create_offer(now);
    assert_ne!(ice(&offer), ice(agreed));
    world.settle();
    world.run(Duration::from_secs(1));
    offer
}

/// The callee makes this offer; the caller's answer is taken.
fn answer(world: &mut World, offer: &str) -> String {
    let now = world.now;
    let caller = &mut world.caller.session;
    let answer = caller.accept_offer(offer, Renewal::Change, now).unwrap();
    world.callee.session.accept_answer(&answer, now).unwrap();
    world.settle();
    answer
}

fn goes_on(world: &mut World) {
    let received = |world: &World| {
        [&world.caller, &world.callee].map(|end| {
            let inbound = end.session.statistics(world.now).inbound;
            (inbound.packets_received, inbound.packets_lost)
        })
    };
    let before = received(world);
    world.run(LONG);
    let after = received(world);
    for (before, after) in before.iter().zip(after) {
        assert_eq!(after.1, 0, "none is lost");
        assert!(after.0 >= before.0 + 2900, "{before:?} {after:?}");
    }
    for side in [Side::Caller, Side::Callee] {
        let lost = |event: &MediaEvent| {
            matches!(event, MediaEvent::PathLost { .. } | MediaEvent::Failed(_))
        };
        assert_eq!(world.count(side, lost), 0);
        let secured = |event: &MediaEvent| matches!(event, MediaEvent::DtlsConnected { .. });
        assert_eq!(world.count(side, secured), 1);
    }
}

/// Their offer came first (491), or crossed ours.
#[test]
fn an_offer_without_a_restart_is_answered_by_the_credentials_agreed_on() {
    let (mut world, agreed) = talking();
    restart(&mut world, &agreed);
    // Another try changes nothing in that.
    restart(&mut world, &agreed);
    let theirs = world.callee.session.create_offer(world.now);
    let ours = answer(&mut world, &theirs);
    assert_eq!(ice(&ours), ice(&agreed));
    goes_on(&mut world);
    // The restart that is wanted still can be had.
    let renewed = restart(&mut world, &agreed);
    world.negotiate();
    goes_on(&mut world);
    let now = world.now;
    assert_eq!(ice(&world.caller.session.create_offer(now)), ice(&renewed));
}

#[test]
fn a_refused_restart_leaves_nothing_behind() {
    let (mut world, agreed) = talking();
    restart(&mut world, &agreed);
    let now = world.now;
    world.caller.session.withdraw_restart(now);
    world.settle();
    assert_eq!(ice(&world.caller.session.create_offer(now)), ice(&agreed));
    goes_on(&mut world);
    let theirs = world.callee.session.create_offer(world.now);
    let ours = answer(&mut world, &theirs);
    assert_eq!(ice(&ours), ice(&agreed));
    goes_on(&mut world);
    // Nothing is taken back that was agreed on.
    let renewed = restart(&mut world, &agreed);
    world.negotiate();
    let now = world.now;
    world.caller.session.withdraw_restart(now);
    assert_eq!(ice(&world.caller.session.create_offer(now)), ice(&renewed));
    goes_on(&mut world);
}

#[test]
fn two_restarts_at_once_are_one_of_both_sides() {
    let (mut world, agreed) = talking();
    let pending = restart(&mut world, &agreed);
    let now = world.now;
    world.callee.session.restart_ice(now);
    let theirs = world.callee.session.create_offer(now);
    let ours = answer(&mut world, &theirs);
    assert_ne!(ice(&ours), ice(&agreed));
    assert_ne!(ice(&ours), ice(&pending));
    goes_on(&mut world);
}

/// No path was there when the restart was tried: the checks of before go on once it is taken back.
#[test]
fn a_path_is_still_found_after_a_restart_that_came_to_nothing() {
    let mut world = World::new(Talker::new().0, Talker::new().0);
    world.callee.muzzled = true;
    world.caller.muzzled = true;
    world.negotiate();
    world.run(Duration::from_secs(1));
    let now = world.now;
    world.caller.session.restart_ice(now);
    world.caller.session.create_offer(now);
    world.settle();
    world.run(Duration::from_secs(1));
    world.callee.muzzled = false;
    world.caller.muzzled = false;
    let now = world.now;
    world.caller.session.withdraw_restart(now);
    world.settle();
    goes_on(&mut world);
}

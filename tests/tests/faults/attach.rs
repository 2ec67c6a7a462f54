//! Calls that the server offers again late, never, or has forgotten.

use std::sync::Mutex;
use std::time::Duration;

use offhook_control::notice::{EndedBy, Event};
use offhook_control::reply::CallState;
use offhook_tests::sandbox::Sandbox;

use crate::world::{PATIENCE, Scene, World, both};

#[test]
fn an_attach_that_comes_late_is_in_time() {
    both(|scene| {
        for faults in [
            &["attach-late=2500:1", "list-calls=none:1"][..],
            // One that the server lists may come much later.
            &["attach-late=9000:1"],
        ] {
            let mut world = scene.ready(faults);
            let call = world.talk();
            world.scene.fault("drop");
            world.comes_back(&call);
            world.check_told();
        }
    });
}

#[test]
fn an_unlisted_call_whose_attach_comes_too_late_or_never_ends_with_its_reason() {
    both(|scene| {
        for fault in ["attach-late=never:1", "attach-late=7000:1"] {
            let mut world = scene.ready(&[fault, "list-calls=none:1"]);
            let call = world.talk();
            world.scene.fault("drop");
            let ended = world.ended(&call);
            assert_eq!(ended.by, EndedBy::Network);
            assert_eq!(ended.cause, "RECOVERY_ON_TIMER_EXPIRE");
            assert!(
                ended.reason.contains("did not offer the call again"),
                "{ended:?}"
            );
            assert!(ended.answered && ended.quality.is_some());
            // The offer that comes behind the end is no new call.
            world.listen(Duration::from_secs(4));
            assert!(world.control.status().calls.is_empty());
            assert_eq!(
                world.count(|event| matches!(event, Event::Incoming { .. })),
                0
            );
            world.check_told();
            world.talk();
        }
    });
}

#[test]
fn a_call_that_the_server_forgot_ends_and_the_other_one_goes_on() {
    both(|scene| {
        let mut world = scene.ready(&["forget-calls=one"]);
        let calls = [world.talk(), world.talk()];
        world.scene.fault("drop");
        let (forgotten, ended) =
            world
                .control
                .wait("an end", PATIENCE, |notice| match &notice.event {
                    Event::Ended(ended) => notice.call.clone().zip(Some(ended.clone())),
                    _ => None,
                });
        assert!(
            ended.reason.contains("did not offer the call again"),
            "{ended:?}"
        );
        let kept = calls.iter().find(|call| **call != forgotten);
        let kept = kept.expect("the other call").clone();
        let before = world.call(&kept).expect("the other call").quality;
        world.hear_after(&kept, before.map_or(0, |figures| figures.packets_received));
        let live = world.control.status().calls;
        assert_eq!(live.len(), 1, "{live:?}");
        assert_eq!(live[0].state, CallState::Active);
        world.check_told();
        assert_eq!(world.count(|event| matches!(event, Event::Ended(_))), 1);
    });
}

#[test]
fn all_calls_that_the_server_forgot_end_once_with_a_reason() {
    both(|scene| {
        let mut world = scene.ready(&["forget-calls=all"]);
        let calls = [world.talk(), world.talk()];
        world.scene.fault("drop");
        for _ in &calls {
            let ended = world
                .control
                .wait("an end", PATIENCE, |notice| match &notice.event {
                    Event::Ended(ended) => Some(ended.clone()),
                    _ => None,
                });
            assert_eq!(ended.by, EndedBy::Network);
            assert!(
                ended.reason.contains("did not offer the call again"),
                "{ended:?}"
            );
        }
        world.listen(Duration::from_secs(2));
        world.check_told();
        assert!(world.control.status().calls.is_empty());
    });
}

#[test]
fn a_restarted_server_gets_its_clients_back_and_their_calls_end_with_a_reason() {
    let sandbox = Mutex::new(Sandbox::start(&[]));
    let scenes = [("telnyx", "demo-1"), ("freeswitch", "demo-2")];
    let mut worlds = scenes.map(|(dialect, user)| Scene::of(&sandbox, dialect, user).ready(&[]));
    let calls = worlds.each_mut().map(World::talk);
    sandbox.lock().expect("no panic").restart(&[]);
    for (world, call) in worlds.iter_mut().zip(&calls) {
        let ended = world.ended(call);
        assert_eq!((ended.by, ended.answered), (EndedBy::Network, true));
        assert!(!ended.reason.is_empty());
        world.talk();
        world.check_told();
    }
}

#[test]
fn a_call_that_comes_back_silent_is_healed_by_new_media_or_by_another_connection() {
    both(|scene| {
        let name = |event: &Event| matches!(event, Event::Recovering { on: true });
        for (faults, connections) in [
            // What a server does that lost the call's media when its socket was taken over.
            (&["attach-silent=update:1"][..], 1),
            // New media is refused, or answered without any: another connection is left.
            (&["attach-silent=update:1", "update-media=refuse:1"], 2),
            (&["attach-silent=update:1", "update-media=bare:1"], 2),
        ] {
            let mut world = scene.ready(faults);
            let call = world.talk();
            world.scene.fault("drop");
            let before = world.recovers(&call);
            world.hear_after(&call, before);
            assert_eq!(
                world.call(&call).expect("the call").state,
                CallState::Active
            );
            assert_eq!(world.count(name), connections, "{faults:?}");
            world.check_told();
        }
    });
}

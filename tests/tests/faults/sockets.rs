//! Sockets that break, whichever way: the calls live on, with what the user had set.

use std::sync::Mutex;
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::reply::{AccountState, CallState};
use offhook_control::request::{Mute, OfCall, Request};
use offhook_tests::sandbox::Sandbox;

use crate::world::{Scene, both};

#[test]
fn a_call_lives_on_when_its_socket_is_cut_in_any_way() {
    both(|scene| {
        let mut world = scene.ready(&[]);
        let call = world.talk();
        for fault in ["drop", "cut-frame"] {
            world.scene.fault(fault);
            world.comes_back(&call);
        }
        world.check_told();
        assert_eq!(world.scene.logins(), 3);
        world.control.hangup(&call);
        assert_eq!(world.ended(&call).cause, "NORMAL_CLEARING");
    });
}

#[test]
fn sockets_that_break_again_and_again_make_no_storm_and_lose_no_call() {
    both(|scene| {
        let mut world = scene.ready(&[]);
        let call = world.talk();
        for fault in ["drop-after=2:2", "cut-frame=3:1", "drop-after-messages=2:1"] {
            world.scene.fault(fault);
        }
        world.scene.fault("drop");
        // Both that end early come first, then twice two seconds.
        world.comes_back(&call);
        world.listen(Duration::from_secs(15));
        assert_eq!(world.account().state, AccountState::Ready);
        let before = world.call(&call).expect("the call").quality;
        let before = before.expect("figures").packets_received;
        world.hear_after(&call, before);
        world.check_told();
        assert!(world.scene.logins() <= 6, "{}", world.scene.logins());
    });
}

#[test]
fn mute_and_hold_are_carried_over() {
    both(|scene| {
        let mut world = scene.ready(&[]);
        let call = world.talk_to("9197");
        let mute = |on| {
            Request::Mute(Mute {
                call: call.clone(),
                on,
            })
        };
        world.control.ask::<serde_json::Value>(&mute(true));
        let hold = Request::Hold(OfCall::default());
        world.control.ask::<serde_json::Value>(&hold);
        world.expect("hold", |event| matches!(event, Event::Held { on: true }));
        world.scene.fault("drop");
        let before = world.recovers(&call);
        world.listen(Duration::from_secs(2));
        let status = world.call(&call).expect("the call");
        assert_eq!((status.state, status.muted), (CallState::Held, true));
        let heard = status.quality.expect("figures").packets_received;
        assert!(heard < before + 50, "{before} before, then {heard}");

        let resume = Request::Resume(OfCall::default());
        world.control.ask::<serde_json::Value>(&resume);
        world.expect("resume", |event| matches!(event, Event::Held { on: false }));
        world.listen_after(&call, heard);
        assert!(world.call(&call).expect("the call").muted);
        world.control.ask::<serde_json::Value>(&mute(false));
        world.expect("unmute", |event| {
            matches!(event, Event::Muted { on: false })
        });
    });
}

#[test]
fn a_slow_gateway_is_only_slow() {
    both(|scene| {
        let mut world = scene.ready(&["stall=400"]);
        let call = world.talk();
        world.scene.fault("drop");
        world.comes_back(&call);
        world.control.hangup(&call);
        assert_eq!(world.ended(&call).cause, "NORMAL_CLEARING");
        world.check_told();
    });
}

#[test]
fn a_crowded_server_is_named_and_tried_again() {
    let sandbox = Sandbox::start(&["--dialect", "telnyx", "--max-sessions", "1"]);
    let sandbox = Mutex::new(sandbox);
    let first = Scene::of(&sandbox, "telnyx", "demo-1").ready(&[]);
    let mut second = Scene::of(&sandbox, "telnyx", "demo-2").launch(&[]);
    let trouble = second.trouble();
    assert_eq!(trouble.state, AccountState::Waiting);
    assert!(trouble.reason.contains("503"), "{trouble:?}");
    drop(first);
    second.expect("ready", |event| matches!(event, Event::Ready));
}

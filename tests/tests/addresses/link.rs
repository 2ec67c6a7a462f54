//! The link fails; its address stays, so only silence tells.

use std::time::Duration;

use offhook_control::notice::{EndedBy, Event};
use offhook_control::reply::AccountState;

use crate::world::{PATIENCE, both, both_with, told_at};

#[test]
fn a_link_that_is_back_is_used_at_once() {
    let keys = "backoff_base = \"60s\"\nbackoff_max = \"60s\"\n";
    both_with(keys, &[], |mut world| {
        world.network.link("down");
        // The jitter may choose a short wait; then another one follows.
        let next = world
            .control
            .wait("a wait", PATIENCE, |notice| match &notice.event {
                Event::Account {
                    state: AccountState::Waiting,
                    retry_in_ms: Some(wait @ 5000..),
                    ..
                } => Some(told_at(notice) + Duration::from_millis(*wait)),
                _ => None,
            });
        world.network.link("up");
        let connected = world.expect("a socket", |event| matches!(event, Event::Socket { .. }));
        assert!(connected < next, "{}", world.dialect);
        world.expect("ready", |event| matches!(event, Event::Ready));
        let call = world.talk();
        world.hang_up(&call);
    });
}

#[test]
fn a_call_outlives_a_link_that_is_down_for_a_moment() {
    both(&[], |mut world| {
        let call = world.talk();
        world.network.link("down");
        world.expect("silence", |event| matches!(event, Event::NoMedia { .. }));
        world.network.link("up");
        world.expect("sound", |event| matches!(event, Event::MediaResumed));
        world.hear_more(&call);
        world.only_call(&call);
        world.hang_up(&call);
    });
}

#[test]
fn a_call_outlives_a_link_that_is_down_until_the_server_counts_as_gone() {
    both(&[], |mut world| {
        let call = world.talk();
        world.network.link("down");
        world.recovering(&call, true);
        world.network.link("up");
        world.recovering(&call, false);
        world.hear_more(&call);
        world.only_call(&call);
        world.hang_up(&call);
    });
}

#[test]
fn a_call_that_the_server_gave_up_meanwhile_ends_with_its_reason() {
    both(&["--detach-timeout", "3"], |mut world| {
        let call = world.talk();
        world.network.link("down");
        // The server loses the socket too, and its patience before the client is back.
        world.sandbox.fault_for("demo-1", "drop");
        world
            .sandbox
            .program
            .wait_for_stderr("call ended", PATIENCE);
        world.recovering(&call, true);
        world.network.link("up");
        let ended = world.control.wait_ended(&call, PATIENCE);
        assert_eq!(ended.by, EndedBy::Network, "{ended:?}");
        assert_eq!(ended.cause, "RECOVERY_ON_TIMER_EXPIRE", "{ended:?}");
        assert!(
            ended.reason.contains("did not offer the call again"),
            "{ended:?}"
        );
        assert!(ended.answered && ended.quality.is_some());
        world.check_told();
        assert!(world.control.status().calls.is_empty());
    });
}

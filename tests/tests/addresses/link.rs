//! The link fails, or a route goes; the address stays, so only silence tells.

use offhook_control::notice::{EndedBy, Event};
use offhook_control::reply::{AccountState, Done};
use offhook_control::request::{OfAccount, Request};

use crate::network::BEYOND;
use crate::world::{PATIENCE, both, both_at, both_with};

/// So that no attempt is made by chance while something is looked for.
const LONG_WAITS: &str = "backoff_base = \"60s\"\nbackoff_max = \"60s\"\n";

#[test]
fn a_link_that_is_back_is_used_at_once() {
    both_with(LONG_WAITS, &[], |mut world| {
        world.network.link("down");
        let next = world.long_wait();
        world.network.link("up");
        let connected = world.expect("a socket", |event| matches!(event, Event::Socket { .. }));
        assert!(connected < next, "{}", world.dialect);
        world.expect("ready", |event| matches!(event, Event::Ready));
        let call = world.talk();
        world.hang_up(&call);
    });
}

#[test]
fn a_route_that_is_back_is_used_at_once() {
    both_at(BEYOND, LONG_WAITS, &[], |mut world| {
        world.network.route("delete");
        world.sandbox.fault_for("demo-1", "drop");
        world.expect("a wait", |event| {
            let waiting = AccountState::Waiting;
            matches!(event, Event::Account { state, .. } if *state == waiting)
        });
        // Only an attempt finds out that there is no route.
        let account = Some("kiosk".to_owned());
        let _: Done = world.control.ask(&Request::Retry(OfAccount { account }));
        let next = world.long_wait();
        world.network.route("add");
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

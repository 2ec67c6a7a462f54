//! The machine's address is replaced by another one, as when it changes its network.

use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::reply::AccountState;

use crate::world::{both, now};

/// No probe of either dialect finds a dead socket so early: they begin after 20 s of silence.
const BEFORE_ANY_PROBE: Duration = Duration::from_secs(15);

#[test]
fn an_idle_client_is_back_at_once() {
    both(&[], |mut world| {
        for _ in 0..2 {
            let moved = now();
            world.network.move_client();
            world.expect("the loss of the connection", |event| {
                matches!(event, Event::Account { state, .. } if *state != AccountState::Ready)
            });
            let ready = world.expect("ready", |event| matches!(event, Event::Ready));
            let took = ready.saturating_sub(moved);
            assert!(took < BEFORE_ANY_PROBE, "{}: {took:?}", world.dialect);
        }
        assert_eq!(world.sandbox.logins("demo-1"), 3);
        let call = world.talk();
        world.hang_up(&call);
    });
}

#[test]
fn a_call_goes_on_from_the_new_address() {
    both(&[], |mut world| {
        let call = world.talk();
        for _ in 0..2 {
            world.network.move_client();
            world.recovering(&call, true);
            world.recovering(&call, false);
            world.hear_more(&call);
            world.only_call(&call);
            let here = format!("host {}:", world.network.here());
            let paths = world.control.notices.iter();
            let mut paths = paths.filter_map(|notice| match &notice.event {
                Event::Ice { local, .. } => Some(local),
                _ => None,
            });
            let path = paths.next_back().expect("a path");
            assert!(path.starts_with(&here), "{}: {path}", world.dialect);
        }
        world.hang_up(&call);
    });
}

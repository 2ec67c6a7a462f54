//! Logins that are refused: said at once, and never a storm.

use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::reply::AccountState;
use offhook_control::request::{OfAccount, Request};

use crate::world::both;

#[test]
fn a_refused_login_is_said_at_once_and_rests() {
    both(|scene| {
        for (logins, code) in (1..).zip([-32000, -32001, -32002]) {
            let mut world = scene.launch(&[&format!("refuse-login={code}:1")]);
            let trouble = world.trouble();
            assert_eq!(trouble.state, AccountState::Refused, "{trouble:?}");
            assert!(trouble.reason.contains(&code.to_string()), "{trouble:?}");
            assert!(trouble.remedy.is_some());
            world.listen(Duration::from_secs(4));
            let account = world.account();
            assert_eq!(account.state, AccountState::Refused);
            assert!(
                account.retry_in_ms.is_some_and(|ms| ms > 4_000),
                "{account:?}"
            );
            assert_eq!(world.scene.logins(), logins, "{code}");
        }
    });
}

#[test]
fn a_server_that_is_unwell_itself_is_asked_again_soon() {
    both(|scene| {
        let mut world = scene.launch(&["refuse-login=-32603:1"]);
        let trouble = world.trouble();
        assert!(trouble.reason.contains("-32603"), "{trouble:?}");
        world.expect("ready", |event| matches!(event, Event::Ready));
        assert_eq!(world.scene.logins(), 2);
        world.check_told();
    });
}

#[test]
fn a_login_that_is_refused_so_often_heals_when_somebody_asks_for_it() {
    both(|scene| {
        let mut world = scene.launch(&["refuse-login=-32001:1"]);
        world.trouble();
        let retry = Request::Retry(OfAccount::default());
        world.control.ask::<serde_json::Value>(&retry);
        world.expect("ready", |event| matches!(event, Event::Ready));
        assert_eq!(world.scene.logins(), 2);
        world.check_told();
    });
}

#[test]
fn who_is_punted_stays_away_until_somebody_asks_and_the_call_is_over_here() {
    both(|scene| {
        let mut world = scene.ready(&[]);
        let call = world.talk();
        scene.fault("punt-after=1:1");
        scene.fault("drop");
        let ended = world.ended(&call);
        assert_eq!(ended.cause, "PICKED_OFF", "{ended:?}");
        let trouble = world.trouble();
        assert_eq!(trouble.state, AccountState::Refused, "{trouble:?}");
        assert!(trouble.reason.contains("another client"), "{trouble:?}");
        world.listen(Duration::from_secs(3));
        assert_eq!(world.scene.logins(), 2);
        let retry = Request::Retry(OfAccount::default());
        world.control.ask::<serde_json::Value>(&retry);
        world.expect("ready", |event| matches!(event, Event::Ready));
        world.talk();
        world.check_told();
    });
}

#[test]
fn a_login_refused_after_a_lost_socket_keeps_the_call_for_its_time() {
    both(|scene| {
        let mut world = scene.ready(&[]);
        let call = world.talk();
        world.scene.fault("refuse-login=-32001:1");
        world.scene.fault("drop");
        world.expect("refusal", |event| {
            matches!(
                event,
                Event::Account {
                    state: AccountState::Refused,
                    ..
                }
            )
        });
        assert!(
            world.call(&call).is_some(),
            "the call waits for a better login"
        );
        let retry = Request::Retry(OfAccount::default());
        world.control.ask::<serde_json::Value>(&retry);
        world.comes_back(&call);
    });
}

#[test]
fn whatever_breaks_there_are_at_most_six_logins_a_minute() {
    both(|scene| {
        // Each socket lives until its login was answered.
        let mut world = scene.launch(&["drop-after-messages=1"]);
        world.listen(Duration::from_secs(20));
        let logins = world.scene.logins();
        assert!(
            (3..=6).contains(&logins),
            "{}: {logins} logins in 20 s",
            scene.dialect
        );
    });
}

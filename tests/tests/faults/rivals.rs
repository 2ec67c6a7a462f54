//! Two daemons with one credential: told where the server shows it, and no duel.

use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::reply::{AccountState, CallState};
use offhook_control::request::{OfAccount, Request};
use offhook_control::rpc::FromServer;
use offhook_tests::control::Control;
use offhook_tests::daemon::Config;
use offhook_tests::rivals::{Rivals, USER, conflict};
use offhook_tests::sandbox::Sandbox;

const SOON: Duration = Duration::from_secs(20);

fn listen(control: &mut Control, span: Duration) {
    let end = std::time::Instant::now() + span;
    while let Some(message) = control.receive(end) {
        if let FromServer::Notice(notice) = message {
            control.notices.push(*notice);
        }
    }
}

fn conflicts(control: &Control) -> usize {
    let events = control.events();
    let told = events
        .iter()
        .filter(|event| matches!(event, Event::RegistrationConflict { .. }));
    told.count()
}

fn state(control: &mut Control) -> AccountState {
    control.status().accounts[0].state
}

#[test]
fn who_is_punted_is_told_and_stays_away_until_somebody_asks() {
    for dialect in ["telnyx", "freeswitch"] {
        let mut rivals = Rivals::start(dialect, "punt");
        let told = conflict(&mut rivals.control, SOON);
        assert!(
            told.contains("took the session over") && told.contains("its own credential"),
            "{told}"
        );
        listen(&mut rivals.control, Duration::from_secs(5));
        assert_eq!(state(&mut rivals.control), AccountState::Refused);
        assert_eq!(state(&mut rivals.second_control), AccountState::Ready);
        assert_eq!(rivals.sandbox.logins(USER), 2);
        // Once its user insists, the other user is told in turn.
        let retry = Request::Retry(OfAccount::default());
        rivals.control.ask::<serde_json::Value>(&retry);
        conflict(&mut rivals.second_control, SOON);
        listen(&mut rivals.second_control, Duration::from_secs(5));
        assert_eq!(state(&mut rivals.control), AccountState::Ready);
        assert_eq!(state(&mut rivals.second_control), AccountState::Refused);
        assert_eq!(rivals.sandbox.logins(USER), 3);
    }
}

#[test]
fn who_is_no_longer_registered_is_told_and_the_two_give_way_to_each_other() {
    let mut rivals = Rivals::start("telnyx", "unreged");
    let told = conflict(&mut rivals.control, SOON);
    assert!(told.contains("UNREGED"), "{told}");
    // Five questions later the first comes back, which the second is told in turn.
    conflict(&mut rivals.second_control, Duration::from_secs(50));
    listen(&mut rivals.control, Duration::from_secs(45));
    let (first, second) = (
        conflicts(&rivals.control),
        conflicts(&rivals.second_control),
    );
    let logins = rivals.sandbox.logins(USER);
    assert!((3..=6).contains(&logins), "{logins} logins of two daemons");
    assert!(
        first >= 1 && second >= 1 && first + second <= 4,
        "{first} and {second}"
    );
    // Whoever rests says so.
    let states = [
        state(&mut rivals.control),
        state(&mut rivals.second_control),
    ];
    assert!(states.contains(&AccountState::Ready), "{states:?}");
}

#[test]
fn who_is_no_longer_registered_goes_on_talking() {
    let mut sandbox = Sandbox::start(&["--dialect", "telnyx", "--second-login", "unreged"]);
    let server = sandbox.ready.verto.clone();
    let start = || {
        Config::new()
            .account("kiosk", "telnyx", &server, USER, "sandbox")
            .launch()
    };
    let first = start();
    let mut first_control = first.ready();
    let call = first_control.call("9196");
    hear(&mut first_control, &call);
    let second = start();
    let mut second_control = second.ready();
    let told = conflict(&mut first_control, SOON);
    assert!(told.contains("UNREGED"), "{told}");
    hear(&mut first_control, &call);
    // Five questions later it is told that no other call can be made. The socket is left to the call.
    first_control.wait(
        "the word",
        Duration::from_secs(50),
        |notice| match &notice.event {
            Event::Account {
                state: AccountState::LoggingIn,
                reason: Some(reason),
                ..
            } => reason.contains("UNREGED").then_some(()),
            _ => None,
        },
    );
    hear(&mut first_control, &call);
    let calls = first_control.status().calls;
    assert_eq!(
        (calls.len(), calls[0].state),
        (1, CallState::Active),
        "{calls:?}"
    );
    assert_eq!(sandbox.logins(USER), 2);
    first_control.hangup(&call);
    let ended = first_control.wait_ended(&call, SOON);
    assert_eq!(
        (ended.cause.as_str(), ended.answered),
        ("NORMAL_CLEARING", true)
    );
    let recovering = |event: &&&Event| matches!(event, Event::Recovering { .. });
    assert_eq!(first_control.events().iter().filter(recovering).count(), 0);
    // Now the first registers anew, which the second is told in turn.
    conflict(&mut second_control, Duration::from_secs(60));
    let logins = sandbox.logins(USER);
    assert!((3..=4).contains(&logins), "{logins} logins of two daemons");
}

/// Waits for a second of sound in both directions, from now on.
fn hear(control: &mut Control, call: &str) {
    let figures = |control: &mut Control| {
        let calls = control.status().calls;
        let own = calls.into_iter().find(|status| status.call == call);
        own.and_then(|status| status.quality)
            .map_or((0, 0), |now| (now.packets_sent, now.packets_received))
    };
    let (sent, heard) = figures(control);
    control.wait("sound", SOON, |notice| match &notice.event {
        Event::Quality(now) => {
            (now.packets_sent > sent + 50 && now.packets_received > heard + 50).then_some(())
        }
        _ => None,
    });
}

#[test]
fn where_the_server_shows_nothing_nobody_is_told() {
    for dialect in ["telnyx", "freeswitch"] {
        let mut rivals = Rivals::start(dialect, "silent");
        rivals.sandbox.call(USER);
        rivals.second_control.wait("the call", SOON, |notice| {
            matches!(notice.event, Event::Incoming { .. }).then_some(())
        });
        listen(&mut rivals.control, Duration::from_secs(3));
        for control in [&mut rivals.control, &mut rivals.second_control] {
            assert_eq!(state(control), AccountState::Ready);
            assert_eq!(conflicts(control), 0);
        }
        let told = rivals.control.events();
        assert!(
            !told
                .iter()
                .any(|event| matches!(event, Event::Incoming { .. }))
        );
        assert_eq!(rivals.sandbox.logins(USER), 2);
    }
}

//! Calls that cannot come about end with a cause, a sentence and a remedy; other calls go on.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

use std::time::Duration;

use offhook_control::notice::{EndedBy, Event};
use offhook_control::reply::CallState;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn an_unknown_number_ends_with_its_cause_and_other_calls_go_on() {
    for dialect in ["telnyx", "freeswitch"] {
        let sandbox = Sandbox::start(&[]);
        let daemon = Config::new()
            .account("desk", dialect, &sandbox.ready.verto, "demo-1", "sandbox")
            .launch();
        let mut control = daemon.ready();
        let good = control.call("9196");
        control.wait("media", PATIENCE, |notice| {
            matches!(notice.event, Event::FirstRtpReceived).then_some(())
        });
        let bad = control.call("no-such-number");
        let ended = control.wait_ended(&bad, PATIENCE);
        assert_eq!((ended.by, ended.answered), (EndedBy::Remote, false));
        assert!(!ended.reason.is_empty(), "{ended:?}");
        let calls = control.status().calls;
        assert_eq!(calls.len(), 1);
        assert_eq!(
            (calls[0].call.as_str(), calls[0].state),
            (good.as_str(), CallState::Active)
        );
    }
}

#[test]
fn a_busy_far_end_is_told_in_words_and_with_its_cause() {
    for dialect in ["telnyx", "freeswitch"] {
        let sandbox = Sandbox::start(&[]);
        let daemon = Config::new()
            .account("desk", dialect, &sandbox.ready.verto, "demo-1", "sandbox")
            .launch();
        let mut control = daemon.ready();
        let call = control.call("99017");
        let ended = control.wait_ended(&call, PATIENCE);
        assert_eq!((ended.by, ended.answered), (EndedBy::Remote, false));
        assert_eq!((ended.cause.as_str(), ended.code), ("USER_BUSY", 17));
        assert!(ended.reason.contains("busy"), "{ended:?}");
        assert_eq!(ended.remedy.as_deref(), Some("try again later"));
        let (code, _, complained) = daemon.cli(&["call", "99017", "--wait"]);
        assert_eq!(code, Some(1));
        for word in ["USER_BUSY (17)", "busy", "what to do: try again later"] {
            assert!(complained.contains(word), "no {word:?} in: {complained}");
        }
    }
}

#[test]
fn a_far_end_that_hangs_up_before_the_answer_is_told_on_either_side() {
    let sandbox = Sandbox::start(&[]);
    let daemon = Config::new()
        .account("desk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox")
        .account("door", "telnyx", &sandbox.ready.verto, "demo-2", "sandbox")
        .launch();
    let mut control = daemon.ready();
    // 9179 rings, hangs up, and would call back after 9 s.
    let out = control.call_with("desk", "9179");
    let ended = control.wait_ended(&out, PATIENCE);
    assert_eq!((ended.by, ended.answered), (EndedBy::Remote, false));
    assert!(ended.reason.contains("hung up"), "{ended:?}");

    let (code, _, complained) = daemon.cli(&["call", "9189", "--account", "desk", "--wait"]);
    assert_eq!(code, Some(1), "early media is no answer");
    assert!(complained.contains("busy"), "{complained}");

    // The other way round: the caller gives up while it rings here.
    let placed = control.call_with("door", "demo-1");
    let rings = control.wait("the call", PATIENCE, |notice| {
        matches!(notice.event, Event::Incoming { .. }).then(|| notice.call.clone())
    });
    let rings = rings.expect("a call has a name");
    control.hangup(&placed);
    let ended = control.wait_ended(&rings, PATIENCE);
    assert_eq!((ended.by, ended.answered), (EndedBy::Remote, false));
    assert!(!ended.reason.is_empty());
    let (code, _, complained) = daemon.cli(&["answer"]);
    assert_eq!(code, Some(1));
    assert!(complained.contains("no call rings"), "{complained}");
}

#[test]
fn a_far_end_that_sends_silence_is_not_missed() {
    let sandbox = Sandbox::start(&["--mute-return"]);
    let config = Config::new().account("desk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox");
    let daemon = config.with("[media]\nno_media = \"1s\"").launch();
    let mut control = daemon.ready();
    let call = control.call("9196");
    for _ in 0..3 {
        control.wait("figures", PATIENCE, |notice| {
            matches!(notice.event, Event::Quality(_)).then_some(())
        });
    }
    let missed = |event: &&Event| matches!(event, Event::NoMedia { .. });
    assert!(!control.events().iter().any(missed));
    control.hangup(&call);
    assert_eq!(control.wait_ended(&call, PATIENCE).by, EndedBy::Local);
}

#[test]
fn a_sandbox_that_vanishes_does_not_take_the_daemon_with_it() {
    let sandbox = Sandbox::start(&[]);
    let daemon = Config::new()
        .account("desk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox")
        .launch();
    let mut control = daemon.ready();
    control.call("9196");
    control.wait("media", PATIENCE, |notice| {
        matches!(notice.event, Event::FirstRtpReceived).then_some(())
    });
    drop(sandbox);
    control.wait("the loss of the server", PATIENCE, |notice| {
        match &notice.event {
            Event::Account {
                reason: Some(_), ..
            } => Some(()),
            _ => None,
        }
    });
    assert_eq!(control.status().accounts.len(), 1);
}

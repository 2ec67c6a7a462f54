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
fn a_far_end_that_sends_nothing_is_told_and_the_call_ends_by_its_time_limit() {
    let sandbox = Sandbox::start(&["--mute-return"]);
    let config = Config::new().account("desk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox");
    let daemon = config.launch();
    let mut control = daemon.ready();
    // A muted return path still carries packets of silence: the call lives, and nothing is reported as missing.
    let call = control.call("9196");
    control.wait("media", PATIENCE, |notice| {
        matches!(notice.event, Event::FirstRtpReceived).then_some(())
    });
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

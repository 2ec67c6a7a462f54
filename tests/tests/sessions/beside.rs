//! Several calls of one account: hold, switch, refuse.

use std::time::Duration;

use offhook_control::notice::{EndedBy, Event};
use offhook_control::reply::CallState;
use offhook_control::request::{Answer, OfCall, Reject, Request};
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;

const PATIENCE: Duration = Duration::from_secs(20);

fn each_dialect(story: impl Fn(&mut Sandbox, &Daemon, &mut Control)) {
    for dialect in ["telnyx", "freeswitch"] {
        let mut sandbox = Sandbox::start(&[]);
        let daemon = Config::new()
            .account("kiosk", dialect, &sandbox.ready.verto, "demo-1", "sandbox")
            .launch();
        let mut control = daemon.ready();
        story(&mut sandbox, &daemon, &mut control);
    }
}

fn wait_for(control: &mut Control, call: &str, what: &str, wanted: impl Fn(&Event) -> bool) {
    control.wait(what, PATIENCE, |notice| {
        (notice.call.as_deref() == Some(call) && wanted(&notice.event)).then_some(())
    });
}

fn state(control: &mut Control, call: &str) -> CallState {
    let calls = control.status().calls;
    calls
        .iter()
        .find(|status| status.call == call)
        .unwrap_or_else(|| panic!("no {call} in {calls:?}"))
        .state
}

#[test]
fn a_held_call_is_silent_and_comes_back() {
    each_dialect(|_, daemon, control| {
        let call = control.call("9197");
        wait_for(control, &call, "sound", |event| {
            matches!(event, Event::FirstRtpReceived)
        });
        let (code, said, _) = daemon.cli(&["hold"]);
        assert_eq!(
            (code, said),
            (Some(0), format!("putting call {call} on hold\n"))
        );
        wait_for(control, &call, "hold", |event| {
            matches!(event, Event::Held { on: true })
        });
        assert_eq!(state(control, &call), CallState::Held);
        assert_eq!(daemon.cli(&["resume"]).0, Some(0));
        wait_for(control, &call, "its end", |event| {
            matches!(event, Event::Held { on: false })
        });
        assert_eq!(state(control, &call), CallState::Active);
        control.hangup(&call);
        control.wait_ended(&call, PATIENCE);
    });
}

#[test]
fn typed_text_goes_both_ways_with_freeswitch_and_is_refused_by_name_with_telnyx() {
    each_dialect(|_, daemon, control| {
        let call = control.call("9196");
        wait_for(control, &call, "sound", |event| {
            matches!(event, Event::FirstRtpReceived)
        });
        let (code, said, _) = daemon.cli(&["info", "--text", "h"]);
        assert_eq!((code, said.as_str()), (Some(0), "telling the server\n"));
        let back = control.wait("an answer", PATIENCE, |notice| match &notice.event {
            Event::Info { data } => {
                assert_eq!(notice.call.as_deref(), Some(call.as_str()));
                Some(Ok(data["txt"]["chars"].clone()))
            }
            Event::RequestFailed { reason, .. } => Some(Err(reason.clone())),
            _ => None,
        });
        match back {
            Ok(text) => assert_eq!(text, "h"),
            Err(reason) => assert!(reason.contains("telnyx"), "{reason}"),
        }
        // One of the two, and JSON.
        assert_ne!(daemon.cli(&["info"]).0, Some(0));
        assert_ne!(daemon.cli(&["info", "--data", "no json"]).0, Some(0));
    });
}

#[test]
fn a_second_caller_is_taken_while_the_first_waits() {
    each_dialect(|sandbox, _, control| {
        let first = control.call("9197");
        wait_for(control, &first, "sound", |event| {
            matches!(event, Event::FirstRtpReceived)
        });
        sandbox.call("demo-1");
        let second = control.wait("the second call", PATIENCE, |notice| {
            matches!(notice.event, Event::Incoming { .. }).then(|| notice.call.clone())?
        });
        control.ask::<serde_json::Value>(&Request::Switch(Answer::default()));
        wait_for(control, &first, "hold", |event| {
            matches!(event, Event::Held { on: true })
        });
        wait_for(control, &second, "sound of the second", |event| {
            matches!(event, Event::FirstRtpReceived)
        });
        control.ask::<serde_json::Value>(&Request::Switch(Answer {
            call: Some(first.clone()),
            ..Answer::default()
        }));
        // The order in which the server says so is its own.
        let mut left = 2;
        control.wait("the first call instead of the second", PATIENCE, |notice| {
            let call = notice.call.as_deref();
            let done = match notice.event {
                Event::Held { on: true } => call == Some(&second),
                Event::Held { on: false } => call == Some(&first),
                _ => false,
            };
            left -= i32::from(done);
            (left == 0).then_some(())
        });
    });
}

#[test]
fn a_ringing_call_is_refused_with_its_cause() {
    each_dialect(|sandbox, _, control| {
        sandbox.call("demo-1");
        let call = control.wait("a call", PATIENCE, |notice| {
            matches!(notice.event, Event::Incoming { .. }).then(|| notice.call.clone())?
        });
        control.ask::<serde_json::Value>(&Request::Reject(Reject::default()));
        let ended = control.wait_ended(&call, PATIENCE);
        assert_eq!(
            (ended.by, ended.cause.as_str(), ended.answered),
            (EndedBy::Local, "CALL_REJECTED", false)
        );
        let refused = control
            .try_ask::<serde_json::Value>(&Request::Hold(OfCall::default()))
            .unwrap_err();
        assert!(refused.message.contains("no call is answered"), "{refused}");
    });
}

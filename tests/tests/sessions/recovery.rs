//! Calls that outlive their daemon.

use std::time::Duration;

use nix::sys::signal::Signal;
use offhook_control::notice::Event;
use offhook_control::reply::{CallState, CallStatus};
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;

const PATIENCE: Duration = Duration::from_secs(30);

fn only_call(daemon: &Daemon) -> CallStatus {
    let mut calls = daemon.control().status().calls;
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls.remove(0)
}

#[test]
fn a_daemon_that_was_killed_in_a_call_takes_it_up_again() {
    for dialect in ["telnyx", "freeswitch"] {
        let sandbox = Sandbox::start(&[]);
        let config = Config::new();
        let state = config.folder().join("state.json");
        let daemon = config
            .account("kiosk", dialect, &sandbox.ready.verto, "demo-1", "sandbox")
            .with(&format!("[state]\nfile = {state:?}"))
            .launch();
        let mut control = daemon.ready();
        let call = control.call("9196");
        control.wait("sound of the far end", PATIENCE, |notice| {
            matches!(notice.event, Event::FirstRtpReceived).then_some(())
        });

        let daemon = daemon.restart_after(Signal::SIGKILL);
        let mut control = daemon.control();
        let snapshot = control.subscribe();
        if snapshot.calls.is_empty() {
            control.wait("the call of before", PATIENCE, |notice| {
                (notice.call.as_deref() == Some(&call)).then_some(())
            });
        }
        let heard = |figures: &CallStatus| {
            figures
                .quality
                .as_ref()
                .map_or(0, |quality| quality.packets_received)
        };
        // Audible both ways: it comes back from the echo, as much as a second of it.
        control.wait("a second of sound", PATIENCE, |notice| {
            match &notice.event {
                Event::Quality(quality) if notice.call.as_deref() == Some(&call) => {
                    (quality.packets_received > 50 && quality.packets_sent > 50).then_some(())
                }
                _ => None,
            }
        });
        let again = only_call(&daemon);
        assert_eq!(
            (&again.call, again.state),
            (&call, CallState::Active),
            "{dialect}"
        );
        assert!(heard(&again) > 50);
        control.hangup(&call);
        assert_eq!(control.wait_ended(&call, PATIENCE).cause, "NORMAL_CLEARING");
    }
}

#[test]
fn an_orderly_end_leaves_nothing_to_take_up() {
    let sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let state = config.folder().join("state.json");
    let daemon = config
        .account("kiosk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox")
        .with(&format!("[state]\nfile = {state:?}"))
        .launch();
    let mut control = daemon.ready();
    control.call("9196");
    control.wait("the answer", PATIENCE, |notice| {
        matches!(notice.event, Event::Answered(_)).then_some(())
    });
    let daemon = daemon.restart_after(Signal::SIGTERM);
    let mut control = daemon.ready();
    assert!(control.status().calls.is_empty());
}

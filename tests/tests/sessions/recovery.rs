//! Calls that outlive their daemon.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use offhook_control::notice::Event;
use offhook_control::reply::{CallState, CallStatus};
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sound;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

fn only_call(daemon: &Daemon) -> CallStatus {
    let mut calls = daemon.control().status().calls;
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls.remove(0)
}

/// A daemon is killed in a call; what is to happen meanwhile does, and the next one takes the call up, audible both ways.
fn killed_in_a_call(dialect: &str, meanwhile: impl FnOnce(&Config)) {
    let mut sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let recordings = format!("file:{}/{{call}}.wav", config.folder().display());
    let daemon = config
        .account("kiosk", dialect, &sandbox.ready.verto, "demo-1", "sandbox")
        .audio("tone:1004", &recordings)
        .remembering()
        .launch();
    let mut control = daemon.ready();
    let call = control.call("9196");
    control.wait("sound of the far end", PATIENCE, |notice| {
        matches!(notice.event, Event::FirstRtpReceived).then_some(())
    });

    daemon.wait_until_remembered();
    let mut daemon = daemon.restart_later(Signal::SIGKILL, |config| {
        for old in sound::recordings(config.folder()) {
            std::fs::remove_file(old).expect("a recording of before");
        }
        sandbox.program.wait_for_stderr("socket lost", PATIENCE);
        meanwhile(config);
    });
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
    control.wait("three seconds of sound", PATIENCE, |notice| {
        match &notice.event {
            Event::Quality(quality) if notice.call.as_deref() == Some(&call) => {
                (quality.packets_received > 150 && quality.packets_sent > 150).then_some(())
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
    assert!(heard(&again) > 150);
    control.hangup(&call);
    assert_eq!(control.wait_ended(&call, PATIENCE).cause, "NORMAL_CLEARING");
    // Audible both ways: our own tone comes back from the echo. The recording is whole when the daemon has ended.
    daemon.program.signal(Signal::SIGTERM);
    daemon.program.wait(PATIENCE);
    let recordings = sound::recordings(daemon.config.folder());
    assert_eq!(recordings.len(), 1, "{recordings:?}");
    let heard = sound::read(&recordings[0]);
    assert!(sound::has_tone(&heard, 1004.0), "{dialect}: no tone");
}

#[test]
fn a_daemon_that_was_killed_in_a_call_takes_it_up_again() {
    for dialect in ["telnyx", "freeswitch"] {
        killed_in_a_call(dialect, |_| {});
    }
}

/// The file says that its session was last seen so long ago.
fn age(config: &Config, seconds: u64) {
    let file = config.folder().join("state.json");
    let text = std::fs::read_to_string(&file).expect("a state file");
    let mut state: Value = serde_json::from_str(&text).expect("JSON");
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let at = now.expect("a clock").as_secs() - seconds;
    let kept = &mut state["accounts"]["kiosk"]["at"];
    assert!(kept.as_u64().is_some_and(|kept| kept > at), "{kept}");
    *kept = at.into();
    std::fs::write(&file, state.to_string()).expect("it is written");
}

#[test]
fn a_server_gives_the_call_back_also_to_a_daemon_that_comes_late() {
    // As after a minute, and the last sign of life was older yet by the time between two of them. FreeSWITCH waits longer.
    for (dialect, seconds) in [("telnyx", 75), ("freeswitch", 105)] {
        killed_in_a_call(dialect, |config| age(config, seconds));
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

fn session_name(config: &Config) -> String {
    let text = std::fs::read_to_string(config.folder().join("state.json")).expect("a state file");
    let state: Value = serde_json::from_str(&text).expect("JSON");
    let name = state["accounts"]["kiosk"]["sessid"].as_str();
    name.expect("a session name").to_owned()
}

#[test]
fn a_device_that_takes_up_no_calls_is_the_same_device_still() {
    for (dialect, same) in [("freeswitch", true), ("telnyx", false)] {
        // Late enough that somebody listens by then.
        let mut sandbox = Sandbox::start(&["--fault", "attach-late=3000"]);
        let config = Config::new();
        let password = config.secret("kiosk.password", "sandbox");
        let keys =
            format!("login = \"demo-1\"\npassword_file = {password:?}\nrecover_calls = false\n");
        let daemon = config
            .account_with("kiosk", dialect, &sandbox.ready.verto, &keys)
            .remembering()
            .launch();
        let mut control = daemon.ready();
        let old = control.call("9196");
        // What is not connected does not outlive its socket.
        control.wait("sound of the far end", PATIENCE, |notice| {
            matches!(notice.event, Event::FirstRtpReceived).then_some(())
        });
        let before = session_name(&daemon.config);
        let daemon = daemon.restart_later(Signal::SIGKILL, |_| {
            sandbox.program.wait_for_stderr("socket lost", PATIENCE);
        });
        let mut control = daemon.ready();
        if same {
            let unknown = control.wait("the old call", PATIENCE, |notice| match &notice.event {
                Event::UnknownCall { unknown, .. } => Some(unknown.clone()),
                _ => None,
            });
            assert_eq!(unknown, old);
        }
        assert_eq!(control.status().calls, [], "{dialect}");
        // The first call of this run: by now its session is remembered, or about to be.
        control.call("9196");
        control.wait("the answer", PATIENCE, |notice| {
            matches!(notice.event, Event::Answered(_)).then_some(())
        });
        let since = Instant::now();
        while !same && session_name(&daemon.config) == before && since.elapsed() < PATIENCE {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let after = session_name(&daemon.config);
        assert_eq!(before == after, same, "{dialect}: {before}, {after}");
    }
}

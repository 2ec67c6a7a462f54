//! Real browser clients in Chromium: they call the sandbox, and they and the daemon call each other through it.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

use std::time::Duration;

use offhook_control::notice::Event;
use offhook_tests::browser::{Browser, Client};
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;
use offhook_tests::skip;

/// A browser client and the dialect that it speaks.
const CLIENTS: [(Client, &str); 2] = [(Client::Telnyx, "telnyx"), (Client::Vertojs, "freeswitch")];

fn have_browser() -> bool {
    skip::have(&["node", "chromium"])
}

fn each_client(story: impl Fn(Client, &str)) {
    for (client, dialect) in CLIENTS {
        story(client, dialect);
    }
}

/// A daemon that is logged in as `demo-1` and speaks a tone.
fn daemon(sandbox: &Sandbox, dialect: &str) -> (Daemon, Control) {
    let config = Config::new().account("kiosk", dialect, &sandbox.ready.verto, "demo-1", "sandbox");
    let daemon = config.audio("tone:440", "discard").launch();
    let control = daemon.ready();
    (daemon, control)
}

/// Waits until sound that the browser made has come in and was played: its fake microphone beeps once a second.
fn daemon_hears(control: &mut Control) {
    control.wait(
        "audio from the browser",
        Duration::from_secs(15),
        |notice| match &notice.event {
            Event::Quality(quality) if quality.packets_received > 50 => Some(()),
            _ => None,
        },
    );
}

#[test]
fn a_browser_hears_its_own_voice_from_the_echo() {
    if !have_browser() {
        return;
    }
    each_client(|client, _| {
        let sandbox = Sandbox::start(&[]);
        let mut browser = Browser::start(client, &sandbox.ready.verto, "demo-2", Some("9196"));
        browser.ready();
        browser.active();
        browser.hears();
        browser.hangup();
    });
}

#[test]
fn a_browser_calls_the_daemon_and_each_hears_the_other() {
    if !have_browser() {
        return;
    }
    each_client(|client, dialect| {
        let sandbox = Sandbox::start(&[]);
        let (_daemon, mut control) = daemon(&sandbox, dialect);
        let mut browser = Browser::start(client, &sandbox.ready.verto, "demo-2", Some("demo-1"));
        browser.ready();
        control.wait("the browser's call", Duration::from_secs(20), |notice| {
            matches!(notice.event, Event::Incoming { .. }).then_some(())
        });
        control.answer();
        browser.active();
        browser.hears();
        daemon_hears(&mut control);
        browser.hangup();
    });
}

#[test]
fn the_daemon_calls_a_browser_and_each_hears_the_other() {
    if !have_browser() {
        return;
    }
    each_client(|client, dialect| {
        let sandbox = Sandbox::start(&[]);
        let (_daemon, mut control) = daemon(&sandbox, dialect);
        let mut browser = Browser::start(client, &sandbox.ready.verto, "demo-2", None);
        browser.ready();
        let call = control.call("demo-2");
        browser.active();
        browser.hears();
        daemon_hears(&mut control);
        control.hangup(&call);
        control.wait_ended(&call, Duration::from_secs(10));
        browser.ended();
    });
}

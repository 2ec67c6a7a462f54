//! Either side loses its socket or its path and comes back to the call; the browser is punted and loses it.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use offhook_control::notice::{EndedBy, Event};
use offhook_tests::browser::{Browser, Client};
use offhook_tests::sandbox::Sandbox;

use crate::world::{Kiosk, PATIENCE, TONE, have_browser};

#[test]
fn a_call_outlives_the_sockets_of_both_sides_and_a_punt_ends_it() {
    if !have_browser() {
        return;
    }
    let mut browser = Browser::start();
    let mut sandbox = Sandbox::start(&["--detach-timeout", "10"]);
    let mut kiosk = Kiosk::ready(&sandbox, "telnyx");
    browser.log_in(Client::Telnyx, &sandbox.ready.verto, "demo-2");
    browser.call("demo-1");
    let call = kiosk.takes_call();
    browser.active();
    browser.hears_tone(TONE);
    kiosk.hears();

    sandbox.fault_for("demo-2", "drop");
    browser.active();
    browser.hears_tone(TONE);
    kiosk.hears();

    sandbox.fault_for("demo-1", "drop");
    for on in [true, false] {
        kiosk.control.wait("recovery", PATIENCE, |notice| {
            (notice.event == Event::Recovering { on }).then_some(())
        });
    }
    browser.hears_tone(TONE);
    kiosk.hears();

    sandbox.fault_for("demo-2", "punt");
    browser.ended();
    let ended = kiosk.ended(&call);
    assert_eq!(ended.by, EndedBy::Remote, "{ended:?}");
    assert!(ended.answered, "{ended:?}");
}

#[test]
fn both_sides_ask_for_a_new_path_when_theirs_is_gone() {
    if !have_browser() {
        return;
    }
    let mut browser = Browser::start();
    let mut sandbox = Sandbox::start(&["--log", "debug"]);
    let mut kiosk = Kiosk::ready(&sandbox, "telnyx");
    browser.log_in(Client::Telnyx, &sandbox.ready.verto, "demo-2");
    let call = kiosk.control.call("demo-2");
    browser.active();
    browser.hears_tone(TONE);
    kiosk.hears();

    // Nothing comes any more, for so short a time that nothing is missed in signalling: whoever hears nothing asks for a new
    // path, though the old one may only have been slow.
    sandbox.program.signal(Signal::SIGSTOP);
    kiosk.control.wait("silence", PATIENCE, |notice| {
        matches!(notice.event, Event::NoMedia { .. }).then_some(())
    });
    sandbox.program.signal(Signal::SIGCONT);
    kiosk.control.wait("a new path", PATIENCE, |notice| {
        matches!(notice.event, Event::Ice { .. }).then_some(())
    });
    browser.hears_tone(TONE);
    kiosk.hears();
    kiosk.control.hangup(&call);
    kiosk.ended(&call);
    browser.ended();
    // Asked for on the sockets that they had from the beginning.
    let log = sandbox.settled();
    let sockets = |text: &str| -> BTreeSet<String> {
        let lines = log.lines().filter(|line| line.contains(text));
        let sockets = lines.filter_map(|line| line.split("socket=").nth(1)?.split(' ').next());
        sockets.map(str::to_owned).collect()
    };
    let asked = sockets("method=telnyx_rtc.modify");
    let logged_in = sockets("logged in");
    assert_eq!(logged_in.len(), 2, "{logged_in:?}");
    assert!(
        !asked.is_empty() && asked.is_subset(&logged_in),
        "{asked:?}"
    );
}

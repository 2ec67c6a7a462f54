//! What happens within calls between the Telnyx client and the daemon: early media, hold, digits, ICE restart, the report at the end.

use offhook_tests::browser::{Browser, BrowserEvent};
use offhook_tests::sandbox::Sandbox;
use serde_json::json;

use crate::world::{Kiosk, PATIENCE, TONE, have_browser};

#[test]
fn a_call_is_held_by_either_side_gets_digits_and_a_new_path_and_is_reported() {
    if !have_browser() {
        return;
    }
    let mut browser = Browser::start();
    let mut sandbox = Sandbox::start(&[]);
    let mut kiosk = Kiosk::ready(&sandbox, "telnyx");
    browser.open(&json!({
        "client": "telnyx", "server": sandbox.ready.verto, "login": "demo-2", "password": "sandbox", "reports": true,
    }));
    browser.call("demo-1");
    let call = kiosk.takes_call();
    browser.active();
    browser.hears_tone(TONE);
    kiosk.hears();

    browser.command(&json!({ "do": "hold" }));
    browser.told("hold", &BrowserEvent::Held);
    browser.hears_no_more(TONE);
    browser.command(&json!({ "do": "unhold" }));
    browser.active();
    browser.hears_tone(TONE);
    kiosk.hears();

    kiosk.hold(&call, true);
    browser.hears_no_more(TONE);
    kiosk.hold(&call, false);
    browser.hears_tone(TONE);
    kiosk.hears();

    browser.command(&json!({ "do": "dtmf", "digits": "5" }));
    assert_eq!(kiosk.hears_digit(), '5');
    browser.hears_tone(TONE);
    // Several: a page on a busy machine may look too late for one that lasts a fifth of a second.
    kiosk.dtmf(&call, "77777");
    assert_eq!(browser.hears_digit(), '7');
    browser.hears_tone(TONE);

    browser.command(&json!({ "do": "restart_ice" }));
    browser.told("ICE restart", &BrowserEvent::Restarted);
    browser.hears_tone(TONE);
    kiosk.hears();

    browser.hangup();
    kiosk.ended(&call);
    let log = sandbox.program.wait_for_stderr("call report", PATIENCE);
    let report = log.lines().find(|line| line.contains("call report"));
    let report = report.expect("it is there");
    assert!(report.contains("user=\"demo-2\""), "{report}");
    assert!(!report.contains("refused"), "{report}");
}

#[test]
fn early_media_is_heard_before_the_answer() {
    if !have_browser() {
        return;
    }
    let mut browser = Browser::start();
    let sandbox = Sandbox::start(&[]);
    browser.open(&json!({
        "client": "telnyx", "server": sandbox.ready.verto, "login": "demo-2", "password": "sandbox",
    }));
    browser.call("9100");
    browser.told("early media", &BrowserEvent::Early);
    browser.wait("sound before the answer", PATIENCE, |event| match event {
        BrowserEvent::Active => panic!("answered, and nothing was heard"),
        BrowserEvent::Level { inbound, state, .. } if *inbound > 0.01 => {
            (state.as_deref() == Some("early")).then_some(())
        }
        _ => None,
    });
    browser.active();
    browser.hears();
    browser.hangup();
}

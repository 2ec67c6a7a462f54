//! Calls both ways with sound both ways, hold, digits, and each side sends the other elsewhere.

use offhook_control::notice::Event;
use offhook_control::reply::Done;
use offhook_control::request::{Dtmf, Hangup, OfCall, Request, Transfer};
use offhook_tests::browser::{Browser, BrowserEvent, Client};
use offhook_tests::kamailio::Kamailio;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::skip;
use serde_json::json;

use crate::world::{Kiosk, PATIENCE, Server, TONE};

const CLIENTS: [Client; 2] = [Client::Jssip, Client::Sipjs];

fn kamailio() -> Server {
    Server::Kamailio(Kamailio::start())
}

fn sandbox() -> Server {
    Server::Sandbox(Box::new(Sandbox::start(&[])))
}

/// Both clients, each with a fresh page.
fn each_client(server: &Server, story: impl Fn(&Server, &mut Browser, &mut Kiosk)) {
    if !skip::have(&["node", "chromium"]) {
        return;
    }
    let mut browser = Browser::start();
    for client in CLIENTS {
        let mut kiosk = Kiosk::ready(server);
        server.log_in(&mut browser, client);
        story(server, &mut browser, &mut kiosk);
    }
}

fn act(browser: &mut Browser, what: &str) {
    browser.command(&json!({ "do": what }));
}

fn calls_both_ways(server: &Server, browser: &mut Browser, kiosk: &mut Kiosk) {
    let [ours, theirs] = server.numbers();
    browser.call("9196");
    browser.active();
    browser.hears();
    browser.hangup();

    browser.call(ours);
    let call = kiosk.takes_call();
    browser.active();
    browser.hears_tone(TONE);
    kiosk.hears(&call);
    browser.hangup();
    kiosk.control.wait_ended(&call, PATIENCE);

    let call = kiosk.control.call(theirs);
    browser.active();
    browser.hears_tone(TONE);
    kiosk.hears(&call);
    kiosk.control.hangup(&call);
    kiosk.control.wait_ended(&call, PATIENCE);
    browser.ended();
}

fn hold_and_digits(server: &Server, browser: &mut Browser, kiosk: &mut Kiosk) {
    let [_, theirs] = server.numbers();
    let call = kiosk.control.call(theirs);
    browser.active();
    browser.hears_tone(TONE);

    act(browser, "hold");
    browser.told("hold in the browser", &BrowserEvent::Held);
    if server.passes_offers_on() {
        kiosk.saw("hold by the page", |event| {
            matches!(event, Event::HeldByPeer { on: true })
        });
    }
    act(browser, "unhold");
    browser.active();
    if server.passes_offers_on() {
        kiosk.saw("its end", |event| {
            matches!(event, Event::HeldByPeer { on: false })
        });
    }
    browser.hears_tone(TONE);
    kiosk.hears(&call);

    let of_call = || OfCall {
        call: Some(call.clone()),
    };
    kiosk.control.ask::<Done>(&Request::Hold(of_call()));
    kiosk.saw("hold", |event| matches!(event, Event::Held { on: true }));
    browser.hears_no_more(TONE);
    kiosk.control.ask::<Done>(&Request::Resume(of_call()));
    kiosk.saw("its end", |event| {
        matches!(event, Event::Held { on: false })
    });
    browser.hears_tone(TONE);
    kiosk.hears(&call);

    browser.command(&json!({ "do": "dtmf", "digits": "5" }));
    kiosk.saw("the page's digit", |event| {
        matches!(event, Event::Dtmf { digit: '5' })
    });
    kiosk.control.ask::<Done>(&Request::Dtmf(Dtmf {
        call: call.clone(),
        digits: "7".to_owned(),
    }));
    assert_eq!(browser.hears_digit(), '7');
    kiosk.control.hangup(&call);
    kiosk.control.wait_ended(&call, PATIENCE);
    browser.ended();
}

fn each_sends_the_other_elsewhere(server: &Server, browser: &mut Browser, kiosk: &mut Kiosk) {
    let [_, theirs] = server.numbers();
    let (number, tone) = server.tone();
    // The page sends us, once both are in the call.
    let call = kiosk.control.call(theirs);
    browser.active();
    kiosk.saw("the answer", |event| matches!(event, Event::Answered(_)));
    browser.command(&json!({ "do": "transfer", "number": number }));
    let there = kiosk.goes_to(server, &call);
    if !server.passes_offers_on() {
        // It has joined us with that number, and needs the page no more.
        browser.ended();
    }
    for _ in 0..3 {
        kiosk.control.wait("sound there", PATIENCE, |notice| {
            let figures = matches!(notice.event, Event::Quality(_));
            (figures && notice.call.as_ref() == Some(&there)).then_some(())
        });
    }
    // Not every client hangs up by itself then.
    for status in kiosk.control.status().calls {
        let hangup = Hangup {
            call: Some(status.call),
            ..Hangup::default()
        };
        // It may have ended by itself meanwhile.
        let _ = kiosk.control.try_ask::<Done>(&Request::Hangup(hangup));
    }
    kiosk.control.wait_ended(&there, PATIENCE);
    assert!(kiosk.heard(&there, tone));
    if server.passes_offers_on() {
        browser.ended();
    }

    // We send the page.
    let call = kiosk.control.call(theirs);
    kiosk.saw("the answer", |event| matches!(event, Event::Answered(_)));
    browser.active();
    kiosk.control.ask::<Done>(&Request::Transfer(Transfer {
        call: Some(call.clone()),
        to: Some(number.to_owned()),
        with: None,
    }));
    kiosk.saw("the transfer", |event| matches!(event, Event::Transferred));
    kiosk.control.wait_ended(&call, PATIENCE);
    browser.wait("the tone there", PATIENCE, |event| match event {
        BrowserEvent::Level { pitch, .. } if (pitch - tone).abs() < 15.0 => Some(()),
        _ => None,
    });
    act(browser, "hangup");
}

#[test]
fn calls_both_ways_through_kamailio() {
    each_client(&kamailio(), calls_both_ways);
}

#[test]
fn calls_both_ways_through_the_sandbox() {
    each_client(&sandbox(), calls_both_ways);
}

#[test]
fn hold_and_digits_through_kamailio() {
    each_client(&kamailio(), hold_and_digits);
}

#[test]
fn hold_and_digits_through_the_sandbox() {
    each_client(&sandbox(), hold_and_digits);
}

#[test]
fn each_sends_the_other_elsewhere_through_kamailio() {
    each_client(&kamailio(), each_sends_the_other_elsewhere);
}

#[test]
fn each_sends_the_other_elsewhere_through_the_sandbox() {
    each_client(&sandbox(), each_sends_the_other_elsewhere);
}

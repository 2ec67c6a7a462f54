//! What goes wrong on purpose.

use std::time::Duration;

use offhook_signaling::sip::message::HeaderName;

use crate::sip::settings::SipSettings;
use crate::sip::tests::phone::{Phone, USUAL};
use crate::sip::tests::world::{OFFER, World, instance};
use crate::verto::gateway::Input;

fn world(faults: &[&str]) -> World {
    World::with(faults, SipSettings::default())
}

#[test]
fn a_connection_is_cut_after_a_while_after_messages_and_inside_one() {
    for (fault, seconds) in [
        ("drop-after=5", 5),
        ("drop-after-messages=2", 0),
        ("cut-frame=2", 0),
    ] {
        let mut world = world(&[fault]);
        let phone = Phone::new(&mut world, "demo-1");
        assert!(!world.clients[&phone.socket].cut, "{fault}");
        // The answer to the login was the first.
        world.pass(Duration::from_secs(seconds));
        world.send(phone.socket, "\r\n\r\n");
        assert!(world.clients[&phone.socket].cut, "{fault}");
    }
}

#[test]
fn a_silent_connection_takes_everything_and_a_slow_one_waits() {
    let mut world = world(&["silent-after=5@demo-1", "stall=2000@demo-2"]);
    let one = world.registered("demo-1");
    let two = world.open();
    world.send(two, "\r\n\r\n");
    assert_eq!(world.text(two).as_deref(), Some("\r\n"));
    world.pass(Duration::from_secs(6));
    world.send(one, "\r\n\r\n");
    world.pass(Duration::from_secs(60));
    assert_eq!(world.text(one), None);
    let slow = Phone::slow(&mut world, "demo-2");
    world.pass(Duration::from_secs(10));
    world.send(slow, "\r\n\r\n");
    world.pass(Duration::from_millis(1999));
    assert_eq!(world.text(slow), None);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.text(slow).as_deref(), Some("\r\n"));
}

#[test]
fn a_flow_is_forgotten_while_its_connection_stays() {
    let mut world = world(&["forget-flow-after=5@demo-2"]);
    let [one, two] = ["demo-1", "demo-2"].map(|user| Phone::new(&mut world, user));
    world.pass(Duration::from_secs(6));
    let mut dialog = one.invite(&mut world, "demo-2", &USUAL);
    assert_eq!(one.answered(&mut world, &mut dialog).status, 480);
    // It is reached again with its next registration.
    world.register(two.socket, "demo-2", &instance("demo-2"), "600");
    one.invite(&mut world, "demo-2", &USUAL);
    world.request(two.socket, "INVITE");
}

#[test]
fn calls_are_forgotten_when_their_client_comes_back() {
    let mut world = world(&["forget-calls=all:1"]);
    let one = Phone::new(&mut world, "demo-1");
    let (mut dialog, _) = one.call(&mut world, "9196");
    world.input(Input::Closed(one.socket));
    let again = Phone::new(&mut world, "demo-1");
    let offer = again.ask(&mut world, &mut dialog, "INVITE", "", Some(OFFER));
    assert_eq!(offer.status, 481);
    assert!(world.playing.is_empty());
}

#[test]
fn a_call_that_its_device_has_lost_ends_when_it_is_asked() {
    let mut world = world(&[]);
    let one = Phone::new(&mut world, "demo-1");
    one.call(&mut world, "9196");
    world.input(Input::Closed(one.socket));
    let again = Phone::new(&mut world, "demo-1");
    let options = world.request_within(again.socket, "OPTIONS", Duration::from_secs(100));
    again.respond(&mut world, &options, 481, "", None);
    assert!(world.playing.is_empty());
}

#[test]
fn an_overloaded_gateway_says_when_to_come_back() {
    let mut world = world(&["unavailable=7:3@demo-1", "unavailable=0:1@demo-2"]);
    let socket = world.open();
    for _ in 0..3 {
        let busy = world.register(socket, "demo-1", "", "60");
        assert_eq!(busy.headers.retry_after(), Some(Duration::from_secs(7)));
    }
    assert_eq!(world.register(socket, "demo-1", "", "60").status, 200);
    let busy = world.register(socket, "demo-2", "", "60");
    assert_eq!(
        (busy.status, busy.headers.has(&HeaderName::RetryAfter)),
        (503, false)
    );
}

#[test]
fn nothing_from_outside_is_unbounded() {
    let mut world = world(&[]);
    let one = Phone::new(&mut world, "demo-1");
    // Calls of one user.
    let mut refused = 0;
    for _ in 0..40 {
        let mut dialog = one.invite(&mut world, "9180", &USUAL);
        let texts = &world.clients[&one.socket].texts;
        if texts.iter().any(|text| text.starts_with("SIP/2.0 503")) {
            refused += 1;
            one.answered(&mut world, &mut dialog);
        }
        world.clients.get_mut(&one.socket).unwrap().texts.clear();
    }
    assert_eq!(refused, 8);
    // Two messages in one, a wrong length, and a header beyond all measure.
    let options = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
        To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
    world.send(one.socket, &options.repeat(2));
    assert_eq!(world.text(one.socket), None);
    world.send(one.socket, &options.replace("Length: 0", "Length: 9"));
    assert_eq!(world.response(one.socket).status, 400);
    let long = options.replace(
        "Call-ID: x",
        &format!("X: {}\r\nCall-ID: x", "y".repeat(60_000)),
    );
    world.send(one.socket, &long);
    assert_eq!(world.text(one.socket), None);
    let many = options.replace(
        "Call-ID: x",
        &format!("{}Call-ID: x", "X: y\r\n".repeat(10_000)),
    );
    world.send(one.socket, &many);
    assert_eq!(world.text(one.socket), None);
    world.send(one.socket, options);
    assert_eq!(world.response(one.socket).status, 200);
}

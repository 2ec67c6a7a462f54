//! What the registrar grants, and to whom.

use std::time::Duration;

use offhook_signaling::sip::message::HeaderName;

use crate::sip::settings::SipSettings;
use crate::sip::tests::world::{World, authorization, instance};
use crate::users::PASSWORD;

#[test]
fn a_registration_is_challenged_granted_and_ends_by_itself() {
    let mut world = World::new();
    let socket = world.open();
    let granted = world.register(socket, "demo-1", &instance("demo-1"), "600");
    assert_eq!(granted.status, 200);
    let headers = &granted.headers;
    assert!(headers.lists(&HeaderName::Require, "outbound"));
    assert_eq!(headers.number(&HeaderName::FlowTimer), Some(30));
    assert!(headers.has(&HeaderName::ServiceRoute));
    let info = headers.get(&HeaderName::AuthenticationInfo).unwrap();
    assert!(info.contains("rspauth=\""), "{info}");
    let contacts = headers.addresses(&HeaderName::Contact).unwrap();
    let [contact] = contacts.as_slice() else {
        panic!("{contacts:?}");
    };
    assert_eq!(contact.params.get("expires"), Some("600"));
    assert_eq!(contact.params.get("reg-id"), Some("1"));
    assert_eq!(
        contact.params.get("pub-gruu"),
        Some("sip:demo-1@sandbox.example;gr=urn:uuid:00000000-0000-4000-8000-000000000001")
    );
    let temporary = contact.params.get("temp-gruu").unwrap().to_owned();

    let again = world.register(socket, "demo-1", &instance("demo-1"), "600");
    let contacts = again.headers.addresses(&HeaderName::Contact).unwrap();
    assert_eq!(contacts.len(), 1);
    assert_ne!(contacts[0].params.get("temp-gruu"), Some(&*temporary));

    world.pass(Duration::from_secs(601));
    let other = world.open();
    let later = world.register(other, "demo-1", ";expires=60", "600");
    let contacts = later.headers.addresses(&HeaderName::Contact).unwrap();
    assert_eq!(contacts.len(), 1, "the first one is gone: {contacts:?}");
    assert!(!later.headers.has(&HeaderName::Require));
}

#[test]
fn several_flows_of_one_device_and_other_devices_stand_side_by_side() {
    let mut world = World::new();
    let (one, two, other) = (world.open(), world.open(), world.open());
    world.register(one, "demo-1", &instance("demo-1"), "600");
    let second = instance("demo-1").replace("reg-id=1", "reg-id=2");
    world.register(two, "demo-1", &second, "600");
    let third = world.register(other, "demo-1", &instance("demo-3"), "600");
    let contacts = third.headers.addresses(&HeaderName::Contact).unwrap();
    assert_eq!(contacts.len(), 3);

    // A lost connection takes its own alone, `*` all.
    world.input(crate::verto::gateway::Input::Closed(two));
    let left = world.register(other, "demo-1", &instance("demo-3"), "600");
    assert_eq!(
        left.headers.addresses(&HeaderName::Contact).unwrap().len(),
        2
    );
    let gone = world.register(other, "demo-1", &instance("demo-3"), "0");
    assert_eq!(
        gone.headers.addresses(&HeaderName::Contact).unwrap().len(),
        1
    );
    let text = |authorization: &str, cseq: u32| star(authorization, cseq, "0");
    let all = world.ask(one, text, "demo-1");
    assert_eq!(
        (all.status, all.headers.has(&HeaderName::Contact)),
        (200, false)
    );
    let wrong = |authorization: &str, cseq: u32| star(authorization, cseq + 5, "60");
    assert_eq!(world.ask(one, wrong, "demo-1").status, 400);
}

fn star(authorization: &str, cseq: u32, expires: &str) -> String {
    format!(
        "REGISTER sip:sandbox.example SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bKstar{cseq}\r\n\
         From: <sip:demo-1@sandbox.example>;tag=a\r\nTo: <sip:demo-1@sandbox.example>\r\nMax-Forwards: 70\r\n\
         Call-ID: star\r\nCSeq: {cseq} REGISTER\r\nContact: *\r\nExpires: {expires}\r\n{authorization}\
         Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn wrong_passwords_end_a_connection_at_last() {
    let mut world = World::new();
    let socket = world.open();
    for cseq in 0..5 {
        world.send(socket, &star("", cseq * 2 + 1, "0"));
        let challenged = world.response(socket);
        assert_eq!(challenged.status, 401);
        assert_eq!(
            challenged.headers.all(&HeaderName::WwwAuthenticate).count(),
            3
        );
        let line = authorization(&challenged, &star("", 1, "0"), "demo-1", "wrong");
        world.send(socket, &star(&line, cseq * 2 + 2, "0"));
        assert_eq!(world.response(socket).status, 403);
    }
    assert_eq!(world.clients[&socket].closed, Some(1008));
    // Another user's name on one's own password.
    let socket = world.open();
    world.send(socket, &star("", 1, "0"));
    let challenged = world.response(socket);
    let line = authorization(&challenged, &star("", 1, "0"), "demo-2", PASSWORD);
    world.send(socket, &star(&line, 2, "0"));
    assert_eq!(world.response(socket).status, 403);
    // An answer that was made for another request.
    let socket = world.open();
    world.send(socket, &star("", 1, "0"));
    let challenged = world.response(socket);
    let other = star("", 1, "0").replacen("sandbox.example", "other.example", 1);
    let line = authorization(&challenged, &other, "demo-1", PASSWORD);
    world.send(socket, &star(&line, 2, "0"));
    assert_eq!(world.response(socket).status, 403);
}

#[test]
fn a_plan_refuses_shortens_and_asks_for_more() {
    let faults = [
        "min-expires=900@demo-3",
        "short-registrations=20@demo-4",
        "unavailable=2:1@demo-5",
        "refuse-login=404@demo-6",
        "one-time-nonces=on@demo-7",
        "challenge=sha-256@demo-8",
        "one-time-nonces=next@demo-9",
    ];
    let mut world = World::with(&faults, SipSettings::default());
    let socket = world.open();
    let brief = world.register(socket, "demo-3", "", "60");
    assert_eq!(brief.status, 423);
    assert_eq!(brief.headers.number(&HeaderName::MinExpires), Some(900));
    let short = world.register(socket, "demo-4", "", "600");
    let contacts = short.headers.addresses(&HeaderName::Contact).unwrap();
    assert_eq!(contacts[0].params.get("expires"), Some("20"));
    let busy = world.register(socket, "demo-5", "", "600");
    assert_eq!(busy.status, 503);
    assert_eq!(busy.headers.retry_after(), Some(Duration::from_secs(2)));
    assert_eq!(world.register(socket, "demo-5", "", "600").status, 200);
    assert_eq!(world.register(socket, "demo-6", "", "600").status, 404);
    assert_eq!(world.register(socket, "demo-8", "", "600").status, 200);

    let text =
        |authorization: &str, cseq: u32| star(authorization, cseq, "0").replace("demo-1", "demo-7");
    world.send(socket, &text("", 1));
    let challenged = world.response(socket);
    let line = authorization(&challenged, &text("", 1), "demo-7", PASSWORD);
    world.send(socket, &text(&line, 2));
    assert_eq!(world.response(socket).status, 200);
    world.send(socket, &text(&line, 3));
    let stale = world.response(socket);
    assert_eq!(stale.status, 401);
    let asked = stale
        .headers
        .all(&HeaderName::WwwAuthenticate)
        .last()
        .unwrap();
    assert!(asked.contains("stale=true"), "{asked}");
    let told = world.register(socket, "demo-9", "", "600");
    let info = told.headers.get(&HeaderName::AuthenticationInfo).unwrap();
    assert!(info.contains(", nextnonce=\""), "{info}");
}

#[test]
fn keep_alives_and_options_are_answered() {
    let mut world = World::new();
    let socket = world.open();
    world.send(socket, "\r\n\r\n");
    assert_eq!(world.text(socket).as_deref(), Some("\r\n"));
    world.send(socket, "\r\n");
    assert_eq!(world.text(socket), None);
    world.input(crate::verto::gateway::Input::Ping(socket, b"x"));
    assert_eq!(world.clients[&socket].pongs, 1);
    let options = star("", 1, "0").replace("REGISTER", "OPTIONS");
    world.send(socket, &options);
    let answer = world.response(socket);
    assert_eq!(answer.status, 200);
    assert!(answer.headers.lists(&HeaderName::Allow, "PRACK"));
}

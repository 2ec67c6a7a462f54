//! Calls to numbers, to other users, and everything within them.

use std::time::Duration;

use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::read::{self, Incoming};
use offhook_signaling::sip::message::response::Response;

use crate::sip::tests::phone::{Phone, USUAL, Wish};
use crate::sip::tests::world::{OFFER, World, authorization};
use crate::switch::media::Sound;
use crate::users::PASSWORD;

fn world() -> (World, Phone) {
    let mut world = World::new();
    let phone = Phone::new(&mut world, "demo-1");
    (world, phone)
}

/// What every open call hears, in order.
fn sounds(world: &World) -> Vec<Sound> {
    world.playing.values().copied().collect()
}

const ECHO: Sound = Sound::Echo {
    delay: Duration::ZERO,
};

#[test]
fn the_echo_rings_answers_and_is_hung_up() {
    let (mut world, phone) = world();
    let mut dialog = phone.invite(&mut world, "9196", &USUAL);
    let statuses: Vec<u16> = (0..3).map(|_| phone.next(&mut world).status).collect();
    assert_eq!(statuses, [100, 180, 200]);
    // Without an ACK it says so again.
    let again = phone.answered(&mut world, &mut dialog);
    assert_eq!(again.status, 200);
    assert!(again.sdp().unwrap().contains("answer"));
    phone.ack(&mut world, &dialog, None);
    world.pass(Duration::from_secs(40));
    assert_eq!(world.clients[&phone.socket].texts, Vec::<String>::new());
    assert_eq!(sounds(&world), [ECHO]);
    assert_eq!(
        phone.ask(&mut world, &mut dialog, "BYE", "", None).status,
        200
    );
    assert_eq!(sounds(&world), []);
    assert_eq!(
        phone.ask(&mut world, &mut dialog, "BYE", "", None).status,
        481
    );
}

#[test]
fn an_answer_that_nobody_acknowledges_ends_in_a_bye() {
    let (mut world, phone) = world();
    phone.invite(&mut world, "9196", &USUAL);
    world.pass(Duration::from_secs(33));
    world.request(phone.socket, "BYE");
    assert_eq!(sounds(&world), []);
}

#[test]
fn a_bye_waits_for_the_acknowledgement_of_the_answer() {
    let (mut world, one) = world();
    let two = Phone::new(&mut world, "demo-2");
    let mut dialog = one.invite(&mut world, "demo-2", &USUAL);
    let invite = world.request(two.socket, "INVITE");
    let mut theirs = two.respond(&mut world, &invite, 200, "", Some("v=0\r\n"));
    world.request(two.socket, "ACK");
    one.answered(&mut world, &mut dialog);
    two.ask(&mut world, &mut theirs, "BYE", "", None);
    world.pass(Duration::from_secs(5));
    let texts = &world.clients[&one.socket].texts;
    assert!(!texts.iter().any(|text| text.starts_with("BYE")));
    one.ack(&mut world, &dialog, None);
    world.request(one.socket, "BYE");
}

#[test]
fn a_ringing_call_is_cancelled() {
    let (mut world, phone) = world();
    let mut dialog = phone.invite(&mut world, "9180", &USUAL);
    assert_eq!(phone.next(&mut world).status, 100);
    assert_eq!(phone.next(&mut world).status, 180);
    phone.cancel(&mut world, &dialog);
    assert_eq!(phone.next(&mut world).status, 200);
    assert_eq!(phone.answered(&mut world, &mut dialog).status, 487);
    phone.cancel(&mut world, &dialog);
    assert_eq!(phone.next(&mut world).status, 200);
}

#[test]
fn numbers_answer_with_their_status() {
    let (mut world, phone) = world();
    for (number, status) in [
        ("9302", 302),
        ("9404", 404),
        ("9420", 420),
        ("9486", 486),
        ("9503", 503),
        ("9603", 603),
        ("99017", 486),
        ("12345", 404),
        ("demo-9", 480),
    ] {
        let mut dialog = phone.invite(&mut world, number, &USUAL);
        let answer = phone.answered(&mut world, &mut dialog);
        assert_eq!(answer.status, status, "{number}");
        match number {
            "9302" => assert!(
                answer
                    .headers
                    .get(&HeaderName::Contact)
                    .unwrap()
                    .contains("9196")
            ),
            "9503" => assert_eq!(answer.headers.retry_after(), Some(Duration::from_secs(3))),
            "9420" => assert!(answer.headers.has(&HeaderName::Unsupported)),
            _ => {}
        }
    }
    // Nothing at all.
    phone.invite(&mut world, "9000", &USUAL);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.clients[&phone.socket].texts, Vec::<String>::new());
}

#[test]
fn early_media_comes_unreliably_and_reliably() {
    let (mut world, phone) = world();
    let mut dialog = phone.invite(&mut world, "9100", &USUAL);
    assert_eq!(phone.next(&mut world).status, 100);
    assert_eq!(phone.next(&mut world).status, 180);
    let early = phone.next(&mut world);
    assert_eq!((early.status, early.sdp().is_some()), (183, true));
    let answer = phone.answered(&mut world, &mut dialog);
    assert_eq!(answer.sdp(), early.sdp(), "the same again");
    phone.ack(&mut world, &dialog, None);

    let mut dialog = phone.invite(&mut world, "9183", &USUAL);
    assert_eq!(phone.next(&mut world).status, 100);
    let early = phone.next(&mut world);
    assert!(early.headers.lists(&HeaderName::Require, "100rel"));
    let rseq = early.headers.number(&HeaderName::RSeq).unwrap();
    // Said again until it is acknowledged.
    assert_eq!(
        phone.next(&mut world).headers.number(&HeaderName::RSeq),
        Some(rseq)
    );
    dialog.early(&early);
    let cseq = dialog.cseq;
    let wrong = format!("RAck: {} {cseq} INVITE\r\n", rseq + 1);
    assert_eq!(
        phone
            .ask(&mut world, &mut dialog, "PRACK", &wrong, None)
            .status,
        481
    );
    let right = format!("RAck: {rseq} {cseq} INVITE\r\n");
    assert_eq!(
        phone
            .ask(&mut world, &mut dialog, "PRACK", &right, None)
            .status,
        200
    );
    let answer = phone.answered(&mut world, &mut dialog);
    assert_eq!((answer.status, answer.sdp()), (200, None));

    let without = Wish {
        headers: "",
        sdp: Some(OFFER),
    };
    let mut dialog = phone.invite(&mut world, "9183", &without);
    assert_eq!(phone.answered(&mut world, &mut dialog).status, 421);
}

#[test]
fn a_late_offer_is_made_in_the_answer() {
    let (mut world, phone) = world();
    let late = Wish { sdp: None, ..USUAL };
    let mut dialog = phone.invite(&mut world, "9196", &late);
    let answer = phone.answered(&mut world, &mut dialog);
    assert_eq!(answer.sdp().as_deref(), Some(OFFER));
    phone.ack(&mut world, &dialog, Some("v=0\r\n"));
    assert_eq!(sounds(&world), [ECHO]);
    // Without an answer there is no call.
    let mut dialog = phone.invite(&mut world, "9196", &late);
    phone.answered(&mut world, &mut dialog);
    phone.ack(&mut world, &dialog, None);
    world.request(phone.socket, "BYE");
}

#[test]
fn two_users_call_each_other_and_are_bridged() {
    let (mut world, one) = world();
    let two = Phone::new(&mut world, "demo-2");
    let mut dialog = one.invite(&mut world, "demo-2", &USUAL);
    assert_eq!(one.next(&mut world).status, 100);
    assert_eq!(one.next(&mut world).status, 180);
    let invite = world.request(two.socket, "INVITE");
    assert!(invite.sdp().is_some());
    let from = &invite.ids.from;
    assert_eq!(
        (from.display_name.as_deref(), from.uri.user().as_deref()),
        (Some("demo-1"), Some("demo-1"))
    );
    two.respond(&mut world, &invite, 180, "", None);
    let mut theirs = two.respond(&mut world, &invite, 200, "", Some("v=0\r\n"));
    world.request(two.socket, "ACK");
    let answer = one.answered(&mut world, &mut dialog);
    assert_eq!(answer.status, 200);
    one.ack(&mut world, &dialog, None);
    let bridged = |sound: &Sound| matches!(sound, Sound::Bridge(_));
    assert!(sounds(&world).iter().all(bridged), "{:?}", sounds(&world));
    // A repeated 2xx gets its ACK again.
    two.respond(&mut world, &invite, 200, "", Some("v=0\r\n"));
    world.request(two.socket, "ACK");
    assert_eq!(
        two.ask(
            &mut world,
            &mut theirs,
            "BYE",
            "Reason: Q.850;cause=31\r\n",
            None
        )
        .status,
        200
    );
    let bye = world.request(one.socket, "BYE");
    let reason = bye.headers.get(&HeaderName::Reason).unwrap();
    assert!(reason.starts_with("Q.850;cause=31"), "{reason}");
}

#[test]
fn all_devices_ring_and_the_first_wins() {
    let (mut world, one) = world();
    let two = Phone::new(&mut world, "demo-2");
    let other = world.open();
    world.register(
        other,
        "demo-2",
        &crate::sip::tests::world::instance("demo-3"),
        "60",
    );
    let three = Phone {
        socket: other,
        user: "demo-2".to_owned(),
    };
    let mut dialog = one.invite(&mut world, "demo-2", &USUAL);
    let invites = [&two, &three].map(|phone| world.request(phone.socket, "INVITE"));
    three.respond(&mut world, &invites[1], 180, "", None);
    two.respond(&mut world, &invites[0], 200, "", Some("v=0\r\n"));
    let cancel = world.request(three.socket, "CANCEL");
    let reason = cancel.headers.get(&HeaderName::Reason).unwrap();
    assert!(reason.starts_with("SIP;cause=200"), "{reason}");
    three.respond(&mut world, &invites[1], 487, "", None);
    world.request(three.socket, "ACK");
    assert_eq!(one.answered(&mut world, &mut dialog).status, 200);
    // Both refuse: the caller hears the last.
    let mut dialog = one.invite(&mut world, "demo-2", &USUAL);
    let invites = [&two, &three].map(|phone| world.request(phone.socket, "INVITE"));
    three.respond(&mut world, &invites[1], 603, "", None);
    two.respond(&mut world, &invites[0], 486, "", None);
    assert_eq!(one.answered(&mut world, &mut dialog).status, 486);
}

#[test]
fn a_client_that_answers_reliably_in_advance_is_acknowledged() {
    let (mut world, one) = world();
    let two = Phone::new(&mut world, "demo-2");
    let mut dialog = one.invite(&mut world, "demo-2", &USUAL);
    let invite = world.request(two.socket, "INVITE");
    let reliable = "Require: 100rel\r\nRSeq: 7\r\n";
    two.respond(&mut world, &invite, 183, reliable, Some("v=0\r\n"));
    let prack = world.request(two.socket, "PRACK");
    let rack = prack.headers.get(&HeaderName::RAck).unwrap();
    assert_eq!(rack, format!("7 {} INVITE", invite.ids.cseq));
    two.respond(&mut world, &prack, 200, "", None);
    two.respond(&mut world, &invite, 200, "", None);
    assert_eq!(one.answered(&mut world, &mut dialog).status, 200);
}

#[test]
fn a_caller_that_gives_up_stops_the_ringing() {
    let (mut world, one) = world();
    let two = Phone::new(&mut world, "demo-2");
    let dialog = one.invite(&mut world, "demo-2", &USUAL);
    let invite = world.request(two.socket, "INVITE");
    one.cancel(&mut world, &dialog);
    // Not before its client has answered anything.
    assert!(
        !world.clients[&two.socket]
            .texts
            .iter()
            .any(|text| text.starts_with("CANCEL"))
    );
    two.respond(&mut world, &invite, 180, "", None);
    world.request(two.socket, "CANCEL");
    // It crossed the answer.
    two.respond(&mut world, &invite, 200, "", Some("v=0\r\n"));
    world.request(two.socket, "ACK");
    world.request(two.socket, "BYE");
    assert_eq!(sounds(&world), []);
}

#[test]
fn hold_and_resume_as_rfc_3264_has_them() {
    let (mut world, one) = world();
    let two = Phone::new(&mut world, "demo-2");
    let mut dialog = one.invite(&mut world, "demo-2", &USUAL);
    let invite = world.request(two.socket, "INVITE");
    two.respond(&mut world, &invite, 200, "", Some("v=0\r\n"));
    one.answered(&mut world, &mut dialog);
    one.ack(&mut world, &dialog, None);
    let held = format!("{OFFER}a=sendonly\r\n");
    let answer = one.ask(&mut world, &mut dialog, "INVITE", "", Some(&held));
    assert_eq!((answer.status, answer.sdp().is_some()), (200, true));
    one.ack(&mut world, &dialog, None);
    assert!(
        sounds(&world).contains(&Sound::Speech),
        "{:?}",
        sounds(&world)
    );
    let resumed = one.ask(&mut world, &mut dialog, "UPDATE", "", Some(OFFER));
    assert_eq!((resumed.status, resumed.sdp().is_some()), (200, true));
    assert!(!sounds(&world).contains(&Sound::Speech));
    // Late offer within the call.
    let late = one.ask(&mut world, &mut dialog, "INVITE", "", None);
    assert_eq!(late.sdp().as_deref(), Some(OFFER));
    one.ack(&mut world, &dialog, Some("v=0\r\n"));
    let digit = one.ask(
        &mut world,
        &mut dialog,
        "INFO",
        "Content-Type: application/dtmf-relay\r\n",
        Some("Signal=5\r\nDuration=160\r\n"),
    );
    assert_eq!(digit.status, 200);
    let asked = format!("{:?}", world.asked.last());
    assert!(
        asked.contains("Digits") && asked.contains("\"5\""),
        "{asked}"
    );
    let package = "Info-Package: nothing\r\n";
    assert_eq!(
        one.ask(&mut world, &mut dialog, "INFO", package, None)
            .status,
        469
    );
}

#[test]
fn a_stranger_neither_ends_nor_moves_a_call() {
    let (mut world, one) = world();
    let (mut dialog, _) = one.call(&mut world, "9196");
    let stranger = Phone::new(&mut world, "demo-3");
    assert_eq!(
        stranger
            .ask(&mut world, &mut dialog, "BYE", "", None)
            .status,
        403
    );
    let mut forged = dialog.clone();
    forged.local = forged.local.replace("tag=", "tag=x");
    assert_eq!(
        one.ask(&mut world, &mut forged, "BYE", "", None).status,
        481
    );
    dialog.cseq -= 2;
    assert_eq!(
        one.ask(&mut world, &mut dialog, "BYE", "", None).status,
        500
    );
    assert_eq!(sounds(&world), [ECHO]);
}

#[test]
fn a_call_outlives_its_connection_and_goes_on_over_the_next() {
    let (mut world, one) = world();
    let (mut dialog, _) = one.call(&mut world, "9196");
    world.input(crate::verto::gateway::Input::Closed(one.socket));
    world.pass(Duration::from_secs(40));
    let again = Phone::new(&mut world, "demo-1");
    let offer = again.ask(&mut world, &mut dialog, "INVITE", "", Some(OFFER));
    assert_eq!(offer.status, 200);
    again.ack(&mut world, &dialog, None);
    assert_eq!(sounds(&world), [ECHO]);
    // One whose client never comes back ends.
    world.input(crate::verto::gateway::Input::Closed(again.socket));
    world.pass(Duration::from_secs(120));
    assert_eq!(sounds(&world), []);
}

#[test]
fn sessions_are_refreshed_by_either_side_or_end() {
    let (mut world, one) = world();
    let short = Wish {
        headers: "Supported: timer\r\nSession-Expires: 60\r\n",
        ..USUAL
    };
    let mut dialog = one.invite(&mut world, "9196", &short);
    let answer = one.answered(&mut world, &mut dialog);
    assert_eq!(answer.status, 422);
    assert_eq!(answer.headers.number(&HeaderName::MinSe), Some(90));
    // The client refreshes; it forgets to at last.
    let (mut dialog, answer) = one.call(&mut world, "9286");
    let session = answer.headers.get(&HeaderName::SessionExpires).unwrap();
    assert_eq!(session, "90;refresher=uac");
    assert!(answer.headers.lists(&HeaderName::Require, "timer"));
    world.pass(Duration::from_secs(45));
    let refreshed = one.ask(
        &mut world,
        &mut dialog,
        "UPDATE",
        "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n",
        None,
    );
    assert_eq!(refreshed.status, 200);
    world.pass(Duration::from_secs(55));
    assert_eq!(sounds(&world).len(), 1);
    world.request(one.socket, "BYE");
    // We refresh.
    let (_, answer) = one.call(&mut world, "9285");
    let session = answer.headers.get(&HeaderName::SessionExpires).unwrap();
    assert_eq!(session, "90;refresher=uas");
    for _ in 0..3 {
        let update = world.request(one.socket, "UPDATE");
        one.respond(
            &mut world,
            &update,
            200,
            "Session-Expires: 90;refresher=uac\r\n",
            None,
        );
    }
}

/// Letters of a client that are no UTF-8 come back as they came, in binary messages (RFC 3261, 8.2.6.2; RFC 7118, 4.2).
#[test]
fn a_client_hears_its_own_letters() {
    const COPIED: [&str; 4] = [
        "Via: SIP/2.0/WS x.invalid;branch=z9hG4bKold",
        "From: \"J\u{e9}r\u{f4}me\" <sip:demo-1@sandbox.example>;tag=old",
        "Call-ID: caf\u{e9}",
        "Record-Route: <sip:edge.example;lr>;at=\"caf\u{e9}\"",
    ];
    let latin = |text: &str| -> Vec<u8> {
        text.chars()
            .map(|letter| u8::try_from(letter).unwrap())
            .collect()
    };
    let mut world = World::new();
    let socket = world.registered("demo-1");
    let request = |method: &str, cseq: u32, tag: &str, rest: &str| {
        let [via, from, call_id, route] = COPIED;
        format!(
            "{method} sip:9196@sandbox.example SIP/2.0\r\n{via}{method}{cseq}\r\nMax-Forwards: 70\r\n{from}\r\n\
             To: <sip:9196@sandbox.example>{tag}\r\n{call_id}\r\nCSeq: {cseq} {method}\r\n{route}\r\n\
             Contact: <sip:demo-1-device@x.invalid;transport=ws>\r\n{rest}Content-Length: "
        )
    };
    let answers = |world: &mut World| -> Vec<Response> {
        let client = world.clients.get_mut(&socket).unwrap();
        assert!(client.texts.is_empty(), "{:?}", client.texts);
        let answers = std::mem::take(&mut client.binaries).into_iter();
        answers
            .map(|bytes| {
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                let Ok(Incoming::Response(response)) = read::read(&bytes) else {
                    panic!("{shown}");
                };
                // Record-Route is that of a dialog.
                let lines = if response.sdp().is_some() { 4 } else { 3 };
                for line in &COPIED[..lines] {
                    let line = latin(line);
                    assert!(
                        bytes.windows(line.len()).any(|part| part == line),
                        "{shown}"
                    );
                }
                *response
            })
            .collect()
    };
    let codes =
        |answers: &[Response]| -> Vec<u16> { answers.iter().map(|answer| answer.status).collect() };

    let invite = |rest: &str, cseq| {
        let kind = "Content-Type: application/sdp\r\n";
        let head = request("INVITE", cseq, "", &format!("{rest}{kind}"));
        format!("{head}{}\r\n\r\n{OFFER}", OFFER.len())
    };
    world.send_bytes(socket, &latin(&invite("", 1)));
    let challenged = answers(&mut world);
    assert_eq!(codes(&challenged), [407]);
    let tag = format!(";tag={}", challenged[0].ids.to_tag());
    world.send_bytes(socket, &latin(&(request("ACK", 1, &tag, "") + "0\r\n\r\n")));
    let line = authorization(&challenged[0], &invite("", 1), "demo-1", PASSWORD);
    world.send_bytes(socket, &latin(&invite(&line, 2)));
    world.pass(Duration::from_secs(3));
    let mut answered = answers(&mut world);
    let repeated = answered.split_off(
        codes(&answered)
            .iter()
            .position(|code| *code == 200)
            .unwrap()
            + 1,
    );
    assert_eq!(codes(&answered)[0], 100);
    assert!(!repeated.is_empty() && codes(&repeated).iter().all(|code| *code == 200));
    let tag = format!(";tag={}", repeated[0].ids.to_tag());
    world.send_bytes(socket, &latin(&(request("ACK", 2, &tag, "") + "0\r\n\r\n")));
    world.pass(Duration::from_secs(3));
    assert_eq!(
        codes(&answers(&mut world)),
        [0_u16; 0],
        "it was acknowledged"
    );
    world.send_bytes(socket, &latin(&(request("BYE", 3, &tag, "") + "0\r\n\r\n")));
    assert_eq!(codes(&answers(&mut world)), [200]);
}

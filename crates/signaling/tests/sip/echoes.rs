//! What a response copies from its request comes back byte for byte (RFC 3261, 8.2.6.2), in a binary message where it is no UTF-8
//! (RFC 7118, 4.2).

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::event::{EndedBy, Event};
use offhook_signaling::sip::message::read::{self, Incoming};
use offhook_signaling::sip::message::response::Response;
use offhook_signaling::sip::session::contract::Input;

use crate::called::{Script, ends, idle, statuses};
use crate::pair::answer;
use crate::world::{FLOW, World};

/// Lines that a response copies, with letters of Latin-1.
const VIA: &str = "Via: SIP/2.0/WS carol.invalid;branch=z9hG4bKold;place=\"caf\u{e9}\"";
const FROM: &str = "From: \"J\u{e9}r\u{f4}me\" <sip:carol@example.com>;tag=carols";
const TO: &str = "To: \"Alice \u{80}\u{ff}\" <sip:alice@example.com>";
const CALL_ID: &str = "Call-ID: cafe@carol.invalid";
const RECORD_ROUTE: &str = "Record-Route: <sip:edge.example.com;lr>;at=\"caf\u{e9}\"";

/// A request with those lines.
fn old(method: &str, branch: &str, cseq: u32, to_tag: &str, rest: &str) -> String {
    let via = VIA.replace("z9hG4bKold", branch);
    let tag = match to_tag {
        "" => String::new(),
        tag => format!(";tag={tag}"),
    };
    format!(
        "{method} sip:alice@example.com SIP/2.0\r\n{via}\r\nMax-Forwards: 70\r\n{FROM}\r\n{TO}{tag}\r\n{CALL_ID}\r\n\
         CSeq: {cseq} {method}\r\n{RECORD_ROUTE}\r\nContact: <sip:carol@192.0.2.7;transport=ws>\r\n{rest}"
    )
}

const NO_BODY: &str = "Content-Length: 0\r\n\r\n";
const AN_OFFER: &str =
    "Content-Type: application/sdp\r\nContent-Length: 14\r\n\r\nv=0 of carol\r\n";

fn latin(text: &str) -> Vec<u8> {
    text.chars()
        .map(|letter| u8::try_from(letter).expect("Latin-1"))
        .collect()
}

/// Says it in Latin-1.
fn say(world: &mut World, text: &str) {
    world.handle(Input::Message(FLOW, &latin(text)));
}

/// The answers in binary messages, each with the lines of its request.
fn answers(world: &mut World, branch: &str) -> Vec<Response> {
    assert!(world.texts.is_empty(), "{:?}", world.texts);
    let answers = std::mem::take(&mut world.binaries).into_iter();
    answers
        .map(|(flow, bytes)| {
            assert_eq!(flow, FLOW);
            let shown = String::from_utf8_lossy(&bytes);
            let lines: Vec<_> = bytes.split(|&byte| byte == b'\n').collect();
            let copied = [&VIA.replace("z9hG4bKold", branch), FROM, CALL_ID];
            for line in copied {
                let line = [&latin(line)[..], b"\r"].concat();
                assert!(lines.contains(&&line[..]), "{shown}");
            }
            let to = latin(TO);
            assert!(lines.iter().any(|line| line.starts_with(&to)), "{shown}");
            let Ok(Incoming::Response(response)) = read::read(&bytes) else {
                panic!("{shown}");
            };
            let head = bytes.windows(4).position(|end| end == b"\r\n\r\n");
            let body = bytes.len() - head.expect("a head") - 4;
            assert!(
                shown.contains(&format!("\r\nContent-Length: {body}\r\n")),
                "{shown}"
            );
            *response
        })
        .collect()
}

fn codes(responses: &[Response]) -> Vec<u16> {
    responses.iter().map(|response| response.status).collect()
}

/// Carol's call rings; its tag of ours.
fn ringing() -> (World, CallId, String) {
    let mut world = idle();
    say(&mut world, &old("INVITE", "z9hG4bKone", 1, "", AN_OFFER));
    let line = [&latin(RECORD_ROUTE)[..], b"\r\n"].concat();
    let (_, rings) = &world.binaries[0];
    assert!(rings.windows(line.len()).any(|part| part == line));
    let rings = answers(&mut world, "z9hG4bKone");
    assert_eq!(codes(&rings), [180]);
    let told = world.take_events();
    let [Event::Incoming { call, caller, .. }] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(caller.name, "J\u{fffd}r\u{fffd}me");
    let tag = rings[0].ids.to_tag().to_owned();
    assert!(!tag.is_empty());
    (world, call.clone(), tag)
}

#[test]
fn a_stranger_hears_its_own_letters() {
    for (method, rest, code) in [
        ("OPTIONS", NO_BODY, 200),
        (
            "MESSAGE",
            "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello",
            200,
        ),
        ("WINK", NO_BODY, 405),
        ("OPTIONS", "Require: moon\r\nContent-Length: 0\r\n\r\n", 420),
        // What is no message of SIP is refused with what can be found in it.
        ("OPTIONS", "Content-Length: 9\r\n\r\n", 400),
        (
            "OPTIONS",
            "Max-Forwards: 1\r\nContent-Length: 0\r\n\r\n",
            400,
        ),
    ] {
        let mut world = idle();
        say(&mut world, &old(method, "z9hG4bKone", 1, "", rest));
        let answered = answers(&mut world, "z9hG4bKone");
        assert_eq!(codes(&answered), [code], "{method} {rest}");
        for event in world.take_events() {
            let Event::Message { from, .. } = event else {
                panic!("{event:?}");
            };
            assert_eq!(from.name, "J\u{fffd}r\u{fffd}me");
        }
    }
}

/// What names a call, or leads to the caller, has to be said again in what we send: the caller could not be hung up on.
#[test]
fn a_call_that_we_could_not_name_is_refused() {
    for (usual, odd) in [
        (CALL_ID, "Call-ID: caf\u{e9}@carol.invalid"),
        (";tag=carols", ";tag=carol\u{e9}"),
        ("<sip:carol@192.0.2.7", "<sip:carol\u{e9}@192.0.2.7"),
        ("<sip:edge.example.com", "<sip:\u{e9}dge@edge.example.com"),
    ] {
        let mut world = idle();
        let invite = old("INVITE", "z9hG4bKone", 1, "", AN_OFFER);
        assert!(invite.contains(usual));
        say(&mut world, &invite.replace(usual, odd));
        let said = std::mem::take(&mut world.binaries);
        let said = said
            .first()
            .map(|(_, bytes)| bytes.starts_with(b"SIP/2.0 400 "));
        assert_eq!(said, Some(true), "{odd}");
        assert!(world.take_events().is_empty(), "{odd}");
    }
}

#[test]
fn a_caller_with_old_letters_has_its_call() {
    let (mut world, call, tag) = ringing();
    say(&mut world, &old("INVITE", "z9hG4bKone", 1, "", AN_OFFER));
    let copy = answers(&mut world, "z9hG4bKone");
    assert_eq!(codes(&copy), [180], "the same again: the same answer");
    say(&mut world, &old("INVITE", "z9hG4bKtwo", 1, "", AN_OFFER));
    let merged = answers(&mut world, "z9hG4bKtwo");
    assert_eq!(codes(&merged), [482], "the same by another way");
    say(
        &mut world,
        &old("ACK", "z9hG4bKtwo", 1, merged[0].ids.to_tag(), NO_BODY),
    );

    world.command(answer(&call));
    let taken = answers(&mut world, "z9hG4bKone");
    assert_eq!(codes(&taken), [200]);
    assert_eq!(taken[0].ids.to_tag(), tag);
    assert!(taken[0].sdp().is_some());
    world.pass(Duration::from_millis(600), |_| {});
    let repeated = answers(&mut world, "z9hG4bKone");
    assert_eq!(codes(&repeated), [200], "said again until its ACK comes");
    say(&mut world, &old("ACK", "z9hG4bKack", 1, &tag, NO_BODY));
    assert_eq!(world.take_events(), [Event::Confirmed { call }]);
    world.pass(Duration::from_secs(5), |_| {});
    assert!(world.binaries.is_empty(), "it was acknowledged");

    say(&mut world, &old("BYE", "z9hG4bKbye", 2, &tag, NO_BODY));
    assert_eq!(codes(&answers(&mut world, "z9hG4bKbye")), [200]);
    assert!(matches!(
        ends(&mut world).as_slice(),
        [(EndedBy::Remote, ..)]
    ));
}

#[test]
fn a_caller_with_old_letters_may_think_again() {
    let (mut world, _, tag) = ringing();
    say(&mut world, &old("CANCEL", "z9hG4bKone", 1, "", NO_BODY));
    let answered = answers(&mut world, "z9hG4bKone");
    let tags: Vec<_> = answered.iter().map(|it| it.ids.to_tag()).collect();
    assert_eq!(
        (codes(&answered), tags),
        (vec![200, 487], vec![&*tag, &*tag])
    );
    assert_eq!(ends(&mut world).len(), 1);

    // Its answer went down with its connection, and is said over the next.
    world.close(FLOW);
    world.pass(Duration::from_secs(10), |_| {});
    world.open(FLOW);
    assert_eq!(codes(&answers(&mut world, "z9hG4bKone")), [487]);
    say(&mut world, &old("ACK", "z9hG4bKone", 1, &tag, NO_BODY));
    world.close(FLOW);
    world.pass(Duration::from_secs(10), |_| {});
    world.open(FLOW);
    assert!(world.binaries.is_empty(), "it was acknowledged");
}

/// Whatever is UTF-8 goes as text, however odd: characters of private use, those of the numbers of bytes, and a NUL.
#[test]
fn odd_letters_come_back_as_text() {
    for name in [
        "\u{10fe80}\u{10feff}\u{10ffff}\u{e000}",
        "J\u{e9}r\u{f4}me \u{a0}\u{fffd}",
        "a\\\0\u{e9}\\\0\\\0b",
    ] {
        let mut world = idle();
        let from = format!("<sip:carol@example.com>;tag=carols;x=\"{name}\"");
        let script = Script::new("OPTIONS").text();
        let script = script.replace("<sip:carol@example.com>;tag=carols", &from);
        world.spares_reader = true;
        world.say(FLOW, &script);
        let (_, text) = &world.texts[0];
        assert!(text.contains(&format!("\r\nFrom: {from}\r\n")), "{text:?}");
        assert_eq!(statuses(&mut world), [200]);
        assert!(world.binaries.is_empty());
    }
}

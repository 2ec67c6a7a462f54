//! Offers within a call whose bodies are not what they should be (RFC 3261, 8.2.3; RFC 5621).

use offhook_signaling::event::Event;
use offhook_signaling::sip::message::HeaderName;

use crate::called::{Script, answer_to, ends, idle, responses, talking};
use crate::world::FLOW;

const MIXED: &str = "multipart/mixed;boundary=b";
const PARTS: &str = "--b\r\nContent-Type: application/isup\r\n\r\nx\r\n\
    --b\r\nContent-Type: application/sdp\r\n\r\nv=0 of several\r\n--b--\r\n";
const NO_OFFER: &str = "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n";

#[test]
fn a_foreign_body_is_neither_an_offer_nor_the_wish_for_one() {
    for method in ["INVITE", "UPDATE"] {
        for (kind, body, line) in [
            ("application/xml", "<offer/>", ""),
            ("text/plain", "v=0", "Content-Disposition: session"),
            (MIXED, NO_OFFER, ""),
            ("application/sdp", "v=0", "Content-Encoding: gzip"),
        ] {
            let (mut world, _, tag) = talking();
            let mut script = Script {
                body: Some((kind, body)),
                ..Script::new(method).within(&tag, 2)
            };
            script = script.header("Supported: timer");
            if !line.is_empty() {
                script = script.header(line);
            }
            let refused = answer_to(&mut world, &script);
            assert_eq!(refused.status, 415, "{method} {kind}");
            assert!(
                refused
                    .headers
                    .lists(&HeaderName::Accept, "application/sdp")
            );
            assert!(
                refused
                    .headers
                    .lists(&HeaderName::AcceptEncoding, "identity")
            );
            assert!(world.take_events().is_empty(), "the call goes on");
        }
    }
}

#[test]
fn what_may_be_passed_over_is_and_a_description_among_others_is_found() {
    let optional = "Content-Disposition: by-reference;handling=optional";
    let note = |method, cseq, tag: &str| Script {
        body: Some(("text/plain", "x")),
        ..Script::new(method).within(tag, cseq).header(optional)
    };
    let (mut world, _, tag) = talking();
    assert_eq!(answer_to(&mut world, &note("UPDATE", 2, &tag)).status, 200);
    assert!(world.take_events().is_empty(), "a refresh");
    world.say(FLOW, &note("INVITE", 3, &tag).text());
    let told = world.take_events();
    assert!(
        matches!(told.as_slice(), [Event::Offer { sdp: None, .. }]),
        "{told:?}"
    );

    let (mut world, call, tag) = talking();
    let script = Script {
        body: Some((MIXED, PARTS)),
        ..Script::new("INVITE").within(&tag, 2)
    };
    world.say(FLOW, &script.text());
    let offer = Event::Offer {
        call,
        sdp: Some("v=0 of several\r\n".to_owned()),
    };
    assert_eq!(world.take_events(), [offer]);
}

/// Old servers write names in Latin-1; what counts in a description is ASCII.
#[test]
fn a_name_in_old_letters_does_not_spoil_a_description() {
    let sdp =
        "v=0\r\no=J\u{e9}r\u{f4}me 1 1 IN IP4 192.0.2.7\r\ns=caf\u{e9}\r\nc=IN IP4 192.0.2.7\r\n";
    let latin = |script: &Script| {
        let text = script.text();
        let length = format!("Content-Length: {}", sdp.len());
        let shorter = format!("Content-Length: {}", sdp.chars().count());
        let text = text.replace(&length, &shorter);
        text.chars()
            .map(|letter| u8::try_from(u32::from(letter)).expect("Latin-1"))
            .collect::<Vec<u8>>()
    };
    let with_sdp = |script| Script {
        body: Some(("application/sdp", sdp)),
        ..script
    };
    let described = |told: &[Event]| match told {
        [Event::Offer { sdp: Some(sdp), .. } | Event::Incoming { sdp: Some(sdp), .. }] => {
            sdp.contains("c=IN IP4 192.0.2.7\r\n")
        }
        _ => false,
    };
    let (mut world, _, tag) = talking();
    let bytes = latin(&with_sdp(Script::new("INVITE").within(&tag, 2)));
    world.handle(offhook_signaling::sip::session::contract::Input::Message(
        FLOW, &bytes,
    ));
    let told = world.take_events();
    assert!(described(&told), "{told:?}");
    let mut world = idle();
    let bytes = latin(&with_sdp(Script::new("INVITE")));
    world.handle(offhook_signaling::sip::session::contract::Input::Message(
        FLOW, &bytes,
    ));
    let told = world.take_events();
    assert!(described(&told), "{told:?}");
    assert_eq!(responses(&mut world)[0].status, 180);
    assert!(ends(&mut world).is_empty());
}

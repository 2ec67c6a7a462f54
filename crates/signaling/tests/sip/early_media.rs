//! What the network says of early media (RFC 5009), where the account listens to it.

use offhook_signaling::call_id::CallId;
use offhook_signaling::event::Event;
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::request::Request;

use crate::pair::{ANSWER, invite};
use crate::world::{FLOW, World, answer, config};

const CONTACT: (HeaderName, &str) = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");

fn calling(early_media: bool) -> (World, Request) {
    let config = Config {
        early_media,
        ..config()
    };
    let mut world = World::registered(config, 1, 7200);
    let call = CallId::from_wire("a-call").expect("a name");
    world.command(invite(&call, "bob"));
    let request = world.request();
    world.take_events();
    (world, request)
}

/// An answer with what the network says, and with or without a description.
fn says(world: &mut World, request: &Request, status: u16, word: Option<&str>, sdp: bool) {
    let mut response = answer(request, status, &[CONTACT]);
    if let Some(word) = word {
        response.content.push_named("P-Early-Media", word);
    }
    if sdp {
        response
            .content
            .set_body("application/sdp", ANSWER.to_owned());
    }
    world.say(FLOW, &response.to_text());
}

/// What a caller's tone hangs on: `ringing`, `early`, `answered`, in order.
fn told(world: &mut World) -> Vec<&'static str> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the tone hangs on nothing else"
    )]
    let word = |event: Event| match event {
        Event::Ringing { .. } => Some("ringing"),
        Event::EarlyMedia { sdp, .. } if sdp == ANSWER => Some("early"),
        Event::Answered { sdp, .. } if sdp.as_deref() == Some(ANSWER) => Some("answered"),
        _ => None,
    };
    world.take_events().into_iter().filter_map(word).collect()
}

#[test]
fn only_an_account_that_listens_asks_for_it() {
    for listens in [false, true] {
        let (_, request) = calling(listens);
        let asked = request.headers.other("P-Early-Media");
        assert_eq!(asked.as_deref(), listens.then_some("supported"));
    }
}

#[test]
fn a_description_says_nothing_where_the_network_lets_nothing_through() {
    for word in ["inactive", "recvonly", "Inactive, gated"] {
        let (mut world, request) = calling(true);
        says(&mut world, &request, 180, Some(word), true);
        assert_eq!(told(&mut world), ["ringing"], "{word}");
        // Said again by who does not speak of it: nothing has changed.
        says(&mut world, &request, 183, None, true);
        assert!(told(&mut world).is_empty(), "{word}");
        // The answer needs no description of its own.
        says(&mut world, &request, 200, None, false);
        assert_eq!(told(&mut world), ["answered"], "{word}");
    }
}

#[test]
fn what_was_barred_is_told_when_the_network_lets_it_through() {
    for word in ["sendrecv", "sendonly", "gated, sendrecv"] {
        let (mut world, request) = calling(true);
        says(&mut world, &request, 180, Some("inactive"), true);
        assert_eq!(told(&mut world), ["ringing"]);
        says(&mut world, &request, 183, Some(word), false);
        assert_eq!(told(&mut world), ["early"], "{word}");
        says(&mut world, &request, 183, Some(word), true);
        assert!(told(&mut world).is_empty(), "once: {word}");
    }
}

#[test]
fn a_network_that_says_nothing_bars_nothing() {
    for (listens, word) in [
        (true, None),
        (true, Some("gated")),
        (false, Some("inactive")),
    ] {
        let (mut world, request) = calling(listens);
        says(&mut world, &request, 183, word, true);
        assert_eq!(told(&mut world), ["early"], "{word:?}");
    }
}

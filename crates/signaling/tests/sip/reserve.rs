//! Offers that are refused for what they describe (413, 415, 488, 606): the least of them takes their place, once.

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::pair::{ANSWER, OFFER, invite};
use crate::world::{FLOW, World, answer, config};

const CONTACT: (HeaderName, &str) = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");
const LEAST: &str = "v=0 the least of it";

fn name() -> CallId {
    CallId::from_wire("a-call").expect("a name")
}

fn reserve() -> Command {
    Command::ReserveOffer {
        call: name(),
        sdp: LEAST.to_owned(),
    }
}

/// A call is out, with an offer in reserve or without.
fn calling(config: Config, reserved: bool) -> (World, Request) {
    let mut world = World::registered(config, 1, 7200);
    world.command(invite(&name(), "bob"));
    if reserved {
        world.command(reserve());
    }
    let request = world.request();
    assert_eq!(request.sdp().as_deref(), Some(OFFER));
    world.take_events();
    (world, request)
}

/// Refuses a request; the ACK is taken off.
fn refuse(world: &mut World, request: &Request, status: u16, lines: &[(HeaderName, &str)]) {
    world.answer(request, status, lines);
    let ack = world.request();
    assert_eq!((ack.method, ack.ids.cseq), (Method::Ack, request.ids.cseq));
}

fn accept(world: &mut World, request: &Request) {
    let mut response = answer(request, 200, &[CONTACT]);
    response
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(FLOW, &response.to_text());
    assert_eq!(world.request().method, Method::Ack);
}

/// With what code the call ended, if it did.
fn ended(world: &mut World) -> Option<Option<u16>> {
    world.take_events().into_iter().find_map(|event| {
        if let Event::Ended { sip, .. } = event {
            Some(sip.code)
        } else {
            None
        }
    })
}

#[test]
fn a_call_is_offered_with_less_once() {
    for status in [413, 415, 488, 606] {
        let (mut world, first) = calling(config(), true);
        refuse(&mut world, &first, status, &[]);
        let second = world.request();
        assert_eq!(second.method, Method::Invite);
        assert_eq!(second.ids.call_id, first.ids.call_id);
        assert_eq!(second.ids.from_tag(), first.ids.from_tag());
        assert_eq!(second.ids.to_tag(), "");
        assert_eq!(second.ids.cseq, first.ids.cseq + 1);
        assert_ne!(second.ids.via.branch(), first.ids.via.branch());
        assert_eq!(second.uri.to_string(), first.uri.to_string());
        assert_eq!(second.content_type().as_deref(), Some("application/sdp"));
        assert_eq!(second.sdp().as_deref(), Some(LEAST));
        assert_eq!(ended(&mut world), None, "{status}");
        // No third one.
        refuse(&mut world, &second, status, &[]);
        assert!(world.requests.is_empty(), "{:?}", world.requests);
        assert_eq!(ended(&mut world), Some(Some(status)));
    }
}

#[test]
fn the_answer_to_the_least_makes_the_call() {
    let (mut world, first) = calling(config(), true);
    refuse(&mut world, &first, 488, &[]);
    let second = world.request();
    accept(&mut world, &second);
    let answered =
        |event: &Event| matches!(event, Event::Answered { sdp: Some(sdp), .. } if sdp == ANSWER);
    assert!(world.take_events().iter().any(answered));
}

#[test]
fn a_refusal_stands_where_less_would_not_help() {
    // None in reserve; or they read no SDP of any kind, or only a packed one.
    let packed = (HeaderName::AcceptEncoding, "gzip");
    let text = (HeaderName::Accept, "text/plain");
    for (reserved, status, line) in [
        (false, 488, None),
        (true, 415, Some(text)),
        (true, 415, Some(packed)),
        (true, 486, None),
        (true, 603, None),
    ] {
        let (mut world, request) = calling(config(), reserved);
        refuse(&mut world, &request, status, line.as_slice());
        assert!(world.requests.is_empty(), "{status}: {:?}", world.requests);
        assert_eq!(ended(&mut world), Some(Some(status)));
    }
    // What they do read is said, and we have it.
    let lines = [
        (HeaderName::Accept, "application/sdp, text/plain"),
        (HeaderName::AcceptEncoding, ""),
        (HeaderName::AcceptLanguage, "en"),
    ];
    let (mut world, request) = calling(config(), true);
    refuse(&mut world, &request, 415, &lines);
    assert_eq!(world.request().sdp().as_deref(), Some(LEAST));
}

#[test]
fn no_candidates_follow_the_least() {
    let trickles = Config {
        trickle: true,
        ..config()
    };
    let (mut world, first) = calling(trickles, true);
    let lists = |request: &Request, name: &HeaderName| request.headers.lists(name, "trickle-ice");
    let packages = HeaderName::Other("Recv-Info".into());
    assert!(lists(&first, &HeaderName::Supported) && lists(&first, &packages));
    refuse(&mut world, &first, 488, &[]);
    let second = world.request();
    assert!(!lists(&second, &HeaderName::Supported) && !lists(&second, &packages));
    assert!(second.headers.lists(&HeaderName::Supported, "timer"));
    // RFC 6086, 5.2.3: also when no package is taken.
    assert!(second.headers.has(&packages));
}

/// A call is up, and an offer of ours within it is out.
fn updating(reserved: bool) -> (World, Request) {
    let (mut world, request) = calling(config(), true);
    accept(&mut world, &request);
    world.command(Command::UpdateMedia {
        call: name(),
        sdp: "v=0 more".to_owned(),
    });
    if reserved {
        world.command(reserve());
    }
    world.take_events();
    let update = world.request();
    assert_eq!(update.sdp().as_deref(), Some("v=0 more"));
    (world, update)
}

fn failures(world: &mut World) -> usize {
    let failed = |event: &Event| matches!(event, Event::MediaUpdateFailed { .. });
    world.take_events().into_iter().filter(failed).count()
}

#[test]
fn an_offer_within_a_call_is_made_with_less_once() {
    for status in [413, 415, 488, 606] {
        let (mut world, update) = updating(true);
        refuse(&mut world, &update, status, &[]);
        let less = world.request();
        assert_eq!(less.sdp().as_deref(), Some(LEAST));
        assert_eq!(less.ids.cseq, update.ids.cseq + 1);
        assert_eq!(failures(&mut world), 0, "{status}");
        refuse(&mut world, &less, status, &[]);
        assert!(world.requests.is_empty(), "{status}");
        assert_eq!(failures(&mut world), 1, "{status}");
        // The call is what it was.
        let (mut world, update) = updating(true);
        refuse(&mut world, &update, status, &[]);
        let less = world.request();
        accept(&mut world, &less);
        let updated = |event: &Event| matches!(event, Event::MediaUpdated { .. });
        assert_eq!(world.take_events().into_iter().filter(updated).count(), 1);
    }
}

/// The one of the call's beginning is not for later: it describes what was before.
#[test]
fn what_was_in_reserve_for_the_call_is_not_for_its_later_offers() {
    let (mut world, update) = updating(false);
    refuse(&mut world, &update, 488, &[]);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    assert_eq!(failures(&mut world), 1);
}

/// The call ended before its offer in reserve came: there is nothing more to say.
#[test]
fn a_reserve_that_comes_too_late_is_no_failure() {
    let (mut world, request) = calling(config(), false);
    refuse(&mut world, &request, 486, &[]);
    assert_eq!(ended(&mut world), Some(Some(486)));
    world.command(reserve());
    assert_eq!(world.take_events(), []);
}

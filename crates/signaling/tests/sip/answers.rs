//! Every answer code with its rule: what is tried again, how often, over which connection, and what the user is told.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each story looks for a few events among many"
)]

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::event::{EndedBy, Event, SipEnd};
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::pair::invite;
use crate::world::{FLOW, World, answer, config};

/// Whether the second try is what it has to be.
type Mended = fn(&Request) -> bool;
pub(crate) type Lines = &'static [(HeaderName, &'static str)];

const SECOND: FlowId = FlowId(1);

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn name() -> CallId {
    CallId::from_wire("a-call").expect("a name")
}

/// Registered, and a call to that number is out.
pub(crate) fn calling(to: &str) -> (World, Request) {
    let mut world = World::registered(config(), 1, 7200);
    world.command(invite(&name(), to));
    let request = world.request();
    (world, request)
}

/// The next request of that method.
pub(crate) fn next(world: &mut World, method: &Method) -> Option<(FlowId, Request)> {
    let at = world
        .requests
        .iter()
        .position(|(_, request)| request.method == *method)?;
    Some(world.requests.remove(at))
}

pub(crate) struct End {
    pub(crate) by: EndedBy,
    pub(crate) cause: String,
    pub(crate) detail: String,
    pub(crate) sip: SipEnd,
}

pub(crate) fn end(world: &mut World) -> Option<End> {
    let mut ends = world
        .take_events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Ended {
                by,
                cause,
                detail,
                sip,
                ..
            } => Some(End {
                by,
                cause: cause.name().to_owned(),
                detail: detail.unwrap_or_default(),
                sip: *sip,
            }),
            _ => None,
        });
    let one = ends.next();
    assert!(ends.next().is_none(), "one end exactly");
    one
}

/// Code, what comes with it, who ends it, the cause, and a word of what the user reads. No second try.
#[rustfmt::skip] // one row a line, like the table that it follows
const FINAL: &[(u16, Lines, EndedBy, &str, &str)] = &[
    (300, &[], EndedBy::Server, "NORMAL_TEMPORARY_FAILURE", "300 Multiple Choices"),
    (380, &[(HeaderName::Contact, "<sip:x@example.com>")], EndedBy::Server, "NORMAL_TEMPORARY_FAILURE", "it names sip:x@example.com"),
    (400, &[], EndedBy::Server, "NORMAL_TEMPORARY_FAILURE", "400 Bad Request"),
    (402, &[], EndedBy::Server, "", "402"),
    (403, &[], EndedBy::Server, "CALL_REJECTED", "403 Forbidden"),
    (404, &[(HeaderName::RetryAfter, "60")], EndedBy::Server, "UNALLOCATED_NUMBER", "try again in 60 s"),
    (405, &[], EndedBy::Server, "", "405 Method Not Allowed"),
    (406, &[(HeaderName::Warning, "304 pbx \"Media type not available\"")], EndedBy::Server, "", "Media type not available"),
    (408, &[], EndedBy::Server, "RECOVERY_ON_TIMER_EXPIRE", "408"),
    (410, &[], EndedBy::Server, "NUMBER_CHANGED", "410 Gone"),
    (413, &[(HeaderName::RetryAfter, "9")], EndedBy::Server, "", "try again in 9 s"),
    (414, &[], EndedBy::Server, "", "414"),
    (415, &[(HeaderName::Accept, "text/plain")], EndedBy::Server, "", "415"),
    (423, &[], EndedBy::Server, "", "423"),
    (428, &[], EndedBy::Server, "NO_IDENTITY", "428"),
    (429, &[], EndedBy::Server, "BAD_IDENTITY_INFO", "429"),
    (430, &[], EndedBy::Server, "", "430"),
    (433, &[], EndedBy::Server, "", "433 Anonymity Disallowed"),
    (436, &[], EndedBy::Server, "", "436"),
    (437, &[], EndedBy::Server, "UNSUPPORTED_CERTIFICATE", "437"),
    (438, &[], EndedBy::Server, "INVALID_IDENTITY", "438"),
    (480, &[(HeaderName::RetryAfter, "120 (lunch)")], EndedBy::Remote, "NO_ANSWER", "try again in 2 min"),
    (481, &[], EndedBy::Server, "", "481"),
    (482, &[], EndedBy::Server, "", "482 Loop Detected"),
    (483, &[], EndedBy::Server, "EXCHANGE_ROUTING_ERROR", "483 Too Many Hops"),
    (484, &[], EndedBy::Server, "INVALID_NUMBER_FORMAT", "484 Address Incomplete"),
    (485, &[(HeaderName::Contact, "<sip:bob.a@example.com>, <sip:bob.b@example.com>")], EndedBy::Server, "", "it names sip:bob.a@example.com, sip:bob.b@example.com"),
    (486, &[(HeaderName::RetryAfter, "10")], EndedBy::Remote, "USER_BUSY", "try again in 10 s"),
    (487, &[], EndedBy::Remote, "ORIGINATOR_CANCEL", "487"),
    (488, &[(HeaderName::Warning, "305 pbx \"Incompatible media format\"")], EndedBy::Remote, "INCOMPATIBLE_DESTINATION", "Incompatible media format"),
    (489, &[], EndedBy::Server, "", "489"),
    (491, &[], EndedBy::Server, "", "491"),
    (493, &[], EndedBy::Remote, "", "493 Undecipherable"),
    (494, &[], EndedBy::Server, "", "494"),
    (499, &[], EndedBy::Server, "NORMAL_TEMPORARY_FAILURE", "499"),
    (500, &[(HeaderName::RetryAfter, "10")], EndedBy::Server, "", "try again in 10 s"),
    (501, &[], EndedBy::Server, "", "501"),
    (502, &[], EndedBy::Server, "DESTINATION_OUT_OF_ORDER", "502"),
    (503, &[], EndedBy::Server, "NORMAL_TEMPORARY_FAILURE", "503"),
    (503, &[(HeaderName::RetryAfter, "30")], EndedBy::Server, "NORMAL_TEMPORARY_FAILURE", "try again in 30 s"),
    (504, &[], EndedBy::Server, "", "504"),
    (505, &[], EndedBy::Server, "", "505"),
    (513, &[], EndedBy::Server, "", "513 Message Too Large"),
    (555, &[], EndedBy::Server, "", "555"),
    (580, &[], EndedBy::Server, "", "580 Precondition Failure"),
    (600, &[], EndedBy::Remote, "BUSY_EVERYWHERE", "600"),
    (603, &[(HeaderName::RetryAfter, "3600")], EndedBy::Remote, "CALL_REJECTED", "try again in 60 min"),
    (604, &[], EndedBy::Remote, "DOES_NOT_EXIST_ANYWHERE", "604"),
    (606, &[], EndedBy::Remote, "INCOMPATIBLE_DESTINATION", "606"),
    (607, &[], EndedBy::Remote, "UNWANTED", "607 Unwanted"),
    (608, &[], EndedBy::Remote, "", "608 Rejected"),
    (699, &[], EndedBy::Remote, "BUSY_EVERYWHERE", "699"),
];

#[test]
fn what_refuses_a_call_for_good_is_told_with_its_code_and_never_tried_again() {
    for (status, lines, by, cause, word) in FINAL {
        let (mut world, request) = calling("bob");
        world.answer(&request, *status, lines);
        assert_eq!(world.request().method, Method::Ack, "{status}");
        assert!(world.requests.is_empty(), "{status} is tried again");
        let end = end(&mut world).unwrap_or_else(|| panic!("{status} did not end it"));
        assert_eq!(end.by, *by, "{status}");
        if !cause.is_empty() {
            assert_eq!(end.cause, *cause, "{status}");
        }
        assert!(end.detail.contains(word), "{status}: {}", end.detail);
        assert_eq!(end.sip.code, Some(*status));
        world.pass(seconds(100), |world| world.handle(Input::Pong(FLOW)));
        assert!(world.requests.is_empty(), "{status} is tried again later");
    }
}

/// Code and what comes with it; what the second try must be. A second refusal by the same code ends it.
#[rustfmt::skip] // one row a line
const ONCE_MORE: &[(u16, &str, Lines, Mended)] = &[
    (301, "bob", &[(HeaderName::Contact, "<sip:new@example.com>")], |again| again.uri.to_string() == "sip:new@example.com"),
    (302, "bob", &[(HeaderName::Contact, "<sip:new@example.com?Subject=moved>")], |again| {
        again.headers.get(&HeaderName::Subject).as_deref() == Some("moved") && !again.uri.to_string().contains('?')
    }),
    (305, "bob", &[(HeaderName::Contact, "<sip:proxy.example.com>")], |again| again.uri.to_string() == "sip:proxy.example.com"),
    (416, "tel:+12015550123", &[], |again| again.uri.to_string() == "sip:+12015550123@example.com"),
    (420, "bob", &[(HeaderName::Unsupported, "timer, 100rel")], |again| {
        !again.headers.lists(&HeaderName::Supported, "timer") && again.headers.lists(&HeaderName::Supported, "gruu")
    }),
    (421, "bob", &[(HeaderName::Require, "timer")], |again| again.headers.lists(&HeaderName::Require, "timer")),
    (422, "bob", &[(HeaderName::MinSe, "2000")], |again| again.headers.number(&HeaderName::SessionExpires) == Some(2000)),
    (503, "bob", &[(HeaderName::RetryAfter, "0")], |again| again.uri.to_string() == "sip:bob@example.com"),
    (401, "bob", &[(HeaderName::WwwAuthenticate, "Digest realm=\"a\", nonce=\"b\", qop=\"auth\"")], |again| again.headers.has(&HeaderName::Authorization)),
    (407, "bob", &[(HeaderName::ProxyAuthenticate, "Digest realm=\"a\", nonce=\"b\", qop=\"auth\"")], |again| again.headers.has(&HeaderName::ProxyAuthorization)),
];

#[test]
fn what_can_be_mended_is_tried_once_more_as_the_same_call_and_not_twice() {
    for (status, to, lines, is_mended) in ONCE_MORE {
        let (mut world, first) = calling(to);
        world.answer(&first, *status, lines);
        assert_eq!(world.request().method, Method::Ack, "{status}");
        let second = world.request();
        assert!(is_mended(&second), "{status}: {second:?}");
        // RFC 3261, 8.1.3.5.
        assert_eq!(second.ids.call_id, first.ids.call_id, "{status}");
        assert_eq!(second.ids.from_tag(), first.ids.from_tag(), "{status}");
        assert_eq!(second.ids.to.uri.to_string(), first.ids.to.uri.to_string());
        assert_eq!(second.ids.cseq, first.ids.cseq + 1, "{status}");
        assert_ne!(second.ids.via.branch(), first.ids.via.branch());
        assert!(end(&mut world).is_none(), "{status}");
        world.answer(&second, *status, lines);
        assert_eq!(world.request().method, Method::Ack, "{status}");
        assert!(world.requests.is_empty(), "{status} is tried a third time");
        assert_eq!(end(&mut world).unwrap().sip.code, Some(*status));
    }
}

#[test]
fn a_demand_that_we_cannot_meet_ends_the_call() {
    for (status, lines) in [
        (421, [(HeaderName::Require, "sec-agree")]),
        (422, [(HeaderName::MinSe, "none")]),
        (302, [(HeaderName::Contact, "<mailto:bob@example.com>")]),
        (302, [(HeaderName::Contact, "<sip:bob@example.com>")]),
        (401, [(HeaderName::WwwAuthenticate, "Basic realm=\"a\"")]),
    ] {
        let (mut world, first) = calling("bob");
        world.answer(&first, status, &lines);
        assert_eq!(world.request().method, Method::Ack);
        assert!(world.requests.is_empty(), "{status}");
        assert!(end(&mut world).is_some(), "{status}");
    }
}

#[test]
fn redirections_end_after_five() {
    let (mut world, mut request) = calling("bob");
    let mut tries = 0;
    loop {
        let contact = format!("<sip:hop{tries}@example.com>");
        world.answer(&request, 302, &[(HeaderName::Contact, &contact)]);
        assert_eq!(world.request().method, Method::Ack);
        if world.requests.is_empty() {
            break;
        }
        request = world.request();
        tries += 1;
    }
    assert_eq!(tries, 5);
    assert!(end(&mut world).is_some());
}

#[test]
fn words_on_the_way_are_told_as_they_are() {
    let (mut world, request) = calling("bob");
    for status in [181, 182, 182, 183, 199, 155] {
        world.answer(&request, status, &[]);
    }
    let told: Vec<_> = world
        .take_events()
        .into_iter()
        .map(|event| match event {
            Event::Progress { status, reason, .. } => (status, reason),
            other => panic!("{other:?}"),
        })
        .collect();
    let told: Vec<_> = told
        .iter()
        .map(|(status, reason)| (*status, reason.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (181, "Call Is Being Forwarded"),
            (182, "Queued"),
            (183, "Session Progress"),
            (199, "Early Dialog Terminated"),
            (155, "Session Progress"),
        ]
    );
}

// ---- several connections ----

fn two_edges() -> World {
    let config = Config {
        servers: vec![
            "wss://one.example".to_owned(),
            "ws://two.example".to_owned(),
        ],
        ..config()
    };
    let mut world = World::new(config, 3);
    for flow in [FLOW, SECOND] {
        world.open(flow);
        let register = world.request();
        let route = format!("<sip:edge{};lr>", flow.reg_id());
        let lines = [
            (HeaderName::Require, "outbound"),
            (HeaderName::ServiceRoute, route.as_str()),
        ];
        world.grant_on(flow, &register, 7200, &lines);
    }
    world.take_events();
    world
}

#[test]
fn a_server_that_cannot_is_left_for_the_next_one_and_each_is_asked_once() {
    for (status, lines) in [
        (408, vec![]),
        (504, vec![]),
        (503, vec![(HeaderName::RetryAfter, "60")]),
    ] {
        let mut world = two_edges();
        world.command(invite(&name(), "bob"));
        let (flow, first) = next(&mut world, &Method::Invite).unwrap();
        assert_eq!(flow, FLOW);
        world.say(FLOW, &answer(&first, status, &lines).to_text());
        let (flow, second) = next(&mut world, &Method::Invite).unwrap();
        assert_eq!(flow, SECOND, "{status}");
        assert_eq!(second.ids.call_id, first.ids.call_id);
        assert_eq!(second.ids.cseq, first.ids.cseq + 1);
        assert_eq!(second.ids.via.transport, "WS");
        let route = second.headers.get(&HeaderName::Route);
        assert_eq!(route.as_deref(), Some("<sip:edge2;lr>"), "{status}");
        assert_eq!(second.headers.all(&HeaderName::Contact).count(), 1);
        assert!(end(&mut world).is_none());
        world.say(SECOND, &answer(&second, status, &lines).to_text());
        assert!(next(&mut world, &Method::Invite).is_none(), "{status}");
        assert_eq!(end(&mut world).unwrap().sip.code, Some(status));
    }
}

#[test]
fn who_rang_before_refusing_says_nothing_of_the_server() {
    let mut world = two_edges();
    world.command(invite(&name(), "bob"));
    let (_, first) = next(&mut world, &Method::Invite).unwrap();
    world.say(FLOW, &answer(&first, 180, &[]).to_text());
    let later = [(HeaderName::RetryAfter, "60")];
    world.say(FLOW, &answer(&first, 503, &later).to_text());
    assert!(next(&mut world, &Method::Invite).is_none(), "asked again");
    assert_eq!(end(&mut world).unwrap().sip.code, Some(503));
    let another = CallId::from_wire("another").unwrap();
    world.command(invite(&another, "carol"));
    let (flow, _) = next(&mut world, &Method::Invite).unwrap();
    assert_eq!(flow, FLOW, "the server is as good as before");
}

#[test]
fn a_silent_server_and_a_lost_connection_are_as_good_as_a_refusal() {
    let mut world = two_edges();
    world.command(invite(&name(), "bob"));
    assert_eq!(next(&mut world, &Method::Invite).unwrap().0, FLOW);
    world.pass(seconds(33), |world| {
        world.handle(Input::Pong(FLOW));
        world.handle(Input::Pong(SECOND));
    });
    assert_eq!(next(&mut world, &Method::Invite).unwrap().0, SECOND);

    let mut world = two_edges();
    world.command(invite(&name(), "bob"));
    assert_eq!(next(&mut world, &Method::Invite).unwrap().0, FLOW);
    world.close(FLOW);
    assert_eq!(next(&mut world, &Method::Invite).unwrap().0, SECOND);
    assert!(end(&mut world).is_none());
}

#[test]
fn where_somebody_rang_a_timeout_means_that_nobody_answered() {
    let mut world = two_edges();
    world.command(invite(&name(), "bob"));
    let (_, first) = next(&mut world, &Method::Invite).unwrap();
    let contact = (HeaderName::Contact, "<sip:bob@192.0.2.9>");
    world.say(FLOW, &answer(&first, 180, &[contact]).to_text());
    world.say(FLOW, &answer(&first, 408, &[]).to_text());
    assert!(next(&mut world, &Method::Invite).is_none());
    assert!(end(&mut world).is_some());
}

#[test]
fn a_server_that_sheds_load_is_left_alone_as_long_as_it_asked_and_for_calls_only() {
    let mut world = two_edges();
    world.command(invite(&name(), "bob"));
    let (_, first) = next(&mut world, &Method::Invite).unwrap();
    let lines = [(HeaderName::RetryAfter, "60")];
    world.say(FLOW, &answer(&first, 503, &lines).to_text());
    next(&mut world, &Method::Invite).expect("over the other");
    // The next call does not even try the first.
    let other = CallId::from_wire("another").unwrap();
    world.command(invite(&other, "carol"));
    let (flow, second) = next(&mut world, &Method::Invite).unwrap();
    assert_eq!(flow, SECOND);
    // Both shed load: the user is told when to try again, and no server is asked.
    world.say(SECOND, &answer(&second, 503, &lines).to_text());
    world.take_events();
    world.requests.clear();
    let third = CallId::from_wire("third").unwrap();
    world.command(invite(&third, "dave"));
    assert!(world.requests.is_empty());
    let told = end(&mut world).unwrap();
    assert_eq!(told.by, EndedBy::Local);
    assert!(
        told.detail.contains("overloaded") && told.detail.contains("60 s"),
        "{}",
        told.detail
    );
    let alive = |world: &mut World| {
        world.handle(Input::Pong(FLOW));
        world.handle(Input::Pong(SECOND));
    };
    world.pass(seconds(61), alive);
    world.requests.clear();
    world.command(invite(&CallId::from_wire("fourth").unwrap(), "dave"));
    assert_eq!(next(&mut world, &Method::Invite).unwrap().0, FLOW);
}

#[test]
fn nobody_shuts_us_out_for_days() {
    let (mut world, request) = calling("bob");
    let for_ever = [(HeaderName::RetryAfter, "4294967295")];
    world.answer(&request, 503, &for_ever);
    world.requests.clear();
    world.take_events();
    world.pass(seconds(601), |world| world.handle(Input::Pong(FLOW)));
    world.command(invite(&CallId::from_wire("again").unwrap(), "bob"));
    assert!(next(&mut world, &Method::Invite).is_some());

    let mut world = World::new(config(), 1);
    world.open(FLOW);
    let register = world.request();
    world.answer(&register, 503, &for_ever);
    world.pass(seconds(3601), |world| world.handle(Input::Pong(FLOW)));
    assert!(next(&mut world, &Method::Register).is_some());
}

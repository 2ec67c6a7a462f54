//! What servers and callees answer to an INVITE of ours, in their own order and against it.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::event::{EndedBy, Event};
use offhook_signaling::sip::config::Reliable;
use offhook_signaling::sip::message::outgoing::OutgoingResponse;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::pair::{ANSWER, OFFER, invite};
use crate::world::{FLOW, World, answer, config};

const CONTACT: (HeaderName, &str) = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Registered, and a call to that number is out.
fn calling(to: &str) -> (World, CallId, Request) {
    let mut world = World::registered(config(), 1, 7200);
    let call = CallId::from_wire("a-call").expect("a name");
    world.command(invite(&call, to));
    let request = world.request();
    assert_eq!(request.method, Method::Invite);
    (world, call, request)
}

fn tagged(
    request: &Request,
    status: u16,
    tag: &str,
    headers: &[(HeaderName, &str)],
) -> OutgoingResponse {
    let text = answer(request, status, headers);
    let mut response = text;
    let to = response.content.get(&HeaderName::To).unwrap_or_default();
    let to = to.replace("server-tag", tag);
    response.content.remove(&HeaderName::To);
    response.content.push(&HeaderName::To, to);
    response
}

fn with_sdp(mut response: OutgoingResponse, sdp: &str) -> String {
    response.content.set_body("application/sdp", sdp.to_owned());
    response.to_text()
}

fn ended(world: &mut World) -> Option<(EndedBy, Cause)> {
    let events = world.take_events();
    let ends: Vec<_> = events
        .iter()
        .filter_map(|event| {
            if let Event::Ended { by, cause, .. } = event {
                Some((*by, cause.clone()))
            } else {
                None
            }
        })
        .collect();
    assert!(ends.len() < 2, "{events:?}");
    ends.into_iter().next()
}

#[test]
fn the_invite_says_what_we_can() {
    let (_, _, request) = calling("bob");
    assert_eq!(request.uri.to_string(), "sip:bob@example.com");
    assert_eq!(
        request.ids.from.display_name.as_deref(),
        Some("Alice \"A\"")
    );
    assert_eq!(request.ids.to_tag(), "");
    assert_eq!(request.sdp().as_deref(), Some(OFFER));
    for option in [
        "100rel",
        "timer",
        "replaces",
        "gruu",
        "outbound",
        "norefersub",
        "tdialog",
        "199",
    ] {
        assert!(
            request.headers.lists(&HeaderName::Supported, option),
            "{option}"
        );
    }
    assert_eq!(request.headers.allows(&Method::Update), Some(true));
    assert_eq!(
        request.headers.number(&HeaderName::SessionExpires),
        Some(1800)
    );
    // Some servers do not know what they are asked for, or fall over it; nothing is demanded unless the account does.
    assert!(!request.headers.has(&HeaderName::Require));
    // RFC 6086, 5.2.3: empty, and there.
    assert_eq!(request.headers.other("Recv-Info").as_deref(), Some(""));
    let contact = request.headers.address(&HeaderName::Contact).unwrap();
    assert!(contact.display_name.is_none());
}

#[test]
fn reliable_answers_are_demanded_or_not_spoken_of_as_the_account_says() {
    for (reliable, required, supported) in [
        (Reliable::Required, true, true),
        (Reliable::Never, false, false),
    ] {
        let mut config = config();
        config.reliable = reliable;
        let mut world = World::registered(config, 1, 7200);
        let call = CallId::from_wire("a-call").expect("a name");
        world.command(invite(&call, "bob"));
        let request = world.request();
        let lists = |name| request.headers.lists(name, "100rel");
        assert_eq!(lists(&HeaderName::Require), required, "{reliable:?}");
        assert_eq!(lists(&HeaderName::Supported), supported, "{reliable:?}");
    }
}

#[test]
fn a_call_that_is_too_much_for_a_server_or_not_private_is_not_placed() {
    let mut config = config();
    config.servers = vec!["ws://edge.example.com/sip".to_owned()];
    let mut world = World::registered(config, 2, 7200);
    let call = CallId::from_wire("a-call").unwrap();
    world.command(invite(&call, "sips:bob@other.example"));
    let mut long = invite(&call, "bob");
    if let Command::Invite { sdp, .. } = &mut long {
        sdp.push_str(&"a=x\r\n".repeat(3_000));
    }
    assert!(world.requests.is_empty(), "sent over a way that is read");
    assert_eq!(ended(&mut world).unwrap().0, EndedBy::Local);
    world.command(long);
    assert!(world.requests.is_empty(), "sent though it is too long");
    assert_eq!(ended(&mut world).unwrap().0, EndedBy::Local);
}

#[test]
fn numbers_and_addresses_become_request_uris_and_nothing_else() {
    for (to, uri) in [
        ("+1 (201) 555", "sip:+1201555@example.com"),
        ("030.12 34-56", "sip:030123456@example.com"),
        ("*21 # 7", "sip:*21%237@example.com"),
        ("demo-1", "sip:demo-1@example.com"),
        ("(-)", "sip:(-)@example.com"),
        ("1 201+555", "sip:1%20201+555@example.com"),
        ("bob@other.example", "sip:bob@other.example"),
        ("sips:bob@other.example;x=y", "sips:bob@other.example;x=y"),
        ("tel:+12015550123", "tel:+12015550123"),
    ] {
        let (_, _, request) = calling(to);
        assert_eq!(request.uri.to_string(), uri);
    }
    // A name with a dot is none; the independent reader takes it for a host.
    let mut world = World::registered(config(), 1, 7200);
    world.spares_reader = true;
    let call = CallId::from_wire("a-call").unwrap();
    world.command(invite(&call, "a.b"));
    assert_eq!(world.request().uri.to_string(), "sip:a.b@example.com");
    for bad in ["", "a\r\nX-Evil: 1", "sip:a b@c"] {
        let mut world = World::registered(config(), 2, 7200);
        let call = CallId::from_wire("a-call").unwrap();
        world.command(invite(&call, bad));
        assert!(world.requests.is_empty(), "{bad:?} was sent");
        assert_eq!(ended(&mut world).unwrap().0, EndedBy::Local);
    }
}

#[test]
fn a_header_or_name_of_the_user_cannot_become_another_header() {
    let mut world = World::registered(config(), 3, 7200);
    for headers in [
        vec![("X-A".to_owned(), "1\r\nX-Evil: 2".to_owned())],
        vec![("X A: b\r\nX-Evil".to_owned(), "2".to_owned())],
        vec![("Route".to_owned(), "<sip:evil.example;lr>".to_owned())],
        vec![("authorization".to_owned(), "Digest".to_owned())],
    ] {
        let call = CallId::from_wire("a-call").unwrap();
        let Command::Invite { to, sdp, .. } = invite(&call, "bob") else {
            panic!("an invite");
        };
        world.command(Command::Invite {
            call,
            to,
            sdp,
            caller_name: Some("Al\r\nX-Evil: 1".to_owned()),
            caller_number: None,
            headers,
            client_state: None,
            codecs: Vec::new(),
            user_variables: Vec::new(),
            refer: None,
            replaces: None,
            trickle: None,
        });
        assert!(world.requests.is_empty());
        assert!(ended(&mut world).is_some());
    }
}

#[test]
fn a_challenge_of_a_proxy_is_answered_once_per_realm_and_the_ack_keeps_the_credentials() {
    let (mut world, call, first) = calling("bob");
    let challenge = r#"Digest realm="proxy", nonce="a", qop="auth""#;
    world.answer(&first, 407, &[(HeaderName::ProxyAuthenticate, challenge)]);
    let ack = world.request();
    assert_eq!(ack.method, Method::Ack);
    assert_eq!(ack.ids.via.branch(), first.ids.via.branch());
    assert_eq!(ack.ids.cseq, first.ids.cseq);
    let second = world.request();
    assert_eq!(second.ids.call_id, first.ids.call_id);
    assert_eq!(second.ids.from_tag(), first.ids.from_tag());
    assert_eq!(second.ids.cseq, first.ids.cseq + 1);
    let line = second.headers.get(&HeaderName::ProxyAuthorization).unwrap();
    assert!(line.contains(r#"realm="proxy""#) && line.contains(r#"uri="sip:bob@example.com""#));
    // A second one, behind the proxy.
    let challenge = r#"Digest realm="callee", nonce="b", qop="auth", algorithm=SHA-512-256"#;
    world.answer(&second, 401, &[(HeaderName::WwwAuthenticate, challenge)]);
    world.request();
    let third = world.request();
    assert!(third.headers.has(&HeaderName::ProxyAuthorization));
    assert!(third.headers.has(&HeaderName::Authorization));
    world.say(
        FLOW,
        &with_sdp(tagged(&third, 200, "b", &[CONTACT]), ANSWER),
    );
    let ack = world.request();
    assert_eq!(ack.method, Method::Ack);
    assert!(ack.headers.has(&HeaderName::ProxyAuthorization));
    assert!(ack.headers.has(&HeaderName::Authorization));
    assert_eq!(ack.ids.cseq, third.ids.cseq);
    assert_ne!(ack.ids.via.branch(), third.ids.via.branch());
    assert_eq!(ack.uri.to_string(), "sip:bob@192.0.2.9;transport=ws");
    let answered =
        |event: &Event| matches!(event, Event::Answered { call: known, .. } if *known == call);
    assert!(world.take_events().iter().any(answered));
}

#[test]
fn the_same_nonce_again_means_wrong_credentials() {
    let (mut world, _, first) = calling("bob");
    let challenge = r#"Digest realm="proxy", nonce="a", qop="auth""#;
    world.answer(&first, 407, &[(HeaderName::ProxyAuthenticate, challenge)]);
    world.request();
    let second = world.request();
    world.answer(&second, 407, &[(HeaderName::ProxyAuthenticate, challenge)]);
    assert_eq!(world.request().method, Method::Ack);
    assert!(world.requests.is_empty());
    assert!(ended(&mut world).is_some());
}

#[test]
fn a_small_interval_an_extension_and_a_demand_are_met_once_each() {
    let (mut world, _, first) = calling("bob");
    world.answer(&first, 422, &[(HeaderName::MinSe, "3600")]);
    world.request();
    let second = world.request();
    assert_eq!(
        second.headers.number(&HeaderName::SessionExpires),
        Some(3600)
    );
    assert_eq!(second.headers.number(&HeaderName::MinSe), Some(3600));
    world.answer(&second, 420, &[(HeaderName::Unsupported, "timer, gruu")]);
    world.request();
    let third = world.request();
    assert!(!third.headers.lists(&HeaderName::Supported, "timer"));
    assert!(third.headers.lists(&HeaderName::Supported, "100rel"));
    world.answer(&third, 421, &[(HeaderName::Require, "100rel")]);
    world.request();
    let fourth = world.request();
    assert!(fourth.headers.lists(&HeaderName::Require, "100rel"));
    world.answer(&fourth, 422, &[(HeaderName::MinSe, "7200")]);
    assert_eq!(world.request().method, Method::Ack);
    assert!(world.requests.is_empty(), "once");
    assert!(ended(&mut world).is_some());
}

#[test]
fn redirections_are_followed_by_preference_and_not_in_circles() {
    let (mut world, _, first) = calling("bob");
    let contacts = "<sip:low@example.com>;q=0.1, <sip:high@example.com?X-Via=first>;q=0.9, <sip:bob@example.com>, <tel:+1>";
    world.answer(&first, 302, &[(HeaderName::Contact, contacts)]);
    world.request();
    let second = world.request();
    assert_eq!(second.uri.to_string(), "sip:high@example.com");
    assert_eq!(second.headers.other("X-Via").as_deref(), Some("first"));
    assert_eq!(second.ids.to.uri.to_string(), "sip:bob@example.com");
    world.answer(&second, 404, &[]);
    world.request();
    let third = world.request();
    assert_eq!(third.uri.to_string(), "sip:low@example.com");
    world.answer(
        &third,
        301,
        &[(HeaderName::Contact, "<sip:high@example.com>")],
    );
    world.request();
    assert!(
        world
            .requests
            .iter()
            .all(|(_, request)| request.uri.to_string() != "sip:bob@example.com")
    );
}

#[test]
fn ringing_only_by_180_and_early_media_by_each_fork() {
    let (mut world, call, request) = calling("bob");
    world.answer(&request, 100, &[]);
    let progress = with_sdp(tagged(&request, 183, "one", &[CONTACT]), "early one");
    world.say(FLOW, &progress);
    world.say(FLOW, &progress);
    let early = |fork: &str| Event::EarlyMedia {
        fork: Some(fork.to_owned()),
        call: call.clone(),
        sdp: format!("early {fork}"),
        said: Box::default(),
    };
    let trying = Event::Trying { call: call.clone() };
    assert_eq!(world.take_events(), [trying, early("one")]);
    world.say(FLOW, &tagged(&request, 180, "two", &[CONTACT]).to_text());
    let rings = world.take_events();
    assert!(
        matches!(rings.as_slice(), [Event::Ringing { .. }]),
        "{rings:?}"
    );
    world.say(
        FLOW,
        &with_sdp(tagged(&request, 183, "two", &[CONTACT]), "early two"),
    );
    assert_eq!(world.take_events(), [early("two")]);
    // A fork that gives up makes room for the one that was heard before it, and is no news where it was not heard.
    world.say(FLOW, &tagged(&request, 199, "two", &[]).to_text());
    let told = world.take_events();
    assert!(
        matches!(told.as_slice(), [heard, Event::Progress { status: 199, .. }] if *heard == early("one")),
        "{told:?}"
    );
    world.say(
        FLOW,
        &with_sdp(tagged(&request, 183, "three", &[CONTACT]), "early three"),
    );
    assert_eq!(world.take_events(), [early("three")]);
    // The 200 repeats its own fork's preview; it is told again, since another fork has shown its own in between.
    world.say(
        FLOW,
        &with_sdp(tagged(&request, 200, "one", &[CONTACT]), "early one"),
    );
    let events = world.take_events();
    assert!(
        matches!(
            events.as_slice(),
            [Event::Answered { sdp: Some(sdp), fork: Some(fork), .. }] if sdp == "early one" && fork == "one"
        ),
        "{events:?}"
    );
}

#[test]
fn the_first_fork_that_answers_wins_and_the_others_are_acknowledged_and_ended() {
    let (mut world, _, request) = calling("bob");
    world.say(
        FLOW,
        &with_sdp(tagged(&request, 200, "one", &[CONTACT]), ANSWER),
    );
    assert_eq!(world.request().method, Method::Ack);
    let late = with_sdp(tagged(&request, 200, "two", &[CONTACT]), ANSWER);
    world.say(FLOW, &late);
    let (ack, bye) = (world.request(), world.request());
    assert_eq!((ack.method.clone(), ack.ids.to_tag()), (Method::Ack, "two"));
    assert_eq!((bye.method.clone(), bye.ids.to_tag()), (Method::Bye, "two"));
    assert!(bye.ids.cseq > ack.ids.cseq);
    assert!(ended(&mut world).is_none());
    // A copy of the winner's 200 gets its ACK again, and nothing else.
    world.say(
        FLOW,
        &with_sdp(tagged(&request, 200, "one", &[CONTACT]), ANSWER),
    );
    let again = world.request();
    assert_eq!(
        (again.method.clone(), again.ids.to_tag()),
        (Method::Ack, "one")
    );
    assert!(world.requests.is_empty());
}

#[test]
fn reliable_provisional_answers_are_acknowledged_in_turn() {
    let (mut world, call, request) = calling("bob");
    let reliable = |rseq: &str, sdp: Option<&str>| {
        let headers = [
            CONTACT,
            (HeaderName::Require, "100rel"),
            (HeaderName::RSeq, rseq),
        ];
        let response = tagged(&request, 183, "one", &headers);
        match sdp {
            Some(sdp) => with_sdp(response, sdp),
            None => response.to_text(),
        }
    };
    world.say(FLOW, &reliable("7", Some("the answer")));
    let prack = world.request();
    assert_eq!(prack.method, Method::Prack);
    assert_eq!(
        prack.headers.get(&HeaderName::RAck).as_deref(),
        Some("7 1 INVITE")
    );
    assert_eq!(prack.ids.cseq, 2);
    assert_eq!(world.take_events().len(), 1);
    // A copy, and one that is out of turn: nothing.
    world.say(FLOW, &reliable("7", Some("the answer")));
    world.say(FLOW, &reliable("9", Some("another")));
    assert!(world.requests.is_empty() && world.take_events().is_empty());
    world.say(FLOW, &reliable("8", None));
    assert_eq!(
        world.request().headers.get(&HeaderName::RAck).as_deref(),
        Some("8 1 INVITE")
    );
    // After a reliable answer the description of the 200 does not count (RFC 6337, 3.1.1).
    world.say(
        FLOW,
        &with_sdp(tagged(&request, 200, "one", &[CONTACT]), "something else"),
    );
    let events = world.take_events();
    let [
        Event::Answered {
            call: known,
            sdp: Some(_),
            ..
        },
    ] = events.as_slice()
    else {
        panic!("{events:?}");
    };
    assert_eq!(*known, call);
    // BYE counts on from the PRACKs.
    assert_eq!(world.request().method, Method::Ack);
    world.command(crate::pair::bye(&call));
    assert_eq!(world.request().ids.cseq, 4);
}

#[test]
fn routes_of_the_answer_are_kept_in_reverse_and_the_contact_is_never_resolved() {
    let (mut world, call, request) = calling("bob");
    let routes = (
        HeaderName::RecordRoute,
        "<sip:edge.example;lr;token=a>, <sip:core.example;lr>",
    );
    let contact = (HeaderName::Contact, "<sip:x@y.invalid;transport=ws;ob>");
    world.say(
        FLOW,
        &with_sdp(tagged(&request, 200, "one", &[contact, routes]), ANSWER),
    );
    world.request();
    world.command(crate::pair::bye(&call));
    let bye = world.request();
    assert_eq!(bye.uri.to_string(), "sip:x@y.invalid;transport=ws;ob");
    let route: Vec<_> = bye.headers.all(&HeaderName::Route).collect();
    assert_eq!(
        route,
        ["<sip:core.example;lr>", "<sip:edge.example;lr;token=a>"]
    );
}

/// A call to bob that he is to describe.
fn offerless(call: &CallId) -> Command {
    let Command::Invite { to, headers, .. } = invite(call, "bob") else {
        panic!("an invite");
    };
    Command::Invite {
        call: call.clone(),
        to,
        sdp: String::new(),
        caller_name: None,
        caller_number: None,
        headers,
        client_state: None,
        codecs: Vec::new(),
        user_variables: Vec::new(),
        refer: None,
        replaces: None,
        trickle: None,
    }
}

/// RFC 3261, 22.1: whether our user answers the offer or hangs up.
#[test]
fn the_ack_of_an_offer_has_the_credentials_of_its_invite() {
    for hangs_up in [false, true] {
        let mut world = World::registered(config(), 4, 7200);
        let call = CallId::from_wire("a-call").unwrap();
        world.command(offerless(&call));
        let first = world.request();
        let challenge = r#"Digest realm="proxy", nonce="a", qop="auth""#;
        world.answer(&first, 407, &[(HeaderName::ProxyAuthenticate, challenge)]);
        assert_eq!(world.request().method, Method::Ack);
        let second = world.request();
        let offer = with_sdp(tagged(&second, 200, "one", &[CONTACT]), "their offer");
        world.say(FLOW, &offer);
        world.command(if hangs_up {
            crate::pair::bye(&call)
        } else {
            Command::Attach {
                call,
                sdp: "our answer".to_owned(),
            }
        });
        let ack = world.request();
        assert_eq!(
            (ack.method.clone(), ack.ids.cseq),
            (Method::Ack, second.ids.cseq)
        );
        let credentials = |request: &Request| request.headers.get(&HeaderName::ProxyAuthorization);
        assert!(credentials(&ack).is_some());
        assert_eq!(credentials(&ack), credentials(&second));
        // A copy of that answer gets it again.
        world.requests.clear();
        world.say(FLOW, &offer);
        assert_eq!(credentials(&world.request()), credentials(&second));
    }
}

/// RFC 3261, 9.1: a proxy that does not know what it requires may not refuse a CANCEL for it.
#[test]
fn a_cancel_requires_nothing_that_its_invite_did() {
    let mut config = config();
    config.reliable = Reliable::Required;
    let mut world = World::registered(config, 1, 7200);
    let call = CallId::from_wire("a-call").expect("a name");
    world.command(invite(&call, "bob"));
    let request = world.request();
    assert!(request.headers.has(&HeaderName::Require));
    world.answer(&request, 180, &[CONTACT]);
    world.command(crate::pair::bye(&call));
    let cancel = world.request();
    assert_eq!(cancel.method, Method::Cancel);
    for name in [HeaderName::Require, HeaderName::ProxyRequire] {
        assert!(!cancel.headers.has(&name), "{name:?}");
    }
}

/// RFC 3261, 8.1.3.3: it was to go on to somebody behind us, and there is nobody.
#[test]
fn an_answer_with_another_via_is_not_ours() {
    let (mut world, _, request) = calling("bob");
    let answered = |second: &str| {
        let text = tagged(&request, 486, "one", &[]).to_text();
        text.replacen("\r\nFrom:", &format!("{second}\r\nFrom:"), 1)
    };
    for second in [
        "\r\nVia: SIP/2.0/WS other.invalid;branch=z9hG4bKother",
        ", SIP/2.0/WS other.invalid;branch=z9hG4bKother",
    ] {
        world.say(FLOW, &answered(second));
        assert!(world.requests.is_empty() && ended(&mut world).is_none());
    }
    world.say(FLOW, &answered(""));
    assert_eq!(world.request().method, Method::Ack);
    assert!(ended(&mut world).is_some());
}

#[test]
fn an_offer_in_the_answer_is_answered_in_the_ack() {
    let mut world = World::registered(config(), 4, 7200);
    let call = CallId::from_wire("a-call").unwrap();
    world.command(offerless(&call));
    let request = world.request();
    assert!(request.body.is_empty());
    world.say(
        FLOW,
        &with_sdp(tagged(&request, 200, "one", &[CONTACT]), "their offer"),
    );
    assert!(world.requests.is_empty(), "no ACK before the answer");
    let offer = Event::Offer {
        call: call.clone(),
        sdp: Some("their offer".to_owned()),
    };
    assert!(world.take_events().contains(&offer));
    world.command(Command::Attach {
        call,
        sdp: "our answer".to_owned(),
    });
    let ack = world.request();
    assert_eq!(
        (ack.method.clone(), ack.sdp().as_deref()),
        (Method::Ack, Some("our answer"))
    );
}

#[test]
fn refusals_tell_who_and_why() {
    for (status, headers, by, cause) in [
        (486, vec![], EndedBy::Remote, Cause::USER_BUSY),
        (603, vec![], EndedBy::Remote, Cause::CALL_REJECTED),
        (
            480,
            vec![(HeaderName::Reason, "Q.850;cause=19")],
            EndedBy::Remote,
            Cause::NO_ANSWER,
        ),
        (503, vec![], EndedBy::Server, Cause::from_sip(503).unwrap()),
    ] {
        let (mut world, _, request) = calling("bob");
        world.answer(&request, status, &headers);
        assert_eq!(ended(&mut world), Some((by, cause)), "{status}");
    }
}

#[test]
fn a_silent_server_is_given_32_seconds_and_a_ringing_one_three_minutes() {
    let (mut world, _, _) = calling("bob");
    world.pass(seconds(31), |world| world.handle(pong()));
    assert!(ended(&mut world).is_none());
    world.pass(seconds(2), |world| world.handle(pong()));
    assert_eq!(ended(&mut world).unwrap().0, EndedBy::Timeout);

    let (mut world, _, request) = calling("bob");
    world.answer(&request, 180, &[CONTACT]);
    world.pass(seconds(179), |world| world.handle(pong()));
    assert!(ended(&mut world).is_none());
    world.pass(seconds(2), |world| world.handle(pong()));
    assert_eq!(
        ended(&mut world).unwrap(),
        (EndedBy::Timeout, Cause::NO_ANSWER)
    );
    let cancel = world.request();
    assert_eq!(cancel.method, Method::Cancel);
    assert_eq!(cancel.ids.via.branch(), request.ids.via.branch());
    assert_eq!(
        (cancel.ids.cseq, cancel.ids.to_tag()),
        (request.ids.cseq, "")
    );
}

fn pong() -> offhook_signaling::sip::session::contract::Input<'static> {
    offhook_signaling::sip::session::contract::Input::Pong(FLOW)
}

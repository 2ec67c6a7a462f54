//! How long the user agent waits, whatever the world says: numbers without measure, servers that are full, connections that end in
//! order, refreshes that are refused, and the last word when one is still out.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::session::{CloseReason, ConnectFailure};
use offhook_signaling::sip::config::{Config, Push};
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::pair::{ANSWER, invite};
use crate::subscribing::{ask, listening, notify, status_of};
use crate::world::{FLOW, World, answer, config};

const HUGE: &str = "18446744073709551615";
const CONTACT: (HeaderName, &str) = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn alive(world: &mut World) {
    world.handle(Input::Pong(FLOW));
    world.say(FLOW, "\r\n");
}

/// Seconds until the next request, which is of that method; the server answers pings and keep-alives.
fn wait_for(world: &mut World, method: &Method, most: u64) -> (f64, Request) {
    let begun = world.seconds();
    for _ in 0..=most {
        if let Some((_, request)) = world.requests.first() {
            assert_eq!(request.method, *method);
            let waited = world.seconds() - begun;
            return (waited, world.request());
        }
        world.pass(seconds(1), alive);
    }
    panic!("no {method} within {most} s");
}

/// Seconds until the next attempt to connect.
fn wait_to_connect(world: &mut World, most: u64) -> f64 {
    let begun = world.seconds();
    let connects = |world: &World| {
        let connects = |doing: &&String| doing.starts_with("connect");
        world.doings.iter().filter(connects).count()
    };
    for _ in 0..most * 10 {
        if connects(world) > 0 {
            world.doings.clear();
            return world.seconds() - begun;
        }
        world.pass(Duration::from_millis(100), |_| ());
    }
    panic!("no attempt within {most} s");
}

fn full(retry_after: u64) -> ConnectFailure {
    ConnectFailure {
        stage: "upgrade".to_owned(),
        text: "503".to_owned(),
        remedy: None,
        retry_after: Some(seconds(retry_after)),
    }
}

fn closed(code: u16) -> CloseReason {
    CloseReason {
        code: Some(code),
        text: String::new(),
    }
}

#[test]
fn a_registration_for_ever_is_renewed_every_day() {
    // By the Contact, and by Expires where the Contact says nothing.
    for of_contact in [true, false] {
        let mut world = World::new(config(), 1);
        world.open(FLOW);
        let register = world.request();
        let timer = (HeaderName::FlowTimer, HUGE);
        let mut response = answer(&register, 200, &[timer, (HeaderName::Expires, HUGE)]);
        let contact = register.headers.get(&HeaderName::Contact).unwrap();
        let contact = contact.split(";expires=").next().unwrap();
        let contact = if of_contact {
            format!("{contact};expires={HUGE}")
        } else {
            contact.to_owned()
        };
        response.content.push(&HeaderName::Contact, contact);
        let text = response.to_text();
        let kept = text.replacen(";keep", &format!(";keep={HUGE}"), 1);
        assert_ne!(text, kept, "a Via that names keep");
        world.say(FLOW, &kept);
        assert!(world.take_events().contains(&Event::Ready));
        let (waited, _) = wait_for(&mut world, &Method::Register, 90_000);
        assert!((69_000.0..=77_801.0).contains(&waited), "{waited}");
    }
}

#[test]
fn a_registrar_that_wants_to_be_left_alone_for_ever_is_asked_within_the_hour() {
    for name in [HeaderName::RetryAfter, HeaderName::MinExpires] {
        let mut world = World::new(config(), 1);
        world.open(FLOW);
        let mut register = world.request();
        if name == HeaderName::MinExpires {
            world.answer(&register, 423, &[(name, HUGE)]);
            register = world.request();
            world.grant(&register, u32::MAX, &[]);
            wait_for(&mut world, &Method::Register, 90_000);
            continue;
        }
        for _ in 0..3 {
            world.answer(&register, 503, &[(name.clone(), HUGE)]);
            let (waited, again) = wait_for(&mut world, &Method::Register, 4000);
            assert!((3599.0..=3601.0).contains(&waited), "{waited}");
            register = again;
        }
    }
}

#[test]
fn calls_whose_session_lasts_for_ever_go_on() {
    let mut world = World::registered(config(), 1, 7200);
    let call = CallId::from_wire("a-call").unwrap();
    world.command(invite(&call, "bob"));
    let request = world.request();
    world.answer(&request, 422, &[(HeaderName::MinSe, HUGE)]);
    assert_eq!(world.request().method, Method::Ack);
    let request = world.request();
    let session = format!("{};refresher=uac", u32::MAX);
    let lines = [CONTACT, (HeaderName::SessionExpires, session.as_str())];
    let mut response = answer(&request, 200, &lines);
    response
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(FLOW, &response.to_text());
    assert_eq!(world.request().method, Method::Ack);
    world.pass(seconds(3600), alive);
    let over = |event: &Event| matches!(event, Event::Ended { .. });
    assert!(!world.take_events().iter().any(over));
}

#[test]
fn a_subscription_or_presence_that_is_put_off_for_ever_is_asked_for_within_the_day() {
    let channel = "presence:bob";
    // Refused; granted for ever, by 423 and by NOTIFY; ended.
    let mut world = World::registered(config(), 1, 1_000_000);
    let request = ask(&mut world, channel);
    world.answer(&request, 503, &[(HeaderName::RetryAfter, HUGE)]);
    day(&mut world, &Method::Subscribe);

    let mut world = World::registered(config(), 1, 1_000_000);
    let request = ask(&mut world, channel);
    world.answer(&request, 423, &[(HeaderName::MinExpires, HUGE)]);
    let request = world.request();
    world.answer(&request, 200, &[(HeaderName::Expires, HUGE), CONTACT]);
    let state = format!("active;expires={HUGE}");
    let text = notify(&request, "server-tag", 1, &state, "", "");
    assert_eq!(status_of(&mut world, &text), 200);
    let refresh = day(&mut world, &Method::Subscribe);
    world.answer(&refresh, 500, &[(HeaderName::RetryAfter, HUGE)]);
    day(&mut world, &Method::Subscribe);

    let (mut world, request) = listening(channel, "3600", "", "");
    let state = format!("terminated;reason=probation;retry-after={HUGE}");
    let text = notify(&request, "server-tag", 2, &state, "", "");
    assert_eq!(status_of(&mut world, &text), 200);
    day(&mut world, &Method::Subscribe);

    let mut world = World::registered(config(), 1, 1_000_000);
    world.command(Command::Publish {
        open: true,
        note: None,
    });
    let publish = world.request();
    world.answer(&publish, 503, &[(HeaderName::RetryAfter, HUGE)]);
    let publish = day(&mut world, &Method::Publish);
    world.answer(&publish, 423, &[(HeaderName::MinExpires, HUGE)]);
    let publish = day(&mut world, &Method::Publish);
    let lines = [(HeaderName::SipETag, "e1"), (HeaderName::Expires, HUGE)];
    world.answer(&publish, 200, &lines);
    day(&mut world, &Method::Publish);
}

/// The next request of that method, within a day and a bit; the registrar has its refreshes.
fn day(world: &mut World, method: &Method) -> Request {
    for _ in 0..90_000 / 20 {
        while let Some((_, request)) = world.requests.first() {
            if request.method == *method {
                return world.request();
            }
            assert_eq!(request.method, Method::Register);
            let register = world.request();
            world.grant(&register, 1_000_000, &[]);
        }
        world.pass(seconds(20), alive);
    }
    panic!("no {method} within a day");
}

#[test]
fn a_server_that_is_full_at_the_upgrade_is_left_alone_as_long_as_it_asks() {
    for registers in [true, false] {
        let config = Config {
            registers,
            ..config()
        };
        let mut world = World::new(config, 2);
        world.doings.clear();
        world.handle(Input::Failed(FLOW, full(300)));
        let told = world.take_events();
        let named = |event: &Event| matches!(event, Event::Disconnected { retry_in: Some(pause), .. } if *pause == seconds(300));
        assert!(told.iter().any(named), "{told:?}");
        let waited = wait_to_connect(&mut world, 400);
        assert!((299.9..=300.2).contains(&waited), "{waited}");
        // What is less than the back-off does not shorten it, and what is out of all measure is an hour.
        world.handle(Input::Failed(FLOW, full(1)));
        let waited = wait_to_connect(&mut world, 400);
        assert!((60.0..=120.2).contains(&waited), "{waited}");
        world.handle(Input::Failed(FLOW, full(u64::MAX)));
        let waited = wait_to_connect(&mut world, 4000);
        assert!((3599.9..=3600.2).contains(&waited), "{waited}");
    }
}

#[test]
fn a_connection_that_ends_in_order_is_made_again_at_once() {
    for registers in [true, false] {
        let config = Config {
            registers,
            ..config()
        };
        let mut world = World::new(config, 3);
        let register = |world: &mut World| {
            world.open(FLOW);
            if registers {
                let register = world.request();
                world.grant(&register, 7200, &[]);
            }
            assert!(world.take_events().contains(&Event::Ready));
            world.doings.clear();
        };
        register(&mut world);
        world.pass(seconds(60), alive);
        world.doings.clear();
        world.handle(Input::Closed(FLOW, closed(1000)));
        assert_eq!(world.doings, ["connect flow 1"], "at once");
        // It does so again and again: then it has its pauses, which are not all the same.
        let mut pauses = Vec::new();
        for _ in 0..20 {
            register(&mut world);
            world.pass(seconds(2), alive);
            world.doings.clear();
            world.handle(Input::Closed(FLOW, closed(1000)));
            pauses.push(wait_to_connect(&mut world, 6));
        }
        let long = pauses.iter().filter(|pause| **pause > 1.0).count();
        assert!(long >= 10, "{pauses:?}");
        // Whatever may have hit a thousand others too is no order: going away, abnormal, restart, none.
        for code in [Some(1001), Some(1006), Some(1012), None] {
            let mut pauses = Vec::new();
            for _ in 0..8 {
                register(&mut world);
                world.pass(seconds(60), alive);
                world.doings.clear();
                let reason = code.map(closed).unwrap_or_default();
                world.handle(Input::Closed(FLOW, reason));
                pauses.push(wait_to_connect(&mut world, 6));
            }
            let long = pauses.iter().filter(|pause| **pause > 0.2).count();
            assert!(long >= 6, "{code:?}: {pauses:?}");
        }
    }
}

/// A call to bob is up that we refresh every 45 s.
fn refreshing() -> World {
    let short = Config {
        session_expires: Some(seconds(90)),
        ..config()
    };
    let mut world = World::registered(short, 1, 1_000_000);
    let call = CallId::from_wire("a-call").expect("a name");
    world.command(invite(&call, "bob"));
    let request = world.request();
    let lines = [
        CONTACT,
        (HeaderName::Allow, "INVITE, ACK, BYE, UPDATE"),
        (HeaderName::SessionExpires, "90;refresher=uac"),
    ];
    let mut response = answer(&request, 200, &lines);
    response
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    world.say(FLOW, &response.to_text());
    assert_eq!(world.request().method, Method::Ack);
    world.take_events();
    world
}

fn over(world: &mut World) -> bool {
    let over = |event: &Event| matches!(event, Event::Ended { .. });
    world.take_events().iter().any(over)
}

#[test]
fn a_refresh_that_is_refused_is_tried_again_before_the_session_ends() {
    for (status, lines) in [
        (500, None),
        (503, None),
        (403, None),
        (488, None),
        (603, None),
        (503, Some((HeaderName::RetryAfter, "15"))),
    ] {
        let mut world = refreshing();
        let (_, update) = wait_for(&mut world, &Method::Update, 46);
        world.answer(&update, status, lines.as_slice());
        // Half of what is left, or what is asked for.
        let (waited, again) = wait_for(&mut world, &Method::Update, 40);
        let wanted = if lines.is_some() { 15.0 } else { 22.5 };
        assert!(
            (wanted..=wanted + 1.0).contains(&waited),
            "{status}: {waited}"
        );
        let session = (HeaderName::SessionExpires, "90;refresher=uac");
        world.answer(&again, 200, &[session]);
        // As if nothing had been.
        let (waited, _) = wait_for(&mut world, &Method::Update, 46);
        assert!((44.0..=46.0).contains(&waited), "{status}: {waited}");
        assert!(!over(&mut world), "{status}");
    }
}

#[test]
fn refreshes_that_are_all_refused_end_with_the_session() {
    let mut world = refreshing();
    let mut refreshes = 0;
    let mut refuse = |world: &mut World| {
        while world
            .requests
            .first()
            .is_some_and(|(_, it)| it.method == Method::Update)
        {
            let update = world.request();
            refreshes += 1;
            world.answer(&update, 503, &[]);
        }
        alive(world);
    };
    world.pass(seconds(89), &mut refuse);
    assert!(!over(&mut world));
    world.pass(seconds(2), &mut refuse);
    assert!(over(&mut world));
    assert_eq!(world.request().method, Method::Bye);
    // After 45 s, then half of what was left, and 10 s at least.
    assert_eq!(refreshes, 4);
    // One that the far side does not know any more is over at once.
    let mut world = refreshing();
    let (_, update) = wait_for(&mut world, &Method::Update, 46);
    world.answer(&update, 481, &[]);
    assert!(over(&mut world));
}

#[test]
fn a_register_that_is_out_when_the_user_leaves_has_its_answer_taken_back() {
    let stopped = |world: &mut World| world.take_events().contains(&Event::Stopped);
    let gone = "disconnect flow 1".to_owned();
    // Granted, after all.
    let mut world = World::new(config(), 1);
    world.open(FLOW);
    let register = world.request();
    world.command(Command::Shutdown);
    assert!(!world.doings.contains(&gone) && world.requests.is_empty());
    world.grant(&register, 600, &[]);
    let last = world.request();
    assert_eq!(last.headers.number(&HeaderName::Expires), Some(0));
    assert_eq!(last.ids.cseq, register.ids.cseq + 1);
    assert!(!world.doings.contains(&gone));
    world.answer(&last, 200, &[]);
    assert!(stopped(&mut world) && world.doings.contains(&gone));

    // A refresh is out, and is challenged: what is said anew is the last word already.
    let mut world = World::registered(config(), 1, 60);
    world.pass(seconds(30), alive);
    let refresh = world.request();
    world.command(Command::Shutdown);
    let challenge = r#"Digest realm="example.com", nonce="n", qop="auth""#;
    world.answer(&refresh, 401, &[(HeaderName::WwwAuthenticate, challenge)]);
    let last = world.request();
    assert_eq!(last.headers.number(&HeaderName::Expires), Some(0));
    assert!(last.headers.has(&HeaderName::Authorization));
    world.answer(&last, 200, &[]);
    assert!(stopped(&mut world));

    // A refresh is refused, which takes nothing away.
    let mut world = World::registered(config(), 1, 60);
    world.pass(seconds(30), alive);
    let refresh = world.request();
    world.command(Command::Shutdown);
    world.answer(&refresh, 503, &[(HeaderName::RetryAfter, "60")]);
    let last = world.request();
    assert_eq!(last.headers.number(&HeaderName::Expires), Some(0));
    world.answer(&last, 503, &[]);
    assert!(stopped(&mut world));

    // There was nothing, and there is nothing; the connection goes; nobody answers.
    for end in 0..3 {
        let mut world = World::new(config(), 1);
        world.open(FLOW);
        let register = world.request();
        world.command(Command::Shutdown);
        match end {
            0 => world.answer(&register, 503, &[]),
            1 => world.close(FLOW),
            _ => world.pass(seconds(2), |_| ()),
        }
        assert!(world.requests.is_empty() && stopped(&mut world), "{end}");
    }
}

#[test]
fn keep_alives_by_configuration_need_no_registration() {
    let config = |crlf_keep_alive| Config {
        registers: false,
        crlf_keep_alive,
        ..config()
    };
    let mut world = World::new(config(true), 1);
    world.open(FLOW);
    let mut at = Vec::new();
    let begun = world.seconds();
    world.pass(seconds(400), |world| {
        if world.texts.iter().any(|(_, text)| text == "\r\n\r\n") {
            at.push(world.seconds() - begun);
            world.texts.clear();
        }
        alive(world);
    });
    assert!((3..=4).contains(&at.len()), "{at:?}");
    assert!((95.0..=120.0).contains(&at[0]), "{at:?}");
    // Its missing answer counts.
    world.doings.clear();
    world.pass(seconds(140), |world| world.handle(Input::Pong(FLOW)));
    assert!(world.doings.contains(&"disconnect flow 1".to_owned()));
    // Nobody asked for them: none.
    let mut world = World::new(config(false), 1);
    world.open(FLOW);
    world.pass(seconds(400), |world| world.handle(Input::Pong(FLOW)));
    assert!(world.texts.is_empty(), "{:?}", world.texts);
}

/// Two edges, registered at both.
fn two_flows() -> World {
    let mut two = config();
    two.servers.push("wss://second.example.com/sip".to_owned());
    let mut world = World::new(two, 1);
    for flow in [FLOW, FlowId(1)] {
        world.open(flow);
        let register = world.request();
        world.grant_on(flow, &register, 7200, &[]);
    }
    world.take_events();
    world
}

fn text(to: &str) -> Command {
    Command::Message {
        id: 7,
        call: None,
        to: to.to_owned(),
        body: "hello".to_owned(),
    }
}

#[test]
fn a_text_that_one_edge_does_not_take_goes_by_the_other_once() {
    let failed = |event: &Event| matches!(event, Event::MessageFailed { .. });
    for (status, lines) in [
        (503, Some((HeaderName::RetryAfter, "60"))),
        (408, None),
        (504, None),
    ] {
        let mut world = two_flows();
        world.command(text("bob"));
        let (flow, first) = world.requests.remove(0);
        assert_eq!((flow, &first.method), (FLOW, &Method::Message));
        world.say(flow, &answer(&first, status, lines.as_slice()).to_text());
        let (flow, second) = world.requests.remove(0);
        assert_eq!(flow, FlowId(1), "{status}");
        assert_eq!(second.ids.call_id, first.ids.call_id);
        assert_eq!(second.ids.cseq, first.ids.cseq + 1);
        assert_eq!(second.ids.from_tag(), first.ids.from_tag());
        assert!(!world.take_events().iter().any(failed));
        // No third one.
        world.say(flow, &answer(&second, status, lines.as_slice()).to_text());
        assert!(world.requests.is_empty(), "{:?}", world.requests);
        assert!(world.take_events().iter().any(failed), "{status}");
    }
    // While the first edge wants none, the next text does not ask it; without another, the refusal stands.
    let mut world = two_flows();
    world.command(text("bob"));
    let (_, first) = world.requests.remove(0);
    let busy = [(HeaderName::RetryAfter, "60")];
    world.say(FLOW, &answer(&first, 503, &busy).to_text());
    world.requests.clear();
    world.command(text("carol"));
    assert_eq!(world.requests.remove(0).0, FlowId(1));
    let mut world = World::registered(config(), 1, 7200);
    world.command(text("bob"));
    let first = world.request();
    world.answer(&first, 503, &busy);
    assert!(world.requests.is_empty() && world.take_events().iter().any(failed));
}

#[test]
fn a_text_or_subscription_is_redirected_once() {
    let there = (
        HeaderName::Contact,
        "<mailto:bob@example.com>, <sip:b2@example.com>;q=0.5, <sip:b1@example.com?Subject=x>;q=0.9",
    );
    for subscribes in [true, false] {
        let mut world = World::registered(config(), 1, 7200);
        let first = if subscribes {
            ask(&mut world, "presence:bob")
        } else {
            world.command(text("bob"));
            world.request()
        };
        world.answer(&first, 302, std::slice::from_ref(&there));
        let second = world.request();
        assert_eq!(second.method, first.method);
        assert_eq!(second.uri.to_string(), "sip:b1@example.com");
        assert_eq!(second.ids.to.uri.to_string(), first.ids.to.uri.to_string());
        assert_eq!(second.ids.cseq, first.ids.cseq + 1);
        world.answer(&second, 302, std::slice::from_ref(&there));
        assert!(world.requests.is_empty(), "{:?}", world.requests);
        // An address that is none of SIP is not followed.
        let mut world = World::registered(config(), 1, 7200);
        let first = if subscribes {
            ask(&mut world, "presence:bob")
        } else {
            world.command(text("bob"));
            world.request()
        };
        world.answer(&first, 302, &[(HeaderName::Contact, "<mailto:b@x>")]);
        assert!(world.requests.is_empty(), "{:?}", world.requests);
    }
}

#[test]
fn other_devices_and_push_are_told_when_they_change() {
    let with_push = Config {
        push: Some(Push {
            provider: "fcm".to_owned(),
            prid: "device".to_owned(),
            param: None,
        }),
        feature_tags: vec![("+sip.pnsreg".to_owned(), None)],
        ..config()
    };
    let mut world = World::new(with_push, 1);
    world.open(FLOW);
    let mut told = Vec::new();
    let phone = "<sip:alice@192.0.2.8>;expires=9";
    let desk = "<sip:alice@192.0.2.9>;expires=9";
    let push = "*;+sip.pns=\"fcm\"";
    for (others, push) in [
        ("", None),
        (phone, Some(push)),
        (phone, Some(push)),
        (&format!("{phone}, {desk}"), Some(push)),
        ("", None),
    ] {
        let register = world.request();
        let contact = register.headers.get(&HeaderName::Contact).unwrap();
        assert!(contact.contains(";+sip.pnsreg"), "{contact}");
        let caps = push.map(|push| (HeaderName::FeatureCaps, push));
        let mut response = answer(&register, 200, caps.as_slice());
        if !others.is_empty() {
            response.content.push(&HeaderName::Contact, others);
        }
        response.content.push(&HeaderName::Contact, contact);
        response.content.push(&HeaderName::Expires, "60");
        world.say(
            FLOW,
            &response.to_text().replace("expires=600", "expires=60"),
        );
        for event in world.take_events() {
            if let Event::Registered {
                server,
                others,
                push,
            } = event
            {
                assert_eq!(server, "wss://edge.example.com/sip");
                told.push((others.join(" "), push));
            }
        }
        world.pass(seconds(30), alive);
    }
    assert_eq!(
        told,
        [
            ("sip:alice@192.0.2.8".to_owned(), true),
            ("sip:alice@192.0.2.8 sip:alice@192.0.2.9".to_owned(), true),
            (String::new(), false),
        ]
    );
}

#[test]
fn the_name_and_password_of_the_account_are_for_the_socket_too() {
    let mut named = config();
    named.auth_user = Some("phone7".to_owned());
    let world = World::new(named, 1);
    let login = world.socket_login.expect("a login");
    assert_eq!(login.user, "phone7");
    assert_eq!(login.password.expose(), "secret of alice");
    assert!(!format!("{login:?}").contains("secret of"), "{login:?}");
    let world = World::new(config(), 1);
    assert_eq!(world.socket_login.expect("a login").user, "alice");
}

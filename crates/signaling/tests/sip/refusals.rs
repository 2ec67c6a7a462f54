//! Refusals of registrations and of requests within a call: which end it, which are tried again, which change nothing.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each story looks for a few events among many"
)]

use offhook_signaling::command::Command;
use offhook_signaling::event::{DisconnectCause, Event};
use offhook_signaling::sip::config::{Config, Push};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::answers::{Lines, calling, end, name, next, seconds};
use crate::pair::{ANSWER, bye, invite};
use crate::world::{FLOW, World, answer, config};

/// What becomes of a registration.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Told as a refused login; the first pause is that of refused logins.
    Refused,
    /// Told, and tried again by the back-off or by what the server says, on the same connection.
    Later(u64),
    /// Another connection is tried.
    NewFlow,
}

#[rustfmt::skip] // one row a line
const REGISTER: &[(u16, Lines, Fate)] = &[
    (300, &[(HeaderName::Contact, "<sip:other.example>")], Fate::Later(60)),
    (302, &[(HeaderName::Contact, "<sip:other.example>")], Fate::Later(60)),
    (380, &[], Fate::Later(60)),
    (400, &[], Fate::Refused),
    (403, &[], Fate::Refused),
    (404, &[], Fate::Refused),
    (404, &[(HeaderName::RetryAfter, "70")], Fate::Later(70)),
    (405, &[], Fate::Refused),
    (406, &[], Fate::Refused),
    (408, &[], Fate::NewFlow),
    (410, &[], Fate::Refused),
    (413, &[(HeaderName::RetryAfter, "70")], Fate::Later(70)),
    (414, &[], Fate::Refused),
    (415, &[], Fate::Refused),
    (423, &[], Fate::Refused),
    (430, &[], Fate::Refused),
    (480, &[(HeaderName::RetryAfter, "70")], Fate::Later(70)),
    (482, &[], Fate::Refused),
    (483, &[], Fate::Refused),
    (484, &[], Fate::Refused),
    (485, &[], Fate::Refused),
    (486, &[], Fate::Later(60)),
    (488, &[], Fate::Refused),
    (489, &[], Fate::Refused),
    (491, &[], Fate::Later(60)),
    (493, &[], Fate::Refused),
    (494, &[], Fate::Refused),
    (499, &[], Fate::Refused),
    (500, &[], Fate::Later(60)),
    (500, &[(HeaderName::RetryAfter, "70")], Fate::Later(70)),
    (501, &[], Fate::Later(60)),
    (503, &[], Fate::Later(60)),
    (503, &[(HeaderName::RetryAfter, "70")], Fate::Later(70)),
    (504, &[], Fate::NewFlow),
    (513, &[], Fate::Later(60)),
    (555, &[], Fate::Later(60)),
    (580, &[], Fate::Later(60)),
    (600, &[(HeaderName::RetryAfter, "70")], Fate::Later(70)),
    (603, &[(HeaderName::RetryAfter, "70")], Fate::Later(70)),
    (604, &[], Fate::Refused),
    (606, &[], Fate::Refused),
    (607, &[], Fate::Refused),
    (699, &[], Fate::Later(60)),
];

#[test]
fn a_registrar_that_says_no_is_asked_again_when_that_makes_sense() {
    for (status, lines, fate) in REGISTER {
        let mut world = World::new(config(), 1);
        world.open(FLOW);
        let register = world.request();
        world.doings.clear();
        world.answer(&register, *status, lines);
        assert!(world.requests.is_empty(), "{status} is tried again at once");
        let told = world.take_events();
        let login_failed = told
            .iter()
            .any(|event| matches!(event, Event::LoginFailed(_)));
        let failed = told.iter().any(|event| matches!(event, Event::Failed(_)));
        let (cause, pause) = told
            .iter()
            .find_map(|event| match event {
                Event::Disconnected { cause, retry_in } => Some((cause, *retry_in)),
                _ => None,
            })
            .unwrap_or_else(|| panic!("{status}: nothing was told"));
        match fate {
            Fate::Refused => {
                assert!(login_failed, "{status}");
                assert_eq!(*cause, DisconnectCause::LoginRefused, "{status}");
                assert_eq!(pause, Some(seconds(900)), "{status}");
            }
            Fate::Later(most) => {
                assert!(failed && !login_failed, "{status}");
                assert_eq!(*cause, DisconnectCause::NotRegistered, "{status}");
                let pause = pause.unwrap();
                // The back-off's first window, or exactly what the server asked for.
                let least = if *most == 70 { 70 } else { 30 };
                assert!(
                    (seconds(least)..=seconds(*most)).contains(&pause),
                    "{status}: {pause:?}"
                );
                world.pass(seconds(*most) + seconds(1), |world| {
                    world.handle(Input::Pong(FLOW))
                });
                assert!(next(&mut world, &Method::Register).is_some(), "{status}");
            }
            Fate::NewFlow => {
                assert!(
                    world.doings.contains(&"disconnect flow 1".to_owned()),
                    "{status}"
                );
                assert!(matches!(cause, DisconnectCause::Silent(_)), "{status}");
            }
        }
    }
}

#[test]
fn a_registration_that_holds_outlives_a_registrar_in_trouble() {
    for status in [500, 503, 600] {
        let mut world = World::registered(config(), 1, 600);
        world.pass(seconds(545), |world| world.handle(Input::Pong(FLOW)));
        let (_, refresh) = next(&mut world, &Method::Register).unwrap();
        world.answer(&refresh, status, &[]);
        let told = world.take_events();
        let gone = |event: &Event| matches!(event, Event::Disconnected { .. });
        assert!(!told.iter().any(gone), "{status}: {told:?}");
        world.command(invite(&name(), "bob"));
        assert!(next(&mut world, &Method::Invite).is_some(), "{status}");
    }
}

#[test]
fn a_registrar_may_move_within_its_domain_demand_what_we_have_and_know_no_push() {
    let push = Push {
        provider: "fcm".to_owned(),
        prid: "device".to_owned(),
        param: None,
    };
    let config = Config {
        push: Some(push),
        ..config()
    };
    let mut world = World::new(config, 1);
    world.open(FLOW);
    let first = world.request();
    let contact = (HeaderName::Contact, "<sip:reg2.example.com;transport=ws>");
    world.answer(&first, 302, &[contact]);
    let second = world.request();
    assert_eq!(second.uri.to_string(), "sip:reg2.example.com;transport=ws");
    assert_eq!(second.ids.to.uri.to_string(), "sip:alice@example.com");
    world.answer(&second, 421, &[(HeaderName::Require, "path")]);
    let third = world.request();
    assert!(third.headers.lists(&HeaderName::Require, "path"));
    let has_push = |request: &Request| {
        let contact = request.headers.address(&HeaderName::Contact).unwrap();
        contact.uri.param("pn-prid").is_some()
    };
    assert!(has_push(&third));
    world.answer(&third, 555, &[]);
    let fourth = world.request();
    assert!(!has_push(&fourth));
    world.grant(&fourth, 600, &[]);
    assert!(world.take_events().contains(&Event::Ready));
}

/// A call to bob is up; the far side knows UPDATE or does not.
fn talking(update: bool) -> World {
    let (mut world, request) = calling("bob");
    let allow = if update {
        "INVITE, ACK, BYE, UPDATE, INFO"
    } else {
        "INVITE, ACK, BYE, INFO"
    };
    let lines = [
        (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>"),
        (HeaderName::Allow, allow),
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

fn offer(world: &mut World) -> Request {
    world.command(Command::UpdateMedia {
        call: name(),
        sdp: "v=0 new".to_owned(),
    });
    next(world, &Method::Invite).expect("an offer").1
}

#[test]
fn a_refused_offer_ends_the_call_only_where_the_code_says_that_there_is_none() {
    // RFC 5057, 5.1.
    let fatal = [
        404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 501, 502, 604,
    ];
    let alive = [
        400, 402, 403, 406, 413, 415, 420, 421, 423, 429, 430, 486, 487, 488, 489, 493, 494, 500,
        503, 504, 505, 513, 580, 600, 603, 606,
    ];
    for (status, ends) in fatal
        .map(|status| (status, true))
        .into_iter()
        .chain(alive.map(|status| (status, false)))
    {
        let mut world = talking(false);
        let reinvite = offer(&mut world);
        world.answer(&reinvite, status, &[]);
        assert_eq!(world.request().method, Method::Ack, "{status}");
        let bye_sent = next(&mut world, &Method::Bye).is_some();
        assert_eq!(bye_sent, ends, "{status}");
        let told = world.take_events();
        let over = told
            .iter()
            .any(|event| matches!(event, Event::Ended { .. }));
        assert_eq!(over, ends, "{status}");
        if !ends {
            let failed = |event: &Event| matches!(event, Event::MediaUpdateFailed { .. });
            assert!(told.iter().any(failed), "{status}: {told:?}");
            // And the next one may be taken.
            offer(&mut world);
        }
    }
}

/// As silence to it does.
#[test]
fn a_refused_digit_or_text_ends_the_call_only_where_the_code_says_that_there_is_none() {
    let digit = Command::Dtmf {
        call: name(),
        digits: "1".to_owned(),
    };
    let text = Command::Message {
        id: 7,
        call: Some(name()),
        to: String::new(),
        body: "hello".to_owned(),
    };
    for (command, method) in [(digit, Method::Info), (text, Method::Message)] {
        let fatal = [404, 408, 481].map(|status| (status, true));
        let alive = [403, 405, 415, 500, 501, 603].map(|status| (status, false));
        for (status, ends) in fatal.into_iter().chain(alive) {
            let mut world = talking(false);
            world.command(command.clone());
            let (_, request) = next(&mut world, &method).unwrap();
            world.answer(&request, status, &[]);
            assert_eq!(end(&mut world).is_some(), ends, "{method} {status}");
        }
    }
}

#[test]
fn an_offer_that_came_at_a_bad_time_is_made_again_and_not_for_ever() {
    for (status, lines) in [
        (491, vec![]),
        (500, vec![(HeaderName::RetryAfter, "4294967295")]),
    ] {
        let mut world = talking(false);
        let mut reinvite = offer(&mut world);
        let mut tries = 1;
        loop {
            world.answer(&reinvite, status, &lines);
            world.pass(seconds(33), |world| world.handle(Input::Pong(FLOW)));
            let Some((_, again)) = next(&mut world, &Method::Invite) else {
                break;
            };
            assert_eq!(again.sdp().as_deref(), Some("v=0 new"));
            reinvite = again;
            tries += 1;
        }
        assert_eq!(tries, 6, "{status}");
        assert!(end(&mut world).is_none(), "the call goes on");
        // And the next one has as many.
        let another = offer(&mut world);
        world.answer(&another, status, &lines);
        world.pass(seconds(33), |world| world.handle(Input::Pong(FLOW)));
        assert!(next(&mut world, &Method::Invite).is_some(), "{status}");
    }
}

#[test]
fn a_bye_is_the_end_whatever_is_said_to_it() {
    for status in [200, 403, 404, 408, 481, 500, 503, 603] {
        let mut world = talking(false);
        world.command(bye(&name()));
        let (_, goodbye) = next(&mut world, &Method::Bye).unwrap();
        assert!(end(&mut world).is_some());
        world.answer(&goodbye, status, &[]);
        world.pass(seconds(40), |world| world.handle(Input::Pong(FLOW)));
        assert!(next(&mut world, &Method::Bye).is_none(), "{status}");
    }
}

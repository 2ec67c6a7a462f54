//! One call in another's place: pick-up of what rings elsewhere, and calls of ours that others take (RFC 3891).

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::{Command, ReplacesDialog};
use offhook_signaling::event::{EndedBy, Event};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::called::{Script, answer_to, responses, ringing, statuses, talking};
use crate::pair::{answer, invite};
use crate::world::{FLOW, World, config};

fn name() -> ReplacesDialog {
    ReplacesDialog {
        call_id: "12@there".to_owned(),
        to_tag: "caller".to_owned(),
        from_tag: "ringing".to_owned(),
        early_only: true,
    }
}

fn pick_up(call: &CallId, replaces: ReplacesDialog) -> Command {
    let Command::Invite {
        call,
        sdp,
        caller_name,
        caller_number,
        headers,
        client_state,
        codecs,
        user_variables,
        refer,
        ..
    } = invite(call, "alice")
    else {
        panic!("an invite");
    };
    Command::Invite {
        call,
        to: "sip:carol@example.com".to_owned(),
        sdp,
        caller_name,
        caller_number,
        headers,
        client_state,
        codecs,
        user_variables,
        refer,
        replaces: Some(Box::new(replaces)),
        trickle: None,
    }
}

#[test]
fn what_rings_elsewhere_is_picked_up_by_its_names() {
    let mut world = World::registered(config(), 1, 7200);
    let call = CallId::from_wire("pick-up").unwrap();
    world.command(pick_up(&call, name()));
    let out = world.request();
    assert_eq!(out.uri.to_string(), "sip:carol@example.com");
    assert_eq!(
        out.headers.get(&HeaderName::Replaces).as_deref(),
        Some("12@there;to-tag=caller;from-tag=ringing;early-only")
    );
    assert!(out.headers.lists(&HeaderName::Require, "replaces"));
    // A far side that cannot do it would only ring once more: the call is over.
    world.answer(&out, 420, &[(HeaderName::Unsupported, "replaces")]);
    assert_eq!(world.request().method, Method::Ack);
    assert!(world.requests.is_empty());
    assert!(
        world
            .take_events()
            .iter()
            .any(|event| matches!(event, Event::Ended { .. }))
    );
    // Names that would become something else are not sent.
    for bad in [
        ReplacesDialog {
            call_id: "a;b".to_owned(),
            ..name()
        },
        ReplacesDialog {
            to_tag: "a\r\nX-Evil: 1".to_owned(),
            ..name()
        },
        ReplacesDialog {
            from_tag: String::new(),
            ..name()
        },
    ] {
        world.command(pick_up(&call, bad));
        assert!(world.requests.is_empty());
        assert!(matches!(
            &world.take_events()[..],
            [Event::Ended {
                by: EndedBy::Local,
                ..
            }]
        ));
    }
}

/// Our call to bob rings there; the INVITE of it.
fn calling() -> (World, CallId, Request) {
    let mut world = World::registered(config(), 1, 7200);
    let call = CallId::from_wire("to-bob").expect("a name");
    world.command(invite(&call, "bob"));
    let out = world.request();
    let contact = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");
    world.answer(&out, 180, &[contact]);
    world.take_events();
    world.texts.clear();
    (world, call, out)
}

/// Who is called may take the call from another of its telephones, or send somebody: that is answered unasked. Anybody else who
/// knows the names rings, and has the call when our user says so (RFC 3891, 3).
#[test]
fn a_call_of_ours_that_rings_is_answered_by_who_picks_it_up() {
    for (from, by, unasked) in [
        ("sip:bob@example.com", None, true),
        ("sip:carol@example.com", Some("sip:bob@example.com"), true),
        ("sip:carol@example.com", None, false),
        (
            "sip:carol@example.com",
            Some("sip:carol@example.com"),
            false,
        ),
    ] {
        let (mut world, call, out) = calling();
        let names = format!(
            "Replaces: {};to-tag={};from-tag=server-tag;early-only",
            out.ids.call_id,
            out.ids.from_tag()
        );
        let mut script = Script {
            from,
            ..Script::invite().header(&names)
        };
        if let Some(by) = by {
            script = script.header(&format!("Referred-By: <{by}>"));
        }
        world.say(FLOW, &script.text());
        assert_eq!(statuses(&mut world), [180]);
        let events = world.take_events();
        let [
            Event::Incoming {
                call: new,
                replaces,
                ..
            },
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!(replaces.as_ref(), unasked.then_some(&call), "{from} {by:?}");
        assert!(world.requests.is_empty(), "it rings there still");
        world.command(answer(new));
        assert_eq!(responses(&mut world)[0].status, 200);
        assert_eq!(world.request().method, Method::Cancel);
        let ended =
            |event: &Event| matches!(event, Event::Ended { call: known, .. } if *known == call);
        assert!(world.take_events().iter().any(ended));
    }
}

#[test]
fn what_was_answered_meanwhile_is_not_picked_up_any_more() {
    let (mut world, call, out) = calling();
    let names = format!(
        "Replaces: {};to-tag={};from-tag=server-tag",
        out.ids.call_id,
        out.ids.from_tag()
    );
    world.say(FLOW, &Script::invite().header(&names).text());
    let events = world.take_events();
    let [Event::Incoming { call: new, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    let contact = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");
    let mut accepted = crate::world::answer(&out, 200, &[contact]);
    accepted
        .content
        .set_body("application/sdp", crate::pair::ANSWER.to_owned());
    world.say(FLOW, &accepted.to_text());
    assert_eq!(world.request().method, Method::Ack);
    world.texts.clear();
    world.command(answer(new));
    assert_eq!(responses(&mut world)[0].status, 200);
    assert!(world.requests.is_empty(), "bob is still there");
    let ended = |event: &Event| matches!(event, Event::Ended { .. });
    assert!(!world.take_events().iter().any(ended));
    world.command(crate::pair::bye(&call));
    assert_eq!(world.request().method, Method::Bye);
}

/// A request of no dialog.
fn fresh(method: &'static str, number: u32) -> Script {
    Script {
        branch: format!("z9hG4bKfresh{number}"),
        call_id: Box::leak(format!("fresh-{number}").into_boxed_str()),
        from_tag: "fresh",
        ..Script::new(method)
    }
}

/// The names of carol's call, whose tag of ours is that one.
fn names_of(tag: &str) -> String {
    format!("Replaces: call-of-carol;to-tag={tag};from-tag=carols")
}

/// Who is sent by the far side of a call and does not say so, as some do, has it when our user takes the new one.
#[test]
fn a_call_that_is_up_is_taken_over_by_whom_our_user_lets() {
    for (by, unasked) in [
        (None, false),
        (Some("sip:mallory@example.com"), false),
        (Some("sip:carol@example.com:5061"), false),
        (Some("sip:carol@EXAMPLE.com:5060;transport=ws"), true),
    ] {
        let (mut world, first, tag) = talking();
        let mut script = Script {
            from: "sip:dave@example.com",
            ..fresh("INVITE", 1)
        }
        .header(&names_of(&tag));
        if let Some(by) = by {
            script = script.header(&format!("Referred-By: <{by}>"));
        }
        assert_eq!(answer_to(&mut world, &script).status, 180);
        let events = world.take_events();
        let [
            Event::Incoming {
                call,
                replaces,
                said,
                ..
            },
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!(replaces.as_ref(), unasked.then_some(&first), "{by:?}");
        let told = said.headers.iter().any(|(name, _)| name == "Replaces");
        assert_eq!(told, !unasked, "our user knows what it is asked");
        assert!(world.requests.is_empty());
        world.command(answer(call));
        assert_eq!(responses(&mut world)[0].status, 200);
        assert_eq!(world.request().method, Method::Bye);
        let ended =
            |event: &Event| matches!(event, Event::Ended { call: known, .. } if *known == first);
        assert!(world.take_events().iter().any(ended));
    }
}

#[test]
fn what_has_ended_is_declined_and_what_rings_here_is_nobodys_to_take() {
    for by_us in [false, true] {
        let (mut world, call, tag) = talking();
        if by_us {
            world.command(crate::pair::bye(&call));
            let goodbye = world.request();
            world.answer(&goodbye, 200, &[]);
        } else {
            let goodbye = Script::new("BYE").within(&tag, 2);
            assert_eq!(answer_to(&mut world, &goodbye).status, 200);
        }
        world.take_events();
        let late = fresh("INVITE", 1).header(&names_of(&tag));
        assert_eq!(answer_to(&mut world, &late).status, 603);
        world.pass(std::time::Duration::from_secs(33), |_| ());
        let later = fresh("INVITE", 2).header(&names_of(&tag));
        assert_eq!(answer_to(&mut world, &later).status, 481);
        assert!(world.take_events().is_empty());
    }
    let (mut world, _, tag) = ringing(&Script::invite());
    let rings = fresh("INVITE", 3).header(&names_of(&tag));
    assert_eq!(answer_to(&mut world, &rings).status, 481);
    assert!(world.take_events().is_empty());
}

#[test]
fn what_cannot_be_taken_over_is_refused() {
    let (mut world, _, tag) = talking();
    let line = names_of(&tag);
    for (number, (script, status)) in (1..).zip([
        (fresh("MESSAGE", 1).header(&line), 400),
        (fresh("OPTIONS", 2).header(&line), 400),
        (fresh("INVITE", 3).header(&line).header(&line), 400),
        (
            fresh("INVITE", 4).header(&format!("{line};to-tag=again")),
            400,
        ),
        (fresh("INVITE", 5).header("Replaces: x;to-tag=1"), 400),
        (
            fresh("INVITE", 6).header("Replaces: call-of-carol;to-tag=guess;from-tag=carols"),
            481,
        ),
    ]) {
        assert_eq!(answer_to(&mut world, &script).status, status, "{number}");
    }
    assert!(world.take_events().is_empty());
}

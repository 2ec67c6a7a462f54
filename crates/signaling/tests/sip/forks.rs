//! Calls that ring at several places: what one early dialog does is its own affair (RFC 3261, 12.1.2 and 13.2.2.4).

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::event::{EndedBy, Event};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::called::ends;
use crate::pair::{ANSWER, bye, invite};
use crate::world::{FLOW, World, answer, config};

const CONTACT: (HeaderName, &str) = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn name() -> CallId {
    CallId::from_wire("a-call").expect("a name")
}

fn calling() -> (World, Request) {
    let mut world = World::registered(config(), 1, 7200);
    world.command(invite(&name(), "bob"));
    let sent = world.request();
    (world, sent)
}

/// That fork's word about our INVITE, with a description.
fn says(world: &mut World, sent: &Request, status: u16, tag: &str, lines: &[(HeaderName, &str)]) {
    let mut all = vec![CONTACT];
    all.extend_from_slice(lines);
    let mut response = answer(sent, status, &all);
    let sdp = if status == 200 {
        ANSWER.to_owned()
    } else {
        format!("early {tag}")
    };
    response.content.set_body("application/sdp", sdp);
    let text = response.to_text().replace("server-tag", tag);
    world.say(FLOW, &text);
}

/// That fork rings reliably; our PRACK.
fn rings_reliably(world: &mut World, sent: &Request, tag: &str) -> Request {
    let lines = [(HeaderName::Require, "100rel"), (HeaderName::RSeq, "1")];
    says(world, sent, 183, tag, &lines);
    let prack = world.request();
    assert_eq!(
        (prack.method.clone(), prack.ids.to_tag()),
        (Method::Prack, tag)
    );
    prack
}

/// The PRACK was for somebody who is not there any more, or says nothing.
fn in_vain(world: &mut World, prack: &Request, silently: bool) {
    if silently {
        world.pass(seconds(33), |world| world.handle(Input::Pong(FLOW)));
    } else {
        world.answer(prack, 481, &[]);
    }
}

fn goes_on(world: &mut World) {
    assert!(ends(world).is_empty());
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    world.command(bye(&name()));
    let goodbye = world.request();
    assert_eq!(
        (goodbye.method.clone(), goodbye.ids.to_tag()),
        (Method::Bye, "b")
    );
}

#[test]
fn a_fork_that_lost_the_call_cannot_end_it_by_its_prack() {
    for silently in [false, true] {
        let (mut world, sent) = calling();
        let prack = rings_reliably(&mut world, &sent, "a");
        says(&mut world, &sent, 200, "b", &[]);
        assert_eq!(world.request().method, Method::Ack);
        in_vain(&mut world, &prack, silently);
        goes_on(&mut world);
    }
}

#[test]
fn a_fork_that_is_gone_before_the_answer_leaves_the_call_to_the_others() {
    for silently in [false, true] {
        let (mut world, sent) = calling();
        says(&mut world, &sent, 183, "b", &[]);
        let prack = rings_reliably(&mut world, &sent, "a");
        world.take_events();
        in_vain(&mut world, &prack, silently);
        // Whose early media was heard before is heard again.
        let told = world.take_events();
        let heard = |event: &Event| matches!(event, Event::EarlyMedia { fork: Some(fork), .. } if fork == "b");
        assert!(
            matches!(told.as_slice(), [event] if heard(event)),
            "{told:?}"
        );
        says(&mut world, &sent, 200, "b", &[]);
        assert_eq!(world.request().method, Method::Ack);
        goes_on(&mut world);
    }
}

#[test]
fn the_last_fork_takes_the_call_with_it() {
    for silently in [false, true] {
        let (mut world, sent) = calling();
        let prack = rings_reliably(&mut world, &sent, "a");
        in_vain(&mut world, &prack, silently);
        let by = if silently {
            EndedBy::Timeout
        } else {
            EndedBy::Server
        };
        assert_eq!(ends(&mut world)[0].0, by);
        assert_eq!(world.request().method, Method::Cancel);
    }
}

#[test]
fn who_answered_meanwhile_need_not_know_its_ringing_any_more() {
    let (mut world, sent) = calling();
    let prack = rings_reliably(&mut world, &sent, "b");
    says(&mut world, &sent, 200, "b", &[]);
    world.request();
    in_vain(&mut world, &prack, false);
    goes_on(&mut world);
}

#[test]
fn an_answer_whose_route_cannot_be_read_is_acknowledged_and_ended_and_tells_why() {
    let (mut world, sent) = calling();
    let route = "<sip:edge.example;lr>";
    let lines = [
        (HeaderName::RecordRoute, route),
        (HeaderName::RecordRoute, "no route at all <"),
    ];
    says(&mut world, &sent, 200, "b", &lines);
    let (ack, goodbye) = (world.request(), world.request());
    assert_eq!(
        (ack.method.clone(), ack.ids.cseq),
        (Method::Ack, sent.ids.cseq)
    );
    assert_eq!(goodbye.method, Method::Bye);
    // It goes by what can be read.
    assert_eq!(
        goodbye.headers.get(&HeaderName::Route).as_deref(),
        Some(route)
    );
    assert_eq!(
        ends(&mut world),
        [(EndedBy::Server, Cause::PROTOCOL_ERROR, false)]
    );
    world.answer(&goodbye, 200, &[]);
    // A copy of it gets its ACK again; a further fork's goes the same way.
    says(&mut world, &sent, 200, "b", &lines);
    assert_eq!(world.request().method, Method::Ack);
    says(&mut world, &sent, 200, "c", &lines);
    assert_eq!(world.request().method, Method::Ack);
    assert_eq!(world.request().method, Method::Bye);
}

/// RFC 6228, 4: a 199 is acknowledged as any other that comes reliably, in the dialog that ends with it.
#[test]
fn the_end_of_a_fork_that_comes_reliably_has_its_prack() {
    for known in [true, false] {
        let (mut world, sent) = calling();
        let mut last = sent.ids.cseq;
        if known {
            let prack = rings_reliably(&mut world, &sent, "a");
            last = prack.ids.cseq;
            world.answer(&prack, 200, &[]);
        }
        let rseq = if known { "2" } else { "1" };
        let lines = [(HeaderName::Require, "100rel"), (HeaderName::RSeq, rseq)];
        says(&mut world, &sent, 199, "a", &lines);
        let prack = world.request();
        assert_eq!(
            (prack.method.clone(), prack.ids.to_tag()),
            (Method::Prack, "a")
        );
        assert_eq!(prack.ids.cseq, last + 1);
        let acknowledged = prack.headers.get(&HeaderName::RAck);
        assert_eq!(acknowledged, Some(format!("{rseq} 1 INVITE")));
        // A copy that crossed it needs no other, and the call rings on elsewhere.
        says(&mut world, &sent, 199, "a", &lines);
        assert!(world.requests.is_empty());
        // One that went down with its connection does.
        world.close(FLOW);
        crate::astray::reconnected(&mut world);
        world.requests.clear();
        says(&mut world, &sent, 199, "a", &lines);
        let again = world.requests.iter().map(|(_, request)| request);
        let again: Vec<_> = again.map(|request| request.method.clone()).collect();
        let lost = ends(&mut world);
        assert!(lost.is_empty() || again.is_empty(), "{again:?}");
        if lost.is_empty() {
            assert_eq!(again, [Method::Prack]);
        }
    }
}

#[test]
fn a_fork_that_has_ended_leaves_the_call_to_the_next() {
    let (mut world, sent) = calling();
    let prack = rings_reliably(&mut world, &sent, "a");
    world.answer(&prack, 200, &[]);
    let lines = [(HeaderName::Require, "100rel"), (HeaderName::RSeq, "2")];
    says(&mut world, &sent, 199, "a", &lines);
    let prack = world.request();
    // That it is not known there any more ends nothing.
    world.answer(&prack, 481, &[]);
    says(&mut world, &sent, 200, "b", &[]);
    assert_eq!(world.request().method, Method::Ack);
    world.take_events();
    goes_on(&mut world);
}

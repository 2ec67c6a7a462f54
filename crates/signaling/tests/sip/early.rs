//! Offers and updates before the answer: in reliable provisional answers, and by UPDATE in early dialogs (RFC 3262, 3311).

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::called::{Script, answer_to, responses, ringing};
use crate::pair::{bye, invite};
use crate::world::{FLOW, World, answer, config};

const CONTACT: (HeaderName, &str) = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");
const THEIRS: &str = "v=0 their offer";
const OURS: &str = "v=0 our answer";

fn name() -> CallId {
    CallId::from_wire("a-call").expect("a name")
}

/// A call without an offer of ours is out, and a reliable 183 brought theirs.
fn offered() -> (World, Request) {
    let mut world = World::registered(config(), 1, 7200);
    let mut call = invite(&name(), "bob");
    if let Command::Invite { sdp, .. } = &mut call {
        sdp.clear();
    }
    world.command(call);
    let request = world.request();
    let lines = [
        CONTACT,
        (HeaderName::Require, "100rel"),
        (HeaderName::RSeq, "4"),
    ];
    let mut progress = answer(&request, 183, &lines);
    progress
        .content
        .set_body("application/sdp", THEIRS.to_owned());
    world.say(FLOW, &progress.to_text());
    assert!(world.requests.is_empty(), "no PRACK without the answer");
    let told = world.take_events();
    let offer = Event::Offer {
        call: name(),
        sdp: Some(THEIRS.to_owned()),
    };
    assert!(told.contains(&offer), "{told:?}");
    // A copy of it changes nothing.
    world.say(FLOW, &progress.to_text());
    assert!(world.take_events().is_empty() && world.requests.is_empty());
    (world, request)
}

fn attach() -> Command {
    Command::Attach {
        call: name(),
        sdp: OURS.to_owned(),
    }
}

fn accept(world: &mut World, request: &Request) -> Request {
    let text = answer(request, 200, &[CONTACT]).to_text();
    world.say(FLOW, &text);
    let ack = world.request();
    assert_eq!(ack.method, Method::Ack);
    ack
}

#[test]
fn an_offer_in_a_provisional_answer_is_answered_in_its_prack() {
    let (mut world, request) = offered();
    world.command(attach());
    let prack = world.request();
    assert_eq!(prack.method, Method::Prack);
    assert_eq!(
        prack.headers.get(&HeaderName::RAck).as_deref(),
        Some("4 1 INVITE")
    );
    assert_eq!(prack.sdp().as_deref(), Some(OURS));
    world.answer(&prack, 200, &[]);
    // That was all of offer and answer: the 200 needs none, and neither does its ACK.
    let ack = accept(&mut world, &request);
    assert!(ack.body.is_empty());
    let told = world.take_events();
    let complete = |event: &Event| matches!(event, Event::Answered { sdp: None, .. });
    assert!(told.iter().any(complete), "{told:?}");
    let again = |event: &Event| matches!(event, Event::Offer { .. });
    assert!(!told.iter().any(again), "{told:?}");
    // A refresh of the session repeats what we said last.
    world.command(bye(&name()));
    assert_eq!(world.request().method, Method::Bye);
}

#[test]
fn an_offer_that_nobody_here_answers_ends_the_call() {
    let (mut world, _) = offered();
    world.pass(Duration::from_secs(11), |world| {
        world.handle(Input::Pong(FLOW))
    });
    let ended = |event: &Event| matches!(event, Event::Ended { .. });
    assert!(world.take_events().iter().any(ended));
    assert_eq!(world.request().method, Method::Cancel);

    let (mut world, _) = offered();
    world.command(Command::RefuseOffer {
        call: name(),
        status: 488,
    });
    assert!(world.take_events().iter().any(ended));
    assert_eq!(world.request().method, Method::Cancel);
}

#[test]
fn an_answer_that_overtakes_our_user_is_acknowledged_with_it() {
    let (mut world, request) = offered();
    world.say(FLOW, &answer(&request, 200, &[CONTACT]).to_text());
    assert!(world.requests.is_empty(), "the ACK waits");
    world.command(attach());
    let ack = world.request();
    assert_eq!(
        (ack.method.clone(), ack.sdp().as_deref()),
        (Method::Ack, Some(OURS))
    );
}

#[test]
fn without_an_offer_that_waits_there_is_nothing_to_answer() {
    let mut world = World::registered(config(), 1, 7200);
    world.command(invite(&name(), "bob"));
    world.request();
    for command in [
        attach(),
        Command::RefuseOffer {
            call: name(),
            status: 488,
        },
    ] {
        world.command(command);
        let told = world.take_events();
        assert!(
            matches!(told.as_slice(), [Event::CommandFailed { .. }]),
            "{told:?}"
        );
    }
    assert!(world.requests.is_empty());
}

#[test]
fn an_update_before_the_answer_moves_the_target_and_an_offer_in_it_waits() {
    let (mut world, call, tag) = ringing(&Script::invite());
    let mut update = Script::new("UPDATE").within(&tag, 2);
    update.headers = vec!["Contact: <sip:carol@192.0.2.77;transport=ws>".to_owned()];
    assert_eq!(answer_to(&mut world, &update).status, 200);
    let offer = Script {
        body: Some(("application/sdp", "v=0 early")),
        ..Script::new("UPDATE")
    };
    let refused = answer_to(&mut world, &offer.within(&tag, 3));
    assert_eq!(refused.status, 500);
    assert!(refused.headers.has(&HeaderName::RetryAfter));
    assert!(world.take_events().is_empty(), "it rings on");
    // Our next request goes to the new target.
    world.command(crate::pair::answer(&call));
    world.texts.clear();
    world.say(FLOW, &Script::new("ACK").within(&tag, 1).text());
    world.command(bye(&call));
    let goodbye = world.request();
    assert_eq!(goodbye.uri.to_string(), "sip:carol@192.0.2.77;transport=ws");
}

#[test]
fn an_update_of_the_callee_before_its_answer_is_taken_and_a_strangers_is_not() {
    let mut world = World::registered(config(), 1, 7200);
    world.command(invite(&name(), "bob"));
    let request = world.request();
    world.say(FLOW, &answer(&request, 180, &[CONTACT]).to_text());
    world.take_events();
    let mut update = Script::new("UPDATE").within(request.ids.from_tag(), 1);
    update.from = "sip:bob@example.com";
    update.call_id = Box::leak(request.ids.call_id.clone().into_boxed_str());
    update.from_tag = "server-tag";
    assert_eq!(answer_to(&mut world, &update).status, 200);
    let mut forged = Script::new("UPDATE").within(request.ids.from_tag(), 2);
    forged.call_id = update.call_id;
    forged.from_tag = "mallory";
    assert_eq!(answer_to(&mut world, &forged).status, 481);
    assert!(world.take_events().is_empty());
}

/// Our INVITE holds an offer: until its answer is there another one meets it (RFC 3311, 5.2).
#[test]
fn an_offer_of_the_callee_before_its_answer_meets_ours() {
    let mut world = World::registered(config(), 1, 7200);
    world.command(invite(&name(), "bob"));
    let request = world.request();
    world.say(FLOW, &answer(&request, 180, &[CONTACT]).to_text());
    world.take_events();
    let offer = |cseq: u32, from_tag| Script {
        from: "sip:bob@example.com",
        call_id: Box::leak(request.ids.call_id.clone().into_boxed_str()),
        from_tag,
        body: Some(("application/sdp", THEIRS)),
        ..Script::new("UPDATE").within(request.ids.from_tag(), cseq)
    };
    assert_eq!(answer_to(&mut world, &offer(1, "server-tag")).status, 491);
    assert_eq!(answer_to(&mut world, &offer(2, "mallory")).status, 481);
    assert!(world.take_events().is_empty());
}

/// The first reliable answer to an INVITE without an offer holds one (RFC 3262, 5), and this user makes none before it takes the call.
#[test]
fn a_caller_that_wants_an_offer_reliably_hears_100_until_it_is_there() {
    let script = Script::new("INVITE").header("Require: 100rel");
    let mut world = crate::called::idle();
    world.say(FLOW, &script.text());
    let first = responses(&mut world);
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].status, first[0].ids.to_tag()), (100, ""));
    let told = world.take_events();
    let [
        Event::Incoming {
            call, sdp: None, ..
        },
        Event::Offer { sdp: None, .. },
    ] = told.as_slice()
    else {
        panic!("{told:?}");
    };
    world.command(Command::RefuseOffer {
        call: call.clone(),
        status: 488,
    });
    world.pass(Duration::from_secs(100), |world| {
        world.handle(Input::Pong(FLOW))
    });
    assert!(world.take_events().is_empty(), "no PRACK is missed");
    world.command(crate::pair::answer(call));
    let all = responses(&mut world);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!((all[0].status, all[0].sdp().is_some()), (200, true));
    let tag = all[0].ids.to_tag().to_owned();
    let ack = Script {
        body: Some(("application/sdp", THEIRS)),
        ..Script::new("ACK")
    };
    world.say(FLOW, &ack.within(&tag, 1).text());
    let told = world.take_events();
    assert!(
        told.contains(&Event::Confirmed { call: call.clone() }),
        "{told:?}"
    );
}

#[test]
fn a_call_that_rang_reliably_is_confirmed_by_the_ack_of_its_invite() {
    let (mut world, call, tag) = ringing(&Script::invite().header("Require: 100rel"));
    let rseq = {
        world.pass(Duration::from_millis(600), |_| ());
        let copies = responses(&mut world);
        copies[0].headers.number(&HeaderName::RSeq).unwrap()
    };
    // PRACK has a number of its own, and the ACK that of the INVITE.
    let rack = format!("RAck: {rseq} 1 INVITE");
    let prack = Script::new("PRACK").within(&tag, 2).header(&rack);
    assert_eq!(answer_to(&mut world, &prack).status, 200);
    world.command(crate::pair::answer(&call));
    world.take_events();
    world.say(FLOW, &Script::new("ACK").within(&tag, 1).text());
    assert_eq!(
        world.take_events(),
        [Event::Confirmed { call: call.clone() }]
    );
    world.texts.clear();
    world.pass(Duration::from_secs(40), |world| {
        world.handle(Input::Pong(FLOW))
    });
    assert!(world.texts.is_empty(), "nothing is said again");
    world.command(bye(&call));
    assert_eq!(world.request().method, Method::Bye);
}

/// A call with an offer of ours is out, and a reliable 183 brought the answer; what their next UPDATE would be.
fn answered_early() -> (World, Request) {
    let mut world = World::registered(config(), 1, 7200);
    world.command(invite(&name(), "bob"));
    let request = world.request();
    progress(&mut world, &request, "server-tag");
    world.take_events();
    (world, request)
}

/// That fork answers early and reliably.
fn progress(world: &mut World, request: &Request, tag: &str) {
    let lines = [
        CONTACT,
        (HeaderName::Require, "100rel"),
        (HeaderName::RSeq, "4"),
    ];
    let mut progress = answer(request, 183, &lines);
    progress
        .content
        .set_body("application/sdp", format!("v=0 answer of {tag}"));
    world.say(FLOW, &progress.to_text().replace("server-tag", tag));
    let prack = world.request();
    world.say(FLOW, &answer(&prack, 200, &[]).to_text());
}

fn update(request: &Request, cseq: u32) -> Script {
    Script {
        from: "sip:bob@example.com",
        call_id: Box::leak(request.ids.call_id.clone().into_boxed_str()),
        from_tag: "server-tag",
        body: Some(("application/sdp", THEIRS)),
        ..Script::new("UPDATE").within(request.ids.from_tag(), cseq)
    }
}

/// Shows it to our user, who does not answer yet.
fn asks(world: &mut World, request: &Request, cseq: u32) {
    world.say(FLOW, &update(request, cseq).text());
    let offer = Event::Offer {
        call: name(),
        sdp: Some(THEIRS.to_owned()),
    };
    assert_eq!(world.take_events(), [offer]);
    assert_eq!(responses(world).len(), 0);
}

/// The callee's answer, with what it said early.
fn answers(world: &mut World, request: &Request) -> Vec<Event> {
    let mut accepted = answer(request, 200, &[CONTACT]);
    accepted
        .content
        .set_body("application/sdp", "v=0 answer of server-tag".to_owned());
    world.say(FLOW, &accepted.to_text());
    let ack = world.request();
    assert_eq!((ack.method.clone(), ack.sdp()), (Method::Ack, None));
    world.take_events()
}

/// What the UPDATE agreed on stands: the 200's copy of the first answer is no answer to anything.
fn is_answered_without_sdp(told: &[Event]) {
    let answered = |event: &Event| matches!(event, Event::Answered { sdp: None, .. });
    assert!(told.iter().any(answered), "{told:?}");
}

#[test]
fn after_a_reliable_answer_the_callee_may_offer_before_it_answers() {
    let (mut world, request) = answered_early();
    asks(&mut world, &request, 1);
    // One at a time.
    assert_eq!(answer_to(&mut world, &update(&request, 2)).status, 500);
    world.command(attach());
    let said = responses(&mut world);
    assert_eq!((said.len(), said[0].status), (1, 200));
    assert_eq!(said[0].sdp().as_deref(), Some(OURS));
    let told = answers(&mut world, &request);
    is_answered_without_sdp(&told);
}

#[test]
fn an_offer_that_our_user_has_not_answered_goes_on_in_the_call() {
    let (mut world, request) = answered_early();
    asks(&mut world, &request, 1);
    let told = answers(&mut world, &request);
    is_answered_without_sdp(&told);
    world.command(attach());
    let said = responses(&mut world);
    assert_eq!((said.len(), said[0].status), (1, 200));
    assert_eq!(said[0].sdp().as_deref(), Some(OURS));
}

#[test]
fn an_early_offer_that_our_user_cannot_take_leaves_what_was_agreed() {
    let (mut world, request) = answered_early();
    asks(&mut world, &request, 1);
    world.command(Command::RefuseOffer {
        call: name(),
        status: 488,
    });
    assert_eq!(responses(&mut world)[0].status, 488);
    asks(&mut world, &request, 2);
    // Nobody says anything: a user has no time in an UPDATE.
    world.pass(Duration::from_secs(31), |world| {
        world.handle(Input::Pong(FLOW));
    });
    let statuses: Vec<_> = responses(&mut world).iter().map(|it| it.status).collect();
    assert_eq!(statuses, [100, 504]);
    let told = answers(&mut world, &request);
    let first = |event: &Event| matches!(event, Event::Answered { sdp: Some(sdp), .. } if sdp == "v=0 answer of server-tag");
    assert!(told.iter().any(first), "{told:?}");
}

#[test]
fn an_early_offer_ends_with_its_dialog() {
    type End = fn(&mut World, &Request);
    let ends: [End; 4] = [
        |world, _| world.command(bye(&name())),
        |world, request| world.say(FLOW, &answer(request, 486, &[]).to_text()),
        |world, request| world.say(FLOW, &answer(request, 199, &[CONTACT]).to_text()),
        |world, request| {
            let mut accepted = answer(request, 200, &[CONTACT]);
            let sdp = "v=0 answer of another".to_owned();
            accepted.content.set_body("application/sdp", sdp);
            let text = accepted.to_text().replace("server-tag", "another");
            world.say(FLOW, &text);
        },
    ];
    for end in ends {
        let (mut world, request) = answered_early();
        asks(&mut world, &request, 1);
        end(&mut world, &request);
        let statuses: Vec<_> = responses(&mut world).iter().map(|it| it.status).collect();
        assert_eq!(statuses, [487]);
    }
}

/// The other one's answer may still become the call's, and it is one to our first offer.
#[test]
fn where_several_were_heard_an_early_offer_waits() {
    let (mut world, request) = answered_early();
    progress(&mut world, &request, "another");
    world.take_events();
    let refused = answer_to(&mut world, &update(&request, 1));
    assert_eq!(refused.status, 500);
    assert!(refused.headers.has(&HeaderName::RetryAfter));
    assert_eq!(world.take_events(), []);
}

//! What a connection takes with it, and what outlives it: times that a server named, answers, goodbyes, offers, challenges.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each story looks for a few events among many"
)]

use offhook_signaling::command::Command;
use offhook_signaling::event::{EndedBy, Event};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::answers::{calling, name, next, seconds};
use crate::called::{Script, ends, ringing, statuses, talking};
use crate::lasting::{accepts, challenges, of};
use crate::pair::{OFFER, answer as take, bye, invite};
use crate::world::{FLOW, World, answer, config};

fn alive(world: &mut World) {
    world.handle(Input::Pong(FLOW));
}

/// The next connection is there, and registered.
fn reconnected(world: &mut World) {
    world.command(Command::Reconnect);
    world.open(FLOW);
    let register = of(world, Method::Register);
    world.grant(&register, 7200, &[]);
}

#[test]
fn a_time_that_the_registrar_named_outlives_the_connection() {
    let mut world = World::new(config(), 1);
    world.open(FLOW);
    let register = of(&mut world, Method::Register);
    world.answer(&register, 503, &[(HeaderName::RetryAfter, "300")]);
    world.pass(seconds(1), alive);
    // A server that sheds load closes what it has refused.
    world.doings.clear();
    world.close(FLOW);
    let told = world.take_events();
    let waits = |event: &Event| match event {
        Event::Disconnected { retry_in, .. } => *retry_in == Some(seconds(299)),
        _ => false,
    };
    assert!(told.iter().any(waits), "{told:?}");
    world.pass(seconds(298), |_| ());
    assert!(world.doings.is_empty(), "{:?}", world.doings);
    world.pass(seconds(1), |_| ());
    assert_eq!(world.doings, ["connect flow 1"]);
    // A person, or another address, is not held up by it.
    world.open(FLOW);
    let register = of(&mut world, Method::Register);
    world.answer(&register, 503, &[(HeaderName::RetryAfter, "300")]);
    reconnected(&mut world);
    assert!(world.take_events().contains(&Event::Ready));
}

#[test]
fn an_answer_has_its_whole_time_over_each_connection() {
    let (mut world, call, tag) = ringing(&Script::invite());
    world.close(FLOW);
    world.command(take(&call));
    // Longer than it would wait for the ACK, and there was nobody to hear it.
    world.pass(seconds(40), |_| ());
    assert!(statuses(&mut world).is_empty());
    assert!(ends(&mut world).is_empty());
    reconnected(&mut world);
    world.pass(seconds(31), alive);
    let copies = statuses(&mut world);
    assert_eq!(copies, [200; 10]);
    assert!(ends(&mut world).is_empty() && world.requests.is_empty());
    world.say(FLOW, &Script::new("ACK").within(&tag, 1).text());
    assert!(world.take_events().contains(&Event::Confirmed { call }));

    // The same, and nobody acknowledges it there either.
    let (mut world, call, _) = ringing(&Script::invite());
    world.command(take(&call));
    world.pass(seconds(20), alive);
    world.close(FLOW);
    reconnected(&mut world);
    world.pass(seconds(31), alive);
    assert!(ends(&mut world).is_empty() && world.requests.is_empty());
    world.pass(seconds(2), alive);
    assert_eq!(ends(&mut world)[0].0, EndedBy::Timeout);
    assert!(next(&mut world, &Method::Bye).is_some());
}

#[test]
fn an_answer_without_any_connection_is_given_up_with_the_call() {
    let (mut world, call, _) = ringing(&Script::invite());
    world.close(FLOW);
    world.command(take(&call));
    world.pass(seconds(89), |_| ());
    assert!(ends(&mut world).is_empty());
    world.pass(seconds(2), |_| ());
    assert_eq!(ends(&mut world)[0].0, EndedBy::Network);
}

#[test]
fn an_offer_of_theirs_outlives_a_refresh_that_was_lost_beside_it() {
    let (mut world, call, tag) = talking();
    let allow = Script::new("INFO")
        .within(&tag, 2)
        .header("Allow: INVITE, ACK, BYE, UPDATE");
    world.say(FLOW, &allow.text());
    world.close(FLOW);
    reconnected(&mut world);
    let refresh = of(&mut world, Method::Update);
    assert_eq!(refresh.sdp(), None);
    let served = world.session.census().served;
    // It holds no offer, so theirs is taken beside it.
    let theirs = Script {
        body: Some(("application/sdp", OFFER)),
        ..Script::new("UPDATE").within(&tag, 3)
    };
    world.say(FLOW, &theirs.text());
    world.close(FLOW);
    reconnected(&mut world);
    statuses(&mut world);
    let sdp = "v=0 ours".to_owned();
    world.command(Command::Attach { call, sdp });
    assert_eq!(statuses(&mut world), [200]);
    assert_eq!(world.session.census().served, served);
}

#[test]
fn a_goodbye_is_challenged_over_each_connection_and_said_all_the_same() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    world.command(bye(&name()));
    for round in 0..5 {
        let goodbye = of(&mut world, Method::Bye);
        challenges(&mut world, &goodbye, &format!("n{round}"));
        assert!(next(&mut world, &Method::Bye).is_some(), "round {round}");
        world.close(FLOW);
        reconnected(&mut world);
    }
}

#[test]
fn a_new_description_goes_before_a_refresh_and_takes_its_place() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    world.close(FLOW);
    let sdp = "v=0 new".to_owned();
    reconnected(&mut world);
    let refresh = world.request();
    assert_eq!(refresh.method, Method::Invite, "it knows no UPDATE");
    world.answer(&refresh, 491, &[]);
    assert_eq!(world.request().method, Method::Ack);
    world.command(Command::UpdateMedia { call: name(), sdp });
    world.pass(seconds(5), alive);
    let offer = of(&mut world, Method::Invite);
    assert_eq!(offer.sdp().as_deref(), Some("v=0 new"));
    world.say(FLOW, &accepts(&offer, "one"));
    assert_eq!(world.request().method, Method::Ack);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
}

#[test]
fn a_description_that_is_refused_leaves_the_refresh_to_be_done() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    world.close(FLOW);
    let sdp = "v=0 new".to_owned();
    world.command(Command::UpdateMedia { call: name(), sdp });
    reconnected(&mut world);
    let offer = of(&mut world, Method::Invite);
    assert_eq!(offer.sdp().as_deref(), Some("v=0 new"));
    world.answer(&offer, 488, &[]);
    assert_eq!(world.request().method, Method::Ack);
    let refresh = of(&mut world, Method::Invite);
    assert_ne!(refresh.sdp().as_deref(), Some("v=0 new"));
}

/// Our goodbye to bob went nowhere.
fn parted(world: &mut World) -> Request {
    world.command(bye(&name()));
    let goodbye = of(world, Method::Bye);
    world.say(FLOW, &answer(&goodbye, 480, &[]).to_text());
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    goodbye
}

fn parts_again(world: &mut World, goodbye: &Request) {
    assert_eq!(world.request().method, Method::Ack);
    let again = of(world, Method::Bye);
    assert_eq!(again.ids.call_id, goodbye.ids.call_id);
    assert_eq!(again.ids.to_tag(), "one");
    assert_eq!(again.ids.cseq, goodbye.ids.cseq + 1);
}

#[test]
fn a_goodbye_to_a_call_that_was_up_is_said_again_to_whoever_answers_again() {
    let (mut world, request) = calling("bob");
    let accepted = accepts(&request, "one");
    world.say(FLOW, &accepted);
    world.request();
    let goodbye = parted(&mut world);
    world.say(FLOW, &accepted);
    parts_again(&mut world, &goodbye);

    // The same with the answer to an offer, which comes for the first time.
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    let sdp = OFFER.to_owned();
    world.command(Command::UpdateMedia { call: name(), sdp });
    let offer = world.request();
    let goodbye = parted(&mut world);
    world.say(FLOW, &accepts(&offer, "one"));
    parts_again(&mut world, &goodbye);
}

#[test]
fn a_prack_is_not_said_again_to_a_fork_that_did_not_get_the_call() {
    let mut world = World::registered(config(), 1, 7200);
    world.command(invite(&name(), "bob"));
    let request = world.request();
    let rings = answer(
        &request,
        183,
        &[
            (HeaderName::Contact, "<sip:bob@192.0.2.8;transport=ws>"),
            (HeaderName::Require, "100rel"),
            (HeaderName::RSeq, "4"),
        ],
    );
    world.say(FLOW, &rings.to_text());
    let prack = of(&mut world, Method::Prack);
    world.say(FLOW, &accepts(&request, "other"));
    assert_eq!(world.request().method, Method::Ack);
    // Its numbers are not those of the call that is up.
    challenges(&mut world, &prack, "a");
    assert!(world.requests.is_empty(), "{:?}", world.requests);
}

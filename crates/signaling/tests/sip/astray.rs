//! What a connection takes with it, and what outlives it: times that a server named, answers, goodbyes, offers, challenges.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each story looks for a few events among many"
)]

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::{EndedBy, Event};
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::census::Census;
use offhook_signaling::sip::session::contract::Input;

use crate::answers::{calling, name, next, seconds};
use crate::called::{Script, ends, ringing, statuses, talking};
use crate::hostile::{self, Names};
use crate::lasting::{accepts, challenges, of};
use crate::pair::{OFFER, answer as take, bye, invite};
use crate::world::{FLOW, World, answer, config};

fn alive(world: &mut World) {
    world.handle(Input::Pong(FLOW));
}

/// The next connection is there, and registered.
pub(crate) fn reconnected(world: &mut World) {
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
    // So long its caller waits.
    world.pass(seconds(179), |_| ());
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

/// Our refresh after a new connection is out, and an offer of theirs has come meanwhile.
fn crossed() -> (World, CallId, Request, String) {
    let (mut world, call, tag) = talking();
    let allow = Script::new("INFO")
        .within(&tag, 2)
        .header("Allow: INVITE, ACK, BYE, UPDATE");
    world.say(FLOW, &allow.text());
    reconnected(&mut world);
    let refresh = of(&mut world, Method::Update);
    let theirs = Script {
        body: Some(("application/sdp", OFFER)),
        ..Script::new("UPDATE").within(&tag, 3)
    };
    world.say(FLOW, &theirs.text());
    statuses(&mut world);
    (world, call, refresh, tag)
}

#[test]
fn what_a_refresh_agreed_on_counts_though_an_offer_of_theirs_crossed_it() {
    let (mut world, call, refresh, _) = crossed();
    let agreed = (HeaderName::SessionExpires, "90;refresher=uac");
    world.answer(&refresh, 200, &[agreed]);
    world.command(Command::RefuseOffer { call, status: 488 });
    assert_eq!(statuses(&mut world), [488]);
    world.pass(seconds(46), alive);
    of(&mut world, Method::Update);
    assert!(ends(&mut world).is_empty());
}

#[test]
fn a_refresh_that_is_refused_beside_an_offer_of_theirs_comes_after_it() {
    let (mut world, call, refresh, _) = crossed();
    world.answer(&refresh, 500, &[]);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    let status = 488;
    world.command(Command::RefuseOffer { call, status });
    of(&mut world, Method::Update);

    // A challenge is met at once: it holds no offer, and needs not wait.
    let (mut world, _, refresh, _) = crossed();
    challenges(&mut world, &refresh, "a");
    let again = of(&mut world, Method::Update);
    assert!(again.headers.has(&HeaderName::ProxyAuthorization));
    // There the call is not known any more.
    world.answer(&again, 481, &[]);
    assert_eq!(ends(&mut world)[0].0, EndedBy::Server);
    assert_eq!(statuses(&mut world), [487]);
    of(&mut world, Method::Bye);
}

#[test]
fn a_new_description_is_not_taken_for_the_refresh_that_was_out_before_it() {
    let (mut world, call, refresh, _) = crossed();
    let status = 488;
    world.command(Command::RefuseOffer {
        call: call.clone(),
        status,
    });
    let sdp = "v=0 new".to_owned();
    world.command(Command::UpdateMedia { call, sdp });
    let offer = of(&mut world, Method::Invite);
    world.answer(&refresh, 200, &[]);
    let told = world.take_events();
    let failed = |event: &Event| matches!(event, Event::MediaUpdateFailed { .. });
    assert!(!told.iter().any(failed), "{told:?}");
    world.say(FLOW, &accepts(&offer, "peer"));
    let told = world.take_events();
    let updated = |event: &Event| matches!(event, Event::MediaUpdated { .. });
    assert!(told.iter().any(updated), "{told:?}");
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
fn a_description_of_before_theirs_is_never_sent() {
    let (mut world, call, tag) = talking();
    let update = |sdp: &str| Command::UpdateMedia {
        call: call.clone(),
        sdp: sdp.to_owned(),
    };
    world.command(update("v=0 stale"));
    let offer = of(&mut world, Method::Invite);
    world.answer(&offer, 491, &[]);
    of(&mut world, Method::Ack);
    let theirs = Script {
        body: Some(("application/sdp", OFFER)),
        ..Script::new("UPDATE").within(&tag, 2)
    };
    world.say(FLOW, &theirs.text());
    let sdp = "v=0 ours".to_owned();
    let call = call.clone();
    world.command(Command::Attach { call, sdp });
    assert_eq!(statuses(&mut world), [200]);
    world.pass(seconds(5), alive);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    world.command(update("v=0 anew"));
    let offer = of(&mut world, Method::Invite);
    assert_eq!(offer.sdp().as_deref(), Some("v=0 anew"));
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

/// Bob's call is up at one of his telephones, and another one answers: its ACK and goodbye have left.
fn late_fork() -> (World, Request) {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.say(FLOW, &accepts(&request, "two"));
    let goodbye = of(&mut world, Method::Bye);
    assert_eq!(goodbye.ids.to_tag(), "two");
    world.requests.clear();
    (world, goodbye)
}

/// Goodbyes that have left since this was asked last.
fn goodbyes(world: &mut World) -> Vec<Request> {
    let mut found = Vec::new();
    while let Some((_, goodbye)) = next(world, &Method::Bye) {
        found.push(goodbye);
    }
    found
}

/// The only goodbye that has left is that one, with a number of its own.
fn is_said_again(world: &mut World, goodbye: &Request) -> Request {
    let said = goodbyes(world);
    let [again] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!(again.ids.call_id, goodbye.ids.call_id);
    assert_eq!(again.ids.to_tag(), goodbye.ids.to_tag());
    assert_eq!(again.uri.to_string(), goodbye.uri.to_string());
    assert!(again.ids.cseq > goodbye.ids.cseq, "{again:?}");
    again.clone()
}

#[test]
fn a_late_fork_hears_over_the_next_connection_that_it_did_not_get_the_call() {
    let (mut world, goodbye) = late_fork();
    world.close(FLOW);
    world.pass(seconds(20), |_| ());
    assert!(goodbyes(&mut world).is_empty());
    reconnected(&mut world);
    let again = is_said_again(&mut world, &goodbye);
    // The call that it did not get goes on.
    assert!(ends(&mut world).is_empty());
    challenges(&mut world, &again, "a");
    let once_more = is_said_again(&mut world, &again);
    world.say(FLOW, &answer(&once_more, 200, &[]).to_text());
    world.close(FLOW);
    reconnected(&mut world);
    assert!(goodbyes(&mut world).is_empty(), "it has been heard");
    world.command(bye(&name()));
    assert_eq!(of(&mut world, Method::Bye).ids.to_tag(), "one");
}

#[test]
fn an_answer_to_a_call_that_was_given_up_is_ended_over_the_next_connection() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &answer(&request, 180, &[]).to_text());
    world.command(bye(&name()));
    assert_eq!(world.request().method, Method::Cancel);
    assert_eq!(ends(&mut world).len(), 1);
    world.say(FLOW, &accepts(&request, "one"));
    let goodbye = of(&mut world, Method::Bye);
    world.close(FLOW);
    reconnected(&mut world);
    let again = is_said_again(&mut world, &goodbye);
    // Where it is known no more it is over as well.
    world.say(FLOW, &answer(&again, 481, &[]).to_text());
    world.pass(seconds(40), alive);
    assert_eq!(world.session.census(), Census::default());
    assert!(ends(&mut world).is_empty(), "its user knows already");
}

#[test]
fn a_late_fork_is_given_up_when_its_goodbye_is_owed_no_longer() {
    let (mut world, _) = late_fork();
    world.close(FLOW);
    let tags = |world: &mut World| {
        let said = goodbyes(world);
        let tags = said.iter().map(|goodbye| goodbye.ids.to_tag().to_owned());
        let mut tags: Vec<_> = tags.collect();
        tags.sort();
        tags
    };
    world.pass(seconds(29 * 60), |_| ());
    reconnected(&mut world);
    assert_eq!(tags(&mut world), ["two"]);
    let (mut world, _) = late_fork();
    world.close(FLOW);
    world.pass(seconds(32 * 60), |_| ());
    reconnected(&mut world);
    // The call that got it has its own goodbye: no connection came back for it in time.
    assert_eq!(tags(&mut world), ["one"]);
}

#[test]
fn a_goodbye_to_a_late_fork_is_out_once_whatever_becomes_of_other_connections() {
    let mut config = config();
    config.servers.push("wss://two.example.com/sip".to_owned());
    let second = FlowId(1);
    let outbound = [(HeaderName::Require, "outbound")];
    let mut world = World::new(config, 1);
    for flow in [FLOW, second] {
        world.open(flow);
        let register = of(&mut world, Method::Register);
        world.grant_on(flow, &register, 7200, &outbound);
    }
    world.command(invite(&name(), "bob"));
    let request = world.request();
    world.say(FLOW, &accepts(&request, "one"));
    world.say(FLOW, &accepts(&request, "two"));
    let goodbye = of(&mut world, Method::Bye);
    world.close(second);
    world.pass(seconds(6), alive);
    world.open(second);
    let register = of(&mut world, Method::Register);
    world.grant_on(second, &register, 7200, &outbound);
    assert!(
        goodbyes(&mut world).is_empty(),
        "the first one has its time"
    );
    // Its own is lost, and another one stands: there it is said at once.
    world.close(FLOW);
    is_said_again(&mut world, &goodbye);
}

#[test]
fn a_goodbye_that_is_lost_where_the_call_was_before_is_said_where_it_is_now() {
    let mut config = config();
    config.servers.push("wss://two.example.com/sip".to_owned());
    let second = FlowId(1);
    let mut world = World::registered(config, 1, 64);
    world.command(invite(&name(), "bob"));
    let request = world.request();
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    world.pass(seconds(33), alive);
    let register = of(&mut world, Method::Register);
    world.answer(&register, 503, &[(HeaderName::RetryAfter, "300")]);
    world.pass(seconds(5), alive);
    world.open(second);
    let register = of(&mut world, Method::Register);
    world.pass(seconds(23), alive);
    world.command(bye(&name()));
    let goodbye = of(&mut world, Method::Bye);
    // The registration lapses where it was said, and another connection has one.
    world.pass(seconds(5), alive);
    world.grant_on(second, &register, 7200, &[]);
    assert!(goodbyes(&mut world).is_empty(), "it has its time");
    world.close(FLOW);
    is_said_again(&mut world, &goodbye);
}

#[test]
fn a_late_fork_that_hangs_up_itself_needs_no_goodbye() {
    let (mut world, goodbye) = late_fork();
    world.command(Command::Reconnect);
    world.open(FLOW);
    let names = Names {
        call_id: goodbye.ids.call_id.clone(),
        theirs: "two".to_owned(),
        ours: goodbye.ids.from_tag().to_owned(),
        branch: String::new(),
    };
    world.say(
        FLOW,
        &hostile::request("BYE", &names, "z9hG4bKbye", 7, &[], ""),
    );
    assert_eq!(statuses(&mut world), [200]);
    let register = of(&mut world, Method::Register);
    world.grant(&register, 7200, &[]);
    assert!(goodbyes(&mut world).is_empty());
    assert!(ends(&mut world).is_empty(), "the call is another one");
}

#[test]
fn a_thousand_answers_to_one_invite_are_not_remembered_from_connection_to_connection() {
    let (mut world, request) = calling("bob");
    world.spares_reader = true;
    for round in 0..4 {
        for number in 0..1000 {
            world.say(FLOW, &accepts(&request, &format!("t{round}-{number}")));
        }
        assert!(goodbyes(&mut world).len() <= 512);
        world.close(FLOW);
        reconnected(&mut world);
        let again = goodbyes(&mut world).len();
        assert!((1..=128).contains(&again), "{again} said again");
    }
    // Nobody answers any more, and nothing is left.
    world.pass(seconds(120), alive);
    assert_eq!(world.session.census(), Census::default());
}

//! What outlives its moment: answers that are said again, goodbyes that are challenged, words of calls that are over, wishes without
//! a connection.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each story looks for a few events among many"
)]

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::error::Error;
use offhook_signaling::event::{DisconnectCause, EndedBy, Event};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::answers::{calling, name, next, seconds};
use crate::called::{Script, answer_to, ends, idle, responses, ringing, statuses, talking};
use crate::pair::{ANSWER, OFFER, answer as take, bye};
use crate::world::{FLOW, World, answer, config};

const CONTACT: (HeaderName, &str) = (HeaderName::Contact, "<sip:bob@192.0.2.9;transport=ws>");

/// A 200 of that fork with a description.
pub(crate) fn accepts(request: &Request, tag: &str) -> String {
    let mut response = answer(request, 200, &[CONTACT]);
    let to = response.content.get(&HeaderName::To).unwrap_or_default();
    let to = to.replace("server-tag", tag);
    response.content.remove(&HeaderName::To);
    response.content.push(&HeaderName::To, to);
    response
        .content
        .set_body("application/sdp", ANSWER.to_owned());
    response.to_text()
}

/// A challenge whose nonce is that one.
pub(crate) fn challenges(world: &mut World, request: &Request, nonce: &str) {
    let line = format!(r#"Digest realm="proxy", nonce="{nonce}", qop="auth", stale=true"#);
    world.answer(request, 407, &[(HeaderName::ProxyAuthenticate, &line)]);
}

pub(crate) fn of(world: &mut World, method: Method) -> Request {
    let found = next(world, &method);
    found.unwrap_or_else(|| panic!("no {method}")).1
}

/// Carol's call rings, and nothing of what was said has been looked at.
fn rung(script: &Script) -> (World, CallId) {
    let mut world = idle();
    world.say(FLOW, &script.text());
    let call = world
        .take_events()
        .into_iter()
        .find_map(|event| match event {
            Event::Incoming { call, .. } => Some(call),
            _ => None,
        });
    (world, call.expect("a call"))
}

#[test]
fn a_late_fork_that_answers_twice_is_acknowledged_twice_and_ended_once() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    world.say(FLOW, &accepts(&request, "two"));
    let (ack, bye) = (world.request(), world.request());
    assert_eq!((ack.method, bye.method), (Method::Ack, Method::Bye));
    world.say(FLOW, &accepts(&request, "two"));
    let again = world.request();
    assert_eq!(again.method, Method::Ack);
    assert_eq!(again.ids.via.branch(), ack.ids.via.branch());
    assert!(world.requests.is_empty(), "{:?}", world.requests);
}

#[test]
fn a_goodbye_that_did_not_arrive_is_said_again_to_whoever_answers_again() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    world.say(FLOW, &accepts(&request, "two"));
    let goodbye = of(&mut world, Method::Bye);
    // The proxy does not reach it just now.
    world.say(FLOW, &answer(&goodbye, 480, &[]).to_text());
    world.requests.clear();
    world.say(FLOW, &accepts(&request, "two"));
    assert_eq!(world.request().method, Method::Ack);
    let again = world.request();
    assert_eq!((&again.method, again.ids.to_tag()), (&Method::Bye, "two"));
    assert_eq!(again.ids.cseq, goodbye.ids.cseq + 1);
    world.say(FLOW, &answer(&again, 200, &[]).to_text());
    world.say(FLOW, &accepts(&request, "two"));
    assert_eq!(world.request().method, Method::Ack);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
}

#[test]
fn an_answer_that_crosses_our_goodbye_is_acknowledged_and_nothing_more() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    world.command(bye(&name()));
    assert_eq!(world.request().method, Method::Bye);
    world.say(FLOW, &accepts(&request, "one"));
    assert_eq!(world.request().method, Method::Ack);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
}

#[test]
fn the_200_of_an_offer_that_crosses_our_goodbye_is_acknowledged() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    let sdp = OFFER.to_owned();
    world.command(Command::UpdateMedia { call: name(), sdp });
    let offer = world.request();
    world.command(bye(&name()));
    assert_eq!(world.request().method, Method::Bye);
    world.say(FLOW, &accepts(&offer, "one"));
    let ack = world.request();
    assert_eq!((ack.method, ack.ids.cseq), (Method::Ack, offer.ids.cseq));
    assert!(world.requests.is_empty(), "{:?}", world.requests);
}

#[test]
fn the_goodbye_of_a_late_fork_meets_a_challenge() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    world.say(FLOW, &accepts(&request, "two"));
    let goodbye = of(&mut world, Method::Bye);
    challenges(&mut world, &goodbye, "a");
    let again = of(&mut world, Method::Bye);
    assert!(again.headers.has(&HeaderName::ProxyAuthorization));
    assert_eq!(again.ids.to_tag(), "two");
    assert_eq!(again.ids.cseq, goodbye.ids.cseq + 1);
    // A server that never has enough is left at last.
    let mut rounds = 0;
    let mut last = again;
    for round in 0..10 {
        challenges(&mut world, &last, &format!("n{round}"));
        match next(&mut world, &Method::Bye) {
            Some((_, more)) => (last, rounds) = (more, rounds + 1),
            None => break,
        }
    }
    assert!(rounds < 4, "{rounds} goodbyes");
}

#[test]
fn requests_beside_each_other_may_each_be_challenged_for_a_nonce_that_is_used_once() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    let say = |body: &str| Command::Message {
        id: 7,
        call: Some(name()),
        to: String::new(),
        body: body.to_owned(),
    };
    for word in ["one", "two", "three", "four"] {
        world.command(say(word));
    }
    let words: Vec<_> = (0..4).map(|_| of(&mut world, Method::Message)).collect();
    for (word, nonce) in words.iter().zip(["a", "b", "c", "d"]) {
        challenges(&mut world, word, nonce);
    }
    let again: Vec<_> = (0..4).map(|_| of(&mut world, Method::Message)).collect();
    for word in &again {
        assert!(word.headers.has(&HeaderName::ProxyAuthorization));
        world.answer(word, 200, &[]);
    }
    let failed = |event: &Event| matches!(event, Event::MessageFailed { .. });
    assert!(!world.take_events().iter().any(failed));
}

#[test]
fn what_is_refused_after_the_end_of_a_call_is_not_told() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    let digits = "1".to_owned();
    world.command(Command::Dtmf {
        call: name(),
        digits,
    });
    let digit = of(&mut world, Method::Info);
    world.command(bye(&name()));
    world.take_events();
    world.answer(&digit, 488, &[]);
    assert_eq!(world.take_events(), []);
}

#[test]
fn a_prack_that_crosses_our_answer_is_taken() {
    let invite = Script::invite().header("Require: 100rel");
    let (mut world, call) = rung(&invite);
    let ringing = world.texts.clone();
    let tag = responses(&mut world).pop().expect("an answer");
    let tag = tag.ids.to_tag().to_owned();
    world.command(take(&call));
    let rseq = ringing
        .iter()
        .find_map(|(_, text)| text.split("RSeq: ").nth(1)?.split("\r\n").next())
        .expect("a reliable answer");
    let prack = Script::new("PRACK")
        .within(&tag, 2)
        .header(&format!("RAck: {rseq} 1 INVITE"));
    assert_eq!(answer_to(&mut world, &prack).status, 200);
    let again = Script::new("PRACK")
        .within(&tag, 3)
        .header(&format!("RAck: {rseq} 1 INVITE"));
    assert_eq!(answer_to(&mut world, &again).status, 481);
}

#[test]
fn a_copy_of_an_answer_is_the_answer() {
    for invite in [Script::invite(), Script::invite().header("Require: 100rel")] {
        let (mut world, call) = rung(&invite);
        world.pass(seconds(3), |_| {});
        world.command(take(&call));
        world.pass(seconds(10), |_| {});
        for status in ["180 ", "200 "] {
            let said = |(_, text): &&(_, String)| text.starts_with(&format!("SIP/2.0 {status}"));
            let copies: Vec<_> = world.texts.iter().filter(said).collect();
            let same = copies.windows(2).all(|two| two[0] == two[1]);
            assert!(!copies.is_empty() && same, "{copies:#?}");
        }
    }
}

#[test]
fn who_hangs_up_before_the_ack_says_goodbye_32_s_after_the_answer() {
    let (mut world, call, _) = ringing(&Script::invite());
    world.command(take(&call));
    let answered = world.seconds();
    world.pass(seconds(20), |_| {});
    world.command(bye(&call));
    assert!(world.requests.is_empty());
    world.pass(seconds(13), |_| {});
    let goodbye = of(&mut world, Method::Bye);
    assert_eq!(goodbye.ids.call_id, "call-of-carol");
    assert!(world.seconds() - answered < 34.0);
    statuses(&mut world);
    world.pass(seconds(31), |_| {});
    let late = statuses(&mut world);
    assert!(late.is_empty(), "the answer again after its time: {late:?}");
}

#[test]
fn an_offer_that_a_proxy_tries_for_ever_ends_the_call() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    let sdp = OFFER.to_owned();
    world.command(Command::UpdateMedia { call: name(), sdp });
    let offer = world.request();
    world.answer(&offer, 100, &[]);
    let alive = |world: &mut World| {
        // Nothing but the ping's answer comes.
        world.handle(Input::Pong(FLOW));
    };
    world.pass(seconds(170), alive);
    assert_eq!(ends(&mut world), []);
    world.pass(seconds(15), alive);
    let ended = ends(&mut world);
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].0, EndedBy::Timeout);
    assert_eq!(of(&mut world, Method::Bye).ids.call_id, offer.ids.call_id);
}

#[test]
fn without_a_connection_digits_wait_and_other_words_are_refused() {
    let (mut world, call, _) = talking();
    world.close(FLOW);
    world.take_events();
    world.requests.clear();
    let to = "carol".to_owned();
    let wishes = [
        Command::Message {
            id: 7,
            call: Some(call.clone()),
            to: String::new(),
            body: "hello".to_owned(),
        },
        Command::Transfer {
            call: call.clone(),
            to,
        },
    ];
    for wish in wishes {
        world.command(wish);
        let told = world.take_events();
        let refused = |event: &Event| {
            let error = Error::NotReady {
                server: String::new(),
                command: "",
            };
            matches!(event, Event::CommandFailed { error: known, .. } | Event::MessageFailed { error: known, .. }
                if std::mem::discriminant(known) == std::mem::discriminant(&error))
        };
        assert!(told.iter().any(refused), "{told:?}");
    }
    let digits = "5".to_owned();
    world.command(Command::Dtmf { call, digits });
    assert!(world.requests.is_empty() && world.take_events().is_empty());
    world.command(Command::Reconnect);
    world.open(FLOW);
    let register = of(&mut world, Method::Register);
    world.grant(&register, 7200, &[]);
    assert!(next(&mut world, &Method::Info).is_some());
}

#[test]
fn a_registration_that_lapses_while_it_is_asked_for_tells_when_the_next_try_comes() {
    let mut world = World::registered(config(), 1, 20);
    // The refresh at half of it has no answer.
    world.pass(Duration::from_secs(21), |world| {
        world.handle(Input::Pong(FLOW));
    });
    let lost = world
        .take_events()
        .into_iter()
        .find_map(|event| match event {
            Event::Disconnected { cause, retry_in } => Some((cause, retry_in)),
            _ => None,
        });
    let (cause, retry_in) = lost.expect("a loss");
    assert_eq!(cause, DisconnectCause::NotRegistered);
    assert!(retry_in.is_some_and(|pause| pause <= seconds(32)));
}

/// It has not heard the goodbye, and has the call still.
#[test]
fn the_200_of_an_offer_comes_again_after_a_goodbye_in_vain_and_gets_another() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    let sdp = OFFER.to_owned();
    world.command(Command::UpdateMedia { call: name(), sdp });
    let offer = world.request();
    world.pass(Duration::from_secs(1), |_| {});
    world.command(bye(&name()));
    assert_eq!(world.request().method, Method::Bye);
    world.pass(Duration::from_secs(2), |_| {});
    for seconds in [1, 1, 2, 4, 4, 4, 4, 4, 4, 3] {
        world.say(FLOW, &accepts(&offer, "one"));
        assert_eq!(world.request().method, Method::Ack);
        assert!(world.requests.is_empty(), "{:?}", world.requests);
        world.pass(Duration::from_secs(seconds), |world| {
            world.handle(Input::Pong(FLOW))
        });
    }
    world.say(FLOW, &accepts(&offer, "one"));
    assert_eq!(world.request().method, Method::Ack);
    assert_eq!(world.request().method, Method::Bye);
}

/// Somebody between us said 100, and nothing follows: the call ends. What comes yet, as from a far side that was without a connection,
/// is acknowledged, and shown that nobody is here (RFC 3261, 9.1 and 13.2.2.4).
#[test]
fn an_offer_without_an_answer_is_cancelled_and_a_late_one_is_acknowledged() {
    let (mut world, request) = calling("bob");
    world.say(FLOW, &accepts(&request, "one"));
    world.request();
    let sdp = OFFER.to_owned();
    world.command(Command::UpdateMedia { call: name(), sdp });
    let offer = world.request();
    world.say(FLOW, &answer(&offer, 100, &[]).to_text());
    let pong = |world: &mut World| world.handle(Input::Pong(FLOW));
    world.pass(seconds(179), pong);
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    world.pass(seconds(1), pong);
    let cancel = of(&mut world, Method::Cancel);
    assert_eq!(cancel.ids.cseq, offer.ids.cseq);
    let goodbye = of(&mut world, Method::Bye);
    assert_eq!(ends(&mut world)[0].0, EndedBy::Timeout);
    world.say(FLOW, &answer(&cancel, 200, &[]).to_text());
    world.say(FLOW, &answer(&goodbye, 480, &[]).to_text());
    world.pass(seconds(10), pong);
    world.say(FLOW, &accepts(&offer, "one"));
    assert_eq!(world.request().method, Method::Ack);
    assert_eq!(world.request().method, Method::Bye);
}

/// Within a call there is nowhere else to go: the offer alone is refused, and the session stays as it was (RFC 3261, 14.1).
#[test]
fn a_redirection_within_a_call_refuses_the_offer_alone() {
    for status in [300, 302, 380] {
        let (mut world, request) = calling("bob");
        world.say(FLOW, &accepts(&request, "one"));
        world.request();
        world.take_events();
        world.command(Command::UpdateMedia {
            call: name(),
            sdp: "v=0 other".to_owned(),
        });
        let offer = of(&mut world, Method::Invite);
        let there = [(HeaderName::Contact, "<sip:elsewhere@example.com>")];
        world.answer(&offer, status, &there);
        assert_eq!(world.request().method, Method::Ack);
        let told = world.take_events();
        assert!(
            matches!(&told[..], [Event::MediaUpdateFailed { .. }]),
            "{told:?}"
        );
        assert!(world.requests.is_empty(), "{:?}", world.requests);
        // The next one goes where the call has always gone.
        world.command(Command::UpdateMedia {
            call: name(),
            sdp: "v=0 third".to_owned(),
        });
        let next = of(&mut world, Method::Invite);
        assert_eq!(next.uri.to_string(), offer.uri.to_string());
    }
}

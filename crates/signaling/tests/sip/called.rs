//! What callers and strangers send to a user agent that is registered or in a call.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::event::{EndedBy, Event};
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::message::read::{self, Incoming};
use offhook_signaling::sip::message::response::Response;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::contract::Input;

use crate::pair::{ANSWER, OFFER, answer, bye};
use crate::world::{self, FLOW, World, config};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A request of a scripted caller.
pub(crate) struct Script {
    pub(crate) method: &'static str,
    pub(crate) branch: String,
    pub(crate) to_tag: Option<String>,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) from_tag: &'static str,
    pub(crate) call_id: &'static str,
    pub(crate) cseq: u32,
    pub(crate) headers: Vec<String>,
    pub(crate) body: Option<(&'static str, &'static str)>,
}

impl Script {
    pub(crate) fn new(method: &'static str) -> Self {
        Self {
            method,
            branch: format!("z9hG4bK{method}1"),
            to_tag: None,
            from: "sip:carol@example.com",
            to: "sip:alice@example.com",
            from_tag: "carols",
            call_id: "call-of-carol",
            cseq: 1,
            headers: vec!["Contact: <sip:carol@192.0.2.7;transport=ws>".to_owned()],
            body: None,
        }
    }

    pub(crate) fn invite() -> Self {
        Self {
            body: Some(("application/sdp", OFFER)),
            ..Self::new("INVITE")
        }
    }

    pub(crate) fn header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    pub(crate) fn within(mut self, tag: &str, cseq: u32) -> Self {
        self.to_tag = Some(tag.to_owned());
        self.cseq = cseq;
        self.branch = format!("z9hG4bK{}{cseq}", self.method);
        self
    }

    pub(crate) fn text(&self) -> String {
        let tag = self.to_tag.as_ref().map(|tag| format!(";tag={tag}"));
        let (kind, body) = self.body.unwrap_or(("", ""));
        let mut headers: String = self
            .headers
            .iter()
            .map(|line| format!("{line}\r\n"))
            .collect();
        if !kind.is_empty() {
            headers.push_str(&format!("Content-Type: {kind}\r\n"));
        }
        format!(
            "{method} sip:alice@example.com SIP/2.0\r\nVia: SIP/2.0/WS carol.invalid;branch={branch}\r\n\
             Max-Forwards: 70\r\nFrom: <{from}>;tag={from_tag}\r\nTo: <{to}>{tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{headers}Content-Length: {length}\r\n\r\n{body}",
            method = self.method,
            branch = self.branch,
            from = self.from,
            to = self.to,
            from_tag = self.from_tag,
            tag = tag.unwrap_or_default(),
            call_id = self.call_id,
            cseq = self.cseq,
            length = body.len(),
        )
    }
}

pub(crate) fn responses(world: &mut World) -> Vec<Response> {
    std::mem::take(&mut world.texts)
        .into_iter()
        .filter_map(|(_, text)| match read::read(text.as_bytes()) {
            Ok(Incoming::Response(response)) => Some(*response),
            _ => None,
        })
        .collect()
}

pub(crate) fn statuses(world: &mut World) -> Vec<u16> {
    responses(world)
        .iter()
        .map(|response| response.status)
        .collect()
}

/// The one answer to a request.
pub(crate) fn answer_to(world: &mut World, script: &Script) -> Response {
    world.texts.clear();
    world.say(FLOW, &script.text());
    let mut all = responses(world);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

pub(crate) fn idle() -> World {
    idle_at(config())
}

pub(crate) fn idle_at(config: Config) -> World {
    let mut world = World::registered(config, 1, 7200);
    world.texts.clear();
    world
}

/// Carol's call rings; its tag of ours.
pub(crate) fn ringing(script: &Script) -> (World, CallId, String) {
    ringing_at(idle(), script)
}

pub(crate) fn ringing_at(mut world: World, script: &Script) -> (World, CallId, String) {
    world.say(FLOW, &script.text());
    let ringing = responses(&mut world).pop().expect("an answer");
    assert_eq!(ringing.status, 180);
    let events = world.take_events();
    let [Event::Incoming { call, .. }] = events.as_slice() else {
        panic!("{events:?}");
    };
    (world, call.clone(), ringing.ids.to_tag().to_owned())
}

/// Carol's call is up.
pub(crate) fn talking() -> (World, CallId, String) {
    talking_to(&Script::invite())
}

/// That call is up.
fn talking_to(script: &Script) -> (World, CallId, String) {
    up(ringing(script))
}

/// That call is up at an account of that configuration.
pub(crate) fn talking_at(config: Config) -> (World, CallId, String) {
    up(ringing_at(idle_at(config), &Script::invite()))
}

fn up((mut world, call, tag): (World, CallId, String)) -> (World, CallId, String) {
    world.command(answer(&call));
    assert_eq!(statuses(&mut world), [200]);
    world.say(FLOW, &Script::new("ACK").within(&tag, 1).text());
    assert_eq!(
        world.take_events(),
        [Event::Confirmed { call: call.clone() }]
    );
    (world, call, tag)
}

pub(crate) fn ends(world: &mut World) -> Vec<(EndedBy, Cause, bool)> {
    world
        .take_events()
        .into_iter()
        .filter_map(|event| {
            if let Event::Ended {
                by,
                cause,
                elsewhere,
                ..
            } = event
            {
                Some((by, cause, elsewhere))
            } else {
                None
            }
        })
        .collect()
}

#[test]
fn a_caller_that_demands_reliability_gets_it_until_its_prack() {
    let (mut world, call, tag) = ringing(&Script::invite().header("Require: 100rel"));
    // At 0.5, 1.5, 3.5, 7.5 s: no cap (RFC 3262, 3).
    world.pass(seconds(10), |_| ());
    let copies = responses(&mut world);
    assert_eq!(copies.len(), 4);
    let rseq = copies[0].headers.number(&HeaderName::RSeq).unwrap();
    assert!(
        copies
            .iter()
            .all(|copy| copy.headers.number(&HeaderName::RSeq) == Some(rseq))
    );
    // All three are what they name (RFC 3262, 7.2).
    let wrong = [
        "1 1 INVITE".to_owned(),
        format!("{rseq} 2 INVITE"),
        format!("{rseq} 1 UPDATE"),
        format!("{rseq} 1"),
    ];
    let cseqs = 2..;
    for (wrong, cseq) in wrong.iter().zip(cseqs) {
        let wrong = Script::new("PRACK")
            .within(&tag, cseq)
            .header(&format!("RAck: {wrong}"));
        assert_eq!(answer_to(&mut world, &wrong).status, 481);
    }
    let right = format!("RAck: {rseq}  1 INVITE");
    let right = Script::new("PRACK").within(&tag, 6).header(&right);
    assert_eq!(answer_to(&mut world, &right).status, 200);
    // A long ringing is told again after 2.5 minutes, with the next number.
    world.pass(seconds(150), |world| world.handle(Input::Pong(FLOW)));
    let again = responses(&mut world);
    assert_eq!(again[0].headers.number(&HeaderName::RSeq), Some(rseq + 1));
    world.command(bye(&call));
    assert_eq!(statuses(&mut world).last(), Some(&603));
}

#[test]
fn without_its_prack_a_call_ends_after_32_seconds() {
    let (mut world, _, _) = ringing(&Script::invite().header("Require: 100rel"));
    world.pass(seconds(33), |world| world.handle(Input::Pong(FLOW)));
    assert_eq!(ends(&mut world)[0].0, EndedBy::Timeout);
    assert_eq!(statuses(&mut world).last(), Some(&504));
}

#[test]
fn answered_elsewhere_is_no_missed_call() {
    let script = Script::invite();
    let (mut world, _, _) = ringing(&script);
    let cancel = Script {
        branch: script.branch,
        ..Script::new("CANCEL")
    };
    let cancel = cancel.header("Reason: SIP;cause=200;text=\"Call completed elsewhere\"");
    world.say(FLOW, &cancel.text());
    assert_eq!(statuses(&mut world), [200, 487]);
    let (by, _, elsewhere) = ends(&mut world).remove(0);
    assert_eq!((by, elsewhere), (EndedBy::Remote, true));
}

#[test]
fn requests_that_cannot_be_taken_are_refused_by_the_code_that_says_why() {
    let mut world = idle();
    let require = Script {
        branch: "z9hG4bKrequire".to_owned(),
        ..Script::invite()
    }
    .header("Require: sec-agree, timer");
    let refused = answer_to(&mut world, &require);
    assert_eq!(refused.status, 420);
    assert_eq!(
        refused.headers.get(&HeaderName::Unsupported).as_deref(),
        Some("sec-agree")
    );
    let ack = Script {
        branch: require.branch.clone(),
        ..Script::new("ACK")
    };
    world.say(FLOW, &ack.text());
    for (script, status) in [
        (Script::new("PUBLISH"), 405),
        (Script::new("SUBSCRIBE").header("Event: presence"), 489),
        (Script::new("BYE").within("nobody", 5), 481),
        (Script::new("NOTIFY").within("nobody", 6), 481),
        (Script::new("INFO"), 481),
        (Script::new("OPTIONS"), 200),
        (
            Script {
                body: Some(("text/html", "<b>")),
                ..Script::new("MESSAGE")
            },
            415,
        ),
        (
            Script::invite()
                .header("Session-Expires: 30")
                .header("Supported: timer"),
            422,
        ),
        (
            Script::invite().header("Replaces: a;to-tag=b;from-tag=c"),
            481,
        ),
        (Script::invite().header("Replaces: a;to-tag=b"), 400),
    ] {
        assert_eq!(
            answer_to(&mut world, &script).status,
            status,
            "{}",
            script.text()
        );
        // Its ACK ends the transaction.
        let ack = Script {
            branch: script.branch.clone(),
            ..Script::new("ACK")
        };
        world.say(FLOW, &ack.text());
    }
    assert!(world.take_events().is_empty());
}

#[test]
fn the_same_call_by_two_ways_rings_once() {
    let (mut world, _, _) = ringing(&Script::invite());
    let other = Script {
        branch: "z9hG4bKother".to_owned(),
        ..Script::invite()
    };
    assert_eq!(answer_to(&mut world, &other).status, 482);
    assert!(world.take_events().is_empty());
    // Also after the first copy was taken, or refused.
    let late = |number: u8| Script {
        branch: format!("z9hG4bKlate{number}"),
        ..Script::invite()
    };
    let (mut world, _, tag) = talking();
    assert_eq!(answer_to(&mut world, &late(1)).status, 482);
    assert!(world.take_events().is_empty());
    // The next call of the same name is another one.
    let next = Script { cseq: 7, ..late(2) };
    assert_eq!(answer_to(&mut world, &next).status, 180);
    // As is what comes when the first has long been answered.
    world.say(FLOW, &Script::new("BYE").within(&tag, 2).text());
    world.pass(seconds(33), |world| world.handle(Input::Pong(FLOW)));
    assert_eq!(answer_to(&mut world, &late(3)).status, 180);
    let (mut world, call, _) = ringing(&Script::invite());
    world.command(bye(&call));
    assert_eq!(answer_to(&mut world, &late(4)).status, 482);
}

#[test]
fn a_refresh_by_update_keeps_its_refresher_and_says_so() {
    let (mut world, _, tag) = talking();
    let update = Script::new("UPDATE")
        .within(&tag, 2)
        .header("Supported: timer")
        .header("Session-Expires: 600;refresher=uac");
    let refreshed = answer_to(&mut world, &update);
    assert_eq!(refreshed.status, 200);
    let line = refreshed.headers.get(&HeaderName::SessionExpires).unwrap();
    assert_eq!(line, "600;refresher=uac");
    assert!(refreshed.headers.lists(&HeaderName::Require, "timer"));
    // It never comes again: min(32 s, a third) before the end we hang up.
    world.pass(seconds(567), |world| world.handle(Input::Pong(FLOW)));
    assert!(ends(&mut world).is_empty());
    world.pass(seconds(2), |world| world.handle(Input::Pong(FLOW)));
    assert_eq!(ends(&mut world)[0].0, EndedBy::Timeout);
}

/// What an answer says of DTLS cannot be offered (RFC 8842, section 5.5): where only a re-INVITE refreshes, a new offer is asked for.
#[test]
fn a_session_that_an_answer_of_ours_began_is_refreshed_by_an_offer() {
    let script = Script::invite()
        .header("Supported: timer")
        .header("Session-Expires: 600;refresher=uas")
        .header("Allow: INVITE, ACK, BYE");
    let (mut world, call, _) = ringing(&script);
    let sdp = format!("{ANSWER}a=setup:active\r\n");
    world.command(Command::Answer {
        call: call.clone(),
        sdp: sdp.clone(),
        headers: Vec::new(),
        client_state: None,
        trickle: None,
    });
    let answered = responses(&mut world);
    let tag = answered.last().unwrap().ids.to_tag().to_owned();
    let ack = Script::new("ACK").within(&tag, 1);
    world.say(FLOW, &ack.text());
    world.take_events();
    let pong = |world: &mut World| world.handle(Input::Pong(FLOW));
    world.pass(seconds(301), pong);
    assert!(world.requests.is_empty(), "the answer is not sent again");
    let wanted = Event::OfferWanted { call: call.clone() };
    assert_eq!(world.take_events(), [wanted]);
    let offer = sdp.replace("active", "actpass");
    world.command(Command::UpdateMedia {
        call: call.clone(),
        sdp: offer.clone(),
    });
    let accept = |world: &mut World, theirs: &str| {
        let refresh = world.request();
        assert_eq!(refresh.method, Method::Invite);
        assert_eq!(refresh.sdp().as_deref(), Some(offer.as_str()));
        let lines = [(HeaderName::SessionExpires, "600;refresher=uac")];
        let mut response = world::answer(&refresh, 200, &lines);
        response
            .content
            .set_body("application/sdp", theirs.to_owned());
        world.say(FLOW, &response.to_text());
        assert_eq!(world.request().method, Method::Ack);
    };
    accept(&mut world, &sdp);
    world.take_events();
    // That is an offer, and changes nothing when it is sent again.
    world.pass(seconds(301), pong);
    accept(&mut world, &sdp);
    assert!(world.take_events().is_empty());
    // Unless the far side has moved, which an offer of ours brings to our media.
    let moved = format!("{sdp}c=IN IP4 192.0.2.77\r\n");
    world.pass(seconds(301), pong);
    accept(&mut world, &moved);
    let wanted = Event::OfferWanted { call: call.clone() };
    assert_eq!(world.take_events(), [wanted]);
    world.command(Command::UpdateMedia {
        call,
        sdp: offer.clone(),
    });
    accept(&mut world, &moved);
    assert!(matches!(
        world.take_events()[..],
        [Event::MediaUpdated { .. }]
    ));
    world.pass(seconds(301), pong);
    accept(&mut world, &moved);
    assert!(world.take_events().is_empty());
}

#[test]
fn two_offers_at_a_time_are_one_too_many() {
    let (mut world, call, tag) = talking();
    let reinvite = |cseq| {
        Script {
            body: Some(("application/sdp", "one")),
            ..Script::new("INVITE")
        }
        .within(&tag, cseq)
    };
    world.say(FLOW, &reinvite(2).text());
    assert!(matches!(
        world.take_events().as_slice(),
        [Event::Offer { .. }]
    ));
    let second = answer_to(&mut world, &reinvite(3));
    assert_eq!(second.status, 500);
    assert!(second.headers.retry_after().unwrap() <= seconds(10));
    world.command(Command::Attach {
        call: call.clone(),
        sdp: "two".to_owned(),
    });
    let accepted = responses(&mut world).remove(0);
    assert_eq!(
        (accepted.status, accepted.sdp().as_deref()),
        (200, Some("two"))
    );
    // Before its ACK comes, no further one either; ours waits as well.
    world.command(Command::UpdateMedia {
        call,
        sdp: "three".to_owned(),
    });
    assert!(world.requests.is_empty());
    world.say(FLOW, &Script::new("ACK").within(&tag, 2).text());
    let ours = world.request();
    assert_eq!(ours.sdp().as_deref(), Some("three"));
    let theirs = answer_to(&mut world, &reinvite(4));
    assert_eq!(theirs.status, 491);
}

/// RFC 3261, 17.2.1: a proxy between us, or the far side itself, waits for its answer longer then.
#[test]
fn an_invite_within_the_call_whose_answer_takes_a_while_hears_100() {
    let (mut world, call, tag) = talking();
    let reinvite = |cseq| {
        let offer = Script {
            body: Some(("application/sdp", "one")),
            ..Script::new("INVITE")
        };
        offer.within(&tag, cseq).text()
    };
    world.say(FLOW, &reinvite(2));
    world.pass(Duration::from_millis(199), |_| ());
    assert!(statuses(&mut world).is_empty());
    world.pass(Duration::from_millis(1), |_| ());
    assert_eq!(statuses(&mut world), [100]);
    world.command(Command::Attach {
        call: call.clone(),
        sdp: "two".to_owned(),
    });
    assert_eq!(statuses(&mut world), [200]);
    world.say(FLOW, &Script::new("ACK").within(&tag, 2).text());
    // Whoever has its answer at once hears nothing else.
    world.say(FLOW, &reinvite(3));
    world.command(Command::Attach {
        call,
        sdp: "three".to_owned(),
    });
    assert_eq!(statuses(&mut world), [200]);
    world.say(FLOW, &Script::new("ACK").within(&tag, 3).text());
    world.pass(seconds(1), |_| ());
    assert!(statuses(&mut world).is_empty());
}

#[test]
fn an_offer_that_nobody_here_answers_is_refused_in_time_and_the_call_goes_on() {
    let (mut world, _, tag) = talking();
    let update = Script {
        body: Some(("application/sdp", "one")),
        ..Script::new("UPDATE")
    };
    world.say(FLOW, &update.within(&tag, 2).text());
    world.take_events();
    world.pass(seconds(11), |world| world.handle(Input::Pong(FLOW)));
    // After 3.5 s it is told that this takes a while (RFC 4320, 4.1).
    assert_eq!(statuses(&mut world), [100, 504]);
    assert!(ends(&mut world).is_empty());
}

/// Nothing is answered or moved unasked.
fn rings_and_is_refused(world: &mut World, script: &Script) {
    assert_eq!(answer_to(world, script).status, 180);
    let events = world.take_events();
    let [
        Event::Incoming {
            call,
            replaces: None,
            said,
            ..
        },
    ] = events.as_slice()
    else {
        panic!("{events:?}");
    };
    assert!(said.headers.iter().any(|(name, _)| name == "Replaces"));
    world.command(bye(call));
    assert_eq!(statuses(world), [603]);
    assert!(world.requests.is_empty(), "the other one goes on");
    assert_eq!(ends(world).len(), 1);
}

#[test]
fn a_call_is_taken_over_by_its_own_far_side_and_not_by_a_stranger() {
    let replaces = |tag: &str| format!("Replaces: call-of-carol;to-tag={tag};from-tag=carols");
    let (mut world, first, tag) = talking();
    let other = |from: &'static str| Script {
        call_id: from,
        from_tag: "2",
        from,
        branch: format!("z9hG4bK{}", from.len()),
        ..Script::invite()
    };
    // Who only knows the names rings as any other does, and our user decides.
    let stranger = other("sip:mallory@example.com").header(&replaces(&tag));
    rings_and_is_refused(&mut world, &stranger);
    // Of a caller that hides everybody could say to be it.
    let hidden = Script {
        from: "sip:anonymous@anonymous.invalid",
        ..Script::invite()
    };
    let (mut hidden, _, name) = talking_to(&hidden);
    let anybody = other("sip:anonymous@anonymous.invalid").header(&replaces(&name));
    rings_and_is_refused(&mut hidden, &anybody);
    let early = format!("{};early-only", replaces(&tag));
    let early = Script {
        branch: "z9hG4bKearly".to_owned(),
        call_id: "early",
        ..other("sip:carol@example.com")
    }
    .header(&early);
    assert_eq!(answer_to(&mut world, &early).status, 486);
    let own = other("sip:carol@example.com").header(&replaces(&tag));
    world.say(FLOW, &own.text());
    let events = world.take_events();
    let [Event::Incoming { call: second, .. }] = events.as_slice() else {
        panic!("{events:?}");
    };
    world.command(answer(second));
    let ended = |event: &Event| matches!(event, Event::Ended { call, .. } if *call == first);
    assert!(world.take_events().iter().any(ended));
    assert_eq!(world.request().method.to_string(), "BYE");
}

#[test]
fn an_invite_without_an_offer_gets_ours_and_the_ack_brings_the_answer() {
    let (mut world, call, tag) = ringing(&Script::new("INVITE"));
    world.command(answer(&call));
    let accepted = responses(&mut world).remove(0);
    assert_eq!(accepted.sdp().as_deref(), Some(ANSWER));
    let ack = Script {
        body: Some(("application/sdp", "their answer")),
        ..Script::new("ACK")
    };
    world.say(FLOW, &ack.within(&tag, 1).text());
    let updated = Event::MediaUpdated {
        call: call.clone(),
        sdp: "their answer".to_owned(),
    };
    assert_eq!(world.take_events(), [updated, Event::Confirmed { call }]);
}

#[test]
fn info_packages_are_refused_and_digits_of_both_kinds_are_heard() {
    let (mut world, call, tag) = talking();
    let info = |cseq, body| {
        Script {
            body: Some(body),
            ..Script::new("INFO")
        }
        .within(&tag, cseq)
    };
    let package = info(2, ("application/x", "1")).header("Info-Package: x");
    assert_eq!(answer_to(&mut world, &package).status, 469);
    let relay = info(
        3,
        ("application/dtmf-relay", "Signal= 5\r\nDuration= 160\r\n"),
    );
    assert_eq!(answer_to(&mut world, &relay).status, 200);
    assert_eq!(
        answer_to(&mut world, &info(4, ("application/dtmf", "#"))).status,
        200
    );
    assert_eq!(
        answer_to(&mut world, &info(5, ("application/dtmf", "no"))).status,
        400
    );
    assert_eq!(
        answer_to(&mut world, &info(6, ("image/png", "x"))).status,
        415
    );
    let digit = |digit| Event::Digit {
        call: call.clone(),
        digit,
    };
    assert_eq!(world.take_events(), [digit('5'), digit('#')]);
}

#[test]
fn a_blind_transfer_is_done_when_the_far_side_says_so_and_not_before() {
    let (mut world, call, tag) = talking();
    world.command(Command::Transfer {
        call: call.clone(),
        to: "dave".to_owned(),
    });
    let refer = world.request();
    assert_eq!(
        refer.headers.get(&HeaderName::ReferTo).as_deref(),
        Some("<sip:dave@example.com>")
    );
    assert!(refer.headers.has(&HeaderName::ReferredBy));
    world.answer(&refer, 202, &[]);
    let notify = |cseq, body, state: &str| {
        let script = Script {
            body: Some(("message/sipfrag;version=2.0", body)),
            ..Script::new("NOTIFY")
        };
        script
            .within(&tag, cseq)
            .header("Event: refer")
            .header(&format!("Subscription-State: {state}"))
    };
    assert_eq!(
        answer_to(&mut world, &notify(2, "SIP/2.0 100 Trying", "active")).status,
        200
    );
    assert!(world.take_events().is_empty());
    assert_eq!(
        answer_to(
            &mut world,
            &notify(3, "SIP/2.0 200 OK", "terminated;reason=noresource")
        )
        .status,
        200
    );
    let events = world.take_events();
    assert_eq!(events.first(), Some(&Event::Transferred { call }));
    assert_eq!(world.request().method.to_string(), "BYE");
}

#[test]
fn a_transfer_that_fails_leaves_the_call() {
    let (mut world, call, tag) = talking();
    world.command(Command::Transfer {
        call: call.clone(),
        to: "dave".to_owned(),
    });
    let refer = world.request();
    world.answer(&refer, 202, &[]);
    let notify = Script {
        body: Some(("message/sipfrag", "SIP/2.0 486 Busy Here")),
        ..Script::new("NOTIFY")
    }
    .within(&tag, 2)
    .header("Event: refer")
    .header("Subscription-State: terminated");
    answer_to(&mut world, &notify);
    let events = world.take_events();
    assert!(
        matches!(events.as_slice(), [Event::CommandFailed { .. }]),
        "{events:?}"
    );
    world.command(bye(&call));
    assert_eq!(world.request().method.to_string(), "BYE");
}

#[test]
fn a_flood_costs_bounded_memory_and_never_more_than_a_few_rings() {
    let mut world = idle();
    world.spares_reader = true;
    for number in 0..5000_u32 {
        let script = Script {
            branch: format!("z9hG4bKflood{number}"),
            call_id: Box::leak(format!("flood-{number}").into_boxed_str()),
            ..Script::invite()
        };
        world.say(FLOW, &script.text());
    }
    let incoming = world.take_events().len();
    assert_eq!(incoming, 32);
    let refused = statuses(&mut world);
    assert!(refused.contains(&486) && refused.contains(&503));
    for number in 0..5000_u32 {
        let script = Script {
            branch: format!("z9hG4bKo{number}"),
            ..Script::new("OPTIONS")
        };
        world.say(FLOW, &script.text());
    }
    // It still stands when the flood is over.
    world.pass(seconds(300), |world| world.handle(Input::Pong(FLOW)));
    assert_eq!(answer_to(&mut world, &Script::new("OPTIONS")).status, 200);
}

#[test]
fn a_cancelled_offer_is_off_and_the_call_goes_on() {
    let (mut world, call, tag) = talking();
    let reinvite = Script {
        body: Some(("application/sdp", "one")),
        ..Script::new("INVITE")
    }
    .within(&tag, 2);
    world.say(FLOW, &reinvite.text());
    world.take_events();
    let cancel = Script {
        branch: reinvite.branch,
        to_tag: Some(tag),
        cseq: 2,
        ..Script::new("CANCEL")
    };
    world.texts.clear();
    world.say(FLOW, &cancel.text());
    assert_eq!(statuses(&mut world), [200, 487]);
    world.command(Command::Attach {
        call: call.clone(),
        sdp: "too late".to_owned(),
    });
    assert!(ends(&mut world).is_empty());
    world.command(bye(&call));
    assert_eq!(world.request().method.to_string(), "BYE");
}

/// RFC 3261, 9.2: the answer to a CANCEL is of the same dialog as that to its INVITE.
#[test]
fn the_answer_to_a_cancel_has_the_tag_of_its_invite() {
    let script = Script::invite();
    let cancel = || Script {
        branch: script.branch.clone(),
        ..Script::new("CANCEL")
    };
    let (mut world, _, tag) = ringing(&script);
    world.say(FLOW, &cancel().text());
    let all = responses(&mut world);
    let of = |response: &Response| (response.status, response.ids.to_tag().to_owned());
    let said: Vec<_> = all.iter().map(of).collect();
    assert_eq!(said, [(200, tag.clone()), (487, tag)]);
    // Also where the INVITE has its answer, from nobody's user.
    let mut world = idle();
    let twice = Script::invite().header("Replaces: a;to-tag=b;from-tag=c");
    let refused = answer_to(&mut world, &twice);
    let late = answer_to(&mut world, &cancel());
    assert_eq!((refused.status, late.status), (481, 200));
    assert_eq!(refused.ids.to_tag(), late.ids.to_tag());
}

#[test]
fn a_caller_that_says_goodbye_before_the_answer_takes_its_invite_with_it() {
    let (mut world, _, tag) = ringing(&Script::invite());
    world.say(FLOW, &Script::new("BYE").within(&tag, 2).text());
    let all = responses(&mut world);
    let said: Vec<_> = all
        .iter()
        .map(|response| (response.status, response.ids.method.clone()))
        .collect();
    assert_eq!(said, [(200, Method::Bye), (487, Method::Invite)]);
    let cause = Cause::ORIGINATOR_CANCEL;
    assert_eq!(ends(&mut world), [(EndedBy::Remote, cause, false)]);
}

/// RFC 3261, 8.2.1 comes before 8.2.2.
#[test]
fn a_method_that_is_not_known_is_refused_for_that_whatever_it_requires() {
    let (mut world, _, tag) = talking();
    for (script, status) in [
        (Script::new("NOSUCH"), 405),
        (Script::new("NOSUCH").within(&tag, 2), 405),
        (Script::new("OPTIONS"), 420),
    ] {
        let refused = answer_to(&mut world, &script.header("Require: nonsense"));
        assert_eq!(refused.status, status);
        let allowed = refused.headers.get(&HeaderName::Allow);
        assert_eq!(allowed.is_some(), status == 405);
        assert!(allowed.is_none_or(|line| line.contains("INVITE") && line.contains("BYE")));
    }
}

/// RFC 3261, 11.2: as an INVITE would be.
#[test]
fn options_say_whether_a_call_would_be_taken() {
    let mut world = idle();
    for number in 0..32_u32 {
        let script = Script {
            branch: format!("z9hG4bKring{number}"),
            call_id: Box::leak(format!("ring-{number}").into_boxed_str()),
            ..Script::invite()
        };
        assert_eq!(answer_to(&mut world, &script).status, 180);
    }
    assert_eq!(answer_to(&mut world, &Script::new("OPTIONS")).status, 486);
    let (mut world, _, _) = talking();
    assert_eq!(answer_to(&mut world, &Script::new("OPTIONS")).status, 200);
    // Our goodbyes are under way.
    world.command(Command::Shutdown);
    world.requests.clear();
    assert_eq!(answer_to(&mut world, &Script::new("OPTIONS")).status, 480);
    let late = Script {
        call_id: "late",
        branch: "z9hG4bKlate".to_owned(),
        ..Script::invite()
    };
    assert_eq!(answer_to(&mut world, &late).status, 480);
}

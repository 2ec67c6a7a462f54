//! Calls that nobody has answered yet outlive a lost socket where the server keeps them, and are answered afterwards.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::Command;
use offhook_signaling::deadlines::Deadline;
use offhook_signaling::event::{EndedBy, Event};
use serde_json::{Value, json};

use crate::story::{ANSWER, OFFER, Story};

const NEW_OFFER: &str = "v=0 new offer";
const NEW_ANSWER: &str = "v=0 new answer";

/// The socket is lost, and the server offers the call again on the next one.
fn lose_and_come_back(story: &mut Story, name: &str) {
    story.closed();
    story.until(Duration::from_secs(60), |event| {
        matches!(event, Event::Connecting { .. })
    });
    story.log_in();
    story.client_ready(&[name]);
    story.register();
    offer_again(story, "attach", name);
}

fn offer_again(story: &mut Story, method: &str, name: &str) {
    story.events.clear();
    let id = story.says(method, json!({"callID": name, "sdp": NEW_OFFER}));
    story.take_ack(method, id);
    let Event::Attach {
        sdp, known: true, ..
    } = story.event()
    else {
        panic!()
    };
    assert_eq!(sdp, NEW_OFFER);
}

fn attach(story: &mut Story, call: &CallId) -> Value {
    story.command(Command::Attach {
        call: call.clone(),
        sdp: NEW_ANSWER.into(),
    });
    let attach = story.take_sent("attach");
    assert_eq!(attach["params"]["sdp"], NEW_ANSWER);
    attach
}

fn ringing(story: &mut Story) -> CallId {
    story.says("invite", json!({"callID": "in-1", "sdp": OFFER}));
    story.events.clear();
    story.sent.clear();
    CallId::from_wire("in-1").expect("a name")
}

fn answer(story: &mut Story, call: &CallId) {
    story.command(Command::Answer {
        call: call.clone(),
        sdp: NEW_ANSWER.into(),
        headers: vec![("X-Desk".into(), "7".into())],
        client_state: None,
        trickle: None,
    });
}

/// Pings are answered, so that nothing but calls is at stake.
fn pong(story: &mut Story) {
    let frames: Vec<Value> = story.sent.drain(..).collect();
    for frame in frames {
        if frame["method"] == "telnyx_rtc.ping" {
            story.reply(&frame, json!({"message": "PONG"}));
        } else {
            story.sent.push_back(frame);
        }
    }
}

#[test]
fn a_call_of_ours_that_is_attached_goes_on_waiting_for_its_answer() {
    for sdp in [Some(ANSWER), None] {
        let mut story = Story::telnyx().ready();
        let (call, _) = story.place("c-1");
        lose_and_come_back(&mut story, "c-1");
        let attach = attach(&mut story, &call);
        story.reply(&attach, json!({}));
        assert_eq!(story.event(), Event::Confirmed { call: call.clone() });
        // It is not up: only its answer makes it so.
        story.command(Command::Hold {
            call: call.clone(),
            on: true,
        });
        assert!(matches!(story.event(), Event::CommandFailed { .. }));
        story.says("ringing", json!({"callID": "c-1"}));
        assert!(matches!(story.event(), Event::Ringing { .. }));
        story.says("answer", json!({"callID": "c-1", "sdp": sdp}));
        let Event::Answered { sdp: None, .. } = story.event() else {
            panic!("the media agreed by the attach stands")
        };
        story.sent.clear();
        story.command(Command::Hold { call, on: true });
        story.take_sent("modify");
    }
}

#[test]
fn an_answer_that_overtakes_our_attach_counts() {
    let mut story = Story::telnyx().ready();
    let (call, _) = story.place("c-1");
    lose_and_come_back(&mut story, "c-1");
    story.says("answer", json!({"callID": "c-1"}));
    assert!(matches!(story.event(), Event::Answered { sdp: None, .. }));
    story.sent.clear();
    let attach = attach(&mut story, &call);
    story.reply(&attach, json!({}));
    assert_eq!(story.event(), Event::Confirmed { call: call.clone() });
    // The same while our attach is under way.
    let mut story = Story::telnyx().ready();
    let (call, _) = story.place("c-1");
    lose_and_come_back(&mut story, "c-1");
    let attach = self::attach(&mut story, &call);
    story.says("answer", json!({"callID": "c-1"}));
    assert!(matches!(story.event(), Event::Answered { sdp: None, .. }));
    story.reply(&attach, json!({}));
    assert_eq!(story.event(), Event::Confirmed { call });
}

#[test]
fn the_time_for_an_answer_goes_on_over_an_attach() {
    let mut story = Story::telnyx().ready();
    let begun = story.now;
    let (call, invite) = story.place("c-1");
    story.reply(&invite, json!({"message": "CALL CREATED"}));
    story.pass(Duration::from_secs(15));
    lose_and_come_back(&mut story, "c-1");
    let attach = attach(&mut story, &call);
    story.reply(&attach, json!({}));
    story.events.clear();
    while story.events.is_empty() {
        story.next_deadline();
        pong(&mut story);
    }
    let Event::Ended {
        by: EndedBy::Timeout,
        cause,
        ..
    } = story.event()
    else {
        panic!()
    };
    assert_eq!(cause, Cause::NO_ANSWER);
    assert_eq!(story.now - begun, Duration::from_secs(120));
    story.take_sent("bye");
}

#[test]
fn an_attach_that_our_user_does_not_answer_or_the_server_refuses_ends_the_call() {
    let mut story = Story::telnyx().ready();
    story.place("c-1");
    lose_and_come_back(&mut story, "c-1");
    loop {
        if story.next_deadline() == Deadline::AttachUntaken {
            break;
        }
        pong(&mut story);
    }
    assert!(matches!(
        story.event(),
        Event::Ended {
            by: EndedBy::Timeout,
            ..
        }
    ));
    let mut story = Story::telnyx().ready();
    let (call, _) = story.place("c-1");
    lose_and_come_back(&mut story, "c-1");
    let attach = attach(&mut story, &call);
    story.refuse(&attach, -32002, "CODEC ERROR");
    assert!(matches!(
        story.event(),
        Event::Ended {
            by: EndedBy::Server,
            ..
        }
    ));
    story.take_sent("bye");
}

#[test]
fn a_ringing_call_that_is_attached_rings_on_and_is_answered_by_an_attach() {
    let mut story = Story::telnyx().ready();
    let call = ringing(&mut story);
    lose_and_come_back(&mut story, "in-1");
    // Longer than an attach may be left alone: it is the user who decides.
    for _ in 0..12 {
        story.pass(Duration::from_secs(4));
        pong(&mut story);
    }
    story.nothing_told();
    story.nothing_sent();
    answer(&mut story, &call);
    let attach = story.take_sent("attach");
    assert_eq!(attach["params"]["sdp"], NEW_ANSWER);
    let dialog = &attach["params"]["dialogParams"];
    assert_eq!(dialog["attach"], true);
    assert_eq!(dialog["custom_headers"][0]["name"], "X-Desk");
    story.reply(&attach, json!({}));
    assert_eq!(story.event(), Event::Confirmed { call });
}

#[test]
fn a_server_that_takes_no_attach_for_a_ringing_call_gets_an_answer() {
    for (second, by) in [(None, None), (Some("CODEC ERROR"), Some(EndedBy::Server))] {
        let mut story = Story::telnyx().ready();
        let call = ringing(&mut story);
        lose_and_come_back(&mut story, "in-1");
        answer(&mut story, &call);
        let attach = story.take_sent("attach");
        story.refuse(&attach, -32602, "Invalid state");
        story.nothing_told();
        let answer = story.take_sent("answer");
        assert_eq!(answer["params"]["sdp"], NEW_ANSWER);
        match second {
            None => story.reply(&answer, json!({})),
            Some(text) => story.refuse(&answer, -32002, text),
        }
        match (story.event(), by) {
            (Event::Confirmed { .. }, None) => {}
            (Event::Ended { by, .. }, Some(expected)) => assert_eq!(by, expected),
            (event, _) => panic!("{event:?}"),
        }
    }
}

#[test]
fn a_caller_who_gave_up_meanwhile_is_told_as_such() {
    let mut story = Story::telnyx().ready();
    let call = ringing(&mut story);
    lose_and_come_back(&mut story, "in-1");
    answer(&mut story, &call);
    let attach = story.take_sent("attach");
    story.refuse(&attach, -32002, "CALL DOES NOT EXIST");
    let Event::Ended { by, cause, .. } = story.event() else {
        panic!()
    };
    assert_eq!((by, cause), (EndedBy::Remote, Cause::ORIGINATOR_CANCEL));
    story.nothing_sent();
}

#[test]
fn a_ringing_call_that_is_invited_again_is_answered_by_an_answer() {
    let mut story = Story::telnyx().ready();
    let call = ringing(&mut story);
    story.closed();
    story.come_back(&[]);
    story.register();
    offer_again(&mut story, "invite", "in-1");
    answer(&mut story, &call);
    assert_eq!(story.take_sent("answer")["params"]["sdp"], NEW_ANSWER);
}

#[test]
fn a_user_who_answers_before_the_server_is_ready_is_heard_then() {
    let mut story = Story::telnyx().ready();
    let call = ringing(&mut story);
    story.closed();
    story.until(Duration::from_secs(60), |event| {
        matches!(event, Event::Connecting { .. })
    });
    story.log_in();
    story.says("attach", json!({"callID": "in-1", "sdp": NEW_OFFER}));
    answer(&mut story, &call);
    story.nothing_sent();
    story.client_ready(&["in-1"]);
    story.sent.pop_front();
    story.take_sent("attach");
}

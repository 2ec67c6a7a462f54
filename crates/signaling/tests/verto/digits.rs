//! Digits by signalling outlive a lost socket: in order, each once, or failed with their call.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use serde_json::json;

use crate::story::{ANSWER, OFFER, Story};

fn press(story: &mut Story, call: &CallId, digits: &str) {
    story.command(Command::Dtmf {
        call: call.clone(),
        digits: digits.into(),
    });
}

/// The digits that were sent since the last look, in order.
fn pressed(story: &mut Story) -> Vec<String> {
    let frames = story.sent.drain(..);
    let digits = frames.filter_map(|frame| Some(frame["params"]["dtmf"].as_str()?.to_owned()));
    digits.collect()
}

fn failures(story: &Story) -> usize {
    let failed = |event: &&Event| matches!(event, Event::CommandFailed { .. });
    story.events.iter().filter(failed).count()
}

#[test]
fn digits_typed_while_the_socket_is_lost_follow_the_attach_in_order() {
    for mut story in [Story::telnyx().ready(), Story::freeswitch().ready()] {
        let call = story.answered("c-1");
        press(&mut story, &call, "1");
        press(&mut story, &call, "2");
        let first = story.sent.pop_front().unwrap();
        story.reply(&first, json!({"message": "SENT"}));
        assert_eq!(story.event(), Event::DtmfSent { call: call.clone() });
        assert_eq!(pressed(&mut story), ["2"]);
        // The second got no reply: the server may never have heard it.
        story.closed();
        press(&mut story, &call, "3");
        story.until(Duration::from_secs(60), |event| {
            matches!(event, Event::Connecting { .. })
        });
        story.log_in();
        press(&mut story, &call, "4");
        story.says("attach", json!({"callID": "c-1", "sdp": OFFER}));
        press(&mut story, &call, "5");
        story.nothing_sent();
        story.client_ready(&["c-1"]);
        story.sent.pop_front();
        story.register();
        press(&mut story, &call, "6");
        story.nothing_sent();
        story.command(Command::Attach {
            call: call.clone(),
            sdp: ANSWER.into(),
        });
        let attach = story.take_sent("attach");
        press(&mut story, &call, "7");
        story.nothing_sent();
        story.reply(&attach, json!({}));
        let sent: Vec<_> = story.sent.iter().cloned().collect();
        assert_eq!(pressed(&mut story), ["2", "3", "4", "5", "6", "7"]);
        assert_eq!(failures(&story), 0);
        for frame in &sent {
            story.reply(frame, json!({"message": "SENT"}));
        }
        press(&mut story, &call, "8");
        assert_eq!(pressed(&mut story), ["8"]);
        // Nothing of it is said again.
        story.closed();
        story.come_back(&["c-1"]);
        story.sent.pop_front();
        story.register();
        story.command(Command::Attach {
            call,
            sdp: ANSWER.into(),
        });
        let attach = story.take_sent("attach");
        story.reply(&attach, json!({}));
        assert_eq!(pressed(&mut story), ["8"]);
    }
}

#[test]
fn digits_that_wait_for_a_call_that_ends_fail_before_its_end() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    story.closed();
    press(&mut story, &call, "12");
    press(&mut story, &call, "3");
    story.events.clear();
    while !story
        .events
        .iter()
        .any(|event| matches!(event, Event::Ended { .. }))
    {
        story.next_deadline();
    }
    assert_eq!(failures(&story), 2);
    let end = story
        .events
        .iter()
        .position(|event| matches!(event, Event::Ended { .. }));
    let last = story
        .events
        .iter()
        .rposition(|event| matches!(event, Event::CommandFailed { .. }));
    assert!(last < end);
}

#[test]
fn digits_that_wait_are_bounded() {
    let mut story = Story::telnyx().ready();
    let call = story.answered("c-1");
    story.closed();
    story.events.clear();
    for _ in 0..64 {
        press(&mut story, &call, "1");
    }
    assert_eq!(failures(&story), 0);
    press(&mut story, &call, "2");
    assert_eq!(failures(&story), 1);
}

#[test]
fn digits_that_the_server_refuses_or_passes_over_are_not_said_again() {
    let mut story = Story::telnyx().ready();
    let call = story.answered("c-1");
    press(&mut story, &call, "1");
    let refused = story.sent.pop_front().unwrap();
    story.refuse(&refused, -32602, "Permission Denied");
    assert_eq!(failures(&story), 1);
    press(&mut story, &call, "2");
    story.sent.clear();
    while failures(&story) < 2 {
        story.next_deadline();
        let frames: Vec<_> = story.sent.drain(..).collect();
        for frame in frames {
            story.reply(&frame, json!({"message": "PONG"}));
        }
    }
    story.closed();
    story.come_back(&["c-1"]);
    story.sent.pop_front();
    story.register();
    story.command(Command::Attach {
        call,
        sdp: ANSWER.into(),
    });
    let attach = story.take_sent("attach");
    story.reply(&attach, json!({}));
    assert_eq!(pressed(&mut story), [""; 0]);
}

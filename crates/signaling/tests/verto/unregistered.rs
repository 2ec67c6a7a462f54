//! A gateway that lets go of us while calls live on the socket.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::error::Error;
use offhook_signaling::event::{DisconnectCause, Event};
use serde_json::json;

use crate::story::Story;

/// Lets time pass while the gateway says this state; gives back what was told and how often it was asked.
fn pass(story: &mut Story, span: Duration, state: &str) -> (Vec<Event>, usize) {
    let end = story.now + span;
    let (mut told, mut asked) = (Vec::new(), 0);
    loop {
        while let Some(frame) = story.sent.pop_front() {
            if frame["method"] == "telnyx_rtc.gatewayState" {
                asked += 1;
                story.reply(&frame, json!({"params": {"state": state}}));
            } else {
                story.reply(&frame, json!({"message": "PONG"}));
            }
        }
        told.extend(story.events.drain(..));
        match story.wait {
            Some((at, _)) if at <= end => drop(story.next_deadline()),
            _ => break,
        }
    }
    story.now = end;
    (told, asked)
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

fn hang_up(story: &mut Story, call: CallId) {
    story.command(Command::Bye {
        call,
        cause: None,
        sip_code: None,
        headers: Vec::new(),
    });
}

fn unregistered(told: &[Event]) -> Vec<&str> {
    let states = told.iter().filter_map(|event| {
        if let Event::Unregistered(Error::NotRegistered { state, .. }) = event {
            Some(state.as_str())
        } else {
            None
        }
    });
    states.collect()
}

#[test]
fn a_registration_that_is_lost_under_a_call_leaves_the_socket_to_the_call() {
    for state in ["UNREGED", "NOREG", "EXPIRED", "TRYING"] {
        let mut story = Story::telnyx().ready();
        let call = story.answered("c-1");
        story.says("gatewayState", json!({"state": state}));
        let (told, asked) = pass(&mut story, minutes(60), state);
        assert_eq!(unregistered(&told), [state], "said once: {told:?}");
        let hurt = told
            .iter()
            .any(|event| matches!(event, Event::Ended { .. } | Event::Disconnected { .. }));
        assert!(!hurt, "{state}: {told:?}");
        assert_eq!(story.disconnects, 0);
        assert!((90..=190).contains(&asked), "{asked} questions in an hour");
        // The socket was kept for the call alone.
        hang_up(&mut story, call);
        let (told, _) = pass(&mut story, minutes(2), state);
        assert!(
            told.iter().any(|event| matches!(
                event,
                Event::Disconnected {
                    cause: DisconnectCause::NotRegistered,
                    ..
                }
            )),
            "{state}: {told:?}"
        );
    }
}

#[test]
fn a_registration_that_comes_back_under_a_call_is_ready_again() {
    let mut story = Story::telnyx().ready();
    story.answered("c-1");
    // The second loss within an hour is a fight, which must not cost the call either.
    for _ in 0..3 {
        story.says("gatewayState", json!({"state": "UNREGED"}));
        let (told, _) = pass(&mut story, minutes(5), "UNREGED");
        assert_eq!(unregistered(&told), ["UNREGED"]);
        let (told, _) = pass(&mut story, minutes(1), "REGED");
        assert_eq!(told, [Event::Ready]);
        let (told, _) = pass(&mut story, minutes(1), "REGED");
        assert_eq!(told, []);
    }
    assert_eq!(story.disconnects, 0);
}

#[test]
fn a_gateway_that_fails_is_left_with_the_call_and_without_a_rest() {
    let mut story = Story::telnyx().ready();
    story.answered("c-1");
    for _ in 0..2 {
        story.says("gatewayState", json!({"state": "UNREGED"}));
        story.says("gatewayState", json!({"state": "REGED"}));
    }
    story.says("gatewayState", json!({"state": "UNREGED"}));
    story.says("gatewayState", json!({"state": "FAILED"}));
    let event = story.until(Duration::from_secs(1), |event| {
        matches!(event, Event::Disconnected { .. })
    });
    let Event::Disconnected {
        retry_in: Some(pause),
        ..
    } = event
    else {
        panic!("{event:?}")
    };
    assert!(pause < minutes(1), "the call would be over in {pause:?}");
    story.come_back(&["c-1"]);
}

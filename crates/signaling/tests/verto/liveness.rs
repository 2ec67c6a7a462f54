//! Pings as each side wants them, and sockets that are open on one end only.

use std::time::Duration;

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::deadlines::Deadline;
use offhook_signaling::error::Error;
use offhook_signaling::event::{DisconnectCause, Event};
use offhook_signaling::session::Input;
use serde_json::json;

use crate::story::Story;

#[test]
fn telnyx_pings_are_answered_with_a_ping_of_our_own() {
    let mut story = Story::telnyx().ready();
    story.says("ping", json!({"serno": 1}));
    let ping = story.take_sent("ping");
    assert_eq!(ping["voice_sdk_id"], "v-1");
    story.nothing_sent();
    story.reply(&ping, json!({"message": "PONG"}));
    assert_eq!(story.wait.unwrap().1, Deadline::Probe);
}

#[test]
fn freeswitch_pings_are_acknowledged_and_ours_go_every_20_s() {
    let mut story = Story::freeswitch().ready();
    let id = story.says("ping", json!({"serno": 1}));
    story.take_ack("ping", id);
    for _ in 0..10 {
        let before = story.now;
        assert_eq!(story.next_deadline(), Deadline::Probe);
        assert_eq!(story.now - before, Duration::from_secs(20));
        let ping = story.take_sent("ping");
        story.reply(&ping, json!({"message": "PONG", "auth-expires": 99}));
    }
    story.nothing_told();
}

#[test]
fn a_half_open_socket_is_found_within_half_a_minute() {
    for mut story in [Story::telnyx().ready(), Story::freeswitch().ready()] {
        let begun = story.now;
        assert_eq!(story.next_deadline(), Deadline::Probe);
        let probed = story.now;
        assert_eq!(story.next_deadline(), Deadline::ProbeReply);
        assert!(story.now - probed <= Duration::from_secs(10));
        assert!(story.now - begun <= Duration::from_secs(30));
        let Event::Disconnected { cause, .. } = story.event() else {
            panic!()
        };
        assert_eq!(cause, DisconnectCause::Silent(Deadline::ProbeReply));
        assert_eq!(story.disconnects, 1);
    }
}

#[test]
fn a_socket_that_receives_but_no_longer_sends_is_found_too() {
    let mut story = Story::telnyx().ready();
    let begun = story.now;
    let mut probes = 0;
    while story.events.is_empty() {
        story.pass(Duration::from_secs(4));
        story.says("event", json!({"eventChannel": "x"}));
        probes += story.sent.drain(..).count();
    }
    assert_eq!(probes, 1);
    assert!(story.now - begun <= Duration::from_secs(56));
    assert!(matches!(
        story.event(),
        Event::Disconnected {
            cause: DisconnectCause::Silent(Deadline::ProbeReply),
            ..
        }
    ));
}

#[test]
fn a_server_that_refuses_pings_lives_all_the_same() {
    let mut story = Story::freeswitch().ready();
    for _ in 0..5 {
        story.next_deadline();
        let ping = story.take_sent("ping");
        story.refuse(
            &ping,
            -32601,
            "Invalid Method, Missing Method or Permission Denied",
        );
    }
    story.nothing_told();
}

/// New media that the engine offers, with the next frame of the server it may be sent.
fn update(call: &CallId) -> Command {
    Command::UpdateMedia {
        call: call.clone(),
        sdp: "new offer".into(),
    }
}

#[test]
fn a_server_not_heard_for_a_while_is_probed_before_new_media() {
    for mut story in [Story::telnyx().ready(), Story::freeswitch().ready()] {
        let call = story.answered("c-1");
        // Heard a moment ago: at once.
        story.command(update(&call));
        let modify = story.take_sent("modify");
        story.reply(&modify, json!({"sdp": "answer"}));
        assert!(matches!(story.event(), Event::MediaUpdated { .. }));
        // Not heard for a while: only when it has answered, and other words are no answer.
        story.pass(Duration::from_secs(10));
        story.command(update(&call));
        let ping = story.take_sent("ping");
        story.command(update(&call));
        story.says("event", json!({"eventChannel": "x"}));
        story.nothing_sent();
        story.reply(&ping, json!({"message": "PONG"}));
        for _ in 0..2 {
            let modify = story.take_sent("modify");
            assert_eq!(modify["params"]["action"], "updateMedia");
        }
        story.nothing_sent();
        story.nothing_told();
    }
}

#[test]
fn new_media_for_a_server_that_is_gone_waits_for_no_more_than_a_probe() {
    let mut story = Story::telnyx().ready();
    let call = story.answered("c-1");
    story.pass(Duration::from_secs(10));
    story.command(update(&call));
    let asked = story.now;
    assert_eq!(story.next_deadline(), Deadline::ProbeReply);
    assert_eq!(story.now - asked, Duration::from_secs(5));
    assert!(matches!(
        story.event(),
        Event::MediaUpdateFailed {
            error: Error::NotReady { .. },
            ..
        }
    ));
    assert!(matches!(
        story.event(),
        Event::Disconnected {
            cause: DisconnectCause::Silent(Deadline::ProbeReply),
            ..
        }
    ));
}

#[test]
fn a_request_about_no_call_that_gets_no_reply_starts_a_probe_too() {
    let mut story = Story::freeswitch().ready();
    story.command(Command::Message {
        id: 7,
        call: None,
        to: "1001".into(),
        body: "hi".into(),
    });
    story.take_sent("info");
    // The server goes on talking, and answers nothing.
    for _ in 0..2 {
        story.pass(Duration::from_secs(4));
        story.says("event", json!({"eventChannel": "x"}));
    }
    story.nothing_sent();
    assert_eq!(story.next_deadline(), Deadline::InfoReply);
    assert!(matches!(story.event(), Event::MessageFailed { .. }));
    story.take_sent("ping");
}

#[test]
fn hold_and_transfer_wait_ten_seconds_and_new_media_fifteen() {
    for (command, limit) in [(None, 15), (Some(true), 10), (Some(false), 10)] {
        let mut story = Story::freeswitch().ready();
        let call = story.answered("c-1");
        story.command(match command {
            None => update(&call),
            Some(true) => Command::Hold { call, on: true },
            Some(false) => Command::Transfer {
                call,
                to: "1002".into(),
            },
        });
        let begun = story.now;
        story.until(Duration::from_secs(20), |event| {
            matches!(
                event,
                Event::CommandFailed { .. } | Event::MediaUpdateFailed { .. }
            )
        });
        assert_eq!(story.now - begun, Duration::from_secs(limit));
    }
}

#[test]
fn a_flood_of_pings_is_not_answered_with_a_flood() {
    let mut story = Story::telnyx().ready();
    for _ in 0..1000 {
        story.says("ping", json!({}));
    }
    assert!(story.sent.len() <= 8, "{}", story.sent.len());
}

#[test]
fn an_attempt_that_waits_for_its_turn_has_its_time_from_then_on() {
    let mut story = Story::telnyx();
    story.input(Input::Deferred);
    story.events.clear();
    story.pass(Duration::from_secs(3600));
    story.nothing_told();
    story.input(Input::Begun);
    let begun = story.now;
    assert_eq!(story.next_deadline(), Deadline::Connect);
    assert_eq!(story.now - begun, Duration::from_secs(45));
    let Event::Disconnected { cause, .. } = story.event() else {
        panic!()
    };
    assert_eq!(cause, DisconnectCause::Silent(Deadline::Connect));
    // Nothing of that is for a connection that is there.
    let mut story = Story::telnyx().ready();
    story.input(Input::Begun);
    assert_eq!(story.next_deadline(), Deadline::Probe);
}

//! Pings as each side wants them, and sockets that are open on one end only.

use std::time::Duration;

use offhook_signaling::deadlines::Deadline;
use offhook_signaling::event::{DisconnectCause, Event};
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

#[test]
fn a_flood_of_pings_is_not_answered_with_a_flood() {
    let mut story = Story::telnyx().ready();
    for _ in 0..1000 {
        story.says("ping", json!({}));
    }
    assert!(story.sent.len() <= 8, "{}", story.sent.len());
}

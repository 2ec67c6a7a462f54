//! The end: every call hung up, the socket closed, in bounded time.

use std::time::Duration;

use offhook_signaling::command::Command;
use offhook_signaling::deadlines::Deadline;
use offhook_signaling::event::{EndedBy, Event};
use serde_json::json;

use crate::story::{ANSWER, Story};

#[test]
fn calls_are_hung_up_before_the_socket_is_closed() {
    let mut story = Story::telnyx().ready();
    story.answered("c-1");
    story.place("c-2");
    story.command(Command::Shutdown);
    let byes = [story.take_sent("bye"), story.take_sent("bye")];
    for _ in 0..2 {
        assert!(matches!(
            story.event(),
            Event::Ended {
                by: EndedBy::Local,
                ..
            }
        ));
    }
    story.nothing_told();
    story.says("answer", json!({"callID": "c-2", "sdp": ANSWER}));
    story.says("invite", json!({"callID": "in-1", "sdp": ANSWER}));
    story.nothing_told();
    assert_eq!(story.disconnects, 0);
    for bye in byes {
        story.reply(&bye, json!({}));
    }
    assert_eq!(story.disconnects, 1);
    assert_eq!(story.event(), Event::Stopped);
    assert_eq!(story.wait, None);
}

#[test]
fn a_silent_server_cannot_hold_the_end_up() {
    let mut story = Story::freeswitch().ready();
    story.answered("c-1");
    story.command(Command::Shutdown);
    story.events.clear();
    let begun = story.now;
    assert_eq!(story.next_deadline(), Deadline::Stopping);
    assert!(story.now - begun <= Duration::from_secs(3));
    assert_eq!(story.event(), Event::Stopped);
    assert_eq!(story.disconnects, 1);
}

#[test]
fn without_calls_or_without_a_connection_the_end_is_at_once() {
    let mut ready = Story::freeswitch().ready();
    ready.command(Command::Shutdown);
    assert_eq!(ready.event(), Event::Stopped);
    assert_eq!(ready.disconnects, 1);
    let mut connecting = Story::freeswitch();
    connecting.events.clear();
    connecting.command(Command::Shutdown);
    assert_eq!(connecting.event(), Event::Stopped);
    assert_eq!(connecting.disconnects, 1);
    let mut adrift = Story::freeswitch().ready();
    adrift.answered("c-1");
    adrift.closed();
    adrift.events.clear();
    adrift.command(Command::Shutdown);
    assert!(matches!(
        adrift.event(),
        Event::Ended {
            by: EndedBy::Local,
            ..
        }
    ));
    assert_eq!(adrift.event(), Event::Stopped);
    assert_eq!(adrift.disconnects, 0);
}

#[test]
fn a_socket_lost_during_the_end_is_the_end() {
    let mut story = Story::telnyx().ready();
    story.answered("c-1");
    story.command(Command::Shutdown);
    story.events.clear();
    story.closed();
    assert_eq!(story.event(), Event::Stopped);
    story.command(Command::Reconnect);
    story.nothing_told();
    assert_eq!(story.wait, None);
}

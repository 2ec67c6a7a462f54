//! What servers send beside the protocol is lived with, and never answered with an error.

use std::time::Duration;

use offhook_signaling::event::Event;
use serde_json::json;

use crate::story::{ANSWER, Story};

#[test]
fn rubbish_changes_nothing() {
    let lines = [
        "",
        " ",
        "#SPU 10",
        "#SPB xxxx",
        "#SPD 3",
        "null",
        "7",
        "\"text\"",
        "{",
        "[]",
        "[[]]",
        "[1, null, {}]",
        "{}",
        r#"{"jsonrpc":"2.0","id":null,"error":{"message":"Invalid Request"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":99,"error":null}"#,
        r#"{"jsonrpc":"2.0","id":"nobody","error":"text"}"#,
        r#"{"jsonrpc":"2.0","id":{"a":1},"method":["x"],"params":3}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"verto.unheardOf","params":{"callID":"c-1"}}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"telnyx_rtc.invite","params":{"callID":"c-1"}}"#,
        r#"{"jsonrpc":"2.0","id":6,"method":"verto.mediaParams","params":{"callID":"c-1"}}"#,
        r#"{"jsonrpc":"2.0","id":6,"method":"verto.event","params":null}"#,
        r#"{"jsonrpc":"2.0","id":6,"method":"verto.clientReady","params":{"reattached_sessions":"x"}}"#,
    ];
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    for line in lines {
        story.raw(line);
        story.nothing_sent();
        story.nothing_told();
    }
    story.says("bye", json!({"callID": "c-1"}));
    let Event::Ended { call: ended, .. } = story.event() else {
        panic!()
    };
    assert_eq!(ended, call);
}

#[test]
fn a_batch_is_read_frame_by_frame() {
    let mut story = Story::freeswitch().ready();
    let (_, invite) = story.place("c-1");
    let id = &invite["id"];
    story.raw(&format!(
        r#"[7, {{"jsonrpc":"2.0","id":{id},"result":{{"message":"CALL CREATED"}}}},
           {{"jsonrpc":"2.0","id":9,"method":"verto.answer","params":{{"callID":"c-1","sdp":"{ANSWER}"}}}}]"#
    ));
    assert!(matches!(story.event(), Event::Trying { .. }));
    assert!(matches!(story.event(), Event::Answered { .. }));
    story.take_ack("answer", 9);
}

#[test]
fn an_error_without_code_or_text_is_an_error() {
    let mut story = Story::freeswitch().ready();
    let (_, invite) = story.place("c-1");
    story.raw(&format!(
        r#"{{"jsonrpc":"2.0","id":{},"error":{{}}}}"#,
        invite["id"]
    ));
    assert!(matches!(story.event(), Event::Ended { detail: None, .. }));
}

#[test]
fn frames_on_a_lost_socket_are_not_heard() {
    let mut story = Story::freeswitch().ready();
    story.closed();
    story.events.clear();
    story.says("invite", json!({"callID": "in-1", "sdp": ANSWER}));
    story.nothing_sent();
    story.nothing_told();
    story.pass(Duration::from_secs(1));
}

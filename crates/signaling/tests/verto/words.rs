//! What servers say that belongs to no event of its own, or that nobody needs; and what is said on a call's channel.

use offhook_signaling::call_id::CallId;
use offhook_signaling::command::{Command, InfoItem};
use offhook_signaling::error::Error;
use offhook_signaling::event::{Event, Said};
use serde_json::json;

use crate::story::{ANSWER, OFFER, Story};

fn pairs(told: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = told.iter().copied();
    own.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn an_info_that_is_no_chat_is_told_as_it_came() {
    for (mut story, data) in [
        (Story::telnyx().ready(), json!({"anything": {"at": "all"}})),
        (Story::freeswitch().ready(), json!({"txt": {"chars": "h"}})),
    ] {
        let call = story.answered("c-1");
        story.says("info", data.clone());
        let free = Event::Info {
            call: None,
            data: data.clone(),
        };
        assert_eq!(story.event(), free);
        let mut about = data.clone();
        about["callID"] = json!("c-1");
        story.says("info", about.clone());
        let call = Some(call);
        assert_eq!(story.event(), Event::Info { call, data: about });
        let mut stranger = data;
        stranger["callID"] = json!("nobody");
        story.says("info", stranger);
        story.nothing_told();
    }
}

#[test]
fn conference_events_of_telnyx_may_have_another_name() {
    let mut story = Story::telnyx().ready();
    for name in ["webrtc.event", "telnyx_rtc.event"] {
        let params = json!({"eventChannel": "room", "eventData": {"a": 1}});
        story
            .raw(&json!({"jsonrpc": "2.0", "id": 5, "method": name, "params": params}).to_string());
        let told = Event::ChannelEvent {
            channel: "room".into(),
            data: json!({"a": 1}),
            lost: 0,
        };
        assert_eq!(story.event(), told, "{name}");
        // Without a channel or without anything on it there is nothing to tell.
        for params in [
            json!({"eventData": 1}),
            json!({"eventChannel": "room"}),
            json!({}),
        ] {
            let frame = json!({"jsonrpc": "2.0", "id": 6, "method": name, "params": params});
            story.raw(&frame.to_string());
        }
        story.nothing_told();
        story.nothing_sent();
    }
}

#[test]
fn what_a_voice_client_has_no_use_for_is_passed_over_in_silence() {
    for mut story in [Story::telnyx().ready(), Story::freeswitch().ready()] {
        story.answered("c-1");
        // Video constraints, a name that no server uses, and names of a later version.
        for method in ["mediaParams", "pong", "disconnect", "trying"] {
            story.says(
                method,
                json!({"callID": "c-1", "mediaParams": {"width": 1}}),
            );
        }
        story.nothing_told();
        story.nothing_sent();
    }
}

#[test]
fn headers_and_variables_come_with_ringing_early_media_and_new_offers() {
    let mut story = Story::telnyx().ready();
    let (call, _) = story.place("c-1");
    let beside =
        |name: &str, value: &str| json!({"custom_headers": [{"name": name, "value": value}]});
    story.says(
        "ringing",
        json!({"callID": "c-1", "dialogParams": beside("X-A", "1")}),
    );
    let said = |headers: &[(&str, &str)], variables: &[(&str, &str)]| {
        Box::new(Said {
            headers: pairs(headers),
            variables: pairs(variables),
            ..Said::default()
        })
    };
    let rings = Event::Ringing {
        call,
        said: said(&[("X-A", "1")], &[]),
    };
    assert_eq!(story.event(), rings);
    story.says(
        "media",
        json!({"callID": "c-1", "sdp": ANSWER, "dialogParams": beside("X-B", "2"),
            "variables": {"verto_svar_queue": "sales", "Core-UUID": "x"}}),
    );
    let Event::EarlyMedia { said: early, .. } = story.event() else {
        panic!("no early media");
    };
    assert_eq!(early, said(&[("X-B", "2")], &[("queue", "sales")]));

    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    for name in ["c-1", "earlier"] {
        story.says(
            "attach",
            json!({"callID": name, "sdp": OFFER, "variables": {"verto_svar_a": "b"}, "verto_h_X-Id": "9"}),
        );
        let Event::Attach { said: attach, .. } = story.event() else {
            panic!("no attach");
        };
        assert_eq!(attach, said(&[("X-Id", "9")], &[("a", "b")]));
    }
    // Nothing beside: nothing more.
    story.says("attach", json!({"callID": "c-1", "sdp": OFFER}));
    assert!(matches!(story.event(), Event::Attach { .. }));
    story.nothing_told();
    drop(call);
}

#[test]
fn text_and_commands_go_into_a_calls_channel_where_the_server_takes_them() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    for (item, name, value) in [
        (InfoItem::Text("h".into()), "txt", json!({"chars": "h"})),
        (
            InfoItem::Command(json!({"light": "on"})),
            "command",
            json!({"light": "on"}),
        ),
    ] {
        let call = call.clone();
        story.command(Command::Info { call, item });
        let info = story.take_sent("info");
        assert_eq!(info["params"][name], value);
        assert_eq!(info["params"]["dialogParams"]["callID"], "c-1");
        story.reply(&info, json!({}));
        story.nothing_told();
    }
    story.command(Command::Info {
        call,
        item: InfoItem::Text("x".repeat(300_000)),
    });
    let failed = |event| {
        let Event::CommandFailed { error, .. } = event else {
            panic!("{event:?}")
        };
        error
    };
    assert!(matches!(failed(story.event()), Error::Unsayable { .. }));
    let (call, _) = story.place("c-2");
    let item = InfoItem::Text("h".into());
    story.command(Command::Info { call, item });
    assert!(matches!(failed(story.event()), Error::WrongState { .. }));
    let mut story = Story::telnyx().ready();
    let call = story.answered("c-1");
    let item = InfoItem::Text("h".into());
    story.command(Command::Info { call, item });
    assert!(matches!(failed(story.event()), Error::NotInDialect { .. }));
}

#[test]
fn an_answer_that_the_server_cannot_use_is_followed_by_a_bye() {
    for text in ["CODEC ERROR", "MEDIA ERROR", "CODEC NEGOTIATION ERROR"] {
        let mut story = Story::freeswitch().ready();
        story.says("invite", json!({"callID": "in-1", "sdp": OFFER}));
        story.events.clear();
        story.sent.clear();
        let call = CallId::from_wire("in-1").unwrap();
        story.command(Command::Answer {
            call,
            sdp: ANSWER.into(),
            headers: Vec::new(),
            client_state: None,
            trickle: None,
        });
        let answer = story.take_sent("answer");
        // The server lets the caller ring on.
        story.refuse(&answer, -32002, text);
        let bye = story.take_sent("bye");
        assert_eq!(bye["params"]["cause"], "INCOMPATIBLE_DESTINATION");
        let Event::Ended {
            detail: Some(detail),
            ..
        } = story.event()
        else {
            panic!()
        };
        assert!(detail.starts_with(text), "{detail}");
    }
}

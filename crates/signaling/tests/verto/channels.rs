//! Event channels, conferences, assistants, prompts, and commands of the server.

use std::time::Duration;

use offhook_signaling::auth::login::Login;
use offhook_signaling::command::{Command, ConversationItem, InfoItem};
use offhook_signaling::error::Error;
use offhook_signaling::event::{AssistantEvent, ConferenceChange, Event, Party};
use offhook_signaling::verto::dialect::telnyx::TELNYX;
use serde_json::{Value, json};

use crate::story::{Story, config};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn change(story: &mut Story) -> ConferenceChange {
    let event = story.event();
    let Event::Conference { change, .. } = event else {
        panic!("{event:?}")
    };
    change
}

#[test]
fn an_answer_that_comes_late_still_says_what_is_heard() {
    let mut story = Story::telnyx().ready();
    let channels = names(&["a"]);
    story.command(Command::Subscribe {
        channels: channels.clone(),
    });
    let subscribe = story.take_sent("subscribe");
    let limit = Duration::from_secs(11);
    story.until(limit, |event| {
        matches!(
            event,
            Event::SessionCommandFailed {
                command: "subscribe",
                ..
            }
        )
    });
    story.reply(&subscribe, json!({"subscribedChannels": ["a"]}));
    let heard = |story: &mut Story| {
        let event = story.event();
        let Event::Channels { subscribed, .. } = event else {
            panic!("{event:?}")
        };
        subscribed
    };
    assert_eq!(heard(&mut story), channels);
    let probe = story.take_sent("ping");
    story.reply(&probe, json!({"message": "PONG"}));
    story.command(Command::Unsubscribe { channels });
    let unsubscribe = story.take_sent("unsubscribe");
    story.until(limit, |event| {
        matches!(
            event,
            Event::SessionCommandFailed {
                command: "unsubscribe",
                ..
            }
        )
    });
    story.reply(&unsubscribe, json!({"unsubscribedChannels": ["a"]}));
    assert_eq!(heard(&mut story), names(&[]));
    // Each counts once.
    story.reply(&subscribe, json!({"subscribedChannels": ["a"]}));
    assert!(story.events.is_empty(), "{:?}", story.events);
}

#[test]
fn channels_are_kept_over_reconnects_and_losses_are_counted() {
    let mut story = Story::freeswitch().ready();
    story.command(Command::Subscribe {
        channels: names(&["a", "b"]),
    });
    let subscribe = story.take_sent("subscribe");
    assert_eq!(subscribe["params"]["eventChannel"], json!(["a", "b"]));
    story.reply(
        &subscribe,
        json!({"subscribedChannels": ["a"], "unauthorizedChannels": ["b"]}),
    );
    assert_eq!(
        story.event(),
        Event::Channels {
            subscribed: names(&["a"]),
            refused: names(&["b"])
        }
    );
    for (serial, lost) in [(0, 0), (1, 0), (5, 3), (6, 0)] {
        story.says("event", json!({"eventChannel": "a.x", "subscribedChannel": "a", "eventSerno": serial, "data": {"n": 1}}));
        assert_eq!(
            story.event(),
            Event::ChannelEvent {
                channel: "a.x".into(),
                data: json!({"n": 1}),
                lost
            }
        );
    }
    story.closed();
    story.come_back(&[]);
    let again = story.take_sent("subscribe");
    assert_eq!(again["params"]["eventChannel"], json!(["a"]));
    story.reply(&again, json!({"subscribedChannels": ["a"]}));
    story.events.clear();
    story.says(
        "event",
        json!({"eventChannel": "a", "subscribedChannel": "a", "eventSerno": 0, "data": 1}),
    );
    assert!(matches!(story.event(), Event::ChannelEvent { lost: 0, .. }));
    story.command(Command::Unsubscribe {
        channels: names(&["a"]),
    });
    let unsubscribe = story.take_sent("unsubscribe");
    story.reply(&unsubscribe, json!({"unsubscribedChannels": ["a"]}));
    assert_eq!(
        story.event(),
        Event::Channels {
            subscribed: vec![],
            refused: vec![]
        }
    );
}

#[test]
fn a_channel_that_goes_on_after_it_was_given_up_is_given_up_again() {
    let mut story = Story::freeswitch().ready();
    story.command(Command::Subscribe {
        channels: names(&["a", "b"]),
    });
    let subscribe = story.take_sent("subscribe");
    story.reply(&subscribe, json!({"subscribedChannels": ["a", "b"]}));
    story.command(Command::Unsubscribe {
        channels: names(&["a"]),
    });
    let lost = story.take_sent("unsubscribe");
    story.events.clear();
    let goes_on = |story: &mut Story| {
        let params =
            json!({"eventChannel": "a", "subscribedChannel": "a", "eventSerno": 0, "data": {}});
        story.says("event", params);
    };
    // Its answer may still be on the way.
    goes_on(&mut story);
    assert!(story.events.is_empty(), "{:?}", story.events);
    story.refuse(&lost, -32601, "busy");
    assert!(matches!(story.event(), Event::SessionCommandFailed { .. }));
    goes_on(&mut story);
    let again = story.take_sent("unsubscribe");
    assert_eq!(again["params"]["eventChannel"], json!(["a"]));
    story.reply(&again, json!({"unsubscribedChannels": ["a"]}));
    let granted = Event::Channels {
        subscribed: names(&["b"]),
        refused: vec![],
    };
    assert_eq!(story.event(), granted);
    // Whatever comes now came by the server's own will.
    goes_on(&mut story);
    assert!(matches!(story.event(), Event::ChannelEvent { .. }));
}

#[test]
fn what_was_passed_over_on_a_channel_that_is_wanted_again_is_not_lost() {
    let mut story = Story::freeswitch().ready();
    let channels = || names(&["a"]);
    story.command(Command::Subscribe {
        channels: channels(),
    });
    let subscribe = story.take_sent("subscribe");
    story.reply(&subscribe, json!({"subscribedChannels": ["a"]}));
    let goes_on = |story: &mut Story, serial: u32| {
        let params = json!({"eventChannel": "a", "subscribedChannel": "a", "eventSerno": serial, "data": {}});
        story.events.clear();
        story.says("event", params);
    };
    goes_on(&mut story, 0);
    story.command(Command::Unsubscribe {
        channels: channels(),
    });
    let lost = story.take_sent("unsubscribe");
    goes_on(&mut story, 1);
    assert!(story.events.is_empty(), "{:?}", story.events);
    story.refuse(&lost, -32601, "busy");
    story.command(Command::Subscribe {
        channels: channels(),
    });
    let again = story.take_sent("subscribe");
    story.reply(&again, json!({"alreadySubscribedChannels": ["a"]}));
    goes_on(&mut story, 2);
    assert!(matches!(story.event(), Event::ChannelEvent { lost: 0, .. }));
    goes_on(&mut story, 5);
    assert!(matches!(story.event(), Event::ChannelEvent { lost: 2, .. }));
}

#[test]
fn a_server_that_had_forgotten_our_login_is_asked_for_the_channels_again() {
    let mut story = Story::freeswitch().ready();
    story.command(Command::Subscribe {
        channels: names(&["a"]),
    });
    let subscribe = story.take_sent("subscribe");
    story.reply(&subscribe, json!({"subscribedChannels": ["a"]}));
    let lost = |story: &mut Story, serial: u64| {
        let params = json!({"eventChannel": "a", "subscribedChannel": "a", "eventSerno": serial, "data": {}});
        story.says("event", params);
        let Some(Event::ChannelEvent { lost, .. }) = story.events.pop_back() else {
            panic!()
        };
        lost
    };
    assert_eq!(lost(&mut story, 0), 0);
    let (_, invite) = story.place("c-1");
    story.refuse(&invite, -32000, "Authentication Required");
    let login = story.take_sent("login");
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    story.take_sent("invite");
    let again = story.take_sent("subscribe");
    assert_eq!(again["params"]["eventChannel"], json!(["a"]));
    // It had kept the subscription after all: what is missing was lost.
    story.reply(&again, json!({"alreadySubscribedChannels": ["a"]}));
    assert_eq!(lost(&mut story, 3), 2);
    let (_, invite) = story.place("c-2");
    story.refuse(&invite, -32000, "Authentication Required");
    let login = story.take_sent("login");
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    story.take_sent("invite");
    let again = story.take_sent("subscribe");
    // A new one counts from wherever it begins; of the old one nothing was lost.
    story.reply(&again, json!({"subscribedChannels": ["a"]}));
    assert_eq!(lost(&mut story, 7), 0);
    assert_eq!(lost(&mut story, 9), 1);
}

#[test]
fn a_subscription_that_is_wholly_denied_is_an_error_of_lists() {
    let mut story = Story::freeswitch().ready();
    story.command(Command::Subscribe {
        channels: names(&["x"]),
    });
    let subscribe = story.take_sent("subscribe");
    story.raw(
        &json!({"jsonrpc": "2.0", "id": subscribe["id"], "error": {"unauthorizedChannels": ["x"]}})
            .to_string(),
    );
    assert_eq!(
        story.event(),
        Event::Channels {
            subscribed: vec![],
            refused: names(&["x"])
        }
    );
    story.command(Command::Subscribe { channels: vec![] });
    assert!(matches!(
        story.event(),
        Event::SessionCommandFailed {
            error: Error::Unsayable { .. },
            ..
        }
    ));
    story.command(Command::Broadcast {
        channel: "x".into(),
        data: json!({"a": 1}),
    });
    let broadcast = story.take_sent("broadcast");
    assert_eq!(broadcast["params"]["data"], json!({"a": 1}));
    // Or it would reach no other client.
    assert_eq!(broadcast["params"]["localBroadcast"], true);
    story.reply(
        &broadcast,
        json!({"message": "Permission Denied", "code": -32002}),
    );
    assert!(matches!(
        story.event(),
        Event::SessionCommandFailed {
            command: "broadcast",
            ..
        }
    ));
}

fn in_conference(role: &str) -> Story {
    let mut story = Story::freeswitch().ready();
    story.answered("c-1");
    let mut told = json!({
        "callID": "c-1", "action": "conference-liveArray-join", "laChannel": "la.1", "laName": "room",
        "role": role, "chatID": "conf+1", "conferenceMemberID": 12, "chatChannel": "chat.1", "infoChannel": "info.1"
    });
    if role == "moderator" {
        told["modChannel"] = "mod.1".into();
    }
    story.says(
        "event",
        json!({"eventChannel": "sess", "eventType": "channelPvtData", "pvtData": told}),
    );
    assert_eq!(
        change(&mut story),
        ConferenceChange::Joined {
            name: "room".into(),
            moderator: role == "moderator",
            member: "12".into()
        }
    );
    let subscribe = story.take_sent("subscribe");
    assert_eq!(subscribe["params"]["eventChannel"][0], "la.1");
    story.reply(&subscribe, json!({"subscribedChannels": ["la.1"]}));
    let bootstrap = story.take_sent("broadcast");
    assert_eq!(
        bootstrap["params"]["data"]["liveArray"]["command"],
        "bootstrap"
    );
    story.reply(&bootstrap, json!({}));
    story.nothing_told();
    story
}

fn row(story: &mut Story, data: &Value) {
    story.says("event", json!({"eventChannel": "la.1", "data": data}));
}

#[test]
fn a_conference_is_listed_and_kept_up_and_asked_for_again_after_a_gap() {
    let mut story = in_conference("participant");
    let ann = json!([
        "0012",
        "1001",
        "Ann",
        "opus@48000",
        "{\"audio\":{\"muted\":true}}",
        null
    ]);
    row(
        &mut story,
        &json!({"action": "bootObj", "wireSerno": -1, "data": [["c-1", ann]]}),
    );
    let ConferenceChange::Bootstrap { members } = change(&mut story) else {
        panic!()
    };
    assert_eq!(
        (members[0].key.as_str(), members[0].id.as_str()),
        ("c-1", "0012")
    );
    assert_eq!(members[0].status["audio"]["muted"], true);
    row(
        &mut story,
        &json!({"action": "modify", "wireSerno": 7, "hashKey": "c-1", "data": ann, "arrIndex": 1}),
    );
    assert!(matches!(
        change(&mut story),
        ConferenceChange::Put { at: Some(1), .. }
    ));
    row(
        &mut story,
        &json!({"action": "del", "wireSerno": 8, "hashKey": "c-9"}),
    );
    assert_eq!(
        change(&mut story),
        ConferenceChange::Remove { key: "c-9".into() }
    );
    story.nothing_sent_of("broadcast");
    row(&mut story, &json!({"action": "clear", "wireSerno": 11}));
    assert_eq!(change(&mut story), ConferenceChange::Clear);
    story.take_sent("broadcast");
    // A server whose numbers never fit is asked three times in a row, not for ever.
    for serial in (100..200).step_by(10) {
        row(&mut story, &json!({"action": "clear", "wireSerno": serial}));
        row(
            &mut story,
            &json!({"action": "clear", "wireSerno": serial + 5}),
        );
    }
    assert!(story.sent.len() <= 2, "{}", story.sent.len());
    story.events.clear();
    story.says(
        "event",
        json!({"eventChannel": "sess", "eventType": "channelPvtData",
        "pvtData": {"callID": "c-1", "action": "conference-liveArray-part", "laChannel": "la.1"}}),
    );
    assert_eq!(change(&mut story), ConferenceChange::Left);
}

#[test]
fn a_moderator_steers_and_a_participant_is_told_that_he_may_not() {
    let moderate = |story: &mut Story| {
        let call = offhook_signaling::call_id::CallId::from_wire("c-1").unwrap();
        story.command(Command::Moderate {
            call: call.clone(),
            command: "mute".into(),
            member: Some("0012".into()),
            value: None,
        });
        call
    };
    let mut story = in_conference("participant");
    moderate(&mut story);
    assert!(matches!(
        story.event(),
        Event::CommandFailed {
            error: Error::NoConference { .. },
            ..
        }
    ));
    let mut story = in_conference("moderator");
    let call = moderate(&mut story);
    let sent = story.take_sent("broadcast");
    assert_eq!(sent["params"]["eventChannel"], "mod.1");
    assert_eq!(
        sent["params"]["data"],
        json!({"application": "conf-control", "command": "mute", "id": 12})
    );
    assert_eq!(
        sent["params"].get("localBroadcast"),
        None,
        "it is for the conference alone"
    );
    story.says("event", json!({"eventChannel": "mod.1", "data": {"action": "response", "conf-command": "mute", "response": "OK"}}));
    assert_eq!(
        change(&mut story),
        ConferenceChange::Reply {
            command: "mute".into(),
            result: Ok("OK".into())
        }
    );
    story.command(Command::ConferenceChat {
        call,
        text: "hello".into(),
    });
    let sent = story.take_sent("broadcast");
    assert_eq!(
        sent["params"]["data"],
        json!({"action": "send", "message": "hello", "type": "message"})
    );
    story.says("event", json!({"eventChannel": "chat.1", "data": {"direction": "inbound", "message": "hi", "from": "1001", "fromDisplay": "Ann", "type": "message"}}));
    let from = Party {
        name: "Ann".into(),
        number: "1001".into(),
    };
    assert_eq!(
        change(&mut story),
        ConferenceChange::Chat {
            from,
            text: "hi".into(),
            direction: Some("inbound".into()),
            kind: Some("message".into()),
        }
    );
}

/// What is told next, as a channel event.
fn raw(story: &mut Story) -> (String, Value, u64) {
    let event = story.event();
    let Event::ChannelEvent {
        channel,
        data,
        lost,
    } = event
    else {
        panic!("{event:?}")
    };
    (channel, data, lost)
}

#[test]
fn what_a_conference_says_beside_answers_and_chat_is_told_as_it_is() {
    let mut story = in_conference("moderator");
    for (channel, data) in [
        ("info.1", json!({"action": "logo-info", "url": "x"})),
        ("info.1", json!("words")),
        ("mod.1", json!({"conf-command": "canvasInfo", "canvas": 1})),
        ("chat.1", json!({"action": "typing"})),
    ] {
        story.says("event", json!({"eventChannel": channel, "data": data}));
        assert_eq!(raw(&mut story), (channel.to_owned(), data, 0));
        story.nothing_told();
    }
}

#[test]
fn losses_on_a_conferences_channels_are_told() {
    let mut story = in_conference("participant");
    let says = |story: &mut Story, channel: &str, serial: u64, data: Value| {
        let params = json!({"eventChannel": channel, "subscribedChannel": channel, "eventSerno": serial, "data": data});
        story.says("event", params);
    };
    for (serial, lost) in [(4, 0), (5, 0), (9, 3)] {
        says(&mut story, "info.1", serial, json!({"n": serial}));
        assert_eq!(raw(&mut story).2, lost);
    }
    let hi = json!({"message": "hi", "from": "1001", "fromDisplay": "Ann"});
    says(&mut story, "chat.1", 0, hi.clone());
    assert!(matches!(change(&mut story), ConferenceChange::Chat { .. }));
    story.nothing_told();
    // The text is what it was; what is missing before it is told beside.
    says(&mut story, "chat.1", 3, hi.clone());
    assert!(matches!(change(&mut story), ConferenceChange::Chat { .. }));
    assert_eq!(raw(&mut story), ("chat.1".to_owned(), hi.clone(), 2));
    // The list has its own numbers, and is asked for again when they say so.
    for serial in [0, 7] {
        says(&mut story, "la.1", serial, json!({"action": "clear"}));
        assert_eq!(change(&mut story), ConferenceChange::Clear);
        story.nothing_told();
    }
    // A new subscription counts anew.
    story.closed();
    story.come_back(&["c-1"]);
    story.events.clear();
    says(&mut story, "chat.1", 20, hi);
    assert!(matches!(change(&mut story), ConferenceChange::Chat { .. }));
    story.nothing_told();
}

#[test]
fn two_calls_in_one_conference_both_hear_of_its_changes() {
    let mut story = in_conference("participant");
    story.answered("c-2");
    let told = json!({
        "callID": "c-2", "action": "conference-liveArray-join", "laChannel": "la.1", "laName": "room",
        "role": "participant", "conferenceMemberID": 13, "chatChannel": "chat.1", "infoChannel": "info.1"
    });
    story.says(
        "event",
        json!({"eventChannel": "sess", "eventType": "channelPvtData", "pvtData": told}),
    );
    assert!(matches!(
        change(&mut story),
        ConferenceChange::Joined { .. }
    ));
    let both = |story: &mut Story| -> Vec<String> {
        let told = [story.event(), story.event()];
        story.nothing_told();
        told.into_iter()
            .map(|event| {
                let Event::Conference { call, .. } = event else {
                    panic!("{event:?}")
                };
                call.as_str().to_owned()
            })
            .collect()
    };
    row(&mut story, &json!({"action": "clear", "wireSerno": 1}));
    assert_eq!(both(&mut story), ["c-1", "c-2"]);
    let hi = json!({"message": "hi", "from": "1001"});
    story.says("event", json!({"eventChannel": "chat.1", "data": hi}));
    assert_eq!(both(&mut story), ["c-1", "c-2"]);
    // What has no change of its own is of the account, and told once.
    story.says("event", json!({"eventChannel": "info.1", "data": {"n": 1}}));
    assert_eq!(raw(&mut story).0, "info.1");
    story.nothing_told();
}

#[test]
fn a_conference_is_listened_to_again_on_a_new_socket_and_over_with_its_call() {
    let mut story = in_conference("participant");
    story.closed();
    story.come_back(&["c-1"]);
    story.sent.pop_front();
    story.take_sent("subscribe");
    story.take_sent("broadcast");
    story.says("bye", json!({"callID": "c-1", "cause": "NORMAL_CLEARING"}));
    story.events.clear();
    row(&mut story, &json!({"action": "clear", "wireSerno": 1}));
    assert!(matches!(story.event(), Event::ChannelEvent { .. }));
}

#[test]
fn server_commands_answer_by_their_number() {
    let mut story = Story::freeswitch().ready();
    story.command(Command::FsApi {
        id: 7,
        command: "status".into(),
        arguments: String::new(),
    });
    let sent = story.sent.pop_front().unwrap();
    assert_eq!(
        (sent["method"].as_str(), &sent["params"]["cmd"]),
        (Some("fsapi"), &json!("status"))
    );
    story.reply(&sent, json!({"message": "UP 1 day", "sessid": "s"}));
    assert_eq!(
        story.event(),
        Event::ApiReply {
            id: 7,
            result: Ok(json!("UP 1 day"))
        }
    );
    story.command(Command::JsApi {
        id: 8,
        command: "status".into(),
        data: Value::Null,
    });
    let sent = story.sent.pop_front().unwrap();
    assert_eq!(sent["params"]["data"], json!({}));
    story.reply(&sent, json!({"idle": 99, "sessid": "s"}));
    assert_eq!(
        story.event(),
        Event::ApiReply {
            id: 8,
            result: Ok(json!({"idle": 99}))
        }
    );
    story.command(Command::JsApi {
        id: 9,
        command: "no".into(),
        data: json!({}),
    });
    let sent = story.sent.pop_front().unwrap();
    story.refuse(&sent, -32602, "Permission Denied");
    assert!(matches!(
        story.event(),
        Event::ApiReply {
            id: 9,
            result: Err(Error::Refused { .. })
        }
    ));
    story.command(Command::FsApi {
        id: 10,
        command: "x".into(),
        arguments: String::new(),
    });
    story.closed();
    assert!(matches!(
        story.event(),
        Event::ApiReply {
            id: 10,
            result: Err(Error::NotReady { .. })
        }
    ));
    let mut story = Story::telnyx().ready();
    story.command(Command::FsApi {
        id: 1,
        command: "x".into(),
        arguments: String::new(),
    });
    assert!(matches!(
        story.event(),
        Event::ApiReply {
            id: 1,
            result: Err(Error::NotInDialect { .. })
        }
    ));
}

#[test]
fn prompts_and_announcements_are_told() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    story.says(
        "prompt",
        json!({"callID": "c-1", "type": "dtmf", "text": "PIN?", "regex": "^\\d{4}$"}),
    );
    assert_eq!(
        story.event(),
        Event::Prompt {
            call,
            kind: "dtmf".into(),
            text: "PIN?".into(),
            pattern: Some("^\\d{4}$".into())
        }
    );
    story.says("announce", json!({"msg": ["going", "down"]}));
    assert_eq!(
        story.event(),
        Event::Announcement {
            words: "going down".into()
        }
    );
    story.says("mediaParams", json!({"callID": "c-1"}));
    story.raw("#SPU 12");
    story.nothing_told();
    story.nothing_sent();
}

#[test]
fn an_assistant_is_heard_and_spoken_to() {
    let login = Login::Anonymous {
        target_type: "ai_assistant".into(),
        target_id: "a-1".into(),
        target_version: None,
        target_params: [].into(),
    };
    let mut story = Story::with(config(TELNYX, login));
    story.opened();
    let login = story.take_sent("anonymous_login");
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    story.client_ready(&[]);
    story.register();
    story.events.clear();
    let say = |text: &str| Command::Converse {
        call: None,
        item: ConversationItem::Text {
            text: text.into(),
            images: vec!["https://a/b.png".into()],
        },
    };
    story.command(say("hello"));
    assert!(matches!(
        story.event(),
        Event::SessionCommandFailed {
            error: Error::Unsayable { .. },
            ..
        }
    ));
    let call = story.answered("c-1");
    story.command(say("hello"));
    let sent = story.sent.pop_front().unwrap();
    assert_eq!(sent["method"], "ai_conversation");
    assert_eq!(sent["params"]["previous_item_id"], Value::Null);
    assert_eq!(
        sent["params"]["item"]["content"][0],
        json!({"type": "input_text", "text": "hello"})
    );
    assert_eq!(
        sent["params"]["item"]["content"][1]["image_url"]["url"],
        "https://a/b.png"
    );
    story.reply(&sent, json!({}));
    let hears = |story: &mut Story, params: Value| {
        story.raw(
            &json!({"jsonrpc": "2.0", "id": 9, "method": "ai_conversation", "params": params})
                .to_string(),
        );
        let event = story.event();
        let Event::Assistant { call, event } = event else {
            panic!("{event:?}")
        };
        assert_eq!(call.unwrap().as_str(), "c-1");
        event
    };
    let delta = hears(
        &mut story,
        json!({"type": "response.text.delta", "item_id": "i", "delta": "Hel"}),
    );
    assert_eq!(
        delta,
        AssistantEvent::Delta {
            item: "i".into(),
            text: "Hel".into()
        }
    );
    let item = hears(
        &mut story,
        json!({"type": "conversation.item.created", "item": {"id": "i", "type": "message",
        "role": "assistant", "status": "completed", "content": [{"transcript": "Hello "}, {"text": "you"}]}}),
    );
    assert!(matches!(item, AssistantEvent::Item { text, .. } if text == "Hello you"));
    let tool = hears(
        &mut story,
        json!({"type": "conversation.item.created", "item": {"type": "function_call",
        "call_id": "f-1", "name": "open_door", "arguments": "{\"door\":1}"}}),
    );
    assert_eq!(
        tool,
        AssistantEvent::ToolCall {
            tool_call: "f-1".into(),
            name: "open_door".into(),
            arguments: "{\"door\":1}".into()
        }
    );
    let item = ConversationItem::ToolOutput {
        tool_call: "f-1".into(),
        output: "done".into(),
    };
    story.command(Command::Converse {
        call: Some(call),
        item,
    });
    let sent = story.sent.pop_front().unwrap();
    assert_eq!(sent.get("id"), None);
    assert_eq!(
        sent["params"]["item"],
        json!({"type": "function_call_output", "call_id": "f-1", "output": "done"})
    );
    let settings = hears(
        &mut story,
        json!({"type": "widget_settings", "widget_settings": {"theme": "dark"}}),
    );
    assert!(matches!(settings, AssistantEvent::Settings { data } if data["theme"] == "dark"));
    let failed = hears(
        &mut story,
        json!({"type": "error", "error": {"code": "10007", "message": "no"}}),
    );
    assert!(matches!(
        failed,
        AssistantEvent::Failed(Error::Assistant {
            code: Some(10007),
            ..
        })
    ));
    assert!(matches!(
        hears(&mut story, json!({"type": "x"})),
        AssistantEvent::Other { .. }
    ));
    assert!(matches!(
        hears(&mut story, json!({"type": "response.audio.delta"})),
        AssistantEvent::Audio { .. }
    ));
    assert!(matches!(
        hears(&mut story, json!({"type": "transcript", "transcript": "y"})),
        AssistantEvent::Transcription { .. }
    ));
}

/// Lists within each other.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |within, _| json!([within]))
}

#[test]
fn json_that_a_server_could_not_read_is_refused_here() {
    let mut story = Story::freeswitch().ready();
    let call = story.answered("c-1");
    let commands = |data: Value| {
        [
            Command::Broadcast {
                channel: "x".into(),
                data: data.clone(),
            },
            Command::JsApi {
                id: 1,
                command: "status".into(),
                data: data.clone(),
            },
            Command::Info {
                call: call.clone(),
                item: InfoItem::Command(data),
            },
        ]
    };
    for command in commands(nested(60)) {
        story.command(command);
        story.nothing_told();
        assert!(story.sent.pop_front().is_some());
    }
    for command in commands(nested(61)) {
        story.command(command);
        let said = format!("{:?}", story.event());
        assert!(said.contains("60 levels"), "{said}");
        story.nothing_sent();
    }
}

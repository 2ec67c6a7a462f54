//! Conferences: who is there, who may do what, and what was missed.

use offhook_signaling::command::Command;
use offhook_signaling::error::Error;
use offhook_signaling::event::{ConferenceChange, Event, Party};
use serde_json::{Value, json};

use crate::story::Story;

fn change(story: &mut Story) -> ConferenceChange {
    let event = story.event();
    let Event::Conference { change, .. } = event else {
        panic!("{event:?}")
    };
    change
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

//! Event channels, prompts, and commands of the server.

use std::time::Duration;

use offhook_signaling::command::{Command, InfoItem};
use offhook_signaling::error::Error;
use offhook_signaling::event::{Event, RefusedChannel};
use serde_json::{Value, json};

use crate::story::Story;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn refused(channel: &str) -> RefusedChannel {
    RefusedChannel {
        channel: channel.to_owned(),
        code: None,
        reason: "the server's operator does not allow it (`jsonrpc-allowed-event-channels`)"
            .to_owned(),
    }
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
            refused: vec![refused("b")]
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
            refused: vec![refused("x")]
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

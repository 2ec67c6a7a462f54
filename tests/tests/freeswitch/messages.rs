//! Texts between users, event channels with presence, and what the server asks a user.

use offhook_control::notice::Event;
use serde_json::json;

use crate::phone::{Phone, server};

fn text_from(phone: &mut Phone, sender: &str) -> String {
    phone.hear("a text", |event| match event {
        Event::Message { from, text, .. } if from == sender => Some(text.clone()),
        _ => None,
    })
}

#[test]
fn texts_go_out_and_come_in() {
    let sandbox = server();
    let mut one = Phone::new(&sandbox, "demo-1");
    let mut other = Phone::new(&sandbox, "demo-2");
    one.run(&["message", "--to", "demo-2@pbx.example", "Grüße"]);
    assert_eq!(text_from(&mut other, "demo-1"), "Grüße");
    other.run(&["message", "--to", "demo-1", "and back"]);
    assert_eq!(text_from(&mut one, "demo-2"), "and back");
}

#[test]
fn presence_is_watched_and_channels_that_are_not_allowed_are_named() {
    let sandbox = server();
    let mut one = Phone::new(&sandbox, "demo-1");
    let mut other = Phone::new(&sandbox, "demo-2");
    let presence = "presence.demo-2@sandbox";
    one.run(&["watch", presence, "secret"]);
    one.hear("the lists", |event| match event {
        Event::Watching {
            channels, refused, ..
        } => {
            assert_eq!(channels, &[presence]);
            assert_eq!(refused, &["secret"]);
            Some(())
        }
        _ => None,
    });
    let state = |phone: &mut Phone, wanted: &str| {
        phone.hear(wanted, |event| match event {
            Event::Channel {
                channel,
                data,
                lost,
            } if channel == presence => {
                assert_eq!(*lost, 0);
                (data["channelCallState"] == wanted).then_some(())
            }
            _ => None,
        });
    };
    // How it is at the beginning, and each change.
    state(&mut one, "HANGUP");
    let call = other.call("9196");
    state(&mut one, "ACTIVE");
    other.run(&["hangup", &call]);
    state(&mut one, "HANGUP");

    // Nothing but a channel that is not allowed: an error without words, and still told.
    one.run(&["watch", "secret"]);
    one.hear("the refusal", |event| match event {
        Event::Watching { refused, .. } if refused == &["secret"] => Some(()),
        _ => None,
    });
    one.run(&["unwatch", presence]);
    one.hear("no channel", |event| match event {
        Event::Watching { channels, .. } if channels.is_empty() => Some(()),
        _ => None,
    });
}

#[test]
fn data_goes_into_a_channel_and_to_those_who_watch_it() {
    let sandbox = server();
    let mut one = Phone::new(&sandbox, "demo-1");
    let mut other = Phone::new(&sandbox, "demo-2");
    // Below `demo` too.
    other.run(&["watch", "demo"]);
    other.hear("the list", |event| {
        matches!(event, Event::Watching { .. }).then_some(())
    });
    one.run(&["broadcast", "demo.doors", "{\"open\":3}"]);
    other.hear("the data", |event| match event {
        Event::Channel { channel, data, .. } if channel == "demo.doors" => {
            assert_eq!(data, &json!({"open": 3}));
            Some(())
        }
        _ => None,
    });
    // The server hides that failure in a result.
    one.run(&["broadcast", "secret", "{}"]);
    one.hear("the refusal", |event| match event {
        Event::RequestFailed { reason, .. } if reason.contains("Permission Denied") => Some(()),
        _ => None,
    });
}

#[test]
fn what_the_server_asks_is_told_and_answered() {
    let sandbox = server();
    let mut phone = Phone::new(&sandbox, "demo-1");
    let asks = |phone: &mut Phone, wanted: &str| {
        phone.hear("the question", |event| match event {
            Event::Prompt {
                kind,
                text,
                pattern,
            } if kind == wanted => Some((text.clone(), pattern.clone())),
            _ => None,
        })
    };
    let call = phone.call("9186");
    let (text, pattern) = asks(&mut phone, "dtmf");
    assert_eq!(text, "Enter four digits");
    assert_eq!(pattern.as_deref(), Some("^[0-9]{4}$"));
    // A wrong answer is asked for again.
    phone.run(&["dtmf", &call, "12*4"]);
    asks(&mut phone, "dtmf");
    phone.run(&["dtmf", &call, "1234"]);
    assert_eq!(text_from(&mut phone, "question"), "Thank you: 1234");
    assert_eq!(phone.ended(&call).cause, "NORMAL_CLEARING");

    let call = phone.call("9187");
    assert_eq!(
        asks(&mut phone, "message"),
        ("What is your name?".to_owned(), None)
    );
    phone.run(&["message", "--call", &call, "--to", "9187", "Ada"]);
    assert_eq!(text_from(&mut phone, "question"), "Thank you: Ada");
    phone.ended(&call);
}

#[test]
fn what_a_server_announces_reaches_the_user() {
    let mut sandbox = server();
    let mut one = Phone::new(&sandbox, "demo-1");
    sandbox.announce("demo-1", "we close in five minutes");
    let words = one.hear("the announcement", |event| match event {
        Event::Announcement { text } => Some(text.clone()),
        _ => None,
    });
    assert_eq!(words, "we close in five minutes");
}

#[test]
fn variables_that_the_dialplan_means_for_a_client_come_with_the_answer() {
    let sandbox = server();
    let mut one = Phone::new(&sandbox, "demo-1");
    one.call("9197");
    let answered = one
        .control
        .events()
        .into_iter()
        .find_map(|event| match event {
            Event::Answered(said) => Some(said.headers.clone()),
            _ => None,
        });
    let told = answered.expect("it is up");
    let told: Vec<_> = told
        .iter()
        .map(|told| (told.name.as_str(), told.value.as_str()))
        .collect();
    assert_eq!(told, [("tone", "1004")]);
}

//! Anonymous logins, and the assistants that they call.

use std::time::Duration;

use offhook_signaling::auth::login::Login;
use offhook_signaling::command::{Command, ConversationItem};
use offhook_signaling::error::Error;
use offhook_signaling::event::{AssistantEvent, Event};
use offhook_signaling::verto::dialect::telnyx::TELNYX;
use serde_json::{Value, json};

use crate::story::{ANSWER, Story, config};

fn anonymous() -> Login {
    Login::Anonymous {
        target_type: "ai_assistant".into(),
        target_id: "a-1".into(),
        target_version: None,
        target_params: [("conversation_id".to_owned(), "k-1".into())].into(),
    }
}

#[test]
fn an_anonymous_login_calls_and_says_what_it_cannot() {
    let mut story = Story::with(config(TELNYX, anonymous()));
    story.opened();
    let login = story.take_sent("anonymous_login");
    assert_eq!(login["params"]["target_params"]["conversation_id"], "k-1");
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    story.client_ready(&[]);
    story.register();
    story.events.clear();
    let call = story.answered("c-1");
    story.command(Command::Hold {
        call: call.clone(),
        on: true,
    });
    let modify = story.take_sent("modify");
    story.refuse(&modify, -32601, "Permission Denied");
    assert_eq!(
        story.failed().to_string(),
        "hold is not possible with an anonymous login (-32601: Permission Denied)"
    );
    story.command(Command::Hold {
        call: call.clone(),
        on: true,
    });
    let modify = story.take_sent("modify");
    story.refuse(&modify, -32603, "Internal error");
    let unwell = story.failed();
    assert!(
        matches!(
            unwell,
            Error::Refused {
                code: Some(-32603),
                ..
            }
        ),
        "{unwell:?}"
    );
    story.command(Command::Dtmf {
        call: call.clone(),
        digits: "1".into(),
    });
    let info = story.take_sent("info");
    story.reply(&info, json!({}));
    assert!(matches!(story.event(), Event::DtmfSent { .. }));
    story.command(Command::Answer {
        call,
        sdp: ANSWER.into(),
        headers: Vec::new(),
        client_state: None,
        trickle: None,
    });
    assert_eq!(
        story.failed(),
        Error::NotWithAnonymous {
            command: "answer",
            said: None
        }
    );
}

#[test]
fn a_conversation_that_cannot_be_resumed_is_explained() {
    let mut story = Story::with(config(TELNYX, anonymous()));
    story.opened();
    let login = story.take_sent("anonymous_login");
    story.refuse(&login, 10007, "Conversation not found");
    let event = story.until(Duration::from_secs(1), |event| {
        matches!(event, Event::LoginFailed(_))
    });
    let Event::LoginFailed(error) = event else {
        panic!()
    };
    assert!(error.to_string().contains("conversation_id"), "{error}");
}

/// An anonymous session that is ready.
fn assisted() -> Story {
    let mut story = Story::with(config(TELNYX, anonymous()));
    story.opened();
    let login = story.take_sent("anonymous_login");
    story.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    story.client_ready(&[]);
    story.register();
    story.events.clear();
    story
}

#[test]
fn a_tool_answers_whichever_of_several_calls_asked() {
    let mut story = assisted();
    story.answered("c-1");
    story.answered("c-2");
    let item = |text: &str| ConversationItem::Text {
        text: text.into(),
        images: Vec::new(),
    };
    story.command(Command::Converse {
        call: None,
        item: item("whom do I talk to?"),
    });
    story.nothing_sent();
    assert!(matches!(
        story.event(),
        Event::SessionCommandFailed {
            error: Error::Unsayable { .. },
            ..
        }
    ));
    story.command(Command::Converse {
        call: None,
        item: ConversationItem::ToolOutput {
            tool_call: "t-1".into(),
            output: "{}".into(),
        },
    });
    let said = story.sent.pop_front().expect("the answer");
    assert_eq!(said["params"]["item"]["call_id"], "t-1");
    assert!(said.get("id").is_none(), "a notification");
    story.nothing_told();
}

#[test]
fn a_conversation_that_is_gone_is_explained_wherever_it_shows() {
    let mut story = assisted();
    let (call, invite) = story.place("c-1");
    story.refuse(&invite, 10007, "Conversation not found");
    let event = story.event();
    let Event::Ended {
        detail: Some(detail),
        ..
    } = event
    else {
        panic!("{event:?}")
    };
    assert!(
        detail.contains("leave it out") && detail.contains("10007"),
        "{detail}"
    );

    let again = story.answered("c-2");
    assert_ne!(call, again);
    story.command(Command::Converse {
        call: None,
        item: ConversationItem::Text {
            text: "hello".into(),
            images: Vec::new(),
        },
    });
    let said = story.sent.pop_front().expect("the text");
    story.refuse(&said, 10007, "Conversation not found");
    let told = story.failed().to_string();
    assert!(
        told.contains("the assistant at") && told.contains("leave it out"),
        "{told}"
    );
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

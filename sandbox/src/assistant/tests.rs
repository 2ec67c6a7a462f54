//! What the assistant says, without a gateway around it.

use serde_json::{Value, json};

use crate::assistant::message::{self, Said};
use crate::assistant::stand_in::Assistants;

fn text(words: &str) -> Said {
    Said::Text {
        item: "u-1".to_owned(),
        text: words.to_owned(),
        images: Vec::new(),
    }
}

/// The finished text of the assistant, which must be what its pieces make.
fn spoken(told: &[Value]) -> String {
    let pieces: String = told
        .iter()
        .filter(|event| event["type"] == "response.text.delta")
        .filter_map(|event| event["delta"].as_str())
        .collect();
    let whole = told
        .iter()
        .find(|event| event["item"]["role"] == "assistant")
        .expect("a finished item");
    assert_eq!(whole["item"]["content"][0]["text"], pieces.as_str());
    assert_eq!(whole["item"]["status"], "completed");
    pieces
}

fn begun() -> Assistants {
    let mut assistants = Assistants::default();
    assistants.begin("k-1".to_owned(), "a-1");
    assistants
}

#[test]
fn what_a_client_says_is_read_or_not_understood() {
    let create = |item: Value| json!({"type": "conversation.item.create", "item": item});
    let said = message::read(&create(json!({
        "id": "u-1", "type": "message", "role": "user",
        "content": [{"type": "input_text", "text": "look"}, {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}],
    })));
    let wanted = Said::Text {
        item: "u-1".to_owned(),
        text: "look".to_owned(),
        images: vec!["https://x.example/a.png".to_owned()],
    };
    assert_eq!(said, Some(wanted));
    for wrong in [
        json!(null),
        json!({"type": "conversation.item.created"}),
        create(json!(3)),
        create(json!({"type": "message", "id": "u-1", "content": "text"})),
        create(json!({"type": "function_call_output", "call_id": 3, "output": "x"})),
    ] {
        assert_eq!(message::read(&wrong), None, "{wrong}");
    }
}

#[test]
fn texts_are_echoed_in_pieces_and_remembered() {
    let mut assistants = begun();
    let told = assistants.hear("k-1", text("red and blue"));
    assert_eq!(told[0]["item"]["role"], "user");
    assert_eq!(spoken(&told), "You said: red and blue");
    let told = assistants.hear("k-1", text("remember"));
    assert_eq!(spoken(&told), "Before, you said: red and blue");
    assert!(assistants.knows("k-1", "a-1"));
    assert!(!assistants.knows("k-1", "a-2"), "another assistant's");
    assert!(!assistants.knows("k-2", "a-1"));
}

#[test]
fn a_tool_is_called_and_its_output_is_spoken_of_once() {
    let mut assistants = begun();
    let told = assistants.hear("k-1", text(r#"tool get_weather {"city": "Oslo"}"#));
    let call = &told[1]["item"];
    assert_eq!(
        (&call["type"], &call["name"], &call["arguments"]),
        (
            &json!("function_call"),
            &json!("get_weather"),
            &json!(r#"{"city": "Oslo"}"#)
        )
    );
    let output = Said::ToolOutput {
        call_id: call["call_id"].as_str().unwrap().to_owned(),
        output: "rain".to_owned(),
    };
    let told = assistants.hear("k-1", output.clone());
    assert_eq!(spoken(&told), "get_weather says: rain");
    assert_eq!(assistants.hear("k-1", output), Vec::<Value>::new());
}

#[test]
fn audio_events_come_once_they_are_asked_for() {
    let mut assistants = begun();
    let kinds = |told: &[Value]| {
        told.iter()
            .filter_map(|event| event["type"].as_str())
            .filter(|kind| kind.contains("audio"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(kinds(&assistants.hear("k-1", text("hello"))).is_empty());
    let told = assistants.hear("k-1", Said::SubscribeAudio);
    assert_eq!(kinds(&told), ["response.audio_stream.subscribed"]);
    let told = assistants.hear("k-1", text("hello"));
    assert_eq!(
        kinds(&told),
        [
            "response.audio_stream.started",
            "response.audio_stream.done"
        ]
    );
}

#[test]
fn memory_is_bounded() {
    let mut assistants = Assistants::default();
    for number in 0..5000 {
        assistants.begin(format!("k-{number}"), "a-1");
    }
    assert!(!assistants.knows("k-0", "a-1"));
    assert!(assistants.knows("k-4999", "a-1"));
    for _ in 0..40 {
        assistants.hear("k-4999", text("tool slow"));
    }
    let told = assistants.hear("k-4999", text("tool slow"));
    assert!(spoken(&told).contains("Too many tools"));
}

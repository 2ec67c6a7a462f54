//! The `params` of `ai_conversation`, read from a client and written to it.

use serde_json::{Map, Value, json};

/// The error code of a conversation that cannot be resumed.
pub(crate) const NO_CONVERSATION: i64 = 10007;
/// Its words.
pub(crate) const NO_CONVERSATION_TEXT: &str = "Conversation not found";

/// What a client says to its assistant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// A text, perhaps with images by URL.
    Text {
        /// The client's name of it.
        item: String,
        text: String,
        images: Vec<String>,
    },
    /// What a tool of the client answered.
    ToolOutput { call_id: String, output: String },
    /// The client wants the events of the assistant's audio.
    SubscribeAudio,
}

/// Reads what a client says; `None` when it says nothing that an assistant understands.
pub(crate) fn read(params: &Value) -> Option<Said> {
    if params.get("type")?.as_str()? != "conversation.item.create" {
        return None;
    }
    let item = params.get("item")?.as_object()?;
    let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    match text("type")?.as_str() {
        "message" => {
            let (words, images) = content(item.get("content")?.as_array()?)?;
            Some(Said::Text {
                item: text("id")?,
                text: words,
                images,
            })
        }
        "function_call_output" => Some(Said::ToolOutput {
            call_id: text("call_id")?,
            output: text("output")?,
        }),
        "response.audio_stream.subscribe" => Some(Said::SubscribeAudio),
        _ => None,
    }
}

fn content(parts: &[Value]) -> Option<(String, Vec<String>)> {
    let (mut words, mut images) = (String::new(), Vec::new());
    for part in parts {
        match part.get("type")?.as_str()? {
            "input_text" => words.push_str(part.get("text")?.as_str()?),
            "image_url" => {
                let url = part.get("image_url")?.get("url")?.as_str()?;
                images.push(url.to_owned());
            }
            _ => return None,
        }
    }
    Some((words, images))
}

/// A finished text of one side.
pub(crate) fn text_item(item: &str, role: &str, text: &str) -> Value {
    let kind = if role == "user" { "input_text" } else { "text" };
    json!({
        "type": "conversation.item.created",
        "item": {
            "id": item,
            "type": "message",
            "role": role,
            "status": "completed",
            "content": [{"type": kind, "text": text}],
        },
    })
}

/// A piece of a text that grows.
pub(crate) fn delta(item: &str, response: &str, text: &str) -> Value {
    json!({
        "type": "response.text.delta",
        "item_id": item,
        "response_id": response,
        "content_index": 0,
        "output_index": 0,
        "delta": text,
    })
}

/// A tool of the client's is to run.
pub(crate) fn tool_call(item: &str, call_id: &str, name: &str, arguments: &str) -> Value {
    json!({
        "type": "conversation.item.created",
        "item": {
            "id": item,
            "type": "function_call",
            "call_id": call_id,
            "name": name,
            "arguments": arguments,
        },
    })
}

/// An event of the assistant's audio.
pub(crate) fn audio(event: &str, item: &str) -> Value {
    json!({"type": format!("response.audio_stream.{event}"), "item_id": item})
}

/// How its owner wants the assistant shown.
pub(crate) fn widget_settings() -> Value {
    let mut settings = Map::new();
    for (name, value) in [
        ("theme", "dark"),
        ("default_state", "collapsed"),
        ("position", "fixed"),
        ("start_call_text", "Talk to the sandbox"),
        ("agent_thinking_text", "Thinking"),
        ("speak_to_interrupt_text", "Speak to interrupt"),
    ] {
        settings.insert(name.to_owned(), value.into());
    }
    settings.insert(
        "audio_visualizer_config".to_owned(),
        json!({"color": "verdant", "preset": "roundBars"}),
    );
    json!({"type": "widget_settings", "widget_settings": settings})
}

/// The conversation cannot be resumed.
pub(crate) fn no_conversation() -> Value {
    json!({"type": "error", "error": {"code": NO_CONVERSATION, "message": NO_CONVERSATION_TEXT}})
}

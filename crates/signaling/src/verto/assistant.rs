//! What an assistant's messages say, and what is said to it.

use serde_json::{Map, Value, json};

use crate::command::ConversationItem;
use crate::error::Error;
use crate::event::AssistantEvent;

/// The code of a conversation that cannot be resumed.
pub(crate) const NO_CONVERSATION: i64 = 10007;

/// The error, in words that help.
pub(crate) fn failure(server: &str, code: Option<i64>, words: &str) -> Error {
    let reason = if code == Some(NO_CONVERSATION) {
        format!(
            "{words}: the conversation_id is unknown there or belongs to another assistant; leave it out to begin a \
             new conversation"
        )
    } else {
        words.to_owned()
    };
    Error::Assistant {
        server: server.to_owned(),
        code,
        reason,
    }
}

/// Whether a refusal says so: as its code, or somewhere in its words.
pub(crate) fn is_no_conversation(code: Option<i64>, words: &str) -> bool {
    code == Some(NO_CONVERSATION) || words.contains("10007")
}

/// Reads one message; the `type` says what it is.
pub(crate) fn read(params: &Value, server: &str) -> Option<AssistantEvent> {
    let message = params.as_object()?;
    let kind = text(message, &["type"]);
    let item = message.get("item").and_then(Value::as_object);
    Some(match (kind.as_str(), item) {
        ("conversation.item.created", Some(item)) => on_item(item),
        ("response.text.delta", _) => AssistantEvent::Delta {
            item: text(message, &["item_id"]),
            text: text(message, &["delta"]),
        },
        ("widget_settings", _) => AssistantEvent::Settings {
            data: settings(message),
        },
        ("transcription" | "transcript", _) => AssistantEvent::Transcription {
            text: text(message, &["transcript", "transcription", "text"]),
        },
        ("error", _) => {
            let error = message.get("error").and_then(Value::as_object);
            let error = error.unwrap_or(message);
            let code = error
                .get("code")
                .and_then(|code| code.as_i64().or_else(|| code.as_str()?.trim().parse().ok()));
            let words = text(error, &["message", "detail"]);
            AssistantEvent::Failed(failure(server, code, &words))
        }
        (kind, _) if kind.contains("audio") => AssistantEvent::Audio {
            data: params.clone(),
        },
        (kind, _) => AssistantEvent::Other {
            kind: kind.to_owned(),
            data: params.clone(),
        },
    })
}

fn on_item(item: &Map<String, Value>) -> AssistantEvent {
    if item.get("type").and_then(Value::as_str) == Some("function_call") {
        return AssistantEvent::ToolCall {
            tool_call: text(item, &["call_id"]),
            name: text(item, &["name"]),
            arguments: text(item, &["arguments"]),
        };
    }
    let words = match item.get("content") {
        Some(Value::String(words)) => words.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(Value::as_object)
            .map(|part| text(part, &["transcript", "text"]))
            .collect(),
        _ => String::new(),
    };
    AssistantEvent::Item {
        item: text(item, &["id"]),
        role: text(item, &["role"]),
        status: text(item, &["status"]),
        text: words,
    }
}

fn settings(message: &Map<String, Value>) -> Map<String, Value> {
    let inner = ["widget_settings", "settings"]
        .iter()
        .find_map(|name| message.get(*name)?.as_object());
    inner.cloned().unwrap_or_else(|| {
        let mut all = message.clone();
        all.remove("type");
        all
    })
}

/// The first of these members that is a text; JSON that is none is written as text, since tools take text.
fn text(of: &Map<String, Value>, names: &[&str]) -> String {
    let found = names.iter().find_map(|name| of.get(*name));
    match found {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// The params that say it, and whether the server answers them.
pub(crate) fn say(item: ConversationItem, id: &str) -> (Value, bool) {
    let create = |item: Value| json!({"type": "conversation.item.create", "item": item});
    match item {
        ConversationItem::Text { text, images } => {
            let mut content = vec![json!({"type": "input_text", "text": text})];
            let image = |url: String| json!({"type": "image_url", "image_url": {"url": url}});
            content.extend(images.into_iter().map(image));
            let mut params =
                create(json!({"id": id, "type": "message", "role": "user", "content": content}));
            params["previous_item_id"] = Value::Null;
            (params, true)
        }
        ConversationItem::ToolOutput { tool_call, output } => {
            let item =
                json!({"type": "function_call_output", "call_id": tool_call, "output": output});
            (create(item), false)
        }
        ConversationItem::SubscribeAudio => (
            create(json!({"type": "response.audio_stream.subscribe"})),
            false,
        ),
    }
}

//! Reads answers: the envelope, both shapes of errors, and the empty body.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::error::Problem;

/// Longest text of a server that goes into an error.
const LONGEST: usize = 300;
/// Most complaints that are kept.
const MOST: usize = 20;

/// `{"data": ...}`.
#[derive(Debug, Deserialize)]
struct Envelope<T> {
    data: T,
}

/// The `data` of an answer.
pub(super) fn data<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let envelope: Envelope<T> = serde_json::from_slice(body).map_err(|error| place(&error))?;
    Ok(envelope.data)
}

/// An answer without envelope; older documents wrapped it once or twice.
pub(super) fn bare<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let mut value: Value = serde_json::from_slice(body).map_err(|error| place(&error))?;
    for _ in 0..2 {
        match value.get_mut("data") {
            Some(inner) if inner.is_object() => value = inner.take(),
            _ => break,
        }
    }
    serde_json::from_value(value).map_err(|error| place(&error))
}

/// Where and why; never the text itself, which may hold a password.
fn place(error: &serde_json::Error) -> String {
    let why = match error.classify() {
        serde_json::error::Category::Io => "cannot be read",
        serde_json::error::Category::Syntax => "is no JSON",
        serde_json::error::Category::Data => "lacks a field or has one of another type",
        serde_json::error::Category::Eof => "ends too early",
    };
    format!(
        "the body {why} (line {}, column {})",
        error.line(),
        error.column()
    )
}

/// The complaints in the body of a refusal, in either shape; none in an empty or foreign one.
pub(super) fn problems(body: &[u8]) -> Vec<Problem> {
    let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(body) else {
        return Vec::new();
    };
    match body.get("errors") {
        Some(Value::Array(list)) => list.iter().take(MOST).filter_map(entry).collect(),
        Some(Value::Object(fields)) => fields
            .iter()
            .take(MOST)
            .map(|(field, text)| Problem {
                code: None,
                detail: plain(text),
                pointer: Some(format!("/{field}")),
            })
            .collect(),
        Some(other) if other.is_string() => vec![Problem {
            detail: plain(other),
            ..Problem::default()
        }],
        _ => Vec::new(),
    }
}

fn entry(entry: &Value) -> Option<Problem> {
    let source = entry.get("source");
    let pointer = source
        .and_then(|source| source.get("pointer").or_else(|| source.get("parameter")))
        .map(plain);
    let detail = entry.get("detail").or_else(|| entry.get("title"))?;
    Some(Problem {
        code: entry.get("code").map(plain),
        detail: plain(detail),
        pointer,
    })
}

/// Text without control characters, cut where it gets long.
fn plain(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    };
    text.chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(LONGEST)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_shapes_and_the_empty_body_are_read() {
        let list = problems(
            br#"{"errors":[{"code":"10015","title":"Bad Request","detail":"connection_id is required",
                "source":{"pointer":"/connection_id"}},{"title":"only a title"},{}]}"#,
        );
        let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "/connection_id: connection_id is required (10015)",
                "only a title"
            ]
        );
        let object =
            problems(br#"{"errors":{"status":"can't update credentials in expired status"}}"#);
        assert_eq!(object[0].pointer.as_deref(), Some("/status"));
        assert!(object[0].detail.contains("expired"));
        assert_eq!(problems(b""), []);
        assert_eq!(problems(b"<html>"), []);
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = problems(&body);
            let _ = data::<Value>(&body);
            let _ = bare::<Value>(&body);
        }
    }
}

//! JSON-RPC frames as both servers really send them: read leniently, written strictly.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

/// Most frames read from one batch array; servers send single frames.
const LONGEST_BATCH: usize = 1000;

/// Names a request and its reply. The type of a number or text is kept, since the peer compares it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Id {
    /// Servers count.
    Number(Number),
    /// Clients use UUIDs, so that the two never meet.
    Text(String),
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Id {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Number(number) => Some(Self::Number(number)),
            Value::String(text) => Some(Self::Text(text)),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// Somebody wants something.
    Request(Request),
    /// It was done.
    Reply(Reply),
    /// It was not done. Only servers say so: a client that answers with an error is misread as asking.
    Refusal(Refusal),
}

/// A request or, without an id, a notification (which FreeSWITCH answers all the same). `Debug` leaves the params out:
/// those of a login hold a secret.
#[derive(Clone, PartialEq)]
pub struct Request {
    /// Absent or null: none.
    pub id: Option<Id>,
    /// Method with its dialect's prefix.
    pub method: String,
    /// Always an object when written; whatever the peer sent when read.
    pub params: Value,
    /// Token of the Telnyx gateway beside the method.
    pub voice_sdk_id: Option<String>,
}

/// A successful reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The request's; `None` when it had none.
    pub id: Option<Id>,
    /// What the method gives back.
    pub result: Value,
    /// Token of the Telnyx gateway beside the result.
    pub voice_sdk_id: Option<String>,
}

/// An unsuccessful reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The request's; `None` when it could not even be read.
    pub id: Option<Id>,
    /// Why.
    pub error: ErrorObject,
    /// Token of the Telnyx gateway beside the error.
    pub voice_sdk_id: Option<String>,
}

/// A fault of whoever answers (JSON-RPC 2.0 section 5.1).
const INTERNAL_ERROR: i64 = -32603;

/// The `error` member. Code and message may both be missing, and FreeSWITCH writes `message` twice, the specific text
/// first: the first counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ErrorObject {
    /// JSON-RPC or Verto error code.
    pub code: Option<i64>,
    /// The server's words.
    pub message: Option<String>,
    /// Everything else, such as `callID`, `cause`, `causeCode`.
    pub fields: Map<String, Value>,
}

impl ErrorObject {
    /// An error with code and text.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            message: Some(message.into()),
            fields: Map::new(),
        }
    }

    /// Whether the server says that the fault is its own (`Internal error`, JSON-RPC 2.0 section 5.1).
    pub fn is_servers_own(&self) -> bool {
        self.code == Some(INTERNAL_ERROR)
    }

    /// Code and text as a person reads them; `None` when there is neither.
    pub fn in_words(&self) -> Option<String> {
        match (self.code, &self.message) {
            (Some(code), Some(message)) => Some(format!("{code}: {message}")),
            (Some(code), None) => Some(code.to_string()),
            (None, message) => message.clone(),
        }
    }
}

/// Why a frame could not be read. It holds nothing of the frame itself, which may carry a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Not JSON, or nested too deeply.
    #[error("not JSON: line {line}, column {column}")]
    NotJson {
        /// Counts from 1.
        line: usize,
        /// Counts from 1.
        column: usize,
    },
    /// JSON, but neither an object nor an array of them.
    #[error("neither a JSON object nor an array of objects")]
    NotAnObject,
    /// An object with neither `method` nor `result` nor `error`.
    #[error("neither a request nor a reply")]
    NoKind {
        /// Its id, so that a server can answer it.
        id: Option<Id>,
    },
    /// A batch longer than anything real.
    #[error("a batch of more than {LONGEST_BATCH} frames")]
    BatchTooLong,
}

/// Reads one text message: one frame, or several when the peer sent a batch array. Frames of the raw speed test
/// (`#SPU`, `#SPB`, `#SPE`) give nothing.
pub fn parse(text: &str) -> Vec<Result<Frame, Unreadable>> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('#') {
        return Vec::new();
    }
    if !text.starts_with('[') {
        return vec![read(serde_json::from_str::<RawFrame>(text))];
    }
    match serde_json::from_str::<Vec<Item>>(text) {
        Ok(items) if items.len() > LONGEST_BATCH => vec![Err(Unreadable::BatchTooLong)],
        Ok(items) => items.into_iter().map(Item::into_frame).collect(),
        Err(error) => vec![Err(unreadable(&error))],
    }
}

fn read(raw: Result<RawFrame, serde_json::Error>) -> Result<Frame, Unreadable> {
    raw.map_err(|error| unreadable(&error))?.into_frame()
}

fn unreadable(error: &serde_json::Error) -> Unreadable {
    if error.is_data() {
        Unreadable::NotAnObject
    } else {
        Unreadable::NotJson {
            line: error.line(),
            column: error.column(),
        }
    }
}

/// The members of a frame, each the first of its name.
#[derive(Default)]
struct RawFrame {
    id: Option<Value>,
    method: Option<Value>,
    params: Option<Value>,
    result: Option<Value>,
    error: Option<RawError>,
    voice_sdk_id: Option<Value>,
}

impl RawFrame {
    fn into_frame(self) -> Result<Frame, Unreadable> {
        let id = self.id.and_then(Id::from_value);
        let voice_sdk_id = self
            .voice_sdk_id
            .and_then(|value| value.as_str().map(str::to_owned));
        if let Some(Value::String(method)) = self.method {
            let params = self.params.unwrap_or(Value::Null);
            return Ok(Frame::Request(Request {
                id,
                method,
                params,
                voice_sdk_id,
            }));
        }
        if let Some(RawError(Some(error))) = self.error {
            return Ok(Frame::Refusal(Refusal {
                id,
                error,
                voice_sdk_id,
            }));
        }
        match self.result {
            Some(result) => Ok(Frame::Reply(Reply {
                id,
                result,
                voice_sdk_id,
            })),
            None => Err(Unreadable::NoKind { id }),
        }
    }
}

impl<'de> Deserialize<'de> for RawFrame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FrameVisitor)
    }
}

struct FrameVisitor;

impl<'de> Visitor<'de> for FrameVisitor {
    type Value = RawFrame;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC frame")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<RawFrame, A::Error> {
        let mut raw = RawFrame::default();
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            match name.as_ref() {
                "id" => keep_first(&mut raw.id, members.next_value()?),
                "method" => keep_first(&mut raw.method, members.next_value()?),
                "params" => keep_first(&mut raw.params, members.next_value()?),
                "result" => keep_first(&mut raw.result, members.next_value()?),
                "error" => keep_first(&mut raw.error, members.next_value()?),
                "voice_sdk_id" => keep_first(&mut raw.voice_sdk_id, members.next_value()?),
                _ => drop(members.next_value::<serde::de::IgnoredAny>()?),
            }
        }
        Ok(raw)
    }
}

fn keep_first<T>(slot: &mut Option<T>, value: T) {
    if slot.is_none() {
        *slot = Some(value);
    }
}

/// An error object with the first of each member; `None` for JSON null.
struct RawError(Option<ErrorObject>);

impl<'de> Deserialize<'de> for RawError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ErrorVisitor)
    }
}

struct ErrorVisitor;

impl<'de> Visitor<'de> for ErrorVisitor {
    type Value = RawError;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<RawError, A::Error> {
        let mut error = ErrorObject::default();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            match (name.as_str(), value) {
                ("code", value) => error.code = error.code.or_else(|| value.as_i64()),
                ("message", Value::String(text)) => keep_first(&mut error.message, text),
                (_, value) => drop(error.fields.entry(name).or_insert(value)),
            }
        }
        Ok(RawError(Some(error)))
    }

    fn visit_str<E>(self, text: &str) -> Result<RawError, E> {
        Ok(RawError(Some(ErrorObject {
            message: Some(text.to_owned()),
            ..ErrorObject::default()
        })))
    }

    fn visit_unit<E>(self) -> Result<RawError, E> {
        Ok(RawError(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<RawError, E> {
        Ok(RawError(Some(ErrorObject::default())))
    }

    fn visit_i64<E>(self, code: i64) -> Result<RawError, E> {
        Ok(RawError(Some(ErrorObject {
            code: Some(code),
            ..ErrorObject::default()
        })))
    }

    fn visit_u64<E>(self, code: u64) -> Result<RawError, E> {
        Ok(RawError(Some(ErrorObject {
            code: i64::try_from(code).ok(),
            ..ErrorObject::default()
        })))
    }

    fn visit_f64<E>(self, _: f64) -> Result<RawError, E> {
        Ok(RawError(Some(ErrorObject::default())))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<RawError, A::Error> {
        while items.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(RawError(Some(ErrorObject::default())))
    }
}

/// One item of a batch; one that is no object spoils only itself.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Frame(Box<RawFrame>),
    Rubbish(serde::de::IgnoredAny),
}

impl Item {
    fn into_frame(self) -> Result<Frame, Unreadable> {
        match self {
            Self::Frame(raw) => raw.into_frame(),
            Self::Rubbish(_) => Err(Unreadable::NotAnObject),
        }
    }
}

impl Frame {
    /// The text to be sent.
    pub fn to_text(&self) -> String {
        // Writing maps with text keys into a String cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The Telnyx gateway's token, on whatever kind of frame.
    pub fn voice_sdk_id(&self) -> Option<&str> {
        match self {
            Self::Request(request) => request.voice_sdk_id.as_deref(),
            Self::Reply(reply) => reply.voice_sdk_id.as_deref(),
            Self::Refusal(refusal) => refusal.voice_sdk_id.as_deref(),
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("id", &self.id)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl Request {
    /// A request with typed params.
    ///
    /// # Errors
    /// The params cannot be written as a JSON object (none of [`crate::verto::message`] fails).
    pub fn new(
        id: Id,
        method: impl Into<String>,
        params: &impl Serialize,
    ) -> Result<Self, serde_json::Error> {
        let params = serde_json::to_value(params)?;
        Ok(Self {
            id: Some(id),
            method: method.into(),
            params,
            voice_sdk_id: None,
        })
    }

    /// The params as a message.
    ///
    /// # Errors
    /// Something that the message needs is missing.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, serde_json::Error> {
        let params = if self.params.is_null() {
            Value::Object(Map::new())
        } else {
            self.params
        };
        serde_json::from_value(params)
    }
}

impl Reply {
    /// A reply with a typed result.
    ///
    /// # Errors
    /// The result cannot be written as JSON (none of [`crate::verto::message`] fails).
    pub fn new(id: Option<Id>, result: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id,
            result: serde_json::to_value(result)?,
            voice_sdk_id: None,
        })
    }
}

impl Serialize for Frame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("jsonrpc", "2.0")?;
        match self {
            Self::Request(request) => {
                if let Some(id) = &request.id {
                    map.serialize_entry("id", id)?;
                }
                map.serialize_entry("method", &request.method)?;
                if let Some(token) = &request.voice_sdk_id {
                    map.serialize_entry("voice_sdk_id", token)?;
                }
                if request.params.is_null() {
                    // A FreeSWITCH that gets no params object at all may crash.
                    map.serialize_entry("params", &Map::new())?;
                } else {
                    map.serialize_entry("params", &request.params)?;
                }
            }
            Self::Reply(reply) => {
                map.serialize_entry("id", &reply.id)?;
                map.serialize_entry("result", &reply.result)?;
                if let Some(token) = &reply.voice_sdk_id {
                    map.serialize_entry("voice_sdk_id", token)?;
                }
            }
            Self::Refusal(refusal) => {
                map.serialize_entry("id", &refusal.id)?;
                map.serialize_entry("error", &refusal.error)?;
                if let Some(token) = &refusal.voice_sdk_id {
                    map.serialize_entry("voice_sdk_id", token)?;
                }
            }
        }
        map.end()
    }
}

impl Serialize for ErrorObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(code) = self.code {
            map.serialize_entry("code", &code)?;
        }
        if let Some(message) = &self.message {
            map.serialize_entry("message", message)?;
        }
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{ErrorObject, Frame, Id, Refusal, Reply, Request, Unreadable, parse};

    fn one(text: &str) -> Result<Frame, Unreadable> {
        let mut frames = parse(text);
        assert_eq!(frames.len(), 1);
        frames.remove(0)
    }

    #[test]
    fn the_first_of_two_messages_counts_and_the_code_may_come_late() {
        let text = r#"{"id":1,"error":{"message":"CallID missing","cause":"X","message":"CALL ERROR","code":-32002}}"#;
        let Frame::Refusal(refusal) = one(text).unwrap() else {
            panic!()
        };
        assert_eq!(refusal.error.message.as_deref(), Some("CallID missing"));
        assert_eq!(refusal.error.code, Some(-32002));
        assert_eq!(refusal.error.fields.get("cause"), Some(&json!("X")));
    }

    #[test]
    fn doubled_members_anywhere_are_lived_with() {
        let text =
            r#"{"id":1,"id":2,"method":"a","method":"b","params":{"x":1,"x":2},"params":[]}"#;
        let Frame::Request(request) = one(text).unwrap() else {
            panic!()
        };
        assert_eq!(
            (request.id, request.method.as_str()),
            (Some(Id::from(1)), "a")
        );
        assert_eq!(request.params["x"], 2);
    }

    #[test]
    fn ids_keep_their_type() {
        let Frame::Request(request) = one(r#"{"id":"7","method":"m"}"#).unwrap() else {
            panic!()
        };
        assert_eq!(request.id, Some(Id::from("7")));
        let reply = Frame::Reply(Reply {
            id: Some(Id::from(7)),
            result: json!({}),
            voice_sdk_id: None,
        });
        assert_eq!(reply.to_text(), r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
        let Frame::Reply(reply) = one(r#"{"id":null,"result":{}}"#).unwrap() else {
            panic!()
        };
        assert_eq!(reply.id, None);
    }

    #[test]
    fn params_are_always_written_as_an_object() {
        let request = Request {
            id: None,
            method: "m".into(),
            params: Value::Null,
            voice_sdk_id: None,
        };
        assert_eq!(
            Frame::Request(request).to_text(),
            r#"{"jsonrpc":"2.0","method":"m","params":{}}"#
        );
    }

    #[test]
    fn depth_is_limited() {
        let deep = format!(
            "{{\"method\":\"m\",\"params\":{}1{}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert!(matches!(one(&deep), Err(Unreadable::NotJson { .. })));
    }

    #[test]
    fn debug_shows_no_params() {
        let request = one(r#"{"id":1,"method":"login","params":{"passwd":"hunter2"}}"#).unwrap();
        assert!(!format!("{request:?}").contains("hunter2"));
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map("[a-zA-Z_-]{0,8}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn object() -> impl Strategy<Value = serde_json::Map<String, Value>> {
        let name = "[a-z]{1,8}".prop_filter("its own members", |name| {
            !matches!(name.as_str(), "code" | "message")
        });
        proptest::collection::btree_map(name, json_value(), 0..5)
            .prop_map(|map| map.into_iter().collect())
    }

    fn frame() -> impl Strategy<Value = Frame> {
        let id = || {
            proptest::option::of(prop_oneof![
                any::<u64>().prop_map(Id::from),
                ".{0,9}".prop_map(Id::Text)
            ])
        };
        let token = || proptest::option::of("[a-z0-9-]{1,9}");
        prop_oneof![
            (id(), ".{0,20}", object(), token()).prop_map(|(id, method, params, voice_sdk_id)| {
                Frame::Request(Request {
                    id,
                    method,
                    params: Value::Object(params),
                    voice_sdk_id,
                })
            }),
            (id(), json_value(), token()).prop_map(|(id, result, voice_sdk_id)| {
                Frame::Reply(Reply {
                    id,
                    result,
                    voice_sdk_id,
                })
            }),
            (
                id(),
                any::<Option<i64>>(),
                proptest::option::of(".{0,9}"),
                object(),
                token()
            )
                .prop_map(|(id, code, message, fields, voice_sdk_id)| {
                    Frame::Refusal(Refusal {
                        id,
                        error: ErrorObject {
                            code,
                            message,
                            fields,
                        },
                        voice_sdk_id,
                    })
                }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(frame in frame()) {
            // A null result is as good as none.
            prop_assume!(!matches!(&frame, Frame::Reply(reply) if reply.result.is_null()));
            prop_assert_eq!(one(&frame.to_text()), Ok(frame));
        }

        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_json_panics(value in json_value(), frames in proptest::collection::vec(frame(), 0..4)) {
            let _ = parse(&value.to_string());
            let batch: Vec<String> = frames.iter().map(Frame::to_text).collect();
            prop_assert_eq!(parse(&format!("[{}]", batch.join(","))).len(), frames.len());
        }

        #[test]
        fn no_damaged_frame_panics(frame in frame(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut text = frame.to_text().into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            let _ = parse(&String::from_utf8_lossy(&text));
        }
    }
}

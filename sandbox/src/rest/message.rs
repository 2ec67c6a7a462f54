//! Requests and answers of the REST API, free of HTTP's wire form.

use std::time::Duration;

use serde_json::Value;

/// A request, its path without the `/v2`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// `GET`, `POST` ...
    pub(crate) method: String,
    /// Path below the base URL, such as `/telephony_credentials`.
    pub(crate) path: String,
    /// Decoded pairs of the query.
    pub(crate) query: Vec<(String, String)>,
    /// The header `authorization`.
    pub(crate) authorization: Option<String>,
    /// The body, whole.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The last value of a name in the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let pair = self.query.iter().rev().find(|(key, _)| key == name);
        pair.map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    /// HTTP status.
    pub(crate) status: u16,
    /// Headers besides those of the body.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// What the body holds.
    pub(crate) body: Body,
}

impl Response {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Json(body),
        }
    }

    /// `{"data": ...}`.
    pub(super) fn data(status: u16, data: Value) -> Self {
        Self::json(status, serde_json::json!({ "data": data }))
    }

    pub(super) fn text(status: u16, text: String) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Text(text),
        }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Empty,
        }
    }
}

/// What a body holds.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing at all.
    Empty,
    /// `application/json;charset=utf-8`
    Json(Value),
    /// `text/plain`
    Text(String),
}

impl std::fmt::Debug for Body {
    /// Bodies hold passwords and tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body(..)")
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What to write; `None` cuts the connection instead.
    pub(crate) response: Option<Response>,
    /// How long to wait before.
    pub(crate) after: Duration,
}

/// What the gateway knows about a name.
pub(crate) trait Registrations {
    /// Whether a client with this name can be called now.
    fn is_registered(&self, name: &str) -> bool;
}

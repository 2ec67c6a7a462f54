//! The shapes in which the API says no.

use serde_json::{Value, json};

use crate::rest::message::Response;

/// One entry of `errors`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) pointer: String,
    pub(super) detail: String,
}

/// `errors` as a list with one entry.
fn list(status: u16, code: &str, title: &str, detail: &str, pointer: Option<&str>) -> Response {
    Response::json(
        status,
        json!({ "errors": [entry(code, title, detail, pointer)] }),
    )
}

fn entry(code: &str, title: &str, detail: &str, pointer: Option<&str>) -> Value {
    let url = format!("https://developers.telnyx.com/docs/overview/errors/{code}");
    let mut entry = json!({
        "code": code, "title": title, "detail": detail, "meta": { "url": url },
    });
    if let Some(pointer) = pointer {
        entry["source"] = json!({ "pointer": pointer });
    }
    entry
}

pub(super) fn not_authenticated() -> Response {
    let detail = "Could not understand the provided credentials.";
    list(401, "10009", "Authentication failed", detail, None)
}

pub(super) fn not_authorized() -> Response {
    let detail = "You do not have permission to perform the requested action.";
    list(403, "10010", "Not authorized", detail, None)
}

pub(super) fn not_found() -> Response {
    let detail = "The requested resource or URL could not be found.";
    list(404, "10005", "Resource not found", detail, Some("/"))
}

pub(super) fn method_not_allowed() -> Response {
    let detail = "The resource does not take this method.";
    list(405, "10030", "Method not allowed", detail, None)
}

pub(super) fn too_many() -> Response {
    let detail = "You have exceeded the maximum number of allowed requests.";
    list(429, "10011", "Too many requests", detail, None)
}

/// The request itself is not well-formed.
pub(super) fn bad_request(pointer: &str, detail: &str) -> Response {
    list(400, "10015", "Bad Request", detail, Some(pointer))
}

/// A page or filter of the query is not well-formed.
pub(super) fn bad_parameter(name: &str, detail: &str) -> Response {
    let mut response = list(400, "10015", "Bad Request", detail, None);
    if let crate::rest::message::Body::Json(body) = &mut response.body {
        body["errors"][0]["source"] = json!({ "parameter": name });
    }
    response
}

/// What the request wants does not make sense.
pub(super) fn unprocessable(code: &str, pointer: &str, detail: &str) -> Response {
    list(422, code, "Bad Request", detail, Some(pointer))
}

/// Several fields are wrong.
pub(super) fn wrong_fields(faults: &[Fault]) -> Response {
    let entries: Vec<Value> = faults
        .iter()
        .map(|fault| entry("10015", "Bad Request", &fault.detail, Some(&fault.pointer)))
        .collect();
    Response::json(422, json!({ "errors": entries }))
}

/// The second shape: `errors` as an object.
pub(super) fn expired(status: u16) -> Response {
    let text = "can't update credentials in expired status";
    Response::json(status, json!({ "errors": { "status": text } }))
}

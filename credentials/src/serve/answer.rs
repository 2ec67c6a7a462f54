//! What a caller is answered.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::serve::slot::Held;

/// An answer of the endpoint.
pub(super) type Answer = Response<Full<Bytes>>;

/// Why there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody known.
    Unauthorized,
    /// Above its rate; again after this time.
    Limited(Duration),
    /// Its credential is gone or has expired.
    NoCredential,
    /// The API does not serve us.
    Upstream,
    /// No such path.
    NotFound,
    /// Not with this method.
    Method,
}

/// The token, as JSON or as text.
pub(super) fn token(held: &Held, as_text: bool) -> Answer {
    if as_text {
        return of(StatusCode::OK, "text/plain", held.token.expose().to_owned());
    }
    let expires = held.expires.duration_since(SystemTime::UNIX_EPOCH);
    let body = json!({
        "token": held.token.expose(),
        "expires_at": expires.map_or(0, |since| since.as_secs()),
    });
    of(StatusCode::OK, "application/json", body.to_string())
}

/// Plain text.
pub(super) fn text(text: String) -> Answer {
    of(StatusCode::OK, "text/plain; version=0.0.4", text)
}

/// No token.
pub(super) fn refusal(why: Refusal) -> Answer {
    let (status, text) = match why {
        Refusal::Unauthorized => (StatusCode::UNAUTHORIZED, "no known caller"),
        Refusal::Limited(_) => (StatusCode::TOO_MANY_REQUESTS, "too many requests"),
        Refusal::NoCredential => (StatusCode::NOT_FOUND, "no live credential for this caller"),
        Refusal::Upstream => (StatusCode::BAD_GATEWAY, "the API gives no token now"),
        Refusal::NotFound => (StatusCode::NOT_FOUND, "no such path"),
        Refusal::Method => (StatusCode::METHOD_NOT_ALLOWED, "POST /token"),
    };
    let mut answer = of(
        status,
        "application/json",
        json!({ "error": text }).to_string(),
    );
    let wait = match why {
        Refusal::Limited(wait) => Some(wait.as_secs() + 1),
        Refusal::Upstream => Some(5),
        Refusal::Unauthorized | Refusal::NoCredential | Refusal::NotFound | Refusal::Method => None,
    };
    let headers = answer.headers_mut();
    if let Some(wait) = wait {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait));
    }
    if why == Refusal::Unauthorized {
        headers.insert(
            hyper::header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer"),
        );
    }
    answer
}

/// To a browser that asks whether it may ask.
pub(super) fn preflight() -> Answer {
    let mut answer = of(StatusCode::NO_CONTENT, "text/plain", String::new());
    let headers = answer.headers_mut();
    for (name, value) in [
        ("access-control-allow-methods", "POST"),
        (
            "access-control-allow-headers",
            "authorization, content-type, accept",
        ),
        ("access-control-max-age", "600"),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    answer
}

fn of(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

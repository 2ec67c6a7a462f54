//! What the client needs of the world: requests carried, time told and waited for.

use std::time::Duration;

use crate::secret::Secret;

/// A request, ready to be carried.
#[derive(Debug)]
pub struct HttpRequest {
    /// `GET`, `POST`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// The whole URL.
    pub url: String,
    /// What kind of answer is wanted.
    pub accept: &'static str,
    /// Goes into `Authorization: Bearer`.
    pub key: Secret,
    /// JSON.
    pub body: Option<Vec<u8>>,
}

/// An answer, whatever its status.
pub struct HttpReply {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

impl HttpReply {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for HttpReply {
    /// Bodies hold passwords and tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HttpReply({}, {} bytes)", self.status, self.body.len())
    }
}

/// No answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct WireFault {
    /// Whether the server may have got the request.
    pub arrived: Arrived,
    /// A try later may do better: no name, no route, no answer in time; not a wrong certificate.
    pub may_pass: bool,
    /// What happened.
    pub text: String,
}

/// Whether the server may have got a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrived {
    /// There was no connection to send it on.
    No,
    /// It was sent, in part or whole.
    Perhaps,
}

/// Carries requests and knows the time.
pub trait Wire: Send + Sync {
    /// Carries one request; does not repeat it.
    ///
    /// # Errors
    /// No answer came.
    fn send(&self, request: &HttpRequest) -> Result<HttpReply, WireFault>;

    /// Time since some fixed moment.
    fn now(&self) -> Duration;

    /// Waits.
    fn pause(&self, time: Duration);

    /// A number from 0 to below 1, for jitter.
    fn chance(&self) -> f64;
}

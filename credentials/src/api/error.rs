//! What can go wrong with a request, and what to do then.

use std::fmt;
use std::time::Duration;

use crate::api::wire::WireFault;

/// One complaint of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problem {
    /// Telnyx's number for it, such as `10015`.
    pub code: Option<String>,
    /// What is wrong.
    pub detail: String,
    /// Which field, as a JSON pointer, or which parameter.
    pub pointer: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pointer {
            Some(pointer) if pointer != "/" => write!(f, "{pointer}: {}", self.detail)?,
            _ => f.write_str(&self.detail)?,
        }
        match &self.code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

/// A request failed for good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The base URL is no good.
    #[error("{url:?} cannot be the API's URL: {why}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The server said no.
    #[error("{server} refused {what} with {status}: {}{}; {}", list(.problems), id(.request_id), remedy(*.status))]
    Refused {
        /// Host.
        server: String,
        /// Method and path.
        what: String,
        /// HTTP status.
        status: u16,
        /// In the server's words; empty when it gave none.
        problems: Vec<Problem>,
        /// For the server's support.
        request_id: Option<String>,
    },
    /// No answer.
    #[error("{server} does not answer {what}: {fault}; check the network, the URL and the CA")]
    Unreachable {
        /// Host.
        server: String,
        /// Method and path.
        what: String,
        /// Of the last try.
        fault: WireFault,
    },
    /// The server has no room for this many requests for a long time.
    #[error("{server} takes no more {what} for {} s; come back then, or ask for less at once", .wait.as_secs())]
    RateLimited {
        /// Host.
        server: String,
        /// Method and path.
        what: String,
        /// How long it wants us to wait.
        wait: Duration,
    },
    /// It is not known whether something was made, and it could not be looked up.
    #[error(
        "{server} gave no answer to {what}, which may have been carried out: {why}; look it up before trying again"
    )]
    Uncertain {
        /// Host.
        server: String,
        /// Method and path.
        what: String,
        /// What happened.
        why: String,
    },
    /// The answer is not what the documents promise.
    #[error("{server} answered {what} with something else than promised: {why}")]
    Unreadable {
        /// Host.
        server: String,
        /// Method and path.
        what: String,
        /// What is wrong.
        why: String,
    },
}

impl Error {
    /// Whether the server says that the object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

fn list(problems: &[Problem]) -> String {
    if problems.is_empty() {
        return "no reason given".to_owned();
    }
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn id(request: &Option<String>) -> String {
    request
        .as_ref()
        .map_or_else(String::new, |id| format!(" [request {id}]"))
}

fn remedy(status: u16) -> &'static str {
    match status {
        401 => "check the API key and that it belongs to this server",
        403 => "the API key lacks this right; give it the right or use another",
        404 => "check the id",
        429 => "ask for less at once",
        400 | 405 | 415 | 422 => "correct what is named",
        500.. => "try again later",
        _ => "see the documents of the API",
    }
}

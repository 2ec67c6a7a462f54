//! Where an account's tokens come from, and what can go wrong on the way.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use offhook_signaling::auth::jwt::Malformed;
use offhook_signaling::secret::Secret;

use crate::command_line::{CommandError, CommandLine};
use crate::error::SecretFileError;

/// How long a command or an endpoint may take by default.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Most bytes that a command or an endpoint may answer.
pub const LONGEST_ANSWER: usize = 64 * 1024;

/// Where tokens come from. A source is asked at the start, before a token expires, and after a login was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSource {
    /// A file that somebody else keeps fresh. It is read again whenever it changes, also by rename.
    File(PathBuf),
    /// A program that prints a token on its standard output; nothing is on its standard input.
    Command(CommandLine),
    /// A web service that hands out tokens.
    Endpoint(TokenEndpoint),
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Command(command) => write!(f, "the command `{}`", command.program()),
            Self::Endpoint(endpoint) => f.write_str(endpoint.shown()),
        }
    }
}

/// A web service that answers with a token: as plain text, or inside a JSON object.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenEndpoint {
    /// `https://` URL; `http://` only on this machine.
    pub url: String,
    /// How it is asked.
    pub method: HttpMethod,
    /// Header fields whose values are secrets, read from their files at every request.
    pub headers: Vec<(String, HeaderValue)>,
    /// JSON pointer (RFC 6901) to the token in the answer. `None`: the whole answer is the token or, where that is a JSON
    /// object, its member `token`.
    pub pointer: Option<String>,
    /// CA certificates beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// For the whole exchange.
    pub time_limit: Duration,
}

impl fmt::Debug for TokenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEndpoint")
            .field("url", &self.shown())
            .field("method", &self.method)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

impl TokenEndpoint {
    /// The URL without its query, which may hold a key: what messages name it by.
    #[must_use]
    pub fn shown(&self) -> &str {
        self.url.split(['?', '#']).next().unwrap_or_default()
    }
}

/// Where a header field's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderValue {
    /// The content of an owner's file, after a prefix that is no secret, such as `Bearer `.
    File {
        /// What stands before it.
        prefix: String,
        /// The file.
        path: PathBuf,
    },
    /// A value in memory.
    Memory(Secret),
}

/// HTTP methods that a token endpoint may want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpMethod {
    /// `GET`.
    Get,
    /// `POST` without a body.
    #[default]
    Post,
}

/// Why a source brought no token. No secret stands in any of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file, or the file of a header field, cannot be used.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The program failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The service took too long.
    #[error("{source_name} brought no token within {} s: look what it waits for", .limit.as_secs_f64())]
    TimeLimit {
        /// Which source.
        source_name: String,
        /// The limit.
        limit: Duration,
    },
    /// More than a token can be.
    #[error("{source_name} answered more than {LONGEST_ANSWER} bytes, which is no token")]
    TooLong {
        /// Which source.
        source_name: String,
    },
    /// The URL is none that may be asked.
    #[error("the token endpoint {url} is not usable: {why}")]
    Url {
        /// As configured.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The service cannot be reached or its certificate is refused.
    #[error("the token endpoint {url} cannot be asked: {fault}")]
    Unreachable {
        /// Which.
        url: String,
        /// What the HTTP client said.
        fault: String,
    },
    /// The service refused.
    #[error("the token endpoint {url} answered {status}: {}", advice(*.status))]
    Http {
        /// Which.
        url: String,
        /// HTTP status.
        status: u16,
        /// When it may be asked again, as it said itself.
        retry_after: Option<Duration>,
    },
    /// The answer holds no token where one was looked for.
    #[error("{source_name} answered without a token: {why}")]
    NoToken {
        /// Which source.
        source_name: String,
        /// What was looked for.
        why: String,
    },
    /// Something that looks like an API key.
    #[error(
        "{source_name} brought an API key in place of a token: keep the key on the server and let it hand out tokens"
    )]
    ApiKey {
        /// Which source.
        source_name: String,
    },
    /// Not shaped like a token.
    #[error("{source_name} brought something that is no token: {fault}")]
    Malformed {
        /// Which source.
        source_name: String,
        /// What is wrong with its shape.
        fault: Malformed,
    },
}

impl TokenError {
    /// When the source may be asked again, as it said itself.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        if let Self::Http { retry_after, .. } = self {
            *retry_after
        } else {
            None
        }
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "check the secret in its header fields",
        404 => "check its path",
        405 => "try the other method",
        429 => "it is asked too often",
        300..=399 => "it redirects, which is not followed; name its final address",
        500..=599 => "look into its log",
        _ => "look into its documentation",
    }
}

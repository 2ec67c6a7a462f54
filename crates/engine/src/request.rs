//! What a user asks of the engine.

use offhook_signaling::call_id::CallId;
use serde_json::Value;

/// A call to place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// The account; may be left out when there is only one.
    pub account: Option<String>,
    /// Number, user or address to call. May be empty for an account that logs in anonymously: its calls have one target.
    pub number: String,
    /// Name to show to the callee; the account's own when left out.
    pub caller_name: Option<String>,
    /// Number to show to the callee; the account's own when left out.
    pub caller_number: Option<String>,
    /// Extra header fields (`X-...`), where the dialect carries them.
    pub headers: Vec<Header>,
    /// Opaque text that the server's events about the call carry, where the dialect has it.
    pub client_state: Option<String>,
}

/// A header field or variable of a call: name and value.
pub type Header = (String, String);

/// A text to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The account; may be left out when there is only one, or with a call.
    pub account: Option<String>,
    /// The call that it belongs to.
    pub call: Option<CallId>,
    /// Who gets it. Left out: the assistant of an anonymous account.
    pub to: Option<String>,
    /// The text.
    pub text: String,
    /// Images by URL, for an assistant.
    pub images: Vec<String>,
}

impl CallRequest {
    /// A call to `number` by the only account there is.
    pub fn to(number: impl Into<String>) -> Self {
        Self {
            number: number.into(),
            ..Self::default()
        }
    }
}

/// A command for a FreeSWITCH server.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerCommand {
    /// `jsapi`.
    Json {
        /// Such as `status`.
        command: String,
        /// Its parameters.
        data: Value,
    },
    /// `fsapi`.
    Text {
        /// Such as `status`.
        command: String,
        /// What stands behind it.
        arguments: String,
    },
}

/// How DTMF digits are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dtmf {
    /// By a message to the server, which plays them: what both dialects of Verto expect.
    #[default]
    Info,
    /// As telephone events in the audio stream (RFC 4733).
    Rfc4733,
}

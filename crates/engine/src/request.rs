//! What a user asks of the engine.

/// A call to place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// The account; may be left out when there is only one.
    pub account: Option<String>,
    /// Number, user or address to call.
    pub number: String,
    /// Name to show to the callee; the account's own when left out.
    pub caller_name: Option<String>,
    /// Number to show to the callee; the account's own when left out.
    pub caller_number: Option<String>,
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

/// How DTMF digits are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dtmf {
    /// By a message to the server, which plays them: what both dialects of Verto expect.
    #[default]
    Info,
    /// As telephone events in the audio stream (RFC 4733).
    Rfc4733,
}

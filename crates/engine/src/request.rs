//! What a user asks of the engine.

use offhook_media::ice::server::IceServer;
use offhook_media::program::AudioCodec;
use offhook_signaling::call_id::CallId;
use offhook_signaling::cause::Cause;
use offhook_signaling::command::ReplacesDialog;
use offhook_signaling::variable::Variable;
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
    /// Name of the call, a UUID that no living call has; drawn when left out.
    pub id: Option<CallId>,
    /// Extra header fields (`X-...`). Refused where the dialect does not carry them.
    pub headers: Vec<Header>,
    /// Opaque text that the server's events about the call carry. Refused where the dialect has no such thing.
    pub client_state: Option<String>,
    /// Variables of the call, beside those of the account.
    pub user_variables: Vec<(String, Variable)>,
    /// Codecs of this call, best first; none: those of the engine.
    pub codecs: Vec<AudioCodec>,
    /// Whether silence is sent from the beginning; `None`: as the account has it.
    pub muted: Option<bool>,
    /// Leave the offer of media to the far end (SIP, RFC 3261 section 13.2.1).
    pub late_offer: bool,
    /// A dialog elsewhere whose place the call takes: call pick-up (SIP, RFC 3891).
    pub replaces: Option<ReplacesDialog>,
    /// Use relayed candidates only, whatever the account allows.
    pub relay_only: bool,
    /// STUN and TURN servers in place of the account's; empty: none. At most [`MOST_SERVERS`](crate::ice::MOST_SERVERS).
    pub ice_servers: Option<Vec<IceServer>>,
    /// Whether candidates are told as they are found; `None`: as the account has it. Refused where the server takes none
    /// (FreeSWITCH, and with SIP where the account has it off).
    pub trickle: Option<bool>,
}

/// How a call is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerOptions {
    /// Extra header fields (`X-...`). Refused where the dialect does not carry them.
    pub headers: Vec<Header>,
    /// Opaque text that the server's events about the call carry. Refused where the dialect has no such thing.
    pub client_state: Option<String>,
    /// Whether silence is sent from the beginning; `None`: as it was muted before, or as the account has it.
    pub muted: Option<bool>,
    /// STUN and TURN servers in place of the account's; empty: none. At most [`MOST_SERVERS`](crate::ice::MOST_SERVERS).
    pub ice_servers: Option<Vec<IceServer>>,
    /// Whether candidates are told as they are found; `None`: as the account has it. Refused where the server takes none
    /// (FreeSWITCH, and with SIP where the account has it off).
    pub trickle: Option<bool>,
}

/// How a call is ended, cancelled or refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndOptions {
    /// Why; `None`: by the SIP status if there is one, else what fits the call's state.
    pub cause: Option<Cause>,
    /// SIP status for the far end, 400 to 699; `None`: the usual one of the cause. Refused where the dialect has no such thing.
    pub sip_code: Option<u16>,
    /// Extra header fields (`X-...`). Refused where the dialect does not carry them.
    pub headers: Vec<Header>,
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

/// What a server is asked, and answers.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerCommand {
    /// `jsapi` (FreeSWITCH).
    Json {
        /// Such as `status`.
        command: String,
        /// Its parameters.
        data: Value,
    },
    /// `fsapi` (FreeSWITCH).
    Text {
        /// Such as `status`.
        command: String,
        /// What stands behind it.
        arguments: String,
    },
    /// `echo`: give this object back (FreeSWITCH).
    Echo {
        /// An object; null: an empty one.
        data: Value,
    },
    /// `attachCalls`: offer us the calls that wait after a push message (Telnyx).
    AttachCalls {
        /// Only this one.
        call: Option<CallId>,
    },
    /// `disable_push_notification`: no more push messages to our device (Telnyx).
    DisablePush,
}

/// How DTMF digits are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtmf {
    /// By a message: what both dialects of Verto expect, whose server plays them. With SIP it is an INFO of the call.
    Info,
    /// As telephone events in the audio stream (RFC 4733): what SIP expects where both ends know it.
    Rfc4733,
}

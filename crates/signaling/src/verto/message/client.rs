//! Messages about calls from client to server, and their results.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::verto::lenient;
use crate::verto::message::both::Chat;
use crate::verto::message::dialog_params::DialogParams;
use crate::verto::message::login::UserAgent;

/// `invite`, `answer` and `attach`, client to server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientCall {
    /// Name of the session.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sessid: Option<String>,
    /// Offer (invite) or answer.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sdp: Option<String>,
    /// The call.
    #[serde(rename = "dialogParams")]
    pub dialog_params: DialogParams,
    /// What the client is.
    #[serde(
        rename = "User-Agent",
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub user_agent: Option<UserAgent>,
    /// Candidates follow (Telnyx).
    #[serde(
        deserialize_with = "lenient::flag",
        skip_serializing_if = "Option::is_none"
    )]
    pub trickle: Option<bool>,
    /// The device that answers, so that push messages to others of its user can be taken back (Telnyx).
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub answered_device_token: Option<String>,
}

/// `bye`, client to server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientBye {
    /// Name of the session.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sessid: Option<String>,
    /// Name of the cause.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub cause: Option<String>,
    /// Number of the cause.
    #[serde(
        rename = "causeCode",
        deserialize_with = "lenient::code",
        skip_serializing_if = "Option::is_none"
    )]
    pub cause_code: Option<u16>,
    /// SIP status (Telnyx).
    #[serde(
        rename = "sipCode",
        deserialize_with = "lenient::code",
        skip_serializing_if = "Option::is_none"
    )]
    pub sip_code: Option<u16>,
    /// The call.
    #[serde(rename = "dialogParams")]
    pub dialog_params: DialogParams,
}

/// `info`, client to server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientInfo {
    /// Name of the session.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sessid: Option<String>,
    /// DTMF digits.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub dtmf: Option<String>,
    /// Chat message.
    #[serde(
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub msg: Option<Chat>,
    /// Text as it is typed: `{"chars": "..."}` (FreeSWITCH).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub txt: Option<Value>,
    /// Anything, for the call's channel (FreeSWITCH).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Value>,
    /// The call.
    #[serde(rename = "dialogParams")]
    pub dialog_params: DialogParams,
}

/// `modify`, client to server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Modify {
    /// Name of the session.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sessid: Option<String>,
    /// `hold`, `unhold`, `toggleHold`, `updateMedia`, `transfer`, `replace`.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub action: Option<String>,
    /// The call, where the browser SDK repeats it beside `dialogParams`.
    #[serde(
        rename = "callID",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub call_id: Option<String>,
    /// New offer of `updateMedia`.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sdp: Option<String>,
    /// Candidates follow (Telnyx).
    #[serde(
        deserialize_with = "lenient::flag",
        skip_serializing_if = "Option::is_none"
    )]
    pub trickle: Option<bool>,
    /// Target of `transfer`.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub destination: Option<String>,
    /// The other call of `replace`.
    #[serde(
        rename = "replaceCallID",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub replace_call_id: Option<String>,
    /// The call.
    #[serde(rename = "dialogParams")]
    pub dialog_params: DialogParams,
}

/// Result of `modify`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModifyResult {
    /// The call.
    #[serde(
        rename = "callID",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub call_id: Option<String>,
    /// The action.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub action: Option<String>,
    /// `held`, `active`.
    #[serde(
        rename = "holdState",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub hold_state: Option<String>,
    /// Answer to `updateMedia`.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sdp: Option<String>,
    /// Such as `CALL TRANSFERRED`.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub message: Option<String>,
    /// Name of the session.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sessid: Option<String>,
}

/// Result of requests about a call: `invite`, `answer`, `attach`, `bye`, `info`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallResult {
    /// `CALL CREATED`, `CALL ENDED`, `SENT`.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub message: Option<String>,
    /// The call.
    #[serde(
        rename = "callID",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub call_id: Option<String>,
    /// Name of the session.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sessid: Option<String>,
    /// Name of a cause (reply to `bye`).
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub cause: Option<String>,
    /// Number of a cause (reply to `bye`).
    #[serde(
        rename = "causeCode",
        deserialize_with = "lenient::code",
        skip_serializing_if = "Option::is_none"
    )]
    pub cause_code: Option<u16>,
}

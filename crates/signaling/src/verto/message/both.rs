//! Messages that go either way.

use serde::{Deserialize, Serialize};

use crate::verto::lenient;
use crate::verto::message::dialog_params::DialogParams;

/// A chat message inside `info`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chat {
    /// Sender; the server's to set.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub from: Option<String>,
    /// Receiver.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub to: Option<String>,
    /// Text.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub body: Option<String>,
    /// Hand it to the call instead of the addressee.
    #[serde(
        rename = "inDialog",
        deserialize_with = "lenient::flag",
        skip_serializing_if = "Option::is_none"
    )]
    pub in_dialog: Option<bool>,
    /// Sender's name, the server's to set.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub from_msg_name: Option<String>,
    /// Sender's number, the server's to set.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub from_msg_number: Option<String>,
}

/// `ping`, either way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ping {
    /// Server's serial number: seconds since 1970.
    #[serde(
        deserialize_with = "lenient::whole",
        skip_serializing_if = "Option::is_none"
    )]
    pub serno: Option<i64>,
    /// When the login ends, in seconds since 1970 (FreeSWITCH).
    #[serde(
        rename = "auth-expires",
        deserialize_with = "lenient::whole",
        skip_serializing_if = "Option::is_none"
    )]
    pub auth_expires: Option<i64>,
}

/// Result of a `ping`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pong {
    /// `PONG`.
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
    /// When the login ends, in seconds since 1970 (FreeSWITCH).
    #[serde(
        rename = "auth-expires",
        deserialize_with = "lenient::whole",
        skip_serializing_if = "Option::is_none"
    )]
    pub auth_expires: Option<i64>,
}

/// `candidate` and `endOfCandidates`, either way (Telnyx). Readers look for the call in both places, so write both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Candidate {
    /// The call.
    #[serde(
        rename = "callID",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub call_id: Option<String>,
    /// Candidate line without `a=`.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub candidate: Option<String>,
    /// Its media section by mid.
    #[serde(
        rename = "sdpMid",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sdp_mid: Option<String>,
    /// Its media section by index.
    #[serde(
        rename = "sdpMLineIndex",
        deserialize_with = "lenient::whole",
        skip_serializing_if = "Option::is_none"
    )]
    pub sdp_mline_index: Option<i64>,
    /// No more candidates follow.
    #[serde(
        rename = "endOfCandidates",
        deserialize_with = "lenient::flag",
        skip_serializing_if = "Option::is_none"
    )]
    pub end_of_candidates: Option<bool>,
    /// Name of the session.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sessid: Option<String>,
    /// The call again.
    #[serde(rename = "dialogParams")]
    pub dialog_params: DialogParams,
}

/// The result with which a client acknowledges a server's request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The request's method, with prefix.
    pub method: String,
}

//! How the client's messages name their call.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::command::PreferredCodec;
use crate::verto::lenient;

/// One extra header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// Name, starting with `X-`.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A codec as browsers name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CodecPreference {
    /// Such as `audio/opus`.
    #[serde(rename = "mimeType")]
    pub mime_type: String,
    /// In Hz.
    #[serde(rename = "clockRate")]
    pub clock_rate: u32,
    /// Absent: one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    /// Format parameters.
    #[serde(rename = "sdpFmtpLine", skip_serializing_if = "Option::is_none")]
    pub fmtp: Option<String>,
}

impl From<&PreferredCodec> for CodecPreference {
    fn from(codec: &PreferredCodec) -> Self {
        Self {
            mime_type: codec.mime_type.clone(),
            clock_rate: codec.clock_rate,
            channels: codec.channels,
            fmtp: codec.fmtp.clone(),
        }
    }
}

/// What a client says about a call. Nothing here but what the server needs: no device names, no ICE servers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DialogParams {
    /// The call.
    #[serde(
        rename = "callID",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub call_id: Option<String>,
    /// Number called.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub destination_number: Option<String>,
    /// The call under the name that some clients use.
    #[serde(
        rename = "callId",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub call_id_too: Option<String>,
    /// Caller's name.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub caller_id_name: Option<String>,
    /// Caller's number.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub caller_id_number: Option<String>,
    /// Far side's name as the client shows it.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub remote_caller_id_name: Option<String>,
    /// Far side's number as the client shows it.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub remote_caller_id_number: Option<String>,
    /// Our own name as the caller is to see it, with an answer (FreeSWITCH).
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub callee_id_name: Option<String>,
    /// The number beside it.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub callee_id_number: Option<String>,
    /// Extra headers (Telnyx).
    #[serde(
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub custom_headers: Option<Vec<Header>>,
    /// Opaque state of the application, base64 (Telnyx).
    #[serde(
        rename = "clientState",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub client_state: Option<String>,
    /// Codecs that the server should prefer (Telnyx).
    #[serde(
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub preferred_codecs: Option<Vec<CodecPreference>>,
    /// Channel variables.
    #[serde(
        rename = "userVariables",
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub user_variables: Option<Map<String, Value>>,
    /// True in an answer to an attach (Telnyx).
    #[serde(
        deserialize_with = "lenient::flag",
        skip_serializing_if = "Option::is_none"
    )]
    pub attach: Option<bool>,
}

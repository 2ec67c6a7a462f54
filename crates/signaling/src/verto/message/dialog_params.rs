//! How the client's messages name their call.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

//! Messages of logging in and becoming ready.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::secret::Secret;
use crate::verto::lenient;

/// `login`, client to server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginParams {
    /// User, with FreeSWITCH perhaps `user@domain`.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub login: Option<String>,
    /// Password.
    #[serde(
        deserialize_with = "lenient::secret",
        serialize_with = "lenient::write_secret",
        skip_serializing_if = "Option::is_none"
    )]
    pub passwd: Option<Secret>,
    /// JSON Web Token (Telnyx).
    #[serde(
        deserialize_with = "lenient::secret",
        serialize_with = "lenient::write_secret",
        skip_serializing_if = "Option::is_none"
    )]
    pub login_token: Option<Secret>,
    /// Name of the session: the client's choice with FreeSWITCH, an earlier one with Telnyx.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sessid: Option<String>,
    /// Whether the client was connected before (Telnyx).
    #[serde(
        deserialize_with = "lenient::flag",
        skip_serializing_if = "Option::is_none"
    )]
    pub reconnection: Option<bool>,
    /// Facts for the server's directory.
    #[serde(
        rename = "loginParams",
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub login_params: Option<Map<String, Value>>,
    /// Variables of each later call.
    #[serde(
        rename = "userVariables",
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub user_variables: Option<Map<String, Value>>,
    /// What the client is.
    #[serde(
        rename = "User-Agent",
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub user_agent: Option<UserAgent>,
}

/// `attachCalls`, client to server (Telnyx).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttachCalls {
    /// Only this call, by the name that the push message had.
    #[serde(
        rename = "callID",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub call_id: Option<String>,
    /// As the login had them.
    #[serde(rename = "userVariables")]
    pub user_variables: Map<String, Value>,
    /// Empty.
    #[serde(rename = "loginParams")]
    pub login_params: Map<String, Value>,
}

/// `disable_push_notification`, client to server (Telnyx).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DisablePush {
    /// Who, with a login by password.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub user: Option<String>,
    /// Who, with a login by token.
    #[serde(
        deserialize_with = "lenient::secret",
        serialize_with = "lenient::write_secret",
        skip_serializing_if = "Option::is_none"
    )]
    pub login_token: Option<Secret>,
    /// Which device; the gateway reads it under this name.
    #[serde(rename = "User-Agent")]
    pub push: Map<String, Value>,
}

/// `anonymous_login`, client to server (Telnyx).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnonymousLoginParams {
    /// Kind of target; `ai_assistant` is the known one.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub target_type: Option<String>,
    /// The target.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub target_id: Option<String>,
    /// Its version; absent means the latest.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub target_version_id: Option<String>,
    /// Open map, such as `conversation_id`.
    #[serde(
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub target_params: Option<BTreeMap<String, Value>>,
    /// Name of an earlier session.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sessid: Option<String>,
    /// Whether the client was connected before.
    #[serde(
        deserialize_with = "lenient::flag",
        skip_serializing_if = "Option::is_none"
    )]
    pub reconnection: Option<bool>,
    /// Variables of each later call.
    #[serde(
        rename = "userVariables",
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub user_variables: Option<Map<String, Value>>,
    /// What the client is.
    #[serde(
        rename = "User-Agent",
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub user_agent: Option<UserAgent>,
}

/// What a client says it is: browsers and ours an object at login, everybody a text elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum UserAgent {
    /// As a text.
    Text(String),
    /// As an object.
    Described {
        /// Version of the client.
        #[serde(rename = "sdkVersion", default)]
        sdk_version: String,
        /// Name and whatever else.
        #[serde(default)]
        data: String,
    },
}

/// Result of a login.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginResult {
    /// `logged in`.
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

/// `clientReady`, server to client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientReady {
    /// Calls that the server still holds. FreeSWITCH before May 2021 lists session names here.
    #[serde(deserialize_with = "lenient::texts")]
    pub reattached_sessions: Vec<String>,
    /// State of the gateway, when the server tells it at once (Telnyx).
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub state: Option<String>,
}

/// `gatewayState`: the request's params from the server, and the inner params of the result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewayState {
    /// `REGED` and the like; absent in the client's question.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub state: Option<String>,
    /// Key for call reports.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub call_report_id: Option<String>,
}

/// Result of `gatewayState`: one level deeper than elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewayStateResult {
    /// The state.
    #[serde(
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub params: Option<GatewayState>,
    /// Name of the session.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sessid: Option<String>,
}

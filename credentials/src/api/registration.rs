//! Whether somebody is registered, by both calls that tell it.

use serde::Deserialize;
use serde_json::Value;

use crate::api::client::{Call, Client};
use crate::api::error::Error;
use crate::api::reply;

/// What `check_registration_status` says about a connection.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ConnectionRegistration {
    /// `Registered`, `Not Registered`, `Unregistered`, `Expired`, `Failed` or `Not Applicable`.
    pub status: String,
    /// The connection's own login.
    #[serde(default)]
    pub sip_username: Option<String>,
    /// Where it registered from.
    #[serde(default)]
    pub ip_address: Option<String>,
    /// And from which port, as the server writes it: a number or text.
    #[serde(default, deserialize_with = "port")]
    pub port: Option<u16>,
    /// How it is connected.
    #[serde(default)]
    pub transport: Option<String>,
    /// What it calls itself.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// As the server writes it.
    #[serde(default)]
    pub last_registration: Option<String>,
}

/// What `sip_registration_status` says about a name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SipRegistration {
    /// Whether it can be called now.
    #[serde(default)]
    pub registered: bool,
    /// `registered`, `trying`, `failed`, `standby`, `unregistering`, `connection_disabled` or `unknown`.
    pub sip_registration_status: String,
    /// The name.
    #[serde(default)]
    pub credential_username: Option<String>,
    /// The connection's id.
    #[serde(default)]
    pub connection_id: Option<String>,
    /// And its label.
    #[serde(default)]
    pub connection_name: Option<String>,
    /// The last answer to a registration, such as `200 OK`.
    #[serde(default)]
    pub last_registration_response: Option<String>,
    /// Of a registration that stands.
    #[serde(default)]
    pub sip_registration_details: Option<SipRegistrationDetails>,
}

/// The registration of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct SipRegistrationDetails {
    /// Seconds that it lasts.
    #[serde(default)]
    pub expires: Option<u64>,
    /// How it is connected.
    #[serde(default)]
    pub transport: Option<String>,
    /// Where it registered from.
    #[serde(default)]
    pub ua_ip: Option<String>,
    /// And from which port.
    #[serde(default, deserialize_with = "port")]
    pub ua_port: Option<u16>,
    /// When it last changed, as the server writes it.
    #[serde(default)]
    pub last_modified: Option<String>,
}

/// A number, or text that holds one; nothing where it is neither.
fn port<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u16>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => number
            .as_u64()
            .and_then(|number| u16::try_from(number).ok()),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

/// Whose name is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameOf {
    /// `gencred...`
    TelephonyCredential,
    /// The login of a credential connection.
    CredentialConnection,
    /// Another provider's login of a connection; it is named by the connection's id.
    UacExternalCredential,
}

impl Client {
    /// Whether the connection's own login is registered.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn connection_registration(&self, id: &str) -> Result<ConnectionRegistration, Error> {
        let path = [
            "credential_connections",
            id,
            "actions",
            "check_registration_status",
        ];
        let call = Call::new("POST", "POST check_registration_status", &path);
        let answer = self.simply(&call)?;
        reply::bare(&answer.body).map_err(|why| self.unreadable(&call, why))
    }

    /// Whether a name is registered; `name` is the connection's id for [`NameOf::UacExternalCredential`].
    ///
    /// # Errors
    /// See [`Error`].
    pub fn sip_registration(&self, of: NameOf, name: &str) -> Result<SipRegistration, Error> {
        let (kind, key) = match of {
            NameOf::TelephonyCredential => ("telephony_credential", "username"),
            NameOf::CredentialConnection => ("sip_credential_connection", "username"),
            NameOf::UacExternalCredential => ("uac_external_credential", "connection_id"),
        };
        let call = Call {
            query: &[("credential_type", kind), (key, name)],
            ..Call::new(
                "GET",
                "GET sip_registration_status",
                &["sip_registration_status"],
            )
        };
        let answer = self.simply(&call)?;
        reply::bare(&answer.body).map_err(|why| self.unreadable(&call, why))
    }
}

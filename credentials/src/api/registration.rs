//! Whether somebody is registered, by both calls that tell it.

use serde::Deserialize;

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
    /// The last answer to a registration, such as `200 OK`.
    #[serde(default)]
    pub last_registration_response: Option<String>,
}

/// Whose name is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameOf {
    /// `gencred...`
    TelephonyCredential,
    /// The login of a credential connection.
    CredentialConnection,
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

    /// Whether a name is registered.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn sip_registration(&self, of: NameOf, username: &str) -> Result<SipRegistration, Error> {
        let kind = match of {
            NameOf::TelephonyCredential => "telephony_credential",
            NameOf::CredentialConnection => "sip_credential_connection",
        };
        let call = Call {
            query: &[("credential_type", kind), ("username", username)],
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

//! Telephony credentials, one per user and device, and the tokens that their clients log in with.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::client::{Call, Client};
use crate::api::error::Error;
use crate::api::retry::Repeat;
use crate::secret::{self, Secret};
use crate::timestamp;

const PATH: &str = "telephony_credentials";

/// A telephony credential as the server has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Credential {
    /// Opaque.
    pub id: String,
    /// A label; may be there twice.
    #[serde(default)]
    pub name: String,
    /// `connection:` and the connection's id.
    #[serde(default)]
    pub resource_id: String,
    /// Under which it is called and logs in; chosen by the server.
    pub sip_username: String,
    /// For logins by password.
    #[serde(default, deserialize_with = "secret::deserialize")]
    pub sip_password: Option<Secret>,
    /// Past its end; only deleting is left then.
    #[serde(default)]
    pub expired: bool,
    /// As the server writes it; see [`timestamp::parse`].
    #[serde(default)]
    pub expires_at: Option<String>,
    /// As the server writes it.
    #[serde(default)]
    pub created_at: Option<String>,
}

impl Credential {
    /// The connection that it belongs to.
    pub fn connection_id(&self) -> &str {
        self.resource_id
            .strip_prefix("connection:")
            .unwrap_or(&self.resource_id)
    }
}

/// A credential to be made.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// The connection that it will belong to.
    pub connection_id: String,
    /// A label. Together with the tag it must be used for this one credential only: it is looked up by both.
    pub name: String,
    /// Another label, with at most 1,000 credentials.
    pub tag: String,
    /// When it ends; always say so.
    pub expires_at: Option<SystemTime>,
}

/// What may be changed later.
#[derive(Debug, Clone, Default)]
pub struct CredentialChange {
    /// Another connection.
    pub connection_id: Option<String>,
    /// Another label.
    pub name: Option<String>,
    /// Another tag.
    pub tag: Option<String>,
    /// Another end.
    pub expires_at: Option<SystemTime>,
}

/// Which credentials to list.
#[derive(Debug, Clone, Default)]
pub struct CredentialFilter {
    /// The whole name.
    pub name: Option<String>,
    /// The whole tag.
    pub tag: Option<String>,
    /// `active` or `expired`.
    pub status: Option<String>,
    /// The whole SIP user name.
    pub sip_username: Option<String>,
    /// The connection's id.
    pub connection_id: Option<String>,
}

/// What a server could sign tokens with. How is not documented, so nothing here does.
#[derive(Debug, Clone)]
pub struct TokenMaterial {
    /// Name of the key.
    pub kid: String,
    /// Opaque.
    pub tel_token: Secret,
    /// Guard it like a password.
    pub signing_secret: Secret,
}

impl Client {
    /// All credentials that fit, the newest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn credentials(&self, filter: &CredentialFilter) -> Result<Vec<Credential>, Error> {
        let resource = filter
            .connection_id
            .as_ref()
            .map(|id| format!("connection:{id}"));
        let filters: Vec<(&str, &str)> = [
            ("filter[name]", &filter.name),
            ("filter[tag]", &filter.tag),
            ("filter[status]", &filter.status),
            ("filter[sip_username]", &filter.sip_username),
            ("filter[resource_id]", &resource),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect();
        self.all("GET credentials", &[PATH], &filters)
    }

    /// One credential, with its password.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn credential(&self, id: &str) -> Result<Credential, Error> {
        self.data(&Call::new("GET", "GET credential", &[PATH, id]))
    }

    /// Makes a credential. When no answer comes it is looked up by name and tag before it is asked for again, so that
    /// there is never a second one. It can be used about [`FRESHNESS`](crate::api::client::FRESHNESS) later.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn create_credential(&self, wanted: &NewCredential) -> Result<Credential, Error> {
        let mut body = json!({
            "connection_id": wanted.connection_id,
            "name": wanted.name,
            "tag": wanted.tag,
        });
        if let Some(at) = wanted.expires_at {
            body["expires_at"] = json!(timestamp::full(at));
        }
        let call = Call {
            body: Some(body),
            repeat: Repeat::Looked,
            ..Call::new("POST", "POST credential", &[PATH])
        };
        self.make(&call, || self.find_credential(&wanted.name, &wanted.tag))
    }

    /// The oldest credential with this name and tag that has not expired.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn find_credential(&self, name: &str, tag: &str) -> Result<Option<Credential>, Error> {
        let found = self.credentials(&CredentialFilter {
            name: Some(name.to_owned()),
            tag: Some(tag.to_owned()),
            ..CredentialFilter::default()
        })?;
        // A filter that the server dropped must not hand out somebody else's credential.
        let fits = |known: &&Credential| known.name == name && !known.expired;
        match found.iter().rev().find(fits) {
            Some(known) => self.credential(&known.id).map(Some),
            None => Ok(None),
        }
    }

    /// Changes what is given. An expired credential cannot be changed.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn update_credential(
        &self,
        id: &str,
        change: &CredentialChange,
    ) -> Result<Credential, Error> {
        let fields = [
            ("connection_id", change.connection_id.clone()),
            ("name", change.name.clone()),
            ("tag", change.tag.clone()),
            ("expires_at", change.expires_at.map(timestamp::full)),
        ];
        let body: Map<String, Value> = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))))
            .collect();
        self.data(&Call {
            body: Some(Value::Object(body)),
            ..Call::new("PATCH", "PATCH credential", &[PATH, id])
        })
    }

    /// Deletes a credential and with it all its tokens; says whether it was there.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn delete_credential(&self, id: &str) -> Result<bool, Error> {
        self.delete(&Call::new("DELETE", "DELETE credential", &[PATH, id]))
    }

    /// A new token of a credential. It is no new identity, so a second one does no harm and the request is repeated
    /// freely. It can be used about [`FRESHNESS`](crate::api::client::FRESHNESS) later.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn token(&self, id: &str) -> Result<Secret, Error> {
        let path = [PATH, id, "token"];
        let call = Call {
            accept: "text/plain",
            ..Call::new("POST", "POST token", &path)
        };
        let answer = self.simply(&call)?;
        let text = String::from_utf8(answer.body).unwrap_or_default();
        let token = Secret::new(text.trim());
        let parts = token.expose().split('.').filter(|part| !part.is_empty());
        if parts.count() != 3 || !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(self.unreadable(&call, "no token in the body".to_owned()));
        }
        Ok(token)
    }

    /// The material for signing tokens. Nothing here signs with it: its rule is not documented.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn token_material(&self, id: &str) -> Result<TokenMaterial, Error> {
        #[derive(Deserialize)]
        struct Wire {
            kid: String,
            tel_token: String,
            signing_secret: String,
        }
        let path = [PATH, id, "token_material"];
        let wire: Wire = self.data(&Call::new("GET", "GET token material", &path))?;
        Ok(TokenMaterial {
            kid: wire.kid,
            tel_token: Secret::new(wire.tel_token),
            signing_secret: Secret::new(wire.signing_secret),
        })
    }
}

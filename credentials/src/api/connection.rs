//! Credential connections: settings that many credentials share.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::client::{Call, Client};
use crate::api::error::Error;
use crate::api::retry::Repeat;
use crate::secret::Secret;

const PATH: &str = "credential_connections";
/// The server's filter takes no fewer characters.
const SHORTEST_PART: usize = 3;

/// A credential connection as the server has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Connection {
    /// Opaque.
    pub id: String,
    /// A label; may be there twice.
    pub connection_name: String,
    /// What its own login is called.
    #[serde(default)]
    pub user_name: String,
    /// Whether it serves at all.
    #[serde(default = "yes")]
    pub active: bool,
    /// Who may call it at its SIP address: `disabled`, `internal` or `unrestricted`.
    #[serde(default)]
    pub sip_uri_calling_preference: Option<String>,
    /// When it was made, as the server writes it.
    #[serde(default)]
    pub created_at: Option<String>,
}

fn yes() -> bool {
    true
}

/// A connection to be made.
#[derive(Debug, Clone)]
pub struct NewConnection {
    /// A label.
    pub name: String,
    /// 4 to 32 letters and digits, one of the first five a letter.
    pub user_name: String,
    /// 8 to 128 characters.
    pub password: Secret,
    /// Further fields as the API documents them, such as `outbound`; the server drops unknown ones without a word.
    pub fields: Map<String, Value>,
}

/// Which connections to list.
#[derive(Debug, Clone, Default)]
pub struct ConnectionFilter {
    /// Part of the name; case does not matter. The server takes no fewer than 3 characters: for those all are asked for.
    pub name_contains: Option<String>,
    /// A host name that its calls go to.
    pub fqdn: Option<String>,
    /// Id of its outbound voice profile.
    pub outbound_voice_profile_id: Option<String>,
    /// `created_at`, `connection_name` or `active`, with `-` for the other direction.
    pub sort: Option<String>,
}

impl Client {
    /// All connections that fit.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn connections(&self, filter: &ConnectionFilter) -> Result<Vec<Connection>, Error> {
        let part = filter.name_contains.as_deref().unwrap_or_default();
        let long_enough = part.chars().count() >= SHORTEST_PART;
        let contains = filter.name_contains.clone().filter(|_| long_enough);
        let filters: Vec<(&str, &str)> = [
            ("filter[connection_name][contains]", &contains),
            ("filter[fqdn]", &filter.fqdn),
            (
                "filter[outbound_voice_profile_id]",
                &filter.outbound_voice_profile_id,
            ),
            ("sort", &filter.sort),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect();
        let mut found: Vec<Connection> = self.all("GET connections", &[PATH], &filters)?;
        if !long_enough {
            let part = part.to_lowercase();
            found.retain(|known| known.connection_name.to_lowercase().contains(&part));
        }
        Ok(found)
    }

    /// One connection.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn connection(&self, id: &str) -> Result<Connection, Error> {
        self.data(&Call::new("GET", "GET connection", &[PATH, id]))
    }

    /// Makes a connection. When no answer comes it is looked up by its user name before it is asked for again, so that
    /// there is never a second one.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn create_connection(&self, wanted: &NewConnection) -> Result<Connection, Error> {
        let mut body = wanted.fields.clone();
        body.insert("connection_name".to_owned(), json!(wanted.name));
        body.insert("user_name".to_owned(), json!(wanted.user_name));
        body.insert("password".to_owned(), json!(wanted.password.expose()));
        let call = Call {
            body: Some(Value::Object(body)),
            repeat: Repeat::Looked,
            ..Call::new("POST", "POST connection", &[PATH])
        };
        self.make(&call, || {
            let found = self.connections(&ConnectionFilter {
                name_contains: Some(wanted.name.clone()),
                ..ConnectionFilter::default()
            })?;
            let fits = |known: &Connection| known.user_name == wanted.user_name;
            Ok(found.into_iter().find(fits))
        })
    }

    /// Changes the fields given; nested objects may be given in part.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn update_connection(
        &self,
        id: &str,
        fields: Map<String, Value>,
    ) -> Result<Connection, Error> {
        self.data(&Call {
            body: Some(Value::Object(fields)),
            ..Call::new("PATCH", "PATCH connection", &[PATH, id])
        })
    }

    /// Deletes a connection; says whether it was there.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn delete_connection(&self, id: &str) -> Result<bool, Error> {
        self.delete(&Call::new("DELETE", "DELETE connection", &[PATH, id]))
    }
}

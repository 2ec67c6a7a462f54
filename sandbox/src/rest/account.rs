//! The one account of the sandbox: its connections and credentials, and how a request for them is answered.

use std::collections::BTreeMap;
use std::time::SystemTime;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value};

use crate::fault::rest::{RestFault, RestFaults};
use crate::rest::rate::Counts;
use crate::rest::settings::RestSettings;
use crate::rest::token::{Issued, Signer};

/// A credential connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: String,
    /// What a client may set.
    pub(super) fields: Map<String, Value>,
    pub(super) created: SystemTime,
    pub(super) updated: SystemTime,
}

impl Connection {
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(super) fn is_active(&self) -> bool {
        self.fields.get("active").and_then(Value::as_bool) != Some(false)
    }
}

/// A telephony credential.
pub(super) struct Credential {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tag: Option<String>,
    pub(super) connection: String,
    pub(super) sip_username: String,
    pub(super) sip_password: String,
    pub(super) tel_token: String,
    pub(super) expires: SystemTime,
    pub(super) created: SystemTime,
    pub(super) updated: SystemTime,
}

impl Credential {
    pub(super) fn has_expired(&self, wall: SystemTime) -> bool {
        self.expires <= wall
    }
}

/// All that the REST API knows.
pub(crate) struct Account {
    pub(super) settings: RestSettings,
    pub(super) signer: Signer,
    rng: StdRng,
    /// By serial number, so that the newest is the last.
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) credentials: BTreeMap<u64, Credential>,
    /// Serial numbers of credentials by id and by SIP user name.
    pub(super) by_id: BTreeMap<String, u64>,
    pub(super) by_username: BTreeMap<String, u64>,
    pub(super) issued: Issued,
    /// When each name logged in last.
    pub(super) logins: BTreeMap<String, SystemTime>,
    pub(super) counts: Counts,
    serial: u64,
    pub(super) served: u32,
    pub(super) posts: u32,
    pub(super) refusable: u32,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("connections", &self.connections.len())
            .field("credentials", &self.credentials.len())
            .finish_non_exhaustive()
    }
}

impl Account {
    /// One more thing goes wrong from now on.
    pub(crate) fn add_fault(&mut self, fault: RestFault) {
        self.settings.faults.add(fault);
    }

    /// From now on all goes well.
    pub(crate) fn clear_faults(&mut self) {
        self.settings.faults = RestFaults::default();
    }

    /// An empty account; all its secrets come from the seed.
    pub(crate) fn new(settings: RestSettings, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        Self {
            signer: Signer::new(&rng.random::<[u8; 32]>()),
            settings,
            rng,
            connections: BTreeMap::new(),
            credentials: BTreeMap::new(),
            by_id: BTreeMap::new(),
            by_username: BTreeMap::new(),
            issued: Issued::default(),
            logins: BTreeMap::new(),
            counts: Counts::default(),
            serial: 0,
            served: 0,
            posts: 0,
            refusable: 0,
        }
    }

    pub(super) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(super) fn uuid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.rng.random())
            .into_uuid()
            .to_string()
    }

    /// A decimal number of 19 digits, as ids of connections are.
    pub(super) fn decimal_id(&mut self) -> String {
        self.rng
            .random_range(1_500_000_000_000_000_000..i64::MAX)
            .to_string()
    }

    pub(super) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill(&mut bytes);
        bytes
    }

    /// So many letters and digits.
    pub(super) fn letters(&mut self, count: usize) -> String {
        const KNOWN: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        (0..count)
            .map(|_| char::from(KNOWN[self.rng.random_range(0..KNOWN.len())]))
            .collect()
    }

    pub(super) fn connection(&self, id: &str) -> Option<(u64, &Connection)> {
        let found = self.connections.iter().find(|(_, known)| known.id == id)?;
        Some((*found.0, found.1))
    }

    pub(super) fn credential(&self, id: &str) -> Option<&Credential> {
        self.credentials.get(self.by_id.get(id)?)
    }

    pub(super) fn named(&self, sip_username: &str) -> Option<&Credential> {
        self.credentials.get(self.by_username.get(sip_username)?)
    }

    pub(super) fn connection_named(&self, user_name: &str) -> Option<&Connection> {
        let mut all = self.connections.values();
        all.find(|known| known.text("user_name") == user_name)
    }

    /// Takes a credential out of all tables.
    pub(super) fn forget_credential(&mut self, serial: u64) -> Option<Credential> {
        let gone = self.credentials.remove(&serial)?;
        self.by_id.remove(&gone.id);
        self.by_username.remove(&gone.sip_username);
        self.logins.remove(&gone.sip_username);
        Some(gone)
    }
}

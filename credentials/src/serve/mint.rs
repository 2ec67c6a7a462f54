//! Gets a token from the API, for a credential that was named or for one that is made for its caller.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use offhook_credentials::api::client::Client;
use offhook_credentials::api::credential::{Credential, CredentialFilter, NewCredential};
use offhook_credentials::api::error::Error;
use offhook_credentials::secret::Secret;

use crate::serve::callers::Caller;
use crate::serve::metrics::{Metrics, count};

/// What tags and names of credentials made at the first request begin with.
const MARK: &str = "offhook-serve-";

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoToken {
    /// The credential is not there, or has expired for good.
    #[error("its credential is gone or has expired; {0}")]
    Gone(Error),
    /// It has none, and none may be made.
    #[error("it has no credential, and none may be made")]
    None,
    /// The API.
    #[error(transparent)]
    Api(#[from] Error),
}

/// The way to the API.
#[derive(Debug)]
pub(super) struct Mint {
    client: Client,
    /// Where a missing credential is made.
    create_on: Option<String>,
    create_for: Duration,
    /// From here on lists show what an earlier run of ours made.
    lists_settled: Instant,
    /// Ids of credentials that were made for their callers.
    made: Vec<Mutex<Option<String>>>,
}

impl Mint {
    pub(super) fn new(
        client: Client,
        callers: usize,
        create_on: Option<String>,
        create_for: Duration,
        freshness: Duration,
    ) -> Self {
        Self {
            lists_settled: Instant::now() + freshness,
            client,
            create_on,
            create_for,
            made: (0..callers).map(|_| Mutex::default()).collect(),
        }
    }

    /// A token for a caller; blocks.
    pub(super) fn token(
        &self,
        index: usize,
        caller: &Caller,
        metrics: &Metrics,
    ) -> Result<Secret, NoToken> {
        if let Some(id) = &caller.credential {
            return self.token_of(id);
        }
        let made = self.made.get(index).ok_or(NoToken::None)?;
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = &*made {
            match self.token_of(id) {
                Err(NoToken::Gone(_)) => {
                    // It is of no use any more, and would stay for ever.
                    self.client.delete_credential(id)?;
                    *made = None;
                }
                answer => return answer,
            }
        }
        let id = self.find_or_make(caller, metrics)?;
        *made = Some(id.clone());
        self.token_of(&id)
    }

    /// A refusal may mean anything: only the credential itself tells whether it is over.
    fn token_of(&self, id: &str) -> Result<Secret, NoToken> {
        let error = match self.client.token(id) {
            Ok(token) => return Ok(token),
            Err(error) => error,
        };
        if !matches!(
            error,
            Error::Refused {
                status: 400..=499,
                ..
            }
        ) {
            return Err(error.into());
        }
        match self.client.credential(id) {
            Ok(known) if known.expired => Err(NoToken::Gone(error)),
            Err(looked) if looked.is_not_found() => Err(NoToken::Gone(error)),
            Ok(_) | Err(_) => Err(error.into()),
        }
    }

    /// The live credential of a caller: found where an earlier run of ours made it, else made. Those of its that have
    /// expired are taken away.
    fn find_or_make(&self, caller: &Caller, metrics: &Metrics) -> Result<String, NoToken> {
        let connection = self.create_on.as_ref().ok_or(NoToken::None)?;
        let name = format!("{MARK}{}", caller.name);
        self.client
            .pause(self.lists_settled.saturating_duration_since(Instant::now()));
        let found = self.client.credentials(&CredentialFilter {
            name: Some(name.clone()),
            tag: Some(name.clone()),
            connection_id: Some(connection.clone()),
            ..CredentialFilter::default()
        })?;
        // A filter that the server dropped must neither hand out nor delete what is somebody else's.
        let ours = |known: &Credential| known.name == name && known.connection_id() == connection;
        let (over, live): (Vec<Credential>, Vec<Credential>) = found
            .into_iter()
            .filter(ours)
            .partition(|known| known.expired);
        for known in over {
            tracing::info!(
                caller = caller.name,
                credential = known.id,
                "expired; deleted"
            );
            self.client.delete_credential(&known.id)?;
        }
        if let Some(oldest) = live.into_iter().next_back() {
            return Ok(oldest.id);
        }
        let made = self.client.create_credential(&NewCredential {
            connection_id: connection.clone(),
            name: name.clone(),
            tag: name,
            expires_at: Some(SystemTime::now() + self.create_for),
        })?;
        count(&metrics.made);
        tracing::info!(
            caller = caller.name,
            credential = made.id,
            "made its credential"
        );
        Ok(made.id)
    }
}

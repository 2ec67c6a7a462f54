//! Gets a caller its token: from its slot, or from the API.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use offhook_credentials::api::client::Client;
use offhook_credentials::api::credential::NewCredential;
use offhook_credentials::api::error::Error;
use offhook_credentials::secret::Secret;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::{sleep, timeout};

use crate::serve::answer::Refusal;
use crate::serve::callers::{Caller, Callers};
use crate::serve::metrics::{Metrics, count};
use crate::serve::rate::Bucket;
use crate::serve::slot::{Held, Next, Slot};

/// Requests to the API at the same time.
const UPSTREAM: usize = 16;
/// A caller waits this long for the API.
const PATIENCE: Duration = Duration::from_secs(30);
/// What tags of credentials made at the first request begin with.
const TAG: &str = "offhook-serve-";

/// What the desk is told at its start.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) per_minute: u32,
    pub(super) freshness: Duration,
    /// Where a missing credential is made.
    pub(super) create_on: Option<String>,
    /// How long it lives.
    pub(super) create_for: Duration,
}

/// Everything about the callers.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) callers: Callers,
    pub(super) metrics: Metrics,
    rules: Rules,
    client: Client,
    slots: Vec<AsyncMutex<Slot>>,
    buckets: Vec<Mutex<Bucket>>,
    /// Ids of credentials that were made for their callers.
    made: Vec<Mutex<Option<String>>>,
    upstream: Semaphore,
}

impl Desk {
    pub(super) fn new(callers: Callers, client: Client, rules: Rules) -> Arc<Self> {
        let count = callers.all().len();
        let now = Instant::now();
        Arc::new(Self {
            callers,
            metrics: Metrics::default(),
            slots: (0..count).map(|_| AsyncMutex::default()).collect(),
            buckets: (0..count)
                .map(|_| Mutex::new(Bucket::full(rules.per_minute, now)))
                .collect(),
            made: (0..count).map(|_| Mutex::default()).collect(),
            upstream: Semaphore::new(UPSTREAM),
            rules,
            client,
        })
    }

    /// The token for a caller.
    pub(super) async fn token(self: &Arc<Self>, caller: usize) -> Result<Held, Refusal> {
        let bucket = self.buckets.get(caller).ok_or(Refusal::Unauthorized)?;
        let taken = bucket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(self.rules.per_minute, Instant::now());
        if let Err(wait) = taken {
            count(&self.metrics.limited);
            return Err(Refusal::Limited(wait));
        }
        match timeout(PATIENCE, self.of_slot(caller)).await {
            Ok(Ok(held)) => {
                count(&self.metrics.given);
                Ok(held)
            }
            Ok(Err(refusal)) => {
                count(&self.metrics.failed);
                Err(refusal)
            }
            Err(_) => {
                count(&self.metrics.failed);
                Err(Refusal::Upstream)
            }
        }
    }

    /// Requests of one caller wait for each other, so that one fetch serves all of them.
    async fn of_slot(self: &Arc<Self>, caller: usize) -> Result<Held, Refusal> {
        let slot = self.slots.get(caller).ok_or(Refusal::Unauthorized)?;
        let mut slot = slot.lock().await;
        loop {
            match slot.next(SystemTime::now()) {
                Next::Give(held) => {
                    count(&self.metrics.cached);
                    return Ok(held);
                }
                Next::Wait(time) => sleep(time).await,
                Next::Fetch(old) => match (self.fetch(caller).await, old) {
                    (Ok(token), _) => {
                        slot.fetched(token, SystemTime::now(), self.rules.freshness);
                    }
                    (Err(_), Some(old)) => return Ok(old),
                    (Err(refusal), None) => return Err(refusal),
                },
            }
        }
    }

    async fn fetch(self: &Arc<Self>, caller: usize) -> Result<Secret, Refusal> {
        // Never closed.
        let permit = self
            .upstream
            .acquire()
            .await
            .map_err(|_| Refusal::Upstream)?;
        let desk = Arc::clone(self);
        let fetched = tokio::task::spawn_blocking(move || desk.fetch_blocking(caller)).await;
        drop(permit);
        let name = self
            .callers
            .all()
            .get(caller)
            .map_or("", |caller| &caller.name);
        match fetched {
            Ok(Ok(token)) => {
                count(&self.metrics.minted);
                Ok(token)
            }
            Ok(Err(error)) => {
                count(&self.metrics.upstream_failures);
                tracing::warn!(caller = name, %error, "no token");
                Err(match is_gone(&error) {
                    true => Refusal::NoCredential,
                    false => Refusal::Upstream,
                })
            }
            Err(_) => Err(Refusal::Upstream),
        }
    }

    fn fetch_blocking(&self, index: usize) -> Result<Secret, Error> {
        let (Some(caller), Some(made)) = (self.callers.all().get(index), self.made.get(index))
        else {
            return Err(no_such_caller(&self.client));
        };
        if let Some(id) = &caller.credential {
            return self.client.token(id);
        }
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = &*made {
            match self.client.token(id) {
                Err(error) if is_gone(&error) => {
                    // It is of no use any more, and would stay for ever.
                    self.client.delete_credential(id)?;
                    *made = None;
                }
                answer => return answer,
            }
        }
        let id = self.make_credential(caller)?;
        *made = Some(id.clone());
        self.client.token(&id)
    }

    /// The live credential of a caller: found where an earlier run of ours made it, else made.
    fn make_credential(&self, caller: &Caller) -> Result<String, Error> {
        let tag = format!("{TAG}{}", caller.name);
        if let Some(known) = self.client.find_credential(&caller.name, &tag)? {
            return Ok(known.id);
        }
        let Some(connection) = &self.rules.create_on else {
            return Err(no_such_caller(&self.client));
        };
        let made = self.client.create_credential(&NewCredential {
            connection_id: connection.clone(),
            name: caller.name.clone(),
            tag,
            expires_at: Some(SystemTime::now() + self.rules.create_for),
        })?;
        count(&self.metrics.made);
        tracing::info!(
            caller = caller.name,
            credential = made.id,
            "made its credential"
        );
        Ok(made.id)
    }
}

/// The credential is not there, or has expired for good.
fn is_gone(error: &Error) -> bool {
    matches!(
        error,
        Error::Refused {
            status: 404 | 422,
            ..
        }
    )
}

fn no_such_caller(client: &Client) -> Error {
    Error::Refused {
        server: client.server().to_owned(),
        what: "a token for a caller without credential".to_owned(),
        status: 404,
        problems: Vec::new(),
        request_id: None,
    }
}

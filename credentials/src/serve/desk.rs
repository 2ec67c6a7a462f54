//! Gets a caller its token: from its slot, or from the API, whether the caller waits for it or not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use offhook_credentials::api::client::Client;
use offhook_credentials::secret::Secret;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::serve::answer::Refusal;
use crate::serve::callers::Callers;
use crate::serve::metrics::{Metrics, count};
use crate::serve::mint::{Mint, NoToken};
use crate::serve::rate::Bucket;
use crate::serve::slot::{Held, Next, Slot};

/// Requests to the API at the same time.
const UPSTREAM: usize = 16;
/// A caller waits this long for the API.
const PATIENCE: Duration = Duration::from_secs(30);
/// Tokens that are fetched for one request.
const FETCHES: u32 = 2;
/// Between two tries to renew a token that is still good.
const RENEW_AGAIN: Duration = Duration::from_secs(10);

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
    mint: Mint,
    places: Vec<Mutex<Place>>,
    buckets: Vec<Mutex<Bucket>>,
    upstream: Semaphore,
}

/// What there is for one caller.
#[derive(Debug, Default)]
struct Place {
    slot: Slot,
    /// A fetch is on its way; it tells here what came of it.
    fetching: Option<watch::Receiver<Option<Outcome>>>,
    /// A renewal failed: not again before this.
    not_before: Option<Instant>,
}

/// What came of a fetch; the token is in the slot.
type Outcome = Result<(), Refusal>;

/// What a caller is to do.
enum Step {
    Take(Held),
    Sleep(Duration),
    Await(watch::Receiver<Option<Outcome>>),
}

impl Desk {
    pub(super) fn new(callers: Callers, client: Client, rules: Rules) -> Arc<Self> {
        let count = callers.all().len();
        let now = Instant::now();
        Arc::new(Self {
            mint: Mint::new(
                client,
                count,
                rules.create_on.clone(),
                rules.create_for,
                rules.freshness,
            ),
            callers,
            metrics: Metrics::default(),
            places: (0..count).map(|_| Mutex::default()).collect(),
            buckets: (0..count)
                .map(|_| Mutex::new(Bucket::full(rules.per_minute, now)))
                .collect(),
            upstream: Semaphore::new(UPSTREAM),
            rules,
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

    /// Requests of one caller share one fetch. It goes on when all of them are gone, and nobody waits for it who can be
    /// given a token that is still good.
    async fn of_slot(self: &Arc<Self>, caller: usize) -> Result<Held, Refusal> {
        let mut fetches = 0;
        loop {
            match self.step(caller).ok_or(Refusal::Unauthorized)? {
                Step::Take(held) => {
                    count(&self.metrics.cached);
                    return Ok(held);
                }
                Step::Sleep(time) => sleep(time).await,
                // What was fetched twice was over each time before it could be handed out.
                Step::Await(_) if fetches >= FETCHES => return Err(Refusal::Upstream),
                Step::Await(mut outcome) => {
                    fetches += 1;
                    let told = outcome.wait_for(Option::is_some).await;
                    // A fetch that says nothing has panicked.
                    told.ok()
                        .and_then(|told| *told)
                        .unwrap_or(Err(Refusal::Upstream))?;
                }
            }
        }
    }

    /// What a caller is to do now; begins a fetch where one is wanted.
    fn step(self: &Arc<Self>, caller: usize) -> Option<Step> {
        let mut place = self.place(caller)?;
        Some(match place.slot.next(SystemTime::now()) {
            Next::Give(held) => Step::Take(held),
            Next::Wait(time) => Step::Sleep(time),
            Next::Fetch(old) => {
                let barred = place.not_before.is_some_and(|at| Instant::now() < at);
                match old {
                    Some(old) if barred => Step::Take(old),
                    Some(old) => {
                        self.begin(caller, &mut place);
                        Step::Take(old)
                    }
                    None => Step::Await(self.begin(caller, &mut place)),
                }
            }
        })
    }

    /// The fetch for a caller, begun unless it is on its way.
    fn begin(
        self: &Arc<Self>,
        caller: usize,
        place: &mut Place,
    ) -> watch::Receiver<Option<Outcome>> {
        if let Some(outcome) = &place.fetching
            && outcome.has_changed().is_ok()
        {
            return outcome.clone();
        }
        let (tell, outcome) = watch::channel(None);
        place.fetching = Some(outcome.clone());
        let desk = Arc::clone(self);
        tokio::spawn(async move {
            let fetched = desk.fetch(caller).await;
            let outcome = desk.put_away(caller, fetched);
            tell.send_replace(Some(outcome));
        });
        outcome
    }

    fn put_away(&self, caller: usize, fetched: Result<Secret, Refusal>) -> Outcome {
        let mut place = self.place(caller).ok_or(Refusal::Unauthorized)?;
        place.fetching = None;
        match fetched {
            Ok(token) => {
                place
                    .slot
                    .fetched(token, SystemTime::now(), self.rules.freshness);
                place.not_before = None;
                Ok(())
            }
            Err(refusal) => {
                place.not_before = Some(Instant::now() + RENEW_AGAIN);
                if refusal == Refusal::NoCredential {
                    // Its tokens went with it.
                    place.slot = Slot::default();
                }
                Err(refusal)
            }
        }
    }

    fn place(&self, caller: usize) -> Option<MutexGuard<'_, Place>> {
        let place = self.places.get(caller)?;
        Some(place.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn fetch(self: &Arc<Self>, caller: usize) -> Result<Secret, Refusal> {
        // Never closed.
        let permit = self
            .upstream
            .acquire()
            .await
            .map_err(|_| Refusal::Upstream)?;
        let desk = Arc::clone(self);
        let fetched = tokio::task::spawn_blocking(move || {
            let known = desk.callers.all().get(caller)?;
            Some(desk.mint.token(caller, known, &desk.metrics))
        })
        .await;
        drop(permit);
        let name = self
            .callers
            .all()
            .get(caller)
            .map_or("", |caller| &caller.name);
        match fetched {
            Ok(Some(Ok(token))) => {
                count(&self.metrics.minted);
                Ok(token)
            }
            Ok(Some(Err(why))) => {
                count(&self.metrics.upstream_failures);
                tracing::warn!(caller = name, error = %why, "no token");
                Err(match why {
                    NoToken::Gone(_) | NoToken::None => Refusal::NoCredential,
                    NoToken::Api(_) => Refusal::Upstream,
                })
            }
            Ok(None) | Err(_) => Err(Refusal::Upstream),
        }
    }
}

//! Makes the users of a file, many at once, and takes them away again; an interruption leaves nobody unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::api::client::Client;
use crate::api::credential::{Credential, CredentialFilter, NewCredential};
use crate::api::error::Error;
use crate::timestamp;
use crate::users_file::{OpenUsers, User, UsersFault};

/// How the work is done.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Requests at the same time.
    pub parallel: usize,
    /// How long the gateway may refuse what is new: waited for after the last one was made.
    pub freshness: Duration,
    /// Set it to stop: what is on its way is finished, nothing new is begun.
    pub stop: &'a AtomicBool,
    /// Told how many are done, and of how many.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl std::fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work")
            .field("parallel", &self.parallel)
            .finish_non_exhaustive()
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Made now.
    pub made: usize,
    /// Made by an earlier, interrupted run without being written down; found and written down now.
    pub adopted: usize,
    /// There without being wanted, and deleted.
    pub removed: usize,
}

/// Why the work was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvisionFault {
    /// The server.
    #[error(transparent)]
    Api(#[from] Error),
    /// The file.
    #[error(transparent)]
    File(#[from] UsersFault),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// Somebody asked for an end.
    #[error("stopped after {done} of {of}; the same command goes on from there")]
    Stopped {
        /// Users in the file.
        done: usize,
        /// Users wanted.
        of: usize,
    },
    /// Users of the file are not at the server any more.
    #[error(
        "{missing} users of the file, {first} for one, are not at the server any more; run `users delete`, then create anew"
    )]
    Missing {
        /// How many.
        missing: usize,
        /// One of them.
        first: String,
    },
    /// The time of the file is over, or no time.
    #[error(
        "the users of the file end at {0}, which is not ahead; run `users delete`, then create anew"
    )]
    Over(String),
}

/// Makes those users of the file that are not there yet. When it returns without an error, all of them can be used and
/// the server knows none besides them.
///
/// # Errors
/// See [`ProvisionFault`]. The file then says who was made, and the same call goes on.
pub fn create(
    client: &Client,
    file: &mut OpenUsers,
    wall: SystemTime,
    work: Work<'_>,
) -> Result<Summary, ProvisionFault> {
    let wanted = file.content.wanted.clone();
    let expires_at = timestamp::parse(&wanted.expires_at)
        .filter(|at| *at > wall)
        .ok_or_else(|| ProvisionFault::Over(wanted.expires_at.clone()))?;
    // An earlier run may have been ended with a request on its way.
    if file.is_continued() {
        client.pause(work.freshness);
    }
    let mut summary = reconcile(client, file, work.freshness)?;

    let known: BTreeSet<String> = file.content.users.iter().map(|u| u.name.clone()).collect();
    let missing: Vec<usize> = (0..wanted.count)
        .filter(|number| !known.contains(&wanted.name(*number)))
        .collect();
    let before = known.len();
    (work.progress)(before, wanted.count);
    let shared = Mutex::new(file);
    let made = AtomicUsize::new(0);
    let one = |number: &usize| -> Result<(), ProvisionFault> {
        let credential = client.create_credential(&NewCredential {
            connection_id: wanted.connection_id.clone(),
            name: wanted.label(&wanted.name(*number)),
            tag: wanted.tag(*number),
            expires_at: Some(expires_at),
        })?;
        let user = User::new(wanted.name(*number), credential, &wanted)?;
        let mut file = shared.lock().unwrap_or_else(PoisonError::into_inner);
        file.add(user)?;
        drop(file);
        let made = made.fetch_add(1, Ordering::Relaxed) + 1;
        (work.progress)(before + made, wanted.count);
        Ok(())
    };
    in_parallel(&missing, work, one)?;
    let file = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.made = made.into_inner();
    let done = file.content.users.len();
    if done < wanted.count {
        return Err(ProvisionFault::Stopped {
            done,
            of: wanted.count,
        });
    }
    if summary.made > 0 {
        // Until the gateway takes everybody and lists show everybody.
        client.pause(work.freshness);
        // A request whose answer was lost may have arrived late, after it was looked up.
        let late = reconcile(client, file, work.freshness)?;
        summary.removed += late.removed;
        summary.adopted += late.adopted;
    }
    Ok(summary)
}

/// Deletes all users of the file and whatever else has its tags. The file is to be removed then.
///
/// # Errors
/// See [`ProvisionFault`]; the same call goes on.
pub fn delete(client: &Client, file: &OpenUsers, work: Work<'_>) -> Result<usize, ProvisionFault> {
    let began = client.now();
    let mut ids: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    let users = file.content.users.iter().map(|user| &user.credential_id);
    ids.extend(users.filter(|id| seen.insert((*id).clone())).cloned());
    for known in tagged(client, file)? {
        if seen.insert(known.id.clone()) {
            ids.push(known.id);
        }
    }
    let total = ids.len();
    let (done, there) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let one = |id: &String| -> Result<(), ProvisionFault> {
        if client.delete_credential(id)? {
            there.fetch_add(1, Ordering::Relaxed);
        }
        (work.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, total);
        Ok(())
    };
    in_parallel(&ids, work, one)?;
    let done = done.into_inner();
    if done < total {
        return Err(ProvisionFault::Stopped { done, of: total });
    }
    // The run that made them may have been ended with a request on its way, which lists did not show yet.
    let passed = client.now().saturating_sub(began);
    client.pause(work.freshness.saturating_sub(passed));
    for late in tagged(client, file)? {
        if client.delete_credential(&late.id)? {
            tracing::info!(name = late.name, "deleted late");
            there.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(there.into_inner())
}

/// Compares the file with the server: adopts who is wanted and not written down, deletes who is not wanted.
///
/// A list may be behind: who is not in it, but in the file, is asked for by id before being called missing.
fn reconcile(
    client: &Client,
    file: &mut OpenUsers,
    freshness: Duration,
) -> Result<Summary, ProvisionFault> {
    let wanted = file.content.wanted.clone();
    let mut summary = Summary::default();
    let names: BTreeSet<String> = (0..wanted.count).map(|n| wanted.name(n)).collect();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for user in &file.content.users {
        known.insert(user.name.clone(), user.credential_id.clone());
    }
    let there = tagged(client, file)?;
    let ids: BTreeSet<&str> = there.iter().map(|there| there.id.as_str()).collect();
    let unlisted: Vec<(&String, &String)> = known
        .iter()
        .filter(|(_, id)| !ids.contains(id.as_str()))
        .collect();
    for (name, id) in &unlisted {
        if is_missing(client, id, freshness)? {
            return Err(ProvisionFault::Missing {
                missing: unlisted.len(),
                first: (*name).clone(),
            });
        }
    }
    // The oldest first: of two with one name, the older one is kept.
    for credential in there.iter().rev() {
        let name = wanted.name_of(&credential.name).unwrap_or_default();
        match known.get(name) {
            Some(id) if *id == credential.id => {}
            None if names.contains(name) && !credential.expired => {
                // A list need not show the password.
                let whole = client.credential(&credential.id)?;
                known.insert(name.to_owned(), whole.id.clone());
                file.add(User::new(name.to_owned(), whole, &wanted)?)?;
                summary.adopted += 1;
            }
            _ => {
                client.delete_credential(&credential.id)?;
                summary.removed += 1;
            }
        }
    }
    Ok(summary)
}

/// Whether a credential is not there, even when it had its time to appear.
fn is_missing(client: &Client, id: &str, freshness: Duration) -> Result<bool, Error> {
    let gone = || match client.credential(id) {
        Ok(_) => Ok(false),
        Err(error) if error.is_not_found() => Ok(true),
        Err(error) => Err(error),
    };
    if !gone()? {
        return Ok(false);
    }
    client.pause(freshness);
    gone()
}

/// Everything at the server with a tag of the file, the newest first.
fn tagged(client: &Client, file: &OpenUsers) -> Result<Vec<Credential>, Error> {
    let wanted = &file.content.wanted;
    let mut all = Vec::new();
    for tag in wanted.tags() {
        let found = client.credentials(&CredentialFilter {
            tag: Some(tag),
            connection_id: Some(wanted.connection_id.clone()),
            ..CredentialFilter::default()
        })?;
        // A filter that the server dropped must not let us delete what is not ours, be it another file's with this prefix.
        let ours = |known: &Credential| wanted.name_of(&known.name).is_some();
        all.extend(found.into_iter().filter(ours));
    }
    Ok(all)
}

/// Does one thing for each item, so many at a time; stops at the first error and says it.
fn in_parallel<T: Sync>(
    items: &[T],
    work: Work<'_>,
    one: impl Fn(&T) -> Result<(), ProvisionFault> + Sync,
) -> Result<(), ProvisionFault> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let worker = || {
        while !work.stop.load(Ordering::Relaxed) {
            let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            if let Err(error) = one(item) {
                next.store(items.len(), Ordering::Relaxed);
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert(error);
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..work.parallel.clamp(1, 64).min(items.len()) {
            scope.spawn(worker);
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// A length of time as people write it: `500ms`, `90s`, `30m`, `24h`, `7d`.
pub fn read_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match text.get(digits.len()..)? {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number
        .checked_mul(unit)
        .filter(|seconds| (1..=100 * 365 * 86_400).contains(seconds))
        .map(Duration::from_secs)
}

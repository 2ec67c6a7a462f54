//! Runs many seeds over all cores and adds their hashes up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::trace::Trace;

/// What many worlds came to.
#[derive(Debug)]
pub struct Crowd {
    /// Worlds run.
    pub count: u64,
    /// Hash over the hashes of all worlds in the order of their seeds.
    pub hash: u64,
    /// Real time it took.
    pub took: Duration,
    /// The first broken worlds: seed and what broke.
    pub broken: Vec<(u64, String)>,
}

/// Number of worlds asked for by `OFFHOOK_WORLDS`, or `usual`.
pub fn count_or(usual: u64) -> u64 {
    std::env::var("OFFHOOK_WORLDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(usual)
}

/// Runs the worlds of the seeds `0..count`.
pub fn run(count: u64, world: impl Fn(u64) -> Result<u64, String> + Sync) -> Crowd {
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut done = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= count {
                return done;
            }
            done.push((seed, world(seed)));
        }
    };
    let mut results: Vec<(u64, Result<u64, String>)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        // A panic in a world is a finding like any other: let the test show it.
        threads
            .into_iter()
            .flat_map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    results.sort_by_key(|(seed, _)| *seed);
    let mut trace = Trace::default();
    let mut broken = Vec::new();
    for (seed, result) in results {
        match result {
            Ok(hash) => trace.number(hash),
            Err(fault) if broken.len() < 10 => broken.push((seed, fault)),
            Err(_) => {}
        }
    }
    Crowd {
        count,
        hash: trace.hash(),
        took: started.elapsed(),
        broken,
    }
}

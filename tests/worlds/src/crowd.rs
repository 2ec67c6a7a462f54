//! Runs many seeds over all cores and adds their hashes up.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::trace::Trace;

/// Runs as many worlds as are asked for by that variable of the environment, else the usual number, and prints what they came to
/// under that name. Their seeds begin with `OFFHOOK_FIRST_SEED`, else with 0. `OFFHOOK_SEED` tells one world line by line instead.
///
/// # Panics
/// When one of them breaks its promises.
#[expect(
    clippy::print_stdout,
    reason = "the count and the hash are what a run is read for"
)]
pub fn keep_their_promises<O: Debug>(
    name: &str,
    (variable, usual): (&str, u64),
    world: impl Fn(u64) -> Result<u64, String> + Sync,
    story: impl FnOnce(u64) -> (Result<O, String>, Vec<String>),
) {
    if let Some(seed) = number("OFFHOOK_SEED") {
        let (outcome, lines) = story(seed);
        println!("{}\nseed {seed}: {outcome:x?}", lines.join("\n"));
        return assert!(outcome.is_ok());
    }
    let first = number("OFFHOOK_FIRST_SEED").unwrap_or(0);
    let crowd = run(first, number(variable).unwrap_or(usual), world);
    let seconds = crowd.took.as_secs_f64();
    println!(
        "{name}: {} worlds from seed {first} on in {seconds:.1} s ({:.0} a second), hash {:016x}",
        crowd.count,
        crowd.count as f64 / seconds,
        crowd.hash
    );
    assert!(
        crowd.broken.is_empty(),
        "seeds with what broke: {:#?}",
        crowd.broken
    );
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// How many worlds there are to be where only signalling is.
pub const WORLDS: &str = "OFFHOOK_WORLDS";
/// The same for those that carry a call's every packet, and so cost more.
pub const MEDIA_WORLDS: &str = "OFFHOOK_MEDIA_WORLDS";

/// What many worlds came to.
#[derive(Debug)]
struct Crowd {
    /// Worlds run.
    count: u64,
    /// Hash over the hashes of all worlds in the order of their seeds.
    hash: u64,
    /// Real time it took.
    took: Duration,
    /// The first broken worlds: seed and what broke.
    broken: Vec<(u64, String)>,
}

/// Runs that many worlds, the seeds counting up from the first.
#[expect(
    clippy::print_stderr,
    reason = "whoever waits for hours sees at once what broke"
)]
fn run(first: u64, count: u64, world: impl Fn(u64) -> Result<u64, String> + Sync) -> Crowd {
    let started = Instant::now();
    let next = AtomicU64::new(first);
    let end = first.saturating_add(count);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut done = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return done;
            }
            let outcome = world(seed);
            if let Err(fault) = &outcome {
                eprintln!("seed {seed}: {fault}");
            }
            done.push((seed, outcome));
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

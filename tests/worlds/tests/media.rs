//! Many set-ups and calls at the ends of an emulated network, each from its seed.

use std::sync::Mutex;
use std::time::Duration;

use offhook_worlds::crowd;
use offhook_worlds::media::connect::{WITHIN, set_up};
use offhook_worlds::media::life::{life, story};

/// Set-ups in a plain run.
const USUAL_SET_UPS: u64 = 400;

#[test]
fn three_datagrams_in_ten_are_lost_and_calls_connect_all_the_same() {
    let took = Mutex::new(Vec::new());
    let world = |seed| {
        let outcome = set_up(seed)?;
        took.lock().unwrap().push(outcome.took);
        Ok(outcome.hash)
    };
    let story = |seed| (set_up(seed), Vec::new());
    crowd::keep_their_promises(
        "media set-ups",
        (crowd::MEDIA_WORLDS, USUAL_SET_UPS),
        world,
        story,
    );
    let mut took = took.into_inner().unwrap();
    if took.is_empty() {
        // One was told line by line.
        return;
    }
    let failed = took.iter().filter(|took| took.is_none()).count();
    let slow = took.iter().flatten().filter(|took| **took > WITHIN).count();
    took.sort_by_key(|took| took.unwrap_or(Duration::MAX));
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!(
        "at 30 % loss: {failed} failed, {slow} took longer than 10 s; p50 {:?}, p95 {:?}, p99 {:?}, p99.5 {:?}",
        at(0.5),
        at(0.95),
        at(0.99),
        at(0.995)
    );
    assert!((failed + slow) as f64 <= took.len() as f64 * 0.005);
}

/// Calls in a plain run.
const USUAL_CALLS: u64 = 60;

#[test]
fn calls_live_through_what_networks_do_or_say_why_not() {
    let world = |seed| life(seed).map(|outcome| outcome.hash);
    crowd::keep_their_promises(
        "media calls",
        (crowd::MEDIA_WORLDS, USUAL_CALLS),
        world,
        story,
    );
}

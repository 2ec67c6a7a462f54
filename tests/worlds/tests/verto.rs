//! Many hours of Verto sessions, each from its seed.

use offhook_worlds::crowd;
use offhook_worlds::verto::world::{hour, story};

/// In a plain run; `OFFHOOK_WORLDS` asks for more.
const USUAL: u64 = 300;

/// `OFFHOOK_SEED` tells one world line by line instead.
#[test]
fn an_hour_of_session_with_pings_lost_sockets_and_logins_keeps_its_promises() {
    if let Some(seed) = std::env::var("OFFHOOK_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        let (outcome, lines) = story(seed);
        println!("{}\nseed {seed}: {outcome:x?}", lines.join("\n"));
        return assert!(outcome.is_ok());
    }
    let crowd = crowd::run(crowd::count_or(USUAL), |seed| {
        hour(seed).map(|outcome| outcome.hash)
    });
    let rate = crowd.count as f64 / crowd.took.as_secs_f64();
    println!(
        "verto: {} worlds in {:.1} s ({rate:.0} a second), hash {:016x}",
        crowd.count,
        crowd.took.as_secs_f64(),
        crowd.hash
    );
    assert!(
        crowd.broken.is_empty(),
        "seeds with what broke: {:#?}",
        crowd.broken
    );
}

#[test]
fn a_world_is_repeated_by_its_seed() {
    let mut eventful = 0;
    for seed in 0..20 {
        let (once, again) = (hour(seed), hour(seed));
        assert_eq!(once, again);
        eventful += u32::from(once.is_ok_and(|outcome| outcome.readies > 1 && outcome.calls > 5));
    }
    assert!(
        eventful > 10,
        "only {eventful} of 20 worlds had a lost socket and calls"
    );
    assert_ne!(hour(0), hour(2));
}

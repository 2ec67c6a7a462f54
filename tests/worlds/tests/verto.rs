//! Many hours of Verto sessions, each from its seed.

use offhook_worlds::crowd;
use offhook_worlds::verto::world::{hour, story};

/// In a plain run; `OFFHOOK_WORLDS` asks for more.
const USUAL: u64 = 300;

#[test]
fn an_hour_of_session_with_pings_lost_sockets_and_logins_keeps_its_promises() {
    let world = |seed| hour(seed).map(|outcome| outcome.hash);
    crowd::keep_their_promises("verto", (crowd::WORLDS, USUAL), world, story);
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

//! Many lives of SIP user agents, each from its seed.

use offhook_worlds::crowd;
use offhook_worlds::sip::world::{life, story};

/// In a plain run; `OFFHOOK_WORLDS` asks for more.
const USUAL: u64 = 300;

#[test]
fn calls_forks_and_lost_connections_leave_nothing_behind() {
    let world = |seed| life(seed).map(|outcome| outcome.hash);
    crowd::keep_their_promises("sip", (crowd::WORLDS, USUAL), world, story);
}

#[test]
fn a_life_is_repeated_by_its_seed() {
    let mut eventful = 0;
    for seed in 0..60 {
        let (once, again) = (life(seed), life(seed));
        assert_eq!(once, again);
        eventful += u32::from(once.is_ok_and(|outcome| outcome.readies > 1 && outcome.calls > 5));
    }
    assert!(
        eventful > 10,
        "only {eventful} of 60 worlds had a lost socket and calls"
    );
    assert_ne!(life(0), life(2));
}

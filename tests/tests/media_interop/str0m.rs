//! Whole calls with str0m: either side offers, and what we say comes back.

use offhook_media::program::AudioCodec;
use offhook_tests::far_end::{FarEnd, Plan};
use offhook_tests::near_end::NearEnd;
use offhook_tests::skip;

const OURS: f64 = 440.0;

/// It says what it hears, so the tone is of no account.
const PLAN: Plan<'static> = Plan {
    hertz: OURS,
    trickle: false,
    relay: None,
    more_than_sound: false,
};

#[test]
fn either_side_offers_and_what_we_say_comes_back() {
    let Some(program) = skip::str0m_end() else {
        return;
    };
    let mut far = FarEnd::str0m(&program);
    for they_offer in [true, false] {
        let mut near = NearEnd::open(OURS, |config| config.codecs = vec![AudioCodec::Opus]);
        far.open(&PLAN);
        if they_offer {
            let answer = near.answer(far.offer());
            far.accept(&answer);
        } else {
            let answer = far.answer(&near.offer());
            near.accept(answer);
        }
        near.hears(OURS);
        near.gets_reports();
        far.close();
        near.close_with_nothing_forged();
    }
}

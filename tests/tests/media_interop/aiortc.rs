//! Whole calls with aiortc: either side offers, each hears the other's tone, its goodbye is understood.

use offhook_media::program::AudioCodec;
use offhook_media::sdp::extras::{Extras, Readiness};
use offhook_tests::far_end::{FarEnd, Plan};
use offhook_tests::near_end::NearEnd;
use offhook_tests::skip;

/// What we say, and what it says.
const OURS: f64 = 440.0;
const THEIRS: f64 = 660.0;

/// Everything that we can offer beyond the least of a call.
const EXTRAS: Extras = Extras {
    voip_metrics: Readiness::Offered,
    reduced_size: Readiness::Offered,
    redundancy: Readiness::Offered,
    comfort_noise: Readiness::Offered,
    audio_level: Readiness::Offered,
};

/// Both hear; then it hangs up, and we do.
fn talk(mut near: NearEnd, far: &mut FarEnd) {
    far.hears(OURS);
    near.hears(THEIRS);
    near.gets_reports();
    far.close();
    near.gets_goodbye();
    near.close_with_nothing_forged();
}

#[test]
fn either_side_offers_and_both_hear_with_opus_and_pcmu() {
    let Some(python) = skip::python() else { return };
    let mut far = FarEnd::aiortc(&python);
    let plan = Plan {
        hertz: THEIRS,
        trickle: false,
        relay: None,
        more_than_sound: false,
    };
    for codec in [AudioCodec::Opus, AudioCodec::Pcmu] {
        let mut near = NearEnd::open(OURS, |config| config.codecs = vec![codec]);
        far.open(&plan);
        let answer = near.answer(far.offer());
        far.accept(&answer);
        talk(near, &mut far);

        let mut near = NearEnd::open(OURS, |config| {
            config.codecs = vec![codec];
            config.extras = EXTRAS;
        });
        far.open(&plan);
        let answer = far.answer(&near.offer());
        near.accept(answer);
        talk(near, &mut far);
    }
}

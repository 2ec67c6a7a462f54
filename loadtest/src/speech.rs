//! What the users say: speech that is encoded once, so that no encoder runs while they call.

use offhook_media::audio::recording::{Before, Recording, RecordingError, frames_of_wav};
use offhook_media::sdp::codec::ALL;

/// Its origin stands in `sandbox/assets/README.md`.
const SPEECH: &[u8] = include_bytes!("../../sandbox/assets/speech.wav");

/// The speech in every codec.
pub(crate) fn encoded() -> Result<Recording, RecordingError> {
    Recording::encode(&frames_of_wav(SPEECH)?, &ALL, Before::Silence)
}

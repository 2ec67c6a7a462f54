//! The sounds of the sandbox, encoded once per codec when it starts, and shared by all calls.

use offhook_media::audio::recording::{Before, Recording, RecordingError, frames_of_wav};
use offhook_media::graph::frame::Frame;
use offhook_media::graph::tone::Tone;
use offhook_media::sdp::codec::ALL;

/// The announcement; its origin stands in `assets/README.md`.
const SPEECH: &[u8] = include_bytes!("../../assets/speech.wav");
/// The test tone of telephony, in Hz: 1 kHz would hide behind the sampling rate.
const TONE_HZ: f64 = 1004.0;
/// Frames after which the tone's phase is where it began (502 periods).
const TONE_FRAMES: usize = 25;
/// Frames of the silence.
const SILENCE_FRAMES: usize = 5;

/// All sounds.
#[derive(Debug, Clone)]
pub(crate) struct Clips {
    /// 1004 Hz.
    pub(crate) tone: Recording,
    /// The announcement.
    pub(crate) speech: Recording,
    /// Nothing to hear.
    pub(crate) silence: Recording,
}

impl Clips {
    /// Makes and encodes all sounds. Takes some hundred milliseconds of CPU.
    pub(crate) fn encode() -> Result<Self, RecordingError> {
        let mut tone = Tone::new(TONE_HZ);
        let tone: Vec<Frame> = (0..TONE_FRAMES)
            .map(|_| {
                let mut frame = Frame::silent();
                tone.read(&mut frame);
                frame
            })
            .collect();
        Ok(Self {
            tone: record(&tone, Before::Itself)?,
            speech: record(&frames_of_wav(SPEECH)?, Before::Silence)?,
            silence: record(&vec![Frame::silent(); SILENCE_FRAMES], Before::Silence)?,
        })
    }
}

fn record(frames: &[Frame], before: Before) -> Result<Recording, RecordingError> {
    Recording::encode(frames, &ALL, before)
}

#[cfg(test)]
mod tests {
    use offhook_media::program::AudioCodec;

    use super::*;

    #[test]
    fn every_sound_has_payloads_in_every_codec() {
        let clips = Clips::encode().unwrap();
        for recording in [&clips.tone, &clips.speech, &clips.silence] {
            for codec in ALL {
                let clip = recording.clip(codec).unwrap();
                assert!((0..clip.slots() as u64).all(|slot| !clip.payload(slot).is_empty()));
            }
        }
        let of = |recording: &Recording, codec| recording.clip(codec).unwrap().clone();
        assert_eq!(of(&clips.tone, AudioCodec::Pcma).payload(3).len(), 160);
        let seconds = of(&clips.speech, AudioCodec::Opus).slots() / 50;
        assert!((9..=12).contains(&seconds), "{seconds} s of speech");
        let tone = of(&clips.tone, AudioCodec::Opus);
        assert_eq!(tone.payload(25), tone.payload(50));
        assert_ne!(tone.payload(0), tone.payload(25));
    }
}

//! Sounds encoded once per codec when the sandbox starts, and shared by all calls.

use std::sync::Arc;

use offhook_media::codec::encoder::Encoder;
use offhook_media::codec::error::CodecError;
use offhook_media::codec::settings::OpusSettings;
use offhook_media::graph::frame::{FRAME_SAMPLES, Frame, SAMPLE_RATE};
use offhook_media::graph::resampler::{Resampler, UnsupportedRate};
use offhook_media::graph::tone::Tone;
use offhook_media::program::{AudioCodec, MAX_PAYLOAD};
use offhook_media::sdp::codec::ALL;

/// The announcement; its origin stands in `assets/README.md`.
const SPEECH: &[u8] = include_bytes!("../../assets/speech.wav");
/// Sampling rate of the announcement, in Hz.
const SPEECH_RATE: u32 = 16_000;
/// The test tone of telephony, in Hz: 1 kHz would hide behind the sampling rate.
const TONE_HZ: f64 = 1004.0;
/// Frames after which the tone's phase is where it began (502 periods).
const TONE_FRAMES: usize = 25;
/// Frames of the silence.
const SILENCE_FRAMES: usize = 5;

/// A sound as payloads of 20 ms, to be played round and round.
#[derive(Debug)]
pub(crate) struct Clip {
    /// Played once, at the beginning: it brings the listener's decoder to where the encoder's memory is in the round.
    lead: Vec<Box<[u8]>>,
    round: Vec<Box<[u8]>>,
}

/// One sound in every codec.
#[derive(Debug, Clone)]
pub(crate) struct Recording {
    opus: Arc<Clip>,
    g722: Arc<Clip>,
    pcmu: Arc<Clip>,
    pcma: Arc<Clip>,
}

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

/// Why the sounds could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClipError {
    #[error("a sound could not be encoded: {0}")]
    Codec(#[from] CodecError),
    #[error("the announcement could not be resampled: {0}")]
    Rate(#[from] UnsupportedRate),
    #[error("a thread that encodes the sounds panicked: please report this as a bug")]
    Thread,
    #[error("the announcement built into the sandbox is no 16-bit WAV")]
    NotWav,
}

impl Clip {
    /// The payload of this slot, counted from the first.
    pub(crate) fn payload(&self, slot: u64) -> &[u8] {
        let lead = self.lead.len() as u64;
        let payload = match slot.checked_sub(lead) {
            None => usize::try_from(slot)
                .ok()
                .and_then(|index| self.lead.get(index)),
            Some(after) => {
                let index = after % self.round.len().max(1) as u64;
                usize::try_from(index)
                    .ok()
                    .and_then(|index| self.round.get(index))
            }
        };
        payload.map_or(&[], |payload| payload)
    }
}

impl Recording {
    /// The sound in this codec.
    pub(crate) fn clip(&self, codec: AudioCodec) -> &Arc<Clip> {
        match codec {
            AudioCodec::Opus => &self.opus,
            AudioCodec::G722 => &self.g722,
            AudioCodec::Pcmu => &self.pcmu,
            AudioCodec::Pcma => &self.pcma,
        }
    }
}

impl Clips {
    /// Makes and encodes all sounds. Takes some hundred milliseconds of CPU.
    pub(crate) fn encode() -> Result<Self, ClipError> {
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
            speech: record(&speech()?, Before::Silence)?,
            silence: record(&vec![Frame::silent(); SILENCE_FRAMES], Before::Silence)?,
        })
    }
}

/// What comes before the first frame that is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Silence: the sound begins and ends with it.
    Silence,
    /// The sound itself, so that the encoder's memory at the start is that at the end and the seam cannot be heard.
    Itself,
}

fn record(frames: &[Frame], before: Before) -> Result<Recording, ClipError> {
    // A thread a codec: whoever starts the sandbox waits for this.
    std::thread::scope(|scope| {
        let [opus, g722, pcmu, pcma] =
            ALL.map(|codec| scope.spawn(move || encode(codec, frames, before)));
        Ok(Recording {
            opus: Arc::new(opus.join().map_err(|_| ClipError::Thread)??),
            g722: Arc::new(g722.join().map_err(|_| ClipError::Thread)??),
            pcmu: Arc::new(pcmu.join().map_err(|_| ClipError::Thread)??),
            pcma: Arc::new(pcma.join().map_err(|_| ClipError::Thread)??),
        })
    })
}

fn encode(codec: AudioCodec, frames: &[Frame], before: Before) -> Result<Clip, ClipError> {
    let settings = OpusSettings {
        // Enough that a measurement of the tone sees the line and not the codec.
        bitrate: 64_000,
        inband_fec: false,
        expected_loss_percent: 0,
        ..OpusSettings::default()
    };
    let mut encoder = Encoder::new(codec, &settings)?;
    let mut room = [0; MAX_PAYLOAD];
    let mut pass = || {
        let payloads = frames.iter().map(|frame| {
            let used = encoder.encode(frame, &mut room)?;
            Ok(Box::from(room.get(..used).unwrap_or_default()))
        });
        payloads.collect::<Result<Vec<_>, CodecError>>()
    };
    let lead = match before {
        Before::Silence => Vec::new(),
        Before::Itself => pass()?,
    };
    Ok(Clip {
        lead,
        round: pass()?,
    })
}

fn speech() -> Result<Vec<Frame>, ClipError> {
    let mut resampler = Resampler::new(SPEECH_RATE, SAMPLE_RATE)?;
    let mut samples = Vec::new();
    for step in wav_samples(SPEECH).ok_or(ClipError::NotWav)?.chunks(160) {
        resampler.process(step, |converted| samples.extend_from_slice(converted));
    }
    let frames = samples
        .chunks_exact(FRAME_SAMPLES)
        .map(|chunk| {
            let mut frame = Frame::silent();
            frame.copy_from_slice(chunk);
            frame
        })
        .collect();
    Ok(frames)
}

/// The samples of the `data` chunk of a 16-bit mono WAV.
fn wav_samples(wav: &[u8]) -> Option<Vec<f32>> {
    let mut chunks = wav.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
    loop {
        let (name, rest) = chunks.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let body = rest.get(..length)?;
        if name == b"data" {
            let samples = body
                .chunks_exact(2)
                .filter_map(|pair| <[u8; 2]>::try_from(pair).ok())
                .map(|pair| f32::from(i16::from_le_bytes(pair)) / 32_768.0);
            return Some(samples.collect());
        }
        chunks = rest.get(length + length % 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sound_has_payloads_in_every_codec() {
        let clips = Clips::encode().unwrap();
        for recording in [&clips.tone, &clips.speech, &clips.silence] {
            for codec in ALL {
                let clip = recording.clip(codec);
                assert!(clip.round.iter().all(|payload| !payload.is_empty()));
            }
        }
        assert_eq!(clips.tone.clip(AudioCodec::Pcma).payload(3).len(), 160);
        let seconds = clips.speech.opus.round.len() / 50;
        assert!((9..=12).contains(&seconds), "{seconds} s of speech");
        assert_eq!(clips.tone.opus.payload(25), clips.tone.opus.payload(50));
        assert_ne!(clips.tone.opus.payload(0), clips.tone.opus.payload(25));
    }
}

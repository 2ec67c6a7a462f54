//! Sounds encoded once per codec, and shared by all calls that play them: no encoder runs while they do.

use std::sync::Arc;

use crate::codec::encoder::Encoder;
use crate::codec::error::CodecError;
use crate::codec::settings::OpusSettings;
use crate::graph::frame::{FRAME_SAMPLES, Frame, SAMPLE_RATE};
use crate::graph::resampler::{Resampler, UnsupportedRate};
use crate::program::{AudioCodec, MAX_PAYLOAD};

/// A sound as payloads of 20 ms, to be played round and round.
#[derive(Debug)]
pub struct Clip {
    /// Played once, at the beginning: it brings the listener's decoder to where the encoder's memory is in the round.
    lead: Vec<Box<[u8]>>,
    round: Vec<Box<[u8]>>,
}

/// One sound in several codecs.
#[derive(Debug, Clone)]
pub struct Recording {
    clips: Arc<[(AudioCodec, Arc<Clip>)]>,
}

/// Why a sound could not be made ready.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// A codec refuses it.
    #[error("a sound could not be encoded: {0}")]
    Codec(#[from] CodecError),
    /// A rate that cannot be converted.
    #[error("a sound could not be resampled: {0}")]
    Rate(#[from] UnsupportedRate),
    /// No WAV of 16-bit mono samples.
    #[error("a sound is no 16-bit mono WAV")]
    NotWav,
    /// A thread ended early.
    #[error("a thread that encodes the sounds panicked: please report this as a bug")]
    Thread,
}

/// What comes before the first frame that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Silence: the sound begins and ends with it.
    Silence,
    /// The sound itself, so that the encoder's memory at the start is that at the end and the seam cannot be heard.
    Itself,
}

impl Clip {
    /// The payload of this slot, counted from the first.
    #[must_use]
    pub fn payload(&self, slot: u64) -> &[u8] {
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

    /// How many payloads it has until it begins again.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.round.len()
    }
}

impl Recording {
    /// Encodes a sound in each of these codecs, a thread each. Takes some hundred milliseconds of CPU for ten seconds of speech.
    ///
    /// # Errors
    /// [`RecordingError`].
    pub fn encode(
        frames: &[Frame],
        codecs: &[AudioCodec],
        before: Before,
    ) -> Result<Self, RecordingError> {
        std::thread::scope(|scope| {
            let encoding: Vec<_> = codecs
                .iter()
                .map(|codec| (*codec, scope.spawn(move || encode(*codec, frames, before))))
                .collect();
            let clips = encoding.into_iter().map(|(codec, thread)| {
                let clip = thread.join().map_err(|_| RecordingError::Thread)??;
                Ok((codec, Arc::new(clip)))
            });
            let clips = clips.collect::<Result<Vec<_>, RecordingError>>()?;
            Ok(Self {
                clips: clips.into(),
            })
        })
    }

    /// The sound in this codec; `None` where it was not asked for.
    #[must_use]
    pub fn clip(&self, codec: AudioCodec) -> Option<&Arc<Clip>> {
        let mut clips = self.clips.iter();
        clips.find_map(|(known, clip)| (*known == codec).then_some(clip))
    }
}

fn encode(codec: AudioCodec, frames: &[Frame], before: Before) -> Result<Clip, CodecError> {
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

/// The sound of a 16-bit mono WAV as frames.
///
/// # Errors
/// [`RecordingError::NotWav`], [`RecordingError::Rate`].
pub fn frames_of_wav(wav: &[u8]) -> Result<Vec<Frame>, RecordingError> {
    let (rate, data) = rate_and_data(wav).ok_or(RecordingError::NotWav)?;
    let samples: Vec<f32> = data
        .chunks_exact(2)
        .filter_map(|pair| <[u8; 2]>::try_from(pair).ok())
        .map(|pair| f32::from(i16::from_le_bytes(pair)) / 32_768.0)
        .collect();
    let mut resampler = Resampler::new(rate, SAMPLE_RATE)?;
    let mut converted = Vec::new();
    for step in samples.chunks(160) {
        resampler.process(step, |samples| converted.extend_from_slice(samples));
    }
    let frames = converted.chunks_exact(FRAME_SAMPLES).map(|chunk| {
        let mut frame = Frame::silent();
        frame.copy_from_slice(chunk);
        frame
    });
    Ok(frames.collect())
}

/// Sampling rate, and the samples of the `data` chunk.
fn rate_and_data(wav: &[u8]) -> Option<(u32, &[u8])> {
    let mut chunks = wav.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
    let mut rate = None;
    loop {
        let (name, rest) = chunks.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let body = rest.get(..length)?;
        match name {
            b"fmt " => {
                let (head, rest) = body.split_first_chunk::<4>()?;
                // PCM, one channel, 16 bits.
                let depth = rest.get(10..12)?;
                (*head == [1, 0, 1, 0] && *depth == [16, 0]).then_some(())?;
                let (hertz, _) = rest.split_first_chunk::<4>()?;
                rate = Some(u32::from_le_bytes(*hertz));
            }
            b"data" => return Some((rate?, body)),
            _ => {}
        }
        chunks = rest.get(length + length % 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(channels: u8, samples: usize) -> Vec<u8> {
        let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        wav.extend_from_slice(&[1, 0, channels, 0]);
        wav.extend_from_slice(&16_000_u32.to_le_bytes());
        wav.extend_from_slice(&32_000_u32.to_le_bytes());
        wav.extend_from_slice(&[2, 0, 16, 0]);
        wav.extend_from_slice(b"data");
        wav.extend_from_slice(&u32::try_from(2 * samples).unwrap().to_le_bytes());
        wav.resize(wav.len() + 2 * samples, 1);
        wav
    }

    #[test]
    fn a_second_of_wav_is_fifty_frames_and_what_is_none_is_refused() {
        let frames = frames_of_wav(&wav(1, 16_000)).unwrap();
        assert!((49..=50).contains(&frames.len()), "{}", frames.len());
        for bad in [Vec::new(), wav(2, 160), b"RIFF".to_vec()] {
            assert!(matches!(frames_of_wav(&bad), Err(RecordingError::NotWav)));
        }
    }

    #[test]
    fn a_recording_has_the_codecs_that_were_asked_for() {
        let frames = frames_of_wav(&wav(1, 16_000)).unwrap();
        let codecs = [AudioCodec::Pcmu, AudioCodec::G722];
        let recording = Recording::encode(&frames, &codecs, Before::Silence).unwrap();
        assert_eq!(
            recording.clip(AudioCodec::Pcmu).unwrap().payload(0).len(),
            160
        );
        assert!(recording.clip(AudioCodec::Pcma).is_none());
    }
}

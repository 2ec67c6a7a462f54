//! From RTP payloads to sound at 48 kHz, with something sensible for what was lost.

use crate::codec::comfort_noise::ComfortNoise;
use crate::codec::error::CodecError;
use crate::codec::g711::Law;
use crate::codec::g722::{G722Decoder, SAMPLES_PER_BYTE};
use crate::codec::opus_packet;
use crate::graph::frame::SAMPLE_RATE;
use crate::graph::resampler::Resampler;
use crate::program::AudioCodec;

/// Most samples that one call of the decoder writes (120 ms).
pub const MAX_DECODED: usize = 5760;

/// What a payload says of itself without being decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadFacts {
    /// Ticks of the RTP clock that it lasts.
    pub duration: u32,
    /// It carries a copy of the frame before it.
    pub carries_previous: bool,
    /// After it the sender is silent and may send nothing.
    pub starts_silence: bool,
    /// It describes the noise of that silence and holds no sound itself (RFC 3389).
    pub describes_noise: bool,
}

impl PayloadFacts {
    /// What a description of comfort noise is taken for: 20 ms of it at 8 kHz, more until something else comes.
    pub const COMFORT_NOISE: Self = Self {
        duration: 160,
        carries_previous: false,
        starts_silence: true,
        describes_noise: true,
    };
}

/// Looks at a payload; `None` when it cannot be of this codec (or lasts more than 120 ms).
pub fn inspect(codec: AudioCodec, payload: &[u8]) -> Option<PayloadFacts> {
    match codec {
        AudioCodec::Opus => Some(PayloadFacts {
            duration: opus_packet::samples(payload)?,
            carries_previous: opus_packet::has_previous(payload),
            starts_silence: opus_packet::is_dtx(payload),
            describes_noise: false,
        }),
        // A byte for each tick of the clock: with G.722 for two samples.
        AudioCodec::G722 | AudioCodec::Pcmu | AudioCodec::Pcma => {
            let duration = u32::try_from(payload.len())
                .ok()
                .filter(|&bytes| (1..=960).contains(&bytes))?;
            Some(PayloadFacts {
                duration,
                carries_previous: false,
                starts_silence: false,
                describes_noise: false,
            })
        }
    }
}

/// A decoder for one stream of one codec.
#[derive(Debug)]
pub struct Decoder {
    codec: AudioCodec,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    #[cfg(feature = "opus")]
    Opus(crate::codec::opus::OpusDecoder),
    Telephony(Box<Telephony>),
}

/// A codec of a byte for each tick of its 8 kHz clock.
#[derive(Debug)]
enum Coder {
    G711(Law),
    G722(Box<G722Decoder>),
}

#[derive(Debug)]
struct Telephony {
    coder: Coder,
    resampler: Resampler,
    /// Decoded, at the codec's own rate.
    narrow: Vec<f32>,
    /// The last stretch that was decoded, at 48 kHz, which concealment repeats.
    last: Vec<f32>,
    /// Where in it concealment goes on.
    cursor: usize,
    /// How loud concealment still is.
    fade: f32,
    /// Made in the place of silence, once it was described.
    noise: ComfortNoise,
    /// The pause is filled with it.
    noisy: bool,
}

/// Largest payload of G.711 and G.722: 120 ms.
const LONGEST_PAYLOAD: usize = 960;
/// 20 ms at 48 kHz: what concealment repeats.
const REPEATED: usize = 960;
/// Concealment is silent after 100 ms.
const FADE_PER_SAMPLE: f32 = 1.0 / 4800.0;

impl Decoder {
    /// A fresh decoder for `codec`.
    ///
    /// # Errors
    /// [`CodecError::NotBuilt`] without the feature `opus`, [`CodecError::OutOfMemory`].
    pub fn new(codec: AudioCodec) -> Result<Self, CodecError> {
        let kind = match codec {
            #[cfg(feature = "opus")]
            AudioCodec::Opus => Kind::Opus(crate::codec::opus::OpusDecoder::new()?),
            #[cfg(not(feature = "opus"))]
            AudioCodec::Opus => return Err(CodecError::NotBuilt(codec)),
            AudioCodec::G722 => telephony(codec, Coder::G722(Box::default()), 16_000)?,
            AudioCodec::Pcmu => telephony(codec, Coder::G711(Law::Mu), 8_000)?,
            AudioCodec::Pcma => telephony(codec, Coder::G711(Law::A), 8_000)?,
        };
        Ok(Self { codec, kind })
    }

    /// The codec it speaks.
    pub fn codec(&self) -> AudioCodec {
        self.codec
    }

    /// Decodes a payload into `pcm` (room for [`MAX_DECODED`]); returns the samples written, all at 48 kHz.
    ///
    /// # Errors
    /// [`CodecError::BadPayload`], [`CodecError::NoRoom`].
    pub fn decode(&mut self, payload: &[u8], pcm: &mut [f32]) -> Result<usize, CodecError> {
        match &mut self.kind {
            #[cfg(feature = "opus")]
            Kind::Opus(decoder) => decoder.decode(payload, pcm),
            Kind::Telephony(telephony) => {
                if !(1..=LONGEST_PAYLOAD).contains(&payload.len()) {
                    return Err(CodecError::BadPayload {
                        codec: self.codec,
                        length: payload.len(),
                    });
                }
                telephony.narrow.clear();
                telephony.coder.decode(payload, &mut telephony.narrow);
                Ok(telephony.widen(pcm))
            }
        }
    }

    /// Rebuilds what came before `next` from the copy inside `next`; fills `pcm`.
    ///
    /// # Errors
    /// As [`decode`](Self::decode); G.711 and G.722 have no copies and conceal.
    pub fn decode_previous(&mut self, next: &[u8], pcm: &mut [f32]) -> Result<usize, CodecError> {
        match &mut self.kind {
            #[cfg(feature = "opus")]
            Kind::Opus(decoder) => decoder.decode_previous(next, pcm),
            Kind::Telephony(telephony) => {
                let _without_a_copy = next;
                Ok(telephony.conceal(pcm))
            }
        }
    }

    /// Takes a description of comfort noise (RFC 3389), and fills `pcm` with it; so does [`conceal`](Self::conceal) until sound comes.
    ///
    /// # Errors
    /// As [`conceal`](Self::conceal), which it is with Opus: that makes its noise itself.
    pub fn comfort_noise(&mut self, payload: &[u8], pcm: &mut [f32]) -> Result<usize, CodecError> {
        match &mut self.kind {
            #[cfg(feature = "opus")]
            Kind::Opus(_) => {}
            Kind::Telephony(telephony) => {
                telephony.noise.describe(payload);
                if !std::mem::replace(&mut telephony.noisy, true) {
                    telephony.noise.begin();
                }
            }
        }
        self.conceal(pcm)
    }

    /// Makes up what is missing; fills `pcm` (whole multiples of 2.5 ms).
    ///
    /// # Errors
    /// [`CodecError::Refused`] when the length is none of the codec's.
    pub fn conceal(&mut self, pcm: &mut [f32]) -> Result<usize, CodecError> {
        match &mut self.kind {
            #[cfg(feature = "opus")]
            Kind::Opus(decoder) => decoder.conceal(pcm),
            Kind::Telephony(telephony) => Ok(telephony.conceal(pcm)),
        }
    }

    /// Forgets the stream heard so far: another one starts.
    pub fn reset(&mut self) {
        match &mut self.kind {
            #[cfg(feature = "opus")]
            Kind::Opus(decoder) => decoder.reset(),
            Kind::Telephony(telephony) => {
                telephony.last.fill(0.0);
                telephony.noisy = false;
                if let Coder::G722(decoder) = &mut telephony.coder {
                    **decoder = G722Decoder::default();
                }
            }
        }
    }
}

fn telephony(codec: AudioCodec, coder: Coder, rate: u32) -> Result<Kind, CodecError> {
    // These rates are always convertible; the error only keeps this free of panics.
    let resampler =
        Resampler::new(rate, SAMPLE_RATE).map_err(|_| CodecError::OutOfMemory(codec))?;
    Ok(Kind::Telephony(Box::new(Telephony {
        coder,
        resampler,
        narrow: Vec::with_capacity(SAMPLES_PER_BYTE * LONGEST_PAYLOAD),
        last: vec![0.0; REPEATED],
        cursor: 0,
        fade: 1.0,
        noise: ComfortNoise::new(),
        noisy: false,
    })))
}

impl Coder {
    /// Adds the samples that a payload stands for; there is room for those of the longest.
    fn decode(&mut self, payload: &[u8], into: &mut Vec<f32>) {
        let full_scale = |sample: i16| f32::from(sample) / 32_768.0;
        match self {
            Self::G711(law) => {
                into.extend(payload.iter().map(|&code| full_scale(law.decode(code))));
            }
            Self::G722(decoder) => {
                for &byte in payload {
                    into.extend(decoder.decode(byte).map(full_scale));
                }
            }
        }
    }
}

impl Telephony {
    /// Converts what is in `narrow` to 48 kHz.
    fn widen(&mut self, pcm: &mut [f32]) -> usize {
        let mut written = 0;
        self.resampler.process(&self.narrow, |out| {
            if let Some(place) = pcm.get_mut(written..written + out.len()) {
                place.copy_from_slice(out);
                written += out.len();
            }
        });
        let heard = pcm.get(..written).unwrap_or_default();
        if let Some(tail) = heard
            .len()
            .checked_sub(REPEATED)
            .and_then(|start| heard.get(start..))
        {
            self.last.copy_from_slice(tail);
        } else {
            self.last.rotate_left(heard.len());
            let start = REPEATED - heard.len();
            self.last[start..].copy_from_slice(heard);
        }
        self.cursor = 0;
        self.fade = 1.0;
        self.noisy = false;
        written
    }

    /// Repeats the last 20 ms, backwards and forwards so that there is no jump, fading to silence in 100 ms.
    fn conceal(&mut self, pcm: &mut [f32]) -> usize {
        let turn = 2 * REPEATED;
        for sample in pcm.iter_mut() {
            let index = if self.cursor < REPEATED {
                REPEATED - 1 - self.cursor
            } else {
                self.cursor - REPEATED
            };
            *sample = self.last.get(index).copied().unwrap_or_default() * self.fade;
            if self.noisy {
                // The end of the speech gives way to the noise.
                let (noise, swell) = self.noise.next();
                *sample = *sample * (1.0 - swell) + noise * swell;
            }
            self.cursor = (self.cursor + 1) % turn;
            self.fade = (self.fade - FADE_PER_SAMPLE).max(0.0);
        }
        pcm.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encoder::Encoder;
    use crate::codec::settings::OpusSettings;
    use crate::graph::frame::Frame;
    use crate::graph::tone::Tone;

    #[test]
    fn a_tone_keeps_its_power_and_its_timing() {
        for codec in [AudioCodec::G722, AudioCodec::Pcmu, AudioCodec::Pcma] {
            let mut encoder = Encoder::new(codec, &OpusSettings::default()).unwrap();
            let mut decoder = Decoder::new(codec).unwrap();
            let mut tone = Tone::new(1004.0);
            let (mut frame, mut pcm) = (Frame::silent(), vec![0.0; MAX_DECODED]);
            let mut last_power = 0.0;
            for _ in 0..20 {
                tone.read(&mut frame);
                let mut payload = [0; 160];
                assert_eq!(encoder.encode(&frame, &mut payload).unwrap(), 160);
                assert_eq!(inspect(codec, &payload).unwrap().duration, 160);
                assert_eq!(decoder.decode(&payload, &mut pcm).unwrap(), 960);
                last_power = pcm[..960].iter().map(|s| s * s).sum::<f32>() / 960.0;
            }
            assert!(
                (last_power - 0.125).abs() < 0.004,
                "{codec:?}: {last_power}"
            );
        }
    }

    #[test]
    fn g722_carries_what_g711_cannot() {
        for (codec, kept) in [(AudioCodec::G722, true), (AudioCodec::Pcma, false)] {
            let mut encoder = Encoder::new(codec, &OpusSettings::default()).unwrap();
            let mut decoder = Decoder::new(codec).unwrap();
            let mut tone = Tone::new(6000.0);
            let (mut frame, mut pcm) = (Frame::silent(), vec![0.0; MAX_DECODED]);
            for _ in 0..20 {
                tone.read(&mut frame);
                let mut payload = [0; 160];
                encoder.encode(&frame, &mut payload).unwrap();
                decoder.decode(&payload, &mut pcm).unwrap();
            }
            let power = pcm[..960].iter().map(|s| s * s).sum::<f32>() / 960.0;
            assert_eq!(power > 0.06, kept, "{codec:?}: {power}");
        }
    }

    #[test]
    fn g711_concealment_fades_to_silence() {
        let mut encoder = Encoder::new(AudioCodec::Pcma, &OpusSettings::default()).unwrap();
        let mut decoder = Decoder::new(AudioCodec::Pcma).unwrap();
        let mut tone = Tone::new(400.0);
        let (mut frame, mut pcm) = (Frame::silent(), vec![0.0; MAX_DECODED]);
        for _ in 0..5 {
            tone.read(&mut frame);
            let mut payload = [0; 160];
            encoder.encode(&frame, &mut payload).unwrap();
            decoder.decode(&payload, &mut pcm).unwrap();
        }
        let edge = pcm[959];
        assert_eq!(decoder.conceal(&mut pcm[..960]).unwrap(), 960);
        assert!(
            (pcm[0] - edge).abs() < 0.05,
            "concealment starts where the sound stopped"
        );
        assert!(pcm[..240].iter().any(|s| s.abs() > 0.2));
        for _ in 0..5 {
            decoder.conceal(&mut pcm[..960]).unwrap();
        }
        assert!(pcm[..960].iter().all(|s| s.abs() < 1e-6));
    }

    #[test]
    fn comfort_noise_takes_over_without_a_click_and_lasts() {
        let mut encoder = Encoder::new(AudioCodec::Pcmu, &OpusSettings::default()).unwrap();
        let mut decoder = Decoder::new(AudioCodec::Pcmu).unwrap();
        let mut tone = Tone::new(400.0);
        let (mut frame, mut pcm) = (Frame::silent(), vec![0.0; MAX_DECODED]);
        let mut heard = Vec::new();
        for _ in 0..5 {
            tone.read(&mut frame);
            let mut payload = [0; 160];
            encoder.encode(&frame, &mut payload).unwrap();
            decoder.decode(&payload, &mut pcm).unwrap();
            heard.extend_from_slice(&pcm[..960]);
        }
        decoder.comfort_noise(&[46], &mut pcm[..960]).unwrap();
        heard.extend_from_slice(&pcm[..960]);
        for _ in 0..50 {
            decoder.conceal(&mut pcm[..960]).unwrap();
            heard.extend_from_slice(&pcm[..960]);
        }
        // A tone of 400 Hz moves by 0.052 of its height in a sample; nothing jumps further.
        let jump = heard
            .windows(2)
            .skip(960)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max);
        assert!(jump < 0.1, "{jump}");
        let noise = &heard[heard.len() - 48_000..];
        let power = noise.iter().map(|s| s * s).sum::<f32>() / noise.len() as f32;
        let level = 10.0 * power.log10();
        assert!((level + 46.0).abs() < 1.5, "{level} dB");
        // Sound ends it.
        decoder.decode(&[0xFF; 160], &mut pcm).unwrap();
        decoder.decode(&[0xFF; 160], &mut pcm).unwrap();
        decoder.conceal(&mut pcm[..960]).unwrap();
        assert!(pcm[..960].iter().all(|sample| sample.abs() < 1e-3));
    }

    #[test]
    fn odd_sizes_are_refused_not_trusted() {
        let mut decoder = Decoder::new(AudioCodec::Pcmu).unwrap();
        let mut pcm = vec![0.0; MAX_DECODED];
        assert!(decoder.decode(&[], &mut pcm).is_err());
        assert!(decoder.decode(&[0; 1200], &mut pcm).is_err());
        assert_eq!(inspect(AudioCodec::Pcmu, &[0; 961]), None);
        assert!(decoder.decode(&[0x55; 33], &mut pcm).is_ok());
    }
}

//! From frames of sound to RTP payloads, whatever the codec.

use crate::codec::error::CodecError;
use crate::codec::g711::Law;
use crate::codec::g722::G722Encoder;
use crate::codec::settings::OpusSettings;
use crate::graph::frame::{Frame, SAMPLE_RATE};
use crate::graph::resampler::Resampler;
use crate::program::AudioCodec;

/// An encoder that turns each 20 ms frame into one payload.
#[derive(Debug)]
pub struct Encoder {
    codec: AudioCodec,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    #[cfg(feature = "opus")]
    Opus(crate::codec::opus::OpusEncoder),
    Telephony {
        coder: Coder,
        resampler: Box<Resampler>,
    },
}

/// A codec of a byte for each tick of its 8 kHz clock.
#[derive(Debug)]
enum Coder {
    G711(Law),
    G722(Box<G722Encoder>),
}

impl Encoder {
    /// An encoder for `codec`; the settings matter to Opus alone.
    ///
    /// # Errors
    /// [`CodecError::NotBuilt`] without the feature `opus`, [`CodecError::OutOfMemory`].
    pub fn new(codec: AudioCodec, settings: &OpusSettings) -> Result<Self, CodecError> {
        let kind = match codec {
            #[cfg(feature = "opus")]
            AudioCodec::Opus => Kind::Opus(crate::codec::opus::OpusEncoder::new(settings)?),
            #[cfg(not(feature = "opus"))]
            AudioCodec::Opus => {
                let _unused = settings;
                return Err(CodecError::NotBuilt(codec));
            }
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

    /// Encodes one frame into `payload`; returns the bytes used. 0 means: nothing to send for these 20 ms (DTX).
    ///
    /// # Errors
    /// [`CodecError::NoRoom`] when `payload` has less than 160 bytes (G.711, G.722) or libopus needs more.
    pub fn encode(&mut self, frame: &Frame, payload: &mut [u8]) -> Result<usize, CodecError> {
        match &mut self.kind {
            #[cfg(feature = "opus")]
            Kind::Opus(encoder) => encoder.encode(&frame[..], payload),
            Kind::Telephony { coder, resampler } => {
                let (room, codec) = (payload.len(), self.codec);
                let mut places = payload.iter_mut();
                let mut used = 0;
                resampler.process(&frame[..], |converted| {
                    used += coder.encode(converted, &mut places);
                });
                if used < PAYLOAD_BYTES {
                    Err(CodecError::NoRoom { codec, room })
                } else {
                    Ok(used)
                }
            }
        }
    }
}

/// Bytes of 20 ms of G.711 or G.722.
const PAYLOAD_BYTES: usize = 160;

fn telephony(codec: AudioCodec, coder: Coder, rate: u32) -> Result<Kind, CodecError> {
    // These rates are always convertible; the error only keeps this free of panics.
    let resampler =
        Resampler::new(SAMPLE_RATE, rate).map_err(|_| CodecError::OutOfMemory(codec))?;
    Ok(Kind::Telephony {
        coder,
        resampler: Box::new(resampler),
    })
}

impl Coder {
    /// Encodes samples at its rate, in whole steps of 10 ms; says how many bytes they took.
    fn encode<'p>(
        &mut self,
        samples: &[f32],
        places: &mut impl Iterator<Item = &'p mut u8>,
    ) -> usize {
        let mut used = 0;
        match self {
            Self::G711(law) => {
                for (&sample, place) in samples.iter().zip(places) {
                    *place = law.encode(to_i16(sample));
                    used += 1;
                }
            }
            Self::G722(encoder) => {
                for ([first, second], place) in samples.as_chunks().0.iter().zip(places) {
                    *place = encoder.encode(to_i16(*first), to_i16(*second));
                    used += 1;
                }
            }
        }
        used
    }
}

/// Full scale -1.0 to 1.0 as a 16-bit sample, clipped.
pub(crate) fn to_i16(sample: f32) -> i16 {
    // `as` saturates and turns NaN into 0.
    (sample * 32_768.0).round() as i16
}

//! From frames of sound to RTP payloads, whatever the codec.

use crate::codec::error::CodecError;
use crate::codec::g711::Law;
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
    G711 {
        law: Law,
        resampler: Box<Resampler>,
    },
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
            AudioCodec::Pcmu => g711(codec, Law::Mu)?,
            AudioCodec::Pcma => g711(codec, Law::A)?,
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
    /// [`CodecError::NoRoom`] when `payload` has less than 160 bytes (G.711) or libopus needs more.
    pub fn encode(&mut self, frame: &Frame, payload: &mut [u8]) -> Result<usize, CodecError> {
        match &mut self.kind {
            #[cfg(feature = "opus")]
            Kind::Opus(encoder) => encoder.encode(&frame[..], payload),
            Kind::G711 { law, resampler } => {
                let (room, codec) = (payload.len(), self.codec);
                let mut places = payload.iter_mut();
                let mut used = 0;
                resampler.process(&frame[..], |converted| {
                    for (&sample, place) in converted.iter().zip(&mut places) {
                        *place = law.encode(to_i16(sample));
                        used += 1;
                    }
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

/// Bytes of 20 ms of G.711.
const PAYLOAD_BYTES: usize = 160;

fn g711(codec: AudioCodec, law: Law) -> Result<Kind, CodecError> {
    // These two rates are always convertible; the error only keeps this free of panics.
    let resampler =
        Resampler::new(SAMPLE_RATE, 8_000).map_err(|_| CodecError::OutOfMemory(codec))?;
    Ok(Kind::G711 {
        law,
        resampler: Box::new(resampler),
    })
}

/// Full scale -1.0 to 1.0 as a 16-bit sample, clipped.
pub(crate) fn to_i16(sample: f32) -> i16 {
    // `as` saturates and turns NaN into 0.
    (sample * 32_768.0).round() as i16
}

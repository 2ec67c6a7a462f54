//! Opus (RFC 6716, RFC 7587), mono at 48 kHz, on libopus; nothing is allocated per frame.

use crate::codec::error::CodecError;
use crate::codec::opus_ffi::{self, Code, EncoderSetting, Given};
use crate::codec::settings::OpusSettings;
use crate::program::AudioCodec;

/// Samples of the longest packet (120 ms).
pub const MAX_PACKET_SAMPLES: usize = 5760;

/// An Opus encoder for speech.
pub struct OpusEncoder(opus_ffi::Encoder);

/// An Opus decoder with loss concealment.
pub struct OpusDecoder(opus_ffi::Decoder);

fn refused(code: Code) -> CodecError {
    CodecError::Refused {
        codec: AudioCodec::Opus,
        code: code.0,
    }
}

impl OpusEncoder {
    /// An encoder with these settings; numbers out of range are brought into it.
    ///
    /// # Errors
    /// [`CodecError::OutOfMemory`]; anything else would be a fault of libopus.
    pub fn new(settings: &OpusSettings) -> Result<Self, CodecError> {
        let inner =
            opus_ffi::Encoder::new().map_err(|_| CodecError::OutOfMemory(AudioCodec::Opus))?;
        let mut encoder = Self(inner);
        encoder
            .0
            .set(EncoderSetting::VoiceSignal)
            .map_err(refused)?;
        encoder.apply(settings)?;
        Ok(encoder)
    }

    /// Changes the settings from the next frame on.
    ///
    /// # Errors
    /// [`CodecError::Refused`], which would be a fault of libopus: all values are brought into range before.
    pub fn apply(&mut self, settings: &OpusSettings) -> Result<(), CodecError> {
        let bitrate = i32::try_from(settings.bitrate.clamp(6_000, 510_000)).unwrap_or(510_000);
        for setting in [
            EncoderSetting::Complexity(i32::from(settings.complexity.min(10))),
            EncoderSetting::Bitrate(bitrate),
            EncoderSetting::Vbr(settings.vbr),
            EncoderSetting::InbandFec(settings.inband_fec),
            EncoderSetting::ExpectedLoss(i32::from(settings.expected_loss_percent.min(100))),
            EncoderSetting::Dtx(settings.dtx),
        ] {
            self.0.set(setting).map_err(refused)?;
        }
        Ok(())
    }

    /// Encodes one frame (2.5, 5, 10, 20, 40 or 60 ms of samples); returns the bytes used.
    ///
    /// With DTX a result of 1 or 2 bytes need not be sent.
    ///
    /// # Errors
    /// [`CodecError::Refused`] when the frame has no legal length or the room is too small.
    pub fn encode(&mut self, pcm: &[f32], payload: &mut [u8]) -> Result<usize, CodecError> {
        self.0.encode(pcm, payload).map_err(refused)
    }
}

impl OpusDecoder {
    /// A fresh decoder.
    ///
    /// # Errors
    /// [`CodecError::OutOfMemory`].
    pub fn new() -> Result<Self, CodecError> {
        opus_ffi::Decoder::new()
            .map(Self)
            .map_err(|_| CodecError::OutOfMemory(AudioCodec::Opus))
    }

    /// Decodes one packet; returns the samples written. `pcm` should have room for [`MAX_PACKET_SAMPLES`].
    ///
    /// # Errors
    /// [`CodecError::BadPayload`] when the packet is broken, [`CodecError::Refused`] when it does not fit.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut [f32]) -> Result<usize, CodecError> {
        self.0
            .decode(Given::Packet(payload), pcm)
            .map_err(|code| blame(code, payload))
    }

    /// Rebuilds the frame before `next` from the copy inside `next`, filling `pcm` (whole multiples of 2.5 ms).
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_previous(&mut self, next: &[u8], pcm: &mut [f32]) -> Result<usize, CodecError> {
        self.0
            .decode(Given::NextPacket(next), pcm)
            .map_err(|code| blame(code, next))
    }

    /// Makes up what is missing, filling `pcm` (whole multiples of 2.5 ms). After a DTX packet this is comfort noise.
    ///
    /// # Errors
    /// [`CodecError::Refused`] when the length is none of Opus'.
    pub fn conceal(&mut self, pcm: &mut [f32]) -> Result<usize, CodecError> {
        self.0.decode(Given::Nothing, pcm).map_err(refused)
    }

    /// Forgets everything heard so far, for a new stream.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

fn blame(code: Code, payload: &[u8]) -> CodecError {
    if code.is_invalid_packet() {
        CodecError::BadPayload {
            codec: AudioCodec::Opus,
            length: payload.len(),
        }
    } else {
        refused(code)
    }
}

impl std::fmt::Debug for OpusEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpusEncoder")
    }
}

impl std::fmt::Debug for OpusDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpusDecoder")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::opus_packet;
    use crate::graph::frame::{FRAME_SAMPLES, Frame};

    /// Something voice-like: a gliding, pulsing harmonic series.
    fn speech(frame: usize) -> Frame {
        let mut out = Frame::silent();
        for (n, sample) in out.iter_mut().enumerate() {
            let t = (frame * FRAME_SAMPLES + n) as f32 / 48_000.0;
            let pitch = 140.0 + 30.0 * (t * 3.0).sin();
            let envelope = 0.5 + 0.5 * (t * 9.0).sin();
            *sample = (1..8)
                .map(|h| (t * pitch * h as f32 * std::f32::consts::TAU).sin() / h as f32)
                .sum::<f32>()
                * 0.15
                * envelope;
        }
        out
    }

    fn packets(settings: &OpusSettings, count: usize) -> Vec<Vec<u8>> {
        let mut encoder = OpusEncoder::new(settings).unwrap();
        (0..count)
            .map(|n| {
                let mut payload = [0; 1275];
                let used = encoder.encode(&speech(n)[..], &mut payload).unwrap();
                payload[..used].to_vec()
            })
            .collect()
    }

    fn energy(samples: &[f32]) -> f32 {
        samples.iter().map(|s| s * s).sum()
    }

    #[test]
    fn speech_survives_the_round_trip() {
        let mut decoder = OpusDecoder::new().unwrap();
        let mut pcm = [0.0; MAX_PACKET_SAMPLES];
        let (mut sent, mut heard) = (0.0, 0.0);
        for (n, packet) in packets(&OpusSettings::default(), 50).iter().enumerate() {
            assert_eq!(decoder.decode(packet, &mut pcm).unwrap(), FRAME_SAMPLES);
            assert_eq!(opus_packet::samples(packet), Some(960));
            if n > 5 {
                sent += energy(&speech(n)[..]);
                heard += energy(&pcm[..FRAME_SAMPLES]);
            }
        }
        let ratio = heard / sent;
        assert!((0.7..1.4).contains(&ratio), "energy ratio {ratio}");
    }

    #[test]
    fn our_reading_of_the_lbrr_flag_is_that_of_libopus() {
        for fec in [true, false] {
            let settings = OpusSettings {
                inband_fec: fec,
                expected_loss_percent: 20,
                bitrate: 24_000,
                ..OpusSettings::default()
            };
            let packets = packets(&settings, 60);
            let ours: Vec<bool> = packets
                .iter()
                .map(|p| opus_packet::has_previous(p))
                .collect();
            let theirs: Vec<bool> = packets
                .iter()
                .map(|p| opus_ffi::packet_has_lbrr(p))
                .collect();
            assert_eq!(ours, theirs);
            assert_eq!(
                ours.iter().any(|&has| has),
                fec,
                "LBRR appears exactly when asked for"
            );
        }
    }

    #[test]
    fn the_copy_in_the_next_packet_is_nearer_to_the_lost_frame_than_concealment() {
        let settings = OpusSettings {
            expected_loss_percent: 20,
            bitrate: 40_000,
            ..OpusSettings::default()
        };
        let packets = packets(&settings, 60);
        let mut reference = OpusDecoder::new().unwrap();
        let mut with_fec = OpusDecoder::new().unwrap();
        let mut without = OpusDecoder::new().unwrap();
        let (mut error_fec, mut error_plc) = (0.0, 0.0);
        let mut pcm = [[0.0; FRAME_SAMPLES]; 3];
        for n in 0..packets.len() - 1 {
            let [expected, fec, plc] = &mut pcm;
            reference.decode(&packets[n], expected).unwrap();
            if n % 5 == 4 && opus_packet::has_previous(&packets[n + 1]) {
                with_fec.decode_previous(&packets[n + 1], fec).unwrap();
                without.conceal(plc).unwrap();
                let difference = |heard: &[f32]| -> f32 {
                    heard
                        .iter()
                        .zip(expected.iter())
                        .map(|(a, b)| (a - b).powi(2))
                        .sum()
                };
                error_fec += difference(fec);
                error_plc += difference(plc);
            } else {
                with_fec.decode(&packets[n], fec).unwrap();
                without.decode(&packets[n], plc).unwrap();
            }
        }
        assert!(
            error_fec > 0.0 && error_fec < error_plc * 0.7,
            "FEC {error_fec}, PLC {error_plc}"
        );
    }

    #[test]
    fn garbage_is_refused_and_the_decoder_lives_on() {
        let mut decoder = OpusDecoder::new().unwrap();
        let mut pcm = [0.0; MAX_PACKET_SAMPLES];
        let bad = decoder.decode(&[0xff, 0x3f, 0xff], &mut pcm).unwrap_err();
        assert!(
            matches!(bad, CodecError::BadPayload { length: 3, .. }),
            "{bad}"
        );
        assert!(decoder.decode(&[], &mut pcm).is_err());
        let mut state = 0x2545_f491_4f6c_dd1du64;
        for length in 1..400 {
            let noise: Vec<u8> = (0..length)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    (state >> 24) as u8
                })
                .collect();
            let _ = decoder.decode(&noise, &mut pcm);
            let _ = decoder.decode_previous(&noise, &mut pcm[..960]);
        }
        let good = packets(&OpusSettings::default(), 1);
        assert_eq!(decoder.decode(&good[0], &mut pcm).unwrap(), 960);
    }

    #[test]
    fn dtx_sends_next_to_nothing_in_silence() {
        let settings = OpusSettings {
            dtx: true,
            ..OpusSettings::default()
        };
        let mut encoder = OpusEncoder::new(&settings).unwrap();
        let mut payload = [0; 1275];
        let mut small = 0;
        for _ in 0..100 {
            let used = encoder.encode(&Frame::silent()[..], &mut payload).unwrap();
            small += usize::from(opus_packet::is_dtx(&payload[..used]));
        }
        assert!(small > 60, "{small} of 100 frames were left out");
    }
}

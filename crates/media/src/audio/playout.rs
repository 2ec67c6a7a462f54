//! From arriving packets to one frame each 20 ms: jitter buffer, decoder, and seams that are not heard.

use std::time::Instant;

use crate::codec::decoder::{Decoder, MAX_DECODED, PayloadFacts, inspect};
use crate::codec::error::CodecError;
use crate::graph::frame::{FRAME_SAMPLES, Frame};
use crate::graph::meter::{Meter, SILENCE_POWER};
use crate::jitter::buffer::{Arrival, Insertion, JitterBuffer, JitterConfig, Playout};
use crate::program::{AudioCodec, AudioPacket, PayloadKind, PlayoutStatistics};

/// Length of the seam where a packet was left out: 5 ms.
const SEAM: usize = 240;

/// Plays one incoming stream out.
#[derive(Debug)]
pub struct StreamPlayout {
    jitter: JitterBuffer,
    decoder: Decoder,
    /// Decoded samples that were not played yet.
    decoded: Vec<f32>,
    scratch: Vec<f32>,
    /// Beginning of a packet that was left out, to be faded into what follows.
    seam: Option<[f32; SEAM]>,
    /// Mean power of sound that was not silence.
    usual_power: f32,
    quiet: bool,
    meter: Meter,
    total_samples: u64,
    silent_concealed: u64,
    decode_errors: u64,
    begun: bool,
}

impl StreamPlayout {
    /// A playout for one codec.
    ///
    /// # Errors
    /// When the codec is not in this build or has no memory.
    pub fn new(codec: AudioCodec) -> Result<Self, CodecError> {
        Ok(Self {
            jitter: JitterBuffer::new(JitterConfig::for_clock(codec.clock_rate())),
            decoder: Decoder::new(codec)?,
            decoded: Vec::with_capacity(MAX_DECODED + FRAME_SAMPLES),
            scratch: vec![0.0; MAX_DECODED],
            seam: None,
            usual_power: 0.0,
            quiet: true,
            meter: Meter::default(),
            total_samples: 0,
            silent_concealed: 0,
            decode_errors: 0,
            begun: false,
        })
    }

    /// The codec it plays.
    pub fn codec(&self) -> AudioCodec {
        self.decoder.codec()
    }

    /// Takes one packet in, whatever its order.
    pub fn packet(&mut self, packet: &AudioPacket<'_>, now: Instant) {
        let facts = match packet.kind {
            PayloadKind::Audio(codec) if codec == self.decoder.codec() => {
                match inspect(codec, packet.payload) {
                    Some(facts) => Some(facts),
                    None => {
                        self.decode_errors += 1;
                        None
                    }
                }
            }
            PayloadKind::ComfortNoise if self.decoder.codec().clock_rate() == 8_000 => {
                Some(PayloadFacts::COMFORT_NOISE)
            }
            // Events, and other codecs in the same numbering, only use up their number.
            PayloadKind::Audio(_) | PayloadKind::TelephoneEvent | PayloadKind::ComfortNoise => None,
        };
        let arrival = Arrival {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            facts,
            payload: packet.payload,
        };
        if self.jitter.insert(&arrival, now) == Insertion::Restarted {
            self.decoder.reset();
            self.seam = None;
        }
    }

    /// Fills `frame` with the next 20 ms.
    pub fn play(&mut self, frame: &mut Frame, now: Instant) {
        while self.decoded.len() < FRAME_SAMPLES {
            if !self.decode_more(now) {
                break;
            }
        }
        let ready = self.decoded.len().min(FRAME_SAMPLES);
        for (sample, decoded) in frame.iter_mut().zip(self.decoded.drain(..ready)) {
            *sample = decoded;
        }
        frame
            .iter_mut()
            .skip(ready)
            .for_each(|sample| *sample = 0.0);
        if self.begun {
            self.total_samples += FRAME_SAMPLES as u64;
        }
        self.meter.measure(frame);
    }

    /// The counters.
    pub fn statistics(&self) -> PlayoutStatistics {
        let jitter = self.jitter.statistics();
        PlayoutStatistics {
            jitter_buffer_delay: jitter.jitter_buffer_delay,
            jitter_buffer_target_delay: jitter.jitter_buffer_target_delay,
            jitter_buffer_emitted_count: jitter.jitter_buffer_emitted_count,
            total_samples_received: self.total_samples,
            concealed_samples: jitter.concealed_samples,
            silent_concealed_samples: self.silent_concealed,
            concealment_events: jitter.concealment_events,
            inserted_samples_for_deceleration: jitter.inserted_samples_for_deceleration,
            removed_samples_for_acceleration: jitter.removed_samples_for_acceleration,
            packets_discarded: jitter.packets_discarded,
            fec_packets_received: jitter.fec_packets_used,
            decode_errors: self.decode_errors,
            audio_level: f64::from(self.meter.audio_level()),
            total_audio_energy: self.meter.total_audio_energy(),
            source_audio_level: 0.0,
            source_total_audio_energy: 0.0,
            source_is_device: false,
        }
    }

    /// Decodes, rebuilds or makes up one stretch; false when there is nothing to play yet.
    fn decode_more(&mut self, now: Instant) -> bool {
        let room = |scratch: &mut Vec<f32>, samples: u32| -> usize {
            (samples as usize).min(scratch.len())
        };
        let mut concealed = false;
        let written = match self.jitter.pull(self.quiet, now) {
            Playout::Wait => return false,
            Playout::Decode(payload) => self.decoder.decode(payload, &mut self.scratch),
            Playout::LeaveOut(payload) => {
                let written = self.decoder.decode(payload, &mut self.scratch);
                if let (Ok(_), None) = (written, self.seam) {
                    self.seam = self.scratch.first_chunk::<SEAM>().copied();
                }
                self.begun = true;
                return true;
            }
            Playout::Rebuild { next, samples } => {
                let length = room(&mut self.scratch, samples);
                self.decoder
                    .decode_previous(next, &mut self.scratch[..length])
            }
            Playout::Conceal { samples } => {
                concealed = true;
                let length = room(&mut self.scratch, samples);
                self.decoder.conceal(&mut self.scratch[..length])
            }
            Playout::Noise { payload, samples } => {
                let length = room(&mut self.scratch, samples);
                self.decoder
                    .comfort_noise(payload, &mut self.scratch[..length])
            }
            Playout::Comfort { samples } => {
                let length = room(&mut self.scratch, samples);
                self.decoder.conceal(&mut self.scratch[..length])
            }
        };
        self.begun = true;
        let written = written.unwrap_or_else(|_| {
            self.decode_errors += 1;
            concealed = true;
            self.decoder
                .conceal(&mut self.scratch[..FRAME_SAMPLES])
                .unwrap_or_else(|_| {
                    self.scratch[..FRAME_SAMPLES].fill(0.0);
                    FRAME_SAMPLES
                })
        });
        self.append(written.min(MAX_DECODED), concealed);
        true
    }

    /// Puts decoded samples behind those that wait, and judges how loud they are.
    fn append(&mut self, written: usize, concealed: bool) {
        let heard = &mut self.scratch[..written];
        if let Some(seam) = self.seam.take() {
            let length = SEAM.min(heard.len());
            for (n, (sample, old)) in heard.iter_mut().zip(seam).take(length).enumerate() {
                let new = (n + 1) as f32 / (length + 1) as f32;
                *sample = *sample * new + old * (1.0 - new);
            }
        }
        let power = heard.iter().map(|sample| sample * sample).sum::<f32>() / written.max(1) as f32;
        // A pause is what lies 20 dB below what is usually heard, or below the noise of any room.
        self.quiet = power < SILENCE_POWER.max(self.usual_power * 0.01);
        if power > SILENCE_POWER {
            self.usual_power += (power - self.usual_power) * 0.02;
        }
        if concealed && power < SILENCE_POWER {
            self.silent_concealed += written as u64;
        }
        self.decoded.extend_from_slice(heard);
    }
}

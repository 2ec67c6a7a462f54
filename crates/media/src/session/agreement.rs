//! What offer and answer agreed on, as sender and receiver need it for each packet.

use std::time::Duration;

use crate::program::{AudioCodec, AudioFormat, PayloadKind};
use crate::sdp::negotiation::Negotiated;
use crate::sdp::write::COMFORT_NOISE_PAYLOAD_TYPE;

/// The agreement in force.
#[derive(Debug, Clone)]
pub(crate) struct Agreement {
    pub(crate) negotiated: Negotiated,
}

impl Agreement {
    /// For the program.
    pub(crate) fn format(&self) -> AudioFormat {
        let negotiated = &self.negotiated;
        AudioFormat {
            codec: negotiated.codec.codec,
            packet_time: Duration::from_millis(negotiated.packet_time_ms.into()),
            telephone_event: negotiated.telephone_event.map(|event| event.clock_rate),
            opus: negotiated.codec.opus,
            send: negotiated.direction.sends(),
            receive: negotiated.direction.receives(),
        }
    }

    /// The payload type to send this under; `None` when it was not agreed on.
    pub(crate) fn payload_type(&self, kind: PayloadKind) -> Option<u8> {
        match kind {
            PayloadKind::Audio(wanted) => self
                .negotiated
                .codecs
                .iter()
                .find(|known| known.codec == wanted)
                .map(|known| known.send_payload_type),
            PayloadKind::TelephoneEvent => self
                .negotiated
                .telephone_event
                .map(|event| event.send_payload_type),
            PayloadKind::ComfortNoise => self.negotiated.comfort_noise,
        }
    }

    /// The number to send this codec's packets under with a copy of the one before (RFC 2198).
    pub(crate) fn redundancy_for(&self, kind: PayloadKind) -> Option<u8> {
        let redundancy = self.negotiated.redundancy.filter(|red| red.sends)?;
        (kind == PayloadKind::Audio(AudioCodec::Opus)).then_some(redundancy.send_payload_type)
    }

    /// Whether packets of this number hold others (RFC 2198).
    pub(crate) fn is_redundant(&self, payload_type: u8) -> bool {
        self.negotiated
            .redundancy
            .is_some_and(|red| red.receive_payload_type == payload_type)
    }

    /// What a received payload type stands for.
    ///
    /// Some far ends send under the number that they gave rather than the one that they were given; where that number
    /// is not taken otherwise, it is understood.
    pub(crate) fn kind(&self, payload_type: u8) -> Option<PayloadKind> {
        let Negotiated {
            codecs,
            telephone_event,
            further_events,
            comfort_noise,
            ..
        } = &self.negotiated;
        let narrow = || codecs.iter().any(|known| known.codec.clock_rate() == 8_000);
        let audio =
            |known: &crate::sdp::negotiation::NegotiatedCodec| PayloadKind::Audio(known.codec);
        codecs
            .iter()
            .find(|known| known.receive_payload_type == payload_type)
            .map(audio)
            .or_else(|| {
                telephone_event
                    .filter(|event| event.receive_payload_type == payload_type)
                    .map(|_| PayloadKind::TelephoneEvent)
            })
            .or_else(|| {
                further_events
                    .iter()
                    .any(|event| event.receive_payload_type == payload_type)
                    .then_some(PayloadKind::TelephoneEvent)
            })
            .or_else(|| {
                codecs
                    .iter()
                    .find(|known| known.send_payload_type == payload_type)
                    .map(audio)
            })
            .or_else(|| {
                telephone_event
                    .filter(|event| event.send_payload_type == payload_type)
                    .map(|_| PayloadKind::TelephoneEvent)
            })
            .or_else(|| {
                // Some send it unasked, under the number that RFC 3551 gives it.
                let noise = *comfort_noise == Some(payload_type)
                    || (payload_type == COMFORT_NOISE_PAYLOAD_TYPE && narrow());
                noise.then_some(PayloadKind::ComfortNoise)
            })
    }

    /// Clock of the codec in use, in Hz.
    pub(crate) const fn clock_rate(&self) -> u32 {
        self.negotiated.codec.codec.clock_rate()
    }
}

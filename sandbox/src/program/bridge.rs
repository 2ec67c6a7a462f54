//! Passes what arrives on to another call, or to nobody; digits that came by signalling go the same way.

use std::time::Instant;

use offhook_media::program::{
    AudioCodec, AudioFormat, AudioPacket, CallKey, Destination, Outgoing, PayloadKind, Program,
    ProgramCommand, SLOT,
};
use offhook_media::rtp::telephone_event::EventSender;

/// The source under which digits go; which one does not matter, the far end sees one of its own.
const DIGITS_SSRC: u32 = 0x4454_4D46;

/// One direction of a bridge: payloads go to the far end of another call as they came.
#[derive(Debug)]
pub(crate) struct Bridge {
    to: Option<CallKey>,
    digits: Option<Digits>,
}

/// Digits on their way, as RFC 4733 events.
#[derive(Debug)]
struct Digits {
    codec: AudioCodec,
    sender: EventSender,
    sequence: u16,
}

impl Bridge {
    /// Towards this call.
    pub(crate) fn to(call: CallKey) -> Self {
        Self {
            to: Some(call),
            digits: None,
        }
    }

    /// Towards nobody: the call sends and passes nothing.
    pub(crate) fn nowhere() -> Self {
        Self {
            to: None,
            digits: None,
        }
    }

    fn sends_digits(&self) -> bool {
        self.digits
            .as_ref()
            .is_some_and(|digits| !digits.sender.is_idle())
    }
}

impl Program for Bridge {
    fn negotiated(&mut self, format: &AudioFormat, _now: Instant) {
        let rtp_clock = format.codec.clock_rate();
        let event_clock = format.telephone_event.unwrap_or(rtp_clock);
        self.digits = Some(Digits {
            codec: format.codec,
            sender: EventSender::new(event_clock, rtp_clock, SLOT),
            sequence: 0,
        });
    }

    fn packet(&mut self, packet: &AudioPacket<'_>, _now: Instant, out: &mut Outgoing) {
        // As with FreeSWITCH, a digit takes the place of the audio.
        if let Some(call) = self.to
            && !self.sends_digits()
        {
            out.forward(Destination::Call(call), packet);
        }
    }

    fn slot(&mut self, _now: Instant, out: &mut Outgoing) {
        let slot = out.slot();
        let (Some(call), Some(digits)) = (self.to, &mut self.digits) else {
            return;
        };
        // RTP timestamps wrap by design.
        let timestamp = (slot as u32).wrapping_mul(digits.codec.ticks_per_slot());
        let Some(event) = digits.sender.next(timestamp) else {
            return;
        };
        digits.sequence = digits.sequence.wrapping_add(1);
        let packet = AudioPacket {
            kind: PayloadKind::TelephoneEvent,
            marker: event.marker,
            sequence: digits.sequence,
            timestamp: event.timestamp,
            ssrc: DIGITS_SSRC,
            payload: &event.payload.to_bytes(),
        };
        out.forward(Destination::Call(call), &packet);
    }

    fn command(&mut self, command: ProgramCommand, _now: Instant) {
        if let (ProgramCommand::Dtmf { digits: text }, Some(digits)) = (command, &mut self.digits)
            && self.to.is_some()
            && let Err(error) = digits.sender.enqueue(&text)
        {
            tracing::warn!(%error, "digits are not passed on");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_media::program::OpusWishes;
    use offhook_media::rtp::telephone_event::{EventReceiver, Heard, digit_of};

    const FORMAT: AudioFormat = AudioFormat {
        codec: AudioCodec::Opus,
        packet_time: SLOT,
        telephone_event: Some(48_000),
        opus: OpusWishes {
            inband_fec: false,
            dtx: false,
            stereo: false,
            max_average_bitrate: None,
            max_playback_rate: None,
        },
        send: true,
        receive: true,
    };

    fn voice(sequence: u16) -> AudioPacket<'static> {
        AudioPacket {
            kind: PayloadKind::Audio(AudioCodec::Opus),
            marker: false,
            sequence,
            timestamp: u32::from(sequence) * 960,
            ssrc: 1,
            payload: b"voice",
        }
    }

    #[test]
    fn digits_take_the_place_of_the_voice_and_arrive_one_by_one() {
        let start = Instant::now();
        let mut bridge = Bridge::to(CallKey(2));
        bridge.negotiated(&FORMAT, start);
        let digits = "42".to_owned();
        bridge.command(ProgramCommand::Dtmf { digits }, start);
        let mut receiver = EventReceiver::new(48_000, 48_000);
        let (mut heard, mut voices, mut during) = (String::new(), 0, 0);
        let mut out = Outgoing::new();
        for slot in 0..50_u16 {
            let now = start + SLOT * u32::from(slot);
            out.begin(slot.into());
            bridge.packet(&voice(slot), now, &mut out);
            bridge.slot(now, &mut out);
            for packet in out.packets() {
                let packet = packet.as_received().expect("it is passed on");
                match packet.kind {
                    PayloadKind::Audio(_) | PayloadKind::ComfortNoise => voices += 1,
                    PayloadKind::TelephoneEvent => {
                        during = voices;
                        receiver.on_packet(packet.marker, packet.timestamp, packet.payload, now);
                    }
                }
            }
            while let Some(event) = receiver.poll() {
                if let Heard::Started { event } = event {
                    heard.extend(digit_of(event));
                }
            }
        }
        assert_eq!(heard, "42");
        assert_eq!(during, 0, "no voice between the digits");
        assert!(voices > 20, "the voice goes on behind them: {voices}");
    }

    #[test]
    fn a_bridge_to_nobody_sends_nothing() {
        let now = Instant::now();
        let mut bridge = Bridge::nowhere();
        bridge.negotiated(&FORMAT, now);
        let digits = "1".to_owned();
        bridge.command(ProgramCommand::Dtmf { digits }, now);
        let mut out = Outgoing::new();
        bridge.slot(now, &mut out);
        bridge.packet(&voice(1), now, &mut out);
        assert!(out.is_empty());
    }
}

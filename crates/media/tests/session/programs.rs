//! Programs for tests: one that talks and remembers what it heard, one that echoes, one that is silent.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use offhook_media::program::{
    AudioFormat, AudioPacket, CallKey, Destination, Outgoing, PayloadKind, Program, ProgramCommand,
    ProgramEvent,
};
use offhook_media::rtp::telephone_event::EventSender;

/// What a program saw; read by the test.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) formats: Vec<AudioFormat>,
    /// Sequence, timestamp, first byte of the payload of each audio packet.
    pub(crate) audio: Vec<(u16, u32, u8)>,
    pub(crate) ssrcs: Vec<u32>,
    pub(crate) slots: Vec<(u64, Instant)>,
}

pub(crate) type Shared = Arc<Mutex<Seen>>;

/// Sends a packet in each slot, numbered in its payload, or digits when told to.
pub(crate) struct Talker {
    seen: Shared,
    format: Option<AudioFormat>,
    digits: Option<EventSender>,
    sent: u8,
}

impl Talker {
    pub(crate) fn new() -> (Box<Self>, Shared) {
        let seen = Shared::default();
        let talker = Self {
            seen: Arc::clone(&seen),
            format: None,
            digits: None,
            sent: 0,
        };
        (Box::new(talker), seen)
    }
}

impl Program for Talker {
    fn negotiated(&mut self, format: &AudioFormat, _: Instant) {
        self.seen.lock().unwrap().formats.push(*format);
        let clock = format.codec.clock_rate();
        self.digits = format
            .telephone_event
            .map(|rate| EventSender::new(rate, clock, Duration::from_millis(20)));
        self.format = Some(*format);
    }

    fn packet(&mut self, packet: &AudioPacket<'_>, _: Instant, _: &mut Outgoing) {
        let mut seen = self.seen.lock().unwrap();
        if matches!(packet.kind, PayloadKind::Audio(_)) {
            seen.audio.push((
                packet.sequence,
                packet.timestamp,
                packet.payload.first().copied().unwrap_or(0),
            ));
        }
        if seen.ssrcs.last() != Some(&packet.ssrc) {
            seen.ssrcs.push(packet.ssrc);
        }
    }

    fn slot(&mut self, now: Instant, out: &mut Outgoing) {
        self.seen.lock().unwrap().slots.push((out.slot(), now));
        let Some(format) = self.format else { return };
        let timestamp = (out.slot() * u64::from(format.codec.ticks_per_slot())) as u32;
        if let Some(event) = self
            .digits
            .as_mut()
            .and_then(|digits| digits.next(timestamp))
        {
            out.send(
                PayloadKind::TelephoneEvent,
                event.marker,
                event.timestamp,
                &event.payload.to_bytes(),
            );
            return;
        }
        let mut payload = [0x78; 80];
        payload[0] = self.sent;
        self.sent = self.sent.wrapping_add(1);
        out.send(
            PayloadKind::Audio(format.codec),
            out.slot() == 0,
            timestamp,
            &payload,
        );
    }

    fn command(&mut self, command: ProgramCommand, _: Instant) {
        if let (ProgramCommand::Dtmf { digits }, Some(sender)) = (command, self.digits.as_mut()) {
            sender.enqueue(&digits).unwrap();
        }
    }

    fn poll_event(&mut self) -> Option<ProgramEvent> {
        None
    }
}

/// Never says anything.
pub(crate) struct Mute;

impl Program for Mute {
    fn negotiated(&mut self, _: &AudioFormat, _: Instant) {}
    fn packet(&mut self, _: &AudioPacket<'_>, _: Instant, _: &mut Outgoing) {}
    fn slot(&mut self, _: Instant, _: &mut Outgoing) {}
    fn command(&mut self, _: ProgramCommand, _: Instant) {}
}

/// Sends back what comes, or on to another call once told.
pub(crate) struct Echo {
    pub(crate) to: Destination,
}

impl Program for Echo {
    fn negotiated(&mut self, _: &AudioFormat, _: Instant) {}
    fn packet(&mut self, packet: &AudioPacket<'_>, _: Instant, out: &mut Outgoing) {
        out.forward(self.to, packet);
    }
    fn slot(&mut self, _: Instant, _: &mut Outgoing) {}
    fn command(&mut self, command: ProgramCommand, _: Instant) {
        if let ProgramCommand::Bridge(to) = command {
            self.to = to.map_or(Destination::Echo, |key: CallKey| Destination::Call(key));
        }
    }
}

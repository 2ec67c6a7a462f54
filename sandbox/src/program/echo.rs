//! Sends back what arrives, at once or later.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use offhook_media::program::{
    AudioFormat, AudioPacket, Destination, Outgoing, PayloadKind, Program, ProgramCommand,
};

/// Most packets held back; at 20 ms each, far more than the longest delay needs.
const MAX_HELD: usize = 256;

/// An echo without a codec: payloads go back as they came.
#[derive(Debug)]
pub(crate) struct Echo {
    delay: Duration,
    held: VecDeque<Held>,
}

#[derive(Debug)]
struct Held {
    due: Instant,
    kind: PayloadKind,
    marker: bool,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: Box<[u8]>,
}

impl Echo {
    /// An echo that answers this much later.
    pub(crate) fn new(delay: Duration) -> Self {
        Self {
            delay,
            held: VecDeque::new(),
        }
    }

    fn release(&mut self, now: Instant, out: &mut Outgoing) {
        while self.held.front().is_some_and(|held| held.due <= now)
            && let Some(held) = self.held.pop_front()
        {
            let packet = AudioPacket {
                kind: held.kind,
                marker: held.marker,
                sequence: held.sequence,
                timestamp: held.timestamp,
                ssrc: held.ssrc,
                payload: &held.payload,
            };
            out.forward(Destination::Echo, &packet);
        }
    }
}

impl Program for Echo {
    fn negotiated(&mut self, _format: &AudioFormat, _now: Instant) {
        // What was held may be of another codec.
        self.held.clear();
    }

    fn packet(&mut self, packet: &AudioPacket<'_>, now: Instant, out: &mut Outgoing) {
        if self.delay.is_zero() {
            return out.forward(Destination::Echo, packet);
        }
        self.release(now, out);
        if self.held.len() < MAX_HELD {
            self.held.push_back(Held {
                due: now + self.delay,
                kind: packet.kind,
                marker: packet.marker,
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                ssrc: packet.ssrc,
                payload: packet.payload.into(),
            });
        }
    }

    fn slot(&mut self, now: Instant, out: &mut Outgoing) {
        self.release(now, out);
    }

    fn command(&mut self, _command: ProgramCommand, _now: Instant) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_media::program::AudioCodec;

    fn packet(payload: &[u8]) -> AudioPacket<'_> {
        AudioPacket {
            kind: PayloadKind::Audio(AudioCodec::Opus),
            marker: false,
            sequence: 7,
            timestamp: 960,
            ssrc: 1,
            payload,
        }
    }

    #[test]
    fn a_delayed_echo_comes_when_its_time_has_come_and_not_before() {
        let mut echo = Echo::new(Duration::from_millis(500));
        let start = Instant::now();
        let mut out = Outgoing::new();
        echo.packet(&packet(b"one"), start, &mut out);
        echo.slot(start + Duration::from_millis(499), &mut out);
        assert!(out.is_empty());
        echo.slot(start + Duration::from_millis(500), &mut out);
        let payloads: Vec<&[u8]> = out.packets().map(|packet| packet.payload).collect();
        assert_eq!(payloads, [b"one"]);
    }

    #[test]
    fn what_is_held_back_is_bounded() {
        let mut echo = Echo::new(Duration::from_secs(3600));
        let mut out = Outgoing::new();
        for _ in 0..1000 {
            echo.packet(&packet(b"x"), Instant::now(), &mut out);
        }
        assert_eq!(echo.held.len(), MAX_HELD);
    }
}

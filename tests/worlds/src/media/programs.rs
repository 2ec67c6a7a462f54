//! What both ends play: packets that say who sent them and which they are, and an ear that notes each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use offhook_media::codec::decoder::inspect;
use offhook_media::jitter::buffer::{Arrival, JitterBuffer, JitterConfig, Playout};
use offhook_media::program::{
    AudioCodec, AudioFormat, AudioPacket, Outgoing, PayloadKind, Program, ProgramCommand,
};

/// The codec of all worlds: cheap, and of a fixed size.
pub(crate) const CODEC: AudioCodec = AudioCodec::Pcmu;

/// Bytes of a packet of 20 ms.
const PAYLOAD: usize = 160;

/// Who said something, and which of all that it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word {
    /// Drawn for the world: nobody else knows it.
    pub(crate) secret: u64,
    pub(crate) end: u8,
    /// How often that end had begun afresh.
    pub(crate) life: u8,
    pub(crate) number: u32,
}

impl Word {
    fn write(self, payload: &mut [u8; PAYLOAD]) {
        let [.., a, b, c, d] = self.number.to_be_bytes();
        let tail = [self.end, self.life, a, b, c, d];
        let bytes = self.secret.to_be_bytes().into_iter().chain(tail);
        for (place, byte) in payload.iter_mut().zip(bytes) {
            *place = byte;
        }
    }

    fn read(payload: &[u8]) -> Option<Self> {
        let (secret, rest) = payload.split_first_chunk::<8>()?;
        let ([end, life], rest) = rest.split_first_chunk::<2>()?;
        let number = rest.first_chunk::<4>()?;
        Some(Self {
            secret: u64::from_be_bytes(*secret),
            end: *end,
            life: *life,
            number: u32::from_be_bytes(*number),
        })
    }
}

/// What an end hears.
#[derive(Debug)]
pub(crate) struct Ear {
    /// Since the world looked last; `None`: not what either end says.
    pub(crate) news: Vec<Option<Word>>,
    jitter: JitterBuffer,
}

impl Ear {
    /// How many packets wait for their turn, found out by playing them all.
    pub(crate) fn waiting(&mut self, now: Instant) -> usize {
        let mut waiting = 0;
        for _ in 0..1_000 {
            waiting += usize::from(matches!(
                self.jitter.pull(false, now),
                Playout::Decode(_) | Playout::LeaveOut(_)
            ));
        }
        waiting
    }
}

/// The world's half of an ear.
#[derive(Debug, Clone)]
pub(crate) struct Listener(Arc<Mutex<Ear>>);

impl Listener {
    pub(crate) fn ear(&self) -> MutexGuard<'_, Ear> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says a word in each slot, and listens.
#[derive(Debug)]
pub(crate) struct Talker {
    next: Word,
    listener: Listener,
    speaks: bool,
}

impl Talker {
    pub(crate) fn new(first: Word) -> (Box<Self>, Listener) {
        let listener = Listener(Arc::new(Mutex::new(Ear {
            news: Vec::new(),
            jitter: JitterBuffer::new(JitterConfig::for_clock(CODEC.clock_rate())),
        })));
        let talker = Self {
            next: first,
            listener: listener.clone(),
            speaks: false,
        };
        (Box::new(talker), listener)
    }
}

impl Program for Talker {
    fn negotiated(&mut self, format: &AudioFormat, _: Instant) {
        self.speaks = format.send;
    }

    fn packet(&mut self, packet: &AudioPacket<'_>, now: Instant, _: &mut Outgoing) {
        let mut ear = self.listener.ear();
        ear.news.push(Word::read(packet.payload));
        let arrival = Arrival {
            ssrc: packet.ssrc,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            facts: inspect(CODEC, packet.payload),
            payload: packet.payload,
        };
        ear.jitter.insert(&arrival, now);
    }

    fn slot(&mut self, now: Instant, out: &mut Outgoing) {
        let mut ear = self.listener.ear();
        // What is left out is no sound: the next stretch is due at once.
        while matches!(ear.jitter.pull(false, now), Playout::LeaveOut(_)) {}
        drop(ear);
        if !self.speaks {
            return;
        }
        let mut payload = [0xd5; PAYLOAD];
        self.next.write(&mut payload);
        self.next.number += 1;
        let timestamp = (out.slot() as u32).wrapping_mul(CODEC.ticks_per_slot());
        out.send(PayloadKind::Audio(CODEC), false, timestamp, &payload);
    }

    fn command(&mut self, _: ProgramCommand, _: Instant) {}
}

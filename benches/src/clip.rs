//! A program that sends encoded audio made beforehand, so that no codec is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use offhook_media::program::{
    AudioFormat, AudioPacket, Outgoing, PayloadKind, Program, ProgramCommand,
};

/// Bytes of a payload: Opus at 32 kbit/s.
const PAYLOAD: usize = 80;

/// What all clips of a run share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Packets handed out so far.
    pub frames: AtomicU64,
    /// Hand out no more.
    pub quiet: AtomicBool,
}

/// Sends one payload in each slot.
#[derive(Debug)]
pub struct Clip {
    shared: Arc<Shared>,
    format: Option<AudioFormat>,
}

impl Clip {
    /// One of those that share this.
    #[must_use]
    pub const fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            format: None,
        }
    }
}

impl Program for Clip {
    fn negotiated(&mut self, format: &AudioFormat, _: Instant) {
        self.format = Some(*format);
    }

    fn packet(&mut self, _: &AudioPacket<'_>, _: Instant, _: &mut Outgoing) {}

    fn slot(&mut self, _: Instant, out: &mut Outgoing) {
        let Some(format) = self.format else { return };
        if self.shared.quiet.load(Ordering::Relaxed) {
            return;
        }
        let ticks = u64::from(format.codec.ticks_per_slot());
        let timestamp = (out.slot().wrapping_mul(ticks) & 0xFFFF_FFFF) as u32;
        out.send(
            PayloadKind::Audio(format.codec),
            out.slot() == 0,
            timestamp,
            &[0x78; PAYLOAD],
        );
        self.shared.frames.fetch_add(1, Ordering::Relaxed);
    }

    fn command(&mut self, _: ProgramCommand, _: Instant) {}
}

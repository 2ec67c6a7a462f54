//! Plays a sound that was encoded before, round and round.

use std::sync::Arc;
use std::time::Instant;

use crate::audio::recording::{Clip, Recording};
use crate::program::{
    AudioCodec, AudioFormat, AudioPacket, Outgoing, PayloadKind, Program, ProgramCommand,
};

/// Sends a recording; what arrives is not listened to.
#[derive(Debug)]
pub struct Playback {
    recording: Recording,
    playing: Option<(AudioCodec, Arc<Clip>)>,
    /// The slot of the first packet.
    began: Option<u64>,
}

impl Playback {
    /// Begins with the first slot in which it may send.
    #[must_use]
    pub fn new(recording: Recording) -> Self {
        Self {
            recording,
            playing: None,
            began: None,
        }
    }
}

impl Program for Playback {
    fn negotiated(&mut self, format: &AudioFormat, _now: Instant) {
        let clip = self.recording.clip(format.codec);
        self.playing = clip.map(|clip| (format.codec, Arc::clone(clip)));
    }

    fn packet(&mut self, _packet: &AudioPacket<'_>, _now: Instant, _out: &mut Outgoing) {}

    fn slot(&mut self, _now: Instant, out: &mut Outgoing) {
        let Some((codec, clip)) = &self.playing else {
            return;
        };
        let slot = out.slot();
        let first = self.began.is_none();
        let played = slot.wrapping_sub(*self.began.get_or_insert(slot));
        // RTP timestamps wrap by design.
        let timestamp = (played as u32).wrapping_mul(codec.ticks_per_slot());
        out.send(
            PayloadKind::Audio(*codec),
            first,
            timestamp,
            clip.payload(played),
        );
    }

    fn command(&mut self, _command: ProgramCommand, _now: Instant) {}
}

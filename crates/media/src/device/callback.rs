//! What runs inside the sound card's callback: plain functions over ring ends, proven real-time.
//!
//! Neither of the two allocates, locks, logs, or makes a system call; `scripts/rtsan.sh` runs their tests under the
//! real-time sanitizer, and further tests forbid them the allocator and every system call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::graph::ring::{RingReader, RingWriter};

/// Samples mixed at a time; on the stack of the callback.
const PIECE: usize = 256;

/// Counts the calls of a callback, so that a watchdog sees when they stop.
#[derive(Debug, Clone, Default)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    /// Calls so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Takes what a microphone delivers and puts it, mixed down to mono, into a ring.
#[derive(Debug)]
pub struct CaptureCallback {
    ring: RingWriter,
    channels: usize,
    heartbeat: Heartbeat,
}

impl CaptureCallback {
    /// For a device of so many interleaved channels (at least one).
    pub fn new(ring: RingWriter, channels: usize, heartbeat: Heartbeat) -> Self {
        Self {
            ring,
            channels: channels.max(1),
            heartbeat,
        }
    }

    /// Takes interleaved samples; what does not fit into the ring is lost and counted there.
    #[rtsan_standalone::nonblocking]
    pub fn process(&mut self, interleaved: &[f32]) {
        self.heartbeat.beat();
        if self.channels == 1 {
            self.ring.write(interleaved);
            return;
        }
        let scale = 1.0 / self.channels as f32;
        let mut mono = [0.0; PIECE];
        for piece in interleaved.chunks(PIECE * self.channels) {
            let mut filled = 0;
            for (sample, frame) in mono.iter_mut().zip(piece.chunks_exact(self.channels)) {
                *sample = frame.iter().sum::<f32>() * scale;
                filled += 1;
            }
            self.ring.write(mono.get(..filled).unwrap_or_default());
        }
    }
}

/// Gives a loudspeaker what waits in a ring, on all its channels; silence when the ring runs dry.
#[derive(Debug)]
pub struct PlayoutCallback {
    ring: RingReader,
    channels: usize,
    /// Samples that must wait before playout begins, and begins again after it ran dry.
    low_water: usize,
    primed: bool,
    heartbeat: Heartbeat,
}

impl PlayoutCallback {
    /// For a device of so many interleaved channels (at least one).
    pub fn new(ring: RingReader, channels: usize, low_water: usize, heartbeat: Heartbeat) -> Self {
        Self {
            ring,
            channels: channels.max(1),
            low_water,
            primed: false,
            heartbeat,
        }
    }

    /// Fills interleaved samples.
    #[rtsan_standalone::nonblocking]
    pub fn process(&mut self, interleaved: &mut [f32]) {
        self.heartbeat.beat();
        if !self.primed {
            if self.ring.occupied() < self.low_water {
                interleaved.fill(0.0);
                return;
            }
            self.primed = true;
        }
        let mut mono = [0.0; PIECE];
        for piece in interleaved.chunks_mut(PIECE * self.channels) {
            let frames = piece.len() / self.channels;
            let read = mono
                .get_mut(..frames)
                .map_or(0, |mono| self.ring.read(mono));
            if read < frames {
                self.primed = false;
            }
            mono.iter_mut().skip(read).for_each(|sample| *sample = 0.0);
            for (frame, &sample) in piece.chunks_mut(self.channels).zip(&mono) {
                frame.fill(sample);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::ring::sample_ring;

    #[test]
    fn stereo_is_mixed_down_and_mono_is_spread() {
        let (writer, mut reader) = sample_ring(4_096);
        let mut capture = CaptureCallback::new(writer, 2, Heartbeat::default());
        let stereo: Vec<f32> = (0..2_000)
            .map(|n| if n % 2 == 0 { 0.5 } else { 0.25 })
            .collect();
        capture.process(&stereo);
        let mut mono = vec![0.0; 2_000];
        assert_eq!(reader.read(&mut mono), 1_000);
        assert!(mono[..1_000].iter().all(|&s| s == 0.375));

        let (mut writer, reader) = sample_ring(4_096);
        let heartbeat = Heartbeat::default();
        let mut playout = PlayoutCallback::new(reader, 2, 600, heartbeat.clone());
        let mut out = vec![1.0; 800];
        writer.write(&[0.5; 599]);
        playout.process(&mut out);
        assert!(out.iter().all(|&s| s == 0.0), "too little waits: silence");
        writer.write(&[0.5; 1]);
        playout.process(&mut out);
        assert!(out.iter().all(|&s| s == 0.5));
        playout.process(&mut out);
        assert!(
            out[..400].iter().all(|&s| s == 0.5) && out[400..].iter().all(|&s| s == 0.0),
            "ran dry"
        );
        writer.write(&[0.5; 100]);
        playout.process(&mut out);
        assert!(
            out.iter().all(|&s| s == 0.0),
            "gathers anew after it ran dry"
        );
        assert_eq!(heartbeat.count(), 4);
    }
}

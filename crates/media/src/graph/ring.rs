//! Lock-free ends of the ring between a media worker and the thread behind it (disk or sound card).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// What both ends of a ring see of each other.
#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    lost: AtomicU64,
}

/// The writing end: one thread puts samples in.
pub struct RingWriter {
    ring: HeapProd<f32>,
    shared: Arc<Shared>,
}

/// The reading end: one thread takes samples out.
pub struct RingReader {
    ring: HeapCons<f32>,
    shared: Arc<Shared>,
}

/// A ring of `capacity` samples.
pub fn sample_ring(capacity: usize) -> (RingWriter, RingReader) {
    let (producer, consumer) = HeapRb::<f32>::new(capacity.max(1)).split();
    let shared = Arc::new(Shared::default());
    (
        RingWriter {
            ring: producer,
            shared: Arc::clone(&shared),
        },
        RingReader {
            ring: consumer,
            shared,
        },
    )
}

impl RingWriter {
    /// Puts in as many samples as there is room for; the rest is lost and counted.
    pub fn write(&mut self, samples: &[f32]) {
        let written = self.ring.push_slice(samples);
        let lost = samples.len() - written;
        if lost > 0 {
            self.shared.lost.fetch_add(lost as u64, Ordering::Relaxed);
        }
    }

    /// Puts in one sample; false when the ring is full (counted as lost).
    pub fn write_one(&mut self, sample: f32) -> bool {
        let fits = self.ring.try_push(sample).is_ok();
        if !fits {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
        fits
    }

    /// Room for so many samples.
    pub fn vacant(&self) -> usize {
        self.ring.vacant_len()
    }

    /// Samples not yet read by the other end.
    pub fn occupied(&self) -> usize {
        self.ring.occupied_len()
    }

    /// Says that nothing more will come.
    pub fn end(&self) {
        self.shared.ended.store(true, Ordering::Release);
    }

    /// Whether the reading end is gone.
    pub fn is_abandoned(&self) -> bool {
        !self.ring.read_is_held()
    }

    /// Samples that did not fit so far.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl RingReader {
    /// Takes up to `samples.len()` samples; returns how many.
    pub fn read(&mut self, samples: &mut [f32]) -> usize {
        self.ring.pop_slice(samples)
    }

    /// Throws away up to `count` samples; returns how many.
    pub fn skip(&mut self, count: usize) -> usize {
        self.ring.skip(count)
    }

    /// Samples that wait to be read.
    pub fn occupied(&self) -> usize {
        self.ring.occupied_len()
    }

    /// Whether the writing end said that nothing more will come (samples may still wait).
    pub fn has_ended(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire)
    }

    /// Whether the writing end is gone.
    pub fn is_abandoned(&self) -> bool {
        !self.ring.write_is_held()
    }

    /// Samples that did not fit so far.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for RingWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RingWriter")
            .field("occupied", &self.occupied())
            .field("lost", &self.lost())
            .finish()
    }
}

impl std::fmt::Debug for RingReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RingReader")
            .field("occupied", &self.occupied())
            .field("lost", &self.lost())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        let (mut writer, mut reader) = sample_ring(4);
        writer.write(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(reader.lost(), 2);
        let mut out = [0.0; 8];
        assert_eq!(reader.read(&mut out), 4);
        assert_eq!(out[..4], [1.0, 2.0, 3.0, 4.0]);
        writer.end();
        assert!(reader.has_ended());
        drop(reader);
        assert!(writer.is_abandoned());
    }
}

//! Where a call's incoming sound goes, written one frame each 20 ms.

use ringbuf::HeapCons;
use ringbuf::traits::Consumer;

use crate::graph::event::EndpointEvent;
use crate::graph::frame::{Frame, SAMPLE_RATE};
use crate::graph::resampler::{Resampler, UnsupportedRate};
use crate::graph::ring::RingWriter;

/// A taker of sound, paced by its writer: each [`write`](Sink::write) is 20 ms.
pub struct Sink {
    kind: Kind,
    events: Option<HeapCons<EndpointEvent>>,
}

enum Kind {
    Discard,
    File(RingWriter),
    Device {
        ring: RingWriter,
        resampler: Option<Box<Resampler>>,
        high_water: usize,
    },
}

impl Sink {
    /// Takes everything and keeps nothing.
    pub fn discard() -> Self {
        Self {
            kind: Kind::Discard,
            events: None,
        }
    }

    /// Puts samples at 48 kHz into a ring that another thread empties; what does not fit is lost and counted.
    pub fn ring(ring: RingWriter, events: HeapCons<EndpointEvent>) -> Self {
        Self {
            kind: Kind::File(ring),
            events: Some(events),
        }
    }

    /// Puts samples at `rate` hertz into a ring that a sound card empties at its own pace.
    ///
    /// A card that is slower than the writer loses a frame once 80 ms wait, so that the delay stays bounded.
    ///
    /// # Errors
    /// When 48 kHz cannot be converted to `rate`.
    pub fn device(
        ring: RingWriter,
        rate: u32,
        events: HeapCons<EndpointEvent>,
    ) -> Result<Self, UnsupportedRate> {
        let resampler = if rate == SAMPLE_RATE {
            None
        } else {
            Some(Box::new(Resampler::new(SAMPLE_RATE, rate)?))
        };
        let high_water = 4 * rate as usize / 50;
        Ok(Self {
            kind: Kind::Device {
                ring,
                resampler,
                high_water,
            },
            events: Some(events),
        })
    }

    /// Takes the next 20 ms.
    pub fn write(&mut self, frame: &Frame) {
        match &mut self.kind {
            Kind::Discard => {}
            Kind::File(ring) => ring.write(&frame[..]),
            Kind::Device {
                ring,
                resampler,
                high_water,
            } => {
                if ring.occupied() > *high_water {
                    return;
                }
                match resampler {
                    None => ring.write(&frame[..]),
                    Some(resampler) => resampler.process(&frame[..], |out| ring.write(out)),
                }
            }
        }
    }

    /// The next thing the file or device has to tell.
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        self.events.as_mut()?.try_pop()
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            Kind::Discard => "Sink::Discard",
            Kind::File(_) => "Sink::File",
            Kind::Device { .. } => "Sink::Device",
        })
    }
}

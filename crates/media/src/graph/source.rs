//! Where a call's outgoing sound comes from, read one frame each 20 ms.

use ringbuf::HeapCons;
use ringbuf::traits::Consumer;

use crate::graph::event::EndpointEvent;
use crate::graph::frame::{FRAME_SAMPLES, Frame};
use crate::graph::ring::RingReader;
use crate::graph::tone::Tone;

/// A source of sound, paced by its reader: each [`read`](Source::read) is 20 ms.
pub struct Source {
    kind: Kind,
    events: Option<HeapCons<EndpointEvent>>,
}

enum Kind {
    Silence,
    Tone(Tone),
    File(RingReader),
    Device(DeviceReader),
}

/// Reads a ring that a sound card fills by its own clock.
struct DeviceReader {
    ring: RingReader,
    resampler: Option<Box<crate::graph::resampler::Resampler>>,
    /// Converted samples that do not fill a frame yet.
    pending: Vec<f32>,
    scratch: Vec<f32>,
    /// Most samples (at the card's rate) that may wait before the oldest are dropped: bounds the delay.
    high_water: usize,
    low_water: usize,
    primed: bool,
}

impl Source {
    /// Silence for ever.
    pub fn silence() -> Self {
        Self {
            kind: Kind::Silence,
            events: None,
        }
    }

    /// A sine of `hertz` at half scale for ever.
    pub fn tone(hertz: f64) -> Self {
        Self {
            kind: Kind::Tone(Tone::new(hertz)),
            events: None,
        }
    }

    /// Samples at 48 kHz from a ring that another thread keeps filled; silence when it runs dry or ends.
    pub fn ring(ring: RingReader, events: HeapCons<EndpointEvent>) -> Self {
        Self {
            kind: Kind::File(ring),
            events: Some(events),
        }
    }

    /// Samples at `rate` hertz from a ring that a sound card fills at its own pace.
    ///
    /// A card that is faster than the reader loses the oldest sound once 80 ms wait; a slower one leaves a gap.
    ///
    /// # Errors
    /// When `rate` cannot be converted to 48 kHz.
    pub fn device(
        ring: RingReader,
        rate: u32,
        events: HeapCons<EndpointEvent>,
    ) -> Result<Self, crate::graph::resampler::UnsupportedRate> {
        let resampler = if rate == crate::graph::frame::SAMPLE_RATE {
            None
        } else {
            Some(Box::new(crate::graph::resampler::Resampler::new(
                rate,
                crate::graph::frame::SAMPLE_RATE,
            )?))
        };
        let frame = rate as usize / 50;
        let step_out = resampler.as_ref().map_or(0, |r| r.step_out());
        Ok(Self {
            kind: Kind::Device(DeviceReader {
                ring,
                resampler,
                pending: Vec::with_capacity(2 * FRAME_SAMPLES + 2 * step_out),
                scratch: vec![0.0; frame],
                high_water: 4 * frame,
                low_water: frame + frame / 2,
                primed: false,
            }),
            events: Some(events),
        })
    }

    /// Whether the sound comes from a sound card.
    pub fn is_device(&self) -> bool {
        matches!(self.kind, Kind::Device(_))
    }

    /// Fills `frame` with the next 20 ms.
    pub fn read(&mut self, frame: &mut Frame) {
        match &mut self.kind {
            Kind::Silence => frame.clear(),
            Kind::Tone(tone) => tone.read(frame),
            Kind::File(ring) => {
                let read = ring.read(&mut frame[..]);
                frame[read..].fill(0.0);
            }
            Kind::Device(reader) => reader.read(frame),
        }
    }

    /// The next thing the file or device has to tell.
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        self.events.as_mut()?.try_pop()
    }
}

impl DeviceReader {
    fn read(&mut self, frame: &mut Frame) {
        let waiting = self.ring.occupied();
        if !self.primed {
            // Half a frame more than needed absorbs that the card and the reader tick at different moments.
            if waiting < self.low_water {
                frame.clear();
                return;
            }
            self.primed = true;
            self.ring.skip(waiting - self.low_water);
        } else if waiting > self.high_water {
            self.ring.skip(waiting - self.low_water);
        }
        while self.pending.len() < FRAME_SAMPLES {
            let missing = match &self.resampler {
                None => FRAME_SAMPLES - self.pending.len(),
                Some(resampler) => resampler.step_in(),
            };
            let wanted = missing.min(self.scratch.len());
            let read = self.ring.read(&mut self.scratch[..wanted]);
            let pending = &mut self.pending;
            match &mut self.resampler {
                None => pending.extend_from_slice(&self.scratch[..read]),
                Some(resampler) => {
                    resampler.process(&self.scratch[..read], |out| pending.extend_from_slice(out))
                }
            }
            if read < wanted {
                break;
            }
        }
        let ready = self.pending.len().min(FRAME_SAMPLES);
        frame[..ready].copy_from_slice(&self.pending[..ready]);
        frame[ready..].fill(0.0);
        self.pending.drain(..ready);
        if ready < FRAME_SAMPLES {
            self.primed = false;
        }
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            Kind::Silence => "Source::Silence",
            Kind::Tone(_) => "Source::Tone",
            Kind::File(_) => "Source::File",
            Kind::Device(_) => "Source::Device",
        })
    }
}

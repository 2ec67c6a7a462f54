//! One frame: 20 ms of mono sound at 48 kHz, the unit in which a call's sound moves.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// Sampling rate inside the engine, in hertz.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples in one frame.
pub const FRAME_SAMPLES: usize = 960;
/// How long one frame lasts.
pub const FRAME_DURATION: Duration = Duration::from_millis(20);

/// 20 ms of mono sound at 48 kHz; full scale is -1.0 to 1.0.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame([f32; FRAME_SAMPLES]);

impl Frame {
    /// A frame of silence.
    pub const fn silent() -> Self {
        Self([0.0; FRAME_SAMPLES])
    }

    /// Makes the whole frame silent.
    pub fn clear(&mut self) {
        self.0.fill(0.0);
    }

    /// The largest magnitude in the frame.
    pub fn peak(&self) -> f32 {
        self.0
            .iter()
            .fold(0.0, |peak, sample| peak.max(sample.abs()))
    }

    /// Mean power of the frame; a full-scale sine has 0.5.
    pub fn power(&self) -> f32 {
        self.0.iter().map(|sample| sample * sample).sum::<f32>() / FRAME_SAMPLES as f32
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self::silent()
    }
}

impl Deref for Frame {
    type Target = [f32; FRAME_SAMPLES];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Frame {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

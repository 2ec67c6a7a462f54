//! Gain with a short ramp, so that muting and unmuting do not click.

use crate::graph::frame::{FRAME_SAMPLES, Frame};

/// A gain that reaches its new value within one frame (20 ms).
#[derive(Clone, Debug)]
pub struct Gain {
    now: f32,
    wanted: f32,
}

impl Gain {
    /// Starts at `gain` (1.0 leaves the sound as it is).
    pub const fn new(gain: f32) -> Self {
        Self {
            now: gain,
            wanted: gain,
        }
    }

    /// Sets the gain to reach by the end of the next frame.
    pub fn set(&mut self, gain: f32) {
        self.wanted = gain;
    }

    /// Whether the next frame will be silence whatever goes in.
    pub fn is_silent(&self) -> bool {
        self.now == 0.0 && self.wanted == 0.0
    }

    /// Applies the gain in place.
    pub fn process(&mut self, frame: &mut Frame) {
        if self.now == self.wanted {
            if self.now == 0.0 {
                frame.clear();
            } else if self.now != 1.0 {
                frame.iter_mut().for_each(|sample| *sample *= self.now);
            }
            return;
        }
        let step = (self.wanted - self.now) / FRAME_SAMPLES as f32;
        for sample in frame.iter_mut() {
            self.now += step;
            *sample *= self.now;
        }
        self.now = self.wanted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn muting_ramps_down_and_then_is_silent() {
        let mut gain = Gain::new(1.0);
        let mut frame = Frame::silent();
        frame.fill(0.5);
        gain.set(0.0);
        gain.process(&mut frame);
        assert!(
            frame.windows(2).all(|w| w[1] < w[0]),
            "the ramp falls all the way"
        );
        assert!(frame[0] > 0.49 && frame[FRAME_SAMPLES - 1].abs() < 1e-4);
        frame.fill(0.5);
        gain.process(&mut frame);
        assert_eq!(frame, Frame::silent());
        assert!(gain.is_silent());
    }

    #[test]
    fn unity_changes_nothing() {
        let mut gain = Gain::new(1.0);
        let mut frame = Frame::silent();
        frame.fill(0.25);
        gain.process(&mut frame);
        assert!(frame.iter().all(|&s| s == 0.25));
    }
}

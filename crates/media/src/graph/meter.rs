//! Level meter: how loud a stream is, named as in W3C webrtc-stats.

use crate::graph::frame::{FRAME_DURATION, Frame};

/// Frames quieter than this count as silence (-50 dBFS mean power).
pub const SILENCE_POWER: f32 = 1e-5;

/// Running level of one stream.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    level: f32,
    total_energy: f64,
    total_seconds: f64,
}

impl Meter {
    /// Takes one frame into account.
    pub fn measure(&mut self, frame: &Frame) {
        let power = frame.power();
        self.level = frame.peak();
        self.total_energy += f64::from(power) * FRAME_DURATION.as_secs_f64();
        self.total_seconds += FRAME_DURATION.as_secs_f64();
    }

    /// Peak of the last frame, 0.0 to 1.0 (`audioLevel`).
    pub fn audio_level(&self) -> f32 {
        self.level
    }

    /// Sum of mean power x seconds over all frames (`totalAudioEnergy`).
    pub fn total_audio_energy(&self) -> f64 {
        self.total_energy
    }

    /// Seconds of sound measured (`totalSamplesDuration`).
    pub fn total_samples_duration(&self) -> f64 {
        self.total_seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_adds_up_over_time() {
        let mut meter = Meter::default();
        let mut frame = Frame::silent();
        frame.fill(0.5);
        for _ in 0..50 {
            meter.measure(&frame);
        }
        assert!((meter.total_audio_energy() - 0.25).abs() < 1e-6);
        assert!((meter.total_samples_duration() - 1.0).abs() < 1e-9);
        assert_eq!(meter.audio_level(), 0.5);
    }
}

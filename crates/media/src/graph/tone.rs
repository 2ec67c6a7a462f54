//! A sine whose phase is exact for as long as the call lasts.

use crate::graph::frame::{FRAME_SAMPLES, Frame, SAMPLE_RATE};

/// A sine of one frequency at -6 dBFS (half scale) unless told otherwise.
///
/// The phase is kept as an integer count of 1/1000 Hz steps modulo one second, so it does not drift however long
/// the tone runs, and a frequency of whole millihertz repeats exactly each 1000 seconds.
#[derive(Clone, Debug)]
pub struct Tone {
    /// Phase in units of 1 / (1000 x 48000) of a turn.
    phase: u64,
    step: u64,
    amplitude: f32,
}

/// Units of phase in one turn.
const TURN: u64 = 1000 * SAMPLE_RATE as u64;

impl Tone {
    /// A tone of `hertz` (rounded to 1/1000 Hz, folded below half the sampling rate).
    pub fn new(hertz: f64) -> Self {
        let millihertz = (hertz.abs() * 1000.0).round().min(TURN as f64 / 2.0);
        Self {
            phase: 0,
            step: millihertz as u64,
            amplitude: 0.5,
        }
    }

    /// The same tone with another amplitude (1.0 is full scale).
    pub fn with_amplitude(self, amplitude: f32) -> Self {
        Self { amplitude, ..self }
    }

    /// Writes the next 20 ms.
    pub fn read(&mut self, frame: &mut Frame) {
        for sample in frame.iter_mut() {
            let turn = self.phase as f64 / TURN as f64;
            *sample = self.amplitude * (turn * std::f64::consts::TAU).sin() as f32;
            self.phase += self.step;
            if self.phase >= TURN {
                self.phase -= TURN;
            }
        }
    }

    /// Leaves out `frames` frames, as if they had been read.
    pub fn skip(&mut self, frames: u64) {
        let samples = u128::from(frames) * FRAME_SAMPLES as u128;
        let advanced = u128::from(self.phase) + samples * u128::from(self.step);
        self.phase = (advanced % u128::from(TURN)) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phase_is_exact_after_an_hour() {
        let mut walked = Tone::new(1004.0);
        let mut frame = Frame::silent();
        for _ in 0..50 * 10 {
            walked.read(&mut frame);
        }
        let mut jumped = Tone::new(1004.0);
        jumped.skip(50 * 3600);
        jumped.read(&mut frame);
        // 3600 s hold a whole number of turns, so the hour starts like the first second did.
        let mut fresh = Tone::new(1004.0);
        let mut first = Frame::silent();
        fresh.read(&mut first);
        assert_eq!(frame, first);
        // And ten seconds that were walked end where ten seconds that were jumped end.
        let mut again = Frame::silent();
        walked.read(&mut again);
        assert_eq!(again, first);
    }

    #[test]
    fn power_is_that_of_a_half_scale_sine() {
        let mut tone = Tone::new(1000.0);
        let mut frame = Frame::silent();
        tone.read(&mut frame);
        assert!((frame.power() - 0.125).abs() < 1e-4, "{}", frame.power());
        assert!((frame.peak() - 0.5).abs() < 1e-3);
    }

    #[test]
    fn an_absurd_frequency_stays_below_half_the_rate() {
        let mut tone = Tone::new(f64::MAX);
        let mut frame = Frame::silent();
        tone.read(&mut frame);
        assert!(frame.iter().all(|s| s.is_finite()));
        let mut tone = Tone::new(f64::NAN);
        tone.read(&mut frame);
        assert!(frame.iter().all(|s| s.is_finite()));
    }
}

//! How clean a single tone was heard: a sine is fitted by least squares, what is left over is noise.
//!
//! For recordings, not for the real-time path.

use std::f64::consts::TAU;
use std::time::Duration;

/// Windows quieter than this part (-20 dB) of the loudest one hold no tone: pauses, beginning, end.
const ACTIVE_PART: f64 = 0.1;
/// And so do those below this level (-60 dB of full scale).
const SILENCE_FLOOR: f64 = 0.001;

/// What was heard of a tone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tone {
    /// Power of the tone over that of everything else, in dB; at most 200.
    pub snr_db: f64,
    /// Level of the tone: root mean square in dB of full scale (a full-scale sine has -3.01).
    pub level_dbfs: f64,
    /// The frequency that the phase moves at from window to window, in Hz: tells clock drift.
    pub frequency: f64,
    /// How long a tone was heard.
    pub heard: Duration,
}

/// Measures the tone of `frequency` Hz in mono `samples` at `sample_rate` Hz, in windows of 50 ms. Windows without it, and those at its
/// beginning and end, are passed over. `None` when nothing is heard for three windows on end.
#[must_use]
pub fn measure(samples: &[f32], sample_rate: u32, frequency: f64) -> Option<Tone> {
    let window = usize::try_from(sample_rate / 20)
        .ok()
        .filter(|window| *window >= 8)?;
    let step = TAU * frequency / f64::from(sample_rate);
    if !(step > 0.0 && step < TAU / 2.0) {
        return None;
    }
    let loudness: Vec<f64> = samples
        .chunks_exact(window)
        .map(|chunk| power(chunk).sqrt())
        .collect();
    let loudest = loudness.iter().copied().fold(0.0, f64::max);
    let threshold = (loudest * ACTIVE_PART).max(SILENCE_FLOOR);
    let active = |index: Option<usize>| {
        index
            .and_then(|index| loudness.get(index))
            .is_some_and(|level| *level >= threshold)
    };

    let (mut tone, mut rest, mut count) = (0.0, 0.0, 0_usize);
    let mut turns = Turns::default();
    for (index, chunk) in samples.chunks_exact(window).enumerate() {
        if !(active(Some(index)) && active(index.checked_sub(1)) && active(index.checked_add(1))) {
            turns.interrupt();
            continue;
        }
        let fit = Fit::of(chunk, step, index * window)?;
        tone += fit.tone_power;
        rest += fit.rest_power;
        count += 1;
        turns.add(fit.phase);
    }
    if count == 0 {
        return None;
    }
    let seconds = window as f64 / f64::from(sample_rate);
    Some(Tone {
        snr_db: (10.0 * (tone / rest.max(tone * 1e-20)).log10()).min(200.0),
        level_dbfs: 10.0 * (tone / count as f64).max(1e-20).log10(),
        frequency: frequency + turns.mean() / (TAU * seconds),
        heard: Duration::from_secs_f64(seconds * count as f64),
    })
}

/// `a cos + b sin + c` in one window.
struct Fit {
    tone_power: f64,
    rest_power: f64,
    phase: f64,
}

impl Fit {
    /// Least squares by the normal equations; the phase counts from the recording's first sample.
    fn of(samples: &[f32], step: f64, begin: usize) -> Option<Self> {
        let base = |index: usize| {
            let (sin, cos) = (step * (begin + index) as f64).sin_cos();
            [cos, sin, 1.0]
        };
        let mut matrix = [[0.0; 3]; 3];
        let mut right = [0.0; 3];
        for (index, sample) in samples.iter().enumerate() {
            let functions = base(index);
            for ((row, value), left) in matrix.iter_mut().zip(&mut right).zip(functions) {
                for (cell, function) in row.iter_mut().zip(functions) {
                    *cell += left * function;
                }
                *value += left * f64::from(*sample);
            }
        }
        let [a, b, c] = solve(matrix, right)?;
        let rest = samples.iter().enumerate().map(|(index, sample)| {
            let [cos, sin, one] = base(index);
            (f64::from(*sample) - a * cos - b * sin - c * one).powi(2)
        });
        let rest_power = rest.sum::<f64>() / samples.len().max(1) as f64;
        Some(Self {
            tone_power: (a * a + b * b) / 2.0,
            rest_power,
            phase: (-b).atan2(a),
        })
    }
}

/// Cramer's rule; `None` when the functions cannot be told apart.
fn solve(matrix: [[f64; 3]; 3], right: [f64; 3]) -> Option<[f64; 3]> {
    let determinant = |[[a, b, c], [d, e, f], [g, h, i]]: [[f64; 3]; 3]| {
        a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    };
    let whole = determinant(matrix);
    if whole.abs() < 1e-9 || !whole.is_finite() {
        return None;
    }
    let [[a, b, c], [d, e, f], [g, h, i]] = matrix;
    let [x, y, z] = right;
    Some([
        determinant([[x, b, c], [y, e, f], [z, h, i]]) / whole,
        determinant([[a, x, c], [d, y, f], [g, z, i]]) / whole,
        determinant([[a, b, x], [d, e, y], [g, h, z]]) / whole,
    ])
}

/// Mean phase step from window to window.
#[derive(Default)]
struct Turns {
    before: Option<f64>,
    sum: f64,
    count: u32,
}

impl Turns {
    fn interrupt(&mut self) {
        self.before = None;
    }

    fn add(&mut self, phase: f64) {
        if let Some(before) = self.before {
            let turn = phase - before;
            self.sum += turn - TAU * (turn / TAU).round();
            self.count += 1;
        }
        self.before = Some(phase);
    }

    fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

fn power(samples: &[f32]) -> f64 {
    samples
        .iter()
        .map(|sample| f64::from(*sample).powi(2))
        .sum::<f64>()
        / samples.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    const RATE: u32 = 48_000;

    fn sine(frequency: f64, amplitude: f64, seconds: f64) -> Vec<f32> {
        (0..(seconds * f64::from(RATE)) as usize)
            .map(|index| {
                (amplitude * (TAU * frequency * index as f64 / f64::from(RATE) + 0.3).sin()) as f32
            })
            .collect()
    }

    #[test]
    fn a_pure_tone_is_clean_and_its_level_known() {
        let tone = measure(&sine(1004.0, 0.5, 2.0), RATE, 1004.0).unwrap();
        assert!(tone.snr_db > 120.0, "{tone:?}");
        assert!((tone.level_dbfs + 9.03).abs() < 0.01, "{tone:?}");
        assert!((tone.frequency - 1004.0).abs() < 0.001, "{tone:?}");
    }

    #[test]
    fn added_noise_is_measured_in_db() {
        let mut rng = StdRng::from_seed([4; 32]);
        // Tone power 0.125; uniform noise of +-0.05 has power 0.05^2 / 3: 21.76 dB.
        let noisy: Vec<f32> = sine(1004.0, 0.5, 2.0)
            .iter()
            .map(|sample| sample + rng.random_range(-0.05..0.05))
            .collect();
        let tone = measure(&noisy, RATE, 1004.0).unwrap();
        assert!((tone.snr_db - 21.76).abs() < 0.3, "{tone:?}");
    }

    #[test]
    fn a_second_line_and_clipping_count_as_noise() {
        let both: Vec<f32> = sine(1004.0, 0.5, 1.0)
            .iter()
            .zip(sine(1600.0, 0.05, 1.0))
            .map(|(one, two)| one + two)
            .collect();
        assert!((measure(&both, RATE, 1004.0).unwrap().snr_db - 20.0).abs() < 0.5);
        let clipped: Vec<f32> = sine(1004.0, 1.0, 1.0)
            .iter()
            .map(|sample| sample.clamp(-0.5, 0.5))
            .collect();
        assert!(measure(&clipped, RATE, 1004.0).unwrap().snr_db < 20.0);
    }

    #[test]
    fn silence_around_and_an_offset_do_not_matter() {
        let mut samples = vec![0.0; 12_345];
        samples.extend(sine(1004.0, 0.3, 1.0));
        samples.extend(vec![0.0; 40_000]);
        samples.extend(sine(1004.0, 0.3, 1.0));
        let samples: Vec<f32> = samples.iter().map(|sample| sample + 0.0001).collect();
        let tone = measure(&samples, RATE, 1004.0).unwrap();
        assert!(tone.snr_db > 60.0, "{tone:?}");
        assert!(
            tone.heard > Duration::from_millis(1700) && tone.heard < Duration::from_secs(2),
            "{tone:?}"
        );
    }

    #[test]
    fn a_clock_that_drifts_shows_in_the_frequency() {
        let tone = measure(&sine(1004.2, 0.5, 2.0), RATE, 1004.0).unwrap();
        assert!((tone.frequency - 1004.2).abs() < 0.01, "{tone:?}");
    }

    #[test]
    fn without_a_tone_there_is_no_measure() {
        assert_eq!(measure(&vec![0.0; 48_000], RATE, 1004.0), None);
        assert_eq!(measure(&[], RATE, 1004.0), None);
        assert_eq!(measure(&sine(1004.0, 0.5, 1.0), 0, 1004.0), None);
        assert_eq!(measure(&sine(1004.0, 0.5, 1.0), RATE, 30_000.0), None);
        assert_eq!(measure(&vec![f32::NAN; 48_000], RATE, 1004.0), None);
        let other = measure(&sine(440.0, 0.5, 1.0), RATE, 1004.0).unwrap();
        assert!(other.snr_db < -10.0, "{other:?}");
    }
}

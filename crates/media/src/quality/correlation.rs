//! Proof that a recording holds what was played: normalized cross-correlation window by window, and the delay in between.
//!
//! For recordings, not for the real-time path: it allocates, and takes seconds of audio at once.

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;
use std::time::Duration;

/// A window of what was sent that is quieter than this part of the whole (-30 dB) is silence, and proves nothing.
const SILENCE_BELOW_MEAN: f64 = 0.0316;
/// And so is one below this level (-60 dB of full scale), whatever the rest.
const SILENCE_FLOOR: f64 = 0.001;

/// Where to look, and in which steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// Length of a window. Within one the delay counts as constant; short windows bear drift and jumps of a jitter buffer better.
    pub window: Duration,
    /// How much earlier than sent something may be heard, where the two recordings do not begin at the same moment.
    pub lead: Duration,
    /// Longest delay looked for.
    pub longest: Duration,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(1),
            lead: Duration::ZERO,
            longest: Duration::from_secs(2),
        }
    }
}

/// One window of what was sent, found again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Where it begins in what was sent.
    pub at: Duration,
    /// How much later it was heard, in ms; negative within [`Search::lead`].
    pub delay_ms: f64,
    /// How alike, -1 to 1.
    pub coefficient: f64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Correlation {
    /// Each window with sound in it.
    pub windows: Vec<Window>,
    /// Windows passed over because nothing was sent in them.
    pub silent: usize,
    /// Median over the windows: the figure to judge by.
    pub median: f64,
    /// Mean over the windows.
    pub mean: f64,
    /// Of all windows together, each at its own delay: loud ones weigh more.
    pub overall: f64,
    /// Median delay in ms: mouth to ear, when both recordings begin at the same moment.
    pub delay_ms: f64,
}

/// Why two recordings cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotComparable {
    /// Shorter than one window, or silence all through.
    #[error("what was sent has no sound in it that could be found again")]
    NothingSent,
    /// Empty.
    #[error("the recording is empty")]
    NothingHeard,
    /// No sample rate, or windows of no length.
    #[error("the sample rate and the window must not be zero")]
    NoScale,
}

/// Finds what was `sent` in what was `heard`, both mono at `sample_rate` Hz. Time that is missing at the end of `heard` counts as
/// silence heard.
///
/// # Errors
/// [`NotComparable`].
pub fn correlate(
    sent: &[f32],
    heard: &[f32],
    sample_rate: u32,
    search: &Search,
) -> Result<Correlation, NotComparable> {
    let samples =
        |duration: Duration| (duration.as_secs_f64() * f64::from(sample_rate)).round() as usize;
    let (window, lead, longest) = (
        samples(search.window),
        samples(search.lead),
        samples(search.longest),
    );
    if window == 0 {
        return Err(NotComparable::NoScale);
    }
    if heard.is_empty() {
        return Err(NotComparable::NothingHeard);
    }
    let sent = without_offset(sent);
    let heard = without_offset(heard);
    let threshold = (root_mean_square(&sent) * SILENCE_BELOW_MEAN).max(SILENCE_FLOOR);
    let mut finder = Finder::new(window, lead + longest);
    let mut found = Vec::new();
    let mut silent = 0;
    let mut together = Products::default();
    for (index, pattern) in sent.chunks_exact(window).enumerate() {
        if root_mean_square(pattern) < threshold {
            silent += 1;
            continue;
        }
        let begin = index * window;
        let (shift, products) = finder.best(pattern, |offset| {
            let position = (begin + offset).checked_sub(lead)?;
            heard.get(position).copied()
        });
        together.add(&products);
        found.push(Window {
            at: Duration::from_secs_f64(begin as f64 / f64::from(sample_rate)),
            delay_ms: (shift as f64 - lead as f64) * 1000.0 / f64::from(sample_rate),
            coefficient: products.coefficient(),
        });
    }
    if found.is_empty() {
        return Err(NotComparable::NothingSent);
    }
    let coefficients: Vec<f64> = found.iter().map(|window| window.coefficient).collect();
    Ok(Correlation {
        silent,
        median: median(coefficients.clone()),
        mean: coefficients.iter().sum::<f64>() / coefficients.len() as f64,
        overall: together.coefficient(),
        delay_ms: median(found.iter().map(|window| window.delay_ms).collect()),
        windows: found,
    })
}

/// Sums that a coefficient is made of.
#[derive(Debug, Clone, Copy, Default)]
struct Products {
    cross: f64,
    sent: f64,
    heard: f64,
}

impl Products {
    fn coefficient(&self) -> f64 {
        let scale = (self.sent * self.heard).sqrt();
        if scale > 0.0 {
            (self.cross / scale).clamp(-1.0, 1.0)
        } else {
            0.0
        }
    }

    fn add(&mut self, other: &Self) {
        self.cross += other.cross;
        self.sent += other.sent;
        self.heard += other.heard;
    }
}

/// Cross-correlation of a window with all its possible places, by FFT.
struct Finder {
    window: usize,
    shifts: usize,
    forward: Arc<dyn Fft<f64>>,
    inverse: Arc<dyn Fft<f64>>,
    pattern: Vec<Complex<f64>>,
    field: Vec<Complex<f64>>,
}

impl Finder {
    fn new(window: usize, shifts: usize) -> Self {
        let size = (2 * window + shifts).next_power_of_two();
        let mut planner = FftPlanner::new();
        Self {
            window,
            shifts,
            forward: planner.plan_fft_forward(size),
            inverse: planner.plan_fft_inverse(size),
            pattern: vec![Complex::default(); size],
            field: vec![Complex::default(); size],
        }
    }

    /// The shift at which `pattern` is most like the field, which is silence where `heard` has nothing.
    fn best(&mut self, pattern: &[f64], heard: impl Fn(usize) -> Option<f64>) -> (usize, Products) {
        self.pattern.fill(Complex::default());
        self.field.fill(Complex::default());
        for (cell, value) in self.pattern.iter_mut().zip(pattern) {
            cell.re = *value;
        }
        let field: Vec<f64> = (0..self.window + self.shifts)
            .map(|offset| heard(offset).unwrap_or(0.0))
            .collect();
        for (cell, value) in self.field.iter_mut().zip(&field) {
            cell.re = *value;
        }
        self.forward.process(&mut self.pattern);
        self.forward.process(&mut self.field);
        for (field, pattern) in self.field.iter_mut().zip(&self.pattern) {
            *field *= pattern.conj();
        }
        self.inverse.process(&mut self.field);
        let scale = 1.0 / self.field.len() as f64;

        let sent: f64 = pattern.iter().map(|value| value * value).sum();
        // Running sums of squares: the energy of each place in constant time. Far quieter places than the loudest hold rounding
        // errors only, and are taken as silence.
        let sums: Vec<f64> = std::iter::once(0.0)
            .chain(field.iter().scan(0.0, |sum, value| {
                *sum += value * value;
                Some(*sum)
            }))
            .collect();
        let floor = (sums.last().copied().unwrap_or(0.0) * 1e-9).max(1e-12);
        let mut best = (
            0,
            Products {
                sent,
                ..Products::default()
            },
        );
        let ends = sums.iter().skip(self.window);
        for (shift, ((cross, begin), end)) in self.field.iter().zip(&sums).zip(ends).enumerate() {
            let energy = end - begin;
            if energy <= floor {
                continue;
            }
            let products = Products {
                cross: cross.re * scale,
                sent,
                heard: energy,
            };
            if products.coefficient() > best.1.coefficient() {
                best = (shift, products);
            }
        }
        best
    }
}

fn without_offset(samples: &[f32]) -> Vec<f64> {
    let clean = samples.iter().map(|sample| {
        if sample.is_finite() {
            f64::from(*sample)
        } else {
            0.0
        }
    });
    let mean = clean.clone().sum::<f64>() / samples.len().max(1) as f64;
    clean.map(|sample| sample - mean).collect()
}

fn root_mean_square(samples: &[f64]) -> f64 {
    (samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or(0.0);
    let lower = values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(0.0);
    (lower + upper) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    const RATE: u32 = 8_000;

    /// Something like speech: low-passed noise with a slow envelope, and a pause of 1.5 s in the middle.
    fn speech(seconds: usize) -> Vec<f32> {
        let mut rng = StdRng::from_seed([9; 32]);
        let mut low = 0.0;
        (0..seconds * RATE as usize)
            .map(|index| {
                low += 0.3 * (rng.random_range(-1.0..1.0) - low);
                let at = index as f32 / RATE as f32;
                let pause = (at - seconds as f32 / 2.0).abs() < 0.75;
                if pause {
                    0.0
                } else {
                    low * (0.6 + 0.4 * (at * 9.0).sin())
                }
            })
            .collect()
    }

    fn delayed(signal: &[f32], samples: usize) -> Vec<f32> {
        let mut heard = vec![0.0; samples];
        heard.extend(signal);
        heard
    }

    #[test]
    fn a_delayed_copy_is_found_with_its_delay() {
        let sent = speech(6);
        let heard: Vec<f32> = delayed(&sent, 4_000)
            .iter()
            .map(|sample| sample * 0.2 + 0.05)
            .collect();
        let found = correlate(&sent, &heard, RATE, &Search::default()).unwrap();
        assert!(found.median > 0.999 && found.overall > 0.99, "{found:?}");
        assert!((found.delay_ms - 500.0).abs() < 0.2, "{found:?}");
        assert_eq!(found.windows.len() + found.silent, 6);
    }

    #[test]
    fn what_begins_earlier_is_found_within_the_lead() {
        let sent = speech(6);
        let heard = sent[800..].to_vec();
        let search = Search {
            lead: Duration::from_millis(300),
            ..Search::default()
        };
        let found = correlate(&sent, &heard, RATE, &search).unwrap();
        assert!((found.delay_ms + 100.0).abs() < 0.2, "{found:?}");
        assert!(found.median > 0.99);
    }

    #[test]
    fn silence_and_other_sounds_do_not_correlate() {
        let sent = speech(6);
        let silence = vec![0.0; sent.len()];
        let found = correlate(&sent, &silence, RATE, &Search::default()).unwrap();
        assert_eq!((found.median, found.overall), (0.0, 0.0));
        let mut rng = StdRng::from_seed([1; 32]);
        let noise: Vec<f32> = (0..sent.len())
            .map(|_| rng.random_range(-0.5..0.5))
            .collect();
        let found = correlate(&sent, &noise, RATE, &Search::default()).unwrap();
        assert!(found.median < 0.3, "{found:?}");
    }

    #[test]
    fn noise_lowers_the_coefficient_as_theory_says() {
        let sent = speech(6);
        let level = root_mean_square(&without_offset(&sent[..8_000]));
        let mut rng = StdRng::from_seed([2; 32]);
        // Uniform noise of the same power: coefficient 1 / sqrt(2).
        let amplitude = (level * 3_f64.sqrt()) as f32;
        let heard: Vec<f32> = sent
            .iter()
            .map(|sample| sample + rng.random_range(-amplitude..amplitude))
            .collect();
        let found = correlate(&sent, &heard, RATE, &Search::default()).unwrap();
        assert!(
            (found.windows[0].coefficient - 0.707).abs() < 0.05,
            "{found:?}"
        );
    }

    #[test]
    fn a_drifting_delay_is_followed_window_by_window() {
        let sent = speech(10);
        // 200 ppm slower, and a jump of 60 ms at 7 s, as a jitter buffer makes.
        let heard: Vec<f32> = (0..sent.len() + 4_000)
            .map(|index| {
                let position =
                    index as f64 / 1.0002 - 800.0 - if index > 56_000 { 480.0 } else { 0.0 };
                let whole = position.floor();
                let part = (position - whole) as f32;
                let at = |offset: f64| {
                    (whole + offset >= 0.0)
                        .then(|| sent.get((whole + offset) as usize))
                        .flatten()
                        .copied()
                        .unwrap_or(0.0)
                };
                at(0.0) * (1.0 - part) + at(1.0) * part
            })
            .collect();
        let found = correlate(&sent, &heard, RATE, &Search::default()).unwrap();
        assert!(found.median > 0.9, "{found:?}");
        let (first, last) = (
            found.windows.first().unwrap(),
            found.windows.last().unwrap(),
        );
        assert!(
            (first.delay_ms - 100.0).abs() < 1.0 && (last.delay_ms - 161.8).abs() < 1.0,
            "{found:?}"
        );
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        let sent = speech(2);
        let search = Search::default();
        assert_eq!(
            correlate(&[0.0; 16_000], &sent, RATE, &search),
            Err(NotComparable::NothingSent)
        );
        assert_eq!(
            correlate(&sent[..100], &sent, RATE, &search),
            Err(NotComparable::NothingSent)
        );
        assert_eq!(
            correlate(&sent, &[], RATE, &search),
            Err(NotComparable::NothingHeard)
        );
        assert_eq!(
            correlate(&sent, &sent, 0, &search),
            Err(NotComparable::NoScale)
        );
        let broken = vec![f32::NAN; 16_000];
        assert_eq!(
            correlate(&sent, &broken, RATE, &search).unwrap().median,
            0.0
        );
    }
}

//! Fixed-ratio resampling in 10 ms steps or shorter, without allocation once built.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

/// Why a pair of rates cannot be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot convert sound from {from} Hz to {to} Hz; use a rate between 8000 and 192000 Hz")]
pub struct UnsupportedRate {
    /// Rate that was given.
    pub from: u32,
    /// Rate that was wanted.
    pub to: u32,
}

/// Converts a mono stream between two fixed rates; delay is at most 10 ms.
///
/// Samples may come in any number; they are kept until a whole step is there.
#[derive(Debug)]
pub struct Resampler {
    fft: Fft<f32>,
    step_in: usize,
    step_out: usize,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Resampler {
    /// A converter from `from` to `to` hertz (both 8000 to 192000).
    ///
    /// # Errors
    /// [`UnsupportedRate`] when one of the rates is out of range or the ratio is too odd to keep the delay short.
    pub fn new(from: u32, to: u32) -> Result<Self, UnsupportedRate> {
        let refused = UnsupportedRate { from, to };
        if !(8_000..=192_000).contains(&from) || !(8_000..=192_000).contains(&to) {
            return Err(refused);
        }
        let step = from as usize / 100;
        let fft = Fft::new_custom(
            from as usize,
            to as usize,
            step,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|_| refused.clone())?;
        let (step_in, step_out) = (fft.input_frames_max(), fft.output_frames_max());
        if step_in > from as usize / 4 {
            return Err(refused);
        }
        Ok(Self {
            fft,
            step_in,
            step_out,
            input: Vec::with_capacity(step_in),
            output: vec![0.0; step_out],
        })
    }

    /// Largest number of samples that one call of the output closure brings.
    pub fn step_out(&self) -> usize {
        self.step_out
    }

    /// Samples of input that one step takes.
    pub fn step_in(&self) -> usize {
        self.step_in
    }

    /// Delay in output samples.
    pub fn delay(&self) -> usize {
        self.fft.output_delay()
    }

    /// Takes samples in; `out` is called with each converted step.
    pub fn process(&mut self, mut samples: &[f32], mut out: impl FnMut(&[f32])) {
        while !samples.is_empty() {
            let missing = self.step_in - self.input.len();
            let (taken, rest) = samples.split_at(missing.min(samples.len()));
            self.input.extend_from_slice(taken);
            samples = rest;
            if self.input.len() < self.step_in {
                return;
            }
            let converted =
                SequentialSlice::new(&self.input[..], 1, self.step_in).and_then(|input| {
                    let output = SequentialSlice::new_mut(&mut self.output[..], 1, self.step_out)?;
                    Ok((input, output))
                });
            if let Ok((input, mut output)) = converted
                && self
                    .fft
                    .process_into_buffer(&input, &mut output, None)
                    .is_ok()
            {
                out(&self.output);
            }
            self.input.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: f64, rate: u32, count: usize) -> Vec<f32> {
        (0..count)
            .map(|n| {
                (0.5 * (n as f64 * hertz / f64::from(rate) * std::f64::consts::TAU).sin()) as f32
            })
            .collect()
    }

    /// Signal to noise ratio of `heard` against a sine of this frequency fitted by least squares, in dB.
    fn snr(heard: &[f32], hertz: f64, rate: u32) -> f64 {
        let (mut s, mut c) = (0.0, 0.0);
        let angle = |n: usize| n as f64 * hertz / f64::from(rate) * std::f64::consts::TAU;
        for (n, &x) in heard.iter().enumerate() {
            s += f64::from(x) * angle(n).sin();
            c += f64::from(x) * angle(n).cos();
        }
        let scale = 2.0 / heard.len() as f64;
        let (s, c) = (s * scale, c * scale);
        let signal = (s * s + c * c) / 2.0;
        let noise: f64 = heard
            .iter()
            .enumerate()
            .map(|(n, &x)| (f64::from(x) - s * angle(n).sin() - c * angle(n).cos()).powi(2))
            .sum::<f64>()
            / heard.len() as f64;
        10.0 * (signal / noise).log10()
    }

    #[test]
    fn every_telephone_and_disc_rate_reaches_48_khz_cleanly() {
        for from in [
            8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 96_000,
        ] {
            let mut resampler = Resampler::new(from, 48_000).unwrap();
            let mut heard = Vec::new();
            for chunk in sine(1000.0, from, from as usize).chunks(117) {
                resampler.process(chunk, |out| heard.extend_from_slice(out));
            }
            assert!(
                heard.len() > 47_000 && heard.len() <= 48_000,
                "{from}: {}",
                heard.len()
            );
            let ratio = snr(&heard[2400..2400 + 43_200], 1000.0, 48_000);
            assert!(ratio > 90.0, "{from} Hz: {ratio} dB");
            assert!(
                resampler.delay() <= 480 * 2,
                "{from} Hz: delay {}",
                resampler.delay()
            );
        }
    }

    #[test]
    fn a_rate_out_of_range_is_refused_by_name() {
        let refusal = Resampler::new(4_000, 48_000).unwrap_err();
        assert!(refusal.to_string().contains("4000 Hz"), "{refusal}");
        assert!(Resampler::new(48_000, 400_000).is_err());
    }
}

//! Comfort noise (RFC 3389) for codecs of 8 kHz: noise of the level and colour that the far end describes.

/// Most reflection coefficients that are used; RFC 3389 section 3 leaves the order open, and ears stop earlier.
const MAX_ORDER: usize = 12;
/// Samples at 48 kHz for one at the codec's own rate.
const STEP: usize = 6;
/// Straight lines between samples of noise lose a third of its power.
const INTERPOLATION_GAIN: f32 = 1.224_745;
/// Keeps the synthesis filter stable.
const MOST_REFLECTION: f32 = 0.98;
/// The noise swells to its level in 10 ms.
const SWELL: f32 = 1.0 / 480.0;

/// Makes noise after a description; silent before the first one.
#[derive(Debug)]
pub(crate) struct ComfortNoise {
    random: u32,
    /// Root mean square of the noise, 1 being a full-scale square wave, and of what excites the filter for it.
    excitation: f32,
    reflections: [f32; MAX_ORDER],
    order: usize,
    state: [f32; MAX_ORDER + 1],
    from: f32,
    to: f32,
    phase: usize,
    swell: f32,
}

impl ComfortNoise {
    pub(crate) const fn new() -> Self {
        Self {
            random: 0x9E37_79B9,
            excitation: 0.0,
            reflections: [0.0; MAX_ORDER],
            order: 0,
            state: [0.0; MAX_ORDER + 1],
            from: 0.0,
            to: 0.0,
            phase: 0,
            swell: 0.0,
        }
    }

    /// Takes a payload in (RFC 3389 section 3): the level in -dBov, then reflection coefficients, none of which has to be there.
    pub(crate) fn describe(&mut self, payload: &[u8]) {
        let (&level, reflections) = payload.split_first().unwrap_or((&127, &[]));
        let level = 10.0_f32.powf(-f32::from(level & 0x7F) / 20.0);
        self.order = reflections.len().min(MAX_ORDER);
        let mut left = 1.0;
        for (ours, theirs) in self.reflections.iter_mut().zip(reflections) {
            let reflection = 258.0 * (f32::from(*theirs) - 127.0) / 32_768.0;
            *ours = reflection.clamp(-MOST_REFLECTION, MOST_REFLECTION);
            left *= 1.0 - *ours * *ours;
        }
        self.excitation = level * left.sqrt();
    }

    /// Another pause begins, and with it another swell.
    pub(crate) const fn begin(&mut self) {
        self.swell = 0.0;
    }

    /// The next sample at 48 kHz, and how far the noise has swelled: 0 to 1.
    pub(crate) fn next(&mut self) -> (f32, f32) {
        if self.phase == 0 {
            self.from = self.to;
            self.to = self.filtered();
        }
        let part = self.phase as f32 / STEP as f32;
        self.phase = (self.phase + 1) % STEP;
        self.swell = (self.swell + SWELL).min(1.0);
        let sample = self.from + (self.to - self.from) * part;
        ((sample * INTERPOLATION_GAIN).clamp(-1.0, 1.0), self.swell)
    }

    /// One sample of noise at 8 kHz through the all-pole lattice of the reflection coefficients.
    fn filtered(&mut self) -> f32 {
        // xorshift32: noise for the ear, not for secrets.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        let uniform = self.random as f32 / (u32::MAX / 2) as f32 - 1.0;
        let mut forward = uniform * 3.0_f32.sqrt() * self.excitation;
        for at in (0..self.order).rev() {
            let reflection = self.reflections[at];
            forward -= reflection * self.state[at];
            self.state[at + 1] = self.state[at] + reflection * forward;
        }
        self.state[0] = forward;
        forward
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn power(noise: &mut ComfortNoise) -> f32 {
        let samples = 48_000;
        (0..samples).map(|_| noise.next().0.powi(2)).sum::<f32>() / samples as f32
    }

    #[test]
    fn the_level_is_what_the_payload_says() {
        for level in [30u8, 50, 70] {
            let mut noise = ComfortNoise::new();
            noise.describe(&[level]);
            let found = -10.0 * power(&mut noise).log10();
            assert!(
                (found - f32::from(level)).abs() < 1.0,
                "{found} for {level}"
            );
        }
        assert_eq!(power(&mut ComfortNoise::new()), 0.0);
    }

    #[test]
    fn colour_moves_power_to_low_frequencies_and_keeps_the_level() {
        // A first reflection coefficient of -0.5: neighbours are alike.
        let mut noise = ComfortNoise::new();
        noise.describe(&[40, 127 - 64]);
        let samples: Vec<f32> = (0..48_000).map(|_| noise.next().0).step_by(STEP).collect();
        let power: f32 = samples.iter().map(|sample| sample * sample).sum();
        let alike: f32 = samples.windows(2).map(|pair| pair[0] * pair[1]).sum();
        assert!((alike / power - 0.5).abs() < 0.05, "{}", alike / power);
    }

    proptest! {
        #[test]
        fn no_payload_makes_it_loud_or_unstable(payload in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut noise = ComfortNoise::new();
            noise.describe(&payload);
            for _ in 0..4_800 {
                let (sample, swell) = noise.next();
                prop_assert!(sample.abs() <= 1.0 && (0.0..=1.0).contains(&swell));
            }
        }
    }
}

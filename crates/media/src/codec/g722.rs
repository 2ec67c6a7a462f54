//! G.722 at 64 kbit/s (ITU-T G.722): 7 kHz speech as two bands of adaptive differential PCM, one byte for two samples.
//!
//! Block names are those of the recommendation's figures. All numbers are 16-bit samples and 15-bit fractions in wider
//! integers; every sum that may leave 16 bits is limited where the recommendation limits it.

use crate::codec::g722_tables as tables;

/// Samples that one byte stands for, at 16 kHz.
pub const SAMPLES_PER_BYTE: usize = 2;

/// Taps of the quadrature mirror filter.
const TAPS: usize = 24;
/// What the quantizers of both bands work with: 15 bits.
const BAND_MAX: i32 = 16_383;
const BAND_MIN: i32 = -16_384;

/// From samples at 16 kHz to bytes.
#[derive(Debug, Clone)]
pub struct G722Encoder {
    low: Band,
    high: Band,
    window: [i32; TAPS],
}

/// From bytes to samples at 16 kHz.
#[derive(Debug, Clone)]
pub struct G722Decoder {
    low: Band,
    high: Band,
    window: [i32; TAPS],
}

impl Default for G722Encoder {
    fn default() -> Self {
        Self {
            low: Band::new(32),
            high: Band::new(8),
            window: [0; TAPS],
        }
    }
}

impl Default for G722Decoder {
    fn default() -> Self {
        Self {
            low: Band::new(32),
            high: Band::new(8),
            window: [0; TAPS],
        }
    }
}

impl G722Encoder {
    /// The byte for the next two samples.
    pub fn encode(&mut self, first: i16, second: i16) -> u8 {
        shift_in(&mut self.window, i32::from(first), i32::from(second));
        let (odd, even) = filter(&self.window);
        let code_low = self.low.encode_low((even + odd) >> 14);
        let code_high = self.high.encode_high((even - odd) >> 14);
        // Two bits and six.
        (code_high << 6 | code_low) as u8
    }
}

impl G722Decoder {
    /// The two samples that a byte stands for.
    pub fn decode(&mut self, byte: u8) -> [i16; SAMPLES_PER_BYTE] {
        let low = self.low.decode_low(usize::from(byte & 0x3f));
        let high = self.high.decode_high(usize::from(byte >> 6));
        shift_in(&mut self.window, low + high, low - high);
        let (odd, even) = filter(&self.window);
        [to_i16(even >> 11), to_i16(odd >> 11)]
    }
}

/// The newest two samples come last.
fn shift_in(window: &mut [i32; TAPS], first: i32, second: i32) {
    window.copy_within(SAMPLES_PER_BYTE.., 0);
    window[TAPS - 2] = first;
    window[TAPS - 1] = second;
}

/// Both phases of the quadrature mirror filter: sums over the older and over the newer sample of each pair.
fn filter(window: &[i32; TAPS]) -> (i32, i32) {
    let mut sums = (0, 0);
    let taps = tables::QMF.iter().zip(tables::QMF.iter().rev());
    for (pair, (forward, backward)) in window.as_chunks::<2>().0.iter().zip(taps) {
        sums.0 += pair[0] * forward;
        sums.1 += pair[1] * backward;
    }
    sums
}

/// One band: adaptive predictor and adaptive quantizer.
#[derive(Debug, Clone)]
struct Band {
    /// Estimate of the signal (`s`), and its part from the zeros (`sz`).
    estimate: i32,
    zero_estimate: i32,
    /// Reconstructed signal, the last two (`r`), and their partial reconstruction (`p`).
    reconstructed: [i32; 2],
    partial: [i32; 2],
    /// Coefficients of the two poles (`a`) and the six zeros (`b`).
    poles: [i32; 2],
    zeros: [i32; 6],
    /// The last six quantized differences (`d`).
    differences: [i32; 6],
    /// Logarithm of the quantizer's scale (`nb`), and the scale (`det`).
    log_scale: i32,
    scale: i32,
}

impl Band {
    const fn new(scale: i32) -> Self {
        Self {
            estimate: 0,
            zero_estimate: 0,
            reconstructed: [0; 2],
            partial: [0; 2],
            poles: [0; 2],
            zeros: [0; 6],
            differences: [0; 6],
            log_scale: 0,
            scale,
        }
    }

    /// Quantizes a sample of the lower band into six bits.
    fn encode_low(&mut self, sample: i32) -> usize {
        let difference = limit(sample - self.estimate);
        let magnitude = magnitude(difference);
        let above = |level: &&i32| magnitude >= (**level * self.scale) >> 12;
        let step = tables::LEVELS_LOW.iter().take_while(above).count();
        let code = match difference < 0 {
            true => tables::CODES_LOW_NEGATIVE[step],
            false => tables::CODES_LOW_POSITIVE[step],
        };
        let code = usize::from(code);
        self.adapt_low(code >> 2);
        code
    }

    /// Quantizes a sample of the higher band into two bits.
    fn encode_high(&mut self, sample: i32) -> usize {
        let difference = limit(sample - self.estimate);
        let large = magnitude(difference) >= (564 * self.scale) >> 12;
        let code = match (difference < 0, large) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        };
        self.adapt_high(code);
        code
    }

    fn decode_low(&mut self, code: usize) -> i32 {
        let difference = (self.scale * tables::INVERSE_6[code]) >> 15;
        let sample = (self.estimate + difference).clamp(BAND_MIN, BAND_MAX);
        self.adapt_low(code >> 2);
        sample
    }

    fn decode_high(&mut self, code: usize) -> i32 {
        let difference = (self.scale * tables::INVERSE_2[code]) >> 15;
        let sample = (self.estimate + difference).clamp(BAND_MIN, BAND_MAX);
        self.adapt_high(code);
        sample
    }

    /// `code`: the four bits that both sides adapt by, so that the other two may be taken away on the way.
    fn adapt_low(&mut self, code: usize) {
        let difference = (self.scale * tables::INVERSE_4[code]) >> 15;
        let step = tables::SCALE_STEPS_LOW[code];
        self.adapt_scale(step, 18_432, 8);
        self.predict(difference);
    }

    fn adapt_high(&mut self, code: usize) {
        let difference = (self.scale * tables::INVERSE_2[code]) >> 15;
        let step = tables::SCALE_STEPS_HIGH[code];
        self.adapt_scale(step, 22_528, 10);
        self.predict(difference);
    }

    /// `LOGSCL`/`LOGSCH` and `SCALEL`/`SCALEH`.
    fn adapt_scale(&mut self, step: i32, most: i32, exponent: i32) {
        self.log_scale = (((self.log_scale * 127) >> 7) + step).clamp(0, most);
        // Below 32, as it is masked.
        let mantissa = tables::LOG_INVERSE[(self.log_scale >> 6 & 31) as usize];
        let shift = exponent - (self.log_scale >> 11);
        let linear = match shift < 0 {
            true => mantissa << -shift,
            false => mantissa >> shift,
        };
        self.scale = linear << 2;
    }

    /// The predictor takes in a quantized difference and makes the next estimate.
    fn predict(&mut self, difference: i32) {
        // RECONS, PARREC
        let reconstructed = limit(self.estimate + difference);
        let partial = limit(self.zero_estimate + difference);

        let first_same = same_sign(partial, self.partial[0]);
        let second_same = same_sign(partial, self.partial[1]);
        // UPPOL2
        let four = limit(self.poles[0] << 2);
        let four = if first_same {
            (-four).min(32_767)
        } else {
            four
        };
        let lean = if second_same { 128 } else { -128 };
        let second = lean + (four >> 7) + ((self.poles[1] * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);
        // UPPOL1
        let lean = if first_same { 192 } else { -192 };
        let most = limit(15_360 - second);
        let first = limit(lean + ((self.poles[0] * 32_640) >> 15)).clamp(-most, most);
        self.poles = [first, second];
        // UPZERO
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, old) in self.zeros.iter_mut().zip(&self.differences) {
            let lean = if same_sign(*old, difference) {
                step
            } else {
                -step
            };
            *zero = limit(lean + ((*zero * 32_640) >> 15));
        }
        // DELAYA
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];
        // FILTEP, FILTEZ, PREDIC
        let weigh = |(weight, value): (&i32, &i32)| (weight * limit(value + value)) >> 15;
        let poles = self.poles.iter().zip(&self.reconstructed).map(weigh).sum();
        let zeros = self.zeros.iter().zip(&self.differences).map(weigh).sum();
        self.zero_estimate = limit(zeros);
        self.estimate = limit(limit(poles) + self.zero_estimate);
    }
}

/// What the quantizers compare: a negative difference is one less.
const fn magnitude(difference: i32) -> i32 {
    if difference < 0 {
        -(difference + 1)
    } else {
        difference
    }
}

/// Zero counts as positive.
const fn same_sign(one: i32, other: i32) -> bool {
    (one < 0) == (other < 0)
}

fn limit(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

fn to_i16(value: i32) -> i16 {
    // In range after the clamp.
    limit(value) as i16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 0.2 s of sound at 16 kHz, what FFmpeg's encoder made of it, and what its decoder made of that;
    /// `tests/g722/README.md` says how.
    const INPUT: &[u8] = include_bytes!("../../tests/g722/input.s16le");
    const CODED: &[u8] = include_bytes!("../../tests/g722/coded.g722");
    const DECODED: &[u8] = include_bytes!("../../tests/g722/decoded.s16le");

    fn samples(bytes: &[u8]) -> Vec<i16> {
        let pairs = bytes.as_chunks::<2>().0.iter();
        pairs.map(|pair| i16::from_le_bytes(*pair)).collect()
    }

    fn encode(input: &[i16]) -> Vec<u8> {
        let mut encoder = G722Encoder::default();
        let pairs = input.as_chunks::<2>().0.iter();
        pairs
            .map(|[first, second]| encoder.encode(*first, *second))
            .collect()
    }

    fn decode(coded: &[u8]) -> Vec<i16> {
        let mut decoder = G722Decoder::default();
        coded
            .iter()
            .flat_map(|byte| decoder.decode(*byte))
            .collect()
    }

    #[test]
    fn decoding_is_bit_exact() {
        assert_eq!(decode(CODED), samples(DECODED));
    }

    #[test]
    fn encoding_is_bit_exact() {
        assert_eq!(encode(&samples(INPUT)), CODED);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_sound_and_any_bytes_are_taken(
            input in proptest::collection::vec(any::<i16>(), 0..2000),
            bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        ) {
            prop_assert_eq!(encode(&input).len(), input.len() / 2);
            prop_assert_eq!(decode(&bytes).len(), bytes.len() * 2);
        }

        /// Both sides keep the same state: what was heard in between changes nothing for long.
        #[test]
        fn a_decoder_that_missed_something_comes_back(
            noise in proptest::collection::vec(any::<u8>(), 1..200),
        ) {
            let input: Vec<i16> = (0..32_000)
                .map(|n| (f64::from(n) * 0.21).sin() * 9000.0)
                .map(|value| value as i16)
                .collect();
            let coded = encode(&input);
            let whole = decode(&coded);
            let mut disturbed = G722Decoder::default();
            for byte in noise {
                disturbed.decode(byte);
            }
            let late: Vec<i16> = coded.iter().flat_map(|byte| disturbed.decode(*byte)).collect();
            let apart = whole[30_000..].iter().zip(&late[30_000..]);
            let apart = apart.map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max();
            prop_assert!(apart < Some(600), "{:?}", apart);
        }
    }
}

//! G.711 (ITU-T G.711, RFC 3551): mu-law and A-law by tables, encoded to the nearest level.

/// One of the two laws of G.711.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// mu-law (PCMU), North America and Japan.
    Mu,
    /// A-law (PCMA), the rest of the world.
    A,
}

impl Law {
    /// The linear value, as a 16-bit sample, that this code stands for.
    pub fn decode(self, code: u8) -> i16 {
        match self {
            Self::Mu => MU_LEVELS[usize::from(code)],
            Self::A => A_LEVELS[usize::from(code)],
        }
    }

    /// The code whose level is nearest to this 16-bit sample (the smaller magnitude when two are as near).
    pub fn encode(self, sample: i16) -> u8 {
        let negative = sample < 0;
        let magnitude = i32::from(sample).abs();
        match self {
            Self::Mu => {
                let (segment, step) = nearest(magnitude, mu_magnitude);
                let code = !((segment << 4) | step);
                if negative { code & 0x7f } else { code | 0x80 }
            }
            Self::A => {
                let (segment, step) = nearest(magnitude, a_magnitude);
                let code = (segment << 4) | step;
                (if negative { code } else { code | 0x80 }) ^ 0x55
            }
        }
    }

    /// The code for silence.
    pub fn silence(self) -> u8 {
        self.encode(0)
    }
}

/// The (segment, step) whose magnitude is nearest. Magnitudes grow with `segment * 16 + step`.
fn nearest(magnitude: i32, level: fn(u8, u8) -> i32) -> (u8, u8) {
    let at = |index: u8| level(index >> 4, index & 0x0f);
    let (mut low, mut high) = (0u8, 127u8);
    while low < high {
        let middle = low + (high - low) / 2;
        if at(middle) < magnitude {
            low = middle + 1
        } else {
            high = middle
        }
    }
    // `low` is the first level that is not below; its lower neighbour may be nearer.
    let index = match low.checked_sub(1) {
        Some(below) if magnitude - at(below) <= at(low) - magnitude => below,
        Some(_) | None => low,
    };
    (index >> 4, index & 0x0f)
}

/// mu-law magnitudes on the 16-bit scale.
const fn mu_magnitude(segment: u8, step: u8) -> i32 {
    ((((step as i32) << 3) + 0x84) << segment) - 0x84
}

/// A-law magnitudes on the 16-bit scale.
const fn a_magnitude(segment: u8, step: u8) -> i32 {
    let base = ((step as i32) << 4) + 8;
    if segment == 0 {
        base
    } else {
        (base + 0x100) << (segment - 1)
    }
}

static MU_LEVELS: [i16; 256] = {
    let mut levels = [0; 256];
    let mut code = 0;
    while code < 256 {
        let inverted = !(code as u8);
        let magnitude = mu_magnitude((inverted >> 4) & 7, inverted & 15);
        levels[code] = if inverted & 0x80 != 0 {
            -magnitude
        } else {
            magnitude
        } as i16;
        code += 1;
    }
    levels
};

static A_LEVELS: [i16; 256] = {
    let mut levels = [0; 256];
    let mut code = 0;
    while code < 256 {
        let plain = (code as u8) ^ 0x55;
        let magnitude = a_magnitude((plain >> 4) & 7, plain & 15);
        levels[code] = if plain & 0x80 != 0 {
            magnitude
        } else {
            -magnitude
        } as i16;
        code += 1;
    }
    levels
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_levels() {
        assert_eq!(Law::Mu.decode(0xff), 0);
        assert_eq!(Law::Mu.decode(0x80), 32_124);
        assert_eq!(Law::Mu.decode(0x00), -32_124);
        assert_eq!(Law::A.decode(0xd5), 8);
        assert_eq!(Law::A.decode(0x55), -8);
        assert_eq!(Law::A.decode(0xaa), 32_256);
        assert_eq!(Law::A.decode(0x2a), -32_256);
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for code in 0..=255u8 {
            assert_eq!(Law::A.encode(Law::A.decode(code)), code);
            // mu-law has two zeros; the positive one is what zero encodes to.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(Law::Mu.encode(Law::Mu.decode(code)), expected);
        }
    }

    #[test]
    fn every_sample_goes_to_a_nearest_level() {
        for law in [Law::Mu, Law::A] {
            let levels: Vec<i32> = (0..=255u8)
                .map(|code| i32::from(law.decode(code)))
                .collect();
            for sample in (i16::MIN..=i16::MAX).step_by(7) {
                let reached = (i32::from(law.decode(law.encode(sample))) - i32::from(sample)).abs();
                let best = levels
                    .iter()
                    .map(|level| (level - i32::from(sample)).abs())
                    .min()
                    .unwrap();
                assert_eq!(reached, best, "{law:?} {sample}");
            }
        }
    }
}

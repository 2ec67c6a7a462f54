//! The tone that a caller hears while the far end rings (ITU-T E.180, supplement 2), where the network sends none.

use crate::graph::frame::Frame;
use crate::graph::tone::Tone;

/// Whose tone it is: people know the one of their own country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RingbackTone {
    /// North America: 440 and 480 Hz, 2 s in 6 s.
    NorthAmerica,
    /// Most of Europe: 425 Hz, 1 s in 5 s.
    Europe,
    /// United Kingdom: 400 and 450 Hz, twice 0.4 s in 3 s.
    UnitedKingdom,
}

/// How loud each of the frequencies is: together about -13 dBFS, which wakes nobody.
const AMPLITUDE: f32 = 0.1;

/// The tone being played.
#[derive(Debug, Clone)]
pub(crate) struct Ringback {
    first: Tone,
    second: Option<Tone>,
    /// Lengths of sound and silence in turn, in frames of 20 ms.
    cadence: &'static [u32],
    /// Place in the cadence, and frames played there.
    step: usize,
    played: u32,
    other: Frame,
}

impl Ringback {
    pub(crate) fn new(tone: RingbackTone) -> Self {
        let (first, second, cadence): (f64, Option<f64>, &'static [u32]) = match tone {
            RingbackTone::NorthAmerica => (440.0, Some(480.0), &[100, 200]),
            RingbackTone::Europe => (425.0, None, &[50, 200]),
            RingbackTone::UnitedKingdom => (400.0, Some(450.0), &[20, 10, 20, 100]),
        };
        let quiet = |hertz| Tone::new(hertz).with_amplitude(AMPLITUDE);
        Self {
            first: quiet(first),
            second: second.map(quiet),
            cadence,
            step: 0,
            played: 0,
            other: Frame::silent(),
        }
    }

    /// Writes the next 20 ms.
    pub(crate) fn read(&mut self, frame: &mut Frame) {
        let sounds = self.step.is_multiple_of(2);
        self.played += 1;
        if self
            .cadence
            .get(self.step)
            .is_none_or(|length| self.played >= *length)
        {
            self.step = (self.step + 1) % self.cadence.len();
            self.played = 0;
        }
        if !sounds {
            return frame.clear();
        }
        self.first.read(frame);
        if let Some(second) = &mut self.second {
            second.read(&mut self.other);
            for (sample, other) in frame.iter_mut().zip(self.other.iter()) {
                *sample += *other;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tone_keeps_its_cadence() {
        for (tone, cycle, sounding) in [
            (RingbackTone::NorthAmerica, 300, 100),
            (RingbackTone::Europe, 250, 50),
            (RingbackTone::UnitedKingdom, 150, 40),
        ] {
            let mut ringback = Ringback::new(tone);
            let mut frame = Frame::silent();
            for _ in 0..3 {
                let heard = (0..cycle).filter(|_| {
                    ringback.read(&mut frame);
                    frame.power() > 0.001
                });
                assert_eq!(heard.count(), sounding, "{tone:?}");
            }
        }
    }
}

//! The level of a packet's sound in its header (RFC 6464).

use std::time::Duration;

/// Silence, or below it.
const SILENCE: u8 = 127;
/// Quieter than this nothing is speech, whatever the room: -dBov.
const QUIETEST_VOICE: u8 = 60;
/// Speech stands out of the room's noise by this much.
const VOICE_ABOVE_NOISE: u8 = 9;
/// Words have pauses: speech is said to go on for so many packets.
const HANG_OVER: u8 = 10;
/// The noise of the room is the least of the last packets; it may grow by 1 dB in so many.
const NOISE_GROWS_EVERY: u8 = 25;

/// Level and kind of the sound in one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioLevel {
    /// In -dBov: 0 is as loud as can be, 127 silence.
    pub level: u8,
    /// The sender takes it for speech.
    pub voice: bool,
}

impl AudioLevel {
    /// Reads the extension's data; the two-byte form may pad it.
    #[must_use]
    pub fn read(data: &[u8]) -> Option<Self> {
        data.first().map(|byte| Self {
            level: byte & 0x7F,
            voice: byte & 0x80 != 0,
        })
    }

    /// The extension's data.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        ((self.voice as u8) << 7) | (self.level & 0x7F)
    }
}

/// Makes levels of packets, and tells speech by how it stands out of the room.
#[derive(Debug, Default)]
pub struct VoiceDetector {
    /// Energy of all that was sent up to the packet before.
    energy: f64,
    noise: Option<u8>,
    since_growth: u8,
    hang_over: u8,
}

impl VoiceDetector {
    /// The level of the next packet; `energy`: of all that was sent, this packet included, in units of full scale squared times
    /// seconds.
    pub fn next_of(&mut self, energy: f64, length: Duration) -> AudioLevel {
        let power = (energy - self.energy) / length.as_secs_f64();
        self.energy = energy;
        self.next(power.max(0.0).sqrt())
    }

    /// The level of the next packet; `linear`: its root mean square, 0 (silence) to 1 (a full-scale square wave).
    pub fn next(&mut self, linear: f64) -> AudioLevel {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to the range"
        )]
        let level = if linear > 0.0 {
            (-20.0 * linear.log10())
                .round()
                .clamp(0.0, f64::from(SILENCE)) as u8
        } else {
            SILENCE
        };
        // Of levels in -dBov the greater one is the quieter one.
        let mut noise = self.noise.unwrap_or(level).max(level);
        self.since_growth += 1;
        if self.since_growth >= NOISE_GROWS_EVERY {
            self.since_growth = 0;
            noise = noise.saturating_sub(1).max(level);
        }
        self.noise = Some(noise);
        let stands_out = level <= QUIETEST_VOICE && level + VOICE_ABOVE_NOISE <= noise;
        self.hang_over = if stands_out {
            HANG_OVER
        } else {
            self.hang_over.saturating_sub(1)
        };
        AudioLevel {
            level,
            voice: self.hang_over > 0 && level < SILENCE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_level_and_voice() {
        let loud = AudioLevel {
            level: 12,
            voice: true,
        };
        assert_eq!(loud.to_byte(), 0x8C);
        assert_eq!(AudioLevel::read(&[0x8C, 0]), Some(loud));
        assert_eq!(AudioLevel::read(&[]), None);
    }

    #[test]
    fn levels_are_decibels_below_full_scale() {
        let mut detector = VoiceDetector::default();
        for (linear, level) in [(1.0, 0), (0.1, 20), (0.001, 60), (0.0, 127), (1e-9, 127)] {
            assert_eq!(detector.next(linear).level, level, "{linear}");
        }
        assert_eq!(detector.next(f64::NAN).level, 127);
    }

    #[test]
    fn a_packet_has_the_energy_that_came_with_it() {
        let mut detector = VoiceDetector::default();
        let length = Duration::from_millis(20);
        assert_eq!(detector.next_of(0.02, length).level, 0);
        assert_eq!(detector.next_of(0.0202, length).level, 20);
        assert_eq!(detector.next_of(0.0202, length).level, 127);
    }

    #[test]
    fn words_stand_out_of_the_room_and_its_hum_does_not() {
        let mut detector = VoiceDetector::default();
        // Somebody's fan at -50 dBov.
        assert!((0..500).all(|_| !detector.next(0.003).voice));
        assert!(detector.next(0.1).voice, "a word at -20 dBov");
        assert!((0..5).all(|_| detector.next(0.003).voice), "between words");
        let after: Vec<bool> = (0..500).map(|_| detector.next(0.003).voice).collect();
        assert!(after.iter().skip(10).all(|voice| !voice));
        // Muted, nothing is said.
        assert!((0..20).all(|_| !detector.next(0.0).voice));
    }
}

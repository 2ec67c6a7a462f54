//! What the numbers of a call's section stand for. Neither a payload type nor a header extension changes its meaning in mid-call (RFC 3264
//! section 8.3.2, RFC 8285 section 5), whoever named it first.

use std::iter::once;

use crate::program::AudioCodec;
use crate::sdp::codec;
use crate::sdp::extmap::{ExtMap, Known};
use crate::sdp::parse::Media;

/// Dynamic payload types; those from 35 on only when no other is left (RFC 5761 section 4).
const DYNAMIC: [std::ops::RangeInclusive<u8>; 2] = [96..=127, 35..=63];
/// Numbers that fit the one-byte form (RFC 8285 section 4.2).
const ONE_BYTE: std::ops::RangeInclusive<u8> = 1..=14;

/// What a payload type of ours can stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Audio(AudioCodec),
    /// RFC 4733, with this clock in Hz.
    TelephoneEvent(u32),
    /// RED (RFC 2198) of Opus.
    Redundancy,
    /// CN (RFC 3389) at 8 kHz.
    ComfortNoise,
}

impl Encoding {
    fn of(name: &str, clock_rate: u32) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match clock_rate {
            8_000 | 48_000 if is("telephone-event") => Some(Self::TelephoneEvent(clock_rate)),
            48_000 if is("red") => Some(Self::Redundancy),
            8_000 if is("CN") => Some(Self::ComfortNoise),
            _ => codec::from_rtpmap(name, clock_rate).map(Self::Audio),
        }
    }
}

/// The numbers that were named in a call, and what they stand for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bindings {
    payload_types: Table<Encoding>,
    extensions: Table<Known>,
}

impl Bindings {
    /// Takes note of an offer of the far end, whose numbers hold both ways. Of several numbers for one thing its first counts.
    pub(crate) fn offered(&mut self, media: &Media<'_>, extensions: &[ExtMap<'_>]) {
        let mut named = Vec::new();
        for number in media.payload_types() {
            let encoding = media
                .encoding(number)
                .and_then(|(name, clock_rate)| Encoding::of(name, clock_rate));
            let first = encoding.filter(|encoding| !named.contains(encoding));
            named.extend(first);
            self.payload_types.note(number, first);
        }
        let mut named = Vec::new();
        for line in extensions {
            let Ok(number) = u8::try_from(line.id) else {
                continue;
            };
            // 15 cannot be used in the one-byte form.
            let known = Known::of(line.uri).filter(|known| number != 15 && !named.contains(known));
            named.extend(known);
            self.extensions.note(number, known);
        }
    }

    /// Takes note of an answer of the far end: what it names anew cannot be given to anything else. Ours stay as they are.
    pub(crate) fn answered(&mut self, media: &Media<'_>, extensions: &[ExtMap<'_>]) {
        for number in media.payload_types() {
            self.payload_types.take(number);
        }
        for line in extensions {
            if let Ok(number) = u8::try_from(line.id) {
                self.extensions.take(number);
            }
        }
    }

    /// The payload type of ours for this: the one it has, else the preferred one, else one that is free.
    pub(crate) fn payload_type(&mut self, encoding: Encoding, preferred: u8) -> u8 {
        let free = DYNAMIC.into_iter().flatten();
        self.payload_types.number(encoding, preferred, free)
    }

    /// The same for a header extension.
    pub(crate) fn extension(&mut self, known: Known, preferred: u8) -> u8 {
        self.extensions.number(known, preferred, ONE_BYTE)
    }
}

/// Numbers of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table<K> {
    known: Vec<(K, u8)>,
    /// A bit for each that was named, whatever for.
    taken: [u128; 2],
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self {
            known: Vec::new(),
            taken: [0; 2],
        }
    }
}

impl<K: Copy + PartialEq> Table<K> {
    const fn take(&mut self, number: u8) {
        self.taken[(number >> 7) as usize] |= 1 << (number & 127);
    }

    const fn is_taken(&self, number: u8) -> bool {
        self.taken[(number >> 7) as usize] & (1 << (number & 127)) != 0
    }

    /// From now on this number stands for `what`, or for something that we do not know.
    fn note(&mut self, number: u8, what: Option<K>) {
        self.take(number);
        self.known
            .retain(|(known, of)| Some(*known) != what && *of != number);
        self.known.extend(what.map(|what| (what, number)));
    }

    fn number(&mut self, what: K, preferred: u8, free: impl IntoIterator<Item = u8>) -> u8 {
        if let Some((_, number)) = self.known.iter().find(|(known, _)| *known == what) {
            return *number;
        }
        let number = once(preferred)
            .chain(free)
            .find(|number| !self.is_taken(*number))
            .unwrap_or(preferred);
        self.note(number, Some(what));
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_stands_for_something_else_is_not_given_away_and_what_has_one_keeps_it() {
        let mut table = Table::default();
        table.note(111, None);
        table.note(96, Some("event"));
        assert_eq!(table.number("opus", 111, 96..=127), 97);
        assert_eq!(table.number("event", 110, 96..=127), 96);
        assert_eq!(table.number("noise", 13, 96..=127), 13);
        // The far end names it anew.
        table.note(100, Some("opus"));
        assert_eq!(table.number("opus", 111, 96..=127), 100);
        table.note(100, None);
        assert_eq!(table.number("opus", 111, 96..=127), 98);
    }

    #[test]
    fn when_nothing_is_free_the_preferred_one_is_taken() {
        let mut table = Table::default();
        (0..=255).for_each(|number| table.note(number, None));
        assert_eq!(table.number("opus", 111, 96..=127), 111);
    }
}

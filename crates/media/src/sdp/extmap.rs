//! RTP header extensions in SDP (RFC 8285 section 5): which are known, what their numbers are, and how they are answered.

use crate::sdp::bindings::Bindings;
use crate::sdp::direction::Direction;

/// Most `a=extmap` lines of one section that are kept; the rest is left aside.
pub const MAX_EXTENSIONS: usize = 32;

/// Audio level of the packet (RFC 6464).
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// Name of the media section that a packet belongs to (RFC 9143 section 15.2).
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// An extension that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    AudioLevel,
    Mid,
}

impl Known {
    pub(crate) fn of(uri: &str) -> Option<Self> {
        match uri {
            AUDIO_LEVEL => Some(Self::AudioLevel),
            MID => Some(Self::Mid),
            _ => None,
        }
    }
}

/// The numbers of our offers, as browsers have them, as long as they stand for nothing else.
const OUR_AUDIO_LEVEL: u8 = 1;
const OUR_MID: u8 = 4;

/// One `a=extmap` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtMap<'a> {
    /// 1 to 14 fit the one-byte form, all up to 255 the two-byte form. Others only ask for a number (RFC 8285 section 6).
    pub id: u16,
    /// Seen from whoever wrote it.
    pub direction: Direction,
    /// What it is.
    pub uri: &'a str,
    /// What follows the name.
    pub attributes: &'a str,
}

impl<'a> ExtMap<'a> {
    /// Reads the value of `a=extmap`: `ID[/DIRECTION] URI [ATTRIBUTES]`.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        let (head, rest) = value.split_once(' ')?;
        let (id, direction) = match head.split_once('/') {
            Some((id, direction)) => (id, Direction::from_attribute(direction)?),
            None => (head, Direction::SendRecv),
        };
        let rest = rest.trim_start();
        let (uri, attributes) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(Self {
            id: id.parse().ok().filter(|id| *id > 0)?,
            direction,
            uri,
            attributes: attributes.trim(),
        })
    }
}

/// One extension as agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// Its number, both ways (RFC 8285 section 5: an answer keeps the offer's).
    pub id: u8,
    /// We send it.
    pub sends: bool,
    /// The far end may send it.
    pub receives: bool,
}

/// The extensions that a call's ends agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeaderExtensions {
    /// RFC 6464.
    pub audio_level: Option<Extension>,
    /// RFC 9143.
    pub mid: Option<Extension>,
}

/// Which of them are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    pub(crate) audio_level: bool,
    pub(crate) mid: bool,
}

impl HeaderExtensions {
    /// What our offers name, under the numbers of the call.
    pub(crate) fn offered(wanted: Wanted, bindings: &mut Bindings) -> Self {
        let both_ways = |id| Extension {
            id,
            sends: true,
            receives: true,
        };
        Self {
            audio_level: wanted
                .audio_level
                .then(|| both_ways(bindings.extension(Known::AudioLevel, OUR_AUDIO_LEVEL))),
            mid: wanted
                .mid
                .then(|| both_ways(bindings.extension(Known::Mid, OUR_MID))),
        }
    }

    /// What is agreed on with a far end that wrote these lines. Each number is taken once, for the first that claims it.
    pub(crate) fn agreed(theirs: &[ExtMap<'_>], wanted: Wanted) -> Self {
        let find = |uri: &str| {
            let (at, line) = theirs
                .iter()
                .enumerate()
                .find(|(_, line)| line.uri == uri)?;
            let taken = theirs.iter().take(at).any(|other| other.id == line.id);
            // 15 is no number of the one-byte form (RFC 8285 section 4.2), and 256 and more only ask for one.
            let id = u8::try_from(line.id)
                .ok()
                .filter(|id| *id != 15 && !taken)?;
            let extension = Extension {
                id,
                sends: line.direction.receives(),
                receives: line.direction.sends(),
            };
            (extension.sends || extension.receives).then_some(extension)
        };
        Self {
            audio_level: wanted.audio_level.then(|| find(AUDIO_LEVEL)).flatten(),
            mid: wanted.mid.then(|| find(MID)).flatten(),
        }
    }

    /// The same, as far as an offer of ours named them under these numbers.
    pub(crate) fn answered(self, offered: Self) -> Self {
        let same = |ours: Option<Extension>, theirs: Option<Extension>| {
            theirs.filter(|theirs| ours.is_some_and(|ours| ours.id == theirs.id))
        };
        Self {
            audio_level: same(offered.audio_level, self.audio_level),
            mid: same(offered.mid, self.mid),
        }
    }

    /// Values of the lines that say this.
    pub(crate) fn lines(self) -> impl Iterator<Item = String> {
        let line = |extension: Option<Extension>, what: &str| {
            let Extension {
                id,
                sends,
                receives,
            } = extension?;
            let direction = Direction::new(sends, receives);
            Some(if direction == Direction::SendRecv {
                format!("{id} {what}")
            } else {
                format!("{id}/{direction} {what}")
            })
        };
        // That our V bit means something is so where nothing is said (RFC 6464 section 4), and some far ends read no attributes.
        [line(self.audio_level, AUDIO_LEVEL), line(self.mid, MID)]
            .into_iter()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOTH: Wanted = Wanted {
        audio_level: true,
        mid: true,
    };

    fn agreed(lines: &[&str]) -> HeaderExtensions {
        let lines: Vec<_> = lines
            .iter()
            .filter_map(|line| ExtMap::parse(line))
            .collect();
        HeaderExtensions::agreed(&lines, BOTH)
    }

    #[test]
    fn an_answer_keeps_the_number_and_turns_the_direction() {
        let agreed = agreed(&[
            &format!("3/sendonly {AUDIO_LEVEL} vad=on"),
            "5 urn:somebody:else",
            &format!("200 {MID}"),
        ]);
        let lines: Vec<_> = agreed.lines().collect();
        assert_eq!(
            lines,
            [format!("3/recvonly {AUDIO_LEVEL}"), format!("200 {MID}")]
        );
    }

    #[test]
    fn numbers_that_cannot_be_used_are_not_agreed_on() {
        for line in ["15", "0", "4096", "256", "x", "3/sometimes", "3/inactive"] {
            let read = agreed(&[&format!("{line} {AUDIO_LEVEL}")]);
            assert_eq!(read, HeaderExtensions::default(), "{line}");
        }
        let twice = agreed(&["4 urn:somebody:else", &format!("4 {MID}")]);
        assert_eq!(twice.mid, None, "the number belongs to another");
    }

    #[test]
    fn an_answer_to_us_must_keep_our_numbers() {
        let offered = HeaderExtensions::offered(BOTH, &mut Bindings::default());
        let kept = agreed(&[&format!("1 {AUDIO_LEVEL}"), &format!("7 {MID}")]);
        let agreed = kept.answered(offered);
        assert!(agreed.audio_level.is_some() && agreed.mid.is_none());
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_panic(value in "([0-9]{1,6}(/[a-z]{0,9})? )?\\PC{0,40}") {
            let _ = ExtMap::parse(&value);
        }
    }
}

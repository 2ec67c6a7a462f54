//! The sections of a session in their order: none is ever removed or moved (RFC 3264 section 8).

use crate::sdp::parse::Media;

/// Where our section stands among those that are refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sections {
    /// Refused ones before ours.
    pub before: Vec<RefusedSection>,
    /// Those behind it.
    pub after: Vec<RefusedSection>,
    /// Mid of ours, where it has one.
    pub mid: Option<String>,
}

/// A section that is refused, as it stands in the offer that brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedSection {
    /// `audio`, `video`, ...
    pub kind: String,
    /// `UDP/TLS/RTP/SAVPF`, ...
    pub protocol: String,
    /// Its first format: one has to be there, and none counts.
    pub format: String,
    /// `a=mid`.
    pub mid: Option<String>,
}

impl Sections {
    /// Those of an offer of which we take the section at `ours`.
    pub(crate) fn of_offer(media: &[Media<'_>], ours: usize) -> Self {
        let (before, rest) = media.split_at(ours.min(media.len()));
        let refused = |media: &[Media<'_>]| media.iter().map(RefusedSection::of).collect();
        Self {
            before: refused(before),
            after: refused(rest.get(1..).unwrap_or_default()),
            mid: rest
                .first()
                .and_then(|ours| ours.mid)
                .map(ToOwned::to_owned),
        }
    }

    /// Index of ours.
    pub(crate) const fn place(&self) -> usize {
        self.before.len()
    }

    /// The mid that our offers give our section: its own, else one that no other has.
    pub(crate) fn own_mid(&self) -> String {
        if let Some(mid) = &self.mid {
            return mid.clone();
        }
        let is_free = |mid: &String| {
            let others = self.before.iter().chain(&self.after);
            others.clone().all(|other| other.mid.as_ref() != Some(mid))
        };
        let mut numbers =
            (0..=self.before.len() + self.after.len()).map(|number| number.to_string());
        numbers.find(is_free).unwrap_or_default()
    }
}

impl RefusedSection {
    fn of(media: &Media<'_>) -> Self {
        Self {
            kind: media.kind.to_owned(),
            protocol: media.protocol.to_owned(),
            format: (*media.formats.first().unwrap_or(&"0")).to_owned(),
            mid: media.mid.map(str::to_owned),
        }
    }
}

//! What two ends may agree on beyond the least of a call, and how ready we are for each of it.

/// How ready we are to agree on something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Readiness {
    /// Neither offered nor answered.
    Never,
    /// Answered where the far end offers it.
    #[default]
    WhenOffered,
    /// Offered, too.
    Offered,
}

impl Readiness {
    /// It may be answered.
    #[must_use]
    pub const fn answers(self) -> bool {
        !matches!(self, Self::Never)
    }

    /// It stands in our offers.
    #[must_use]
    pub const fn offers(self) -> bool {
        matches!(self, Self::Offered)
    }
}

/// How ready we are for each of the extras.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extras {
    /// VoIP metrics and receivers' clocks in RTCP extended reports (RFC 3611).
    pub voip_metrics: Readiness,
    /// RTCP that leaves out what the far end knows already (RFC 5506).
    pub reduced_size: Readiness,
    /// Each Opus packet once more in the one after it (RED, RFC 2198). Who offers it sends it wherever it is agreed on; who answers
    /// takes it in, and sends it where the far end prefers it.
    pub redundancy: Readiness,
    /// Comfort noise of the far end (CN, RFC 3389) beside codecs of 8 kHz; none is sent.
    pub comfort_noise: Readiness,
    /// The level of each packet in its header (RFC 6464). Anybody on the way can read it: it stands outside of the encryption.
    pub audio_level: Readiness,
}

/// Extended reports that the far end wants of us (RFC 3611 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExtendedReports {
    /// How we hear it.
    pub voip_metrics: bool,
    /// Our clock, and answers to its.
    pub receiver_reference_time: bool,
}

impl ExtendedReports {
    /// What we ask for, as `a=rtcp-xr` has it. With `sender` only those that send answer such clocks; a call's ends both do.
    pub(crate) const WANTED: &'static str = "voip-metrics rcvr-rtt=sender";

    /// Reads the value of `a=rtcp-xr`: formats separated by spaces, those unknown are passed over.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        let mut wanted = Self::default();
        for format in value.split_ascii_whitespace() {
            let name = format.split_once('=').map_or(format, |(name, _)| name);
            match name {
                "voip-metrics" => wanted.voip_metrics = true,
                "rcvr-rtt" => wanted.receiver_reference_time = true,
                _ => {}
            }
        }
        wanted
    }

    /// There is nothing to send.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        !self.voip_metrics && !self.receiver_reference_time
    }
}

/// RED as agreed (RFC 2198).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redundancy {
    /// We send it under this number.
    pub send_payload_type: u8,
    /// We get it under this number.
    pub receive_payload_type: u8,
    /// We do send it: the far end prefers it, or we offered it.
    pub sends: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_extended_reports_are_read_in_any_order() {
        let all = ExtendedReports::parse(
            "pkt-loss-rle=100 rcvr-rtt=all:512 stat-summary=loss,jitt voip-metrics",
        );
        assert!(all.voip_metrics && all.receiver_reference_time);
        let ours = ExtendedReports::parse(ExtendedReports::WANTED);
        assert_eq!(ours, all);
        assert!(ExtendedReports::parse("").is_empty());
        assert!(ExtendedReports::parse("voip-metric rcvr").is_empty());
    }
}

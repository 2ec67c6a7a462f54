//! The audio codecs that we offer and understand, and what SDP says of their parameters.

use std::fmt;

/// A codec of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// Opus (RFC 6716, RFC 7587).
    Opus,
    /// G.711 mu-law (RFC 3551 section 4.5.14).
    Pcmu,
    /// G.711 A-law (RFC 3551 section 4.5.14).
    Pcma,
}

impl Codec {
    /// All of them, best first.
    pub const ALL: [Self; 3] = [Self::Opus, Self::Pcmu, Self::Pcma];

    /// Encoding name as in `a=rtpmap`; compared without regard to case.
    #[must_use]
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// RTP clock in Hz.
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Channels as `a=rtpmap` says them; for Opus always 2, whatever is sent (RFC 7587 section 7).
    #[must_use]
    pub const fn channels(self) -> u8 {
        match self {
            Self::Opus => 2,
            Self::Pcmu | Self::Pcma => 1,
        }
    }

    /// Payload type that needs no `a=rtpmap` (RFC 3551 section 6).
    #[must_use]
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Opus => None,
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
        }
    }

    /// The codec of an `a=rtpmap` value.
    #[must_use]
    pub fn from_rtpmap(name: &str, clock_rate: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| {
            codec.encoding_name().eq_ignore_ascii_case(name) && codec.clock_rate() == clock_rate
        })
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.encoding_name(), self.clock_rate())
    }
}

/// What a receiver of Opus would like to get (RFC 7587 section 6.1). Out of range values are read as not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpusParameters {
    /// `useinbandfec=1`.
    pub inband_fec: bool,
    /// `usedtx=1`.
    pub dtx: bool,
    /// `stereo=1`.
    pub stereo: bool,
    /// `cbr=1`.
    pub constant_bitrate: bool,
    /// `maxaveragebitrate` in bit/s, 6,000 to 510,000.
    pub max_average_bitrate: Option<u32>,
    /// `maxplaybackrate` in Hz, 8,000 to 48,000.
    pub max_playback_rate: Option<u32>,
    /// `minptime` in ms.
    pub min_packet_time: Option<u16>,
}

impl OpusParameters {
    /// Reads the parameters of an `a=fmtp` line: `key=value` separated by `;`, in any order, with or without spaces.
    #[must_use]
    pub fn parse(parameters: &str) -> Self {
        let mut read = Self::default();
        for (key, value) in parameters
            .split(';')
            .filter_map(|pair| pair.split_once('='))
        {
            let (key, value) = (key.trim(), value.trim());
            let on = value == "1";
            let number = || value.parse::<u32>().ok();
            match key.to_ascii_lowercase().as_str() {
                "useinbandfec" => read.inband_fec = on,
                "usedtx" => read.dtx = on,
                "stereo" => read.stereo = on,
                "cbr" => read.constant_bitrate = on,
                "maxaveragebitrate" => {
                    read.max_average_bitrate =
                        number().filter(|rate| (6_000..=510_000).contains(rate))
                }
                "maxplaybackrate" => {
                    read.max_playback_rate = number().filter(|rate| (8_000..=48_000).contains(rate))
                }
                "minptime" => {
                    read.min_packet_time = number()
                        .and_then(|ms| u16::try_from(ms).ok())
                        .filter(|ms| (3..=120).contains(ms))
                }
                _ => {}
            }
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_parameters_are_read_in_any_order_and_nonsense_is_passed_over() {
        let read = OpusParameters::parse(
            " minptime=10; useinbandfec=1;maxaveragebitrate=5;maxplaybackrate=16000; x; usedtx=2",
        );
        let expected = OpusParameters {
            inband_fec: true,
            max_playback_rate: Some(16_000),
            min_packet_time: Some(10),
            ..OpusParameters::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn codecs_are_found_without_regard_to_case() {
        assert_eq!(Codec::from_rtpmap("OPUS", 48_000), Some(Codec::Opus));
        assert_eq!(Codec::from_rtpmap("opus", 16_000), None);
        assert_eq!(Codec::from_rtpmap("pcmu", 8_000), Some(Codec::Pcmu));
    }
}

//! What SDP calls the audio codecs: encoding names, fixed payload types, parameters.

use crate::program::{AudioCodec, OpusWishes};

/// All codecs of ours, best first.
pub const ALL: [AudioCodec; 4] = [
    AudioCodec::Opus,
    AudioCodec::G722,
    AudioCodec::Pcmu,
    AudioCodec::Pcma,
];

/// Name in `a=rtpmap`; compared without regard to case.
#[must_use]
pub const fn encoding_name(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Opus => "opus",
        AudioCodec::G722 => "G722",
        AudioCodec::Pcmu => "PCMU",
        AudioCodec::Pcma => "PCMA",
    }
}

/// The value of `a=rtpmap` behind the payload type. Opus always says two channels, whatever is sent (RFC 7587 section 7).
#[must_use]
pub const fn rtpmap(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Opus => "opus/48000/2",
        // 8000 is an error of RFC 1890 that was kept; the samples come at 16,000.
        AudioCodec::G722 => "G722/8000",
        AudioCodec::Pcmu => "PCMU/8000",
        AudioCodec::Pcma => "PCMA/8000",
    }
}

/// The codec of an `a=rtpmap` line.
#[must_use]
pub fn from_rtpmap(name: &str, clock_rate: u32) -> Option<AudioCodec> {
    ALL.into_iter().find(|codec| {
        encoding_name(*codec).eq_ignore_ascii_case(name) && codec.clock_rate() == clock_rate
    })
}

/// Name and clock of the payload types that need no `a=rtpmap` (RFC 3551 section 6); also those we do not speak, so that a refusal
/// can name them.
#[must_use]
pub const fn static_encoding(payload_type: u8) -> Option<(&'static str, u32)> {
    Some(match payload_type {
        0 => ("PCMU", 8_000),
        3 => ("GSM", 8_000),
        4 => ("G723", 8_000),
        8 => ("PCMA", 8_000),
        9 => ("G722", 8_000),
        10 | 11 => ("L16", 44_100),
        13 => ("CN", 8_000),
        15 => ("G728", 8_000),
        18 => ("G729", 8_000),
        _ => return None,
    })
}

/// Names for a sentence: `opus/48000, PCMU/8000`.
#[must_use]
pub fn list(codecs: &[AudioCodec]) -> String {
    let names: Vec<_> = codecs
        .iter()
        .map(|codec| format!("{}/{}", encoding_name(*codec), codec.clock_rate()))
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// Reads the parameters of Opus from an `a=fmtp` line: `key=value` separated by `;`, in any order, with or without spaces. Values out of
/// the range of RFC 7587 section 6.1 are read as not given.
#[must_use]
pub fn opus_wishes(parameters: &str) -> OpusWishes {
    let mut wishes = OpusWishes::default();
    for (key, value) in parameters
        .split(';')
        .filter_map(|pair| pair.split_once('='))
    {
        let (key, value) = (key.trim(), value.trim());
        let on = value == "1";
        let number = || value.parse::<u32>().ok();
        match key.to_ascii_lowercase().as_str() {
            "useinbandfec" => wishes.inband_fec = on,
            "usedtx" => wishes.dtx = on,
            "stereo" => wishes.stereo = on,
            "maxaveragebitrate" => {
                wishes.max_average_bitrate =
                    number().filter(|rate| (6_000..=510_000).contains(rate));
            }
            "maxplaybackrate" => {
                wishes.max_playback_rate = number().filter(|rate| (8_000..=48_000).contains(rate));
            }
            _ => {}
        }
    }
    wishes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_parameters_are_read_in_any_order_and_nonsense_is_passed_over() {
        let read = opus_wishes(
            " minptime=10; useinbandfec=1;maxaveragebitrate=5;maxplaybackrate=16000; x; usedtx=2",
        );
        let expected = OpusWishes {
            inband_fec: true,
            max_playback_rate: Some(16_000),
            ..OpusWishes::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn codecs_are_found_without_regard_to_case() {
        assert_eq!(from_rtpmap("OPUS", 48_000), Some(AudioCodec::Opus));
        assert_eq!(from_rtpmap("opus", 16_000), None);
        assert_eq!(from_rtpmap("pcmu", 8_000), Some(AudioCodec::Pcmu));
        assert_eq!(from_rtpmap("g722", 8_000), Some(AudioCodec::G722));
        assert_eq!(from_rtpmap("G722", 16_000), None);
    }
}

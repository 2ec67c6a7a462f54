//! What an offer has in common with this sandbox.

use offhook_media::program::AudioCodec;
use offhook_media::sdp::codec::from_rtpmap;

/// The codecs of the offer's audio that can be spoken here, in the offer's order.
///
/// A bridge has no transcoder: whoever is called for this offer may be offered only these.
pub(crate) fn codecs(offer: &str) -> Vec<AudioCodec> {
    let mut found = Vec::new();
    let mut audio = false;
    let mut types: Vec<&str> = Vec::new();
    let mut maps: Vec<(&str, AudioCodec)> = Vec::new();
    for line in offer.lines() {
        if let Some(section) = line.strip_prefix("m=") {
            audio = section.starts_with("audio ") && types.is_empty();
            if audio {
                types = section.split_ascii_whitespace().skip(3).collect();
            }
        } else if let Some(map) = line.strip_prefix("a=rtpmap:").filter(|_| audio) {
            maps.extend(rtpmap(map));
        }
    }
    for payload_type in types {
        let mapped = maps
            .iter()
            .find(|(number, _)| *number == payload_type)
            .map(|(_, codec)| *codec);
        // RFC 3551 section 6: these need no rtpmap.
        let codec = mapped.or(match payload_type {
            "0" => Some(AudioCodec::Pcmu),
            "8" => Some(AudioCodec::Pcma),
            "9" => Some(AudioCodec::G722),
            _ => None,
        });
        if let Some(codec) = codec.filter(|codec| !found.contains(codec)) {
            found.push(codec);
        }
    }
    found
}

/// Whether digits can go with the sound (RFC 4733).
pub(crate) fn digits(offer: &str) -> bool {
    let maps = offer
        .lines()
        .filter_map(|line| line.strip_prefix("a=rtpmap:"));
    let mut formats = maps.filter_map(|map| map.split_once(' '));
    formats.any(|(_, format)| format.starts_with("telephone-event/"))
}

/// `NUMBER NAME/CLOCK[/CHANNELS]`.
fn rtpmap(map: &str) -> Option<(&str, AudioCodec)> {
    let (number, format) = map.split_once(' ')?;
    let mut parts = format.trim().split('/');
    let name = parts.next()?;
    let clock = parts.next()?.parse().ok()?;
    Some((number, from_rtpmap(name, clock)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_come_in_the_offers_order() {
        let offer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 8 111 9 0 126\r\na=rtpmap:111 opus/48000/2\r\n\
            a=rtpmap:9 G722/8000\r\na=rtpmap:126 telephone-event/8000\r\nm=video 9 X 0\r\n";
        assert_eq!(
            codecs(offer),
            [
                AudioCodec::Pcma,
                AudioCodec::Opus,
                AudioCodec::G722,
                AudioCodec::Pcmu
            ]
        );
        assert!(digits(offer) && !digits("a=rtpmap:9 G722/8000\r\n"));
        assert_eq!(codecs("m=video 9 X 0\r\n"), []);
        assert_eq!(codecs(""), []);
    }
}

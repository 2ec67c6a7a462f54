//! The least of an offer of ours, for a far end that refused all of it.

/// What is left of an offer when every peer must be able to take it: G.711 and its telephone events; no header extension, no feedback,
/// no candidates that follow. ICE, DTLS and all else stay as they are, so the media that made the offer takes an answer to either.
///
/// `None`: it has no G.711, or is no more than that already.
#[must_use]
pub fn reduced(offer: &str) -> Option<String> {
    let lines: Vec<&str> = offer.lines().collect();
    let mut text = String::with_capacity(offer.len());
    let mut kept: Option<Vec<&str>> = None;
    let mut has_audio = false;
    for (at, line) in lines.iter().enumerate() {
        if let Some(section) = line.strip_prefix("m=") {
            let rest = lines.get(at + 1..).unwrap_or_default();
            kept = plain_formats(section, rest);
            has_audio |= kept.is_some();
        }
        if let Some(line) = rewrite(line, kept.as_deref()) {
            text.push_str(&line);
            text.push_str("\r\n");
        }
    }
    let same = text.lines().eq(lines);
    (has_audio && !same).then_some(text)
}

/// The payload types of an audio section that everybody has. `None`: it is another section, or has no G.711.
fn plain_formats<'a>(section: &'a str, rest: &[&'a str]) -> Option<Vec<&'a str>> {
    let mut words = section.split_whitespace();
    if words.next() != Some("audio") {
        return None;
    }
    let attributes = rest.iter().take_while(|line| !line.starts_with("m="));
    let named = |wanted: &str| {
        attributes.clone().find_map(|line| {
            let (kind, name) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            (kind == wanted).then(|| name.trim().to_ascii_lowercase())
        })
    };
    let mut has_codec = false;
    let formats: Vec<&str> = words
        .skip(2)
        .filter(|kind| {
            let name = named(kind);
            let name = match (name.as_deref(), *kind) {
                // RFC 3551, table 4: these two need no words.
                (None, "0") => "pcmu/8000",
                (None, "8") => "pcma/8000",
                (name, _) => name.unwrap_or_default(),
            };
            let codec = name.starts_with("pcmu/8000") || name.starts_with("pcma/8000");
            has_codec |= codec;
            codec || name.starts_with("telephone-event/8000")
        })
        .collect();
    has_codec.then_some(formats)
}

/// The line as it goes into the least of an offer; `None`: not at all. `kept`: the payload types left of its section, if it is ours to cut.
fn rewrite(line: &str, kept: Option<&[&str]>) -> Option<String> {
    if let Some(options) = line.strip_prefix("a=ice-options:") {
        let left: Vec<&str> = options
            .split_whitespace()
            .filter(|option| *option != "trickle")
            .collect();
        let same = left.len() == options.split_whitespace().count();
        return match left.is_empty() {
            true => None,
            false if same => Some(line.to_owned()),
            false => Some(format!("a=ice-options:{}", left.join(" "))),
        };
    }
    let Some(kept) = kept else {
        return Some(line.to_owned());
    };
    if let Some(section) = line.strip_prefix("m=") {
        let head: Vec<&str> = section.split_whitespace().take(3).collect();
        return Some(format!("m={} {}", head.join(" "), kept.join(" ")));
    }
    let extra = ["a=extmap", "a=rtcp-fb:"];
    if extra.iter().any(|start| line.starts_with(start)) {
        return None;
    }
    let about = ["a=rtpmap:", "a=fmtp:"]
        .iter()
        .find_map(|start| line.strip_prefix(start))
        .and_then(|rest| rest.split_whitespace().next());
    about
        .is_none_or(|kind| kept.contains(&kind))
        .then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::reduced;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-options:trickle ice2\r\n\
        m=audio 4000 UDP/TLS/RTP/SAVPF 111 9 0 8 110 101\r\nc=IN IP4 192.0.2.1\r\na=mid:0\r\na=rtcp-mux\r\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n\
        a=rtcp-fb:111 transport-cc\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:110 telephone-event/48000\r\na=fmtp:110 0-15\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
        a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host\r\n";

    #[test]
    fn what_not_everybody_has_is_gone_and_nothing_else() {
        let least = reduced(OFFER).unwrap();
        assert_eq!(
            least,
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-options:ice2\r\n\
            m=audio 4000 UDP/TLS/RTP/SAVPF 0 8 101\r\nc=IN IP4 192.0.2.1\r\na=mid:0\r\na=rtcp-mux\r\n\
            a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
            a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host\r\n"
        );
        assert_eq!(reduced(&least), None, "there is no less");
    }

    #[test]
    fn without_g711_nothing_is_left() {
        let wide = OFFER.replace(" 0 8 ", " ");
        assert_eq!(reduced(&wide), None);
        assert_eq!(reduced("no description"), None);
    }
}

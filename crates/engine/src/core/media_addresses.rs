//! Where a server says that its media is: the addresses in a session description of its own.

use std::net::IpAddr;

use offhook_signaling::call_id::CallId;
use offhook_signaling::event::Event;

/// More addresses than any server has.
const MOST: usize = 16;

/// The call and the addresses of an event that brings a description.
pub(super) fn of(event: &Event) -> Option<(CallId, Vec<IpAddr>)> {
    let (Event::Incoming {
        call,
        sdp: Some(sdp),
        ..
    }
    | Event::Answered {
        call,
        sdp: Some(sdp),
        ..
    }
    | Event::EarlyMedia { call, sdp, .. }
    | Event::Attach { call, sdp, .. }
    | Event::Offer {
        call,
        sdp: Some(sdp),
    }
    | Event::MediaUpdated { call, sdp }) = event
    else {
        return None;
    };
    let addresses = read(sdp);
    (!addresses.is_empty()).then(|| (call.clone(), addresses))
}

/// Addresses of connection lines (RFC 8866, section 5.7) and candidates (RFC 8839, section 5.1), in their order.
fn read(sdp: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in sdp.lines() {
        let word = if let Some(connection) = line.strip_prefix("c=") {
            connection.split_whitespace().nth(2)
        } else if let Some(candidate) = line.strip_prefix("a=candidate:") {
            candidate.split_whitespace().nth(4)
        } else {
            None
        };
        let address = word
            .and_then(|word| word.split('/').next())
            .and_then(|word| word.parse::<IpAddr>().ok());
        if let Some(address) = address
            && !address.is_unspecified()
            && !found.contains(&address)
            && found.len() < MOST
        {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn connection_lines_and_candidates_are_read_once_each() {
        let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 10.0.0.5/127\r\nm=audio 9 RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\n\
                   a=candidate:1 1 udp 659136 10.0.0.5 22334 typ host generation 0\r\n\
                   a=candidate:2 1 udp 659136 2001:db8::1 22334 typ host\r\na=candidate:3 1 udp 1 x.local 9 typ host\r\n";
        let found: Vec<String> = read(sdp).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.5", "2001:db8::1"]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(sdp in "(c=|a=candidate:|IN IP4 |[0-9. :/\r\n]){0,40}") {
            let _ = read(&sdp);
        }
    }
}

//! Values of SIP headers by strangers: each reader by itself, and each header within a message.

use offhook_signaling::sip::message::address::NameAddr;
use offhook_signaling::sip::message::params::Params;
use offhook_signaling::sip::message::read::{Incoming, read};
use offhook_signaling::sip::message::uri::Uri;

use crate::sip_message::look;

/// Headers that are read by what they say, in requests and in answers.
const NAMES: [&str; 26] = [
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Record-Route",
    "Route",
    "Content-Type",
    "Content-Length",
    "Expires",
    "Min-Expires",
    "Session-Expires",
    "Retry-After",
    "Require",
    "Allow",
    "Reason",
    "Event",
    "Subscription-State",
    "RAck",
    "RSeq",
    "Refer-To",
    "Replaces",
    "P-Asserted-Identity",
    "WWW-Authenticate",
    "Proxy-Authenticate",
];

/// The first byte picks the reader; the rest is what it reads.
///
/// # Panics
/// When what was read and written is not read again.
pub fn run(data: &[u8]) {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(rest);
    match which {
        0 => uri(&text),
        1 => address(&text),
        2 => {
            let params = Params::read(&text);
            let _ = params.to_string();
        }
        3 => {
            let _ = NameAddr::parse_list(&text);
        }
        other => header(NAMES[usize::from(other - 4) % NAMES.len()], &text),
    }
}

fn uri(text: &str) {
    if let Ok(uri) = Uri::parse(text) {
        assert_eq!(uri.to_string(), text);
        let _ = (uri.user(), uri.host(), uri.headers(), uri.is_gruu());
        let _ = uri.is_same(&uri);
    }
}

fn address(text: &str) {
    if let Ok(address) = NameAddr::parse(text) {
        let written = address.to_string();
        assert!(NameAddr::parse(&written).is_ok(), "{written:?}");
    }
}

/// The value takes the place of a header's in a message that is right without it, or stands beside what is there.
fn header(name: &str, value: &str) {
    let value = value.replace(['\r', '\n'], " ");
    let usual = [
        ("Via", "SIP/2.0/WS a.invalid;branch=z9hG4bKa"),
        ("From", "<sip:a@b>;tag=c"),
        ("To", "<sip:a@b>;tag=d"),
        ("Call-ID", "e"),
        ("CSeq", "1 INVITE"),
    ];
    for first in ["INVITE sip:a@b SIP/2.0", "SIP/2.0 401 Unauthorized"] {
        let mut message = format!("{first}\r\n{name}: {value}\r\n");
        for (known, usual) in usual.iter().filter(|(known, _)| *known != name) {
            message.push_str(known);
            message.push_str(": ");
            message.push_str(usual);
            message.push_str("\r\n");
        }
        message.push_str("\r\n");
        match read(message.as_bytes()) {
            Ok(Incoming::Request(request)) => look(&request.headers),
            Ok(Incoming::Response(response)) => look(&response.headers),
            Ok(_) | Err(_) => {}
        }
    }
}

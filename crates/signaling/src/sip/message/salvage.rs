//! Finds, in a request that does not parse, the lines that its refusal must copy (RFC 3261, 8.2.6).

use bytes::Bytes;
use sipx_sip as sipx;

use crate::sip::message::bare::Bare;
use crate::sip::message::{HeaderName, Method};

/// The lines of a broken request; `None` for a response, an ACK, or where one is missing.
pub(super) fn request(message: &[u8]) -> Option<Bare> {
    let head = message.split(|&byte| byte == b'\n');
    let mut lines = head
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty());
    let start = String::from_utf8_lossy(lines.next()?).into_owned();
    if start.starts_with("SIP/") {
        return None;
    }
    let method = start.split_ascii_whitespace().next()?;
    let mut bare = Bare {
        method: Method::parse(&Bytes::copy_from_slice(method.as_bytes())),
        vias: Vec::new(),
        from: Bytes::new(),
        to: Bytes::new(),
        call_id: Bytes::new(),
        cseq: Bytes::new(),
        timestamp: None,
        record_routes: Vec::new(),
    };
    for line in lines {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
        // A value with control characters would break the answer as well.
        if String::from_utf8_lossy(value).chars().any(char::is_control) {
            continue;
        }
        let value = Bytes::copy_from_slice(value);
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "an answer copies no other header"
        )]
        match HeaderName::parse(&Bytes::copy_from_slice(name.trim_ascii())) {
            HeaderName::Via => bare.vias.push(value),
            HeaderName::From => bare.from = value,
            HeaderName::To => bare.to = value,
            HeaderName::CallId => bare.call_id = value,
            HeaderName::CSeq => bare.cseq = value,
            _ => {}
        }
    }
    bare.is_answerable().then_some(bare)
}

/// The status that names the fault.
pub(super) fn status(error: &sipx::error::ParseError) -> u16 {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "every other fault is a bad request"
    )]
    match error {
        sipx::error::ParseError::Limit {
            limit: sipx::error::LimitKind::BodyBytes | sipx::error::LimitKind::MessageBytes,
            ..
        } => 513,
        _ => 400,
    }
}

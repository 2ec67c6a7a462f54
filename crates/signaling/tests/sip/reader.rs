//! An independent reader (`rsip`) of every message that the user agent writes in these stories: it must see what ours sees.
//!
//! It is known to cut a GRUU at its `gr` parameter or to stumble over one in the first line, as over IPv6, to take a `tel:`
//! URI for a host with a port, and to end a quoted display name at the first quote or bracket in it: those are left out, and
//! addresses are compared by user, host and tag alone.

use offhook_signaling::sip::agent::ALLOW;
use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::headers::Headers;
use offhook_signaling::sip::message::ids::Ids;
use offhook_signaling::sip::message::read::{self, Incoming};
use rsip::headers::untyped::{ToTypedHeader, UntypedHeader};
use rsip::message::{HasHeaders, HeadersExt};

/// Panics when the two readers differ, or one of them cannot read it.
pub(crate) fn reads_alike(text: &str) {
    let is_keep_alive = text.trim().is_empty();
    let first = text.lines().next().unwrap_or_default();
    let is_beyond_it = [" tel:", ";gr=", "@["]
        .iter()
        .any(|part| first.contains(part));
    if is_keep_alive || is_beyond_it || text.contains("<tel:") {
        return;
    }
    let ours = match read::read(text.as_bytes()) {
        Ok(ours) => ours,
        Err(malformed) => panic!("we wrote what we cannot read: {malformed:?}\n{text}"),
    };
    let theirs = rsip::SipMessage::try_from(text.as_bytes());
    let theirs = theirs.unwrap_or_else(|error| panic!("rsip cannot read it: {error}\n{text}"));
    match (&ours, &theirs) {
        (Incoming::Request(ours), rsip::SipMessage::Request(theirs)) => {
            assert_eq!(theirs.method.to_string(), ours.method.to_string(), "{text}");
            if theirs
                .uri
                .scheme
                .as_ref()
                .is_some_and(|scheme| scheme.to_string().starts_with("sip"))
            {
                assert_eq!(
                    theirs.uri.host().to_string(),
                    ours.uri.host().unwrap_or_default(),
                    "{text}"
                );
            }
            let forwards = theirs.max_forwards_header().expect("Max-Forwards");
            assert_eq!(forwards.value(), "70", "{text}");
            compare(
                &ours.headers,
                &ours.ids,
                &ours.body,
                theirs,
                &theirs.body,
                text,
            );
        }
        (Incoming::Response(ours), rsip::SipMessage::Response(theirs)) => {
            assert_eq!(theirs.status_code.code(), ours.status, "{text}");
            compare(
                &ours.headers,
                &ours.ids,
                &ours.body,
                theirs,
                &theirs.body,
                text,
            );
        }
        _ => panic!("one reads a request, the other an answer:\n{text}"),
    }
}

fn compare<M: HasHeaders + HeadersExt>(
    headers: &Headers,
    ids: &Ids,
    body: &[u8],
    theirs: &M,
    their_body: &[u8],
    text: &str,
) {
    assert_eq!(their_body, body, "{text}");
    let call_id = theirs.call_id_header().expect("Call-ID");
    assert_eq!(call_id.value(), ids.call_id, "{text}");
    // It knows no method that was invented later.
    let method = ids.method.to_string();
    if ALLOW.contains(method.as_str()) || matches!(method.as_str(), "REGISTER" | "PUBLISH") {
        let cseq = theirs.cseq_header().expect("CSeq").typed().expect("CSeq");
        assert_eq!(cseq.seq, ids.cseq, "{text}");
        assert_eq!(cseq.method.to_string(), ids.method.to_string(), "{text}");
    }
    if !is_intricate(ids.from.display_name.as_deref()) {
        let from = theirs.from_header().expect("From").typed().expect("From");
        let tag = from.tag().map(|tag| tag.value().to_owned());
        assert_eq!(tag.unwrap_or_default(), ids.from_tag(), "{text}");
        let user = raw_user(&ids.from.uri.to_string());
        // Nor does it know all that a user name may hold (RFC 4475, 3.1.1.2).
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
        if user.bytes().all(plain) {
            assert_eq!(from.uri.user().unwrap_or_default(), user, "{text}");
        }
    }
    if !is_intricate(ids.to.display_name.as_deref()) {
        let to = theirs.to_header().expect("To").typed().expect("To");
        let tag = to.tag().map(|tag| tag.value().to_owned());
        assert_eq!(tag.unwrap_or_default(), ids.to_tag(), "{text}");
    }
    let via = theirs.via_header().expect("Via").typed().expect("Via");
    assert_eq!(via.transport.to_string(), ids.via.transport, "{text}");
    let branch = via.branch().map(|branch| branch.value().to_owned());
    assert_eq!(branch.unwrap_or_default(), ids.via.branch(), "{text}");
    let length = headers.get(&HeaderName::ContentLength);
    assert_eq!(
        length.as_deref(),
        Some(body.len().to_string().as_str()),
        "{text}"
    );
    // As many headers, each with the same name and value, in the same order.
    let ours: Vec<_> = headers
        .lines()
        .map(|(name, value)| format!("{name}: {value}").to_ascii_lowercase())
        .collect();
    let theirs: Vec<_> = theirs
        .headers()
        .iter()
        .map(|header| header.to_string().to_ascii_lowercase())
        .collect();
    assert_eq!(theirs.len(), ours.len(), "{text}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(theirs.trim_end(), ours.trim_end(), "{text}");
    }
}

/// A display name that the other reader ends too early.
fn is_intricate(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.contains(['"', '\\', '<', '>', ';']))
}

/// The user part as it stands, escapes and all.
fn raw_user(uri: &str) -> String {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@')
        .map(|(user, _)| user.to_owned())
        .unwrap_or_default()
}

//! What an ICE-lite end does with checks (RFC 8445, section 2.5): it answers them, and sends none.

use std::net::SocketAddr;

use is::stun::StunMessage;
use ring::hmac;

/// What goes back for a check.
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// The check came with USE-CANDIDATE: media goes by this pair from now on.
    pub(crate) nominates: bool,
}

/// Answers a check for the end with these credentials.
///
/// # Panics
/// At what a full agent never sends to a lite one: anything but a request, a wrong password, or a claim to be controlled.
pub(crate) fn answer(
    datagram: &[u8],
    from: SocketAddr,
    (ufrag, pwd): (&str, &str),
) -> Option<Answer> {
    let check = StunMessage::parse(datagram).expect("a STUN message");
    assert!(check.is_binding_request(), "{check:?}");
    // One that was sent before a restart, and is late.
    if check.split_username().is_none_or(|(ours, _)| ours != ufrag) {
        return None;
    }
    assert!(check.verify(pwd.as_bytes(), sha1), "{check:?}");
    assert!(check.ice_controlling().is_some(), "{check:?}");
    let mut bytes = vec![0; 128];
    let reply = StunMessage::binding_reply(check.trans_id(), from);
    let length = reply
        .to_bytes(Some(pwd.as_bytes()), &mut bytes, sha1)
        .expect("it fits");
    bytes.truncate(length);
    Some(Answer {
        bytes,
        nominates: check.use_candidate(),
    })
}

fn sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().try_into().expect("20 bytes")
}

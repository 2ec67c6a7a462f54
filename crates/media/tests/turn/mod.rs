//! What a TURN server says that grants whatever it is asked for (RFC 8656).

use std::net::SocketAddr;

use turn_types::attribute::{Lifetime, XorRelayedAddress};
use turn_types::message::ALLOCATE;
use turn_types::stun::attribute::{ErrorCode, Nonce, Realm};
use turn_types::stun::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageWriteVec,
};
use turn_types::stun::prelude::{MessageWrite, MessageWriteExt};

/// Whom it knows.
pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "secret";

/// The address that it relays for.
pub(crate) fn relayed() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 9], 50_000))
}

/// Its answer to a request; the first of each client is told to say who asks.
pub(crate) fn answer(request: &Message<'_>) -> Option<Vec<u8>> {
    if request.attribute::<Nonce>().is_err() {
        let mut reply = Message::builder_error(request, MessageWriteVec::new());
        let unauthorized = ErrorCode::builder(401).build().ok()?;
        reply.add_attribute(&unauthorized).ok()?;
        reply.add_attribute(&Realm::new("example").ok()?).ok()?;
        reply.add_attribute(&Nonce::new("nonce").ok()?).ok()?;
        return Some(reply.finish());
    }
    let mut reply = Message::builder_success(request, MessageWriteVec::new());
    if request.has_method(ALLOCATE) {
        let relayed = XorRelayedAddress::new(relayed(), request.transaction_id());
        reply.add_attribute(&relayed).ok()?;
    }
    reply.add_attribute(&Lifetime::new(600)).ok()?;
    let key = LongTermKeyCredentials::new(USER.into(), PASSWORD.into(), "example".into());
    let algorithm = IntegrityAlgorithm::Sha1;
    reply.add_message_integrity(&key.into(), algorithm).ok()?;
    Some(reply.finish())
}

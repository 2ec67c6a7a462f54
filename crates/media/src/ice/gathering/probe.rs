//! The few STUN messages (RFC 8489, RFC 8656) that a look at a server takes, and their answers: whether it is there, and relays.

use std::net::SocketAddr;

use turn_client_proto::types::stun::attribute::{
    ErrorCode, Nonce, RawAttribute, Realm, Username, XorMappedAddress,
};
use turn_client_proto::types::stun::message::{
    BINDING, IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageWriteVec,
    Method, StunWriteError, TransactionId,
};
use turn_client_proto::types::stun::prelude::*;

use crate::ice::server::RelayCredentials;

/// RFC 8656, section 17.
const ALLOCATE: Method = Method::new(0x003);
const REFRESH: Method = Method::new(0x004);
/// RFC 8656, section 18: UDP, and a time of nothing, which gives the relayed address back.
const REQUESTED_TRANSPORT: (u16, [u8; 4]) = (0x0019, [17, 0, 0, 0]);
const NO_LIFETIME: (u16, [u8; 4]) = (0x000d, [0; 4]);
/// Half an hour, which servers cut as they like.
const LIFETIME: (u16, [u8; 4]) = (0x000d, 1800_u32.to_be_bytes());
/// Longest message that is read.
pub const LONGEST: usize = 2048;

/// A name or a password is longer than a message can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the user name, the password or what the server wants to be told is longer than STUN allows"
)]
pub struct Unwritable;

impl From<StunWriteError> for Unwritable {
    fn from(_: StunWriteError) -> Self {
        Self
    }
}

/// A request, and what its answer is known by.
#[derive(Debug, Clone)]
pub struct Request {
    bytes: Vec<u8>,
    id: TransactionId,
}

impl Request {
    /// What to send, as one datagram or in a stream.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The answer to it, if this message is one.
    #[must_use]
    pub fn answer(&self, message: &[u8]) -> Option<Answer> {
        read(message, self.id)
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Our address as it sees it, where it says so.
    Success(Option<SocketAddr>),
    /// It wants to know who asks.
    Unauthorised(Challenge),
    /// It refuses.
    Refused {
        /// Its code.
        code: u16,
        /// Its own words, cut.
        reason: String,
    },
}

/// What a server wants to be answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    realm: String,
    nonce: String,
}

/// Asks for our own address.
#[must_use]
pub fn binding() -> Request {
    finish(Message::builder_request(BINDING, MessageWriteVec::new()))
}

/// Asks for a relayed address without saying who we are.
///
/// # Errors
/// [`Unwritable`].
pub fn allocate() -> Result<Request, Unwritable> {
    let mut message = Message::builder_request(ALLOCATE, MessageWriteVec::new());
    add(&mut message, REQUESTED_TRANSPORT)?;
    Ok(finish(message))
}

/// Asks for a relayed address.
///
/// # Errors
/// [`Unwritable`].
pub fn allocate_as(who: &RelayCredentials, challenge: &Challenge) -> Result<Request, Unwritable> {
    signed(ALLOCATE, REQUESTED_TRANSPORT, who, challenge)
}

/// Gives it back.
///
/// # Errors
/// [`Unwritable`].
pub fn give_back(who: &RelayCredentials, challenge: &Challenge) -> Result<Request, Unwritable> {
    signed(REFRESH, NO_LIFETIME, who, challenge)
}

/// Asks to keep it.
pub(super) fn keep(who: &RelayCredentials, challenge: &Challenge) -> Result<Request, Unwritable> {
    signed(REFRESH, LIFETIME, who, challenge)
}

fn signed(
    method: Method,
    attribute: (u16, [u8; 4]),
    who: &RelayCredentials,
    challenge: &Challenge,
) -> Result<Request, Unwritable> {
    let mut message = Message::builder_request(method, MessageWriteVec::new());
    add(&mut message, attribute)?;
    message.add_attribute(&Username::new(&who.username)?)?;
    message.add_attribute(&Realm::new(&challenge.realm)?)?;
    message.add_attribute(&Nonce::new(&challenge.nonce)?)?;
    let key = LongTermKeyCredentials::new(
        who.username.clone(),
        who.password.as_str().to_owned(),
        challenge.realm.clone(),
    );
    message.add_message_integrity(&key.into(), IntegrityAlgorithm::Sha1)?;
    Ok(finish(message))
}

fn add(message: &mut MessageWriteVec, (kind, value): (u16, [u8; 4])) -> Result<(), Unwritable> {
    Ok(message.add_attribute(&RawAttribute::new(kind.into(), &value))?)
}

fn finish(message: MessageWriteVec) -> Request {
    Request {
        id: message.transaction_id(),
        bytes: message.finish(),
    }
}

fn read(bytes: &[u8], id: TransactionId) -> Option<Answer> {
    let message = Message::from_bytes(bytes).ok()?;
    if message.transaction_id() != id || !message.is_response() {
        return None;
    }
    if message.has_class(MessageClass::Success) {
        let mapped = message.attribute::<XorMappedAddress>().ok();
        return Some(Answer::Success(mapped.map(|mapped| mapped.addr(id))));
    }
    let error = message.attribute::<ErrorCode>().ok()?;
    if error.code() == 401
        && let Some(challenge) = challenge(&message)
    {
        return Some(Answer::Unauthorised(challenge));
    }
    Some(Answer::Refused {
        code: error.code(),
        reason: error.reason().chars().take(80).collect(),
    })
}

/// What a refusal wants to be answered with.
pub(super) fn challenge(message: &Message<'_>) -> Option<Challenge> {
    let (realm, nonce) = (message.attribute::<Realm>(), message.attribute::<Nonce>());
    Some(Challenge {
        realm: realm.ok()?.realm().to_owned(),
        nonce: nonce.ok()?.nonce().to_owned(),
    })
}

/// By which code a request of ours is refused; `None`: this refuses none.
pub(super) fn refusal(bytes: &[u8]) -> Option<u16> {
    // The class of an error, in the bits that are the same for all methods of STUN and TURN (RFC 8489, section 5).
    bytes.starts_with(&[0x01]).then_some(())?;
    let message = Message::from_bytes(bytes).ok()?;
    let error = message.attribute::<ErrorCode>().ok();
    error
        .filter(|_| message.has_class(MessageClass::Error))
        .map(|error| error.code())
}

/// How long a message is by its first bytes (RFC 8489, section 5); `None`: it is no STUN message.
#[must_use]
pub fn length(head: [u8; 20]) -> Option<usize> {
    let [first, _, high, low, cookie @ ..] = head;
    let body = usize::from(u16::from_be_bytes([high, low]));
    let whole = body + head.len();
    (first < 4 && cookie.starts_with(&[0x21, 0x12, 0xa4, 0x42]) && whole <= LONGEST)
        .then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ice::server::IceServer;

    #[test]
    fn a_servers_answers_are_told_apart() {
        let request = binding();
        let asked = Message::from_bytes(&request.bytes).unwrap();
        let seen: SocketAddr = "192.0.2.7:4000".parse().unwrap();
        let mut success = Message::builder_success(&asked, MessageWriteVec::new());
        success
            .add_attribute(&XorMappedAddress::new(seen, request.id))
            .unwrap();
        let success = success.finish();
        assert_eq!(
            read(&success, request.id),
            Some(Answer::Success(Some(seen)))
        );
        assert_eq!(read(&success, binding().id), None);
        assert_eq!(read(&request.bytes, request.id), None);
        let head: [u8; 20] = success[..20].try_into().unwrap();
        assert_eq!(length(head), Some(success.len()));

        let mut error = Message::builder_error(&asked, MessageWriteVec::new());
        error
            .add_attribute(&ErrorCode::new(401, "Unauthorized").unwrap())
            .unwrap();
        error
            .add_attribute(&Realm::new("here.example").unwrap())
            .unwrap();
        error.add_attribute(&Nonce::new("n").unwrap()).unwrap();
        let Some(Answer::Unauthorised(challenge)) = read(&error.finish(), request.id) else {
            panic!("no challenge")
        };
        let server: IceServer = "turn:a.example".parse().unwrap();
        let who = server.with_credentials("user", "pass:word").credentials;
        let who = who.unwrap();
        let again = allocate_as(&who, &challenge).unwrap();
        let again = Message::from_bytes(&again.bytes).unwrap();
        assert_eq!(again.attribute::<Username>().unwrap().username(), "user");
        let key = LongTermKeyCredentials::new(
            "user".to_owned(),
            "pass:word".to_owned(),
            "here.example".to_owned(),
        );
        again.validate_integrity(&key.into()).unwrap();
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_comes_in_can_harm(mut bytes: Vec<u8>, head: [u8; 20]) {
            let request = binding();
            let _ = (read(&bytes, request.id), length(head));
            let mut framed = request.bytes;
            framed[0] = 1;
            framed.append(&mut bytes);
            let body = u16::try_from(framed.len() - 20).unwrap();
            framed[2..4].copy_from_slice(&body.to_be_bytes());
            let _ = read(&framed, request.id);
        }
    }
}

//! The few STUN messages (RFC 8489, RFC 8656) that a look at a server takes, and their answers: whether it is there, and relays.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use turn_types::stun::attribute::{
    ErrorCode, Nonce, RawAttribute, Realm, Username, XorMappedAddress,
};
use turn_types::stun::message::{
    BINDING, IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType,
    MessageWriteVec, Method, StunWriteError, TransactionId,
};
use turn_types::stun::prelude::*;

use crate::ice::server::RelayCredentials;

/// RFC 8656, section 17.
pub(super) const ALLOCATE: Method = Method::new(0x003);
pub(super) const REFRESH: Method = Method::new(0x004);
/// RFC 8656, section 18: UDP, and a time of nothing, which gives the relayed address back.
pub(super) const REQUESTED_TRANSPORT: Field<'_> = (0x0019, &[17, 0, 0, 0]);
pub(super) const NO_LIFETIME: Field<'_> = (0x000d, &[0; 4]);
/// RFC 8489, sections 14.11 and 14.12.
const PASSWORD_ALGORITHMS: u16 = 0x8002;
const PASSWORD_ALGORITHM: u16 = 0x001d;
/// Whose nonce begins so speaks RFC 8489 (section 9.2).
const NONCE_COOKIE: &str = "obMatJos2";
/// Longest message that is read.
pub const LONGEST: usize = 2048;

/// An attribute of a request: its type and its value.
pub(super) type Field<'a> = (u16, &'a [u8]);

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
    /// Whether this message is the answer to it.
    pub(super) fn is_answered_by(&self, message: &Message<'_>) -> bool {
        message.is_response() && message.transaction_id() == self.id
    }

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
    /// What it offers to hash passwords with, as it said it, and what of that is used (RFC 8489, section 9.2.4).
    algorithms: Option<(Vec<u8>, IntegrityAlgorithm)>,
}

impl Challenge {
    fn algorithm(&self) -> IntegrityAlgorithm {
        let offered = self.algorithms.as_ref();
        offered.map_or(IntegrityAlgorithm::Sha1, |(_, used)| *used)
    }

    fn key(&self, who: &RelayCredentials) -> LongTermKeyCredentials {
        LongTermKeyCredentials::new(
            who.username.clone(),
            who.password.as_str().to_owned(),
            self.realm.clone(),
        )
    }

    /// Whether whoever wrote this knows the password.
    pub(super) fn has_signed(&self, message: &Message<'_>, who: &RelayCredentials) -> bool {
        message.validate_integrity(&self.key(who).into()).is_ok()
    }
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
    unsigned(ALLOCATE, TransactionId::generate(), &[REQUESTED_TRANSPORT])
}

/// Asks for a relayed address.
///
/// # Errors
/// [`Unwritable`].
pub fn allocate_as(who: &RelayCredentials, challenge: &Challenge) -> Result<Request, Unwritable> {
    let id = TransactionId::generate();
    signed(ALLOCATE, id, &[REQUESTED_TRANSPORT], who, challenge)
}

/// Gives it back.
///
/// # Errors
/// [`Unwritable`].
pub fn give_back(who: &RelayCredentials, challenge: &Challenge) -> Result<Request, Unwritable> {
    let id = TransactionId::generate();
    signed(REFRESH, id, &[NO_LIFETIME], who, challenge)
}

/// Asks without saying who we are.
pub(super) fn unsigned(
    method: Method,
    id: TransactionId,
    fields: &[Field<'_>],
) -> Result<Request, Unwritable> {
    let mut message = request(method, id);
    for field in fields {
        add(&mut message, *field)?;
    }
    Ok(finish(message))
}

/// Asks, and says who we are (RFC 8489, section 9.2.3).
pub(super) fn signed(
    method: Method,
    id: TransactionId,
    fields: &[Field<'_>],
    who: &RelayCredentials,
    challenge: &Challenge,
) -> Result<Request, Unwritable> {
    let mut message = request(method, id);
    for field in fields {
        add(&mut message, *field)?;
    }
    message.add_attribute(&Username::new(&who.username)?)?;
    message.add_attribute(&Realm::new(&challenge.realm)?)?;
    message.add_attribute(&Nonce::new(&challenge.nonce)?)?;
    let algorithm = challenge.algorithm();
    if let Some((offered, _)) = &challenge.algorithms {
        add(&mut message, (PASSWORD_ALGORITHMS, offered))?;
        add(&mut message, (PASSWORD_ALGORITHM, used(algorithm)))?;
    }
    message.add_message_integrity(&challenge.key(who).into(), algorithm)?;
    Ok(finish(message))
}

fn request(method: Method, id: TransactionId) -> MessageWriteVec {
    let kind = MessageType::from_class_method(MessageClass::Request, method);
    Message::builder(kind, id, MessageWriteVec::new())
}

/// The password algorithms of RFC 8489, section 18.5: MD5 for SHA-1, SHA-256; neither has parameters.
const fn used(algorithm: IntegrityAlgorithm) -> &'static [u8] {
    match algorithm {
        IntegrityAlgorithm::Sha1 => &[0, 1, 0, 0],
        IntegrityAlgorithm::Sha256 => &[0, 2, 0, 0],
    }
}

fn add(message: &mut MessageWriteVec, (kind, value): Field<'_>) -> Result<(), Unwritable> {
    Ok(message.add_attribute(&RawAttribute::new(kind.into(), value))?)
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
    let (realm, nonce) = (realm.ok()?, nonce.ok()?);
    let mut algorithms = None;
    if let Some(features) = nonce.nonce().strip_prefix(NONCE_COOKIE) {
        match message.raw_attribute(PASSWORD_ALGORITHMS.into()) {
            Some(offered) => algorithms = Some((offered.value.to_vec(), choose(&offered.value)?)),
            // Somebody on the way has taken the list out (RFC 8489, section 9.2.5).
            None if offers_algorithms(features) => return None,
            None => {}
        }
    }
    Some(Challenge {
        realm: realm.realm().to_owned(),
        nonce: nonce.nonce().to_owned(),
        algorithms,
    })
}

/// Of a list of number, length of the parameters and the parameters, the first that we know.
fn choose(offered: &[u8]) -> Option<IntegrityAlgorithm> {
    let known = [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256];
    offered.chunks_exact(4).find_map(|entry| {
        let is_it = |it: &&IntegrityAlgorithm| used(**it) == entry;
        known.iter().find(is_it).copied()
    })
}

/// The first bit of three bytes in Base64 that follow the cookie (RFC 8489, section 18.1).
fn offers_algorithms(features: &str) -> bool {
    let bits = features.get(..4).and_then(|it| STANDARD.decode(it).ok());
    bits.is_some_and(|bits| bits.first().is_some_and(|first| first & 0x80 > 0))
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

    #[test]
    fn passwords_are_hashed_as_the_server_offers_and_nobody_makes_it_weaker() {
        let server: IceServer = "turn:a.example".parse().unwrap();
        let who = server.with_credentials("user", "secret").credentials;
        let who = who.unwrap();
        let refused = |nonce: &str, offered: Option<&[u8]>| {
            let request = binding();
            let asked = Message::from_bytes(&request.bytes).unwrap();
            let mut error = Message::builder_error(&asked, MessageWriteVec::new());
            let realm = Realm::new("here.example").unwrap();
            error.add_attribute(&realm).unwrap();
            error.add_attribute(&Nonce::new(nonce).unwrap()).unwrap();
            if let Some(offered) = offered {
                add(&mut error, (PASSWORD_ALGORITHMS, offered)).unwrap();
            }
            challenge(&Message::from_bytes(&error.finish()).unwrap())
        };
        // "gAAA" is the bit for algorithms, "AAAA" no bit at all.
        let (offers, plain) = ("obMatJos2gAAAnonce", "obMatJos2AAAAnonce");
        let [md5, sha256] = [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256].map(used);
        for (nonce, offered, expected) in [
            (offers, Some(sha256.to_vec()), IntegrityAlgorithm::Sha256),
            (
                offers,
                Some([sha256, md5].concat()),
                IntegrityAlgorithm::Sha256,
            ),
            (
                offers,
                Some([md5, sha256].concat()),
                IntegrityAlgorithm::Sha1,
            ),
            (plain, None, IntegrityAlgorithm::Sha1),
            ("nonce", None, IntegrityAlgorithm::Sha1),
        ] {
            let challenge = refused(nonce, offered.as_deref()).unwrap();
            let request = allocate_as(&who, &challenge).unwrap();
            let request = Message::from_bytes(&request.bytes).unwrap();
            assert!(challenge.has_signed(&request, &who));
            let key = challenge.key(&who);
            assert_eq!(request.validate_integrity(&key.into()).unwrap(), expected);
            let echoed = request.raw_attribute(PASSWORD_ALGORITHMS.into());
            assert_eq!(echoed.map(|it| it.value.to_vec()), offered);
        }
        assert_eq!(refused(offers, None), None, "taken out on the way");
        assert_eq!(refused(offers, Some(&[0, 9, 0, 0])), None, "none we know");
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

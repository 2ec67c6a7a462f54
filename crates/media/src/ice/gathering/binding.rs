//! One question to a STUN server: which address do you see? (RFC 8489 section 3.)

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use turn_types::stun::attribute::{
    AlternateServer, AttributeType, ErrorCode, MappedSocketAddr, XorMappedAddress,
};
use turn_types::stun::message::{BINDING, Message, MessageClass, MessageWriteVec, TransactionId};
use turn_types::stun::prelude::MessageWrite;

use crate::ice::gathering::alternate::{MAX_REDIRECTS, is_usable};
use crate::ice::gathering::failure::ServerFailure;

/// MAPPED-ADDRESS (RFC 8489 section 14.1): all that a server of before RFC 5389 says.
const MAPPED_ADDRESS: AttributeType = AttributeType::new(0x0001);

/// When the request is repeated, counted from the one before: the retransmission timeout of RFC 8489 section 6.2.1,
/// doubled each time; gathering does not last long enough for a fourth.
const REPEATS: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// A Binding transaction from one of our sockets.
#[derive(Debug)]
pub(super) struct Binding {
    base: SocketAddr,
    server: SocketAddr,
    request: Vec<u8>,
    transaction: TransactionId,
    sent: usize,
    due: Option<Instant>,
    /// How often a server has sent us to another.
    redirects: u8,
}

/// What a datagram was to the transaction.
pub(super) enum Answer {
    /// Nothing: it belongs to somebody else.
    Stray,
    /// The server sees this address.
    Mapped(SocketAddr),
    /// This server is to be asked in its place (300).
    Alternate(SocketAddr),
    /// The server answered, but told no address.
    Refused(ServerFailure),
}

impl Binding {
    pub(super) fn new(base: SocketAddr, server: SocketAddr, start: Instant) -> Self {
        let transaction = TransactionId::generate();
        let header = Message::builder(
            turn_types::stun::message::MessageType::from_class_method(
                MessageClass::Request,
                BINDING,
            ),
            transaction,
            MessageWriteVec::new(),
        );
        Self {
            base,
            server,
            request: header.finish(),
            transaction,
            sent: 0,
            due: Some(start),
            redirects: 0,
        }
    }

    /// The same question once more, in a transaction of its own.
    pub(super) fn again(&self, now: Instant) -> Self {
        Self::new(self.base, self.server, now)
    }

    /// The same question to the server that this one names in its place; `None` when it is of no use, or one too many.
    pub(super) fn redirected(&self, to: SocketAddr, now: Instant) -> Option<Self> {
        (is_usable(to, self.base) && self.redirects < MAX_REDIRECTS).then(|| Self {
            redirects: self.redirects + 1,
            ..Self::new(self.base, to, now)
        })
    }

    pub(super) const fn base(&self) -> SocketAddr {
        self.base
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// The datagram that is due, if one is: from, to, bytes.
    pub(super) fn poll_transmit(
        &mut self,
        now: Instant,
    ) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        if self.due.is_none_or(|due| now < due) {
            return None;
        }
        self.due = REPEATS.get(self.sent).map(|wait| now + *wait);
        self.sent += 1;
        Some((self.base, self.server, self.request.clone()))
    }

    pub(super) fn answer(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> Answer {
        if (local, remote) != (self.base, self.server) {
            return Answer::Stray;
        }
        let Ok(message) = Message::from_bytes(datagram) else {
            return Answer::Stray;
        };
        if message.transaction_id() != self.transaction || !message.is_response() {
            return Answer::Stray;
        }
        if message.has_class(MessageClass::Error) {
            return refusal(&message);
        }
        let plain = |message: &Message<'_>| {
            let mapped = message.raw_attribute(MAPPED_ADDRESS)?;
            Some(MappedSocketAddr::from_raw(&mapped).ok()?.addr())
        };
        match message.attribute::<XorMappedAddress>() {
            Ok(mapped) => Answer::Mapped(mapped.addr(self.transaction)),
            Err(_) => {
                plain(&message).map_or(Answer::Refused(ServerFailure::NoAddress), Answer::Mapped)
            }
        }
    }
}

fn refusal(message: &Message<'_>) -> Answer {
    let Ok(error) = message.attribute::<ErrorCode>() else {
        return Answer::Refused(ServerFailure::NoAddress);
    };
    let alternate = message.attribute::<AlternateServer>();
    match (error.code(), alternate) {
        (ErrorCode::TRY_ALTERNATE, Ok(alternate)) => Answer::Alternate(alternate.server()),
        (code, _) => Answer::Refused(ServerFailure::Refused { code }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Binding, TransactionId};

    /// RFC 5769, section 2.2, behind its type and transaction.
    const RESPONSE_V4: [u8; 60] = [
        0x80, 0x22, 0x00, 0x0b, b't', b'e', b's', b't', b' ', b'v', b'e', b'c', b't', b'o', b'r',
        0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43, 0x00, 0x08,
        0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9, 0x2a,
        0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
    ];

    /// The same of section 2.3.
    const RESPONSE_V6: [u8; 72] = [
        0x80, 0x22, 0x00, 0x0b, b't', b'e', b's', b't', b' ', b'v', b'e', b'c', b't', b'o', b'r',
        0x20, 0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3,
        0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9, 0x00, 0x08, 0x00, 0x14, 0xa3,
        0x82, 0x95, 0x4e, 0x4b, 0xe6, 0x7b, 0xf1, 0x17, 0x84, 0xc9, 0x7c, 0x82, 0x92, 0xc2, 0x75,
        0xbf, 0xe3, 0xed, 0x41, 0x80, 0x28, 0x00, 0x04, 0xc8, 0xfb, 0x0b, 0x4c,
    ];

    #[test]
    fn the_sample_responses_of_rfc_5769_show_their_addresses() {
        let transaction = TransactionId::from(0xb7e7_a701_bc34_d686_fa87_dfae_u128);
        let question = Binding {
            base: ([127, 0, 0, 1], 4000).into(),
            server: ([192, 0, 2, 9], 3478).into(),
            request: Vec::new(),
            transaction,
            sent: 1,
            due: None,
            redirects: 0,
        };
        for (attributes, expected) in [
            (&RESPONSE_V4[..], "192.0.2.1:32853"),
            (
                &RESPONSE_V6[..],
                "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
            ),
        ] {
            let length = u16::try_from(attributes.len()).unwrap();
            let mut sample = vec![0x01, 0x01];
            sample.extend(length.to_be_bytes());
            sample.extend([0x21, 0x12, 0xa4, 0x42]);
            sample.extend(&u128::from(transaction).to_be_bytes()[4..]);
            sample.extend(attributes);
            let answer = question.answer(question.base, question.server, &sample);
            let Answer::Mapped(mapped) = answer else {
                panic!("no address: {sample:02x?}");
            };
            assert_eq!(mapped.to_string(), expected);
            // Another's question, or another server's answer.
            sample[19] ^= 1;
            let stray = question.answer(question.base, question.server, &sample);
            assert!(matches!(stray, Answer::Stray));
        }
    }
}

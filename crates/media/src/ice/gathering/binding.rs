//! One question to a STUN server: which address do you see? (RFC 8489 section 3.)

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use turn_client_proto::types::stun::attribute::XorMappedAddress;
use turn_client_proto::types::stun::message::{
    BINDING, Message, MessageClass, MessageWriteVec, TransactionId,
};
use turn_client_proto::types::stun::prelude::MessageWrite;

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
}

/// What a datagram was to the transaction.
pub(super) enum Answer {
    /// Nothing: it belongs to somebody else.
    Stray,
    /// The server sees this address.
    Mapped(SocketAddr),
    /// The server answered, but told no address.
    Refused,
}

impl Binding {
    pub(super) fn new(base: SocketAddr, server: SocketAddr, start: Instant) -> Self {
        let transaction = TransactionId::generate();
        let header = Message::builder(
            turn_client_proto::types::stun::message::MessageType::from_class_method(
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
        }
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
        match message.attribute::<XorMappedAddress>() {
            Ok(mapped) if message.has_class(MessageClass::Success) => {
                Answer::Mapped(mapped.addr(self.transaction))
            }
            Ok(_) | Err(_) => Answer::Refused,
        }
    }
}

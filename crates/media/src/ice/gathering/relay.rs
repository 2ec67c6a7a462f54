//! One allocation on a TURN server (RFC 8656), by the `turn-client-proto` crate, with the codes it does not tell.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use turn_client_proto::api::{SendError, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::client::TurnClient;
use turn_client_proto::prelude::{DelayedTransmitBuild, TurnClientApi};
use turn_client_proto::stun::agent::Transmit;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::message::ALLOCATE;
use turn_client_proto::types::stun::attribute::{AlternateServer, ErrorCode};
use turn_client_proto::types::stun::message::{Message, MessageClass, TransactionId};
use turn_client_proto::types::{
    AddressFamily, Instant as TurnInstant, TransportType, TurnCredentials,
};
use turn_client_proto::udp::TurnClientUdp;

use crate::ice::gathering::failure::ServerFailure;
use crate::ice::server::RelayCredentials;

/// Datagrams that wait for a permission; ICE repeats what is dropped.
const MAX_HELD: usize = 16;
/// Addresses of peers that permissions are asked for.
const MAX_PEERS: usize = 64;
/// Alternate servers followed, one after the other (RFC 8489 section 10).
const MAX_REDIRECTS: u8 = 2;
/// Answers 401 to one allocation: the first asks for credentials, the second refuses them.
const MAX_UNAUTHORIZED: u8 = 2;

/// First wait for an answer, longest wait, repeats, and the wait after the last of them.
const RETRANSMITS: (Duration, Duration, u32, Duration) = (
    Duration::from_millis(250),
    Duration::from_secs(1),
    5,
    Duration::from_secs(2),
);

/// The allocation, from its first request to its end.
#[derive(Debug)]
pub(super) struct Relay {
    client: TurnClient,
    credentials: RelayCredentials,
    /// Instants of the crate count from here.
    origin: Instant,
    relayed: Option<SocketAddr>,
    /// The Allocate request that is under way.
    allocating: Option<TransactionId>,
    unauthorized: u8,
    redirects: u8,
    failure: Option<ServerFailure>,
    held: VecDeque<(SocketAddr, Vec<u8>)>,
    asked: BTreeSet<IpAddr>,
    refused: BTreeSet<IpAddr>,
    channels: BTreeSet<SocketAddr>,
    due: Option<Instant>,
    packet: Vec<u8>,
}

/// What something received was.
pub(super) enum Taken {
    /// Not of this allocation.
    Stray,
    /// Dealt with.
    Consumed,
    /// From a peer, at this place in the datagram.
    Peer {
        peer: SocketAddr,
        offset: usize,
        length: usize,
    },
}

/// What happened to the allocation.
pub(super) enum RelayEvent {
    /// It stands.
    Allocated(SocketAddr),
    /// It never will.
    Failed(ServerFailure),
}

impl Relay {
    /// Over UDP from one of our sockets.
    pub(super) fn over_udp(
        base: SocketAddr,
        server: SocketAddr,
        credentials: RelayCredentials,
        now: Instant,
    ) -> Self {
        let client = TurnClientUdp::allocate(base, server, config(&credentials, server)).into();
        Self::new(client, credentials, now)
    }

    /// Over a stream that stands, with or without TLS around it.
    pub(super) fn over_stream(
        local: SocketAddr,
        server: SocketAddr,
        credentials: RelayCredentials,
        now: Instant,
    ) -> Self {
        let client = TurnClientTcp::allocate(local, server, config(&credentials, server)).into();
        Self::new(client, credentials, now)
    }

    fn new(client: TurnClient, credentials: RelayCredentials, now: Instant) -> Self {
        Self {
            client,
            credentials,
            origin: now,
            relayed: None,
            allocating: None,
            unauthorized: 0,
            redirects: 0,
            failure: None,
            held: VecDeque::new(),
            asked: BTreeSet::new(),
            refused: BTreeSet::new(),
            channels: BTreeSet::new(),
            due: Some(now),
            packet: Vec::new(),
        }
    }

    pub(super) const fn relayed(&self) -> Option<SocketAddr> {
        self.relayed
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.client.local_addr()
    }

    pub(super) fn server(&self) -> SocketAddr {
        self.client.remote_addr()
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Takes a datagram, or bytes of the stream, that came from the server.
    pub(super) fn receive(&mut self, bytes: &[u8], now: Instant) -> Taken {
        if self.relayed.is_none() && self.client.transport() == TransportType::Udp {
            self.read_refusal(bytes, now);
        }
        let at = self.turn_time(now);
        let transmit = Transmit::new(
            bytes,
            self.client.transport(),
            self.client.remote_addr(),
            self.client.local_addr(),
        );
        let taken = match self.client.recv(transmit, at) {
            TurnRecvRet::Handled | TurnRecvRet::PeerIcmp { .. } => Taken::Consumed,
            TurnRecvRet::Ignored(_) => Taken::Stray,
            TurnRecvRet::PeerData(data) => {
                let inner = data.data();
                // The crate tells the peer's part as a slice of what it was given.
                let offset = (inner.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
                Taken::Peer {
                    peer: data.peer,
                    offset,
                    length: inner.len(),
                }
            }
        };
        self.due = Some(now);
        taken
    }

    /// As [`receive`](Self::receive) for a stream, whose bytes may hold any number of messages.
    pub(super) fn receive_stream(
        &mut self,
        bytes: &[u8],
        now: Instant,
        mut peer_data: impl FnMut(SocketAddr, &[u8]),
    ) {
        let at = self.turn_time(now);
        let (from, to) = (self.client.remote_addr(), self.client.local_addr());
        let transmit = Transmit::new(bytes, TransportType::Tcp, from, to);
        if let TurnRecvRet::PeerData(data) = self.client.recv(transmit, at) {
            peer_data(data.peer, data.data());
        }
        while let Some(data) = self.client.poll_recv(at) {
            peer_data(data.peer, data.data());
        }
        self.due = Some(now);
    }

    /// The stream is gone.
    pub(super) fn closed(&mut self) {
        self.client.protocol_error();
        self.failure.get_or_insert(ServerFailure::Closed);
    }

    /// What the crate does not tell: the code of a refused allocation, and where else to ask.
    fn read_refusal(&mut self, bytes: &[u8], now: Instant) {
        let Ok(message) = Message::from_bytes(bytes) else {
            return;
        };
        if Some(message.transaction_id()) != self.allocating
            || !message.has_class(MessageClass::Error)
        {
            return;
        }
        let Ok(error) = message.attribute::<ErrorCode>() else {
            return;
        };
        match error.code() {
            ErrorCode::UNAUTHORIZED => {
                self.unauthorized += 1;
                if self.unauthorized >= MAX_UNAUTHORIZED {
                    self.failure = Some(ServerFailure::Unauthorized);
                }
            }
            ErrorCode::STALE_NONCE => {}
            ErrorCode::TRY_ALTERNATE => match message.attribute::<AlternateServer>() {
                Ok(alternate) => self.redirect(alternate.server(), now),
                Err(_) => self.failure = Some(ServerFailure::Refused { code: 300 }),
            },
            code => self.failure = Some(ServerFailure::Refused { code }),
        }
    }

    fn redirect(&mut self, server: SocketAddr, now: Instant) {
        let usable = server.is_ipv4() == self.client.local_addr().is_ipv4()
            && server.port() != 0
            && !server.ip().is_unspecified()
            && !server.ip().is_multicast();
        if !usable || self.redirects >= MAX_REDIRECTS {
            self.failure = Some(ServerFailure::Redirected);
            return;
        }
        let redirects = self.redirects + 1;
        *self = Self::over_udp(
            self.client.local_addr(),
            server,
            self.credentials.clone(),
            now,
        );
        self.redirects = redirects;
    }

    /// Says that the deadline has come, or that something was received.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let at = self.turn_time(now);
        self.due = match self.client.poll(at) {
            TurnPollRet::WaitUntil(due) => Some(self.std_time(due).max(now)),
            TurnPollRet::Closed => {
                if self.relayed.is_none() {
                    self.failure.get_or_insert(ServerFailure::Unanswered);
                }
                None
            }
            // Only for TCP allocations, which are never asked for.
            TurnPollRet::AllocateTcpSocket { .. } | TurnPollRet::TcpClose { .. } => Some(now),
        };
    }

    /// The next request for the server.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let at = self.turn_time(now);
        let bytes = self.client.poll_transmit(at)?.data.to_vec();
        if self.relayed.is_none()
            && let Ok(message) = Message::from_bytes(&bytes)
            && message.has_method(ALLOCATE)
        {
            self.allocating = Some(message.transaction_id());
        }
        Some(bytes)
    }

    pub(super) fn poll_event(&mut self, now: Instant) -> Option<RelayEvent> {
        while let Some(event) = self.client.poll_event() {
            match event {
                TurnEvent::AllocationCreated(TransportType::Udp, relayed) => {
                    self.relayed = Some(relayed);
                    return Some(RelayEvent::Allocated(relayed));
                }
                TurnEvent::AllocationCreateFailed(_) => {
                    self.failure.get_or_insert(ServerFailure::Unauthorized);
                }
                TurnEvent::PermissionCreateFailed(_, ip) => {
                    self.refused.insert(ip);
                    self.held.retain(|(peer, _)| peer.ip() != ip);
                }
                TurnEvent::PermissionCreated(..)
                | TurnEvent::ChannelCreated(..)
                | TurnEvent::AllocationCreated(TransportType::Tcp, _)
                | TurnEvent::TcpConnected(_)
                | TurnEvent::TcpConnectFailed(_) => {}
                TurnEvent::ChannelCreateFailed(_, peer) => {
                    self.channels.remove(&peer);
                }
            }
            self.due = Some(now);
        }
        self.failure.take().map(RelayEvent::Failed)
    }

    /// A datagram that waited and may go now.
    pub(super) fn poll_held(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        let client = &self.client;
        let index = self
            .held
            .iter()
            .position(|(peer, _)| client.have_permission(TransportType::Udp, peer.ip()))?;
        self.held.remove(index)
    }

    /// Wraps a datagram for a peer; `None` while the server does not let it pass.
    pub(super) fn wrap(&mut self, peer: SocketAddr, bytes: &[u8], now: Instant) -> Option<&[u8]> {
        let at = self.turn_time(now);
        if !self.client.have_permission(TransportType::Udp, peer.ip()) {
            self.ask_permission(peer, bytes, now);
            return None;
        }
        // Checks are few and go to many addresses; what follows goes to one, often: it gets a channel. Not on a stream,
        // where the crate leaves the padding out that channel data must have there (RFC 8656 section 12.5): it neither
        // writes nor expects it, and would lose its place in the stream.
        let is_check = bytes.first().is_some_and(|byte| *byte < 4);
        let wants_channel = !is_check && self.client.transport() == TransportType::Udp;
        if wants_channel && self.channels.len() < MAX_PEERS && self.channels.insert(peer) {
            // Without a channel it goes by indication.
            let _ = self.client.bind_channel(TransportType::Udp, peer, at);
            self.due = Some(now);
        }
        let sent = self.client.send_to(TransportType::Udp, peer, bytes, at);
        match sent {
            Ok(Some(build)) => {
                let length = build.data.len();
                self.packet.resize(length, 0);
                let written = build.data.write_into(&mut self.packet);
                self.packet.get(..written)
            }
            Ok(None)
            | Err(SendError::NoAllocation | SendError::NoPermission | SendError::NoTcpSocket | _) => {
                None
            }
        }
    }

    fn ask_permission(&mut self, peer: SocketAddr, bytes: &[u8], now: Instant) {
        if self.refused.contains(&peer.ip()) {
            return;
        }
        if self.held.len() < MAX_HELD {
            self.held.push_back((peer, bytes.to_vec()));
        }
        if self.asked.len() < MAX_PEERS && self.asked.insert(peer.ip()) {
            let at = self.turn_time(now);
            // It fails only where the allocation is gone; then nothing passes anyway.
            let _ = self
                .client
                .create_permission(TransportType::Udp, peer.ip(), at);
            self.due = Some(now);
        }
    }

    /// Gives the allocation back (RFC 8656 section 8): one request, whose answer nobody waits for.
    pub(super) fn release(&mut self, now: Instant) {
        let at = self.turn_time(now);
        // It fails only where there is nothing to give back.
        let _ = self.client.delete(at);
    }

    fn turn_time(&self, now: Instant) -> TurnInstant {
        let nanos = now.saturating_duration_since(self.origin).as_nanos();
        TurnInstant::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    fn std_time(&self, at: TurnInstant) -> Instant {
        let nanos = u64::try_from(at.as_nanos()).unwrap_or_default();
        self.origin + Duration::from_nanos(nanos)
    }
}

fn config(credentials: &RelayCredentials, server: SocketAddr) -> TurnConfig {
    let mut config = TurnConfig::new(TurnCredentials::new(
        &credentials.username,
        &credentials.password,
    ));
    if server.is_ipv6() {
        config.set_address_family(AddressFamily::IPV6);
    }
    let (initial, longest, repeats, last) = RETRANSMITS;
    config.set_request_retransmits(initial, longest, repeats, last);
    config
}

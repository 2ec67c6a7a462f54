//! One allocation on a TURN server (RFC 8656), by the `turn-client-proto` crate, with the codes it does not tell.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use turn_client_proto::api::{SendError, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::client::TurnClient;
use turn_client_proto::prelude::{DelayedTransmitBuild, TurnClientApi};
use turn_client_proto::stun::agent::Transmit;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::message::ALLOCATE;
use turn_client_proto::types::stun::attribute::{
    AlternateDomain, AlternateServer, ErrorCode, Nonce, Realm,
};
use turn_client_proto::types::stun::message::{Message, MessageClass, TransactionId};
use turn_client_proto::types::{
    AddressFamily, Instant as TurnInstant, TransportType, TurnCredentials,
};
use turn_client_proto::udp::TurnClientUdp;

use crate::ice::gathering::failure::ServerFailure;
use crate::ice::gathering::liveness::{Liveness, Verdict, is_mismatch};
use crate::ice::server::RelayCredentials;

/// Datagrams that wait for a permission; ICE repeats what is dropped.
const MAX_HELD: usize = 16;
/// Addresses of peers that permissions are asked for.
const MAX_PEERS: usize = 64;
/// Answers 401 to one allocation: the first asks for credentials, the second refuses them.
const MAX_UNAUTHORIZED: u8 = 2;

/// Before a permission is asked for again whose request nobody answered.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// How a refused CreatePermission begins (RFC 8656 section 17).
const PERMISSION_REFUSED: [u8; 2] = [0x01, 0x18];

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
    /// Instants of the crate count from here.
    origin: Instant,
    relayed: Option<SocketAddr>,
    /// The Allocate request that is under way.
    allocating: Option<TransactionId>,
    unauthorized: u8,
    redirect: Option<(SocketAddr, Option<String>)>,
    failure: Option<ServerFailure>,
    /// Of a stream, before the allocation stands: the beginning of a message.
    unread: Vec<u8>,
    held: VecDeque<(SocketAddr, Vec<u8>)>,
    permissions: BTreeMap<IpAddr, Permission>,
    /// What was received last refused a permission.
    refuses: bool,
    channels: BTreeSet<SocketAddr>,
    liveness: Liveness,
    /// Questions of that which wait to be sent.
    questions: VecDeque<Vec<u8>>,
    /// The allocation stood, and is gone.
    lost: bool,
    due: Option<Instant>,
    packet: Vec<u8>,
}

/// How a permission stands that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permission {
    /// Asked for, or given.
    Asked,
    /// The server refuses it.
    Refused,
    /// Nobody answered; it may be asked for again from then on.
    Unanswered(Instant),
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
    /// Another server is to be asked (300), and this is the name on its certificate, where it said one.
    Redirected(SocketAddr, Option<String>),
    /// It never will.
    Failed(ServerFailure),
    /// It stood, and is gone.
    Lost(SocketAddr),
}

impl Relay {
    /// Over UDP from one of our sockets.
    pub(super) fn over_udp(
        base: SocketAddr,
        server: SocketAddr,
        credentials: &RelayCredentials,
        now: Instant,
    ) -> Self {
        let client = TurnClientUdp::allocate(base, server, config(credentials, server)).into();
        Self::new(client, credentials, now)
    }

    /// Over a stream that stands, with or without TLS around it.
    pub(super) fn over_stream(
        local: SocketAddr,
        server: SocketAddr,
        credentials: &RelayCredentials,
        now: Instant,
    ) -> Self {
        let client = TurnClientTcp::allocate(local, server, config(credentials, server)).into();
        Self::new(client, credentials, now)
    }

    fn new(client: TurnClient, credentials: &RelayCredentials, now: Instant) -> Self {
        Self {
            client,
            origin: now,
            relayed: None,
            allocating: None,
            unauthorized: 0,
            redirect: None,
            failure: None,
            unread: Vec::new(),
            held: VecDeque::new(),
            permissions: BTreeMap::new(),
            refuses: false,
            channels: BTreeSet::new(),
            liveness: Liveness::new(credentials),
            questions: VecDeque::new(),
            lost: false,
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
            self.read_refusal(bytes);
        }
        if let Some(verdict) = self.liveness.answer(bytes, now) {
            match verdict {
                Verdict::Stands => {}
                Verdict::Gone => self.lost = true,
                Verdict::AskAgain(question) => self.questions.push_back(question),
            }
            self.due = Some(now);
            return Taken::Consumed;
        }
        self.refuses |= bytes.starts_with(&PERMISSION_REFUSED);
        let at = self.turn_time(now);
        let transmit = Transmit::new(
            bytes,
            self.client.transport(),
            self.client.remote_addr(),
            self.client.local_addr(),
        );
        let taken = match self.client.recv(transmit, at) {
            TurnRecvRet::Handled | TurnRecvRet::PeerIcmp { .. } => {
                // The crate has seen that it is the server's word, and tells nobody.
                self.lost |= self.relayed.is_some() && is_mismatch(bytes);
                Taken::Consumed
            }
            TurnRecvRet::Ignored(_) => Taken::Stray,
            TurnRecvRet::PeerData(data) => {
                let inner = data.data();
                // The crate tells the peer's part as a slice of what it was given.
                let offset = (inner.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
                self.liveness.hear();
                // It changes nothing of the allocation, and comes often: nothing is due for it.
                return Taken::Peer {
                    peer: data.peer,
                    offset,
                    length: inner.len(),
                };
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
        if self.relayed.is_none() {
            self.read_refusals(bytes);
        }
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

    /// As [`read_refusal`](Self::read_refusal) for what a stream brings: before the allocation stands, STUN messages and nothing else.
    fn read_refusals(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        let mut unread = std::mem::take(&mut self.unread);
        let mut rest = unread.as_slice();
        while let Some((message, after)) = first_message(rest) {
            self.read_refusal(message);
            rest = after;
        }
        let read = unread.len() - rest.len();
        unread.drain(..read);
        self.unread = unread;
    }

    /// What the crate does not tell: the code of a refused allocation, where else to ask, and that nobody asked for a password.
    fn read_refusal(&mut self, bytes: &[u8]) {
        let Ok(message) = Message::from_bytes(bytes) else {
            return;
        };
        if Some(message.transaction_id()) != self.allocating {
            return;
        }
        self.liveness.read_challenge(&message);
        if message.has_class(MessageClass::Success) && self.unauthorized == 0 {
            self.failure = Some(ServerFailure::NoAuthentication);
        }
        if !message.has_class(MessageClass::Error) {
            return;
        }
        let Ok(error) = message.attribute::<ErrorCode>() else {
            return;
        };
        match error.code() {
            ErrorCode::UNAUTHORIZED => {
                self.unauthorized += 1;
                let is_readable =
                    message.attribute::<Realm>().is_ok() && message.attribute::<Nonce>().is_ok();
                if !is_readable {
                    // Missing, or longer than RFC 8489 sections 14.9 and 14.10 let them be.
                    self.failure = Some(ServerFailure::Refused { code: 401 });
                } else if self.unauthorized >= MAX_UNAUTHORIZED {
                    self.failure = Some(ServerFailure::Unauthorized);
                }
            }
            ErrorCode::STALE_NONCE => {}
            ErrorCode::TRY_ALTERNATE => match message.attribute::<AlternateServer>() {
                Ok(alternate) => {
                    let domain = message.attribute::<AlternateDomain>().ok();
                    let domain = domain.map(|domain| domain.domain().to_owned());
                    self.redirect = Some((alternate.server(), domain));
                }
                Err(_) => self.failure = Some(ServerFailure::Refused { code: 300 }),
            },
            code => self.failure = Some(ServerFailure::Refused { code }),
        }
    }

    /// Says that the deadline has come, or that something was received.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let at = self.turn_time(now);
        self.due = match self.client.poll(at) {
            TurnPollRet::WaitUntil(due) => Some(self.std_time(due).max(now)),
            TurnPollRet::Closed => {
                match self.relayed {
                    None => {
                        self.failure.get_or_insert(ServerFailure::Unanswered);
                    }
                    // Its time is over, and no request to keep it was granted.
                    Some(_) => self.lost = true,
                }
                None
            }
            // Only for TCP allocations, which are never asked for.
            TurnPollRet::AllocateTcpSocket { .. } | TurnPollRet::TcpClose { .. } => Some(now),
        };
    }

    /// The next request for the server.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        if let Some(question) = self.questions.pop_front() {
            return Some(question);
        }
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
        if let Some((server, domain)) = self.redirect.take() {
            return Some(RelayEvent::Redirected(server, domain));
        }
        while let Some(event) = self.client.poll_event() {
            match event {
                TurnEvent::AllocationCreated(TransportType::Udp, relayed) => {
                    self.relayed = Some(relayed);
                    self.unread = Vec::new();
                    self.liveness.hear();
                    return Some(RelayEvent::Allocated(relayed));
                }
                TurnEvent::AllocationCreateFailed(_) => {
                    self.failure.get_or_insert(ServerFailure::Unauthorized);
                }
                TurnEvent::PermissionCreateFailed(_, ip) => {
                    // The crate says the same of a refusal and of no answer. Nothing is lost on the way of a stream.
                    let over_stream = self.client.transport() == TransportType::Tcp;
                    let state = match self.refuses || over_stream {
                        true => Permission::Refused,
                        false => Permission::Unanswered(now + ASK_AGAIN),
                    };
                    self.permissions.insert(ip, state);
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
        self.refuses = false;
        let failure = self.failure.take();
        match self.relayed {
            Some(relayed) => (self.lost || failure.is_some()).then_some(RelayEvent::Lost(relayed)),
            None => failure.map(RelayEvent::Failed),
        }
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
        // A connection that ends says so, and takes its allocation with it.
        if self.client.transport() == TransportType::Udp
            && let Some(question) = self.liveness.send(bytes, now)
        {
            self.questions.push_back(question);
            self.due = Some(now);
        }
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
        let known = self.permissions.get(&peer.ip()).copied();
        let asks = match known {
            None => self.permissions.len() < MAX_PEERS,
            Some(Permission::Unanswered(again)) if now >= again => true,
            Some(Permission::Asked) => false,
            Some(Permission::Refused | Permission::Unanswered(_)) => return,
        };
        if self.held.len() < MAX_HELD {
            self.held.push_back((peer, bytes.to_vec()));
        }
        if asks {
            self.permissions.insert(peer.ip(), Permission::Asked);
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

/// The first message of a stream, and what follows it; `None` while it is not all there, or when there is something else.
fn first_message(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    const HEADER: usize = 20;
    let is_stun = stream.first()? >> 6 == 0;
    let length = usize::from(u16::from_be_bytes(*stream.get(2..)?.first_chunk()?));
    stream.split_at_checked(HEADER + length).filter(|_| is_stun)
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

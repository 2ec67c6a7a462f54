//! One allocation on a TURN server (RFC 8656), from its first request to its end: permissions, channels, and what keeps them.

mod channels;
mod permissions;
mod transaction;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use turn_types::attribute::{Lifetime, XorRelayedAddress};
use turn_types::message::{CHANNEL_BIND, CREATE_PERMISSION};
use turn_types::stun::attribute::{AlternateDomain, AlternateServer, ErrorCode};
use turn_types::stun::message::{Message, MessageClass, TransactionId};

use crate::ice::gathering::failure::ServerFailure;
use crate::ice::gathering::framing::{self, Kind, XOR_PEER_ADDRESS};
use crate::ice::gathering::liveness::Liveness;
use crate::ice::gathering::probe::{
    self, ALLOCATE, Challenge, Field, NO_LIFETIME, REFRESH, REQUESTED_TRANSPORT, challenge,
};
use crate::ice::gathering::relay::channels::Channels;
use crate::ice::gathering::relay::permissions::{Permissions, Permitted};
use crate::ice::gathering::relay::transaction::{Over, Step, Transaction};
use crate::ice::server::RelayCredentials;

/// Datagrams that wait for a permission; ICE repeats what is dropped.
const MAX_HELD: usize = 16;
/// A request is signed anew so often, since its nonce is too old (438).
const MAX_STALE: u8 = 8;
/// How long an allocation is asked for, and how long one lasts whose server does not say (RFC 8656, section 3.2).
const LIFETIME: u32 = 600;
const LIFETIME_FIELD: Field<'_> = (0x000d, &LIFETIME.to_be_bytes());
const SHORTEST: Duration = Duration::from_secs(4);
/// Before its end it is refreshed by so much, or after half of its time where that is less.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);
/// Before it is tried again to refresh one when nobody answered.
const REFRESH_AGAIN: Duration = Duration::from_secs(5);
/// The other family too, where the server has it (RFC 8656, section 18.11).
const ALSO_IPV6: Field<'_> = (0x8000, &[2, 0, 0, 0]);
/// IPv6 alone (RFC 8656, section 18.6).
const IPV6: Field<'_> = (0x0017, &[2, 0, 0, 0]);
const CHANNEL_NUMBER: u16 = 0x000c;

/// Codes of RFC 8489, section 14.8, and RFC 8656, section 19.
const TRY_ALTERNATE: u16 = 300;
const UNAUTHORIZED: u16 = 401;
const FORBIDDEN: u16 = 403;
const ALLOCATION_MISMATCH: u16 = 437;
const STALE_NONCE: u16 = 438;
const FAMILY_NOT_SUPPORTED: u16 = 440;
const PEER_FAMILY_MISMATCH: u16 = 443;

/// The allocation, from its first request to its end.
#[derive(Debug)]
pub(super) struct Relay {
    over: Over,
    local: SocketAddr,
    server: SocketAddr,
    credentials: RelayCredentials,
    challenge: Option<Challenge>,
    families: Families,
    begun: bool,
    /// A former allocation of ours on this 5-tuple was given back once, or there is none.
    cleared: bool,
    /// One address of each family that the server gave.
    relayed: Vec<SocketAddr>,
    expires: Option<Instant>,
    refresh: Option<Instant>,
    transactions: Vec<Transaction>,
    permissions: Permissions,
    channels: Channels,
    held: VecDeque<(SocketAddr, Vec<u8>)>,
    liveness: Liveness,
    outbox: VecDeque<Vec<u8>>,
    events: VecDeque<RelayEvent>,
    /// Its server will not let us keep it, which was told.
    is_ending: bool,
    /// It is over, and that was told.
    ended: bool,
    due: Option<Instant>,
    /// Of a stream: the beginning of a message.
    unread: Vec<u8>,
    packet: Vec<u8>,
}

/// What relayed addresses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Families {
    /// As every server has them.
    Ipv4,
    /// Beside an IPv6 address: who is reached by IPv6 may be the only way to peers of either family.
    Both,
    /// The server has no other.
    Ipv6,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Allocate,
    Refresh,
    /// Gives back what another call left behind on the same 5-tuple.
    Clear,
    /// Gives the allocation back; nobody waits for the answer.
    Release,
    Permission(IpAddr),
    Channel(u16),
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
#[derive(Debug)]
pub(super) enum RelayEvent {
    /// It stands, with these addresses.
    Allocated(Vec<SocketAddr>),
    /// Another server is to be asked (300), and this is the name on its certificate, where it said one.
    Redirected(SocketAddr, Option<String>),
    /// It never will.
    Failed(ServerFailure),
    /// It stands, and its server will not let us keep it: time-limited credentials that have ended, say.
    Ending(ServerFailure),
    /// It stood, and is gone.
    Lost,
}

impl Relay {
    /// Over UDP from one of our sockets.
    pub(super) fn over_udp(
        base: SocketAddr,
        server: SocketAddr,
        credentials: &RelayCredentials,
        now: Instant,
    ) -> Self {
        Self::new(Over::Datagrams, base, server, credentials, now)
    }

    /// Over a stream that stands, with or without TLS around it.
    pub(super) fn over_stream(
        local: SocketAddr,
        server: SocketAddr,
        credentials: &RelayCredentials,
        now: Instant,
    ) -> Self {
        Self::new(Over::Stream, local, server, credentials, now)
    }

    fn new(
        over: Over,
        local: SocketAddr,
        server: SocketAddr,
        credentials: &RelayCredentials,
        now: Instant,
    ) -> Self {
        Self {
            over,
            local,
            server,
            credentials: credentials.clone(),
            challenge: None,
            families: match server.is_ipv6() {
                true => Families::Both,
                false => Families::Ipv4,
            },
            begun: false,
            cleared: false,
            relayed: Vec::new(),
            expires: None,
            refresh: None,
            transactions: Vec::new(),
            permissions: Permissions::default(),
            channels: Channels::default(),
            held: VecDeque::new(),
            liveness: Liveness::default(),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            is_ending: false,
            ended: false,
            due: Some(now),
            unread: Vec::new(),
            packet: Vec::new(),
        }
    }

    /// Another allocation of ours has the same 5-tuple: what a server says to be there is that, and stays.
    pub(super) const fn spare_company(&mut self) {
        self.cleared = true;
    }

    /// Whether it has this 5-tuple.
    pub(super) fn is_on(&self, base: SocketAddr, server: SocketAddr) -> bool {
        self.over == Over::Datagrams && (self.local, self.server) == (base, server)
    }

    /// Its addresses; empty before it stands.
    pub(super) fn relayed(&self) -> &[SocketAddr] {
        &self.relayed
    }

    /// The one that this peer sends to.
    pub(super) fn relayed_for(&self, peer: SocketAddr) -> Option<SocketAddr> {
        let fits = |relayed: &&SocketAddr| relayed.is_ipv4() == peer.is_ipv4();
        self.relayed.iter().find(fits).copied()
    }

    pub(super) const fn local(&self) -> SocketAddr {
        self.local
    }

    pub(super) const fn server(&self) -> SocketAddr {
        self.server
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Takes a datagram that came from the server.
    pub(super) fn receive(&mut self, bytes: &[u8], now: Instant) -> Taken {
        match framing::kind(bytes) {
            Kind::Channel => {
                let data = framing::channel_data(bytes);
                self.peer_data(
                    data.and_then(|(number, range)| Some((self.channels.peer(number)?, range))),
                )
            }
            Kind::Stun if framing::is_data(bytes) => self.peer_data(framing::data(bytes)),
            Kind::Stun => match self.read_answer(bytes, now) {
                true => Taken::Consumed,
                false => Taken::Stray,
            },
            Kind::Other => Taken::Stray,
        }
    }

    /// It changes nothing of the allocation, and comes often: nothing is due for it.
    fn peer_data(&mut self, data: Option<(SocketAddr, std::ops::Range<usize>)>) -> Taken {
        let Some((peer, range)) = data.filter(|_| !self.relayed.is_empty()) else {
            return Taken::Consumed;
        };
        self.liveness.hear();
        Taken::Peer {
            peer,
            offset: range.start,
            length: range.len(),
        }
    }

    /// As [`receive`](Self::receive) for a stream, whose bytes may hold any number of messages. Of a peer's data it tells the address
    /// of ours that it came to, and whose it is.
    pub(super) fn receive_stream(
        &mut self,
        bytes: &[u8],
        now: Instant,
        mut peer_data: impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) {
        self.unread.extend_from_slice(bytes);
        let mut unread = std::mem::take(&mut self.unread);
        let mut read = 0;
        loop {
            match framing::first_message(&unread[read..]) {
                Ok(Some((message, reach))) => {
                    if let Taken::Peer {
                        peer,
                        offset,
                        length,
                    } = self.receive(message, now)
                        && let Some(relayed) = self.relayed_for(peer)
                    {
                        peer_data(relayed, peer, &message[offset..offset + length]);
                    }
                    read += reach;
                }
                Ok(None) => break,
                Err(framing::Broken) => {
                    read = unread.len();
                    self.closed();
                    break;
                }
            }
        }
        unread.drain(..read);
        self.unread = unread;
    }

    /// The stream is gone.
    pub(super) fn closed(&mut self) {
        self.end(ServerFailure::Closed);
    }

    /// Takes an answer of the server; `false`: nobody here asked for it.
    fn read_answer(&mut self, bytes: &[u8], now: Instant) -> bool {
        let Ok(message) = Message::from_bytes(bytes) else {
            return false;
        };
        let asked = |it: &Transaction| it.request.is_answered_by(&message);
        let Some(at) = self.transactions.iter().position(asked) else {
            return false;
        };
        self.due = Some(now);
        let signed_with = self.transactions[at].challenge.as_ref();
        if message.has_class(MessageClass::Success) {
            let is_theirs = |it: &Challenge| it.has_signed(&message, &self.credentials);
            if signed_with.is_some_and(|it| !is_theirs(it)) {
                // Anybody's word (RFC 8489, section 9.2.5): the server's may come yet.
                return true;
            }
            let transaction = self.transactions.swap_remove(at);
            self.granted(&transaction, &message, now);
        } else {
            let Ok(error) = message.attribute::<ErrorCode>() else {
                return true;
            };
            let transaction = self.transactions.swap_remove(at);
            self.refused(transaction, error.code(), &message, now);
        }
        true
    }

    fn granted(&mut self, transaction: &Transaction, message: &Message<'_>, now: Instant) {
        match transaction.purpose {
            Purpose::Allocate if transaction.challenge.is_none() => {
                self.end(ServerFailure::NoAuthentication);
            }
            Purpose::Allocate => {
                let mut at = 0;
                while let Ok(relayed) = message.nth_attribute::<XorRelayedAddress>(at) {
                    let relayed = relayed.addr(message.transaction_id());
                    if self.relayed_for(relayed).is_none() {
                        self.relayed.push(relayed);
                    }
                    at += 1;
                }
                if self.relayed.is_empty() {
                    return self.end(ServerFailure::NoAddress);
                }
                let relayed = self.relayed.clone();
                self.events.push_back(RelayEvent::Allocated(relayed));
                self.liveness.hear();
                self.lasts(message, now);
            }
            Purpose::Refresh => {
                self.liveness.hear();
                self.lasts(message, now);
            }
            Purpose::Clear => self.ask(Purpose::Allocate, now),
            Purpose::Release => {}
            Purpose::Permission(ip) => self.permissions.granted(ip, now),
            Purpose::Channel(number) => {
                if let Some(peer) = self.channels.granted(number, now) {
                    self.permissions.granted(peer.ip(), now);
                }
            }
        }
    }

    /// Takes how long the allocation lasts from now on.
    fn lasts(&mut self, message: &Message<'_>, now: Instant) {
        let lifetime = message.attribute::<Lifetime>();
        let seconds = lifetime.map_or(LIFETIME, |lifetime| lifetime.seconds());
        // Less would be asked for again and again, as fast as the server answers.
        let lifetime = Duration::from_secs(seconds.into()).max(SHORTEST);
        self.expires = Some(now + lifetime);
        self.refresh = Some(now + (lifetime / 2).max(lifetime.saturating_sub(REFRESH_BEFORE)));
    }

    fn refused(
        &mut self,
        transaction: Transaction,
        code: u16,
        message: &Message<'_>,
        now: Instant,
    ) {
        if self.sign_anew(&transaction, code, message, now) {
            return;
        }
        match (transaction.purpose, code) {
            (Purpose::Allocate, TRY_ALTERNATE) => match message.attribute::<AlternateServer>() {
                Ok(alternate) => {
                    let domain = message.attribute::<AlternateDomain>().ok();
                    let domain = domain.map(|domain| domain.domain().to_owned());
                    let redirected = RelayEvent::Redirected(alternate.server(), domain);
                    self.events.push_back(redirected);
                }
                Err(_) => self.end(ServerFailure::Refused { code }),
            },
            // A call before this one had the same port, and its goodbye was lost.
            (Purpose::Allocate, ALLOCATION_MISMATCH) if !self.cleared => {
                self.cleared = true;
                self.ask(Purpose::Clear, now);
            }
            (Purpose::Allocate, FAMILY_NOT_SUPPORTED) if self.families == Families::Both => {
                self.families = Families::Ipv6;
                self.ask(Purpose::Allocate, now);
            }
            (Purpose::Allocate, UNAUTHORIZED) if transaction.challenge.is_some() => {
                self.end(ServerFailure::Unauthorized);
            }
            (Purpose::Allocate, code) => self.end(ServerFailure::Refused { code }),
            (Purpose::Clear, _) => self.ask(Purpose::Allocate, now),
            (Purpose::Release, _) => {}
            (_, ALLOCATION_MISMATCH) => self.end(ServerFailure::Refused { code }),
            // Whoever is not let in any more has it for as long as it lasts.
            (Purpose::Refresh, UNAUTHORIZED | FORBIDDEN) => {
                self.liveness.hear();
                self.refresh = None;
                if !std::mem::replace(&mut self.is_ending, true) {
                    let failure = match code {
                        UNAUTHORIZED => ServerFailure::Unauthorized,
                        code => ServerFailure::Refused { code },
                    };
                    self.events.push_back(RelayEvent::Ending(failure));
                }
            }
            (Purpose::Refresh, _) => {
                self.liveness.hear();
                self.refresh = Some(now + REFRESH_AGAIN);
            }
            (Purpose::Permission(ip), FORBIDDEN | PEER_FAMILY_MISMATCH) => {
                self.permissions.refused(ip);
                self.held.retain(|(peer, _)| peer.ip() != ip);
            }
            (Purpose::Permission(ip), _) => self.unpermitted(ip, now),
            // It goes by indications.
            (Purpose::Channel(number), _) => self.channels.refused(number),
        }
    }

    /// Sends a request again with what the server wants to be told; `false`: there is no more to say.
    fn sign_anew(
        &mut self,
        transaction: &Transaction,
        code: u16,
        message: &Message<'_>,
        now: Instant,
    ) -> bool {
        let wanted = challenge(message);
        let again = match code {
            STALE_NONCE => transaction.stale < MAX_STALE,
            UNAUTHORIZED => match (&transaction.challenge, transaction.purpose) {
                (None, _) => true,
                (Some(_), Purpose::Allocate) => false,
                // A server that was started again may say it so.
                (Some(known), _) => transaction.stale == 0 && wanted.as_ref() != Some(known),
            },
            _ => return false,
        };
        let Some(wanted) = wanted.filter(|_| again) else {
            return false;
        };
        self.challenge = Some(wanted);
        let stale = transaction.stale + u8::from(transaction.challenge.is_some());
        self.ask_again(transaction.purpose, stale, now);
        true
    }

    fn unpermitted(&mut self, ip: IpAddr, now: Instant) {
        self.permissions.unanswered(ip, now);
        self.held.retain(|(peer, _)| peer.ip() != ip);
    }

    fn ask(&mut self, purpose: Purpose, now: Instant) {
        self.ask_again(purpose, 0, now);
    }

    fn ask_again(&mut self, purpose: Purpose, stale: u8, now: Instant) {
        let Some(request) = self.request(purpose) else {
            // What the server wants to be told, or our own name, fits into no message; the names were looked at before.
            return self.end(ServerFailure::Refused { code: UNAUTHORIZED });
        };
        self.outbox.push_back(request.bytes().to_vec());
        self.due = Some(now);
        if purpose != Purpose::Release {
            let challenge = self.challenge.clone();
            let transaction = Transaction::new(purpose, request, challenge, stale, self.over, now);
            self.transactions.push(transaction);
        }
    }

    fn request(&self, purpose: Purpose) -> Option<probe::Request> {
        let mut peer = None;
        let mut number = [0; 4];
        let (method, fields): (_, Vec<Field<'_>>) = match purpose {
            Purpose::Allocate => (
                ALLOCATE,
                [REQUESTED_TRANSPORT, LIFETIME_FIELD]
                    .into_iter()
                    .chain(match self.families {
                        Families::Ipv4 => None,
                        Families::Both => Some(ALSO_IPV6),
                        Families::Ipv6 => Some(IPV6),
                    })
                    .collect(),
            ),
            Purpose::Refresh => (REFRESH, vec![LIFETIME_FIELD]),
            Purpose::Clear | Purpose::Release => (REFRESH, vec![NO_LIFETIME]),
            Purpose::Permission(ip) => {
                peer = Some(SocketAddr::new(ip, 0));
                (CREATE_PERMISSION, Vec::new())
            }
            Purpose::Channel(channel) => {
                peer = Some(self.channels.peer(channel)?);
                number[..2].copy_from_slice(&channel.to_be_bytes());
                (CHANNEL_BIND, vec![(CHANNEL_NUMBER, &number)])
            }
        };
        let id = TransactionId::generate();
        let (address, length) = match peer {
            Some(peer) => framing::masked(peer, id_bytes(id)),
            None => ([0; 20], 0),
        };
        let peer = peer.map(|_| (XOR_PEER_ADDRESS, &address[..length]));
        let fields: Vec<_> = fields.into_iter().chain(peer).collect();
        let made = match &self.challenge {
            Some(challenge) => probe::signed(method, id, &fields, &self.credentials, challenge),
            None => probe::unsigned(method, id, &fields),
        };
        made.ok()
    }

    /// The allocation will not stand, or stands no longer.
    fn end(&mut self, failure: ServerFailure) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.transactions.clear();
        self.events.push_back(match self.relayed.is_empty() {
            true => RelayEvent::Failed(failure),
            false => RelayEvent::Lost,
        });
    }

    /// Says that the deadline has come, or that something was received.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if !self.begun {
            self.begun = true;
            self.ask(Purpose::Allocate, now);
        }
        let mut given_up = Vec::new();
        let outbox = &mut self.outbox;
        self.transactions.retain_mut(|it| {
            let step = it.handle_timeout(now);
            match step {
                Step::Wait => {}
                Step::Repeat => outbox.push_back(it.request.bytes().to_vec()),
                Step::GiveUp => given_up.push(it.purpose),
            }
            step != Step::GiveUp
        });
        for purpose in given_up {
            self.unanswered(purpose, now);
        }
        if !self.ended && !self.relayed.is_empty() {
            self.keep(now);
        }
        let requests = self.transactions.iter().map(|it| it.due);
        let keeping = [self.expires, self.refresh]
            .into_iter()
            .flatten()
            .chain(self.permissions.deadline())
            .chain(self.channels.deadline());
        self.due = requests
            .chain(keeping.filter(|_| !self.ended))
            .min()
            .map(|due| due.max(now));
    }

    /// Refreshes what runs out, and is used.
    fn keep(&mut self, now: Instant) {
        if self.expires.is_some_and(|expires| now >= expires) {
            return self.end(ServerFailure::Unanswered);
        }
        if self.refresh.is_some_and(|refresh| now >= refresh) {
            self.refresh = None;
            self.refresh(now);
        }
        while let Some(ip) = self.permissions.expiring(now) {
            self.ask(Purpose::Permission(ip), now);
        }
        while let Some(number) = self.channels.expiring(now) {
            self.ask(Purpose::Channel(number), now);
        }
    }

    fn refresh(&mut self, now: Instant) {
        let refreshes = |it: &Transaction| it.purpose == Purpose::Refresh;
        if !self.transactions.iter().any(refreshes) {
            self.ask(Purpose::Refresh, now);
        }
    }

    /// Nobody has answered.
    fn unanswered(&mut self, purpose: Purpose, now: Instant) {
        match purpose {
            Purpose::Allocate | Purpose::Clear => self.end(ServerFailure::Unanswered),
            // What a stream does not bring in that time it brings no more, or too late for a call.
            Purpose::Refresh if self.over == Over::Stream && self.liveness.is_doubted() => {
                self.end(ServerFailure::Closed);
            }
            Purpose::Refresh => self.refresh = Some(now + REFRESH_AGAIN),
            Purpose::Release => {}
            Purpose::Permission(ip) => self.unpermitted(ip, now),
            Purpose::Channel(number) => self.channels.unanswered(number, now),
        }
    }

    /// The next request for the server.
    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    pub(super) fn poll_event(&mut self) -> Option<RelayEvent> {
        self.events.pop_front()
    }

    /// A datagram that waited and may go now.
    pub(super) fn poll_held(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        let permitted = |(peer, _): &(SocketAddr, Vec<u8>)| self.permissions.has(peer.ip(), now);
        let index = self.held.iter().position(permitted)?;
        self.held.remove(index)
    }

    /// Wraps a datagram for a peer; `None` while the server does not let it pass.
    pub(super) fn wrap(&mut self, peer: SocketAddr, bytes: &[u8], now: Instant) -> Option<&[u8]> {
        if self.ended || self.relayed_for(peer).is_none() {
            return None;
        }
        if self.liveness.send(bytes, now) {
            self.refresh(now);
        }
        match self.permissions.uses(peer.ip(), now) {
            Permitted::Now => {}
            Permitted::Ending => self.due = Some(now),
            Permitted::Not => {
                self.ask_permission(peer, bytes, now);
                return None;
            }
        }
        // Checks are few and go to many addresses; what follows goes to one, often: it gets a channel.
        let is_check = framing::kind(bytes) == Kind::Stun;
        if let Some(number) = self.channels.number(peer, !is_check, now) {
            self.ask(Purpose::Channel(number), now);
        }
        let in_stream = self.over == Over::Stream;
        match self.channels.bound(peer) {
            Some(number) => framing::write_channel(&mut self.packet, number, bytes, in_stream)?,
            None => {
                let id = id_bytes(TransactionId::generate());
                framing::write_send(&mut self.packet, peer, id, bytes)?;
            }
        }
        Some(&self.packet)
    }

    fn ask_permission(&mut self, peer: SocketAddr, bytes: &[u8], now: Instant) {
        let Some(asks) = self.permissions.ask(peer.ip(), now) else {
            return;
        };
        if self.held.len() < MAX_HELD {
            self.held.push_back((peer, bytes.to_vec()));
        }
        if asks {
            self.ask(Purpose::Permission(peer.ip()), now);
        }
    }

    /// Gives the allocation back (RFC 8656 section 8), also one that is only being asked for: one request, whose answer nobody waits
    /// for.
    pub(super) fn release(&mut self, now: Instant) {
        if !self.ended && self.challenge.is_some() {
            self.ask(Purpose::Release, now);
        }
    }
}

fn id_bytes(id: TransactionId) -> [u8; 12] {
    let [_, _, _, _, bytes @ ..] = u128::from(id).to_be_bytes();
    bytes
}

//! Asks a call's STUN and TURN servers, within bounds, and carries what goes by a relay. No I/O.
//!
//! Drive it: one input, then [`Gatherer::poll`] until [`Output::Wait`].

pub(super) mod plan;
mod relays;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::ice::candidate::{CandidateType, LocalCandidate};
use crate::ice::gathering::binding::{Answer, Binding};
use crate::ice::gathering::config::GatheringConfig;
use crate::ice::gathering::failure::ServerFailure;
use crate::ice::gathering::gatherer::relays::{Entry, RENEWAL};
use crate::ice::gathering::relay::{Relay, Taken};

/// Between two requests that keep a NAT's binding (Tr, RFC 8445 section 14.3).
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Buffers kept for packets that come over connections.
const MAX_SPARE: usize = 8;

/// A connection to a TURN server, by its place among the call's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamId(pub(crate) usize);

/// The next thing to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Send a datagram from a socket of ours to a server.
    Transmit {
        /// Our socket.
        local: SocketAddr,
        /// The server.
        remote: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Connect to a server.
    Connect {
        /// What the connection is called from now on.
        stream: StreamId,
        /// The server.
        remote: SocketAddr,
        /// With TLS, and this name on the server's certificate.
        tls_host: Option<String>,
    },
    /// Write to a connection.
    Write {
        /// Which.
        stream: StreamId,
        /// What.
        bytes: Vec<u8>,
    },
    /// Close a connection.
    Close(StreamId),
    /// A peer's datagram that came over a connection.
    Peer {
        /// The relayed address that it was sent to.
        relayed: SocketAddr,
        /// Whose it is.
        peer: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// A candidate was found.
    Candidate(LocalCandidate),
    /// The relay of this address is gone. Another one is asked for in its place.
    Gone(SocketAddr),
    /// A server gave no candidate.
    Failed {
        /// Its URL.
        server: String,
        /// Why.
        failure: ServerFailure,
    },
    /// There will be no more candidates. Told once.
    Complete,
    /// Nothing more before this instant.
    Wait(Option<Instant>),
}

/// What a datagram was to the gatherer.
#[derive(Debug)]
pub enum Inbound {
    /// Nothing: it is the transport's.
    Stranger,
    /// From a server, and dealt with.
    Taken,
    /// A peer's datagram that came through a relay.
    Peer {
        /// The relayed address that it was sent to.
        relayed: SocketAddr,
        /// Whose it is.
        peer: SocketAddr,
        /// Its place in the one received.
        range: Range<usize>,
    },
}

/// How a datagram for a peer leaves.
#[derive(Debug)]
pub enum Sent<'a> {
    /// In a datagram to the server.
    Datagram {
        /// Our socket.
        local: SocketAddr,
        /// The server.
        remote: SocketAddr,
        /// The datagram.
        bytes: &'a [u8],
    },
    /// On a connection to the server.
    Stream {
        /// Which.
        stream: StreamId,
        /// What.
        bytes: &'a [u8],
    },
    /// It waits for the server's permission, or the server does not let it pass.
    Held,
}

/// The gathering of one call, and the relays that came of it.
#[derive(Debug)]
pub struct Gatherer {
    config: GatheringConfig,
    bindings: Vec<(usize, Binding)>,
    /// Addresses that NATs gave us, kept until there is a path (RFC 8445 section 5.1.1.4).
    kept: Vec<Kept>,
    /// A stream's number is its place here.
    relays: Vec<Entry>,
    /// What became of each server.
    outcomes: Vec<Outcome>,
    give_up: Instant,
    complete: bool,
    outbox: VecDeque<Output>,
    /// Buffers for packets that come over connections.
    spare: Vec<Vec<u8>>,
    now: Instant,
}

/// A NAT's binding for one of our sockets, as a STUN server saw it.
#[derive(Debug)]
struct Kept {
    binding: Binding,
    due: Instant,
}

#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Asked,
    Found,
    Failed(ServerFailure),
}

impl Gatherer {
    /// Begins to ask, from these sockets of ours.
    #[must_use]
    pub fn new(config: GatheringConfig, bases: &[SocketAddr], now: Instant) -> Self {
        let mut gatherer = Self {
            outcomes: vec![Outcome::Asked; config.servers.len()],
            give_up: now + config.limit,
            bindings: Vec::new(),
            kept: Vec::new(),
            relays: Vec::new(),
            complete: false,
            outbox: VecDeque::new(),
            spare: Vec::new(),
            now,
            config,
        };
        gatherer.plan(bases);
        gatherer.conclude();
        gatherer
    }

    /// For connections with TLS.
    pub fn tls(&self) -> Option<Arc<ClientConfig>> {
        self.config.tls.clone()
    }

    /// Whether all candidates are known.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether nothing is left for it to carry, so that it may be forgotten.
    pub fn is_idle(&self) -> bool {
        self.complete
            && self.outbox.is_empty()
            && self.kept.is_empty()
            && self.relays.iter().all(|entry| entry.over)
    }

    /// Whether a relay stands, or is asked for in the place of one.
    pub fn has_relay(&self) -> bool {
        let stands = |entry: &Entry| entry.stands() || entry.renews_until.is_some();
        self.relays.iter().any(|entry| !entry.over && stands(entry))
    }

    /// Takes a datagram that `remote` sent to our socket `local`.
    pub fn handle_datagram(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Inbound {
        self.now = now;
        for index in 0..self.relays.len() {
            let Some(relay) = self.datagram_relay(index, local, remote) else {
                continue;
            };
            match relay.receive(datagram, now) {
                Taken::Stray => {}
                Taken::Consumed => {
                    self.settle_relay(index);
                    return Inbound::Taken;
                }
                Taken::Peer {
                    peer,
                    offset,
                    length,
                } => {
                    let Some(relayed) = relay.relayed_for(peer) else {
                        return Inbound::Taken;
                    };
                    return Inbound::Peer {
                        relayed,
                        peer,
                        range: offset..offset.saturating_add(length),
                    };
                }
            }
        }
        self.read_binding(local, remote, datagram)
    }

    fn read_binding(&mut self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> Inbound {
        let answered = self
            .bindings
            .iter()
            .enumerate()
            .find_map(
                |(place, (server, binding))| match binding.answer(local, remote, datagram) {
                    Answer::Stray => None,
                    answer @ (Answer::Mapped(_) | Answer::Alternate(_) | Answer::Refused(_)) => {
                        Some((place, *server, answer))
                    }
                },
            );
        let Some((place, server, answer)) = answered else {
            let is_ours = |kept: &Kept| {
                let answer = kept.binding.answer(local, remote, datagram);
                !matches!(answer, Answer::Stray)
            };
            return match self.kept.iter().any(is_ours) {
                true => Inbound::Taken,
                false => Inbound::Stranger,
            };
        };
        let (_, binding) = self.bindings.swap_remove(place);
        match answer {
            Answer::Mapped(address) => {
                let base = binding.base();
                self.found(server);
                // The same address as our own: there is no translation on the way, and nothing new to tell.
                if address != base {
                    let due = self.now + KEEPALIVE;
                    self.kept.push(Kept { binding, due });
                    self.candidate(LocalCandidate {
                        address,
                        base,
                        typ: CandidateType::ServerReflexive,
                        by_connection: false,
                    });
                }
            }
            Answer::Alternate(to) => match binding.redirected(to, self.now) {
                Some(binding) => self.bindings.push((server, binding)),
                None => self.failed(server, ServerFailure::Redirected),
            },
            Answer::Refused(failure) => self.failed(server, failure),
            Answer::Stray => {}
        }
        self.conclude();
        Inbound::Taken
    }

    /// A connection stands; `local` is our end of it.
    pub fn stream_opened(&mut self, stream: StreamId, local: SocketAddr, now: Instant) {
        self.now = now;
        let Some(entry) = self.relays.get_mut(stream.0).filter(|entry| !entry.over) else {
            return;
        };
        let Some(server) = self.config.servers.get(entry.server) else {
            return;
        };
        entry.connects_until = None;
        if let Some(credentials) = server.server.credentials.clone() {
            let address = entry.alternate.unwrap_or(server.address);
            let relay = Relay::over_stream(local, address, &credentials, now);
            entry.relay = Some(Box::new(relay));
            self.settle_relay(stream.0);
        }
    }

    /// A connection brought bytes.
    pub fn stream_data(&mut self, stream: StreamId, bytes: &[u8], now: Instant) {
        self.now = now;
        let Some(relay) = self
            .relays
            .get_mut(stream.0)
            .and_then(|entry| entry.relay.as_mut())
        else {
            return;
        };
        let (outbox, spare) = (&mut self.outbox, &mut self.spare);
        relay.receive_stream(bytes, now, |relayed, peer, packet| {
            let mut bytes = spare.pop().unwrap_or_default();
            bytes.clear();
            bytes.extend_from_slice(packet);
            outbox.push_back(Output::Peer {
                relayed,
                peer,
                bytes,
            });
        });
        self.settle_relay(stream.0);
    }

    /// Takes back the buffer of an [`Output::Peer`], for the next one.
    pub fn reuse(&mut self, bytes: Vec<u8>) {
        if self.spare.len() < MAX_SPARE {
            self.spare.push(bytes);
        }
    }

    /// Says that ICE has selected a pair: no NAT's binding is kept any more, since checks and media do.
    pub fn path_found(&mut self) {
        self.kept.clear();
    }

    /// A connection could not be made, or is gone.
    pub fn stream_closed(&mut self, stream: StreamId, reason: Option<String>, now: Instant) {
        self.now = now;
        let Some(entry) = self.relays.get_mut(stream.0).filter(|entry| !entry.over) else {
            return;
        };
        if entry.start.is_some() {
            // That of a server which sent us to another.
            return;
        }
        match &mut entry.relay {
            Some(relay) => {
                relay.closed();
                self.settle_relay(stream.0);
            }
            None => {
                let words = reason.unwrap_or_else(|| "closed at once".to_owned());
                self.fail_relay(stream.0, ServerFailure::Connection(words));
            }
        }
    }

    /// Wraps a datagram that goes by a relay; `None` when there is no relay of this address.
    pub fn send(
        &mut self,
        relayed: SocketAddr,
        peer: SocketAddr,
        bytes: &[u8],
        now: Instant,
    ) -> Option<Sent<'_>> {
        self.now = now;
        let index = self
            .relays
            .iter()
            .position(|entry| !entry.over && entry.relayed().contains(&relayed))?;
        let entry = self.relays.get_mut(index)?;
        let relay = entry.relay.as_mut()?;
        let (local, remote) = (relay.local(), relay.server());
        let Some(bytes) = relay.wrap(peer, bytes, now) else {
            return Some(Sent::Held);
        };
        Some(match entry.base {
            Some(_) => Sent::Datagram {
                local,
                remote,
                bytes,
            },
            None => Sent::Stream {
                stream: StreamId(index),
                bytes,
            },
        })
    }

    /// Says that the deadline has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        for (_, binding) in &mut self.bindings {
            if let Some((local, remote, bytes)) = binding.poll_transmit(now) {
                self.outbox.push_back(Output::Transmit {
                    local,
                    remote,
                    bytes,
                });
            }
        }
        for kept in self.kept.iter_mut().filter(|kept| kept.due <= now) {
            kept.due = now + KEEPALIVE;
            // Of no consequence when it is lost, so that it is not repeated.
            kept.binding = kept.binding.again(now);
            if let Some((local, remote, bytes)) = kept.binding.poll_transmit(now) {
                self.outbox.push_back(Output::Transmit {
                    local,
                    remote,
                    bytes,
                });
            }
        }
        for index in 0..self.relays.len() {
            self.connect_anew(index);
            self.begin_relay(index);
            let due = self.relays[index]
                .relay
                .as_ref()
                .and_then(|relay| relay.deadline());
            if due.is_some_and(|due| due <= now) {
                self.settle_relay(index);
            }
        }
        self.conclude();
    }

    /// Goes on from other sockets: what servers gave to those on addresses that are gone is forgotten, and they are asked from the fresh
    /// ones. What the others have stays.
    pub fn move_to(&mut self, gone: &[IpAddr], fresh: &[SocketAddr], now: Instant) {
        self.now = now;
        let is_gone = |local: SocketAddr| gone.contains(&local.ip());
        self.bindings
            .retain(|(_, binding)| !is_gone(binding.base()));
        self.kept.retain(|kept| !is_gone(kept.binding.base()));
        let mut asks = !fresh.is_empty();
        let mut bereft = Vec::new();
        for (index, entry) in self.relays.iter_mut().enumerate() {
            let local = entry.relay.as_ref().map(|relay| relay.local());
            if entry.over || !entry.base.or(local).is_some_and(is_gone) {
                continue;
            }
            if entry.stands() || entry.renews_until.is_some() {
                bereft.push(entry.server);
            }
            // There is no way to give it back. A connection may be made from whatever address there is.
            let by_stream = entry.base.is_none();
            *entry = Entry {
                start: by_stream.then_some(now),
                over: !by_stream,
                ..Entry::new(entry.server, entry.base)
            };
            if by_stream {
                asks = true;
                self.outbox.push_back(Output::Close(StreamId(index)));
            }
        }
        if !asks {
            return self.conclude();
        }
        let asked = self.config.servers.iter().zip(&mut self.outcomes);
        for (index, (server, outcome)) in asked.enumerate() {
            let has_relay = |entry: &Entry| entry.server == index && entry.stands();
            if server.server.protocol.relays() && !self.relays.iter().any(has_relay) {
                *outcome = Outcome::Asked;
            }
        }
        self.complete = false;
        self.give_up = now + self.config.limit;
        self.plan(fresh);
        // The way to the server may not be there yet.
        let renews = |entry: &&mut Entry| entry.start.is_some() && bereft.contains(&entry.server);
        for entry in self.relays.iter_mut().filter(renews) {
            entry.renews_until = Some(now + RENEWAL);
        }
        self.conclude();
    }

    /// Says that something has changed around us: a server that waits to be asked again for what it has lost is asked at once. `true` when
    /// there is one.
    pub fn look_again(&mut self, now: Instant) -> bool {
        self.now = now;
        let mut any = false;
        for entry in self.relays.iter_mut().filter(|entry| !entry.over) {
            if entry.renews_until.is_some() && entry.start.is_some_and(|start| now < start) {
                entry.start = Some(now);
                any = true;
            }
        }
        any
    }

    /// Ends everything: allocations are given back.
    pub fn close(&mut self, now: Instant) {
        self.now = now;
        self.complete = true;
        self.bindings.clear();
        self.kept.clear();
        for index in 0..self.relays.len() {
            if !self.relays[index].over {
                self.end_relay(index);
            }
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Output {
        if let Some(output) = self.outbox.pop_front() {
            return output;
        }
        let bindings = self
            .bindings
            .iter()
            .filter_map(|(_, binding)| binding.deadline());
        let relays = self
            .relays
            .iter()
            .filter(|entry| !entry.over)
            .filter_map(|entry| {
                let running = entry.relay.as_ref().and_then(|relay| relay.deadline());
                let connecting = entry.connects_until;
                entry.start.or(connecting).or(running)
            });
        let give_up = (!self.complete).then_some(self.give_up);
        let kept = self.kept.iter().map(|kept| kept.due);
        Output::Wait(bindings.chain(relays).chain(kept).chain(give_up).min())
    }

    fn found(&mut self, server: usize) {
        if let Some(outcome) = self.outcomes.get_mut(server) {
            *outcome = Outcome::Found;
        }
        if !self.config.trickle {
            self.give_up = self.give_up.min(self.now + self.config.patience);
        }
    }

    fn failed(&mut self, server: usize, failure: ServerFailure) {
        if let Some(outcome) = self.outcomes.get_mut(server)
            && *outcome != Outcome::Found
        {
            *outcome = Outcome::Failed(failure);
        }
    }

    fn candidate(&mut self, candidate: LocalCandidate) {
        if !self.complete {
            self.outbox.push_back(Output::Candidate(candidate));
        }
    }

    /// Ends the gathering when everybody has answered, or the time is up.
    fn conclude(&mut self) {
        let waiting = !self.bindings.is_empty()
            || self
                .relays
                .iter()
                .any(|entry| !entry.over && !entry.stands());
        if self.complete || (waiting && self.now < self.give_up) {
            return;
        }
        self.complete = true;
        self.bindings.clear();
        for index in 0..self.relays.len() {
            let entry = &self.relays[index];
            let goes_on = entry.stands() || entry.renews_until.is_some();
            if !entry.over && !goes_on {
                self.end_relay(index);
            }
        }
        for (outcome, entry) in self.outcomes.iter_mut().zip(&self.config.servers) {
            // Each failure is told once.
            let failure = match std::mem::replace(outcome, Outcome::Found) {
                Outcome::Found => continue,
                Outcome::Asked => ServerFailure::Unanswered,
                Outcome::Failed(failure) => failure,
            };
            self.outbox.push_back(Output::Failed {
                server: entry.server.to_string(),
                failure,
            });
        }
        self.outbox.push_back(Output::Complete);
    }
}

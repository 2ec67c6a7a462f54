//! The allocations of a call, from the request for each to what takes its place when its server has lost it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Gatherer, Output, StreamId};
use crate::ice::candidate::{CandidateType, LocalCandidate};
use crate::ice::gathering::alternate::{MAX_REDIRECTS, is_usable};
use crate::ice::gathering::failure::ServerFailure;
use crate::ice::gathering::relay::{Relay, RelayEvent};
use crate::ice::server::ServerProtocol;

/// How long a server is asked for a relay in the place of one that is gone: by then the far end's consent is over as well.
pub(super) const RENEWAL: Duration = Duration::from_secs(30);
/// A connection that takes longer is tried anew: the system asks less and less often, and may be late by seconds once there is a way.
const CONNECTING: Duration = Duration::from_secs(2);
/// Before it is asked again; one that was started again may not listen yet.
const RENEW_AGAIN: Duration = Duration::from_millis(500);

/// One allocation, begun or not.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) server: usize,
    pub(super) base: Option<SocketAddr>,
    /// When it begins; `None`: it has.
    pub(super) start: Option<Instant>,
    /// Where its server sent us, how often, and the name on the certificate there.
    pub(super) alternate: Option<SocketAddr>,
    pub(super) redirects: u8,
    pub(super) domain: Option<String>,
    pub(super) relay: Option<Box<Relay>>,
    /// The relay before it is gone; this takes its place if it stands by then.
    pub(super) renews_until: Option<Instant>,
    /// A connection in the place of one that is gone is tried again from then on.
    pub(super) connects_until: Option<Instant>,
    pub(super) over: bool,
}

impl Entry {
    pub(super) const fn new(server: usize, base: Option<SocketAddr>) -> Self {
        Self {
            server,
            base,
            start: None,
            alternate: None,
            redirects: 0,
            domain: None,
            relay: None,
            renews_until: None,
            connects_until: None,
            over: false,
        }
    }

    /// The addresses that its server gave.
    pub(super) fn relayed(&self) -> &[SocketAddr] {
        self.relay.as_ref().map_or(&[], |relay| relay.relayed())
    }

    pub(super) fn stands(&self) -> bool {
        !self.relayed().is_empty()
    }
}

impl Gatherer {
    pub(super) fn datagram_relay(
        &mut self,
        index: usize,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<&mut Box<Relay>> {
        let entry = self.relays.get_mut(index)?;
        let base = entry.base?;
        let relay = entry.relay.as_mut()?;
        (base == local && relay.server() == remote).then_some(relay)
    }

    pub(super) fn connect_anew(&mut self, index: usize) {
        let now = self.now;
        let Some(entry) = self.relays.get_mut(index).filter(|entry| !entry.over) else {
            return;
        };
        if entry.connects_until.is_some_and(|until| now >= until) {
            entry.connects_until = None;
            self.outbox.push_back(Output::Close(StreamId(index)));
            match entry.renews_until.is_some_and(|until| now < until) {
                true => entry.start = Some(now),
                false => self.fail_relay(index, ServerFailure::Unanswered),
            }
        }
    }

    pub(super) fn begin_relay(&mut self, index: usize) {
        let now = self.now;
        let has_company = self.has_company(index);
        let Some(entry) = self.relays.get_mut(index) else {
            return;
        };
        let Some(server) = self.config.servers.get(entry.server) else {
            return;
        };
        if entry.over || entry.start.is_none_or(|start| now < start) {
            return;
        }
        entry.start = None;
        let address = entry.alternate.unwrap_or(server.address);
        match (entry.base, server.server.credentials.clone()) {
            (Some(base), Some(credentials)) => {
                let mut relay = Relay::over_udp(base, address, &credentials, now);
                if has_company {
                    relay.spare_company();
                }
                entry.relay = Some(Box::new(relay));
                self.settle_relay(index);
            }
            (None, Some(_)) => {
                entry.connects_until = entry.renews_until.map(|_| now + CONNECTING);
                let tls = server.server.protocol == ServerProtocol::TurnTls;
                let host = entry.domain.as_ref().unwrap_or(&server.server.host);
                self.outbox.push_back(Output::Connect {
                    stream: StreamId(index),
                    remote: address,
                    tls_host: tls.then(|| host.clone()),
                });
            }
            (_, None) => entry.over = true,
        }
    }

    /// Whether the server of this one is asked from the same socket for another one: it was named twice, say.
    fn has_company(&self, index: usize) -> bool {
        let entry = self.relays.get(index);
        let Some((entry, base)) = entry.and_then(|it| Some((it, it.base?))) else {
            return false;
        };
        let named = self.config.servers.get(entry.server).map(|it| it.address);
        let address = entry.alternate.or(named);
        let is_on = |it: &Relay| address.is_some_and(|address| it.is_on(base, address));
        let mut others = self.relays.iter().enumerate();
        others.any(|(at, other)| {
            at != index && !other.over && other.relay.as_deref().is_some_and(is_on)
        })
    }

    /// Moves what an allocation has to say into the outbox.
    pub(super) fn settle_relay(&mut self, index: usize) {
        let now = self.now;
        loop {
            let Some(entry) = self.relays.get_mut(index) else {
                return;
            };
            let Some(relay) = entry.relay.as_mut() else {
                return;
            };
            relay.handle_timeout(now);
            let (local, remote) = (relay.local(), relay.server());
            if let Some(bytes) = relay.poll_transmit() {
                self.outbox
                    .push_back(to_server(entry.base, index, remote, bytes));
                continue;
            }
            let (server, entry_base) = (entry.server, entry.base);
            match relay.poll_event() {
                Some(RelayEvent::Allocated(relayed)) => {
                    let renews = entry.renews_until.take().is_some();
                    if self.complete && !renews {
                        // Too late to be told.
                        self.end_relay(index);
                        return;
                    }
                    self.found(server);
                    let by_connection = entry_base.is_none();
                    for address in relayed {
                        self.outbox.push_back(Output::Candidate(LocalCandidate {
                            address,
                            base: local,
                            typ: CandidateType::Relay,
                            by_connection,
                        }));
                    }
                    self.conclude();
                }
                Some(RelayEvent::Redirected(to, domain)) => {
                    self.redirect(index, local, to, domain);
                    return;
                }
                Some(RelayEvent::Failed(failure)) => return self.fail_relay(index, failure),
                Some(RelayEvent::Ending(failure)) => {
                    if let Some(server) = self.config.servers.get(server) {
                        let server = server.server.to_string();
                        self.outbox.push_back(Output::Failed { server, failure });
                    }
                }
                Some(RelayEvent::Lost) => return self.renew_relay(index),
                None => break,
            }
        }
        self.send_held(index);
    }

    /// An allocation will not stand. One in the place of another is tried again, unless the server has refused who asks.
    pub(super) fn fail_relay(&mut self, index: usize, failure: ServerFailure) {
        self.end_relay(index);
        let Some(entry) = self.relays.get_mut(index) else {
            return;
        };
        let again = self.now + RENEW_AGAIN;
        let is_final = matches!(
            failure,
            ServerFailure::Unauthorized | ServerFailure::NoAuthentication
        );
        if entry.renews_until.is_some_and(|until| again < until) && !is_final {
            entry.over = false;
            entry.start = Some(again);
        } else {
            entry.renews_until = None;
            let server = entry.server;
            self.failed(server, failure);
        }
        self.conclude();
    }

    /// An allocation is gone: the server was started again, say, or knows us no more. It is asked for another one at once.
    fn renew_relay(&mut self, index: usize) {
        let now = self.now;
        let Some(entry) = self.relays.get_mut(index) else {
            return;
        };
        let gone = entry.relayed().iter().copied().map(Output::Gone);
        self.outbox.extend(gone);
        if entry.base.is_none() {
            self.outbox.push_back(Output::Close(StreamId(index)));
        }
        *entry = Entry {
            start: Some(now),
            renews_until: Some(now + RENEWAL),
            ..Entry::new(entry.server, entry.base)
        };
        // Descriptions that are made now should have it; for as long as there is nothing else.
        let patience = match self.relays.iter().any(|entry| entry.stands()) {
            true => self.config.patience,
            false => self.config.limit,
        };
        if self.complete {
            self.complete = false;
            self.give_up = now + patience;
        }
        self.begin_relay(index);
    }

    /// Asks the server that this one names in its place.
    fn redirect(
        &mut self,
        index: usize,
        local: SocketAddr,
        to: SocketAddr,
        domain: Option<String>,
    ) {
        let now = self.now;
        let Some(entry) = self.relays.get_mut(index) else {
            return;
        };
        if !is_usable(to, local) || entry.redirects >= MAX_REDIRECTS {
            return self.fail_relay(index, ServerFailure::Redirected);
        }
        entry.redirects += 1;
        entry.alternate = Some(to);
        entry.domain = domain.or_else(|| entry.domain.take());
        entry.relay = None;
        entry.start = Some(now);
        match entry.base {
            Some(_) => self.begin_relay(index),
            // The next connection is made when this one is gone.
            None => self.outbox.push_back(Output::Close(StreamId(index))),
        }
    }

    fn send_held(&mut self, index: usize) {
        let now = self.now;
        while let Some(entry) = self.relays.get_mut(index)
            && let Some(relay) = entry.relay.as_mut()
            && let Some((peer, bytes)) = relay.poll_held(now)
        {
            let remote = relay.server();
            let Some(bytes) = relay.wrap(peer, &bytes, now).map(<[u8]>::to_vec) else {
                continue;
            };
            self.outbox
                .push_back(to_server(entry.base, index, remote, bytes));
        }
    }

    /// Gives an allocation up, and back.
    pub(super) fn end_relay(&mut self, index: usize) {
        let now = self.now;
        let Some(entry) = self.relays.get_mut(index) else {
            return;
        };
        entry.over = true;
        entry.start = None;
        entry.connects_until = None;
        if let Some(mut relay) = entry.relay.take() {
            relay.release(now);
            while let Some(bytes) = relay.poll_transmit() {
                self.outbox
                    .push_back(to_server(entry.base, index, relay.server(), bytes));
            }
        }
        if entry.base.is_none() {
            self.outbox.push_back(Output::Close(StreamId(index)));
        }
    }
}

/// What an allocation says to its server: from a socket of ours, or on the connection of its number.
fn to_server(base: Option<SocketAddr>, index: usize, remote: SocketAddr, bytes: Vec<u8>) -> Output {
    match base {
        Some(local) => Output::Transmit {
            local,
            remote,
            bytes,
        },
        None => Output::Write {
            stream: StreamId(index),
            bytes,
        },
    }
}

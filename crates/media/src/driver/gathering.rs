//! Carries out what a call's gatherer wants: datagrams and connections to servers, and the descriptions that wait.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use mio::{Interest, Token};

use crate::driver::event::CallEvent;
use crate::driver::event_loop::{Call, EventLoop, now};
use crate::driver::leaving::{Leaving, send};
use crate::driver::stream::{News, Stream};
use crate::ice::candidate::{Candidate, LocalCandidate};
use crate::ice::gathering::config::{CandidatePolicy, GatheringConfig};
use crate::ice::gathering::gatherer::{Gatherer, Output, Sent, StreamId};
use crate::ice::mdns::NamedCandidate;
use crate::media_transport::event::Route;
use crate::program::CallKey;
use crate::session::error::MediaError;
use crate::session::media_session::{MediaSession, Renewal};

/// Tokens of connections count from here, those of UDP sockets from zero.
pub(super) const STREAMS: usize = usize::MAX / 2;

/// A call whose address changes again and again without a new description opens no more sockets than so many.
const MOST_BOUND: usize = 32;

/// A description that waits until all candidates are known.
#[derive(Debug)]
pub(super) enum Pending {
    Offer,
    Answer { offer: String, renewal: Renewal },
}

/// A call's connection to a TURN server.
pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) call: usize,
    id: StreamId,
}

/// What a call has beside its sockets to gather candidates with.
#[derive(Default)]
pub(super) struct Gathering {
    pub(super) gatherer: Option<Box<Gatherer>>,
    /// Connections by their place in the loop's table.
    pub(super) connections: Vec<(StreamId, usize)>,
    pub(super) pending: Vec<Pending>,
    config: GatheringConfig,
    /// What servers gave, beside our own addresses.
    found: Vec<LocalCandidate>,
    /// Another relay is asked for, and no description was made since: the far end was told that no more candidates come.
    renews: bool,
    /// The same of addresses of ours that took the place of others.
    moves: bool,
    /// This machine is a server at a public address: what others see of it is known.
    is_public: bool,
}

impl Gathering {
    /// Begins to ask; the call's host candidates go into the session, unless only relayed ones may.
    pub(super) fn begin(
        config: GatheringConfig,
        bases: &[SocketAddr],
        session: &mut MediaSession,
        now: Instant,
    ) -> Self {
        let mut gathering = Self {
            config,
            ..Self::default()
        };
        gathering.ask(bases, session, now);
        gathering
    }

    /// Asks the servers, from these sockets.
    fn ask(&mut self, bases: &[SocketAddr], session: &mut MediaSession, now: Instant) {
        self.found.clear();
        self.is_public = !self.hides_hosts() && are_public(bases);
        self.ask_from(bases, session, now);
    }

    fn ask_from(&mut self, bases: &[SocketAddr], session: &mut MediaSession, now: Instant) {
        if self.has_servers() {
            session.set_gathering(self.trickles());
            let gatherer = Gatherer::new(self.config.clone(), bases, now);
            self.gatherer = Some(Box::new(gatherer));
        }
    }

    /// Asks the servers from these fresh sockets too, among all that there are. What they gave to those on addresses that are gone is
    /// forgotten, and the rest stays.
    fn ask_also(
        &mut self,
        gone: &[IpAddr],
        fresh: &[SocketAddr],
        bases: &[SocketAddr],
        session: &mut MediaSession,
        now: Instant,
    ) {
        self.is_public = !self.hides_hosts() && are_public(bases);
        match self.gatherer.as_deref_mut() {
            Some(gatherer) => {
                gatherer.move_to(gone, fresh, now);
                let gathers = !gatherer.is_complete();
                session.set_gathering(gathers && self.trickles());
            }
            None if fresh.is_empty() => {}
            None => self.ask_from(fresh, session, now),
        }
    }

    /// Those of our addresses from servers that are still good once these are gone.
    fn forget_found(&mut self, gone: &[IpAddr]) -> impl Iterator<Item = SocketAddr> {
        self.found.retain(|found| !gone.contains(&found.base.ip()));
        self.found.iter().map(|found| found.address)
    }

    /// The address of ours from which the server of this relay was reached.
    fn base_of(&self, relayed: SocketAddr) -> Option<SocketAddr> {
        let mut found = self.found.iter();
        let relay = found.find(|found| found.address == relayed)?;
        Some(relay.base)
    }

    /// Whether servers are being asked from addresses that took the place of others. One that has granted a relay meanwhile has no second
    /// one for the same socket (437, RFC 8656).
    fn asks_from_new_addresses(&self) -> bool {
        let gathers = |gatherer: &Gatherer| !gatherer.is_complete();
        self.moves && self.gatherer.as_deref().is_some_and(gathers)
    }

    fn has_servers(&self) -> bool {
        !self.config.servers.is_empty()
    }

    pub(super) fn hides_hosts(&self) -> bool {
        self.config.policy == CandidatePolicy::RelayOnly
    }

    fn trickles(&self) -> bool {
        self.config.trickle && self.has_servers()
    }

    /// Whether there is no candidate, and none to come. Not for a call that had a path: as long as the far end consents to it, a relay
    /// may be found again.
    fn is_hopeless(&self, session: &MediaSession) -> bool {
        let gathering = |gatherer: &Gatherer| !gatherer.is_complete();
        let comes = self.gatherer.as_deref().is_some_and(gathering);
        !session.has_candidates() && session.route().is_none() && !comes
    }

    /// Whether a description has to wait.
    pub(super) fn holds_descriptions(&self) -> bool {
        let gathering = |gatherer: &Gatherer| !gatherer.is_complete();
        let waits = !self.trickles() && !self.is_public;
        waits && self.gatherer.as_deref().is_some_and(gathering)
    }
}

/// Whether anybody can reach one of these directly. Behind the IPv4 address of a home there is a NAT, whatever its IPv6 is.
fn are_public(bases: &[SocketAddr]) -> bool {
    let mut ipv4 = bases.iter().filter(|base| base.is_ipv4()).peekable();
    match ipv4.peek() {
        Some(_) => ipv4.any(|base| is_public(base.ip())),
        None => bases.iter().any(|base| is_public(base.ip())),
    }
}

/// A unicast address of the Internet (the registries of RFC 6890).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, third, _] = ip.octets();
            let special = first == 0
                || ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_documentation()
                || ip.is_multicast()
                || first >= 240
                // Behind a provider's NAT (RFC 6598), of protocols (RFC 6890), of benchmarks (RFC 2544).
                || (first == 100 && (64..128).contains(&second))
                || (first, second, third) == (192, 0, 0)
                || (first == 198 && matches!(second, 18 | 19));
            !special
        }
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            // 2000::/3 without documentation (RFC 3849) and Teredo (RFC 4380).
            first & 0xe000 == 0x2000 && !(first == 0x2001 && matches!(second, 0x0db8 | 0))
        }
    }
}

impl EventLoop {
    /// An offer of ours is wanted, now or as soon as all candidates are known.
    pub(super) fn describe(&mut self, key: CallKey, pending: Pending) {
        let Some(call) = self.call_of(key) else {
            return;
        };
        if call.gathering.holds_descriptions() {
            call.gathering.pending.push(pending);
        } else if call.gathering.is_hopeless(&call.session) {
            self.fail(key, MediaError::NoRelay);
        } else {
            self.describe_now(key, pending);
        }
    }

    fn describe_now(&mut self, key: CallKey, pending: Pending) {
        if let Some(call) = self.call_of(key) {
            (call.gathering.renews, call.gathering.moves) = (false, false);
        }
        if let Pending::Answer { offer, .. } = &pending
            && let Some(index) = self.index_of(key)
            && let Some(call) = self.calls.get(index)
            && !call.gathering.hides_hosts()
            && call.session.wants_rtcp_sockets(offer)
        {
            self.open_rtcp_sockets(index);
        }
        self.with_call(key, |session| {
            Some(match pending {
                Pending::Offer => CallEvent::LocalOffer {
                    sdp: session.create_offer(now()),
                },
                Pending::Answer { offer, renewal } => {
                    match session.accept_offer(&offer, renewal, now()) {
                        Ok(sdp) => CallEvent::LocalAnswer { sdp },
                        Err(refusal) => CallEvent::Refused(refusal),
                    }
                }
            })
        });
    }

    /// A socket for RTCP beside each of the call's sockets. One that cannot be had is done without.
    fn open_rtcp_sockets(&mut self, index: usize) {
        let Some(call) = self.calls.get(index) else {
            return;
        };
        let sockets = call.sockets.iter();
        let locals = sockets.filter_map(|socket| Some(self.sockets.get(*socket)?.local));
        let addresses: Vec<IpAddr> = locals.map(|local| local.ip()).collect();
        self.open_rtcp_sockets_on(index, addresses);
    }

    fn open_rtcp_sockets_on(&mut self, index: usize, addresses: impl IntoIterator<Item = IpAddr>) {
        for address in addresses {
            if let Ok((socket, local)) = self.open_socket(address, index)
                && let Some(call) = self.calls.get_mut(index)
            {
                call.sockets.push(socket);
                call.session.add_rtcp_host_candidate(local, now());
            }
        }
    }

    /// Before a description on new credentials: sockets on addresses that are gone are closed, new addresses get theirs,
    /// and the servers are asked from those. When the path is lost they are asked everything again: a NAT before
    /// us may have another address now, and a relay may be gone. One that the lost path went by is not given back while that is
    /// checked on: it may be out of reach only, and its server has no second one for the same socket then (437, RFC 8656). One that is
    /// known to be gone was asked for again already.
    pub(super) fn rebind(&mut self, key: CallKey) {
        let now = now();
        let Some(index) = self.index_of(key) else {
            return;
        };
        let Some(call) = self.calls.get(index) else {
            return;
        };
        self.addresses.forget();
        // Without any address there is nothing better than what there is.
        let Ok(wanted) = self.addresses.of(&call.bind, now) else {
            return;
        };
        let bound: Vec<(usize, SocketAddr)> = call
            .sockets
            .iter()
            .filter_map(|socket| Some((*socket, self.sockets.get(*socket)?.local)))
            .collect();
        let Some(Moves { gone, fresh }) = moves(&bound, &wanted) else {
            return;
        };
        let by_relay = |route: Route| !bound.iter().any(|(_, local)| *local == route.local);
        let gatherer = call.gathering.gatherer.as_deref();
        let keeps_relay = call.session.keeps_former_path()
            && call.session.route().is_some_and(by_relay)
            && gatherer.is_some_and(Gatherer::has_relay);
        let asks_again = call.gathering.has_servers()
            && !call.session.has_good_path()
            && !keeps_relay
            && !call.gathering.asks_from_new_addresses();
        if gone.is_empty() && fresh.is_empty() && !asks_again {
            return;
        }
        let opened: Vec<(usize, SocketAddr)> = fresh
            .into_iter()
            .filter_map(|ip| self.open_socket(ip, index).ok())
            .collect();
        self.move_to(index, &gone, &opened, asks_again, now);
        tracing::debug!(
            call = key.0,
            gone = gone.len(),
            opened = opened.len(),
            "sockets"
        );
    }

    /// Where a call's media goes by an address that is gone, or by a relay that was reached from there, it is told so, and the addresses
    /// that there are get sockets, from which the servers are asked as well. The far end may answer checks from there, and media moves
    /// without a word of signalling. Where there is no other address, what there is stays: this one may come back.
    pub(super) fn leave_what_is_gone(&mut self, index: usize, now: Instant) {
        let Some(call) = self.calls.get(index) else {
            return;
        };
        let Some(route) = call.session.route() else {
            return;
        };
        let bound = self.locals(call);
        let base = match bound.contains(&route.local) {
            true => Some(route.local),
            false => call.gathering.base_of(route.local),
        };
        let is_there = match base {
            Some(base) => self.addresses.has(base.ip(), now),
            // Its socket was closed, or its relay given up, before.
            None => call.session.has_good_path(),
        };
        if is_there {
            return;
        }
        let wanted = self.addresses.of(&call.bind, now).unwrap_or_default();
        let fresh: Vec<IpAddr> = wanted
            .into_iter()
            .filter(|ip| !ip.is_loopback() && !bound.iter().any(|local| local.ip() == *ip))
            .take(MOST_BOUND.saturating_sub(bound.len()))
            .collect();
        let opened: Vec<(usize, SocketAddr)> = fresh
            .into_iter()
            .filter_map(|ip| self.open_socket(ip, index).ok())
            .collect();
        if !opened.is_empty() {
            let mut gone: Vec<IpAddr> = bound.iter().chain(&base).map(SocketAddr::ip).collect();
            gone.retain(|ip| !self.addresses.has(*ip, now));
            self.go_on_from(index, &gone, &opened, now);
        }
        if let Some(call) = self.calls.get_mut(index) {
            call.session.forsake(route.local.ip(), now);
            self.drain(index);
        }
    }

    /// Takes fresh sockets in, beside those that there are. What servers gave to those on addresses that are gone is given up.
    fn go_on_from(
        &mut self,
        index: usize,
        gone: &[IpAddr],
        opened: &[(usize, SocketAddr)],
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(index) else {
            return;
        };
        call.sockets
            .extend(opened.iter().map(|(socket, _)| *socket));
        if !call.gathering.hides_hosts() {
            for (_, local) in opened {
                call.session
                    .add_local_candidate(LocalCandidate::host(*local), now);
            }
        }
        let Some(call) = self.calls.get(index) else {
            return;
        };
        let hosts = self.locals(call);
        let Some(call) = self.calls.get_mut(index) else {
            return;
        };
        let found = call.gathering.forget_found(gone);
        let kept: Vec<SocketAddr> = hosts.iter().copied().chain(found).collect();
        call.session.keep_candidates(&kept, now);
        if call.gathering.has_servers() {
            // The far end was told that no more candidates come.
            (call.gathering.renews, call.gathering.moves) = (true, true);
            let for_media = |local: &SocketAddr| !call.session.is_rtcp_socket(*local);
            let bases: Vec<SocketAddr> = hosts.into_iter().filter(for_media).collect();
            let fresh: Vec<SocketAddr> = opened.iter().map(|(_, local)| *local).collect();
            let session = &mut call.session;
            call.gathering.ask_also(gone, &fresh, &bases, session, now);
        }
        if call.session.has_rtcp_sockets() {
            self.open_rtcp_sockets_on(index, opened.iter().map(|(_, local)| local.ip()));
        }
    }

    /// The addresses of a call's sockets.
    fn locals(&self, call: &Call) -> Vec<SocketAddr> {
        let sockets = call.sockets.iter();
        let local = |socket: &usize| Some(self.sockets.get(*socket)?.local);
        sockets.filter_map(local).collect()
    }

    fn move_to(
        &mut self,
        index: usize,
        gone: &[(usize, SocketAddr)],
        opened: &[(usize, SocketAddr)],
        asks_again: bool,
        now: Instant,
    ) {
        if asks_again {
            self.release_relays(index, now);
        }
        for (socket, _) in gone {
            self.close_socket(*socket);
        }
        let Some(call) = self.calls.get_mut(index) else {
            return;
        };
        call.sockets
            .retain(|known| !gone.iter().any(|(socket, _)| socket == known));
        call.sockets
            .extend(opened.iter().map(|(socket, _)| *socket));
        let hosts: Vec<SocketAddr> = call
            .sockets
            .iter()
            .filter_map(|socket| self.sockets.get(*socket))
            .map(|socket| socket.local)
            .collect();
        let gone: Vec<IpAddr> = gone.iter().map(|(_, local)| local.ip()).collect();
        let mut kept = hosts.clone();
        if !asks_again {
            kept.extend(call.gathering.forget_found(&gone));
        }
        call.session.keep_candidates(&kept, now);
        if !call.gathering.hides_hosts() {
            for (_, local) in opened {
                call.session
                    .add_local_candidate(LocalCandidate::host(*local), now);
            }
        }
        let for_media = |local: &SocketAddr| !call.session.is_rtcp_socket(*local);
        let bases: Vec<SocketAddr> = hosts.iter().copied().filter(for_media).collect();
        if asks_again {
            call.gathering.ask(&bases, &mut call.session, now);
        } else {
            let fresh: Vec<SocketAddr> = opened.iter().map(|(_, local)| *local).collect();
            let session = &mut call.session;
            call.gathering.ask_also(&gone, &fresh, &bases, session, now);
        }
        if call.session.has_rtcp_sockets() {
            self.open_rtcp_sockets_on(index, opened.iter().map(|(_, local)| local.ip()));
        }
        // A call without media has nothing else to make it ask.
        self.drain(index);
    }

    /// Gives allocations back, and asks nobody any more.
    pub(super) fn release_relays(&mut self, index: usize, now: Instant) {
        if let Some(call) = self.calls.get_mut(index)
            && let Some(gatherer) = call.gathering.gatherer.as_deref_mut()
        {
            gatherer.close(now);
            self.gather(index);
        }
    }

    /// Carries out all that the call's gatherer wants; says when it wants to be woken, and whether it had anything for
    /// the session.
    pub(super) fn gather(&mut self, index: usize) -> (Option<Instant>, bool) {
        let mut stirred = false;
        loop {
            let Some(call) = self.calls.get_mut(index) else {
                return (None, false);
            };
            let Some(gatherer) = call.gathering.gatherer.as_deref_mut() else {
                return (None, stirred);
            };
            match gatherer.poll() {
                Output::Transmit {
                    local,
                    remote,
                    bytes,
                } => {
                    let leaving = send(&self.sockets, &call.sockets, local, remote, &bytes);
                    if leaving == Some(Leaving::NoRoom) {
                        call.session.send_failed();
                    }
                }
                Output::Connect {
                    stream,
                    remote,
                    tls_host,
                } => {
                    let tls = gatherer.tls().zip(tls_host);
                    let opened = Stream::connect(remote, tls);
                    if let Err(error) = opened.and_then(|made| self.watch(index, stream, made)) {
                        self.stream_failed(index, stream, &error);
                    }
                }
                Output::Write { stream, bytes } => self.write(index, stream, &bytes),
                Output::Close(stream) => self.forget_stream(index, stream),
                Output::Peer {
                    relayed,
                    peer,
                    mut bytes,
                } => {
                    stirred = true;
                    call.session
                        .handle_datagram(relayed, peer, &mut bytes, now());
                    gatherer.reuse(bytes);
                }
                Output::Gone(relayed) => {
                    stirred = true;
                    self.lose_relay(index, relayed);
                }
                Output::Candidate(candidate) => {
                    stirred = true;
                    call.gathering.found.push(candidate);
                    let signalled = call.session.add_local_candidate(candidate, now());
                    let trickles = call.gathering.trickles() && !call.gathering.renews;
                    if let Some(candidate) = signalled.filter(|_| trickles) {
                        let event = CallEvent::LocalCandidate {
                            candidate: format!("candidate:{candidate}"),
                        };
                        self.sink.event(call.key, event);
                    }
                }
                Output::Failed { server, failure } => {
                    let event = CallEvent::IceServerFailed { server, failure };
                    self.sink.event(call.key, event);
                }
                Output::Complete => {
                    stirred = true;
                    self.gathered(index);
                }
                Output::Wait(due) => {
                    if gatherer.is_idle() {
                        call.gathering.gatherer = None;
                    }
                    return (due, stirred);
                }
            }
        }
    }

    /// A relay is gone, and another one asked for. Where media went by it the call is told so, and takes the first path that answers; the
    /// far end may answer the new relay's checks without a word of signalling.
    fn lose_relay(&mut self, index: usize, relayed: SocketAddr) {
        let Some(call) = self.calls.get_mut(index) else {
            return;
        };
        let now = now();
        call.gathering.renews = true;
        call.gathering
            .found
            .retain(|found| found.address != relayed);
        let sockets = call.sockets.iter();
        let hosts = sockets.filter_map(|socket| Some(self.sockets.get(*socket)?.local));
        let found = call.gathering.found.iter().map(|found| found.address);
        let kept: Vec<SocketAddr> = hosts.chain(found).collect();
        let carried = call.session.route().map(|route| route.local) == Some(relayed);
        call.session.keep_candidates(&kept, now);
        if carried {
            call.session.forsake(relayed.ip(), now);
        }
        call.session.set_gathering(call.gathering.trickles());
        tracing::info!(call = call.key.0, carried, "a TURN server has lost a relay");
    }

    fn gathered(&mut self, index: usize) {
        let Some(call) = self.calls.get_mut(index) else {
            return;
        };
        call.session.set_gathering(false);
        let key = call.key;
        let described = call.gathering.trickles() || !call.gathering.pending.is_empty();
        if described && call.gathering.is_hopeless(&call.session) {
            return self.fail(key, MediaError::NoRelay);
        }
        if call.gathering.trickles() && !call.gathering.renews {
            self.sink.event(key, CallEvent::EndOfCandidates);
        }
        let pending = std::mem::take(&mut call.gathering.pending);
        for description in pending {
            self.describe_now(key, description);
        }
    }

    fn watch(&mut self, call: usize, id: StreamId, mut stream: Stream) -> io::Result<()> {
        let entry = self.connections.vacant_entry();
        let place = entry.key();
        self.poll.registry().register(
            &mut stream.socket,
            Token(STREAMS + place),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        entry.insert(Connection { stream, call, id });
        if let Some(call) = self.calls.get_mut(call) {
            call.gathering.connections.push((id, place));
        }
        Ok(())
    }

    /// A connection may be ready.
    pub(super) fn on_stream(&mut self, place: usize) {
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        let (index, id) = (connection.call, connection.id);
        let Some(call) = self.calls.get_mut(index) else {
            return;
        };
        let Some(gatherer) = call.gathering.gatherer.as_deref_mut() else {
            return;
        };
        let outcome = connection.stream.advance(|news| match news {
            News::Opened(local) => gatherer.stream_opened(id, local, now()),
            News::Data(bytes) => gatherer.stream_data(id, bytes, now()),
        });
        if let Err(error) = outcome {
            self.stream_failed(index, id, &error);
        }
        self.drain(index);
    }

    fn write(&mut self, index: usize, id: StreamId, bytes: &[u8]) {
        let Some(call) = self.calls.get(index) else {
            return;
        };
        let place = call
            .gathering
            .connections
            .iter()
            .find(|(known, _)| *known == id);
        let Some((_, place)) = place.copied() else {
            return;
        };
        let written = self
            .connections
            .get_mut(place)
            .map(|connection| connection.stream.write(bytes));
        if let Some(Err(error)) = written {
            self.stream_failed(index, id, &error);
        }
    }

    fn stream_failed(&mut self, index: usize, id: StreamId, error: &io::Error) {
        self.forget_stream(index, id);
        if let Some(call) = self.calls.get_mut(index)
            && let Some(gatherer) = call.gathering.gatherer.as_deref_mut()
        {
            gatherer.stream_closed(id, Some(error.to_string()), now());
        }
    }

    fn forget_stream(&mut self, index: usize, id: StreamId) {
        let Some(call) = self.calls.get_mut(index) else {
            return;
        };
        let connections = &mut call.gathering.connections;
        let Some(at) = connections.iter().position(|(known, _)| *known == id) else {
            return;
        };
        let (_, place) = connections.swap_remove(at);
        self.close_connection(place);
    }

    pub(super) fn close_connection(&mut self, place: usize) {
        if let Some(mut connection) = self.connections.try_remove(place) {
            // Closing would do as well; a failure here has no consequence.
            let _ = self
                .poll
                .registry()
                .deregister(&mut connection.stream.socket);
        }
    }

    /// Sends by a relay what the session wants sent from a relayed address. Who has no relay there any more sends nothing.
    pub(super) fn send_by_relay(
        &mut self,
        index: usize,
        relayed: SocketAddr,
        peer: SocketAddr,
        bytes: &[u8],
    ) -> Leaving {
        let Some(call) = self.calls.get_mut(index) else {
            return Leaving::Nowhere;
        };
        let Some(gatherer) = call.gathering.gatherer.as_deref_mut() else {
            return Leaving::Nowhere;
        };
        match gatherer.send(relayed, peer, bytes, now()) {
            Some(Sent::Datagram {
                local,
                remote,
                bytes,
            }) => {
                let leaving = send(&self.sockets, &call.sockets, local, remote, bytes);
                leaving.unwrap_or(Leaving::Nowhere)
            }
            Some(Sent::Stream { stream, bytes }) => {
                let known = &call.gathering.connections;
                let place = known.iter().find(|(known, _)| *known == stream);
                let connection = place.and_then(|(_, place)| self.connections.get_mut(*place));
                // A connection that breaks here says so to its next reader.
                match connection.map(|connection| connection.stream.write(bytes)) {
                    Some(Ok(())) => Leaving::Sent,
                    Some(Err(_)) | None => Leaving::Nowhere,
                }
            }
            Some(Sent::Held) => Leaving::Sent,
            None => Leaving::Nowhere,
        }
    }

    /// Takes a candidate of the far end.
    pub(super) fn add_remote_candidate(&mut self, key: CallKey, line: &str) {
        // What cannot be read, or is of no use, is left aside: the others will do (RFC 8838 section 14).
        if let Ok(candidate) = line.parse::<Candidate>() {
            self.with_call(key, |session| {
                session.add_remote_candidate(candidate, now());
                None
            });
        } else if let Ok(named) = line.parse::<NamedCandidate>() {
            self.with_call(key, |session| {
                session.add_named_candidate(named, now());
                None
            });
        }
    }
}

/// What has become of a call's addresses.
#[derive(Debug, PartialEq)]
struct Moves {
    /// Sockets whose addresses are gone.
    gone: Vec<(usize, SocketAddr)>,
    /// Addresses that have no socket.
    fresh: Vec<IpAddr>,
}

/// Compares the call's sockets with the addresses that there are; `None` when this machine has none but loopback: the sockets are better
/// than what could take their place, and their addresses may come back.
fn moves(bound: &[(usize, SocketAddr)], wanted: &[IpAddr]) -> Option<Moves> {
    let leads_nowhere = wanted.iter().all(IpAddr::is_loopback);
    if leads_nowhere && !bound.iter().all(|(_, local)| local.ip().is_loopback()) {
        return None;
    }
    let gone = bound
        .iter()
        .copied()
        .filter(|(_, local)| !wanted.contains(&local.ip()))
        .collect();
    let fresh = wanted
        .iter()
        .copied()
        .filter(|ip| !bound.iter().any(|(_, local)| local.ip() == *ip))
        .collect();
    Some(Moves { gone, fresh })
}

#[cfg(test)]
mod tests {
    use super::{Moves, are_public, moves};

    /// A machine whose last address is gone has loopback, which leads nowhere.
    #[test]
    fn sockets_wait_for_their_address_where_there_is_no_other() {
        let ip = |text: &str| text.parse::<std::net::IpAddr>().unwrap();
        let socket = |place: usize, text: &str| (place, text.parse().unwrap());
        let bound = [socket(3, "192.0.2.7:4000"), socket(4, "[2001:db8::7]:4001")];
        assert_eq!(moves(&bound, &[ip("127.0.0.1")]), None);
        let moved = Moves {
            gone: vec![bound[1]],
            fresh: vec![ip("198.51.100.9")],
        };
        let wanted = [ip("192.0.2.7"), ip("198.51.100.9")];
        assert_eq!(moves(&bound, &wanted), Some(moved));
        // Whoever is on loopback from the start stays there.
        let bound = [socket(3, "127.0.0.1:4000")];
        let none = Moves {
            gone: Vec::new(),
            fresh: Vec::new(),
        };
        assert_eq!(moves(&bound, &[ip("127.0.0.1")]), Some(none));
    }

    #[test]
    fn servers_of_the_internet_are_told_from_machines_behind_something() {
        let are = |texts: &[&str]| {
            let read: Vec<_> = texts.iter().map(|text| text.parse().unwrap()).collect();
            are_public(&read)
        };
        for public in ["8.8.8.8:1", "100.63.0.1:1", "198.20.0.1:1", "[2a00::1]:1"] {
            assert!(are(&[public]), "{public}");
        }
        for other in [
            "0.0.0.1:1",
            "10.0.0.5:1",
            "100.64.0.1:1",
            "127.0.0.1:1",
            "169.254.0.1:1",
            "192.0.0.8:1",
            "192.0.2.7:1",
            "198.18.0.1:1",
            "203.0.113.9:1",
            "224.0.0.251:1",
            "255.255.255.255:1",
            "[::1]:1",
            "[fd00::1]:1",
            "[fe80::1]:1",
            "[2001:db8::1]:1",
            "[2001::1]:1",
        ] {
            assert!(!are(&[other]), "{other}");
        }
        assert!(are(&["10.0.0.5:1", "8.8.8.8:1"]));
        assert!(!are(&["10.0.0.5:1", "[2a00::1]:1"]), "a home");
        assert!(!are(&[]));
    }
}

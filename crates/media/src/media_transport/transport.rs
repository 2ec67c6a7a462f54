//! The transport itself: which part gets what, and what it means for the call.

use std::collections::VecDeque;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::census::Census;
use crate::dtls::endpoint::DatagramRefused;
use crate::dtls::setup::{DtlsRole, Setup};
use crate::ice::agent::{AgentEvent, Pair, StunRefused};
use crate::ice::candidate::{Candidate, CandidateType, LocalCandidate};
use crate::ice::credentials::{IceCredentials, longest_far_ufrag};
use crate::ice::generations::Generations;
use crate::media_transport::association::{Association, AssociationEvent};
use crate::media_transport::config::{RemoteParameters, RemoteRefused, TransportConfig};
use crate::media_transport::counters::{Refusal, TransportCounters};
use crate::media_transport::deadline::Deadline;
use crate::media_transport::demux::{Kind, kind};
use crate::media_transport::event::{
    DtlsFailure, Event, IceFailure, NotReady, Output, Received, Route,
};
use crate::media_transport::fixed_path::FixedPath;
use crate::media_transport::succession::Succession;
use crate::srtp::profile::SrtpProfile;

/// DTLS datagrams kept while they cannot be judged: the far end's answer, or a check from its address, is under way.
const MAX_EARLY: usize = 8;

/// How long they are kept: a handshake that goes on has repeated them by then, and one of a transport before this is over.
const EARLY_FOR: Duration = Duration::from_secs(2);

/// A handshake datagram longer than this is none.
const MAX_EARLY_BYTES: usize = 2048;

/// ICE, DTLS and SRTP of one call. See the [module](crate::media_transport) for how to drive it.
#[derive(Debug)]
pub struct MediaTransport {
    config: TransportConfig,
    agent: Generations,
    remote: Option<IceCredentials>,
    /// What a restart of ours has put aside, until it is answered.
    agreed: Option<Agreed>,
    /// Remote candidates taken from signalling since the last restart.
    remote_candidates: usize,
    association: Option<Association>,
    /// The one that takes its place if the far end begins it.
    succession: Succession,
    early: VecDeque<Early>,
    selected: Option<Route>,
    /// The way to a far end that has no ICE.
    fixed: Option<FixedPath>,
    /// The far end named no address and does without ICE: it is sent nothing until it names one.
    nowhere: bool,
    /// Where the far end's last DTLS datagram came from: the way back before a pair is selected.
    dtls_path: Option<Route>,
    ice_give_up: Option<Instant>,
    dtls_give_up: Option<Instant>,
    closed: bool,
    outbox: VecDeque<Output>,
    wait: Option<(Instant, Deadline)>,
    counters: TransportCounters,
}

/// ICE as both descriptions in force have it.
#[derive(Debug)]
struct Agreed {
    credentials: IceCredentials,
    remote: Option<IceCredentials>,
    /// No path was found yet.
    seeks: bool,
}

#[derive(Debug)]
struct Early {
    came: Instant,
    route: Route,
    datagram: Vec<u8>,
}

impl MediaTransport {
    /// A transport that knows nothing of the far end yet. Nothing is due before `set_remote`, so that the time of
    /// birth, taken as by every machine of this house, does not matter.
    #[must_use]
    pub fn new(config: TransportConfig, _now: Instant) -> Self {
        Self {
            agent: Generations::new(&config.credentials, config.tie_breaker, config.controlling),
            config,
            remote: None,
            agreed: None,
            remote_candidates: 0,
            association: None,
            succession: Succession::default(),
            early: VecDeque::new(),
            selected: None,
            fixed: None,
            nowhere: false,
            dtls_path: None,
            ice_give_up: None,
            dtls_give_up: None,
            closed: false,
            outbox: VecDeque::new(),
            wait: None,
            counters: TransportCounters::default(),
        }
    }

    /// Another transport of the same description of ours: one of several far ends that answer it. Nothing is known of its
    /// far end yet.
    pub(crate) fn sibling(&self, tie_breaker: u64, now: Instant) -> Self {
        let config = TransportConfig {
            tie_breaker,
            ..self.config.clone()
        };
        let mut sibling = Self::new(config, now);
        for candidate in self.agent.own_candidates() {
            // Signalled already.
            let _ = sibling.add_local_candidate(candidate, now);
        }
        sibling
    }

    /// What our description's key protected for that one, it does not protect for this one.
    pub(crate) fn goes_on_after(&mut self, other: &Self) {
        if let (Some(association), Some(before)) = (&mut self.association, &other.association) {
            association.goes_on_after(before);
        }
    }

    /// A transport for another component of the same call: our description is the same but for these candidates.
    pub(crate) fn companion(&self, candidates: &[LocalCandidate], now: Instant) -> Self {
        let mut companion = Self::new(self.config.clone(), now);
        for candidate in candidates {
            // Signalled with the next description.
            let _ = companion.add_local_candidate(*candidate, now);
        }
        companion
    }

    /// Whether the far end is the one with this user name fragment.
    pub(crate) fn is_with(&self, ufrag: &str) -> bool {
        self.remote
            .as_ref()
            .is_some_and(|remote| remote.ufrag == ufrag)
    }

    /// Whether the far end is known to send from this address.
    pub(crate) fn knows(&self, remote: SocketAddr) -> bool {
        self.agent.vouches_for(remote) || self.agent.has_remote(remote)
    }

    /// Tells once more that it is connected, where it is: its owner did not listen before.
    pub(crate) fn tell_again(&mut self) {
        if let Some(pair) = self.agent.selected() {
            self.tell(ice_connected(pair));
        }
        if let (Some(profile), Some(role)) = (self.profile(), self.dtls_role()) {
            self.tell(Event::DtlsConnected { profile, role });
        }
    }

    /// Adds a candidate of ours and says how to signal it; `None` when it cannot be one (unspecified, multicast, IPv4
    /// link-local), or when it is known already. Datagrams from and to a relayed one go by its address: the owner
    /// carries them to the relay.
    pub fn add_local_candidate(
        &mut self,
        candidate: LocalCandidate,
        now: Instant,
    ) -> Option<Candidate> {
        let signalled = self.agent.add_local(candidate, now);
        self.settle(now);
        signalled
    }

    /// Gives up every candidate but those of these addresses.
    pub(crate) fn keep_candidates(&mut self, addresses: &[SocketAddr], now: Instant) {
        self.agent.keep(addresses, now);
        self.settle(now);
    }

    /// Says that an address of ours is gone: media that went by it has lost its path, and takes the first that answers.
    pub fn forsake(&mut self, address: IpAddr, now: Instant) {
        if self.fixed.is_some_and(|it| it.route.local.ip() == address) {
            self.tell(Event::IceDisconnected);
        }
        self.agent.forsake(address);
        self.settle(now);
    }

    /// Says that something has changed around us, so that a path in doubt may be there again; `true` when this one is in doubt.
    pub fn look_again(&mut self, now: Instant) -> bool {
        let is_in_doubt = self.agent.look_again(now);
        self.settle(now);
        is_in_doubt
    }

    /// Our candidates, to be signalled.
    #[must_use]
    pub fn local_candidates(&self) -> Vec<Candidate> {
        self.agent.local_candidates()
    }

    /// Our current ICE credentials, to be signalled.
    #[must_use]
    pub fn credentials(&self) -> &IceCredentials {
        &self.config.credentials
    }

    /// Says what the far end's description says; starts the checks. Again with the same parameters: only new
    /// candidates count. Again with other credentials: an ICE restart (call [`restart`](Self::restart) first, so that
    /// ours change too). With another fingerprint or role: a new DTLS association (RFC 8842, section 5); an `actpass`
    /// with the fingerprint known leaves the roles as they are.
    ///
    /// # Errors
    /// [`RemoteRefused`]; nothing has changed then.
    pub fn set_remote(
        &mut self,
        remote: RemoteParameters,
        now: Instant,
    ) -> Result<(), RemoteRefused> {
        if remote.fingerprints.is_empty() && remote.keys.is_none() && !remote.unencrypted {
            return Err(RemoteRefused::NoFingerprint);
        }
        let RemoteParameters {
            credentials,
            address,
            candidates,
            fingerprints,
            keys,
            unencrypted,
            setup,
            tls_id,
            ice_lite,
        } = remote;
        let fits = |credentials: &IceCredentials| {
            (4..=256).contains(&credentials.ufrag.len())
                && (22..=256).contains(&credentials.pwd.len())
        };
        if !credentials.as_ref().is_none_or(fits) {
            return Err(RemoteRefused::BadCredentials);
        }
        let limit = longest_far_ufrag(self.config.credentials.ufrag.len());
        let length = credentials.as_ref().map_or(0, |it| it.ufrag.len());
        if length > limit {
            return Err(RemoteRefused::LongUfrag { length, limit });
        }
        if self.closed {
            return Ok(());
        }

        self.agreed = None;
        if ice_lite {
            self.agent.set_controlling();
        }
        match credentials {
            None => self.go_to(address, now),
            Some(credentials) if self.remote.as_ref() != Some(&credentials) => {
                self.fixed = None;
                self.nowhere = false;
                self.remote_candidates = 0;
                self.agent.start(&credentials, now);
                self.remote = Some(credentials);
                self.ice_give_up = Some(now + self.config.limits.ice);
            }
            Some(_) => {}
        }
        for candidate in &candidates {
            self.add_candidate(candidate, now);
        }

        let role = match (setup, &self.association) {
            (Setup::ActPass, Some(association)) => association.role(),
            (setup, _) => setup.our_role(),
        };
        if unencrypted {
            let is_same = Association::is_in_the_clear;
            if !self.association.as_ref().is_some_and(is_same) {
                self.associate(Association::in_the_clear(&self.config), now);
            }
            self.settle(now);
            return Ok(());
        }
        if let Some(keys) = keys {
            let goes_on = |it: &mut Association| it.is_by(&keys) || it.take_remote_key(&keys);
            if !self.association.as_mut().is_some_and(goes_on) {
                self.associate(Association::by_keys(&self.config, keys), now);
            }
            self.settle(now);
            return Ok(());
        }
        let is_same =
            |association: &Association| association.is_for(role, &fingerprints, tls_id.as_deref());
        if self.association.as_ref().is_some_and(is_same) {
            self.succession.leave();
        } else if !self
            .succession
            .is_for(role, &fingerprints, tls_id.as_deref())
        {
            // Firefox answers that it is the client now and goes on as the server that it was: what there is serves until its
            // ClientHello is there.
            let only_turns = |association: &Association| {
                association.is_ready()
                    && association.is_for(association.role(), &fingerprints, tls_id.as_deref())
            };
            let waits =
                role == DtlsRole::Server && self.association.as_ref().is_some_and(only_turns);
            match Association::new(&self.config, role, fingerprints, tls_id) {
                Ok(association) if waits => self.succession.expect(association),
                Ok(association) => self.associate(association, now),
                Err(failure) => self.tell(Event::DtlsFailed(failure)),
            }
        }
        self.settle(now);
        Ok(())
    }

    /// Sends to this address from now on, without asking whether anybody is there.
    fn go_to(&mut self, address: Option<SocketAddr>, now: Instant) {
        // Who names none wants nothing for now (RFC 3264, section 8.4).
        self.nowhere = address.is_none();
        let Some(told) = address.filter(|told| !self.fixed.is_some_and(|it| it.is_to(*told)))
        else {
            return;
        };
        let of_a_kind = |own: &LocalCandidate| {
            own.typ == CandidateType::Host && own.base.is_ipv4() == told.is_ipv4()
        };
        self.agent.stop();
        self.remote = None;
        self.ice_give_up = None;
        let Some(own) = self.agent.own_candidates().find(of_a_kind) else {
            return self.tell(Event::IceFailed(IceFailure::NeverConnected {
                candidates: 0,
            }));
        };
        let fixed = FixedPath::new(own.base, told, self.config.latching);
        self.fixed = Some(fixed);
        self.take_fixed(fixed.route);
        if self.association.is_some() {
            self.start_dtls(now);
        }
    }

    fn take_fixed(&mut self, route: Route) {
        self.selected = Some(route);
        self.tell(Event::IceConnected {
            route,
            local: CandidateType::Host,
            remote: CandidateType::Host,
        });
    }

    /// Whether this address is the far end's: a check came from it, or the description has it.
    fn vouches_for(&self, remote: SocketAddr) -> bool {
        match self.fixed {
            Some(fixed) => fixed.admits(remote),
            None => self.agent.vouches_for(remote),
        }
    }

    /// Keys tell the far end from others wherever it sends from; without keys its address has to.
    fn is_admitted(&self, remote: SocketAddr) -> bool {
        let in_the_clear = Association::is_in_the_clear;
        !self.association.as_ref().is_some_and(in_the_clear) || self.vouches_for(remote)
    }

    /// A packet of the far end came this way.
    fn heard_from(&mut self, route: Route) {
        let moved = self
            .fixed
            .as_mut()
            .and_then(|fixed| fixed.heard_from(route));
        if let Some(route) = moved {
            self.take_fixed(route);
        }
    }

    /// Adds one more candidate of the far end (trickle, RFC 8838). Those of no use are left aside.
    pub fn add_remote_candidate(&mut self, candidate: &Candidate, now: Instant) {
        self.add_candidate(candidate, now);
        self.settle(now);
    }

    fn add_candidate(&mut self, candidate: &Candidate, now: Instant) {
        if candidate.ignorable().is_some() {
            return;
        }
        // A description repeats what those before it said, and a session timer repeats descriptions.
        if !self.agent.was_told(candidate) {
            if self.remote_candidates >= self.config.limits.remote_candidates {
                return;
            }
            self.remote_candidates += 1;
        }
        self.agent.add_remote(candidate, now);
    }

    /// Starts ICE afresh with new credentials of ours (RFC 8445, section 9). Media keeps its path and keys until a new
    /// pair works, and that path is checked on; one that is lost comes back if it answers again meanwhile. `set_remote` with
    /// the far end's new credentials must follow.
    pub fn restart(&mut self, credentials: IceCredentials, now: Instant) {
        if self.closed {
            return;
        }
        self.agent.restart(&credentials, now);
        let credentials = mem::replace(&mut self.config.credentials, credentials);
        let remote = self.remote.take();
        self.agreed.get_or_insert(Agreed {
            credentials,
            remote,
            seeks: self.ice_give_up.is_some(),
        });
        // A path that is lost already has the time that it had.
        if self.selected.is_none() || self.has_path() {
            self.ice_give_up = None;
        }
        self.settle(now);
    }

    /// Takes back a restart of ours that the far end has not answered, and will not: what was agreed on before stands.
    pub fn withdraw_restart(&mut self, now: Instant) {
        let Some(agreed) = self.agreed.take().filter(|_| !self.closed) else {
            return;
        };
        self.agent.withdraw_restart();
        self.config.credentials = agreed.credentials;
        self.remote = agreed.remote;
        if agreed.seeks && !self.has_path() {
            self.ice_give_up.get_or_insert(now + self.config.limits.ice);
        }
        self.settle(now);
    }

    /// Takes one datagram that `remote` sent to our socket `local`; media is opened in place.
    pub fn handle_datagram<'a>(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &'a mut [u8],
        now: Instant,
    ) -> Received<'a> {
        let route = Route { local, remote };
        let result = match kind(datagram) {
            Kind::Rtp => self.open_rtp(route, datagram, now),
            Kind::Rtcp => self.open_rtcp(route, datagram),
            Kind::Stun => self.handle_stun(route, datagram, now),
            Kind::Dtls => self.handle_dtls(route, datagram, now),
            Kind::Unknown => Err(Refusal::Unknown),
        };
        result.unwrap_or_else(|refusal| {
            self.counters.refused.count(refusal);
            Received::Refused(refusal)
        })
    }

    fn open_rtp<'a>(
        &mut self,
        route: Route,
        datagram: &'a mut [u8],
        now: Instant,
    ) -> Result<Received<'a>, Refusal> {
        if !self.is_admitted(route.remote) {
            return Err(Refusal::Unverified);
        }
        let association = self.association.as_mut().ok_or(Refusal::Unverified)?;
        let packet = association.open_rtp(datagram)?;
        self.counters.rtp_received += 1;
        self.heard_from(route);
        if self.fixed.is_none() && self.agent.hear(route.local, route.remote, now) {
            self.settle(now);
        }
        Ok(Received::Rtp(packet))
    }

    fn open_rtcp<'a>(
        &mut self,
        route: Route,
        datagram: &'a mut [u8],
    ) -> Result<Received<'a>, Refusal> {
        if !self.is_admitted(route.remote) {
            return Err(Refusal::Unverified);
        }
        let association = self.association.as_mut().ok_or(Refusal::Unverified)?;
        let packet = association.open_rtcp(datagram)?;
        self.counters.rtcp_received += 1;
        self.heard_from(route);
        Ok(Received::Rtcp(packet))
    }

    fn handle_stun<'a>(
        &mut self,
        route: Route,
        datagram: &[u8],
        now: Instant,
    ) -> Result<Received<'a>, Refusal> {
        if self.closed || self.fixed.is_some() {
            return Err(Refusal::Unknown);
        }
        self.agent
            .handle_stun(route.local, route.remote, datagram, now)
            .map_err(|refused| match refused {
                StunRefused::Malformed => Refusal::Malformed,
                StunRefused::BadAuthentication => Refusal::BadAuthentication,
                StunRefused::Stray => Refusal::Unknown,
                StunRefused::Exceeded => Refusal::Exceeded,
            })?;
        self.counters.stun_received += 1;
        self.settle(now);
        Ok(Received::Consumed)
    }

    fn handle_dtls<'a>(
        &mut self,
        route: Route,
        datagram: &[u8],
        now: Instant,
    ) -> Result<Received<'a>, Refusal> {
        if self.closed {
            return Err(Refusal::Unknown);
        }
        let is_vouched = self.vouches_for(route.remote);
        let handled = if is_vouched && self.succession.takes(datagram) {
            self.succession.handle(datagram, &self.config, now)
        } else if let Some(association) = self.association.as_mut().filter(|_| is_vouched) {
            association.handle(datagram, now)
        } else {
            return self.keep_for_later(route, datagram, now);
        };
        handled.map_err(|refused| match refused {
            DatagramRefused::Malformed => Refusal::Malformed,
            DatagramRefused::Exceeded => Refusal::Exceeded,
        })?;
        self.counters.dtls_received += 1;
        self.dtls_path = Some(route);
        // The answer has to go where the far end is, and its media comes after the handshake only.
        self.heard_from(route);
        self.settle(now);
        Ok(Received::Consumed)
    }

    /// The ClientHello may overtake the answer, or the check that vouches for where it comes from.
    fn keep_for_later<'a>(
        &mut self,
        route: Route,
        datagram: &[u8],
        now: Instant,
    ) -> Result<Received<'a>, Refusal> {
        self.early.retain(|early| now < early.came + EARLY_FOR);
        if self.early.len() >= MAX_EARLY || datagram.len() > MAX_EARLY_BYTES {
            return Err(Refusal::Unverified);
        }
        self.early.push_back(Early {
            came: now,
            route,
            datagram: datagram.to_vec(),
        });
        Ok(Received::Consumed)
    }

    /// Whether media has a path, and nothing was told against it.
    pub(crate) fn has_good_path(&self) -> bool {
        self.fixed.is_some() || self.agent.is_well()
    }

    /// Whether ICE is restarted, and the path of before is checked until there is a new one.
    pub(crate) const fn keeps_former_path(&self) -> bool {
        self.agent.has_former()
    }

    fn has_path(&self) -> bool {
        self.fixed.is_some() || self.agent.is_up()
    }

    /// Where media may be sent now: nowhere once the far end answers no more (RFC 7675).
    fn path(&self) -> Option<Route> {
        self.selected.filter(|_| self.has_path() && !self.nowhere)
    }

    /// Protects an RTP packet in place and says where to send it. Does not allocate when `packet` has
    /// [`SrtpProfile::MAX_RTP_OVERHEAD`] bytes of spare capacity.
    ///
    /// # Errors
    /// [`NotReady`]; the packet is then left as it was.
    pub fn protect_rtp(&mut self, packet: &mut Vec<u8>) -> Result<Route, NotReady> {
        let route = self.path().ok_or(NotReady::NotConnected)?;
        let association = self.association.as_mut().ok_or(NotReady::NotConnected)?;
        association.protect_rtp(packet)?;
        self.counters.rtp_sent += 1;
        Ok(route)
    }

    /// Protects a compound RTCP packet in place and says where to send it. Does not allocate when `packet` has
    /// [`SrtpProfile::MAX_RTCP_OVERHEAD`] bytes of spare capacity.
    ///
    /// # Errors
    /// [`NotReady`]; the packet is then left as it was.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<Route, NotReady> {
        let route = self.path().ok_or(NotReady::NotConnected)?;
        let association = self.association.as_mut().ok_or(NotReady::NotConnected)?;
        association.protect_rtcp(packet)?;
        self.counters.rtcp_sent += 1;
        Ok(route)
    }

    /// Says that the deadline last told has come (earlier is harmless).
    pub fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
        if let Some(association) = &mut self.association {
            association.handle_timeout(now);
        }
        self.succession.handle_timeout(&self.config, now);
        if self.ice_give_up.is_some_and(|due| now >= due) {
            self.give_up_ice();
        }
        if self.dtls_give_up.is_some_and(|due| now >= due) {
            self.dtls_give_up = None;
            self.fail(DtlsFailure::Timeout, now);
        }
        self.settle(now);
    }

    /// The next thing to do; call until [`Output::Wait`].
    pub fn poll(&mut self) -> Output {
        self.outbox.pop_front().unwrap_or(Output::Wait(self.wait))
    }

    /// Ends the transport: a `close_notify` goes out, nothing more is accepted or protected.
    pub fn close(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        if let Some(association) = &mut self.association {
            association.close(now);
        }
        self.settle(now);
        self.agent.stop();
        self.association = None;
        self.succession.leave();
        self.early.clear();
        self.closed = true;
        self.ice_give_up = None;
        self.dtls_give_up = None;
        self.settle(now);
    }

    /// Whether media can be sent now: a pair works and keys are in place.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.has_path() && self.association.as_ref().is_some_and(Association::is_ready)
    }

    /// When a check of ours by the path in use was answered last, where consent is still in force.
    #[must_use]
    pub fn answered(&self) -> Option<Instant> {
        self.agent.answered()
    }

    /// The path media takes now.
    #[must_use]
    pub fn route(&self) -> Option<Route> {
        self.selected
    }

    /// The SRTP profile agreed on.
    #[must_use]
    pub fn profile(&self) -> Option<SrtpProfile> {
        self.association.as_ref().and_then(Association::profile)
    }

    /// Our DTLS role, once the far end's parameters have fixed it: what `a=setup` of our answer says.
    #[must_use]
    pub fn dtls_role(&self) -> Option<DtlsRole> {
        self.association.as_ref().map(Association::role)
    }

    /// Whether we are the controlling ICE agent now; a role conflict may have changed it.
    #[must_use]
    pub fn is_controlling(&self) -> bool {
        self.agent.is_controlling()
    }

    /// What came in, went out and was refused so far.
    #[must_use]
    pub fn counters(&self) -> TransportCounters {
        self.counters
    }

    /// What it holds.
    #[must_use]
    pub fn census(&self) -> Census {
        let associations = self.association.iter().count() + self.succession.count();
        let own = Census {
            transports: 1,
            associations,
            waiting: self.early.len() + self.outbox.len(),
            ..Census::default()
        };
        own + self.agent.census()
    }

    fn tell(&mut self, event: Event) {
        self.outbox.push_back(Output::Event(event));
    }

    fn transmit(&mut self, route: Route, bytes: Vec<u8>) {
        self.outbox.push_back(Output::Transmit { route, bytes });
    }

    fn associate(&mut self, association: Association, now: Instant) {
        self.association = Some(association);
        self.succession.leave();
        self.dtls_give_up = None;
        if self.has_path() {
            self.start_dtls(now);
        }
        self.take_early(now);
    }

    fn start_dtls(&mut self, now: Instant) {
        let Some(association) = &mut self.association else {
            return;
        };
        association.start(now);
        if !association.is_ready() && self.dtls_give_up.is_none() {
            self.dtls_give_up = Some(now + self.config.limits.dtls);
        }
    }

    /// Takes up kept datagrams that a check vouches for by now.
    fn take_early(&mut self, now: Instant) {
        self.early.retain(|early| now < early.came + EARLY_FOR);
        let mut kept = VecDeque::new();
        while let Some(early) = self.early.pop_front() {
            let is_vouched = self.vouches_for(early.route.remote);
            let Some(association) = self.association.as_mut().filter(|_| is_vouched) else {
                kept.push_back(early);
                continue;
            };
            if association.handle(&early.datagram, now).is_ok() {
                self.counters.dtls_received += 1;
                self.dtls_path = Some(early.route);
            } else {
                self.counters.refused.count(Refusal::Malformed);
            }
        }
        self.early = kept;
    }

    fn give_up_ice(&mut self) {
        self.ice_give_up = None;
        self.dtls_give_up = None;
        // Keys that are agreed with somebody new are of no use on the path of before.
        if self.association.as_ref().is_some_and(Association::is_ready) && self.agent.falls_back() {
            return;
        }
        self.agent.stop();
        let failure = match self.selected {
            Some(route) => IceFailure::Lost {
                remote: route.remote,
            },
            None => IceFailure::NeverConnected {
                candidates: self.agent.remote_candidates(),
            },
        };
        self.tell(Event::IceFailed(failure));
    }

    fn fail(&mut self, failure: DtlsFailure, now: Instant) {
        self.dtls_give_up = None;
        if let Some(association) = &mut self.association {
            association.close(now);
        }
        self.tell(Event::DtlsFailed(failure));
    }

    /// After each input: moves what the parts have to say into the outbox, and finds the next deadline.
    fn settle(&mut self, now: Instant) {
        loop {
            if let Some(event) = self.agent.poll_event(now) {
                self.on_agent_event(event, now);
            } else if let Some((local, remote, bytes)) = self.agent.poll_transmit() {
                self.transmit(Route { local, remote }, bytes);
            } else if let Some(bytes) = self
                .association
                .as_mut()
                .and_then(Association::poll_transmit)
            {
                // Without a path there is no one to send it to; the flight is repeated later.
                if let Some(route) = self.selected.or(self.dtls_path) {
                    self.transmit(route, bytes);
                }
            } else if let Some(event) = self.association.as_mut().and_then(|it| it.poll_event(now))
            {
                self.on_association_event(event);
            } else if let Some(bytes) = self.succession.poll_transmit() {
                if let Some(route) = self.selected.or(self.dtls_path) {
                    self.transmit(route, bytes);
                }
            } else if let Some((association, event)) =
                self.succession.poll_complete(&self.config, now)
            {
                self.association = Some(association);
                self.on_association_event(event);
            } else {
                break;
            }
        }
        self.wait = self.next_deadline();
    }

    fn on_agent_event(&mut self, event: AgentEvent, now: Instant) {
        match event {
            AgentEvent::Selected(pair) => {
                self.selected = Some(Route {
                    local: pair.local,
                    remote: pair.remote,
                });
                if !self.agent.is_between() {
                    self.ice_give_up = None;
                }
                self.tell(ice_connected(pair));
                self.start_dtls(now);
            }
            AgentEvent::Lost => {
                self.ice_give_up.get_or_insert(now + self.config.limits.ice);
                self.tell(Event::IceDisconnected);
            }
            AgentEvent::Unanswered => self.tell(Event::IceDisconnected),
            AgentEvent::ConsentExpired => self.give_up_ice(),
            AgentEvent::Vouched(_) => self.take_early(now),
        }
    }

    fn on_association_event(&mut self, event: AssociationEvent) {
        self.dtls_give_up = None;
        match event {
            AssociationEvent::Connected(profile) => {
                if let Some(role) = self.dtls_role() {
                    self.tell(Event::DtlsConnected { profile, role });
                }
            }
            AssociationEvent::Unencrypted => self.tell(Event::Unencrypted),
            AssociationEvent::Failed(failure) => self.tell(Event::DtlsFailed(failure)),
            AssociationEvent::ClosedByPeer => self.tell(Event::ClosedByPeer),
        }
    }

    fn next_deadline(&mut self) -> Option<(Instant, Deadline)> {
        let dtls = self.association.as_ref().and_then(Association::deadline);
        [
            (self.agent.deadline(), Deadline::IceCheck),
            (self.ice_give_up, Deadline::IceGiveUp),
            (dtls, Deadline::DtlsRetransmit),
            (self.dtls_give_up, Deadline::DtlsGiveUp),
            (self.succession.deadline(), Deadline::DtlsRetransmit),
        ]
        .into_iter()
        .filter_map(|(due, deadline)| Some((due?, deadline)))
        .min_by_key(|(due, _)| *due)
    }
}

fn ice_connected(pair: Pair) -> Event {
    let Pair {
        local,
        remote,
        local_type,
        remote_type,
    } = pair;
    Event::IceConnected {
        route: Route { local, remote },
        local: local_type,
        remote: remote_type,
    }
}

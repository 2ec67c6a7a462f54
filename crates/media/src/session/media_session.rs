//! One call's media: joins offer and answer, the transport, RTP and the program into one machine without I/O.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::dtls::fingerprint::FingerprintHash;
use crate::ice::candidate::{Candidate, CandidateType, LocalCandidate};
use crate::ice::credentials::IceCredentials;
use crate::ice::mdns::Names;
use crate::media_transport::config::TransportConfig;
use crate::media_transport::deadline::Deadline as TransportDeadline;
use crate::media_transport::event::{Received, Route};
use crate::media_transport::transport::MediaTransport;
use crate::program::{
    AudioCodec, AudioPacket, CallKey, Destination, Outgoing, Program, ProgramCommand,
};
use crate::quality::statistics::Statistics;
use crate::rtp::audio_level::VoiceDetector;
use crate::rtp::clock::NtpClock;
use crate::rtp::receiver::Receiver;
use crate::rtp::redundancy::RedundantSender;
use crate::rtp::schedule::Schedule;
use crate::rtp::sender::Sender;
use crate::rtp::telephone_event::EventReceiver;
use crate::sdp::direction::Direction;
use crate::sdp::negotiation::{self, Negotiated};
use crate::sdp::origin::Origin;
use crate::sdp::sdes::OwnMaterial;
use crate::sdp::write::{LocalDescription, Msid};
use crate::session::agreement::Agreement;
use crate::session::config::{Hold, SessionConfig};
use crate::session::error::Refusal;
use crate::session::event::MediaEvent;
use crate::session::figures::{self, Counters, Parts};
use crate::session::forks::Forks;
use crate::session::pacing::Pacing;
use crate::session::reports::Remote;
use crate::session::rtcp_component::RtcpComponent;
use crate::session::silence::Silence;

/// The next thing for the owner to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output<'a> {
    /// Send this datagram.
    Transmit {
        /// From our socket of this address.
        local: SocketAddr,
        /// To this address.
        remote: SocketAddr,
        /// The datagram.
        bytes: &'a [u8],
    },
    /// Hand this packet to [`MediaSession::relay`] of another call.
    Forward {
        /// Which call.
        to: CallKey,
        /// The packet as it came in here.
        packet: AudioPacket<'a>,
    },
    /// Something happened.
    Event(MediaEvent),
    /// Nothing more to do before this instant; the name says which deadline asked. `None`: wait for input only.
    Wait(Option<(Instant, Deadline)>),
}

/// Which deadline asked to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deadline {
    /// ICE or DTLS.
    Transport(TransportDeadline),
    /// A name of the far end is asked for again, or given up.
    Name,
    /// The next slot of 20 ms. RTCP reports, statistics and the watch for silence go by the slots too: none of them is
    /// in such a hurry that it deserves a wake-up of its own.
    Slot,
}

/// What an offer of the far end means for the transport that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// A later offer of the same far end: what it does not change goes on (RFC 8829 section 5.10, RFC 8842 section 5).
    Change,
    /// The far end has lost its transport and starts afresh (verto's `attach`): new ICE credentials, new DTLS
    /// association, new keys, even where its certificate is the same. Our SSRC, numbering and program go on.
    Afresh,
}

/// Media of one call. Drive it: one input, then [`poll`](Self::poll) until [`Output::Wait`].
pub struct MediaSession {
    pub(super) config: SessionConfig,
    pub(super) program: Box<dyn Program>,
    pub(super) rng: StdRng,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) phase: Instant,
    pub(super) stage: Stage,

    pub(super) candidates: Vec<LocalCandidate>,
    /// More of them may follow.
    pub(super) gathering: bool,
    /// Of the far end, before its description.
    pub(super) early_candidates: Vec<Candidate>,
    /// What the far end hides behind names, where the account allows to ask.
    pub(super) names: Names,
    /// Questions for them on their way to the links.
    pub(super) questions: VecDeque<(Route, Vec<u8>)>,
    pub(super) transport: Option<MediaTransport>,
    pub(super) forks: Forks,
    /// Where the far end wants RTCP apart.
    pub(super) rtcp: RtcpComponent,
    /// The transport has something to say, or may have.
    pub(super) transport_stirred: bool,
    pub(super) transport_wait: Option<(Instant, TransportDeadline)>,
    pub(super) origin: Origin,
    pub(super) msid: Msid,
    /// Name of our DTLS association.
    pub(super) tls_id: String,
    /// What our key in a description is cut from, where the account allows such.
    pub(super) sdes: OwnMaterial,
    pub(super) hold: Hold,
    /// What our offer said of who sends; none was made, or an offer of the far end came since. An answer is to that, and a hold of
    /// meanwhile is its own matter.
    pub(super) offered: Option<Direction>,
    /// Hash of the answer last taken.
    pub(super) answer_taken: Option<u64>,
    pub(super) agreement: Option<Agreement>,

    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    pub(super) digits: EventReceiver,
    /// Clocks of the events and of the audio that `digits` was made for.
    pub(super) digit_clocks: (u32, u32),
    pub(super) clock: NtpClock,
    pub(super) schedule: Schedule,
    pub(super) report_due: bool,
    pub(super) pacing: Option<Pacing>,
    /// The transport was ready at least once.
    pub(super) connected: bool,
    pub(super) silence: Silence,
    /// A description in force at some time let us send.
    pub(super) spoke: bool,
    pub(super) statistics_due: Instant,
    pub(super) counters: Counters,
    /// What the far end's RTCP told.
    pub(super) remote: Remote,
    /// Said with our BYE.
    pub(super) goodbye_reason: Option<&'static str>,

    pub(super) outgoing: Outgoing,
    /// How many of the outgoing packets were dealt with.
    pub(super) handed: usize,
    /// Tells speech for the level in our packets.
    pub(super) voice: VoiceDetector,
    /// With RED: the payload sent last, and the one being made.
    pub(super) redundant: RedundantSender,
    pub(super) red: Vec<u8>,
    /// The RTP or RTCP packet being sent.
    pub(super) packet: Vec<u8>,
    /// The STUN or DTLS datagram being sent.
    pub(super) control: Vec<u8>,
    pub(super) events: VecDeque<MediaEvent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    /// BYE is still to be sent, then the transport is closed.
    Closing,
    Over,
}

/// [`Output`] before anything is borrowed for it.
pub(super) enum Step {
    Control(Route),
    Packet(Route),
    Forward(usize, CallKey),
    Event(MediaEvent),
    Wait(Option<(Instant, Deadline)>),
}

impl std::fmt::Debug for MediaSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaSession")
            .field("stage", &self.stage)
            .field("hold", &self.hold)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

impl MediaSession {
    /// A session that has sent nothing yet. `seed` comes from a cryptographically secure generator: ICE passwords are
    /// drawn from it.
    #[must_use]
    pub fn new(
        mut config: SessionConfig,
        program: Box<dyn Program>,
        seed: [u8; 32],
        now: Instant,
    ) -> Self {
        let mut rng = StdRng::from_seed(seed);
        if config.cname.is_empty() {
            config.cname = token(&mut rng);
        }
        let clock_rate = config
            .codecs
            .first()
            .map_or(48_000, |codec| codec.clock_rate());
        Self {
            start: now,
            now,
            phase: now,
            stage: Stage::Open,
            candidates: Vec::new(),
            gathering: false,
            early_candidates: Vec::new(),
            names: Names::default(),
            questions: VecDeque::new(),
            transport: None,
            forks: Forks::default(),
            rtcp: RtcpComponent::default(),
            transport_stirred: false,
            transport_wait: None,
            origin: Origin::new(rng.random(), 2),
            msid: Msid {
                stream: token(&mut rng),
                track: token(&mut rng),
            },
            tls_id: tls_id(&mut rng),
            sdes: OwnMaterial::generate(&mut rng),
            hold: Hold::Off,
            offered: None,
            answer_taken: None,
            agreement: None,
            sender: Sender::new(&mut rng, clock_rate),
            receiver: Receiver::new(clock_rate),
            digits: EventReceiver::new(clock_rate, clock_rate),
            digit_clocks: (clock_rate, clock_rate),
            clock: NtpClock::new(now, rng.random()),
            schedule: Schedule::new(rng.random(), config.rtcp_every, now),
            report_due: false,
            pacing: None,
            connected: false,
            silence: Silence::new(config.no_media_after, config.media_timeout),
            spoke: false,
            statistics_due: now,
            counters: Counters::default(),
            remote: Remote::default(),
            goodbye_reason: None,
            outgoing: Outgoing::new(),
            handed: 0,
            voice: VoiceDetector::default(),
            redundant: RedundantSender::default(),
            red: Vec::new(),
            packet: Vec::new(),
            control: Vec::new(),
            events: VecDeque::new(),
            rng,
            program,
            config,
        }
    }

    /// Slots are due at `phase` plus whole slots of 20 ms, so that many calls do not all fire at once. Takes effect when
    /// pacing begins, that is when the transport is ready for the first time.
    pub const fn set_phase(&mut self, phase: Instant) {
        self.phase = phase;
    }

    /// Adds a candidate of ours. One that comes after the first description has to be signalled by itself (RFC 8838): it
    /// is returned then.
    pub fn add_local_candidate(
        &mut self,
        candidate: LocalCandidate,
        now: Instant,
    ) -> Option<Candidate> {
        self.now = now;
        self.candidates.push(candidate);
        self.forks.each(|fork| {
            // Signalled once, for all of them.
            let _ = fork.add_local_candidate(candidate, now);
        });
        let transport = self.transport.as_mut()?;
        self.transport_stirred = true;
        transport.add_local_candidate(candidate, now)
    }

    /// Gives up every candidate but those of these addresses.
    pub fn keep_candidates(&mut self, addresses: &[SocketAddr], now: Instant) {
        self.now = now;
        self.candidates
            .retain(|candidate| addresses.contains(&candidate.address));
        self.forks.each(|fork| fork.keep_candidates(addresses, now));
        self.rtcp.keep_hosts(addresses, now);
        if let Some(transport) = &mut self.transport {
            transport.keep_candidates(addresses, now);
            self.transport_stirred = true;
        }
    }

    /// Says that an address of ours is gone, and media that goes by it has to find another way.
    pub fn forsake(&mut self, address: IpAddr, now: Instant) {
        self.now = now;
        if let Some(transport) = &mut self.transport {
            transport.forsake(address, now);
            self.transport_stirred = true;
        }
    }

    /// Says that something has changed around us; `true` when there is something to do for a path in doubt.
    pub fn look_again(&mut self, now: Instant) -> bool {
        self.now = now;
        let transport = self.transport.as_mut();
        let is_in_doubt = transport.is_some_and(|transport| transport.look_again(now));
        self.transport_stirred |= is_in_doubt;
        is_in_doubt
    }

    /// Whether this offer wants RTCP on a port of its own, and there is no socket for it yet: add some by
    /// [`add_rtcp_host_candidate`](Self::add_rtcp_host_candidate) before it is answered. Without, it is answered all the
    /// same, and there are no reports in the call.
    #[must_use]
    pub fn wants_rtcp_sockets(&self, offer: &str) -> bool {
        !self.rtcp.has_sockets() && negotiation::wants_rtcp_component(offer)
    }

    /// Adds a socket for RTCP alone.
    pub fn add_rtcp_host_candidate(&mut self, socket: SocketAddr, now: Instant) {
        self.now = now;
        self.rtcp.add_host(LocalCandidate::host(socket), now);
    }

    /// Whether this is a socket for RTCP alone.
    #[must_use]
    pub fn is_rtcp_socket(&self, local: SocketAddr) -> bool {
        self.rtcp.owns(local)
    }

    /// Whether there are sockets for RTCP alone.
    #[must_use]
    pub const fn has_rtcp_sockets(&self) -> bool {
        self.rtcp.has_sockets()
    }

    /// The path that media takes now.
    #[must_use]
    pub fn route(&self) -> Option<Route> {
        self.transport.as_ref().and_then(MediaTransport::route)
    }

    /// Whether media has a path, and nothing was told against it.
    #[must_use]
    pub fn has_good_path(&self) -> bool {
        let transport = self.transport.as_ref();
        transport.is_some_and(MediaTransport::has_good_path)
    }

    /// Whether ICE is restarted, and the path of before is checked until there is a new one.
    #[must_use]
    pub fn keeps_former_path(&self) -> bool {
        let transport = self.transport.as_ref();
        transport.is_some_and(MediaTransport::keeps_former_path)
    }

    /// Whether there is any candidate of ours.
    pub const fn has_candidates(&self) -> bool {
        !self.candidates.is_empty()
    }

    /// Says whether more candidates may follow: descriptions then announce it (`a=ice-options:trickle`).
    pub const fn set_gathering(&mut self, gathering: bool) {
        self.gathering = gathering;
    }

    /// Adds a candidate that the far end signalled by itself. One that comes before its description waits for it.
    pub fn add_remote_candidate(&mut self, candidate: Candidate, now: Instant) {
        self.now = now;
        match &mut self.transport {
            Some(transport) if self.agreement.is_some() => {
                transport.add_remote_candidate(&candidate, now);
                self.rtcp.add_remote_candidate(&candidate, now);
                self.transport_stirred = true;
            }
            Some(_) | None => {
                if self.early_candidates.len() < self.config.limits.remote_candidates {
                    self.early_candidates.push(candidate);
                }
            }
        }
    }

    /// Our offer: the first one, or a later one for hold and the like, with the ICE credentials in force.
    pub fn create_offer(&mut self, now: Instant) -> String {
        self.now = now;
        let transport = match self.transport.take() {
            Some(transport) => transport,
            None => self.new_transport(true),
        };
        self.rtcp.follow(&transport, now);
        let local = self.describe(&transport);
        self.transport = Some(transport);
        self.offered = Some(local.direction);
        self.answer_taken = None;
        negotiation::offer(&local, &mut self.origin)
    }

    /// Takes the answer to our last offer. The same one again (after early media) changes nothing; another one replaces
    /// it.
    ///
    /// # Errors
    /// [`Refusal`]; what was agreed before stays in force.
    pub fn accept_answer(&mut self, sdp: &str, now: Instant) -> Result<(), Refusal> {
        self.now = now;
        self.check_open()?;
        if self.answer_taken == Some(hash_of(sdp)) {
            return Ok(());
        }
        let (Some(transport), Some(direction)) = (&self.transport, self.offered) else {
            return Err(Refusal::NoOffer);
        };
        let local = LocalDescription {
            direction,
            ..self.describe(transport)
        };
        let negotiated = negotiation::accept_answer(sdp, &local)?;
        if let Some(transport) = &mut self.transport {
            transport.set_remote(negotiated.remote.clone(), now)?;
        }
        self.rtcp.set_remote(&negotiated, now);
        self.take_answer(sdp, negotiated);
        Ok(())
    }

    /// Whether our last offer was answered.
    pub(super) const fn has_answer(&self) -> bool {
        self.answer_taken.is_some()
    }

    /// Takes an offer of the far end, the first or a later one, and answers it. An offer of ours that waits for its
    /// answer is void then, and with it an ICE restart that it was to bring: the answer has new credentials where the far end's
    /// offer has, and nowhere else (RFC 8839, section 4.4.1.1.1).
    ///
    /// # Errors
    /// [`Refusal`]; what was agreed before stays in force.
    pub fn accept_offer(
        &mut self,
        sdp: &str,
        renewal: Renewal,
        now: Instant,
    ) -> Result<String, Refusal> {
        self.now = now;
        self.check_open()?;
        self.forks.leave_others(now);
        if renewal == Renewal::Change {
            self.withdraw_restart(now);
        }
        let kept = match renewal {
            Renewal::Change => self.transport.take(),
            Renewal::Afresh => None,
        };
        let answered = match kept {
            Some(mut transport) => {
                let answered = self.answer_with(&mut transport, sdp);
                self.transport = Some(transport);
                answered
            }
            None => {
                let mut transport = self.new_transport(false);
                let before = self.agreement.take();
                let answered = self.answer_with(&mut transport, sdp);
                if answered.is_ok() {
                    self.transport = Some(transport);
                } else {
                    self.agreement = before;
                }
                answered
            }
        };
        let (sdp, negotiated) = answered?;
        self.offered = None;
        self.answer_taken = None;
        self.adopt(negotiated);
        Ok(sdp)
    }

    /// Draws new ICE credentials; the next offer carries them (RFC 8445 section 9). Media keeps its path until a new one
    /// works.
    pub fn restart_ice(&mut self, now: Instant) {
        self.now = now;
        self.forks.leave_others(now);
        let credentials = IceCredentials::generate(&mut self.rng);
        self.rtcp.restart(&credentials, now);
        if let Some(transport) = &mut self.transport {
            transport.restart(credentials, now);
            self.transport_stirred = true;
        }
    }

    /// The far end does not take the offer with new ICE credentials: those that are agreed on stay, with the path that they have.
    /// Without such an offer nothing happens.
    pub fn withdraw_restart(&mut self, now: Instant) {
        self.now = now;
        self.rtcp.withdraw_restart(now);
        if let Some(transport) = &mut self.transport {
            transport.withdraw_restart(now);
            self.transport_stirred = true;
        }
    }

    /// Sets our side of the direction: what is sent and expected changes at once; the far end learns of it by the next
    /// offer or answer.
    pub fn hold(&mut self, hold: Hold, now: Instant) {
        self.now = now;
        self.hold = hold;
        self.expect_media();
    }

    /// Passes a wish to the program.
    pub fn program(&mut self, command: ProgramCommand, now: Instant) {
        self.now = now;
        // A tone for our own user has to be played before anything can be sent.
        if matches!(command, ProgramCommand::Ringback(Some(_))) && self.pacing.is_none() {
            self.pacing = Some(Pacing::starting(self.phase, now));
        }
        self.program.command(command, now);
        self.take_program_events();
    }

    /// Puts another program in the place of the present one, without a gap in sequence or time.
    pub fn replace_program(&mut self, program: Box<dyn Program>, now: Instant) {
        self.now = now;
        self.program = program;
        self.sender.begin_anew();
        if let Some(agreement) = &self.agreement {
            self.program.negotiated(&agreement.format(), now);
        }
        self.take_program_events();
    }

    /// Takes one datagram that `remote` sent to our socket `local`; it is deciphered in place.
    pub fn handle_datagram(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &mut [u8],
        now: Instant,
    ) {
        self.now = now;
        self.counters.datagrams_received += 1;
        self.counters.bytes_received += datagram.len() as u64;
        if self.stage != Stage::Open {
            return;
        }
        if self.is_name_answer(local, remote, datagram) {
            return;
        }
        if self.forks.has_others()
            && self
                .forks
                .handle_datagram(self.transport.as_ref(), local, remote, datagram, now)
        {
            return;
        }
        if self.rtcp.owns(local) {
            if let Some(report) = self.rtcp.handle_datagram(local, remote, datagram, now) {
                self.on_rtcp(report);
            }
            return;
        }
        let Some(transport) = &mut self.transport else {
            return;
        };
        match transport.handle_datagram(local, remote, datagram, now) {
            Received::Rtp(bytes) => self.on_rtp(bytes),
            Received::Rtcp(bytes) => self.on_rtcp(bytes),
            Received::Consumed => self.transport_stirred = true,
            Received::Refused(_) => {}
        }
    }

    /// Says that the deadline last told has come; earlier is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.stage == Stage::Open {
            self.forks.handle_timeout(now);
            self.rtcp.handle_timeout(now);
            self.ask_names_again();
        }
        if self.stage == Stage::Open
            && let Some(transport) = &mut self.transport
            && self.transport_wait.is_some_and(|(at, _)| at <= now)
        {
            transport.handle_timeout(now);
            self.transport_stirred = true;
        }
    }

    /// Sends a packet of another call to this call's far end, as [`Output::Forward`] asked.
    pub fn relay(&mut self, packet: &AudioPacket<'_>, now: Instant) {
        self.now = now;
        self.begin_outgoing();
        self.outgoing.forward(Destination::Echo, packet);
    }

    /// Says that the kernel had no room for a datagram.
    pub const fn send_failed(&mut self) {
        self.counters.send_errors += 1;
    }

    /// Says that the kernel dropped this many datagrams for us, since they were not read in time.
    pub const fn receive_dropped(&mut self, datagrams: u64) {
        self.counters.receive_drops += datagrams;
    }

    /// Ends the media: RTCP BYE and DTLS close_notify come out of [`poll`](Self::poll), then nothing more.
    pub fn close(&mut self, now: Instant) {
        self.now = now;
        self.forks.leave_others(now);
        if self.stage == Stage::Open {
            self.stage = Stage::Closing;
        }
    }

    /// The figures up to now.
    #[must_use]
    pub fn statistics(&self, now: Instant) -> Statistics {
        let parts = Parts {
            start: self.start,
            sender: &self.sender,
            receiver: &self.receiver,
            counters: &self.counters,
            remote: &self.remote,
            transport: self
                .transport
                .as_ref()
                .map(MediaTransport::counters)
                .unwrap_or_default(),
            playout: self.program.statistics(),
            overflowed: self.outgoing.dropped(),
        };
        figures::gather(&parts, now)
    }

    /// The next thing to do; call until [`Output::Wait`].
    pub fn poll(&mut self) -> Output<'_> {
        match self.step() {
            Step::Control(route) => transmit(route, &self.control),
            Step::Packet(route) => transmit(route, &self.packet),
            Step::Forward(index, to) => match self
                .outgoing
                .packet(index)
                .and_then(|packet| packet.as_received())
            {
                Some(packet) => Output::Forward { to, packet },
                None => Output::Wait(None),
            },
            Step::Event(event) => Output::Event(event),
            Step::Wait(wait) => Output::Wait(wait),
        }
    }
}

/// Offer and answer.
impl MediaSession {
    pub(super) const fn check_open(&self) -> Result<(), Refusal> {
        match self.stage {
            Stage::Open => Ok(()),
            Stage::Closing | Stage::Over => Err(Refusal::Over),
        }
    }

    pub(super) fn new_transport(&mut self, controlling: bool) -> MediaTransport {
        let config = TransportConfig {
            credentials: IceCredentials::generate(&mut self.rng),
            tie_breaker: self.rng.random(),
            controlling,
            certificate: self.config.certificate.clone(),
            profiles: self.config.profiles.clone(),
            minimum_rsa_bits: self.config.minimum_rsa_bits,
            latching: self.config.latching,
            limits: self.config.limits.clone(),
        };
        self.tls_id = tls_id(&mut self.rng);
        self.sdes = OwnMaterial::generate(&mut self.rng);
        let mut transport = MediaTransport::new(config, self.now);
        for candidate in &self.candidates {
            transport.add_local_candidate(*candidate, self.now);
        }
        self.transport_stirred = true;
        transport
    }

    pub(super) fn describe(&self, transport: &MediaTransport) -> LocalDescription {
        let candidates = transport.local_candidates();
        let agreed = self
            .agreement
            .as_ref()
            .map(|agreement| &agreement.negotiated);
        // The codec in use stays in use.
        let mut codecs = self.config.codecs.clone();
        if let Some(agreed) = agreed {
            let place = |codec: &AudioCodec| {
                let found = agreed.codecs.iter().position(|known| known.codec == *codec);
                found.unwrap_or(usize::MAX)
            };
            codecs.sort_by_key(place);
        }
        LocalDescription {
            face: self.config.face,
            codecs,
            telephone_event: self.config.telephone_event,
            extras: self.config.extras,
            direction: Direction::new(self.hold.sends(), self.hold.receives()),
            credentials: transport.credentials().clone(),
            // The one most likely to work without ICE: relayed, else reflexive, else our own (RFC 8445, section 5.1.4).
            default_address: most_reachable(&candidates, |_| true),
            // A relay lets nobody in whom it was not told of.
            direct_address: most_reachable(&candidates, |typ| typ != CandidateType::Relay),
            concessions: self.config.concessions,
            lacks: agreed.map(|agreed| agreed.concessions).unwrap_or_default(),
            candidates,
            rtcp_candidates: self.rtcp.candidates(),
            complete: !self.gathering,
            sha1_fingerprints: self.config.sha1_fingerprints,
            sdes: self.config.sdes.map(|()| self.sdes.clone()),
            profiles: self.config.profiles.clone(),
            fingerprint: self.config.certificate.fingerprint(FingerprintHash::Sha256),
            tls_id: self.tls_id.clone(),
            ssrc: self.sender.ssrc(),
            cname: self.config.cname.clone(),
            msid: self.msid.clone(),
            sections: agreed
                .map(|agreed| agreed.sections.clone())
                .unwrap_or_default(),
            bindings: agreed
                .map(|agreed| agreed.bindings.clone())
                .unwrap_or_default(),
        }
    }

    /// Answers an offer on this transport. New ICE credentials of the far end are answered with new ones of ours
    /// (RFC 8839 section 4.4.1.1); the DTLS role is kept while the association can go on.
    pub(super) fn answer_with(
        &mut self,
        transport: &mut MediaTransport,
        sdp: &str,
    ) -> Result<(String, Negotiated), Refusal> {
        self.rtcp.follow(transport, self.now);
        let mut local = self.describe(transport);
        let probe = negotiation::answer(sdp, &local, &mut self.origin.clone(), None)?.negotiated;
        let before = self
            .agreement
            .as_ref()
            .map(|agreement| &agreement.negotiated);
        let restarted =
            before.is_some_and(|before| before.remote.credentials != probe.remote.credentials);
        let established = before
            .filter(|before| {
                before.remote.fingerprints == probe.remote.fingerprints
                    && !differ(&before.remote.tls_id, &probe.remote.tls_id)
            })
            .map(|before| before.role);
        let associates_anew = before.is_some() && established.is_none();
        if restarted {
            local.credentials = IceCredentials::generate(&mut self.rng);
        }
        let keys_changed = match (before.map(|before| &before.remote.keys), &probe.remote.keys) {
            (Some(Some(before)), Some(now)) => !before.same_remote(now),
            _ => false,
        };
        if keys_changed && local.sdes.is_ok() {
            self.sdes = OwnMaterial::generate(&mut self.rng);
            local.sdes = Ok(self.sdes.clone());
        }
        if associates_anew {
            self.tls_id = tls_id(&mut self.rng);
            local.tls_id.clone_from(&self.tls_id);
        }
        let answer = negotiation::answer(sdp, &local, &mut self.origin, established)?;
        if restarted {
            self.rtcp.restart(&local.credentials, self.now);
            transport.restart(local.credentials, self.now);
        }
        if let Err(refused) = transport.set_remote(answer.negotiated.remote.clone(), self.now) {
            self.rtcp.withdraw_restart(self.now);
            transport.withdraw_restart(self.now);
            return Err(refused.into());
        }
        self.rtcp.set_remote(&answer.negotiated, self.now);
        Ok((answer.sdp, answer.negotiated))
    }

    pub(super) fn adopt(&mut self, mut negotiated: Negotiated) {
        self.transport_stirred = true;
        if let Some(transport) = &mut self.transport {
            for candidate in self.early_candidates.drain(..) {
                transport.add_remote_candidate(&candidate, self.now);
                self.rtcp.add_remote_candidate(&candidate, self.now);
            }
        }
        let named = mem::take(&mut negotiated.named_candidates);
        let agreement = Agreement { negotiated };
        let format = agreement.format();
        self.sender.set_clock_rate(agreement.clock_rate());
        self.receiver.set_clock_rate(agreement.clock_rate());
        let clocks = (
            format
                .telephone_event
                .unwrap_or_else(|| format.codec.clock_rate()),
            format.codec.clock_rate(),
        );
        if self.digit_clocks != clocks {
            self.digits = EventReceiver::new(clocks.0, clocks.1);
            self.digit_clocks = clocks;
        }
        self.agreement = Some(agreement);
        for named in named {
            self.add_named_candidate(named, self.now);
        }
        self.program.negotiated(&format, self.now);
        self.tell(MediaEvent::Negotiated(format));
        self.take_program_events();
        self.expect_media();
    }
}

/// The candidate that most far ends reach; of IPv4 where there is one, since a relay without IPv6 takes its own view of the
/// call from here.
fn most_reachable(
    candidates: &[Candidate],
    usable: impl Fn(CandidateType) -> bool,
) -> Option<SocketAddr> {
    let usable = candidates.iter().filter(|candidate| usable(candidate.typ));
    let best = usable.max_by_key(|candidate| {
        let kind = u32::MAX - candidate.typ.preference();
        (kind, candidate.addr.is_ipv4(), candidate.priority)
    });
    best.map(|best| best.addr)
}

/// Whether these name two associations; a name that is left out names none.
fn differ(one: &Option<String>, other: &Option<String>) -> bool {
    one.is_some() && other.is_some() && one != other
}

/// See [`LocalDescription::tls_id`].
fn tls_id(rng: &mut StdRng) -> String {
    token(rng) + &token(rng)
}

fn transmit(route: Route, bytes: &[u8]) -> Output<'_> {
    Output::Transmit {
        local: route.local,
        remote: route.remote,
        bytes,
    }
}

/// A name that says nothing of person or machine (RFC 7022): 16 characters, 80 bits.
fn token(rng: &mut StdRng) -> String {
    const CHARACTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    bytes
        .iter()
        .map(|byte| char::from(CHARACTERS[usize::from(byte % 32)]))
        .collect()
}

pub(super) fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

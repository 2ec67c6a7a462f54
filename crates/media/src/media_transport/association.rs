//! DTLS and the SRTP keys it yields, or keys that signalling brought: one association with one verified far end.

use std::fmt;
use std::time::{Duration, Instant};

use crate::dtls::endpoint::{
    DatagramRefused, DtlsConfig, DtlsEndpoint, DtlsEvent, Handshake, HandshakeFailure,
};
use crate::dtls::fingerprint::{Fingerprint, FingerprintHash};
use crate::dtls::key_size::rsa_bits;
use crate::dtls::rtc::RtcDtls;
use crate::dtls::setup::DtlsRole;
use crate::media_transport::config::TransportConfig;
use crate::media_transport::counters::Refusal;
use crate::media_transport::event::{DtlsFailure, NotReady};
use crate::sdp::sdes::SdesKeys;
use crate::srtp::inbound::{Inbound, OpenError};
use crate::srtp::keys::KeyPair;
use crate::srtp::outbound::{Outbound, ProtectError};
use crate::srtp::profile::SrtpProfile;

/// A repeat of the far end's last flight may be this long on its way after its first media.
const STRAYING: Duration = Duration::from_secs(10);

/// Both directions' protection, there only after the far end's certificate was verified.
pub(crate) struct Srtp {
    pub(crate) profile: SrtpProfile,
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AssociationEvent {
    Connected(SrtpProfile),
    Unencrypted,
    Failed(DtlsFailure),
    ClosedByPeer,
}

/// Where the keys come from.
enum Source {
    Dtls(Box<dyn DtlsEndpoint>),
    /// From the descriptions. That they are in place is told once, with the first path.
    Keys(SdesKeys, Telling),
    /// There are none: media goes in the clear. That is told once, too.
    None(Telling),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    ToCome,
    Due,
    Told,
}

/// One association.
pub(crate) struct Association {
    source: Source,
    role: DtlsRole,
    fingerprints: Vec<Fingerprint>,
    tls_id: Option<String>,
    max_sources: usize,
    minimum_rsa_bits: u16,
    started: bool,
    srtp: Option<Srtp>,
    proof: Proof,
}

/// How far it is certain that the far end's handshake is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// Nothing of it was opened yet.
    None,
    /// Something was opened.
    Media,
    /// That was noticed then.
    Since(Instant),
    /// Nothing of the handshake is on its way any more.
    Rested,
}

impl Association {
    pub(crate) fn new(
        config: &TransportConfig,
        role: DtlsRole,
        fingerprints: Vec<Fingerprint>,
        tls_id: Option<String>,
    ) -> Result<Self, DtlsFailure> {
        let endpoint = RtcDtls::new(&DtlsConfig {
            certificate: config.certificate.clone(),
            role,
            profiles: config.profiles.clone(),
            retransmit: config.limits.dtls_retransmit,
            mtu: config.limits.dtls_mtu,
        });
        Ok(Self {
            source: Source::Dtls(Box::new(endpoint.map_err(as_failure)?)),
            role,
            fingerprints,
            tls_id,
            max_sources: config.limits.sources,
            minimum_rsa_bits: config.minimum_rsa_bits,
            started: false,
            srtp: None,
            proof: Proof::None,
        })
    }

    /// With keys that the descriptions agreed on: whoever has them is who signalling says.
    pub(crate) fn by_keys(config: &TransportConfig, keys: SdesKeys) -> Self {
        let max_sources = config.limits.sources;
        Self {
            role: DtlsRole::Client,
            fingerprints: Vec::new(),
            tls_id: None,
            max_sources,
            minimum_rsa_bits: config.minimum_rsa_bits,
            started: false,
            srtp: Some(Srtp {
                profile: keys.profile,
                inbound: Inbound::new(&keys.pair.remote, max_sources),
                outbound: Outbound::new(&keys.pair.local),
            }),
            source: Source::Keys(keys, Telling::ToCome),
            proof: Proof::Rested,
        }
    }

    /// Without keys: whoever sends from the far end's address is taken for it.
    pub(crate) fn in_the_clear(config: &TransportConfig) -> Self {
        Self {
            source: Source::None(Telling::ToCome),
            role: DtlsRole::Client,
            fingerprints: Vec::new(),
            tls_id: None,
            max_sources: config.limits.sources,
            minimum_rsa_bits: config.minimum_rsa_bits,
            started: false,
            srtp: None,
            proof: Proof::Rested,
        }
    }

    pub(crate) fn is_in_the_clear(&self) -> bool {
        matches!(self.source, Source::None(_))
    }

    /// Whether media may be sent.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_in_the_clear() || self.srtp.is_some()
    }

    /// Whether this is still the association of these keys.
    pub(crate) fn is_by(&self, keys: &SdesKeys) -> bool {
        matches!(&self.source, Source::Keys(known, _) if known.same_remote(keys) && known.same_local(keys))
    }

    /// The far end has another key now. Where ours is the one of before, what we send goes on with it: a key that is begun twice protects
    /// two packets alike (RFC 3711, section 9.1). `false`: this association has no such keys.
    pub(crate) fn take_remote_key(&mut self, keys: &SdesKeys) -> bool {
        let Source::Keys(known, _) = &mut self.source else {
            return false;
        };
        let Some(srtp) = self.srtp.as_mut().filter(|_| known.same_local(keys)) else {
            return false;
        };
        srtp.inbound = Inbound::new(&keys.pair.remote, self.max_sources);
        *known = keys.clone();
        true
    }

    /// Both are answers to one offer, which had our key in it: what it protected for the one, it never protects for the other.
    pub(crate) fn goes_on_after(&mut self, other: &Self) {
        let (Source::Keys(ours, _), Source::Keys(theirs, _)) = (&self.source, &other.source) else {
            return;
        };
        if let (Some(srtp), Some(before)) = (&mut self.srtp, &other.srtp)
            && ours.same_local(theirs)
        {
            srtp.outbound.goes_on_after(&before.outbound);
        }
    }

    fn endpoint(&mut self) -> Option<&mut Box<dyn DtlsEndpoint>> {
        match &mut self.source {
            Source::Dtls(endpoint) => Some(endpoint),
            Source::Keys(..) | Source::None(_) => None,
        }
    }

    pub(crate) fn role(&self) -> DtlsRole {
        self.role
    }

    /// Whether this is still the association for these parameters (RFC 8842, section 5).
    pub(crate) fn is_for(
        &self,
        role: DtlsRole,
        fingerprints: &[Fingerprint],
        tls_id: Option<&str>,
    ) -> bool {
        // Who left it out says nothing by that.
        let other =
            matches!((self.tls_id.as_deref(), tls_id), (Some(one), Some(other)) if one != other);
        let by_dtls = matches!(self.source, Source::Dtls(_));
        by_dtls && self.role == role && self.fingerprints == fingerprints && !other
    }

    pub(crate) fn profile(&self) -> Option<SrtpProfile> {
        self.srtp.as_ref().map(|srtp| srtp.profile)
    }

    /// The same once more, not begun.
    pub(crate) fn anew(&self, config: &TransportConfig) -> Result<Self, DtlsFailure> {
        Self::new(
            config,
            self.role,
            self.fingerprints.clone(),
            self.tls_id.clone(),
        )
    }

    /// Begins, as soon as there is a path; again is harmless.
    pub(crate) fn start(&mut self, now: Instant) {
        if !self.started {
            self.started = true;
            match &mut self.source {
                Source::Dtls(endpoint) => endpoint.start(now),
                Source::Keys(_, telling) | Source::None(telling) => *telling = Telling::Due,
            }
        }
    }

    pub(crate) fn handle(&mut self, datagram: &[u8], now: Instant) -> Result<(), DatagramRefused> {
        match self.endpoint() {
            Some(endpoint) => endpoint.handle(datagram, now),
            None => Err(DatagramRefused::Malformed),
        }
    }

    /// Opens an RTP packet of the far end in place.
    pub(crate) fn open_rtp<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
        if self.is_in_the_clear() {
            return Ok(packet);
        }
        let srtp = self.srtp.as_mut().ok_or(Refusal::Unverified)?;
        let opened = srtp.inbound.open_rtp(packet).map_err(as_refusal)?;
        self.prove();
        Ok(opened)
    }

    /// Opens an RTCP packet of the far end in place.
    pub(crate) fn open_rtcp<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
        if self.is_in_the_clear() {
            return Ok(packet);
        }
        let srtp = self.srtp.as_mut().ok_or(Refusal::Unverified)?;
        let opened = srtp.inbound.open_rtcp(packet).map_err(as_refusal)?;
        self.prove();
        Ok(opened)
    }

    /// Protects an RTP packet in place.
    pub(crate) fn protect_rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), NotReady> {
        if self.is_in_the_clear() {
            return Ok(());
        }
        let srtp = self.srtp.as_mut().ok_or(NotReady::NotConnected)?;
        srtp.outbound.protect_rtp(packet).map_err(as_not_ready)
    }

    /// Protects an RTCP packet in place.
    pub(crate) fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), NotReady> {
        if self.is_in_the_clear() {
            return Ok(());
        }
        let srtp = self.srtp.as_mut().ok_or(NotReady::NotConnected)?;
        srtp.outbound.protect_rtcp(packet).map_err(as_not_ready)
    }

    /// The far end has the keys agreed on.
    fn prove(&mut self) {
        if self.proof == Proof::None {
            self.proof = Proof::Media;
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let proof = self.proof;
        let Some(endpoint) = self.endpoint() else {
            return;
        };
        endpoint.handle_timeout(now);
        // No deadline of its own: ICE wakes the transport every few seconds anyhow.
        match proof {
            Proof::Media => self.proof = Proof::Since(now),
            Proof::Since(since) if now >= since + STRAYING => {
                endpoint.rest(now);
                self.proof = Proof::Rested;
            }
            Proof::None | Proof::Since(_) | Proof::Rested => {}
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.source {
            Source::Dtls(endpoint) => endpoint.deadline(),
            Source::Keys(..) | Source::None(_) => None,
        }
    }

    pub(crate) fn close(&mut self, now: Instant) {
        if let Some(endpoint) = self.endpoint() {
            endpoint.close(now);
        }
        self.srtp = None;
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.endpoint()?.poll_transmit()
    }

    pub(crate) fn poll_event(&mut self, now: Instant) -> Option<AssociationEvent> {
        let told = match &mut self.source {
            Source::Dtls(_) => None,
            Source::Keys(keys, telling) => {
                Some((telling, AssociationEvent::Connected(keys.profile)))
            }
            Source::None(telling) => Some((telling, AssociationEvent::Unencrypted)),
        };
        if let Some((telling, event)) = told {
            if *telling != Telling::Due {
                return None;
            }
            *telling = Telling::Told;
            return Some(event);
        }
        match self.endpoint()?.poll_event()? {
            DtlsEvent::Complete(handshake) => Some(match self.accept(&handshake) {
                Ok(srtp) => AssociationEvent::Connected(self.srtp.insert(srtp).profile),
                Err(failure) => {
                    self.close(now);
                    AssociationEvent::Failed(failure)
                }
            }),
            DtlsEvent::Failed(failure) => {
                self.srtp = None;
                Some(AssociationEvent::Failed(as_failure(failure)))
            }
            DtlsEvent::ClosedByPeer => {
                self.srtp = None;
                Some(AssociationEvent::ClosedByPeer)
            }
        }
    }

    /// The only place where keys come into use: the certificate must be the signalled one.
    fn accept(&self, handshake: &Handshake) -> Result<Srtp, DtlsFailure> {
        let certificate = &handshake.peer_certificate;
        if !self.fingerprints.iter().any(|it| it.matches(certificate)) {
            let expected = self.fingerprints.first().map(Fingerprint::hash);
            return Err(DtlsFailure::FingerprintMismatch {
                expected: expected.unwrap_or(FingerprintHash::Sha256),
            });
        }
        check_key(certificate, self.minimum_rsa_bits)?;
        let profile = handshake.profile;
        let keys = KeyPair::from_material(profile, &handshake.keying_material, self.role)
            .ok_or_else(|| DtlsFailure::Handshake {
                detail: "too little keying material".to_owned(),
            })?;
        Ok(Srtp {
            profile,
            inbound: Inbound::new(&keys.remote, self.max_sources),
            outbound: Outbound::new(&keys.local),
        })
    }
}

fn check_key(certificate: &[u8], least: u16) -> Result<(), DtlsFailure> {
    match rsa_bits(certificate).filter(|bits| *bits < least) {
        Some(bits) => Err(DtlsFailure::WeakKey { bits, least }),
        None => Ok(()),
    }
}

fn as_refusal(error: OpenError) -> Refusal {
    match error {
        OpenError::Malformed => Refusal::Malformed,
        OpenError::BadAuthentication => Refusal::BadAuthentication,
        OpenError::Replay => Refusal::Replay,
        OpenError::TooOld => Refusal::TooOld,
        OpenError::TooManySources => Refusal::Exceeded,
    }
}

fn as_not_ready(error: ProtectError) -> NotReady {
    match error {
        ProtectError::Malformed => NotReady::Malformed,
        ProtectError::SequenceReused => NotReady::SequenceReused,
        ProtectError::KeyExhausted => NotReady::KeyExhausted,
        ProtectError::TooManySources => NotReady::TooManySources,
    }
}

fn as_failure(failure: HandshakeFailure) -> DtlsFailure {
    match failure {
        HandshakeFailure::Alert => DtlsFailure::RefusedByPeer,
        HandshakeFailure::NoCommonProfile => DtlsFailure::NoCommonProfile,
        HandshakeFailure::Rejected(detail) => DtlsFailure::Handshake { detail },
    }
}

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Association")
            .field("role", &self.role)
            .field("profile", &self.profile())
            .field("proof", &self.proof)
            .finish_non_exhaustive()
    }
}

//! DTLS and the SRTP keys it yields: one association with one verified far end.

use std::fmt;
use std::time::Instant;

use crate::dtls::endpoint::{
    DatagramRefused, DtlsConfig, DtlsEndpoint, DtlsEvent, Handshake, HandshakeFailure,
};
use crate::dtls::fingerprint::{Fingerprint, FingerprintHash};
use crate::dtls::rtc::RtcDtls;
use crate::dtls::setup::DtlsRole;
use crate::media_transport::config::TransportConfig;
use crate::media_transport::event::DtlsFailure;
use crate::srtp::inbound::Inbound;
use crate::srtp::keys::KeyPair;
use crate::srtp::outbound::Outbound;
use crate::srtp::profile::SrtpProfile;

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
    Failed(DtlsFailure),
    ClosedByPeer,
}

/// One association.
pub(crate) struct Association {
    endpoint: Box<dyn DtlsEndpoint>,
    role: DtlsRole,
    fingerprints: Vec<Fingerprint>,
    max_sources: usize,
    started: bool,
    srtp: Option<Srtp>,
}

impl Association {
    pub(crate) fn new(
        config: &TransportConfig,
        role: DtlsRole,
        fingerprints: Vec<Fingerprint>,
    ) -> Result<Self, DtlsFailure> {
        let endpoint = RtcDtls::new(&DtlsConfig {
            certificate: config.certificate.clone(),
            role,
            profiles: config.profiles.clone(),
            retransmit: config.limits.dtls_retransmit,
            mtu: config.limits.dtls_mtu,
        });
        Ok(Self {
            endpoint: Box::new(endpoint.map_err(as_failure)?),
            role,
            fingerprints,
            max_sources: config.limits.sources,
            started: false,
            srtp: None,
        })
    }

    pub(crate) fn role(&self) -> DtlsRole {
        self.role
    }

    /// Whether this is still the association for these parameters (RFC 8842, section 5).
    pub(crate) fn is_for(&self, role: DtlsRole, fingerprints: &[Fingerprint]) -> bool {
        self.role == role && self.fingerprints == fingerprints
    }

    pub(crate) fn srtp(&mut self) -> Option<&mut Srtp> {
        self.srtp.as_mut()
    }

    pub(crate) fn profile(&self) -> Option<SrtpProfile> {
        self.srtp.as_ref().map(|srtp| srtp.profile)
    }

    /// Begins, as soon as there is a path; again is harmless.
    pub(crate) fn start(&mut self, now: Instant) {
        if !self.started {
            self.started = true;
            self.endpoint.start(now);
        }
    }

    pub(crate) fn handle(&mut self, datagram: &[u8], now: Instant) -> Result<(), DatagramRefused> {
        self.endpoint.handle(datagram, now)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.endpoint.deadline()
    }

    pub(crate) fn close(&mut self, now: Instant) {
        self.endpoint.close(now);
        self.srtp = None;
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.endpoint.poll_transmit()
    }

    pub(crate) fn poll_event(&mut self, now: Instant) -> Option<AssociationEvent> {
        match self.endpoint.poll_event()? {
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
            .finish_non_exhaustive()
    }
}

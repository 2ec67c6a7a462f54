//! DTLS 1.2 by the `rtc-dtls` crate, with what it lacks made good.
//!
//! The crate forgets its retransmission timer when part of a flight, or a repeat of the far end's last one, arrives: a
//! handshake that lost a datagram could then hang for ever. So the last flight is kept here and repeated by a clock of
//! our own; the crate's own repeat is used while it has one, since it numbers encrypted records afresh. And it keeps the
//! whole handshake for as long as the association lasts: once media flows, a `Rested` takes its place.

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_dtls::state::State;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;
use zeroize::Zeroizing;

use crate::dtls::endpoint::{
    DatagramRefused, DtlsConfig, DtlsEndpoint, DtlsEvent, EXPORTER_LABEL, Handshake,
    HandshakeFailure,
};
use crate::dtls::flight::Flight;
use crate::dtls::record::{Contents, inspect};
use crate::dtls::rested::Rested;
use crate::dtls::setup::DtlsRole;
use crate::srtp::keys::KeyPair;
use crate::srtp::profile::SrtpProfile;

/// The implementation tells associations apart by address. There is one, and ICE may move it: it gets a fixed name.
pub(crate) const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Records taken before the handshake is done. A long chain in small fragments, repeated seven times, stays below.
const MAX_HANDSHAKE_RECORDS: usize = 512;

/// Handshake records taken afterwards, to answer a far end that repeats its last flight.
const MAX_LATE_RECORDS: usize = 64;

/// Repeats of one flight left to the implementation, which gives the association up after its seventh.
const MAX_OWN_REPEATS: usize = 6;

/// What a datagram's headers may add to the handshake bytes in it: two headers, nonce, tag, padding.
const HEADER_ROOM: usize = 80;

/// One association by `rtc-dtls`.
pub struct RtcDtls {
    body: Body,
    config: DtlsConfig,
    flight: Flight,
    own_repeats: usize,
    records: usize,
    late_records: usize,
    complete: bool,
    over: bool,
    transmits: VecDeque<Vec<u8>>,
    events: VecDeque<DtlsEvent>,
}

/// What there is of the implementation.
enum Body {
    Whole {
        endpoint: Endpoint,
        config: Arc<HandshakeConfig>,
    },
    Rested(Rested),
    /// The association is over, and said goodbye.
    Gone,
}

impl RtcDtls {
    /// An association that has not begun.
    ///
    /// # Errors
    /// [`HandshakeFailure::Rejected`] when certificate and profiles make no valid configuration.
    pub fn new(config: &DtlsConfig) -> Result<Self, HandshakeFailure> {
        let handshake = Arc::new(handshake_config(config)?);
        let server = (config.role == DtlsRole::Server).then(|| Arc::clone(&handshake));
        Ok(Self {
            body: Body::Whole {
                endpoint: Endpoint::new(PEER, TransportProtocol::UDP, server),
                config: handshake,
            },
            config: config.clone(),
            flight: Flight::new(config.retransmit),
            own_repeats: 0,
            records: 0,
            late_records: 0,
            complete: false,
            over: false,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        })
    }

    fn send_new_flight(&mut self, datagrams: Vec<Vec<u8>>, now: Instant) {
        if !datagrams.is_empty() {
            self.own_repeats = 0;
            self.transmits.extend(self.flight.sent(datagrams, now));
        }
        // The server's is the handshake's last flight: only it may be asked for again.
        if self.over || (self.complete && self.config.role == DtlsRole::Client) {
            self.flight.forget();
        } else if self.complete {
            self.flight.rest();
        }
    }

    fn fail(&mut self, failure: HandshakeFailure) {
        if !self.over {
            self.over = true;
            self.events.push_back(DtlsEvent::Failed(failure));
        }
    }

    fn on_event(&mut self, event: &EndpointEvent) {
        // Application data, the third kind, would carry WebRTC's data channels; a voice call has none.
        if matches!(event, EndpointEvent::HandshakeComplete) {
            self.on_complete();
        } else if matches!(event, EndpointEvent::PeerClosed) && !self.over {
            self.over = true;
            self.events.push_back(DtlsEvent::ClosedByPeer);
        }
    }

    fn on_complete(&mut self) {
        self.complete = true;
        let state = match &self.body {
            Body::Whole { endpoint, .. } => endpoint.get_connection_state(PEER),
            Body::Rested(_) | Body::Gone => None,
        };
        let yielded = match state {
            Some(state) => yield_of(state),
            None => Err(HandshakeFailure::Rejected("no association".to_owned())),
        };
        match yielded {
            Ok(handshake) => self.events.push_back(DtlsEvent::Complete(handshake)),
            Err(failure) => self.fail(failure),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the error type serves a whole protocol family; only four of its hundreds concern a handshake"
    )]
    fn on_error(&mut self, error: &Error) {
        let failure = match error {
            Error::ErrAlertFatalOrClose => HandshakeFailure::Alert,
            Error::ErrClientNoMatchingSrtpProfile | Error::ErrServerNoMatchingSrtpProfile => {
                HandshakeFailure::NoCommonProfile
            }
            other => HandshakeFailure::Rejected(other.to_string()),
        };
        // Once the keys are agreed only an authenticated alert ends the association, not a stray record.
        if !self.complete || failure == HandshakeFailure::Alert {
            self.fail(failure);
        }
    }

    /// Counts records, and says whether there may be this many.
    fn is_within_bounds(&mut self, datagram: &[u8]) -> Result<Contents, DatagramRefused> {
        let contents = inspect(datagram).ok_or(DatagramRefused::Malformed)?;
        let (counter, limit, count) = if self.complete {
            (
                &mut self.late_records,
                MAX_LATE_RECORDS,
                contents.handshake_records,
            )
        } else {
            (&mut self.records, MAX_HANDSHAKE_RECORDS, contents.records)
        };
        if *counter + count > limit {
            return Err(DatagramRefused::Exceeded);
        }
        *counter += count;
        Ok(contents)
    }

    fn on_read(&mut self, read: Result<Vec<EndpointEvent>, Error>) {
        match read {
            Ok(events) => events.iter().for_each(|event| self.on_event(event)),
            Err(Error::ErrInvalidFsmTransition) => {}
            Err(error) => self.on_error(&error),
        }
    }

    /// Beside media: an alert is read; a far end that repeats its last flight gets ours again, as it went out. Had it come
    /// there, there would be no repeat: the numbers of its sealed records are new to the far end.
    fn handle_at_rest(&mut self, contents: Contents, datagram: &[u8], now: Instant) {
        let Body::Rested(rested) = &self.body else {
            return;
        };
        if contents.alert_records > 0 {
            // It was woken for a try when it was put to rest.
            let Ok(mut endpoint) = rested.wake(&self.config, now) else {
                return;
            };
            let read = endpoint.read(now, PEER, None, BytesMut::from(datagram));
            self.transmits.extend(drain(&mut endpoint));
            self.on_read(read);
        } else if contents.handshake_records > 0 {
            self.transmits.extend(self.flight.numbered());
        }
    }
}

impl DtlsEndpoint for RtcDtls {
    fn start(&mut self, now: Instant) {
        if self.config.role != DtlsRole::Client || self.over {
            return;
        }
        if let Body::Whole { endpoint, config } = &mut self.body {
            let connected = endpoint.connect(now, PEER, Arc::clone(config), None);
            let flight = drain(endpoint);
            if let Err(error) = connected {
                self.on_error(&error);
            }
            self.send_new_flight(flight, now);
        }
    }

    fn handle(&mut self, datagram: &[u8], now: Instant) -> Result<(), DatagramRefused> {
        if self.over {
            return Ok(());
        }
        let contents = self.is_within_bounds(datagram)?;
        let Body::Whole { endpoint, .. } = &mut self.body else {
            self.handle_at_rest(contents, datagram, now);
            return Ok(());
        };
        let read = endpoint.read(now, PEER, None, BytesMut::from(datagram));
        let flight = drain(endpoint);
        self.on_read(read);
        self.send_new_flight(flight, now);
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.complete || self.over || !self.flight.is_due(now) {
            return;
        }
        let Body::Whole { endpoint, .. } = &mut self.body else {
            return;
        };
        let implementation_would = endpoint
            .poll_timeout(&PEER)
            .is_some_and(|timer| timer <= now);
        let mut datagrams = Vec::new();
        if implementation_would && self.own_repeats < MAX_OWN_REPEATS {
            self.own_repeats += 1;
            if let Err(error) = endpoint.handle_timeout(PEER, now) {
                self.on_error(&error);
                return;
            }
            datagrams = drain(endpoint);
        }
        let repeat = if datagrams.is_empty() {
            self.flight.numbered()
        } else {
            self.flight.repeated(datagrams)
        };
        self.transmits.extend(repeat);
    }

    fn deadline(&self) -> Option<Instant> {
        self.flight.due()
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    fn rest(&mut self, now: Instant) {
        if !self.complete || self.over {
            return;
        }
        if let Body::Whole { endpoint, .. } = &mut self.body {
            // One that could not be woken again stays whole: that costs memory and nothing else.
            if let Ok(rested) = Rested::of(endpoint, &self.config, now) {
                self.body = Body::Rested(rested);
                self.transmits.shrink_to_fit();
                self.events.shrink_to_fit();
            }
        }
    }

    fn close(&mut self, now: Instant) {
        if self.over {
            return;
        }
        self.over = true;
        self.flight.forget();
        match std::mem::replace(&mut self.body, Body::Gone) {
            Body::Whole { mut endpoint, .. } => {
                // An association that never began has nothing to say goodbye with.
                if endpoint.close(now).is_ok() {
                    self.transmits.extend(drain(&mut endpoint));
                }
            }
            Body::Rested(rested) => self.transmits.extend(rested.into_goodbye()),
            Body::Gone => {}
        }
    }
}

/// What the implementation has to send.
pub(crate) fn drain(endpoint: &mut Endpoint) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    while let Some(transmit) = endpoint.poll_transmit() {
        datagrams.push(transmit.message.to_vec());
    }
    datagrams
}

impl fmt::Debug for RtcDtls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtcDtls")
            .field("role", &self.config.role)
            .field("complete", &self.complete)
            .field("over", &self.over)
            .field("at_rest", &matches!(self.body, Body::Rested(_)))
            .finish_non_exhaustive()
    }
}

pub(crate) fn handshake_config(config: &DtlsConfig) -> Result<HandshakeConfig, HandshakeFailure> {
    let profiles = config.profiles.iter();
    ConfigBuilder::default()
        .with_crypto_provider(Arc::clone(config.certificate.provider()))
        .with_certificates(vec![config.certificate.identity().clone()])
        .with_srtp_protection_profiles(profiles.copied().map(as_implementations).collect())
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        .with_extended_master_secret(ExtendedMasterSecretType::Request)
        // No authority vouches for the certificates of WebRTC: the signalled fingerprint does, checked by the owner.
        .with_insecure_skip_verify(true)
        // Only lets signatures of RSA keys from 1024 bits on be verified. How long a key must be, the owner checks, by name.
        .with_insecure_verification(true)
        .with_server_name("webrtc".to_owned())
        // The crate's timer only ever says that it would repeat; when, is decided here.
        .with_flight_interval(config.retransmit.max(Duration::from_millis(1)))
        .with_mtu(config.mtu.saturating_sub(HEADER_ROOM).max(HEADER_ROOM))
        .build(config.role == DtlsRole::Client, None)
        .map_err(|error| HandshakeFailure::Rejected(error.to_string()))
}

fn as_implementations(profile: SrtpProfile) -> SrtpProtectionProfile {
    match profile {
        SrtpProfile::AeadAes128Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        SrtpProfile::AeadAes256Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
        SrtpProfile::Aes128CmHmacSha1_80 => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
        SrtpProfile::Aes128CmHmacSha1_32 => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32,
    }
}

fn yield_of(state: &State) -> Result<Handshake, HandshakeFailure> {
    let chosen = state.srtp_protection_profile();
    let profile = SrtpProfile::ALL
        .into_iter()
        .find(|profile| as_implementations(*profile) == chosen)
        .ok_or(HandshakeFailure::NoCommonProfile)?;
    let peer_certificate = state.peer_certificates.first().cloned().ok_or_else(|| {
        HandshakeFailure::Rejected("the far end showed no certificate".to_owned())
    })?;
    let keying_material = state
        .export_keying_material(EXPORTER_LABEL, &[], KeyPair::material_len(profile))
        .map_err(|error| HandshakeFailure::Rejected(error.to_string()))?;
    Ok(Handshake {
        profile,
        peer_certificate,
        keying_material: Zeroizing::new(keying_material.into_bytes()),
    })
}

//! The transport itself.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use crate::ice::candidate::Candidate;
use crate::ice::credentials::IceCredentials;
use crate::media_transport::config::{RemoteParameters, RemoteRefused, TransportConfig};
use crate::media_transport::counters::{Refusal, TransportCounters};
use crate::media_transport::event::{NotReady, Output, Received, Route};
use crate::srtp::profile::SrtpProfile;

/// ICE, DTLS and SRTP of one call. See the [module](crate::media_transport) for how to drive it.
#[derive(Debug)]
pub struct MediaTransport {
    config: TransportConfig,
    outbox: VecDeque<Output>,
    counters: TransportCounters,
}

impl MediaTransport {
    /// A transport that knows nothing of the far end yet.
    #[must_use]
    pub fn new(config: TransportConfig, now: Instant) -> Self {
        let _ = now;
        Self {
            config,
            outbox: VecDeque::new(),
            counters: TransportCounters::default(),
        }
    }

    /// Adds a socket of ours as a host candidate and says how to signal it; `None` when it cannot be one
    /// (unspecified, multicast, IPv4 link-local) or is known already.
    pub fn add_local_candidate(&mut self, addr: SocketAddr) -> Option<Candidate> {
        let _ = addr;
        None
    }

    /// Our candidates, to be signalled.
    #[must_use]
    pub fn local_candidates(&self) -> Vec<Candidate> {
        Vec::new()
    }

    /// Our current ICE credentials, to be signalled.
    #[must_use]
    pub fn credentials(&self) -> &IceCredentials {
        &self.config.credentials
    }

    /// Says what the far end's description says; starts the checks. Again with the same parameters: only new
    /// candidates count. Again with other credentials: an ICE restart (call [`restart`](Self::restart) first, so that
    /// ours change too). With another fingerprint or role: a new DTLS association (RFC 8842, section 5).
    ///
    /// # Errors
    /// [`RemoteRefused`]; nothing has changed then.
    pub fn set_remote(
        &mut self,
        remote: RemoteParameters,
        now: Instant,
    ) -> Result<(), RemoteRefused> {
        let _ = (remote, now);
        Ok(())
    }

    /// Adds one more candidate of the far end (trickle, RFC 8838). Those of no use are left aside.
    pub fn add_remote_candidate(&mut self, candidate: &Candidate, now: Instant) {
        let _ = (candidate, now);
    }

    /// Starts ICE afresh with new credentials of ours (RFC 8445, section 9). Media keeps its path and keys until a new
    /// pair works. `set_remote` with the far end's new credentials must follow.
    pub fn restart(&mut self, credentials: IceCredentials, now: Instant) {
        let _ = now;
        self.config.credentials = credentials;
    }

    /// Takes one datagram that `remote` sent to our socket `local`; media is opened in place.
    pub fn handle_datagram<'a>(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &'a mut [u8],
        now: Instant,
    ) -> Received<'a> {
        let _ = (local, remote, datagram, now);
        self.counters.refused.count(Refusal::Unknown);
        Received::Refused(Refusal::Unknown)
    }

    /// Protects an RTP packet in place and says where to send it. Does not allocate when `packet` has
    /// [`SrtpProfile::MAX_RTP_OVERHEAD`] bytes of spare capacity.
    ///
    /// # Errors
    /// [`NotReady`]; the packet is then left as it was.
    pub fn protect_rtp(&mut self, packet: &mut Vec<u8>) -> Result<Route, NotReady> {
        let _ = packet;
        Err(NotReady::NotConnected)
    }

    /// Protects a compound RTCP packet in place and says where to send it. Does not allocate when `packet` has
    /// [`SrtpProfile::MAX_RTCP_OVERHEAD`] bytes of spare capacity.
    ///
    /// # Errors
    /// [`NotReady`]; the packet is then left as it was.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<Route, NotReady> {
        let _ = packet;
        Err(NotReady::NotConnected)
    }

    /// Says that the deadline last told has come (earlier is harmless).
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// The next thing to do; call until [`Output::Wait`].
    pub fn poll(&mut self) -> Output {
        self.outbox.pop_front().unwrap_or(Output::Wait(None))
    }

    /// Ends the transport: a `close_notify` goes out, nothing more is accepted or protected.
    pub fn close(&mut self, now: Instant) {
        let _ = now;
    }

    /// Whether media can be sent now: a pair works and keys are in place.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        false
    }

    /// The path media takes now.
    #[must_use]
    pub fn route(&self) -> Option<Route> {
        None
    }

    /// The SRTP profile agreed on.
    #[must_use]
    pub fn profile(&self) -> Option<SrtpProfile> {
        None
    }

    /// What came in, went out and was refused so far.
    #[must_use]
    pub fn counters(&self) -> TransportCounters {
        self.counters
    }
}

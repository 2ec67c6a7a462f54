//! RTCP on a port of its own, for a far end that does not multiplex it with RTP (RFC 5761, section 5.1.1).
//!
//! It is ICE's component 2: an agent of its own with the credentials of the call (RFC 8839, section 5.4), and a DTLS
//! association of its own, whose keys protect what goes there (RFC 5764, section 5.1.2). Reports are all that it carries:
//! where it does not connect, the call goes on without them.

use std::net::SocketAddr;
use std::time::Instant;

use crate::ice::candidate::{Candidate, LocalCandidate};
use crate::ice::credentials::IceCredentials;
use crate::media_transport::config::RemoteParameters;
use crate::media_transport::deadline::Deadline as TransportDeadline;
use crate::media_transport::event::{Event, Output, Received, Route};
use crate::media_transport::transport::MediaTransport;
use crate::sdp::negotiation::Negotiated;

/// Number of the component (RFC 8445, section 4).
const RTCP: u16 = 2;

/// The second component; without hosts there is none.
#[derive(Debug, Default)]
pub(super) struct RtcpComponent {
    hosts: Vec<LocalCandidate>,
    transport: Option<MediaTransport>,
    stirred: bool,
    wait: Option<(Instant, TransportDeadline)>,
}

impl RtcpComponent {
    pub(super) const fn transport(&self) -> Option<&MediaTransport> {
        self.transport.as_ref()
    }

    pub(super) const fn has_sockets(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Whether this is one of its sockets.
    pub(super) fn owns(&self, local: SocketAddr) -> bool {
        self.hosts.iter().any(|host| host.base == local)
    }

    pub(super) fn add_host(&mut self, host: LocalCandidate, now: Instant) {
        self.hosts.push(host);
        if let Some(transport) = &mut self.transport {
            // The description that follows lists it.
            let _ = transport.add_local_candidate(host, now);
            self.stirred = true;
        }
    }

    pub(super) fn keep_hosts(&mut self, sockets: &[SocketAddr], now: Instant) {
        self.hosts.retain(|host| sockets.contains(&host.base));
        if let Some(transport) = &mut self.transport {
            transport.keep_candidates(sockets, now);
            self.stirred = true;
        }
    }

    /// Begins anew beside a transport for RTP that begins anew.
    pub(super) fn follow(&mut self, rtp: &MediaTransport, now: Instant) {
        let follows = |transport: &MediaTransport| transport.credentials() == rtp.credentials();
        if self.has_sockets() && !self.transport.as_ref().is_some_and(follows) {
            self.transport = Some(rtp.companion(&self.hosts, now));
            self.stirred = true;
        }
    }

    /// Our candidates, to be signalled.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let own = self
            .transport
            .iter()
            .flat_map(MediaTransport::local_candidates);
        own.map(|candidate| Candidate {
            component: RTCP,
            // RFC 8445, section 5.1.2.1.
            priority: candidate.priority.saturating_sub(1),
            ..candidate
        })
        .collect()
    }

    /// Says what the far end's description says, as to the transport for RTP.
    pub(super) fn set_remote(&mut self, negotiated: &Negotiated, now: Instant) {
        let Some(transport) = &mut self.transport else {
            return;
        };
        let candidates = negotiated.rtcp_candidates.iter().filter_map(of_component);
        let remote = RemoteParameters {
            candidates: candidates.collect(),
            address: negotiated.rtcp_address,
            ..negotiated.remote.clone()
        };
        // The transport for RTP takes the same parameters, and says what is wrong with them.
        let _ = transport.set_remote(remote, now);
        self.stirred = true;
    }

    pub(super) fn add_remote_candidate(&mut self, candidate: &Candidate, now: Instant) {
        if let (Some(transport), Some(candidate)) = (&mut self.transport, of_component(candidate)) {
            transport.add_remote_candidate(&candidate, now);
            self.stirred = true;
        }
    }

    pub(super) fn restart(&mut self, credentials: &IceCredentials, now: Instant) {
        if let Some(transport) = &mut self.transport {
            transport.restart(credentials.clone(), now);
            self.stirred = true;
        }
    }

    pub(super) fn withdraw_restart(&mut self, now: Instant) {
        if let Some(transport) = &mut self.transport {
            transport.withdraw_restart(now);
            self.stirred = true;
        }
    }

    /// Takes a datagram that came to one of its sockets; a report is handed back, opened.
    pub(super) fn handle_datagram<'a>(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &'a mut [u8],
        now: Instant,
    ) -> Option<&'a [u8]> {
        let received = self
            .transport
            .as_mut()?
            .handle_datagram(local, remote, datagram, now);
        match received {
            Received::Rtcp(report) => Some(report),
            Received::Consumed => {
                self.stirred = true;
                None
            }
            Received::Rtp(_) | Received::Refused(_) => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(transport) = &mut self.transport
            && self.wait.is_some_and(|(at, _)| at <= now)
        {
            transport.handle_timeout(now);
            self.stirred = true;
        }
    }

    pub(super) const fn next_deadline(&self) -> Option<(Instant, TransportDeadline)> {
        self.wait
    }

    /// The next datagram of its checks and its handshake.
    pub(super) fn next_control(&mut self) -> Option<(Route, Vec<u8>)> {
        while self.stirred {
            let Some(transport) = &mut self.transport else {
                break;
            };
            match transport.poll() {
                Output::Transmit { route, bytes } => return Some((route, bytes)),
                // The call goes on without reports.
                Output::Event(Event::IceFailed(_) | Event::DtlsFailed(_) | Event::ClosedByPeer) => {
                    self.transport = None;
                    self.wait = None;
                }
                Output::Event(_) => {}
                Output::Wait(wait) => {
                    self.stirred = false;
                    self.wait = wait;
                }
            }
        }
        None
    }

    /// Protects a report in place and says where it goes; `None` while there is no way for it.
    pub(super) fn protect(&mut self, report: &mut Vec<u8>) -> Option<Route> {
        self.transport.as_mut()?.protect_rtcp(report).ok()
    }

    pub(super) fn is_connected(&self) -> bool {
        let transport = self.transport.as_ref();
        transport.is_some_and(MediaTransport::is_connected)
    }

    pub(super) fn close(&mut self, now: Instant) {
        if let Some(transport) = &mut self.transport {
            transport.close(now);
            self.stirred = true;
        }
    }
}

/// The candidate as its agent sees it, where it is one of this component.
fn of_component(candidate: &Candidate) -> Option<Candidate> {
    (candidate.component == RTCP).then(|| Candidate {
        component: 1,
        ..candidate.clone()
    })
}

//! One call's ICE agent, by the `is` crate, with bounds and the knowledge which addresses a check vouches for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use is::stun::{Class, StunMessage, StunPacket};
use is::{CandidateKind, IceAgent, IceAgentEvent, IceCreds, Protocol};

use crate::ice::candidate::{Candidate, CandidateTransport, CandidateType, LocalCandidate};
use crate::ice::credentials::IceCredentials;

/// Spacing of checks (Ta). RFC 8445, section 14.2 has 50 ms as its default and 5 ms as its floor; one audio stream
/// with few candidates does no harm with 20.
const PACING: Duration = Duration::from_millis(20);

/// The longest wait between checks of a pair while a path is being sought, and shortly after: a lost nomination must
/// not cost seconds. The crate's first wait, 250 ms, stays.
const SEEKING: Duration = Duration::from_millis(500);

/// The same once the path has held: it is the interval of keepalives and consent then (RFC 7675 has 5 s at most).
const STEADY: Duration = Duration::from_secs(3);

/// How long a path must have held.
const SETTLING: Duration = Duration::from_secs(5);

/// Addresses of the far end that an authenticated check may vouch for. Each costs the agent a candidate.
const MAX_VOUCHED: usize = 64;

/// Why the agent does not take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StunRefused {
    /// Not a STUN message, or one that lacks what a check must have.
    Malformed,
    /// A request for someone else, or with the wrong password.
    BadAuthentication,
    /// A response to nothing we asked, or with the wrong password.
    Stray,
    /// Checks from too many addresses.
    Exceeded,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentEvent {
    /// Send by this pair from now on.
    Selected(Pair),
    /// The selected pair is dead and no other is there.
    Lost,
    /// A check vouches for this address of the far end.
    Vouched(SocketAddr),
}

/// A working pair of addresses and how they became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) local_type: CandidateType,
    pub(crate) remote_type: CandidateType,
}

/// The agent. Feed it, then drain `poll_transmit` and `poll_event`.
#[derive(Debug)]
pub(crate) struct Agent {
    agent: IceAgent,
    vouched: Vec<SocketAddr>,
    selected: Option<Pair>,
    up: bool,
    running: bool,
    /// The next selection is told even if it is the pair of before.
    restarted: bool,
    /// When checks may become rare.
    steady_at: Option<Instant>,
}

impl Agent {
    pub(crate) fn new(credentials: &IceCredentials, tie_breaker: u64, controlling: bool) -> Self {
        let mut agent = IceAgent::new(as_creds(credentials));
        agent.set_control_tie_breaker(tie_breaker);
        agent.set_controlling(controlling);
        agent.set_timing_advance(PACING);
        agent.set_max_stun_rto(SEEKING);
        Self {
            agent,
            vouched: Vec::new(),
            selected: None,
            up: false,
            running: false,
            restarted: false,
            steady_at: None,
        }
    }

    /// Whether a pair works now.
    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    pub(crate) fn is_controlling(&self) -> bool {
        self.agent.controlling()
    }

    pub(crate) fn set_controlling(&mut self) {
        self.agent.set_controlling(true);
    }

    pub(crate) fn add_local(
        &mut self,
        candidate: LocalCandidate,
        now: Instant,
    ) -> Option<Candidate> {
        let LocalCandidate { address, base, typ } = candidate;
        let made = match typ {
            CandidateType::Host => is::Candidate::host(address, Protocol::Udp),
            CandidateType::ServerReflexive => {
                is::Candidate::server_reflexive(address, base, Protocol::Udp)
            }
            CandidateType::Relay => is::Candidate::relayed(address, base, Protocol::Udp),
            CandidateType::PeerReflexive => return None,
        };
        self.agent.add_local_candidate(made.ok()?)?;
        if self.running {
            self.agent.handle_timeout(now);
        }
        self.local_candidates()
            .into_iter()
            .find(|known| known.addr == address && known.typ == typ)
    }

    /// Gives up everything but our own addresses on these sockets.
    pub(crate) fn keep_hosts(&mut self, sockets: &[SocketAddr], now: Instant) {
        let gone: Vec<is::Candidate> = self
            .agent
            .local_candidates()
            .filter(|candidate| {
                candidate.kind() != CandidateKind::Host || !sockets.contains(&candidate.local())
            })
            .collect();
        for candidate in gone {
            self.agent.invalidate_candidate(&candidate);
        }
        if self.running {
            self.agent.handle_timeout(now);
        }
    }

    pub(crate) fn local_candidates(&self) -> Vec<Candidate> {
        let mut foundations = Vec::new();
        self.agent
            .local_candidates()
            .filter(|candidate| candidate.kind() != CandidateKind::PeerReflexive)
            .map(|candidate| {
                // Of one type and base: of one foundation (RFC 8445, section 5.1.1.3), but for the server, of which a call has few.
                let typ = as_type(candidate.kind());
                let base = candidate.local();
                let kind = (typ, base.ip());
                let place = foundations.iter().position(|known| *known == kind);
                let place = place.unwrap_or_else(|| {
                    foundations.push(kind);
                    foundations.len() - 1
                });
                Candidate {
                    foundation: (place + 1).to_string(),
                    component: 1,
                    transport: CandidateTransport::Udp,
                    priority: candidate.prio(),
                    addr: candidate.addr(),
                    typ,
                    raddr: match typ {
                        CandidateType::Host | CandidateType::PeerReflexive => None,
                        CandidateType::ServerReflexive => Some(base),
                        // What lies behind a relay is nobody's business.
                        CandidateType::Relay => Some(blank(candidate.addr())),
                    },
                }
            })
            .collect()
    }

    pub(crate) fn remote_candidates(&self) -> usize {
        self.agent.remote_candidates().count()
    }

    /// Takes the far end's credentials and begins the checks.
    pub(crate) fn start(&mut self, remote: &IceCredentials, now: Instant) {
        self.agent.set_remote_credentials(as_creds(remote));
        self.running = true;
        self.agent.handle_timeout(now);
    }

    pub(crate) fn add_remote(&mut self, candidate: &Candidate, now: Instant) {
        if candidate.ignorable().is_some() {
            return;
        }
        self.agent.add_remote_candidate(is::Candidate::from_parts(
            candidate.foundation.clone(),
            1,
            Protocol::Udp,
            candidate.priority,
            candidate.addr,
            match candidate.typ {
                CandidateType::Host => CandidateKind::Host,
                CandidateType::ServerReflexive => CandidateKind::ServerReflexive,
                CandidateType::PeerReflexive => CandidateKind::PeerReflexive,
                CandidateType::Relay => CandidateKind::Relayed,
            },
            candidate.raddr,
            None,
            None,
        ));
        if self.running {
            self.agent.handle_timeout(now);
        }
    }

    /// New credentials of ours; the far end's, and its candidates, are forgotten until `start`.
    pub(crate) fn restart(&mut self, credentials: &IceCredentials) {
        self.agent.ice_restart(as_creds(credentials), true);
        self.running = false;
        self.restarted = true;
        self.seek();
        // Media keeps coming by the old path until a new one works.
        let kept = self.selected.map(|pair| pair.remote);
        self.vouched.retain(|addr| Some(*addr) == kept);
    }

    /// No more checks of ours: the call is given up.
    pub(crate) fn stop(&mut self) {
        self.running = false;
        self.up = false;
    }

    /// Whether an authenticated check came from this address.
    pub(crate) fn vouches_for(&self, remote: SocketAddr) -> bool {
        self.vouched.contains(&remote)
    }

    pub(crate) fn handle_stun(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Result<(), StunRefused> {
        let message = StunMessage::parse(datagram).map_err(|_| StunRefused::Malformed)?;
        let class = message.class();
        if class == Class::Indication {
            // A keepalive (RFC 8445, section 11): it has done its work on the way.
            return Ok(());
        }
        if !self.vouches_for(remote) && self.vouched.len() >= MAX_VOUCHED {
            return Err(StunRefused::Exceeded);
        }
        let packet = StunPacket {
            proto: Protocol::Udp,
            source: remote,
            destination: local,
            message,
        };
        if !self.agent.handle_packet(now, packet) {
            return Err(if class == Class::Request {
                StunRefused::BadAuthentication
            } else {
                StunRefused::Stray
            });
        }
        // A check triggers one the other way, and an answer may allow to nominate: neither waits for the next tick.
        if self.running {
            self.agent.handle_timeout(now);
        }
        Ok(())
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.running {
            if self.up && now >= *self.steady_at.get_or_insert(now + SETTLING) {
                self.agent.set_max_stun_rto(STEADY);
            }
            self.agent.handle_timeout(now);
        }
    }

    fn seek(&mut self) {
        self.steady_at = None;
        self.agent.set_max_stun_rto(SEEKING);
    }

    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        if self.running {
            self.agent.poll_timeout()
        } else {
            None
        }
    }

    /// The next datagram to send: from, to, bytes.
    pub(crate) fn poll_transmit(&mut self) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        let transmit = self.agent.poll_transmit()?;
        Some((
            transmit.source,
            transmit.destination,
            transmit.contents.to_vec(),
        ))
    }

    pub(crate) fn poll_event(&mut self) -> Option<AgentEvent> {
        while let Some(event) = self.agent.poll_event() {
            match event {
                IceAgentEvent::NominatedSend {
                    source,
                    destination,
                    ..
                } => {
                    let pair = self.describe(source, destination);
                    let is_news = !self.up || self.restarted || self.selected != Some(pair);
                    self.restarted = false;
                    self.selected = Some(pair);
                    self.up = true;
                    if is_news {
                        return Some(AgentEvent::Selected(pair));
                    }
                }
                IceAgentEvent::IceConnectionStateChange(state) => {
                    if state.is_disconnected() && self.running {
                        // The crate dropped the dead pairs: begin them anew, until the owner gives up.
                        self.agent.recreate_candidate_pairs();
                    }
                    if self.up && self.running && !state.is_connected() {
                        self.up = false;
                        self.seek();
                        return Some(AgentEvent::Lost);
                    }
                }
                IceAgentEvent::DiscoveredRecv { source, .. } => {
                    if !self.vouches_for(source) {
                        self.vouched.push(source);
                        return Some(AgentEvent::Vouched(source));
                    }
                }
                IceAgentEvent::IceRestart(_) => {}
            }
        }
        None
    }

    fn describe(&self, local: SocketAddr, remote: SocketAddr) -> Pair {
        let local_kind = self
            .agent
            .local_candidates()
            .find(|candidate| candidate.addr() == local)
            .map_or(CandidateKind::Host, |candidate| candidate.kind());
        let remote_kind = self
            .agent
            .remote_candidates()
            .filter(|candidate| candidate.addr() == remote)
            .max_by_key(is::Candidate::prio)
            .map_or(CandidateKind::PeerReflexive, |candidate| candidate.kind());
        Pair {
            local,
            remote,
            local_type: as_type(local_kind),
            remote_type: as_type(remote_kind),
        }
    }
}

/// The related address that tells nothing (RFC 8839, section 5.1).
fn blank(like: SocketAddr) -> SocketAddr {
    let ip = match like {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, 9)
}

fn as_type(kind: CandidateKind) -> CandidateType {
    match kind {
        CandidateKind::Host => CandidateType::Host,
        CandidateKind::PeerReflexive => CandidateType::PeerReflexive,
        CandidateKind::ServerReflexive => CandidateType::ServerReflexive,
        CandidateKind::Relayed => CandidateType::Relay,
    }
}

fn as_creds(credentials: &IceCredentials) -> IceCreds {
    IceCreds {
        ufrag: credentials.ufrag.clone(),
        pass: credentials.pwd.clone(),
    }
}

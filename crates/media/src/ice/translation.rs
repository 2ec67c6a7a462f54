//! Candidates and credentials in the words of the `is` crate, and back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use is::{CandidateKind, IceCreds, Protocol};

use crate::ice::candidate::{Candidate, CandidateTransport, CandidateType, LocalCandidate};
use crate::ice::credentials::IceCredentials;

/// Where the far end turned out to be, before a check of its own comes from there.
pub(super) fn found(address: SocketAddr) -> Candidate {
    Candidate {
        foundation: "found".to_owned(),
        component: 1,
        transport: CandidateTransport::Udp,
        // RFC 8445, section 5.1.2: the type preference of a peer-reflexive one.
        priority: (110 << 24) | (0xffff << 8) | 255,
        addr: address,
        typ: CandidateType::PeerReflexive,
        raddr: None,
    }
}

/// The related address that tells nothing (RFC 8839, section 5.1).
pub(super) fn blank(like: SocketAddr) -> SocketAddr {
    let ip = match like {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, 9)
}

pub(super) fn as_type(kind: CandidateKind) -> CandidateType {
    match kind {
        CandidateKind::Host => CandidateType::Host,
        CandidateKind::PeerReflexive => CandidateType::PeerReflexive,
        CandidateKind::ServerReflexive => CandidateType::ServerReflexive,
        CandidateKind::Relayed => CandidateType::Relay,
    }
}

pub(super) const fn as_kind(typ: CandidateType) -> CandidateKind {
    match typ {
        CandidateType::Host => CandidateKind::Host,
        CandidateType::ServerReflexive => CandidateKind::ServerReflexive,
        CandidateType::PeerReflexive => CandidateKind::PeerReflexive,
        CandidateType::Relay => CandidateKind::Relayed,
    }
}

/// One of the far end's.
pub(super) fn as_remote(candidate: &Candidate) -> is::Candidate {
    is::Candidate::from_parts(
        candidate.foundation.clone(),
        1,
        Protocol::Udp,
        candidate.priority,
        candidate.addr,
        as_kind(candidate.typ),
        candidate.raddr,
        None,
        None,
    )
}

pub(super) fn as_local(candidate: LocalCandidate) -> Option<is::Candidate> {
    let LocalCandidate {
        address, base, typ, ..
    } = candidate;
    let made = match typ {
        CandidateType::Host => is::Candidate::host(address, Protocol::Udp),
        CandidateType::ServerReflexive => {
            is::Candidate::server_reflexive(address, base, Protocol::Udp)
        }
        CandidateType::Relay => is::Candidate::relayed(address, base, Protocol::Udp),
        CandidateType::PeerReflexive => return None,
    };
    made.ok()
}

pub(super) fn as_creds(credentials: &IceCredentials) -> IceCreds {
    IceCreds {
        ufrag: credentials.ufrag.clone(),
        pass: credentials.pwd.clone(),
    }
}

/// The local preference (RFC 8445, section 5.1.2.1) of a relay behind a connection: below all relays behind datagrams.
pub(super) fn preference_by_connection(candidate: &is::Candidate, same_kind: usize) -> u32 {
    const BELOW: u32 = 4096;
    is::default_local_preference(candidate, same_kind).saturating_sub(BELOW)
}

//! What a transport tells its owner.

use std::net::SocketAddr;
use std::time::Instant;

use crate::dtls::fingerprint::FingerprintHash;
use crate::dtls::setup::DtlsRole;
use crate::ice::candidate::CandidateType;
use crate::media_transport::counters::Refusal;
use crate::media_transport::deadline::Deadline;
use crate::srtp::profile::SrtpProfile;

/// What became of a datagram. Media is opened in place: the slice lies in the caller's buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// One RTP packet in the clear.
    Rtp(&'a [u8]),
    /// One compound RTCP packet in the clear.
    Rtcp(&'a [u8]),
    /// STUN or DTLS: dealt with, `poll` may have something to send.
    Consumed,
    /// Not acceptable; already counted.
    Refused(Refusal),
}

/// Where a packet goes: from which of our sockets, to which address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// Our socket's address.
    pub local: SocketAddr,
    /// The far end's address.
    pub remote: SocketAddr,
}

/// Why a packet cannot be protected and sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// No working pair, or the keys are not agreed yet, or the transport is over.
    #[error("the media transport is not connected")]
    NotConnected,
    /// Not an RTP or RTCP packet, or its header is cut short.
    #[error("the packet to protect is malformed")]
    Malformed,
    /// 2^48 RTP or 2^31 RTCP packets under one key: it must not protect more (RFC 3711, section 9.2).
    #[error("the SRTP key is used up")]
    KeyExhausted,
    /// The sequence number was used, or is too old to tell: sending it would use a key stream twice.
    #[error("the packet's sequence number was used before")]
    SequenceReused,
    /// Too many sources (SSRCs) of ours.
    #[error("too many RTP sources of ours")]
    TooManySources,
}

/// The next thing for the owner to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Send this datagram.
    Transmit {
        /// From which socket to which address.
        route: Route,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Something happened.
    Event(Event),
    /// Nothing more to do before this instant; the name says which deadline asked. `None`: wait for input only.
    Wait(Option<(Instant, Deadline)>),
}

/// Something happened on the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A pair works and media takes it. Told again when a better one replaces it, and after a restart.
    IceConnected {
        /// The pair.
        route: Route,
        /// What kind of candidate our side of it is.
        local: CandidateType,
        /// What kind of candidate the far side is.
        remote: CandidateType,
    },
    /// The pair stopped answering and no other works; checks go on. `IceConnected` or `IceFailed` follows.
    IceDisconnected,
    /// No path within the time given. The transport is over unless ICE is restarted.
    IceFailed(IceFailure),
    /// The far end's certificate is verified and the keys are in place: media flows.
    DtlsConnected {
        /// The profile agreed on.
        profile: SrtpProfile,
        /// Our role.
        role: DtlsRole,
    },
    /// Media flows in the clear, as both ends agreed.
    Unencrypted,
    /// The handshake failed. The transport is over.
    DtlsFailed(DtlsFailure),
    /// The far end closed the DTLS association in order (`close_notify`). The transport is over.
    ClosedByPeer,
}

/// Why there is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IceFailure {
    /// No candidate of the far end ever answered a check.
    #[error(
        "no network path to the far end was found: none of its {candidates} addresses answered; check that UDP is \
         not blocked"
    )]
    NeverConnected {
        /// How many candidates were tried.
        candidates: usize,
    },
    /// The path was lost and did not come back.
    #[error(
        "the network path to {remote} was lost and did not come back: check the network on both sides, and call again"
    )]
    Lost {
        /// The last address that worked.
        remote: SocketAddr,
    },
}

/// Why the DTLS handshake failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DtlsFailure {
    /// The certificate shown is not the one signalled: someone may be in the middle.
    #[error(
        "the far end's certificate does not match the {expected} fingerprint of its session description: the media \
         path may be intercepted; check which certificate the server's media side uses before calling again"
    )]
    FingerprintMismatch {
        /// The hash of the first signalled fingerprint.
        expected: FingerprintHash,
    },
    /// The key of the far end's certificate is too short.
    #[error(
        "the far end's certificate has an RSA key of {bits} bits, and at least {least} are wanted: let it make a longer one, or allow \
         short ones (minimum_rsa_bits)"
    )]
    WeakKey {
        /// Its size.
        bits: u16,
        /// What is accepted.
        least: u16,
    },
    /// The far end never finished the handshake.
    #[error(
        "the far end did not complete the DTLS handshake in time: check that WebRTC media (DTLS-SRTP) is enabled there, \
         and that UDP packets of 1200 bytes pass"
    )]
    Timeout,
    /// The far end ended the handshake with a fatal alert.
    #[error(
        "the far end refused the DTLS handshake with a fatal alert: see its log for what it dislikes, most often our \
         certificate's fingerprint or its cipher suites"
    )]
    RefusedByPeer,
    /// No SRTP profile in common.
    #[error(
        "the far end accepts none of our SRTP profiles: enable AES_CM_128_HMAC_SHA1_80 or AEAD_AES_128_GCM there"
    )]
    NoCommonProfile,
    /// The far end broke the protocol, or has no cipher suite in common with us.
    #[error(
        "the DTLS handshake failed: {detail}; check that the far end speaks DTLS 1.2 with an ECDHE cipher suite"
    )]
    Handshake {
        /// What the DTLS layer says.
        detail: String,
    },
}

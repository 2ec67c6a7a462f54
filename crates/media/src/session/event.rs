//! What a media session tells its owner.

use std::net::SocketAddr;
use std::time::Duration;

use crate::ice::candidate::CandidateType;
use crate::program::{AudioFormat, ProgramEvent};
use crate::quality::statistics::Statistics;
use crate::session::error::MediaError;
use crate::srtp::profile::SrtpProfile;

/// What happened in one call's media.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub enum MediaEvent {
    /// Offer and answer are complete, for the first time or anew.
    Negotiated(AudioFormat),
    /// ICE found a path (or moved to a better one): datagrams now go between these addresses.
    IcePair {
        /// Our address.
        local: SocketAddr,
        /// The far end's address.
        remote: SocketAddr,
        /// Kind of our candidate; shown as `host`, `srflx`, `prflx`, `relay`.
        local_kind: CandidateType,
        /// Kind of the far end's candidate.
        remote_kind: CandidateType,
    },
    /// The DTLS handshake is complete and the far end's certificate is the one its SDP promised.
    DtlsConnected {
        /// The SRTP protection profile agreed on; shown by its registered name.
        profile: SrtpProfile,
    },
    /// Media goes in the clear, as the account allows and the far end wants.
    Unencrypted,
    /// The first RTP packet was sent.
    FirstRtpSent,
    /// The first valid RTP packet arrived.
    FirstRtpReceived,
    /// No valid RTP packet for this long, although the transport is connected. Told once per silence.
    NoMedia {
        /// How long the far end has been silent.
        silent_for: Duration,
    },
    /// RTP arrives again after [`NoMedia`](Self::NoMedia).
    MediaResumed,
    /// The far end pressed a key (RFC 4733).
    Dtmf {
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
    },
    /// The path stopped answering. Checks go on until they are `given_up`; then only an ICE restart or a fresh
    /// transport by signalling brings it back. Without that, the call ends by its media timeout.
    PathLost {
        /// No more checks are sent.
        given_up: bool,
    },
    /// The far end ends the stream that is heard (RTCP BYE, RFC 3550 section 6.6). The end of a call is for signalling to say; a BYE
    /// may also come with a mere change of source.
    Goodbye {
        /// Its reason, where it gave one: plain characters, at most 64.
        reason: Option<String>,
    },
    /// The far end said goodbye by DTLS close_notify; the call itself ends by signalling.
    ClosedByPeer,
    /// The program has something to say.
    Program(ProgramEvent),
    /// The figures, each second once media flows.
    Statistics(Box<Statistics>),
    /// The media of this call is over. Nothing follows.
    Failed(MediaError),
}

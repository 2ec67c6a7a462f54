//! Why a call's media ended, or could not be agreed on.

use std::time::Duration;

use crate::media_transport::config::RemoteRefused;
use crate::media_transport::event::{DtlsFailure, IceFailure};

/// Why a call's media is over.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// No path to the far end, or the path was lost for good.
    #[error(transparent)]
    IceFailed(#[from] IceFailure),
    /// Only relayed candidates may be used, and there is none.
    #[error(
        "no relay could be had, and only relays may be used: check the TURN servers and their credentials, or allow \
         other candidates"
    )]
    NoRelay,
    /// The encryption handshake failed.
    #[error(transparent)]
    DtlsFailed(#[from] DtlsFailure),
    /// The far end sends nothing.
    #[error(
        "no audio came from the far end for {} s, so the call was ended (media_timeout): check the far end's audio \
         and firewall, or raise media_timeout",
        silent_for.as_secs()
    )]
    MediaTimeout {
        /// How long nothing came.
        silent_for: Duration,
    },
    /// A panic while this call was handled. Other calls go on.
    #[error(
        "a fault in this program ended the call's media: please report it, with what the log says of the panic"
    )]
    Panicked,
}

impl MediaError {
    /// What our RTCP BYE says of it (RFC 3550 section 6.6).
    pub(crate) const fn goodbye_reason(&self) -> &'static str {
        match self {
            Self::IceFailed(_) => "no network path",
            Self::NoRelay => "no relay",
            Self::DtlsFailed(_) => "no encryption",
            Self::MediaTimeout { .. } => "no media",
            Self::Panicked => "internal fault",
        }
    }
}

/// Why the far end's offer or answer cannot be used. What was agreed before stays in force.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An answer came, but no offer of ours is waiting for one.
    #[error(
        "the far end answered an offer that was never made: it broke the protocol, or the call was restarted"
    )]
    NoOffer,
    /// What the SDP says does not do.
    #[error(transparent)]
    Sdp(#[from] crate::sdp::refusal::Refusal),
    /// What it says of ICE and DTLS does not do.
    #[error(transparent)]
    Transport(#[from] RemoteRefused),
    /// The session is over.
    #[error("the call's media is over")]
    Over,
}

//! Why a call's media ended, or never began.

use std::time::Duration;

/// Why a call's media is over.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// No path to the far end within the time allowed.
    #[error(
        "no network path to the far end within {after:?} (ICE tried {pairs} address pairs): \
         check that UDP to and from {remote} is allowed"
    )]
    IceFailed {
        /// How long it was tried.
        after: Duration,
        /// How many pairs of addresses were tried.
        pairs: usize,
        /// The far end's addresses, or a word for none.
        remote: String,
    },
    /// The path stopped working.
    #[error("the network path to {remote} stopped answering: check the network, then call again")]
    IceDisconnected {
        /// The far end's address.
        remote: String,
    },
    /// The encryption handshake failed.
    #[error("the DTLS handshake with {remote} failed: {reason}")]
    DtlsFailed {
        /// The far end's address.
        remote: String,
        /// What was wrong, and what to do.
        reason: String,
    },
    /// The far end sends nothing.
    #[error(
        "no audio from the far end for {silent_for:?}: the call was ended by media_timeout; \
         check the far end, or raise media_timeout"
    )]
    MediaTimeout {
        /// How long nothing came.
        silent_for: Duration,
    },
}

/// Why the far end's offer or answer cannot be used.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// An answer came, but no offer of ours is waiting for one.
    #[error("the far end answered an offer that was never made")]
    NoOffer,
}

//! What a worker tells the owner of its calls.

use crate::driver::bind::BindError;
use crate::ice::gathering::failure::ServerFailure;
use crate::program::CallKey;
use crate::quality::statistics::Statistics;
use crate::session::error::{MediaError, Refusal};
use crate::session::event::MediaEvent;

/// What happened to one call of a worker.
#[non_exhaustive]
#[derive(Debug)]
pub enum CallEvent {
    /// The call could not be opened; it does not exist.
    OpenFailed(OpenError),
    /// The offer that was asked for.
    LocalOffer {
        /// The SDP to hand to the far end.
        sdp: String,
    },
    /// The answer to the far end's offer.
    LocalAnswer {
        /// The SDP to hand to the far end.
        sdp: String,
    },
    /// A candidate of ours for the far end, found after our description went out (RFC 8838).
    LocalCandidate {
        /// As in SDP, with `candidate:` in front.
        candidate: String,
    },
    /// No more candidates of ours follow. Told only where they are told one by one.
    EndOfCandidates,
    /// A STUN or TURN server gave no candidate; the call goes on without.
    IceServerFailed {
        /// Its URL.
        server: String,
        /// Why.
        failure: ServerFailure,
    },
    /// The far end's answer was taken; media starts by itself.
    AnswerAccepted,
    /// The far end's offer or answer cannot be used. What was agreed before stays in force.
    Refused(Refusal),
    /// The session has something to say.
    Media(MediaEvent),
    /// The call is gone and its socket is closed, with the figures it ended with. Last event of its key.
    Closed {
        /// Why, when it did not end by command.
        error: Option<MediaError>,
        /// What was counted up to now.
        statistics: Box<Statistics>,
    },
}

/// Why a call could not be opened.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The key names a call that is open.
    #[error("a call with the key {0:?} is open already: choose another key")]
    KeyInUse(CallKey),
    /// The worker holds as many calls as it may.
    #[error("this worker holds {limit} calls, its limit: raise it, or add a worker")]
    Full {
        /// The limit.
        limit: usize,
    },
    /// A panic while it was opened.
    #[error(
        "a fault in this program kept the call from being opened: please report it, with what the log says of the panic"
    )]
    Panicked,
    /// No socket.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// Takes events from a worker, on the worker's thread.
///
/// It must not wait: while it runs, no call of the worker gets or sends a packet. An owner with a queue drops what
/// does not fit and tells its reader so.
pub trait EventSink: Send {
    /// One event of one call.
    fn event(&mut self, call: CallKey, event: CallEvent);
}

impl<F: FnMut(CallKey, CallEvent) + Send> EventSink for F {
    fn event(&mut self, call: CallKey, event: CallEvent) {
        self(call, event);
    }
}

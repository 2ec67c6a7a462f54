//! What a user may ask of a session, whatever the protocol.

use crate::auth::login::Login;
use crate::call_id::CallId;
use crate::cause::Cause;

/// One wish. A wish that cannot be met comes back as [`crate::event::Event::CommandFailed`] or, for a call that never came
/// to be, as [`crate::event::Event::Ended`]; never as silence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Place a call. Exactly one `Ended` follows, sooner or later, also when nothing could be sent.
    Invite {
        /// Fresh name, see [`CallId::random`].
        call: CallId,
        /// Number or name to be called.
        to: String,
        /// Complete offer.
        sdp: String,
        /// Name shown to the far side.
        caller_name: Option<String>,
        /// Number shown to the far side.
        caller_number: Option<String>,
        /// Extra headers (`X-...`), where the dialect carries them.
        headers: Vec<(String, String)>,
    },
    /// Take an incoming call.
    Answer {
        /// The call of `Incoming`.
        call: CallId,
        /// Complete answer to its offer.
        sdp: String,
    },
    /// End, cancel or reject a call. `None`: the cause that fits the call's state.
    Bye {
        /// The call.
        call: CallId,
        /// What to tell the far side.
        cause: Option<Cause>,
    },
    /// Send DTMF through the server.
    Dtmf {
        /// An answered call, or one with early media.
        call: CallId,
        /// `0-9 * # A-D`, `w` = half a second, `W` = one second of pause.
        digits: String,
    },
    /// Offer new media for an answered call (ICE restart, new address).
    UpdateMedia {
        /// The call.
        call: CallId,
        /// Complete new offer.
        sdp: String,
    },
    /// Answer the offer of an `Attach` event.
    Attach {
        /// The call.
        call: CallId,
        /// Complete answer.
        sdp: String,
    },
    /// Log in with this from now on: on the open socket when there is one, else at once with a new one.
    Login(Login),
    /// The old socket is not to be trusted (address change, resume from sleep), or try again now.
    Reconnect,
    /// Hang up every call, close the socket, end with `Stopped`.
    Shutdown,
}

impl Command {
    /// Name for messages to a person.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Invite { .. } => "call",
            Self::Answer { .. } => "answer",
            Self::Bye { .. } => "hang up",
            Self::Dtmf { .. } => "DTMF",
            Self::UpdateMedia { .. } => "media update",
            Self::Attach { .. } => "attach",
            Self::Login(_) => "login",
            Self::Reconnect => "reconnect",
            Self::Shutdown => "shutdown",
        }
    }

    /// The call it is about.
    pub fn call(&self) -> Option<&CallId> {
        match self {
            Self::Invite { call, .. }
            | Self::Answer { call, .. }
            | Self::Bye { call, .. }
            | Self::Dtmf { call, .. }
            | Self::UpdateMedia { call, .. }
            | Self::Attach { call, .. } => Some(call),
            Self::Login(_) | Self::Reconnect | Self::Shutdown => None,
        }
    }
}

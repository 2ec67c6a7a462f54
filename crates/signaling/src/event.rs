//! What a session tells its user, whatever the protocol.

use std::time::Duration;

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::deadlines::Deadline;
use crate::error::Error;
use crate::session::{CloseReason, ConnectFailure};

/// Somebody at the far side. Both may be empty: servers often know neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Display name.
    pub name: String,
    /// Number or address.
    pub number: String,
}

/// Who brought a call to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndedBy {
    /// A command of ours.
    Local,
    /// The far side, told by the server.
    Remote,
    /// The server itself: it refused the call, forgot it, or broke the protocol.
    Server,
    /// The connection to the server was lost and the call with it.
    Network,
    /// A time limit of ours; the detail names it.
    Timeout,
}

/// Why there is no usable connection any more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectCause {
    /// The socket could not be opened.
    Connect(ConnectFailure),
    /// The socket was closed from outside.
    Closed(CloseReason),
    /// The server did not answer in time; the deadline says what.
    Silent(Deadline),
    /// The server refused the login; an event `LoginFailed` came before.
    LoginRefused,
    /// The server takes our logins and then refuses our requests as not logged in; an event `Failed` came before.
    LoginForgotten,
    /// The gateway could not register us; an event `Failed` came before.
    NotRegistered,
    /// Another client took the session over.
    TakenOver,
    /// A command asked for it.
    Asked,
}

/// One thing that happened. Calls first named by `Incoming` or by an `Attach` with `known: false` end with exactly one
/// `Ended`, like those of [`crate::command::Command::Invite`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A socket is being opened; `attempt` counts from 1 since the last ready session.
    Connecting {
        /// 1 for the first try.
        attempt: u32,
    },
    /// The socket is open.
    Connected,
    /// The server took the login.
    LoggedIn {
        /// The session's name at the server; keep it to recover calls after a restart.
        sessid: String,
    },
    /// Calls can be made. Once per connection.
    Ready,
    /// The connection is gone; calls live on for a while.
    Disconnected {
        /// Why.
        cause: DisconnectCause,
        /// When the next try comes; `None`: not before a command asks for it.
        retry_in: Option<Duration>,
    },
    /// The login cannot succeed as it is.
    LoginFailed(Error),
    /// Something else went wrong with the session.
    Failed(Error),
    /// Somebody calls.
    Incoming {
        /// The call.
        call: CallId,
        /// Who calls, as the server tells it.
        caller: Party,
        /// The offer.
        sdp: Option<String>,
        /// Extra headers of the call.
        headers: Vec<(String, String)>,
    },
    /// The server took our call and tries to reach the far side.
    Trying {
        /// The call.
        call: CallId,
    },
    /// The far side rings. FreeSWITCH never says so.
    Ringing {
        /// The call.
        call: CallId,
    },
    /// Sound before the answer; this is the final SDP answer.
    EarlyMedia {
        /// The call.
        call: CallId,
        /// SDP answer.
        sdp: String,
    },
    /// The far side took our call.
    Answered {
        /// The call.
        call: CallId,
        /// SDP answer; `None` when early media brought it.
        sdp: Option<String>,
    },
    /// The server accepted our answer, or our answer to an attach: the call is up.
    Confirmed {
        /// The call.
        call: CallId,
    },
    /// The server offers new media for a call, after a lost socket or by itself. Answer with `Command::Attach`.
    Attach {
        /// The call.
        call: CallId,
        /// New offer: rebuild the media transport, not the call.
        sdp: String,
        /// Whether this session had the call; `false`: a call of an earlier process, take it or hang up.
        known: bool,
        /// The far side.
        remote: Party,
    },
    /// The answer to `Command::UpdateMedia`.
    MediaUpdated {
        /// The call.
        call: CallId,
        /// SDP answer.
        sdp: String,
    },
    /// The far side is shown differently from now on.
    Display {
        /// The call.
        call: CallId,
        /// The far side.
        remote: Party,
    },
    /// DTMF went to the server.
    DtmfSent {
        /// The call.
        call: CallId,
    },
    /// The call is over. Nothing about it follows.
    Ended {
        /// The call.
        call: CallId,
        /// Who ended it.
        by: EndedBy,
        /// Why.
        cause: Cause,
        /// The server's own words or ours, when there are more than the cause.
        detail: Option<String>,
    },
    /// A command about a call could not be carried out; the call itself lives on.
    CommandFailed {
        /// The call.
        call: CallId,
        /// Why.
        error: Error,
    },
    /// The answer to `Command::Shutdown`: nothing follows, the session may be dropped.
    Stopped,
}

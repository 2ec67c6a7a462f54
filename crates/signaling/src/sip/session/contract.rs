//! What goes into a SIP session, and what comes out: as for Verto, with the flow that it is about.

use std::fmt;
use std::time::{Instant, SystemTime};

use crate::command::Command;
use crate::event::Event;
use crate::secret::Secret;
use crate::session::{CloseReason, ConnectFailure, SocketLogin};
use crate::sip::deadline::Deadline;
use crate::sip::flow_id::FlowId;

/// What a driver tells a session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The attempt asked for with [`Output::Connect`] waits for its turn at the driver, which is no fault of the server's:
    /// its time limit runs from [`Input::Begun`].
    Deferred(FlowId),
    /// The attempt that was deferred begins now.
    Begun(FlowId),
    /// The socket asked for with [`Output::Connect`] is open, with the sub-protocol `sip`.
    Opened(FlowId),
    /// The socket asked for could not be opened.
    Failed(FlowId, ConnectFailure),
    /// The server refused to open the socket asked for because of who we are (HTTP 401 or 403, also after a challenge of HTTP
    /// was answered): tried again only after the pauses of a refused login.
    Unauthorized(FlowId, ConnectFailure),
    /// The open socket ended; also the answer to [`Output::Disconnect`], which the session does not wait for.
    Closed(FlowId, CloseReason),
    /// The open socket is not to be trusted: this machine lost the address that it is bound to.
    Stranded(FlowId),
    /// One WebSocket message, text or binary.
    Message(FlowId, &'a [u8]),
    /// The answer to [`Output::Ping`].
    Pong(FlowId),
    /// The question for a token ([`Event::TokenWanted`]) waits for its turn at the driver, which is no fault of the source's: its
    /// time limit runs from [`Input::TokenAsked`].
    TokenDeferred,
    /// The source is asked now.
    TokenAsked,
    /// The server's clock as the upgrade's `Date` header tells it; handed in, where there is one, before `Opened`.
    ServerDate(SystemTime),
    /// This machine's clock, where it may have jumped or the machine slept.
    WallClock(SystemTime),
    /// What the user wants.
    Command(Command),
    /// The instant of the last [`Output::Wait`] has come.
    Timeout,
}

/// What a session tells its driver, in this order.
#[derive(PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Open a socket to this URL now, with the sub-protocol `sip`. An attempt of that flow still under way is to be
    /// dropped first.
    Connect {
        /// Which of them.
        flow: FlowId,
        /// `ws://` or `wss://` with its query, which may hold a token: never to be shown.
        url: String,
        /// Further headers of the upgrade; one of them may hold a token.
        headers: Vec<(String, Secret)>,
        /// Who we are, for a server that asks before it opens one (HTTP 401; RFC 7118, 7).
        login: Option<SocketLogin>,
    },
    /// Put this text message on the flow's socket, in one write.
    Send {
        /// Which of them.
        flow: FlowId,
        /// A SIP message, or a CRLF of RFC 5626.
        text: String,
    },
    /// Put this binary message on the flow's socket, in one write.
    SendBytes {
        /// Which of them.
        flow: FlowId,
        /// A SIP response that copies what is no UTF-8 (RFC 7118, 4.2).
        bytes: Vec<u8>,
    },
    /// Send a WebSocket ping.
    Ping(FlowId),
    /// Close the flow's socket, after what was sent before; give up on an attempt under way.
    Disconnect(FlowId),
    /// Tell the user.
    Event(Event),
    /// Nothing more to do before this instant; the name says which deadline asked. `None`: nothing at all until an
    /// input comes.
    Wait(Option<(Instant, Deadline)>),
}

/// Messages may hold credentials, so only their size is shown.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { flow, .. } => write!(f, "Connect({flow})"),
            Self::Send { flow, text } => write!(f, "Send({flow}, {} bytes)", text.len()),
            Self::SendBytes { flow, bytes } => {
                write!(f, "SendBytes({flow}, {} bytes)", bytes.len())
            }
            Self::Ping(flow) => write!(f, "Ping({flow})"),
            Self::Disconnect(flow) => write!(f, "Disconnect({flow})"),
            Self::Event(event) => f.debug_tuple("Event").field(event).finish(),
            Self::Wait(wait) => f.debug_tuple("Wait").field(wait).finish(),
        }
    }
}

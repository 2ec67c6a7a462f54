//! The contract of every session machine: what goes in, what comes out.

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use crate::command::Command;
use crate::deadlines::Deadline;
use crate::event::Event;
use crate::secret::Secret;

/// Why no socket came to be; made by the transport, told to the user as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectFailure {
    /// The stage that failed, in one or two words: `DNS`, `TCP`, `TLS`, `upgrade`.
    pub stage: String,
    /// One sentence naming the thing that failed. Holds no secret.
    pub text: String,
    /// What a person can do about it, when anything.
    pub remedy: Option<String>,
    /// How long the server asks to be left alone, where it does (HTTP 429 and 503 with `Retry-After`).
    pub retry_after: Option<Duration>,
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Who opens a socket, for a server that asks at the upgrade (HTTP 401). Shown to that server alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketLogin {
    /// User name.
    pub user: String,
    /// Password; with Basic it goes over the wire as it is, which happens over TLS and within this machine alone.
    pub password: Secret,
}

/// How an open socket came to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseReason {
    /// WebSocket close code (RFC 6455, 7.4), when a close frame came.
    pub code: Option<u16>,
    /// Text of the close frame or of the I/O error; empty when there was none.
    pub text: String,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.text.as_str()) {
            (Some(code), "") => write!(f, "closed with code {code}"),
            (Some(code), text) => write!(f, "closed with code {code}: {text}"),
            (None, "") => f.write_str("closed without a word"),
            (None, text) => f.write_str(text),
        }
    }
}

/// What a driver tells a session.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The attempt asked for with [`Output::Connect`] waits for its turn at the driver, which is no fault of the server's:
    /// its time limit runs from [`Input::Begun`].
    Deferred,
    /// The attempt that was deferred begins now.
    Begun,
    /// The socket asked for with [`Output::Connect`] is open.
    Opened,
    /// The question for a token ([`Event::TokenWanted`]) waits for its turn at the driver, which is no fault of the source's: its
    /// time limit runs from [`Input::TokenAsked`].
    TokenDeferred,
    /// The source is asked now.
    TokenAsked,
    /// The server's clock as the upgrade's `Date` header tells it; handed in, where there is one, before `Opened`.
    ServerDate(SystemTime),
    /// This machine's clock, where it may have jumped or the machine slept.
    WallClock(SystemTime),
    /// One text message from the peer.
    Text(&'a str),
    /// The socket asked for could not be opened.
    Failed(ConnectFailure),
    /// The open socket ended; also the answer to [`Output::Disconnect`], which the session does not wait for.
    Closed(CloseReason),
    /// What the user wants.
    Command(Command),
    /// The instant of the last [`Output::Wait`] has come.
    Timeout,
}

/// What a session tells its driver, in this order.
#[derive(PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Open a socket to this URL now; the session has decided when. Report [`Input::Opened`] or [`Input::Failed`].
    /// A connection attempt still under way is to be dropped first.
    Connect {
        /// `ws://` or `wss://` with its query.
        url: String,
    },
    /// Put this text message on the socket.
    Send(String),
    /// Close the socket, after what was sent before; give up on an attempt under way. Inputs of that socket that
    /// come later must not be handed in.
    Disconnect,
    /// Tell the user.
    Event(Event),
    /// Nothing more to do before this instant; the name says which deadline asked. `None`: nothing at all until an
    /// input comes.
    Wait(Option<(Instant, Deadline)>),
}

/// Frames may hold a password or token, so only their size is shown.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { url } => f.debug_struct("Connect").field("url", url).finish(),
            Self::Send(text) => write!(f, "Send({} bytes)", text.len()),
            Self::Disconnect => f.write_str("Disconnect"),
            Self::Event(event) => f.debug_tuple("Event").field(event).finish(),
            Self::Wait(wait) => f.debug_tuple("Wait").field(wait).finish(),
        }
    }
}

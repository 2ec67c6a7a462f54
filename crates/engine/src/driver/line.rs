//! One account's line to its server: the signalling session, and the socket that it asked for.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_util::Stream;
use futures_util::future::AbortHandle;
use offhook_signaling::session::{CloseReason, ConnectFailure, Input};
use offhook_signaling::transport::error::ConnectError;
use offhook_signaling::transport::options::ConnectOptions;
use offhook_signaling::transport::outbox::Outbox;
use offhook_signaling::transport::websocket::{Closed, Connection, Incoming};
use offhook_signaling::verto::session::Session;

/// Which socket of which account something came from; an older socket's words must not reach the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketKey {
    pub(crate) account: usize,
    generation: u64,
}

pub(crate) struct Line {
    pub(crate) session: Session,
    pub(crate) options: ConnectOptions,
    /// The instant that the session waits for, as it stands in the shard's table.
    pub(crate) wait: Option<Instant>,
    generation: u64,
    socket: Socket,
}

/// What the session's socket is at present.
enum Socket {
    None,
    Connecting(AbortHandle),
    Open(Outbox, IpAddr),
}

impl Line {
    pub(crate) const fn new(session: Session, options: ConnectOptions) -> Self {
        Self {
            session,
            options,
            wait: None,
            generation: 0,
            socket: Socket::None,
        }
    }

    /// A new attempt begins; whatever socket there was is given up.
    pub(crate) fn connecting(&mut self, account: usize, attempt: AbortHandle) -> SocketKey {
        self.disconnect();
        self.socket = Socket::Connecting(attempt);
        SocketKey {
            account,
            generation: self.generation,
        }
    }

    pub(crate) fn opened(&mut self, outbox: Outbox, local: IpAddr) {
        self.socket = Socket::Open(outbox, local);
    }

    /// Whether the open socket has this address at our end.
    pub(crate) fn is_bound_to(&self, address: IpAddr) -> bool {
        matches!(self.socket, Socket::Open(_, local) if local == address)
    }

    /// Whether no socket is open, nor being opened.
    pub(crate) const fn is_idle(&self) -> bool {
        matches!(self.socket, Socket::None)
    }

    /// Closes the socket after what was sent before, or gives up the attempt under way.
    pub(crate) fn disconnect(&mut self) {
        self.generation += 1;
        match std::mem::replace(&mut self.socket, Socket::None) {
            Socket::None => {}
            Socket::Connecting(attempt) => attempt.abort(),
            Socket::Open(outbox, _) => outbox.close(),
        }
    }

    /// Whether this is the socket that the session has at present.
    pub(crate) const fn is_present(&self, key: SocketKey) -> bool {
        self.generation == key.generation
    }

    /// Queues a frame; when the server does not read, its socket is as good as gone, and the session is told so.
    pub(crate) fn send(&mut self, frame: String, now: Instant) {
        let Socket::Open(outbox, _) = &self.socket else {
            return;
        };
        if outbox.send(frame).is_err() {
            self.disconnect();
            let text = "the server does not read what is sent to it".to_owned();
            self.session
                .handle(Input::Closed(CloseReason { code: None, text }), now);
        }
    }
}

/// An open connection whose words carry the key of their socket.
pub(crate) struct Keyed {
    pub(crate) key: SocketKey,
    pub(crate) connection: Connection,
}

impl Stream for Keyed {
    type Item = (SocketKey, Incoming);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let incoming = ready!(Pin::new(&mut self.connection).poll_next(cx));
        Poll::Ready(incoming.map(|incoming| (self.key, incoming)))
    }
}

/// A failed attempt, in the words of the session. The remedy stays apart, so that it is not told twice.
pub(crate) fn failure(error: &ConnectError) -> ConnectFailure {
    let proxy = error
        .proxy
        .as_ref()
        .map(|proxy| format!(" through the proxy {proxy}"))
        .unwrap_or_default();
    ConnectFailure {
        stage: error.stage.name().to_owned(),
        text: format!(
            "cannot connect to {}{proxy}: {} (stage: {})",
            error.server, error.fault, error.stage
        ),
        remedy: Some(error.remedy()),
    }
}

/// The end of a connection, in the words of the session.
pub(crate) fn close_reason(closed: &Closed) -> CloseReason {
    let code = match closed {
        Closed::ByServer { code, .. } => *code,
        Closed::ByUs { .. }
        | Closed::Lost { .. }
        | Closed::TooLong { .. }
        | Closed::NotText
        | Closed::Violation { .. } => None,
        // A kind of end that this engine does not know yet has no code either.
        _ => None,
    };
    CloseReason {
        code,
        text: closed.to_string(),
    }
}

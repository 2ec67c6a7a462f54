//! One account's line to its server: the signalling session, and the socket that it asked for.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_util::Stream;
use futures_util::future::AbortHandle;
use offhook_signaling::session::{CloseReason, ConnectFailure};
use offhook_signaling::transport::error::ConnectError;
use offhook_signaling::transport::options::ConnectOptions;
use offhook_signaling::transport::outbox::{Outbox, OutboxFull};
use offhook_signaling::transport::websocket::{Closed, Connection, Incoming};

use crate::driver::session::{Flow, Input, Session};

/// Which socket of which account something came from; an older socket's words must not reach the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketKey {
    pub(crate) account: usize,
    pub(crate) flow: Flow,
    generation: u64,
}

pub(crate) struct Line {
    pub(crate) session: Session,
    pub(crate) options: ConnectOptions,
    /// The instant that the session waits for, as it stands in the shard's table.
    pub(crate) wait: Option<Instant>,
    /// The last attempt never left this machine.
    pub(crate) unrouted: bool,
    /// One place for each flow.
    sockets: Vec<Place>,
}

/// The place of a socket.
#[derive(Default)]
struct Place {
    generation: u64,
    socket: Socket,
}

/// What a flow's socket is at present.
#[derive(Default)]
enum Socket {
    #[default]
    None,
    Connecting(AbortHandle),
    Open(Outbox, IpAddr),
}

impl Place {
    /// Closes the socket after what was sent before, or gives up the attempt under way.
    fn disconnect(&mut self) {
        self.generation += 1;
        match std::mem::take(&mut self.socket) {
            Socket::None => {}
            Socket::Connecting(attempt) => attempt.abort(),
            Socket::Open(outbox, _) => outbox.close(),
        }
    }
}

impl Line {
    pub(crate) fn new(session: Session, options: ConnectOptions) -> Self {
        let sockets = std::iter::repeat_with(Place::default)
            .take(session.flows())
            .collect();
        Self {
            session,
            options,
            wait: None,
            unrouted: false,
            sockets,
        }
    }

    fn place(&mut self, flow: Flow) -> Option<&mut Place> {
        self.sockets.get_mut(usize::from(flow))
    }

    /// A new attempt begins; whatever socket the flow had is given up.
    pub(crate) fn connecting(
        &mut self,
        account: usize,
        flow: Flow,
        attempt: AbortHandle,
    ) -> SocketKey {
        let generation = self.place(flow).map_or(0, |place| {
            place.disconnect();
            place.socket = Socket::Connecting(attempt);
            place.generation
        });
        SocketKey {
            account,
            flow,
            generation,
        }
    }

    pub(crate) fn opened(&mut self, flow: Flow, outbox: Outbox, local: IpAddr) {
        if let Some(place) = self.place(flow) {
            place.socket = Socket::Open(outbox, local);
        }
    }

    /// The flows whose open socket has this address at our end.
    pub(crate) fn flows_bound_to(&self, address: IpAddr) -> impl Iterator<Item = Flow> {
        let bound =
            move |place: &Place| matches!(place.socket, Socket::Open(_, local) if local == address);
        let numbered = (0..).zip(&self.sockets);
        numbered
            .filter(move |(_, place)| bound(place))
            .map(|(flow, _)| flow)
    }

    /// Whether no socket is open, nor being opened.
    pub(crate) fn is_idle(&self) -> bool {
        self.sockets
            .iter()
            .all(|place| matches!(place.socket, Socket::None))
    }

    pub(crate) fn disconnect(&mut self, flow: Flow) {
        if let Some(place) = self.place(flow) {
            place.disconnect();
        }
    }

    pub(crate) fn disconnect_all(&mut self) {
        self.sockets.iter_mut().for_each(Place::disconnect);
    }

    /// Whether this is the socket that the flow has at present.
    pub(crate) fn is_present(&self, key: SocketKey) -> bool {
        self.sockets
            .get(usize::from(key.flow))
            .is_some_and(|place| place.generation == key.generation)
    }

    pub(crate) fn send(&mut self, flow: Flow, text: String, now: Instant) {
        self.queue(flow, |outbox| outbox.send(text), now);
    }

    #[cfg(feature = "sip")]
    pub(crate) fn send_bytes(&mut self, flow: Flow, bytes: Vec<u8>, now: Instant) {
        self.queue(flow, |outbox| outbox.send_bytes(bytes), now);
    }

    /// Queues a message; when the server does not read, its socket is as good as gone, and the session is told so.
    fn queue(
        &mut self,
        flow: Flow,
        send: impl FnOnce(&Outbox) -> Result<(), OutboxFull>,
        now: Instant,
    ) {
        let Some(Place {
            socket: Socket::Open(outbox, _),
            ..
        }) = self.place(flow)
        else {
            return;
        };
        if send(outbox).is_err() {
            self.disconnect(flow);
            let text = "the server does not read what is sent to it".to_owned();
            let reason = CloseReason { code: None, text };
            self.session.handle(Input::Closed(flow, reason), now);
        }
    }

    #[cfg(feature = "sip")]
    pub(crate) fn ping(&mut self, flow: Flow) {
        if let Some(Place {
            socket: Socket::Open(outbox, _),
            ..
        }) = self.place(flow)
        {
            outbox.ping();
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
        retry_after: error.retry_after(),
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

//! An open WebSocket as one stream: polling it reads, writes what is queued, and answers pings and closes.

use crate::transport::{
    http::clean,
    options::Buffers,
    outbox::{Outbox, OutboxFull, Outgoing, Queued, Said, outbox},
    socket::Socket,
    upgrade::Upgraded,
};
use futures_util::{Sink as _, Stream};
use std::{
    fmt, io, mem,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};
use tokio::time::{Sleep, sleep};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        error::{CapacityError, ProtocolError},
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// What comes out of a [`Connection`].
#[derive(Debug)]
pub enum Incoming {
    /// A text message; also a binary one that holds text.
    Text(String),
    /// A binary message that holds no text, where [`Buffers::bytes`] allows it.
    Bytes(Vec<u8>),
    /// The answer to a ping of ours, or one that nobody asked for.
    Pong,
    /// The connection has ended; nothing comes after this.
    Closed(Closed),
}

/// How a connection ended.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// The server closed it.
    #[error("the server closed the connection{}", Farewell { code, reason })]
    ByServer {
        /// The close code (RFC 6455, section 7.4), if it gave one.
        code: Option<u16>,
        /// Its words, free of control characters; often empty.
        reason: String,
    },
    /// We closed it.
    #[error("we closed the connection{}", if *answered { "" } else { " and the server did not answer that" })]
    ByUs {
        /// Whether the server answered our close within its time limit.
        answered: bool,
    },
    /// It broke or ended without a close.
    #[error("the connection to the server was lost{}", Because(source))]
    Lost {
        /// What the system says; `None`: the server ended TCP without a WebSocket close.
        source: Option<io::Error>,
    },
    /// The server sent a message longer than we read.
    #[error(
        "the server sent a message of {size} bytes where {limit} are allowed; the connection was closed"
    )]
    TooLong {
        /// Length so far.
        size: usize,
        /// The limit in force.
        limit: usize,
    },
    /// The server sent a message that is not UTF-8 text.
    #[error("the server sent a message that is not text; the connection was closed")]
    NotText,
    /// The server broke the WebSocket protocol.
    #[error("the server broke the WebSocket protocol ({what}); the connection was closed")]
    Violation {
        /// The rule, in the words of the library.
        what: String,
    },
}

/// An open WebSocket. A stream of [`Incoming`] that must be polled for anything to be read *or written*; after [`Incoming::Closed`]
/// nothing more comes, and it ends as soon as the server has ended TCP.
///
/// It takes no task and, unless it is closing, no timer: any number of them fit into one task.
#[derive(Debug)]
pub struct Connection {
    socket: WebSocketStream<Socket>,
    outbox: Outbox,
    queued: Queued,
    state: State,
    /// Something was handed to the socket that may still be in its write buffer.
    unflushed: bool,
    close_limit: Duration,
    takes_bytes: bool,
    address: SocketAddr,
    local_address: SocketAddr,
    server_date: Option<SystemTime>,
}

#[derive(Debug)]
enum State {
    Open,
    /// Our close is on its way; the server has until then to answer.
    Closing(Pin<Box<Sleep>>),
    /// Both have said goodbye. It is for the server to end TCP (RFC 6455, section 7.1.1); it has until then.
    Lingering(Pin<Box<Sleep>>),
    Ended,
}

impl Connection {
    /// Takes over an upgraded socket.
    pub(super) async fn new(
        socket: Socket,
        upgraded: Upgraded,
        buffers: &Buffers,
    ) -> io::Result<Self> {
        let Upgraded { first, date } = upgraded;
        let address = socket.tcp().peer_addr()?;
        let local_address = socket.tcp().local_addr()?;
        let config = WebSocketConfig::default()
            .read_buffer_size(buffers.read.max(128))
            .write_buffer_size(buffers.write)
            .max_write_buffer_size(usize::MAX)
            .max_frame_size(Some(buffers.max_message))
            .max_message_size(Some(buffers.max_message));
        let socket =
            WebSocketStream::from_partially_read(socket, first, Role::Client, Some(config)).await;
        let (outbox, queued) = outbox(buffers.outbox);
        Ok(Self {
            socket,
            outbox,
            queued,
            state: State::Open,
            unflushed: false,
            close_limit: buffers.close_limit,
            takes_bytes: buffers.bytes,
            address,
            local_address,
            server_date: date,
        })
    }

    /// The far end of the connection: the server, or the proxy before it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Our end of the connection: when that address is gone, so is the connection.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// The server's clock at the upgrade, where its answer had a `Date`: for
    /// [`Input::ServerDate`](crate::session::Input::ServerDate).
    #[must_use]
    pub fn server_date(&self) -> Option<SystemTime> {
        self.server_date
    }

    /// Queues a text message; polling writes it.
    ///
    /// # Errors
    /// The queue is full, because the server does not read.
    pub fn send(&self, text: String) -> Result<(), OutboxFull> {
        self.outbox.send(text)
    }

    /// Queues a binary message; polling writes it.
    ///
    /// # Errors
    /// The queue is full, because the server does not read.
    pub fn send_bytes(&self, bytes: Vec<u8>) -> Result<(), OutboxFull> {
        self.outbox.send_bytes(bytes)
    }

    /// Asks for a WebSocket ping with empty payload.
    pub fn ping(&self) {
        self.outbox.ping();
    }

    /// Closes after what is queued. The stream ends when the server has answered or its time for that is over.
    pub fn close(&self) {
        self.outbox.close();
    }

    /// A handle that queues from elsewhere, for when a collection of streams owns this connection.
    #[must_use]
    pub fn outbox(&self) -> Outbox {
        self.outbox.clone()
    }

    /// Where TCP leads: the server, or the proxy.
    #[must_use]
    pub fn peer_address(&self) -> SocketAddr {
        self.address
    }

    /// Hands queued messages to the socket as long as it takes them, and flushes.
    fn drive_outbox(&mut self, cx: &mut Context<'_>) -> Result<(), tungstenite::Error> {
        if !matches!(self.state, State::Open) {
            return self.flush(cx);
        }
        while let Poll::Ready(ready) = Pin::new(&mut self.socket).poll_ready(cx) {
            ready?;
            let message = match self.queued.poll_next(cx) {
                Poll::Ready(Outgoing::Message(Said::Text(text))) => Message::text(text),
                Poll::Ready(Outgoing::Message(Said::Bytes(bytes))) => Message::binary(bytes),
                Poll::Ready(Outgoing::Ping) => Message::Ping(tungstenite::Bytes::new()),
                Poll::Ready(Outgoing::Close) => {
                    self.state = State::Closing(Box::pin(sleep(self.close_limit)));
                    self.write(farewell(CloseCode::Normal))?;
                    break;
                }
                Poll::Pending => break,
            };
            self.write(message)?;
        }
        self.flush(cx)
    }

    fn write(&mut self, message: Message) -> Result<(), tungstenite::Error> {
        self.unflushed = true;
        Pin::new(&mut self.socket).start_send(message)
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), tungstenite::Error> {
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.socket).poll_flush(cx)
        {
            flushed?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// The next message that is for the caller, or how it ended.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        loop {
            // First, so that a server which goes on talking cannot put the end off.
            if let State::Closing(limit) = &mut self.state
                && limit.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(self.end(Closed::ByUs { answered: false }));
            }
            let was_open = matches!(self.state, State::Open);
            let written = self.drive_outbox(cx);
            let read = Pin::new(&mut self.socket).poll_next(cx);
            let message = match (read, written) {
                (Poll::Ready(Some(Ok(message))), _) => message,
                (Poll::Ready(Some(Err(error))), _) => return Poll::Ready(self.fail(cx, error)),
                (Poll::Ready(None), _) => {
                    return Poll::Ready(self.end(Closed::Lost { source: None }));
                }
                // Reading first: the last words of a server that is gone say more than the failed write.
                (Poll::Pending, Err(error)) => return Poll::Ready(self.fail(cx, error)),
                (Poll::Pending, Ok(())) if self.close_began(was_open) => continue,
                (Poll::Pending, Ok(())) => return Poll::Pending,
            };
            match message {
                Message::Text(text) => {
                    return Poll::Ready(Incoming::Text(text.as_str().to_owned()));
                }
                // RFC 6455 knows no reason to put text into a binary message, some servers do.
                Message::Binary(bytes) => match String::from_utf8(bytes.into()) {
                    Ok(text) => return Poll::Ready(Incoming::Text(text)),
                    Err(error) if self.takes_bytes => {
                        return Poll::Ready(Incoming::Bytes(error.into_bytes()));
                    }
                    Err(_) => {
                        self.say_farewell(cx, CloseCode::Unsupported);
                        return Poll::Ready(self.end(Closed::NotText));
                    }
                },
                Message::Close(frame) => {
                    // The answer to their close was queued by the library.
                    self.unflushed = true;
                    let _ = self.flush(cx);
                    let limit = || Box::pin(sleep(self.close_limit));
                    let (closed, limit) = match (mem::replace(&mut self.state, State::Ended), frame)
                    {
                        (State::Closing(limit), _) => (Closed::ByUs { answered: true }, limit),
                        (State::Open | State::Lingering(_) | State::Ended, Some(frame)) => {
                            let code = Some(frame.code.into());
                            let reason = clean(&frame.reason);
                            (Closed::ByServer { code, reason }, limit())
                        }
                        (State::Open | State::Lingering(_) | State::Ended, None) => {
                            let (code, reason) = (None, String::new());
                            (Closed::ByServer { code, reason }, limit())
                        }
                    };
                    self.state = State::Lingering(limit);
                    return Poll::Ready(Incoming::Closed(closed));
                }
                // The library has queued the pong; the next turn of this loop writes it.
                Message::Ping(_) | Message::Frame(_) => {}
                Message::Pong(_) => return Poll::Ready(Incoming::Pong),
            }
        }
    }

    /// Whether this turn began to close: then the timer of the close has not been polled yet.
    fn close_began(&self, was_open: bool) -> bool {
        was_open && matches!(self.state, State::Closing(_))
    }

    /// Waits for the server to end TCP, within its limit. What it says meanwhile counts no more.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let over = match &mut self.state {
            State::Lingering(limit) => limit.as_mut().poll(cx).is_ready(),
            State::Open | State::Closing(_) | State::Ended => true,
        };
        while !over && self.flush(cx).is_ok() {
            match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        self.state = State::Ended;
        Poll::Ready(())
    }

    fn end(&mut self, closed: Closed) -> Incoming {
        self.state = State::Ended;
        Incoming::Closed(closed)
    }

    /// Ends on an error of the library, telling the server why where that makes sense.
    fn fail(&mut self, cx: &mut Context<'_>, error: tungstenite::Error) -> Incoming {
        let closing = matches!(self.state, State::Closing(_));
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "what an open client socket cannot say is lumped together"
        )]
        let closed = match error {
            tungstenite::Error::Io(_)
            | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
                if closing =>
            {
                Closed::ByUs { answered: false }
            }
            tungstenite::Error::Io(source) => Closed::Lost {
                source: Some(source),
            },
            tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed
            | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                Closed::Lost { source: None }
            }
            tungstenite::Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                self.say_farewell(cx, CloseCode::Size);
                Closed::TooLong {
                    size,
                    limit: max_size,
                }
            }
            tungstenite::Error::Utf8(_) => {
                self.say_farewell(cx, CloseCode::Invalid);
                Closed::NotText
            }
            error => {
                self.say_farewell(cx, CloseCode::Protocol);
                Closed::Violation {
                    what: clean(&error.to_string()),
                }
            }
        };
        self.end(closed)
    }

    /// Writes a close as far as that goes without waiting; the connection is over either way.
    fn say_farewell(&mut self, cx: &mut Context<'_>, code: CloseCode) {
        if self.write(farewell(code)).is_ok() {
            let _ = self.flush(cx);
        }
    }
}

impl Stream for Connection {
    type Item = Incoming;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        let connection = self.get_mut();
        match connection.state {
            State::Ended => Poll::Ready(None),
            State::Lingering(_) => connection.poll_end(cx).map(|()| None),
            State::Open | State::Closing(_) => connection.poll_incoming(cx).map(Some),
        }
    }
}

fn farewell(code: CloseCode) -> Message {
    Message::Close(Some(CloseFrame {
        code,
        reason: tungstenite::Utf8Bytes::default(),
    }))
}

/// ` (1000)`, ` (1008: go away)`, or nothing.
struct Farewell<'a> {
    code: &'a Option<u16>,
    reason: &'a str,
}

impl fmt::Display for Farewell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.reason) {
            (None, _) => Ok(()),
            (Some(code), "") => write!(f, " ({code})"),
            (Some(code), reason) => write!(f, " ({code}: {reason})"),
        }
    }
}

/// `: reason`, or that there was no goodbye.
struct Because<'a>(&'a Option<io::Error>);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(error) => write!(f, ": {error}"),
            None => f.write_str(": it ended without a WebSocket close"),
        }
    }
}

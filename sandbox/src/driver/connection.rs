//! One client's connection: bytes of a stream to messages for the gateway, and back.

use std::io;
use std::time::Duration;

use offhook_signaling::sip::message::outgoing::Payload;
use offhook_signaling::sip::message::read::MAX_MESSAGE;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::call_report::post::{self, Post, Report};
use crate::verto::socket::SocketId;
use crate::websocket::frame::{self, Decoder, Message};
use crate::websocket::upgrade::{self, MAX_HEAD, Upgrade};

/// From the accepted connection to the complete request head.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);
/// A client that takes nothing for this long is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(20);
/// Messages that may wait for a client's socket.
const OUTBOX: usize = 1024;
/// Bytes read at once.
const READ: usize = 4096;

/// What is spoken on a listener's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Verto,
    Sip,
    /// The same over TLS, which the messages say.
    SipTls,
}

impl Protocol {
    /// Name of the WebSocket sub-protocol, where there must be one.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Verto => None,
            Self::Sip | Self::SipTls => Some("sip"),
        }
    }
}

/// What a connection tells the gateway.
#[derive(Debug)]
pub(super) enum FromClient {
    /// The WebSocket is open; write here.
    Opened(Protocol, mpsc::Sender<ToClient>),
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    /// It is no WebSocket, but brings a call report; the HTTP status goes back.
    Report(Report, oneshot::Sender<u16>),
    /// Nothing follows.
    Closed,
}

/// What the gateway tells a connection.
#[derive(Debug)]
pub(super) enum ToClient {
    Text(String),
    Bytes(Vec<u8>),
    Pong(Vec<u8>),
    /// The last message.
    Close(u16),
    /// Nothing follows, and no goodbye is said.
    Cut,
    /// Half of this message, then the same.
    Half(Payload),
    /// Read nothing more.
    Deafen,
}

/// The way from all connections to the gateway; bounded, so a busy gateway slows its clients down.
pub(super) type ToGateway = mpsc::Sender<(SocketId, FromClient)>;

/// Serves one stream until either side closes it.
pub(super) async fn serve<S>(
    mut stream: S,
    id: SocketId,
    protocol: Protocol,
    gateway: ToGateway,
    limit: usize,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut decoder = match protocol {
        Protocol::Verto => Decoder::new(limit),
        // A longer message than is read may come to its end, so that its connection lives on.
        Protocol::Sip | Protocol::SipTls => Decoder::new(limit.min(2 * MAX_MESSAGE)).with_binary(),
    };
    match timeout(UPGRADE_WITHIN, open(&mut stream, protocol, &mut decoder)).await {
        Ok(Ok(Opening::WebSocket)) => {}
        Ok(Ok(Opening::Report(report))) => {
            if let Err(error) = take_report(&mut stream, id, &gateway, report).await {
                tracing::debug!(socket = id.0, %error, "a call report was not answered");
            }
            return;
        }
        Ok(Ok(Opening::Nothing)) | Err(_) => {
            return tracing::debug!(socket = id.0, "no WebSocket opened");
        }
        Ok(Err(error)) => return tracing::debug!(socket = id.0, %error, "no WebSocket opened"),
    }
    let (sender, outbox) = mpsc::channel(OUTBOX);
    if gateway
        .send((id, FromClient::Opened(protocol, sender)))
        .await
        .is_ok()
    {
        if let Err(error) = exchange(&mut stream, id, &gateway, outbox, decoder).await {
            tracing::debug!(socket = id.0, %error, "connection lost");
        }
        // The gateway is gone only when the process ends.
        let _ = gateway.send((id, FromClient::Closed)).await;
    }
}

/// What came of the opening request.
#[derive(Debug)]
enum Opening {
    WebSocket,
    Report(Report),
    Nothing,
}

async fn take_report<S>(
    stream: &mut S,
    id: SocketId,
    gateway: &ToGateway,
    report: Report,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (sender, status) = oneshot::channel();
    tell(gateway, id, FromClient::Report(report, sender)).await;
    if let Ok(status) = status.await {
        write(stream, &post::answer(status)).await?;
    }
    stream.shutdown().await
}

/// Answers the opening request, if it asks for a WebSocket.
async fn open<S>(stream: &mut S, protocol: Protocol, decoder: &mut Decoder) -> io::Result<Opening>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = Vec::with_capacity(READ);
    loop {
        let read = (&mut *stream)
            .take((MAX_HEAD + READ) as u64)
            .read_buf(&mut bytes)
            .await?;
        if read == 0 {
            return Ok(Opening::Nothing);
        }
        match post::read(&bytes) {
            // Call reports are Verto's.
            _ if protocol != Protocol::Verto => {}
            Post::Other => {}
            Post::ReadOn => continue,
            Post::Report(report) => return Ok(Opening::Report(report)),
            Post::Answer(answer) => {
                write(stream, &answer).await?;
                stream.shutdown().await?;
                return Ok(Opening::Nothing);
            }
        }
        match upgrade::answer(&bytes, protocol.name()) {
            Upgrade::ReadOn => {}
            Upgrade::Accept { response, head } => {
                stream.write_all(&response).await?;
                stream.flush().await?;
                decoder.push(bytes.get(head..).unwrap_or_default());
                return Ok(Opening::WebSocket);
            }
            Upgrade::Refuse { response } => {
                stream.write_all(&response).await?;
                stream.shutdown().await?;
                return Ok(Opening::Nothing);
            }
        }
    }
}

/// Tells a client that there is no room for it.
pub(super) async fn turn_away<S>(mut stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Whoever is closed in the middle of their request may never see the answer.
    let mut bytes = Vec::with_capacity(READ);
    while !upgrade::is_complete(&bytes) {
        let mut limited = (&mut stream).take((MAX_HEAD + READ) as u64);
        if limited.read_buf(&mut bytes).await? == 0 {
            break;
        }
    }
    stream.write_all(upgrade::NO_ROOM).await?;
    stream.shutdown().await
}

async fn exchange<S>(
    stream: &mut S,
    id: SocketId,
    gateway: &ToGateway,
    mut outbox: mpsc::Receiver<ToClient>,
    mut decoder: Decoder,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = vec![0; READ];
    let mut frames = Vec::new();
    let mut deaf = false;
    loop {
        loop {
            if deaf {
                break;
            }
            match decoder.next() {
                Ok(None) => break,
                Ok(Some(Message::Text(text))) => tell(gateway, id, FromClient::Text(text)).await,
                Ok(Some(Message::Binary(bytes))) => {
                    tell(gateway, id, FromClient::Binary(bytes)).await;
                }
                Ok(Some(Message::Ping(payload))) => {
                    tell(gateway, id, FromClient::Ping(payload)).await;
                }
                Ok(Some(Message::Pong)) => {}
                Ok(Some(Message::Close)) => return goodbye(stream, 1000).await,
                Err(error) => {
                    tracing::warn!(socket = id.0, %error, "closed");
                    return goodbye(stream, error.close_code()).await;
                }
            }
        }
        tokio::select! {
            read = stream.read(&mut bytes), if !deaf => match read? {
                0 => return Ok(()),
                read => decoder.push(bytes.get(..read).unwrap_or_default()),
            },
            message = outbox.recv() => {
                let then = gather(message, &mut outbox, &mut frames);
                write(stream, &frames).await?;
                frames.clear();
                frames.shrink_to(READ);
                match then {
                    Then::GoOn => {}
                    Then::Deafen => deaf = true,
                    Then::Close => return stream.shutdown().await,
                    Then::Cut => return Ok(()),
                }
            }
        }
    }
}

/// What comes behind the frames that were gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    Deafen,
    Close,
    Cut,
}

/// Writes what waits in the outbox as frames.
fn gather(
    first: Option<ToClient>,
    outbox: &mut mpsc::Receiver<ToClient>,
    frames: &mut Vec<u8>,
) -> Then {
    let mut next = first;
    loop {
        match next {
            Some(ToClient::Text(text)) => frame::write_text(&text, frames),
            Some(ToClient::Bytes(bytes)) => frame::write_binary(&bytes, frames),
            Some(ToClient::Pong(payload)) => frame::write_pong(&payload, frames),
            Some(ToClient::Close(code)) => {
                frame::write_close(code, frames);
                return Then::Close;
            }
            Some(ToClient::Half(payload)) => {
                let begun = frames.len();
                match payload {
                    Payload::Text(text) => frame::write_text(&text, frames),
                    Payload::Bytes(bytes) => frame::write_binary(&bytes, frames),
                }
                frames.truncate(begun + (frames.len() - begun) / 2);
                return Then::Cut;
            }
            Some(ToClient::Cut) => return Then::Cut,
            Some(ToClient::Deafen) => return Then::Deafen,
            // The gateway gave the connection up.
            None => return Then::Close,
        }
        match outbox.try_recv() {
            Ok(message) => next = Some(message),
            Err(mpsc::error::TryRecvError::Empty) => return Then::GoOn,
            Err(mpsc::error::TryRecvError::Disconnected) => next = None,
        }
    }
}

async fn tell(gateway: &ToGateway, id: SocketId, message: FromClient) {
    // The gateway is gone only when the process ends.
    let _ = gateway.send((id, message)).await;
}

async fn goodbye<S: AsyncWrite + Unpin>(stream: &mut S, code: u16) -> io::Result<()> {
    let mut frames = Vec::new();
    frame::write_close(code, &mut frames);
    write(stream, &frames).await?;
    stream.shutdown().await
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, frames: &[u8]) -> io::Result<()> {
    let write = async {
        stream.write_all(frames).await?;
        stream.flush().await
    };
    timeout(WRITE_WITHIN, write)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

//! An account's signalling session, whichever protocol it speaks, behind one entrance and one exit.

use std::time::{Instant, SystemTime};

use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::secret::Secret;
use offhook_signaling::session::{self as verto, CloseReason, ConnectFailure, SocketLogin};
#[cfg(feature = "sip")]
use offhook_signaling::sip::flow_id::FlowId;
#[cfg(feature = "sip")]
use offhook_signaling::sip::session as sip;
use offhook_signaling::verto::session::Session as VertoSession;

/// One of an account's connections. Verto has one, SIP one to each edge proxy (RFC 5626).
pub(crate) type Flow = u8;

/// The session of one account.
pub(crate) enum Session {
    Verto(Box<VertoSession>),
    #[cfg(feature = "sip")]
    Sip(Box<sip::Session>),
}

/// What a line tells its session.
#[cfg_attr(
    not(feature = "sip"),
    expect(dead_code, reason = "with one flow there is nothing to choose")
)]
pub(crate) enum Input<'a> {
    /// The attempt waits for its turn.
    Deferred(Flow),
    /// It has its turn.
    Begun(Flow),
    /// The question for a token waits for its turn.
    TokenDeferred,
    /// It has its turn.
    TokenAsked,
    /// The socket is open; with the server's clock, where its answer showed one.
    Opened(Flow, Option<SystemTime>),
    Failed(Flow, ConnectFailure),
    /// The same, because the server does not let whoever this is open one.
    Unauthorized(Flow, ConnectFailure),
    Closed(Flow, CloseReason),
    /// The address that the socket is bound to is gone.
    Stranded(Flow),
    Text(Flow, &'a str),
    #[cfg(feature = "sip")]
    Bytes(Flow, &'a [u8]),
    Pong(Flow),
    WallClock(SystemTime),
    Command(Command),
    Timeout,
}

/// What a session tells its line.
pub(crate) enum Output {
    /// Open a socket to this URL, with these further headers. Either may hold a token. With the login for a server that asks
    /// before it opens one.
    Connect(Flow, String, Vec<(String, Secret)>, Option<SocketLogin>),
    Send(Flow, String),
    #[cfg(feature = "sip")]
    SendBytes(Flow, Vec<u8>),
    #[cfg(feature = "sip")]
    Ping(Flow),
    Disconnect(Flow),
    Event(Event),
    Wait(Option<Instant>),
}

impl Session {
    /// How many connections it may have at a time.
    pub(crate) fn flows(&self) -> usize {
        match self {
            Self::Verto(_) => 1,
            #[cfg(feature = "sip")]
            Self::Sip(session) => session.flows(),
        }
    }

    /// Messages of the server that made no sense, where they are counted.
    pub(crate) fn malformed(&self) -> u64 {
        match self {
            Self::Verto(_) => 0,
            #[cfg(feature = "sip")]
            Self::Sip(session) => session.malformed(),
        }
    }

    pub(crate) fn handle(&mut self, input: Input<'_>, now: Instant) {
        match self {
            Self::Verto(session) => to_verto(session, input, now),
            #[cfg(feature = "sip")]
            Self::Sip(session) => to_sip(session, input, now),
        }
    }

    pub(crate) fn poll(&mut self) -> Output {
        match self {
            Self::Verto(session) => from_verto(session),
            #[cfg(feature = "sip")]
            Self::Sip(session) => from_sip(session),
        }
    }
}

fn to_verto(session: &mut VertoSession, input: Input<'_>, now: Instant) {
    let input = match input {
        Input::Deferred(_) => verto::Input::Deferred,
        Input::Begun(_) => verto::Input::Begun,
        Input::TokenDeferred => verto::Input::TokenDeferred,
        Input::TokenAsked => verto::Input::TokenAsked,
        Input::Opened(_, date) => {
            if let Some(date) = date {
                session.handle(verto::Input::ServerDate(date), now);
            }
            verto::Input::Opened
        }
        Input::Failed(_, failure) | Input::Unauthorized(_, failure) => {
            verto::Input::Failed(failure)
        }
        Input::Closed(_, reason) => verto::Input::Closed(reason),
        Input::Stranded(_) => verto::Input::Command(Command::Reconnect),
        Input::Text(_, text) => verto::Input::Text(text),
        Input::WallClock(time) => verto::Input::WallClock(time),
        Input::Command(command) => verto::Input::Command(command),
        Input::Timeout => verto::Input::Timeout,
        // Verto's probes are requests; its connections hand on no bytes.
        Input::Pong(_) => return,
        #[cfg(feature = "sip")]
        Input::Bytes(..) => return,
    };
    session.handle(input, now);
}

fn from_verto(session: &mut VertoSession) -> Output {
    loop {
        return match session.poll() {
            verto::Output::Connect { url } => Output::Connect(0, url, Vec::new(), None),
            verto::Output::Send(text) => Output::Send(0, text),
            verto::Output::Disconnect => Output::Disconnect(0),
            verto::Output::Event(event) => Output::Event(event),
            verto::Output::Wait(wait) => Output::Wait(wait.map(|(at, _)| at)),
            // An output of a later protocol, which no session of ours gives.
            _ => continue,
        };
    }
}

#[cfg(feature = "sip")]
fn to_sip(session: &mut sip::Session, input: Input<'_>, now: Instant) {
    let input = match input {
        Input::Deferred(flow) => sip::Input::Deferred(FlowId(flow)),
        Input::Begun(flow) => sip::Input::Begun(FlowId(flow)),
        Input::TokenDeferred => sip::Input::TokenDeferred,
        Input::TokenAsked => sip::Input::TokenAsked,
        Input::Opened(flow, date) => {
            if let Some(date) = date {
                session.handle(sip::Input::ServerDate(date), now);
            }
            sip::Input::Opened(FlowId(flow))
        }
        Input::Unauthorized(flow, failure) => sip::Input::Unauthorized(FlowId(flow), failure),
        Input::Failed(flow, failure) => sip::Input::Failed(FlowId(flow), failure),
        Input::Closed(flow, reason) => sip::Input::Closed(FlowId(flow), reason),
        Input::Stranded(flow) => sip::Input::Stranded(FlowId(flow)),
        Input::Text(flow, text) => sip::Input::Message(FlowId(flow), text.as_bytes()),
        Input::Bytes(flow, bytes) => sip::Input::Message(FlowId(flow), bytes),
        Input::Pong(flow) => sip::Input::Pong(FlowId(flow)),
        Input::WallClock(time) => sip::Input::WallClock(time),
        Input::Command(command) => sip::Input::Command(command),
        Input::Timeout => sip::Input::Timeout,
    };
    session.handle(input, now);
}

#[cfg(feature = "sip")]
fn from_sip(session: &mut sip::Session) -> Output {
    loop {
        return match session.poll() {
            sip::Output::Connect {
                flow,
                url,
                headers,
                login,
            } => Output::Connect(flow.0, url, headers, login),
            sip::Output::Send { flow, text } => Output::Send(flow.0, text),
            sip::Output::SendBytes { flow, bytes } => Output::SendBytes(flow.0, bytes),
            sip::Output::Ping(flow) => Output::Ping(flow.0),
            sip::Output::Disconnect(flow) => Output::Disconnect(flow.0),
            sip::Output::Event(event) => Output::Event(event),
            sip::Output::Wait(wait) => Output::Wait(wait.map(|(at, _)| at)),
            _ => continue,
        };
    }
}

#[cfg(test)]
#[cfg(feature = "sip")]
mod tests {
    use futures_util::SinkExt;
    use offhook_signaling::auth::login::Login;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio_tungstenite::accept_hdr_async;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
    use tokio_tungstenite::tungstenite::http::HeaderValue;

    use super::*;
    use crate::builder::Builder;
    use crate::config::AccountConfig;
    use crate::driver::start::start;
    use crate::protocol::Protocol;

    /// The next frame of a client on a socket: its first byte, and what it holds.
    async fn frame(socket: &mut TcpStream) -> (u8, Vec<u8>) {
        let (first, length) = (socket.read_u8().await, socket.read_u8().await);
        let length = match length.expect("a length") & 0x7f {
            126 => socket.read_u16().await.expect("a length").into(),
            length => usize::from(length),
        };
        let mut mask = [0; 4];
        socket.read_exact(&mut mask).await.expect("a mask");
        let mut payload = vec![0; length];
        socket.read_exact(&mut payload).await.expect("a payload");
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        (first.expect("a frame"), payload)
    }

    /// RFC 7118, 4.2: the whole of it, since it copies what is no UTF-8.
    #[tokio::test]
    async fn an_answer_with_letters_of_latin_1_goes_out_in_one_binary_frame() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = format!("ws://{}", listener.local_addr().expect("its address"));
        let login = Login::Password {
            user: "1000".into(),
            password: Secret::new("secret"),
        };
        let mut account = AccountConfig::new("desk", Protocol::Sip, server, login);
        account.sip.registers = false;
        let engine = start(Builder::default().account(account)).expect("an engine");
        let (stream, _) = listener.accept().await.expect("its connection");
        #[expect(clippy::result_large_err, reason = "the library's own type")]
        let sip = |_: &Request, mut response: Response| {
            let name = HeaderValue::from_static("sip");
            response
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", name);
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, sip).await.expect("a WebSocket");
        for (from, opcode) in [
            (&b"J\xe9r\xf4me"[..], 0x82),
            (b"J\xc3\xa9r\xc3\xb4me", 0x81),
        ] {
            let line = [b"From: \"", from, b"\" <sip:1001@a.invalid>;tag=a\r\n"].concat();
            let request = [
                b"OPTIONS sip:1000@a.invalid SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n",
                &line[..],
                b"To: <sip:1000@a.invalid>\r\nCall-ID: a\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
            ];
            let request = Message::binary(request.concat());
            socket.send(request).await.expect("a reader");
            let (first, answer) = frame(socket.get_mut()).await;
            assert_eq!(first, 0x80 | opcode, "{answer:?}");
            assert!(answer.starts_with(b"SIP/2.0 200 "), "{answer:?}");
            assert!(answer.windows(line.len()).any(|part| part == line));
        }
        engine.shut_down().await;
    }
}

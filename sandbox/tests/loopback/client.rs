//! A scripted Verto client over a real WebSocket.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

/// Nothing here takes longer, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Telnyx,
    FreeSwitch,
}

pub(crate) const BOTH: [Dialect; 2] = [Dialect::Telnyx, Dialect::FreeSwitch];

impl Dialect {
    pub(crate) fn method(self, name: &str) -> String {
        match self {
            Self::Telnyx => format!("telnyx_rtc.{name}"),
            Self::FreeSwitch => format!("verto.{name}"),
        }
    }
}

pub(crate) trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

pub(crate) struct Client {
    socket: WebSocket<Box<dyn Stream>>,
    dialect: Dialect,
    requests: VecDeque<Value>,
    replies: VecDeque<Value>,
    ids: u32,
    pub(crate) sessid: String,
}

impl Client {
    pub(crate) fn connect(address: &str, dialect: Dialect) -> Self {
        let stream = tcp(address);
        Self::over(Box::new(stream), "ws://sandbox/", dialect)
    }

    pub(crate) fn over(stream: Box<dyn Stream>, url: &str, dialect: Dialect) -> Self {
        let Ok((socket, _)) = client(url, stream) else {
            panic!("no WebSocket");
        };
        Self {
            socket,
            dialect,
            requests: VecDeque::new(),
            replies: VecDeque::new(),
            ids: 0,
            sessid: String::new(),
        }
    }

    /// Connects, logs in and waits until calls can be made; `sessid` is an earlier session's.
    pub(crate) fn ready(address: &str, dialect: Dialect, user: &str, sessid: Option<&str>) -> Self {
        let mut client = Self::connect(address, dialect);
        let mut params = json!({"login": user, "passwd": "sandbox"});
        if dialect == Dialect::Telnyx {
            params["User-Agent"] = json!({"sdkVersion": "1", "data": "test"});
            params["reconnection"] = json!(sessid.is_some());
        }
        if let Some(sessid) = sessid {
            params["sessid"] = json!(sessid);
        }
        let reply = client.ask("login", params);
        assert_eq!(reply["result"]["message"], "logged in", "{reply}");
        client.sessid = reply["result"]["sessid"].as_str().unwrap().to_owned();
        // FreeSWITCH offers lost calls first: nothing may be sent before it says ready.
        client.expect("clientReady");
        client
    }

    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        self.ids += 1;
        let id = format!("c-{}", self.ids);
        let frame = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.send(&frame.to_string());
        loop {
            if let Some(at) = self
                .replies
                .iter()
                .position(|reply| reply["id"] == id.as_str())
            {
                return self.replies.remove(at).unwrap();
            }
            self.read();
        }
    }

    /// A request about a call, its method without prefix.
    pub(crate) fn ask_call(&mut self, method: &str, call: &str, mut params: Value) -> Value {
        params["dialogParams"]["callID"] = json!(call);
        params["sessid"] = json!(self.sessid);
        let method = self.dialect.method(method);
        let reply = self.ask(&method, params);
        assert!(reply.get("result").is_some(), "{method}: {reply}");
        reply["result"].clone()
    }

    pub(crate) fn invite(&mut self, call: &str, number: &str, sdp: &str) {
        let params = json!({"sdp": sdp, "dialogParams": {"destination_number": number}});
        let result = self.ask_call("invite", call, params);
        assert_eq!(result["message"], "CALL CREATED");
    }

    /// The next request with this method (without prefix) about a call; others are passed over.
    pub(crate) fn expect(&mut self, method: &str) -> Value {
        let method = self.dialect.method(method);
        loop {
            if let Some(at) = self
                .requests
                .iter()
                .position(|frame| frame["method"] == method.as_str())
            {
                return self.requests.remove(at).unwrap()["params"].clone();
            }
            self.read();
        }
    }

    /// Whether a request with this method has come already.
    pub(crate) fn has(&self, method: &str) -> bool {
        let method = self.dialect.method(method);
        self.requests
            .iter()
            .any(|frame| frame["method"] == method.as_str())
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// The connection is over: everything up to its end is read.
    pub(crate) fn read_to_end(&mut self) {
        while let Ok(message) = self.socket.read() {
            self.keep(&message);
        }
    }

    fn read(&mut self) {
        let message = self.socket.read().unwrap();
        self.keep(&message);
    }

    fn keep(&mut self, message: &Message) {
        let Message::Text(text) = message else { return };
        let frame: Value = serde_json::from_str(text).unwrap();
        if frame.get("method").is_some() {
            self.requests.push_back(frame);
        } else {
            self.replies.push_back(frame);
        }
    }
}

pub(crate) fn tcp(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

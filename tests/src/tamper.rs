//! A gateway between the daemon and the sandbox that changes what it passes on: for faults that no honest server shows.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the daemon to the sandbox.
    ToServer,
    /// From the sandbox to the daemon.
    ToClient,
}

/// A running gateway; ends when it is dropped.
#[derive(Debug)]
pub struct Tamper {
    /// Where the daemon is to connect.
    pub url: String,
    runtime: Option<Runtime>,
}

impl Tamper {
    /// Passes text messages on as `change` returns them, if it does, and everything else as it is.
    ///
    /// # Panics
    /// When there is no free port of loopback.
    pub fn start(
        server: &str,
        change: impl Fn(Way, String) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let url = format!("ws://{}", listener.local_addr().expect("its address"));
        let (server, change) = (server.to_owned(), Arc::new(change));
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server.clone(), Arc::clone(&change)));
            }
        });
        Self {
            url,
            runtime: Some(runtime),
        }
    }

    /// Changes only the session descriptions, as [`change_description`] does.
    pub fn descriptions(
        server: &str,
        change: impl Fn(Way, &str) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        Self::start(server, move |way, text| {
            Some(change_description(&text, |line| change(way, line)))
        })
    }
}

/// A message whose session description is changed line by line: `change` returns the lines that take the place of one.
pub fn change_description(text: &str, change: impl Fn(&str) -> Vec<String>) -> String {
    let Ok(mut message) = serde_json::from_str::<Value>(text) else {
        return text.to_owned();
    };
    each_description(&mut message, &mut |sdp| {
        let lines = sdp.lines().flat_map(&change);
        lines.map(|line| line + "\r\n").collect()
    });
    message.to_string()
}

impl Drop for Tamper {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Every text inside a message that begins as a session description does.
fn each_description(value: &mut Value, change: &mut impl FnMut(&str) -> String) {
    match value {
        Value::String(text) if text.starts_with("v=0") => *text = change(text),
        Value::Array(items) => {
            for item in items {
                each_description(item, change);
            }
        }
        Value::Object(members) => {
            for (_, item) in members {
                each_description(item, change);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

async fn relay(
    client: TcpStream,
    server: String,
    change: Arc<impl Fn(Way, String) -> Option<String> + Send + Sync + 'static>,
) {
    let address = server.trim_start_matches("ws://").trim_end_matches('/');
    let Ok(stream) = TcpStream::connect(address).await else {
        return;
    };
    let (Ok(client), Ok((server, _))) = (
        accept_async(client).await,
        client_async(server.as_str(), stream).await,
    ) else {
        return;
    };
    let (mut to_client, from_client) = client.split();
    let (mut to_server, from_server) = server.split();
    let changed = |way: Way| {
        let change = Arc::clone(&change);
        move |message: Result<Message, _>| {
            let kept = match message {
                Ok(Message::Text(text)) => change(way, text.to_string()).map(Message::text).map(Ok),
                other => Some(other),
            };
            std::future::ready(kept)
        }
    };
    let up = from_client.filter_map(changed(Way::ToServer));
    let down = from_server.filter_map(changed(Way::ToClient));
    tokio::select! {
        _ = up.forward(&mut to_server) => {}
        _ = down.forward(&mut to_client) => {}
    }
    let _ = to_client.close().await;
    let _ = to_server.close().await;
}

/// A port of loopback that takes datagrams and never answers; lives as long as the process.
///
/// # Panics
/// When there is no free port.
pub fn silent_port() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("its address");
    std::thread::spawn(move || {
        let mut datagram = [0; 2048];
        while socket.recv_from(&mut datagram).is_ok() {}
    });
    address
}

/// A port of loopback that passes datagrams on between the server at `server` and whoever else sends to it, but no RTP of the
/// server's; lives as long as the process.
///
/// # Panics
/// When there is no free port.
pub fn port_without_rtp(server: SocketAddr) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("its address");
    std::thread::spawn(move || {
        let mut client = None;
        let mut datagram = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            let datagram = &datagram[..length];
            let target = if from == server {
                client.filter(|_| !is_rtp(datagram))
            } else {
                client = Some(from);
                Some(server)
            };
            if let Some(target) = target {
                let _ = socket.send_to(datagram, target);
            }
        }
    });
    address
}

/// RTP by its first bytes, and not RTCP (RFC 7983, section 7; RFC 5761, section 4).
fn is_rtp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, second, ..] if !(192..=223).contains(second))
}

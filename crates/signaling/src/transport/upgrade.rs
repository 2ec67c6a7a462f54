//! The WebSocket upgrade from the client's side (RFC 6455, section 4.1), with a clear word for each kind of refusal.

use crate::transport::{
    error::{Fault, UpgradeFault},
    http::{Head, HeadFault, clean, is_header_allowed},
    http_date,
    options::ConnectOptions,
    target::Target,
};
use std::io;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use zeroize::Zeroizing;

/// Refuses options that would break the request, before any packet is sent.
pub(super) fn check_headers(options: &ConnectOptions) -> Result<(), Fault> {
    let fixed = [
        ("User-Agent", options.user_agent.as_deref()),
        ("Origin", options.origin.as_deref()),
        ("Sec-WebSocket-Protocol", options.sub_protocol.as_deref()),
    ];
    let fixed = fixed
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let free = options
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in fixed.chain(free) {
        if !is_header_allowed(name, value) {
            return Err(Fault::Header {
                name: name.to_owned(),
            });
        }
    }
    Ok(())
}

/// What the answer to the upgrade leaves.
pub(super) struct Upgraded {
    /// What the server sent behind its answer: the first bytes of the WebSocket.
    pub(super) first: Vec<u8>,
    /// The server's clock, where it shows one.
    pub(super) date: Option<SystemTime>,
}

/// Why there is no WebSocket.
pub(super) struct Denied {
    pub(super) fault: Fault,
    /// The answer of a server that first wants to know who asks (401).
    pub(super) asks: Option<Head>,
}

impl From<Fault> for Denied {
    fn from(fault: Fault) -> Self {
        Self { fault, asks: None }
    }
}

/// Asks for the upgrade.
pub(super) async fn upgrade(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    target: &Target,
    options: &ConnectOptions,
) -> Result<Upgraded, Denied> {
    let key = generate_key();
    let request = write_request(target, options, &key);
    if let Err(error) = write(stream, request.as_bytes()).await {
        // A server that ends the connection may have said why before, in an alert of TLS.
        return Err(Denied::from(match Head::read(stream).await {
            Err(HeadFault::Broken(why)) => Fault::Broken(why),
            Ok(_) | Err(HeadFault::ClosedEarly | HeadFault::NotHttp) => Fault::Broken(error),
        }));
    }
    let head = Head::read(stream).await.map_err(|fault| match fault {
        HeadFault::Broken(error) => Fault::Broken(error),
        HeadFault::ClosedEarly => Fault::ClosedEarly,
        HeadFault::NotHttp => Fault::NotHttp,
    })?;
    if head.status.code != 101 {
        return Err(Denied {
            fault: refusal(&head, target),
            asks: (head.status.code == 401).then_some(head),
        });
    }
    check_answer(&head, &key, options.sub_protocol.as_deref()).map_err(Fault::BadUpgrade)?;
    let date = head.header("Date").and_then(http_date::read);
    let first = head.rest;
    Ok(Upgraded { first, date })
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// The request may hold an authorisation or, in its query, a token: it is wiped after use.
fn write_request(target: &Target, options: &ConnectOptions, key: &str) -> Zeroizing<String> {
    let mut request = Zeroizing::new(String::with_capacity(2048));
    let mut line = |parts: &[&str]| {
        for part in parts {
            request.push_str(part);
        }
        request.push_str("\r\n");
    };
    line(&["GET ", &target.request_target(), " HTTP/1.1"]);
    line(&["Host: ", &target.host_header()]);
    line(&["Connection: Upgrade"]);
    line(&["Upgrade: websocket"]);
    line(&["Sec-WebSocket-Version: 13"]);
    line(&["Sec-WebSocket-Key: ", key]);
    if let Some(sub_protocol) = &options.sub_protocol {
        line(&["Sec-WebSocket-Protocol: ", sub_protocol]);
    }
    if let Some(user_agent) = &options.user_agent {
        line(&["User-Agent: ", user_agent]);
    }
    if let Some(origin) = &options.origin {
        line(&["Origin: ", origin]);
    }
    for (name, value) in &options.headers {
        line(&[name, ": ", value]);
    }
    line(&[]);
    request
}

/// What an answer other than 101 means.
fn refusal(head: &Head, target: &Target) -> Fault {
    let status = head.status.clone();
    match (status.code, head.header("Location")) {
        (300..=399, Some(location)) => {
            // A query may hold tokens.
            let location = location.split(['?', '#']).next().unwrap_or_default();
            Fault::Redirected {
                location: clean(location),
                status,
            }
        }
        (401 | 403, _) => Fault::Refused { status },
        (429 | 503, _) => {
            let retry_after = head.header("Retry-After").and_then(|value| {
                let seconds = value.parse().ok().map(Duration::from_secs);
                // A date is one of the server's clock, which may be another than ours.
                seconds.or_else(|| {
                    let date = head.header("Date").and_then(http_date::read)?;
                    http_date::read(value)?.duration_since(date).ok()
                })
            });
            Fault::Busy {
                status,
                retry_after,
            }
        }
        _ => Fault::NoWebSocket {
            path: clean(&target.path),
            status,
        },
    }
}

/// The checks of RFC 6455, section 4.1, in its order.
fn check_answer(head: &Head, key: &str, offered: Option<&str>) -> Result<(), UpgradeFault> {
    if !head.has_token("Upgrade", "websocket") {
        return Err(UpgradeFault::NoUpgrade);
    }
    if !head.has_token("Connection", "upgrade") {
        return Err(UpgradeFault::NoConnection);
    }
    if head.header("Sec-WebSocket-Accept") != Some(derive_accept_key(key.as_bytes()).as_str()) {
        return Err(UpgradeFault::WrongAccept);
    }
    if head
        .header("Sec-WebSocket-Extensions")
        .is_some_and(|value| !value.is_empty())
    {
        return Err(UpgradeFault::Extension);
    }
    // Without an offer an echo of anything is harmless, and servers exist that send one.
    match offered {
        Some(offered) if head.header("Sec-WebSocket-Protocol") != Some(offered) => {
            Err(UpgradeFault::SubProtocol)
        }
        Some(_) | None => Ok(()),
    }
}

//! What a caller may choose about a connection.

use crate::session::SocketLogin;
use crate::transport::{proxy::Proxy, tls::Trust};
use std::{fmt, net::IpAddr, time::Duration};

/// Options of [`connect`](crate::transport::connect::connect). Cheap to clone; what is large is shared.
#[derive(Clone)]
pub struct ConnectOptions {
    /// Which certificates are trusted. Share one value among all connections: it holds the roots in memory once.
    pub trust: Trust,
    /// Time limit of each stage.
    pub limits: StageLimits,
    /// How long one address may stay unanswered before the next is tried as well (RFC 8305, section 5).
    pub attempt_delay: Duration,
    /// Local address to connect from; addresses of the other family are then not tried.
    pub local_address: Option<IpAddr>,
    /// Proxy to go through, with its exceptions.
    pub proxy: Option<Proxy>,
    /// Sub-protocol to offer. `None` offers none, and what the server then says about it is ignored: FreeSWITCH echoes whatever it gets.
    pub sub_protocol: Option<String>,
    /// Value of `User-Agent`; `None` sends none.
    pub user_agent: Option<String>,
    /// Value of `Origin`; `None` sends none. Browsers always send one.
    pub origin: Option<String>,
    /// Further headers of the upgrade request. The values are never shown.
    pub headers: Vec<(String, String)>,
    /// Who we are, where the server asks before it opens a WebSocket (HTTP 401 with Basic or Digest; RFC 7118, section 7): answered
    /// once. Basic shows the password itself, so only over TLS or within this machine.
    pub login: Option<SocketLogin>,
    /// Buffers and limits of the connection that comes out.
    pub buffers: Buffers,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            trust: Trust::default(),
            limits: StageLimits::default(),
            attempt_delay: Duration::from_millis(250),
            local_address: None,
            proxy: None,
            sub_protocol: None,
            user_agent: Some(concat!("offhook/", env!("CARGO_PKG_VERSION")).to_owned()),
            origin: None,
            headers: Vec::new(),
            login: None,
            buffers: Buffers::default(),
        }
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trust,
            limits,
            attempt_delay,
            local_address,
            proxy,
            sub_protocol,
            user_agent,
            origin,
            headers,
            login,
            buffers,
        } = self;
        // A header may be an authorisation, so only the names are shown.
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ConnectOptions")
            .field("trust", trust)
            .field("limits", limits)
            .field("attempt_delay", attempt_delay)
            .field("local_address", local_address)
            .field("proxy", proxy)
            .field("sub_protocol", sub_protocol)
            .field("user_agent", user_agent)
            .field("origin", origin)
            .field("headers", &names)
            .field("login", login)
            .field("buffers", buffers)
            .finish()
    }
}

/// Time limit of each stage of a connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageLimits {
    /// Name lookup.
    pub dns: Duration,
    /// TCP, all addresses of the race together.
    pub tcp: Duration,
    /// The proxy's answer to `CONNECT`, which includes its own connection to the server.
    pub proxy: Duration,
    /// TLS handshake.
    pub tls: Duration,
    /// WebSocket upgrade.
    pub upgrade: Duration,
}

impl Default for StageLimits {
    fn default() -> Self {
        let ten = Duration::from_secs(10);
        Self {
            dns: Duration::from_secs(5),
            tcp: ten,
            proxy: ten,
            tls: ten,
            upgrade: ten,
        }
    }
}

/// Memory and time limits of an open connection. The defaults fit ten thousand of them in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffers {
    /// Longest message that is read, in bytes; a longer one ends the connection.
    pub max_message: usize,
    /// Read buffer, in bytes. It grows while a longer message is read.
    pub read: usize,
    /// How many bytes of small messages are gathered before they are written.
    pub write: usize,
    /// How many bytes of messages may wait to be written. A client of a thousand calls says so much at once after a lost
    /// connection.
    pub outbox: usize,
    /// How long the server may take to answer our close, and to end TCP after the closes of both sides.
    pub close_limit: Duration,
    /// Whether a binary message that is no text is handed on as it is (SIP, whose bodies may be anything); otherwise it
    /// ends the connection.
    pub bytes: bool,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            max_message: 1024 * 1024,
            read: 2 * 1024,
            write: 4 * 1024,
            outbox: 4 * 1024 * 1024,
            close_limit: Duration::from_secs(2),
            bytes: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_header_names_and_never_values() {
        let options = ConnectOptions {
            headers: vec![("Authorization".to_owned(), "Bearer s3cret".to_owned())],
            ..ConnectOptions::default()
        };
        let shown = format!("{options:?}");
        assert!(
            shown.contains("Authorization") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
}

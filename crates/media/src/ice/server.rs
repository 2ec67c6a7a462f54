//! STUN and TURN servers as accounts name them: the URLs of RFC 7064 and RFC 7065, and where they lead.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use zeroize::Zeroizing;

/// Port of STUN and TURN without TLS (RFC 8489 section 18.6).
const PLAIN_PORT: u16 = 3478;
/// Port of TURN over TLS.
const TLS_PORT: u16 = 5349;
/// Longest URL taken.
const MAX_URL: usize = 300;

/// How a server is spoken to, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerProtocol {
    /// `stun:`: it tells our address as it sees it.
    Stun,
    /// `turn:` over UDP: it relays.
    TurnUdp,
    /// `turn:` over TCP.
    TurnTcp,
    /// `turns:` over TCP: TLS.
    TurnTls,
}

impl ServerProtocol {
    /// Whether the server relays, so that credentials are needed.
    #[must_use]
    pub const fn relays(self) -> bool {
        !matches!(self, Self::Stun)
    }

    /// Whether it is reached by a stream.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::TurnTcp | Self::TurnTls)
    }
}

/// User name and password at a TURN server (RFC 8489 section 9.2). The password never shows.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayCredentials {
    /// User name; for time-limited credentials it begins with the time of their end.
    pub username: String,
    /// Password, wiped when dropped.
    pub password: Zeroizing<String>,
}

/// Why a user name or password is of no use at a TURN server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// RFC 8489 section 14.3.
    #[error("the user name is {length} bytes long; at most {limit} can be sent")]
    LongUsername {
        /// Its length.
        length: usize,
        /// The most there may be.
        limit: usize,
    },
    /// No server has such passwords.
    #[error("the password is {length} bytes long; at most {limit} are used")]
    LongPassword {
        /// Its length.
        length: usize,
        /// The most there may be.
        limit: usize,
    },
}

impl RelayCredentials {
    /// Longest user name in bytes: "fewer than 509" (RFC 8489 section 14.3).
    pub const LONGEST_USERNAME: usize = 508;
    /// Longest password in bytes. It is never sent, so that no RFC bounds it.
    pub const LONGEST_PASSWORD: usize = 4096;

    /// Whether they can be used at all.
    ///
    /// # Errors
    /// [`CredentialsError`], which shows neither of them.
    pub fn check(&self) -> Result<(), CredentialsError> {
        let (length, limit) = (self.username.len(), Self::LONGEST_USERNAME);
        if length > limit {
            return Err(CredentialsError::LongUsername { length, limit });
        }
        let (length, limit) = (self.password.len(), Self::LONGEST_PASSWORD);
        if length > limit {
            return Err(CredentialsError::LongPassword { length, limit });
        }
        Ok(())
    }
}

impl fmt::Debug for RelayCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayCredentials").finish_non_exhaustive()
    }
}

/// A STUN or TURN server by name. `FromStr` reads its URL, `Display` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// Host name or literal address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How it is spoken to.
    pub protocol: ServerProtocol,
    /// For TURN.
    pub credentials: Option<RelayCredentials>,
}

/// Why a URL names no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ServerUrlError {
    /// Another scheme.
    #[error("write stun:HOST, turn:HOST or turns:HOST, with :PORT where it is not the usual one")]
    Scheme,
    /// STUN over TLS has no use for calls, which go over UDP.
    #[error("stuns: is of no use here: write stun:HOST for the address, or turns:HOST for a relay")]
    StunOverTls,
    /// Nothing usable in the place of the host.
    #[error("the host is missing or holds characters that no host name has")]
    Host,
    /// No port number.
    #[error("the port is no number from 1 to 65535")]
    Port,
    /// What follows the question mark.
    #[error("only ?transport=udp or ?transport=tcp may follow, and turns: is over tcp only")]
    Transport,
}

impl IceServer {
    /// The same server with these credentials.
    #[must_use]
    pub fn with_credentials(
        mut self,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        self.credentials = Some(RelayCredentials {
            username: username.into(),
            password: Zeroizing::new(password.into()),
        });
        self
    }

    /// The server at an address that its host name leads to.
    #[must_use]
    pub fn at(&self, address: IpAddr) -> IceServerAddress {
        IceServerAddress {
            address: SocketAddr::new(address, self.port),
            server: self.clone(),
        }
    }
}

impl FromStr for IceServer {
    type Err = ServerUrlError;

    fn from_str(url: &str) -> Result<Self, ServerUrlError> {
        if url.len() > MAX_URL {
            return Err(ServerUrlError::Host);
        }
        let (scheme, rest) = url.split_once(':').ok_or(ServerUrlError::Scheme)?;
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let over_tcp = match query {
            None => None,
            Some("transport=udp") => Some(false),
            Some("transport=tcp") => Some(true),
            Some(_) => return Err(ServerUrlError::Transport),
        };
        let protocol = match (scheme.to_ascii_lowercase().as_str(), over_tcp) {
            ("stun", None) => ServerProtocol::Stun,
            ("stuns", _) => return Err(ServerUrlError::StunOverTls),
            ("turn", None | Some(false)) => ServerProtocol::TurnUdp,
            ("turn", Some(true)) => ServerProtocol::TurnTcp,
            ("turns", None | Some(true)) => ServerProtocol::TurnTls,
            ("stun" | "turns", Some(_)) => return Err(ServerUrlError::Transport),
            _ => return Err(ServerUrlError::Scheme),
        };
        let (host, port) = split_port(authority)?;
        let usual = match protocol {
            ServerProtocol::TurnTls => TLS_PORT,
            ServerProtocol::Stun | ServerProtocol::TurnUdp | ServerProtocol::TurnTcp => PLAIN_PORT,
        };
        Ok(Self {
            host: host.to_owned(),
            port: port.unwrap_or(usual),
            protocol,
            credentials: None,
        })
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), ServerUrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(ServerUrlError::Host)?;
            if !matches!(host.parse(), Ok(IpAddr::V6(_))) {
                return Err(ServerUrlError::Host);
            }
            match port.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if port.is_empty() => (host, None),
                None => return Err(ServerUrlError::Port),
            }
        }
        None => {
            let (host, port) = match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if host.is_empty() || !host.bytes().all(is_name) {
                return Err(ServerUrlError::Host);
            }
            (host, port)
        }
    };
    let port = match port.map(str::parse) {
        None => None,
        Some(Ok(port)) if port > 0 => Some(port),
        Some(_) => return Err(ServerUrlError::Port),
    };
    Ok((host, port))
}

impl fmt::Display for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, query) = match self.protocol {
            ServerProtocol::Stun => ("stun", ""),
            ServerProtocol::TurnUdp => ("turn", ""),
            ServerProtocol::TurnTcp => ("turn", "?transport=tcp"),
            ServerProtocol::TurnTls => ("turns", ""),
        };
        let (open, close) = if self.host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        write!(
            f,
            "{scheme}:{open}{}{close}:{}{query}",
            self.host, self.port
        )
    }
}

/// A STUN or TURN server and the address it was found at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServerAddress {
    /// Where it is.
    pub address: SocketAddr,
    /// Which one it is.
    pub server: IceServer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written() {
        for (url, written, protocol) in [
            (
                "stun:stun.example.com",
                "stun:stun.example.com:3478",
                ServerProtocol::Stun,
            ),
            (
                "STUN:10.0.0.1:19302",
                "stun:10.0.0.1:19302",
                ServerProtocol::Stun,
            ),
            (
                "turn:t.example:3479?transport=udp",
                "turn:t.example:3479",
                ServerProtocol::TurnUdp,
            ),
            (
                "turn:t.example?transport=tcp",
                "turn:t.example:3478?transport=tcp",
                ServerProtocol::TurnTcp,
            ),
            (
                "turns:t.example",
                "turns:t.example:5349",
                ServerProtocol::TurnTls,
            ),
            (
                "turns:[2001:db8::1]:443?transport=tcp",
                "turns:[2001:db8::1]:443",
                ServerProtocol::TurnTls,
            ),
            ("turn:[::1]", "turn:[::1]:3478", ServerProtocol::TurnUdp),
        ] {
            let server: IceServer = url.parse().unwrap();
            assert_eq!(
                (server.to_string().as_str(), server.protocol),
                (written, protocol),
                "{url}"
            );
            assert_eq!(written.parse(), Ok(server), "{url}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused_for_its_reason() {
        for (url, error) in [
            ("stun.example.com", ServerUrlError::Scheme),
            ("http://stun.example.com", ServerUrlError::Scheme),
            ("stuns:stun.example.com", ServerUrlError::StunOverTls),
            ("stun:", ServerUrlError::Host),
            ("stun://stun.example.com", ServerUrlError::Host),
            ("turn:[10.0.0.1]", ServerUrlError::Host),
            ("turn:[::1", ServerUrlError::Host),
            ("stun:a b", ServerUrlError::Host),
            ("stun:host:0", ServerUrlError::Port),
            ("stun:host:70000", ServerUrlError::Port),
            ("stun:host:", ServerUrlError::Port),
            ("turn:host?transport=sctp", ServerUrlError::Transport),
            ("stun:host?transport=udp", ServerUrlError::Transport),
            ("turns:host?transport=udp", ServerUrlError::Transport),
        ] {
            assert_eq!(url.parse::<IceServer>(), Err(error), "{url}");
        }
    }

    #[test]
    fn a_password_shows_nowhere() {
        let server: IceServer = "turn:t.example".parse().unwrap();
        let server = server.with_credentials("1764090000:kiosk", "s3cret-relay");
        let shown = format!("{server:?} {server}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

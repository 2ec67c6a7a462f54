//! Names of STUN and TURN servers (RFC 7064, RFC 7065).

use std::fmt;

use offhook_engine::vocabulary::Secret;

/// One server, with what logs in at it.
#[derive(Debug, Clone)]
pub(crate) struct IceServer {
    /// Where it is.
    pub(crate) url: IceUrl,
    /// Long-term credentials (RFC 8489, section 9.2).
    pub(crate) credentials: Option<Credentials>,
}

/// A user of TURN servers.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    /// Name.
    pub(crate) user: String,
    /// Password.
    pub(crate) password: Secret,
}

impl Credentials {
    /// Reads `user:password`.
    pub(crate) fn read(secret: &Secret) -> Option<Self> {
        let (user, password) = secret.expose().split_once(':')?;
        Some(Self {
            user: user.to_owned(),
            password: Secret::new(password),
        })
    }
}

/// What a server is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Our address as it sees it.
    Stun,
    /// A relayed address.
    Turn,
}

/// How it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Datagrams.
    Udp,
    /// A plain stream.
    Tcp,
    /// A stream within TLS.
    Tls,
}

/// A URL such as `turn:turn.example:3478?transport=tcp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IceUrl {
    /// What for.
    pub(crate) service: Service,
    /// Name or address, without brackets.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// How.
    pub(crate) transport: Transport,
}

impl IceUrl {
    /// Reads a STUN server: `HOST:PORT` or `stun:HOST[:PORT]`.
    pub(crate) fn stun(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix("stun:").unwrap_or(text);
        let (host, port) =
            authority(rest, 3478).ok_or("wanted: a host and a port, such as stun.example:3478")?;
        Ok(Self {
            service: Service::Stun,
            host,
            port,
            transport: Transport::Udp,
        })
    }

    /// Reads a TURN server: `turn:HOST[:PORT][?transport=udp|tcp]` or `turns:HOST[:PORT]`.
    pub(crate) fn turn(text: &str) -> Result<Self, &'static str> {
        const WANTED: &str =
            "wanted: a URL such as turn:turn.example:3478?transport=tcp or turns:turn.example";
        let (rest, query) = text.split_once('?').unwrap_or((text, ""));
        let (scheme, rest) = rest.split_once(':').ok_or(WANTED)?;
        let (transport, usual) = match (scheme, query) {
            ("turn", "" | "transport=udp") => (Transport::Udp, 3478),
            ("turn", "transport=tcp") => (Transport::Tcp, 3478),
            ("turns", "" | "transport=tcp") => (Transport::Tls, 5349),
            _ => return Err(WANTED),
        };
        let (host, port) = authority(rest, usual).ok_or(WANTED)?;
        Ok(Self {
            service: Service::Turn,
            host,
            port,
            transport,
        })
    }
}

impl fmt::Display for IceUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            host,
            port,
            transport,
        } = self;
        let (scheme, query) = match (service, transport) {
            (Service::Stun, _) => ("stun", ""),
            (Service::Turn, Transport::Udp) => ("turn", "?transport=udp"),
            (Service::Turn, Transport::Tcp) => ("turn", "?transport=tcp"),
            (Service::Turn, Transport::Tls) => ("turns", ""),
        };
        if host.contains(':') {
            write!(out, "{scheme}:[{host}]:{port}{query}")
        } else {
            write!(out, "{scheme}:{host}:{port}{query}")
        }
    }
}

fn authority(text: &str, usual: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(literal) => {
            let (host, rest) = literal.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok()?,
        None => usual,
    };
    let fits = !host.is_empty()
        && port != 0
        && host
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || ".-_:".contains(letter));
    fits.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written() {
        for (text, written) in [
            ("turn:a.example", "turn:a.example:3478?transport=udp"),
            ("turn:a:1?transport=tcp", "turn:a:1?transport=tcp"),
            ("turns:[::1]", "turns:[::1]:5349"),
        ] {
            assert_eq!(IceUrl::turn(text).unwrap().to_string(), written);
        }
        for (text, written) in [
            ("a:1", "stun:a:1"),
            ("stun:a", "stun:a:3478"),
            ("[::1]:2", "stun:[::1]:2"),
        ] {
            assert_eq!(IceUrl::stun(text).unwrap().to_string(), written);
        }
        for wrong in [
            "turn:",
            "turn:a:x",
            "turn:a?transport=sctp",
            "a:1",
            "turn:a@b",
            "turn:a:0",
        ] {
            assert!(IceUrl::turn(wrong).is_err(), "{wrong}");
        }
    }
}

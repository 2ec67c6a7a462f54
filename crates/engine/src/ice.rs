//! Which STUN and TURN servers an account asks, and which candidates it uses.

use std::net::IpAddr;

use offhook_media::ice::gathering::config::CandidatePolicy;
use offhook_media::ice::server::{IceServer, ServerProtocol};

use crate::protocol::Protocol;

/// Most servers of an account or of a call: more only delay it.
pub const MOST_SERVERS: usize = 12;

/// How an account's calls find their way through the network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IceConfig {
    /// Servers to ask.
    pub servers: IceServers,
    /// Which candidates may be used.
    pub policy: CandidatePolicy,
    /// Send candidates as they are found (RFC 8838), where the server takes them: Telnyx.
    pub trickle: bool,
}

/// STUN and TURN servers of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum IceServers {
    /// Those that the platform's own clients ask: Telnyx's at a Telnyx server, none elsewhere.
    #[default]
    Platform,
    /// Those of one of Telnyx's environments, whatever the server.
    Environment(Environment),
    /// These; none: only our own addresses, known at once.
    These(Vec<IceServer>),
}

/// One of Telnyx's environments: its gateway, and its STUN and TURN servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// The one for everybody.
    Production,
    /// Telnyx's own for trying things out.
    Development,
}

impl Environment {
    /// URL of its gateway.
    #[must_use]
    pub const fn server(self) -> &'static str {
        match self {
            Self::Production => "wss://rtc.telnyx.com",
            Self::Development => "wss://rtcdev.telnyx.com",
        }
    }
}

impl IceServers {
    /// The servers that an account at this URL asks.
    #[must_use]
    pub fn of(&self, protocol: Protocol, server: &str) -> Vec<IceServer> {
        match self {
            Self::These(servers) => servers.clone(),
            Self::Environment(environment) => telnyx_servers(*environment),
            Self::Platform if protocol.has_gateway() => telnyx(host_of(server)),
            Self::Platform => Vec::new(),
        }
    }
}

/// The servers that every Telnyx SDK asks. User name and password are the same for everybody, and no secret.
fn telnyx(host: &str) -> Vec<IceServer> {
    let Some(label) = host
        .to_ascii_lowercase()
        .strip_suffix(".telnyx.com")
        .map(str::to_owned)
    else {
        return Vec::new();
    };
    let development = label == "rtcdev" || label.ends_with(".rtcdev");
    telnyx_servers(if development {
        Environment::Development
    } else {
        Environment::Production
    })
}

fn telnyx_servers(environment: Environment) -> Vec<IceServer> {
    let (stun, turn) = match environment {
        Environment::Production => ("stun.telnyx.com", "turn.telnyx.com"),
        Environment::Development => ("stundev.telnyx.com", "turndev.telnyx.com"),
    };
    let server = |host: &str, port, protocol| IceServer {
        host: host.to_owned(),
        port,
        protocol,
        credentials: None,
    };
    let relay = |host, port, protocol| {
        server(host, port, protocol).with_credentials("testuser", "testpassword")
    };
    let mut servers = vec![
        server(stun, 3478, ServerProtocol::Stun),
        server("stun.l.google.com", 19302, ServerProtocol::Stun),
        relay(turn, 3478, ServerProtocol::TurnUdp),
        relay(turn, 3478, ServerProtocol::TurnTcp),
        relay(turn, 443, ServerProtocol::TurnTls),
    ];
    if environment == Environment::Production {
        servers.push(relay("turn2.telnyx.com", 443, ServerProtocol::TurnTls));
    }
    servers
}

/// The host in a `ws://` or `wss://` URL.
pub(crate) fn host_of(server: &str) -> &str {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.strip_prefix('[') {
        Some(literal) => literal.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// Whether a server's URL names this machine.
pub(crate) fn is_loopback(server: &str) -> bool {
    let host = host_of(server);
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(all(test, feature = "telnyx", feature = "freeswitch"))]
mod tests {
    use offhook_signaling::verto::dialect::differences::Dialect;
    use offhook_signaling::verto::dialect::{freeswitch::FREESWITCH, telnyx::TELNYX};

    use super::{Environment, IceServers, is_loopback};

    #[test]
    fn the_platforms_servers_belong_to_the_platform() {
        let asked = |dialect: Dialect, server| {
            let servers = IceServers::Platform.of(dialect.into(), server);
            servers.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let telnyx = asked(TELNYX, "wss://eu.rtc.telnyx.com");
        assert!(
            telnyx.contains(&"stun:stun.telnyx.com:3478".to_owned()),
            "{telnyx:?}"
        );
        assert!(
            telnyx.contains(&"turns:turn2.telnyx.com:443".to_owned()),
            "{telnyx:?}"
        );
        let development = asked(TELNYX, "wss://rtcdev.telnyx.com:443/?canary=true");
        assert!(
            development.contains(&"turns:turndev.telnyx.com:443".to_owned()),
            "{development:?}"
        );
        let wanted = IceServers::Environment(Environment::Development);
        let wanted = wanted.of(TELNYX.into(), "wss://gateway.example");
        assert_eq!(
            wanted.iter().map(ToString::to_string).collect::<Vec<_>>(),
            development
        );
        for elsewhere in [
            "ws://127.0.0.1:8081",
            "wss://telnyx.com.example",
            "wss://eviltelnyx.com",
        ] {
            assert!(asked(TELNYX, elsewhere).is_empty(), "{elsewhere}");
        }
        assert!(asked(FREESWITCH, "wss://rtc.telnyx.com").is_empty());
        assert!(
            IceServers::These(Vec::new())
                .of(TELNYX.into(), "wss://rtc.telnyx.com")
                .is_empty()
        );
    }

    #[test]
    fn servers_on_this_machine_are_known_by_their_url() {
        for here in [
            "ws://127.0.0.1:8081",
            "ws://[::1]:8081/x",
            "wss://localhost",
            "ws://127.9.9.9/?a=b",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in [
            "wss://rtc.telnyx.com",
            "ws://10.0.0.1:8081",
            "wss://localhost.example/",
            "ws://[2001:db8::1]",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }
}

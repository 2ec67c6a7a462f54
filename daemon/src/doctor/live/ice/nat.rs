//! The kind of NAT, from what STUN servers say of one socket (RFC 5780, section 4.3, with several servers for several addresses).

use std::net::{IpAddr, SocketAddr};

/// What lies between this machine and the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nat {
    /// Our own address is the one that is seen.
    None,
    /// One server alone cannot say more.
    Some {
        /// Whether the port outside is the one inside.
        port_kept: bool,
    },
    /// Every server sees the same address.
    EndpointIndependent {
        /// Whether the port outside is the one inside.
        port_kept: bool,
    },
    /// Each server sees another one.
    AddressDependent,
}

impl Nat {
    /// Judges by how each server, at its address, sees a socket at `local`.
    pub(crate) fn judge(local: SocketAddr, seen: &[(SocketAddr, SocketAddr)]) -> Option<Self> {
        let (first_server, first) = seen.first().copied()?;
        let others = seen.iter().filter(|(server, _)| *server != first_server);
        let same = others.clone().all(|(_, mapped)| *mapped == first);
        let port_kept = first.port() == local.port();
        Some(if !same {
            Self::AddressDependent
        } else if first == local {
            Self::None
        } else if others.count() == 0 {
            Self::Some { port_kept }
        } else {
            Self::EndpointIndependent { port_kept }
        })
    }

    /// In words.
    pub(crate) fn words(self) -> String {
        let port = |kept| if kept { "port kept" } else { "port changed" };
        match self {
            Self::None => "no NAT".to_owned(),
            Self::Some { port_kept } => format!(
                "NAT, {}; two STUN servers would show its kind",
                port(port_kept)
            ),
            Self::EndpointIndependent { port_kept } => format!(
                "NAT with endpoint-independent mapping (cone), {}",
                port(port_kept)
            ),
            Self::AddressDependent => "NAT with address-dependent mapping (symmetric)".to_owned(),
        }
    }
}

/// Our address in the way to a server; no packet is sent for that.
pub(crate) async fn local_address(server: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => [0; 4].into(),
        SocketAddr::V6(_) => [0; 16].into(),
    };
    let socket = tokio::net::UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(server).await.ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn mappings_tell_the_kind() {
        let local = address("10.0.0.2:5000");
        let (one, two) = (address("192.0.2.1:3478"), address("192.0.2.2:3478"));
        let (kept, moved) = (address("203.0.113.5:5000"), address("203.0.113.5:61000"));
        for (seen, kind) in [
            (vec![], None),
            (vec![(one, local), (two, local)], Some(Nat::None)),
            (vec![(one, moved)], Some(Nat::Some { port_kept: false })),
            (
                vec![(one, kept), (two, kept)],
                Some(Nat::EndpointIndependent { port_kept: true }),
            ),
            (vec![(one, kept), (two, moved)], Some(Nat::AddressDependent)),
        ] {
            assert_eq!(Nat::judge(local, &seen), kind);
        }
    }
}

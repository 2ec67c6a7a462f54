//! What a call's sockets are bound to, and the sockets themselves.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};

use crate::driver::interfaces::InterfaceChoice;
use crate::ice::mdns;

/// Where a call's sockets are bound: one socket for each address; the kernel chooses the port, within the worker's
/// range where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// Every useful interface of the choice: up, and not link-local. Loopback only when there is nothing else, or when asked.
    Interfaces {
        /// Loopback too.
        loopback: bool,
        /// Which of them.
        choice: InterfaceChoice,
    },
    /// These and no others.
    Addresses(Vec<IpAddr>),
}

impl Default for Bind {
    fn default() -> Self {
        Self::Interfaces {
            loopback: false,
            choice: InterfaceChoice::default(),
        }
    }
}

/// No socket for a call.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The interfaces cannot be listed.
    #[error(
        "cannot list this machine's network interfaces ({0}): name the addresses to use instead"
    )]
    Interfaces(#[source] io::Error),
    /// There is no address at all.
    #[error("this machine has no network address to use for a call: bring an interface up")]
    NoAddress,
    /// There are addresses, and none of them may be used.
    #[error(
        "none of this machine's network interfaces may be used for a call (up: {}): widen what is allowed, or bring one up",
        .up.join(", ")
    )]
    NoneAllowed {
        /// Those that are up, by name.
        up: Vec<String>,
    },
    /// The kernel refused a socket.
    #[error("cannot open a UDP socket on {address} ({source}): {}", hint(.source))]
    Socket {
        /// The address asked for.
        address: IpAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// Every port of the worker's range is in use.
    #[error("no UDP port from {first} to {last} is free on {address}: widen the range")]
    NoPort {
        /// The address asked for.
        address: IpAddr,
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
    },
    /// The kernel does not watch the socket.
    #[error(
        "cannot wait for the UDP socket on {address} ({source}): raise the limit of watched files"
    )]
    Watch {
        /// The socket's address.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

fn hint(error: &io::Error) -> &'static str {
    // EMFILE and ENFILE have no kind of their own.
    if matches!(error.raw_os_error(), Some(23 | 24)) {
        return "raise the limit of open files (ulimit -n)";
    }
    if error.kind() == io::ErrorKind::AddrNotAvailable {
        return "no interface of this machine has this address";
    }
    "check the address and the limits of this process"
}

/// The ports that sockets may have, tried in turn so that one just left is the last to be used again.
#[derive(Debug)]
pub(crate) struct Ports {
    range: Option<RangeInclusive<u16>>,
    used: u16,
}

impl Ports {
    /// Ports of this range, or any.
    pub(crate) fn new(range: Option<RangeInclusive<u16>>) -> Self {
        Self { range, used: 0 }
    }

    /// Binds a socket to the next free port; see [`bind_socket`].
    pub(crate) fn bind(
        &mut self,
        ip: IpAddr,
        receive_buffer: usize,
        send_buffer: usize,
    ) -> Result<(UdpSocket, SocketAddr), BindError> {
        let Some(range) = self.range.clone() else {
            return bind_socket(ip, 0, receive_buffer, send_buffer);
        };
        let (first, last) = (*range.start(), *range.end());
        let after = range.clone().filter(|port| *port > self.used);
        for port in after.chain(range.filter(|port| *port <= self.used)) {
            match bind_socket(ip, port, receive_buffer, send_buffer) {
                Err(BindError::Socket { source, .. })
                    if source.kind() == io::ErrorKind::AddrInUse => {}
                Ok(bound) => {
                    self.used = port;
                    return Ok(bound);
                }
                Err(error) => return Err(error),
            }
        }
        Err(BindError::NoPort {
            address: ip,
            first,
            last,
        })
    }
}

/// A bound, non-blocking UDP socket with buffers of about the sizes asked for (the kernel has its own limits). The
/// kernel chooses port 0.
fn bind_socket(
    ip: IpAddr,
    port: u16,
    receive_buffer: usize,
    send_buffer: usize,
) -> Result<(UdpSocket, SocketAddr), BindError> {
    let open = || -> io::Result<(UdpSocket, SocketAddr)> {
        let address = SocketAddr::new(ip, port);
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        // Best effort: a system with a small limit still carries calls.
        let _ = socket.set_recv_buffer_size(receive_buffer);
        let _ = socket.set_send_buffer_size(send_buffer);
        socket.bind(&address.into())?;
        let socket = UdpSocket::from_std(socket.into());
        let local = socket.local_addr()?;
        Ok((socket, local))
    };
    let (socket, local) = open().map_err(|source| BindError::Socket {
        address: ip,
        source,
    })?;
    Ok((socket, local))
}

/// A socket that hears what is said to all of the links of these hosts by Multicast DNS (RFC 6762), beside whoever else listens there,
/// and its address. Where there is IPv4, that.
pub(crate) fn bind_group(hosts: &[IpAddr]) -> io::Result<(UdpSocket, SocketAddr)> {
    let links: Vec<Ipv4Addr> = hosts.iter().filter_map(as_ipv4).collect();
    let domain = match links.is_empty() {
        true => Domain::IPV6,
        false => Domain::IPV4,
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    let group: IpAddr = if links.is_empty() {
        socket.set_only_v6(true)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, mdns::PORT)).into())?;
        // The link is the one that the kernel would send by.
        socket.join_multicast_v6(&mdns::GROUP_6, 0)?;
        mdns::GROUP_6.into()
    } else {
        // Bound to the group, it takes nothing that is for the machine's own responder alone.
        socket.bind(&SocketAddr::from((mdns::GROUP_4, mdns::PORT)).into())?;
        let joined = |link: &&Ipv4Addr| socket.join_multicast_v4(&mdns::GROUP_4, link).is_ok();
        if links.iter().filter(joined).count() == 0 {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        mdns::GROUP_4.into()
    };
    let socket = UdpSocket::from_std(socket.into());
    Ok((socket, SocketAddr::new(group, mdns::PORT)))
}

const fn as_ipv4(ip: &IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(*ip),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_address_is_refused_by_name() {
        let error = bind_socket("192.0.2.7".parse().unwrap(), 0, 0, 0).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot open a UDP socket on 192.0.2.7 ("),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .ends_with("no interface of this machine has this address"),
            "{error}"
        );
    }

    #[test]
    fn ports_come_from_the_range_in_turn_until_none_is_free() {
        let ip: IpAddr = "127.0.0.1".parse().unwrap();
        // A port that was free a moment ago, as a range of one.
        let (socket, free) = bind_socket(ip, 0, 0, 0).unwrap();
        drop(socket);
        let mut ports = Ports::new(Some(free.port()..=free.port()));
        let (socket, bound) = ports.bind(ip, 0, 0).unwrap();
        assert_eq!(bound, free);
        let error = ports.bind(ip, 0, 0).unwrap_err();
        assert!(matches!(error, BindError::NoPort { .. }), "{error}");
        drop(socket);
        assert_eq!(ports.bind(ip, 0, 0).unwrap().1, free);
    }
}

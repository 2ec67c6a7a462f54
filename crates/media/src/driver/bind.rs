//! Which of this machine's addresses a call's sockets are bound to.

use std::io;
use std::net::{IpAddr, SocketAddr};

/// Where a call's sockets are bound: one socket for each address, the kernel chooses the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// Every useful interface: up, and not link-local. Loopback only when there is nothing else, or when asked.
    Interfaces {
        /// Loopback too.
        loopback: bool,
    },
    /// These and no others.
    Addresses(Vec<IpAddr>),
}

impl Default for Bind {
    fn default() -> Self {
        Self::Interfaces { loopback: false }
    }
}

/// No socket for a call.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The interfaces cannot be listed.
    #[error(
        "cannot list this machine's network interfaces: {0}; name the addresses to use instead"
    )]
    Interfaces(#[source] io::Error),
    /// There is no address at all.
    #[error("this machine has no network address to use for a call: bring an interface up")]
    NoAddress,
    /// The kernel refused a socket.
    #[error("cannot open a UDP socket on {address}: {source}; {}", hint(.source))]
    Socket {
        /// The address asked for.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(23 | 24) => "raise the limit of open files (ulimit -n)",
        Some(99) => "no interface has this address",
        _ => "check the address and the limits of this process",
    }
}

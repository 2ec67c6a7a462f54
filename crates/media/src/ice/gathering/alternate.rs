//! Servers that another one names in its place (300; RFC 8489, section 10).

use std::net::SocketAddr;

/// So many are followed, one after the other.
pub(super) const MAX_REDIRECTS: u8 = 2;

/// Whether one can be asked from this address of ours.
pub(super) fn is_usable(server: SocketAddr, ours: SocketAddr) -> bool {
    let ip = server.ip();
    server.is_ipv4() == ours.is_ipv4()
        && server.port() != 0
        && !ip.is_unspecified()
        && !ip.is_multicast()
}

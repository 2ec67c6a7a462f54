//! The path to a far end without ICE: the address of its description, or where its first packet comes from.
//!
//! Such a far end proves nothing about its address. Where a NAT stands before it, the address that it describes is of no
//! use; latching (RFC 7362, section 4) sends to where its media comes from, and trusts whoever comes first.

use std::net::SocketAddr;

use crate::media_transport::event::Route;

/// Where media goes and comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FixedPath {
    pub(crate) route: Route,
    /// As the description has it.
    told: SocketAddr,
    latching: Latching,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Latching {
    /// Not allowed.
    Never,
    /// The first packet decides.
    Open,
    /// It has decided.
    Done,
}

impl FixedPath {
    pub(crate) fn new(local: SocketAddr, told: SocketAddr, latches: bool) -> Self {
        Self {
            route: Route {
                local,
                remote: told,
            },
            told,
            latching: if latches {
                Latching::Open
            } else {
                Latching::Never
            },
        }
    }

    pub(crate) fn is_to(&self, told: SocketAddr) -> bool {
        self.told == told
    }

    /// Whether a packet from there may be one of the far end's.
    pub(crate) fn admits(&self, remote: SocketAddr) -> bool {
        self.route.remote == remote || self.latching == Latching::Open
    }

    /// Takes note of a packet of the far end from there. The new route, where that changes it.
    pub(crate) fn heard_from(&mut self, route: Route) -> Option<Route> {
        if self.latching != Latching::Open {
            return None;
        }
        self.latching = Latching::Done;
        if self.route == route {
            return None;
        }
        self.route = route;
        Some(route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_packet_decides_where_that_is_allowed() {
        let [local, told, elsewhere, third] =
            [1, 2, 3, 4].map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        let from = |remote| Route { local, remote };
        let mut fixed = FixedPath::new(local, told, false);
        assert!(fixed.admits(told) && !fixed.admits(elsewhere));
        assert_eq!(fixed.heard_from(from(elsewhere)), None);

        let mut latching = FixedPath::new(local, told, true);
        assert!(latching.admits(elsewhere));
        assert_eq!(latching.heard_from(from(elsewhere)), Some(from(elsewhere)));
        assert!(latching.admits(elsewhere) && !latching.admits(third) && !latching.admits(told));
        assert_eq!(latching.heard_from(from(third)), None);
        assert_eq!(latching.route, from(elsewhere));
    }
}

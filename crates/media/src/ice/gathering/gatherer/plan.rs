//! Who is asked, from which of our sockets, and in which order.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::{Entry, Gatherer, Outcome};
use crate::ice::gathering::binding::Binding;
use crate::ice::gathering::config::CandidatePolicy;
use crate::ice::gathering::failure::ServerFailure;
use crate::ice::server::ServerProtocol;

/// Between two new transactions (Ta, RFC 8445 section 14.2: not below 5 ms).
const PACING: Duration = Duration::from_millis(5);
/// Questions to STUN servers of one call.
const MAX_BINDINGS: usize = 32;
/// Allocations of one call.
pub(in crate::ice::gathering) const MAX_RELAYS: usize = 8;

impl Gatherer {
    /// Each server is asked once before any is asked from a second socket: the last of them may be the only one that a firewall lets
    /// through.
    pub(super) fn plan(&mut self, bases: &[SocketAddr]) {
        let mut start = self.now;
        let wanted: Vec<_> = (0..self.config.servers.len())
            .map(|index| self.places(index, bases))
            .collect();
        let most = wanted.iter().map(Vec::len).max().unwrap_or_default();
        for round in 0..most {
            for (index, places) in wanted.iter().enumerate() {
                if let Some(place) = places.get(round)
                    && !self.plan_one(index, *place, start)
                {
                    if round == 0 {
                        let limit = MAX_RELAYS;
                        self.failed(index, ServerFailure::TooManyServers { limit });
                    }
                    continue;
                }
                start += PACING;
            }
        }
    }

    /// From where a server is to be asked: our sockets, or `None` for a connection. Nowhere when it is not to be.
    fn places(&mut self, index: usize, bases: &[SocketAddr]) -> Vec<Option<SocketAddr>> {
        let entry = &self.config.servers[index];
        let protocol = entry.server.protocol;
        let wanted = match self.config.policy {
            CandidatePolicy::All => true,
            CandidatePolicy::RelayOnly => protocol.relays(),
            CandidatePolicy::NoRelay => !protocol.relays(),
        };
        let able = bases
            .iter()
            .copied()
            .filter(|base| reaches(base.ip(), entry.address.ip()))
            .map(Some)
            .collect::<Vec<_>>();
        let credentials = entry.server.credentials.as_ref();
        let unusable = credentials.and_then(|credentials| credentials.check().err());
        let failure = if !wanted {
            self.outcomes[index] = Outcome::Found;
            return Vec::new();
        } else if protocol.relays() && credentials.is_none() {
            ServerFailure::NoCredentials
        } else if let (true, Some(unusable)) = (protocol.relays(), unusable) {
            ServerFailure::Credentials(unusable)
        } else if able.is_empty() {
            ServerFailure::OutOfReach
        } else if protocol == ServerProtocol::TurnTls && self.config.tls.is_none() {
            ServerFailure::Connection("no TLS is configured".to_owned())
        } else if protocol.is_stream() {
            let stands = |it: &Entry| it.server == index && !it.over;
            return match self.relays.iter().any(stands) {
                true => Vec::new(),
                false => vec![None],
            };
        } else {
            return able;
        };
        self.failed(index, failure);
        Vec::new()
    }

    /// Whether there is room for it.
    fn plan_one(&mut self, server: usize, base: Option<SocketAddr>, start: Instant) -> bool {
        let entry = &self.config.servers[server];
        if let (ServerProtocol::Stun, Some(base)) = (entry.server.protocol, base) {
            let fits = self.bindings.len() < MAX_BINDINGS;
            if fits {
                let binding = Binding::new(base, entry.address, start);
                self.bindings.push((server, binding));
            }
            return fits;
        }
        let entry = Entry {
            start: Some(start),
            ..Entry::new(server, base)
        };
        // The place of one that is over serves again.
        let has_room = self.relays.len() < MAX_RELAYS;
        match self.relays.iter_mut().find(|entry| entry.over) {
            Some(over) => *over = entry,
            None if has_room => self.relays.push(entry),
            None => return false,
        }
        true
    }
}

/// Whether a socket of this address can reach a server at that one.
fn reaches(base: IpAddr, server: IpAddr) -> bool {
    base.is_ipv4() == server.is_ipv4() && base.is_loopback() == server.is_loopback()
}

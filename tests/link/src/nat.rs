//! A network address translator for UDP, of the four kinds that RFC 3489 names, as RFC 4787 describes their behaviour.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// What a NAT does with ports outside, and whom it lets in (RFC 3489 section 5, RFC 4787 sections 4 and 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NatKind {
    /// One port outside for each port inside; lets anyone in.
    FullCone,
    /// One port outside for each port inside; lets in the addresses that were sent to.
    AddressRestricted,
    /// One port outside for each port inside; lets in the addresses and ports that were sent to.
    PortRestricted,
    /// A port outside for each port inside and destination; lets in that destination.
    Symmetric,
}

impl NatKind {
    /// All four, the most open first.
    pub const ALL: [Self; 4] = [
        Self::FullCone,
        Self::AddressRestricted,
        Self::PortRestricted,
        Self::Symmetric,
    ];

    /// Whether two hosts behind these (`None`: a host of its own address) can find a way to each other by sending at the
    /// same time, if each knows what a third party sees of the other and learns from where it is sent to.
    #[must_use]
    pub fn meets(one: Option<Self>, other: Option<Self>) -> bool {
        let strict = |kind| matches!(kind, Some(Self::PortRestricted | Self::Symmetric));
        let symmetric = |kind| kind == Some(Self::Symmetric);
        !(symmetric(one) && strict(other) || symmetric(other) && strict(one))
    }
}

/// How a NAT is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NatConfig {
    /// Its kind.
    pub kind: NatKind,
    /// Its address outside.
    pub outside: IpAddr,
    /// A mapping, and the permission of one far address, ends so long after the last packet from inside that used it
    /// (RFC 4787 section 4.3: two minutes at least, which not all keep to).
    pub timeout: Duration,
    /// Mappings at a time; one more replaces the one that was idle for longest.
    pub mappings: usize,
}

/// The first port that is given out.
const FIRST_PORT: u16 = 20_000;

#[derive(Debug)]
struct Mapping {
    inside: SocketAddr,
    /// Of a symmetric NAT: whom it is for.
    towards: Option<SocketAddr>,
    used: Instant,
    /// Whom it was used for, and when last.
    permitted: BTreeMap<SocketAddr, Instant>,
}

/// The translator. It keeps no time of its own: what is out of date is forgotten when the next packet comes.
#[derive(Debug)]
pub struct Nat {
    config: NatConfig,
    mappings: BTreeMap<u16, Mapping>,
    next_port: u16,
}

impl Nat {
    /// A NAT that has seen nothing yet. `skip` moves the first port it gives out.
    #[must_use]
    pub fn new(config: NatConfig, skip: u16) -> Self {
        Self {
            config,
            mappings: BTreeMap::new(),
            next_port: FIRST_PORT.saturating_add(skip % 10_000),
        }
    }

    /// How it is set up.
    #[must_use]
    pub fn config(&self) -> &NatConfig {
        &self.config
    }

    /// Takes a packet from inside; yields the source address that it has outside.
    pub fn outbound(&mut self, from: SocketAddr, to: SocketAddr, now: Instant) -> SocketAddr {
        self.forget(now);
        let towards = (self.config.kind == NatKind::Symmetric).then_some(to);
        let known = self
            .mappings
            .iter()
            .find(|(_, mapping)| mapping.inside == from && mapping.towards == towards)
            .map(|(port, _)| *port);
        let port = known.unwrap_or_else(|| self.map(from, towards, now));
        if let Some(mapping) = self.mappings.get_mut(&port) {
            mapping.used = now;
            mapping.permitted.insert(to, now);
        }
        SocketAddr::new(self.config.outside, port)
    }

    /// Takes a packet from outside that is for port `port` of ours; yields where it goes inside, if it is let in.
    pub fn inbound(&mut self, from: SocketAddr, port: u16, now: Instant) -> Option<SocketAddr> {
        self.forget(now);
        let mapping = self.mappings.get(&port)?;
        let permitted = &mapping.permitted;
        let is_let_in = match self.config.kind {
            NatKind::FullCone => true,
            NatKind::AddressRestricted => permitted.keys().any(|known| known.ip() == from.ip()),
            NatKind::PortRestricted | NatKind::Symmetric => permitted.contains_key(&from),
        };
        is_let_in.then_some(mapping.inside)
    }

    /// Forgets everything, as after a power cut: what is sent next gets another port outside.
    pub fn rebind(&mut self) {
        self.mappings.clear();
    }

    /// The same, and has another address outside from now on.
    pub fn move_to(&mut self, outside: IpAddr) {
        self.rebind();
        self.config.outside = outside;
    }

    /// Mappings now.
    #[must_use]
    pub fn mappings(&self) -> usize {
        self.mappings.len()
    }

    fn map(&mut self, inside: SocketAddr, towards: Option<SocketAddr>, now: Instant) -> u16 {
        if self.mappings.len() >= self.config.mappings.max(1) {
            let idle = self.mappings.iter().min_by_key(|(_, mapping)| mapping.used);
            if let Some(port) = idle.map(|(port, _)| *port) {
                self.mappings.remove(&port);
            }
        }
        let free = |port: &u16| !self.mappings.contains_key(port);
        let port = (self.next_port..=u16::MAX)
            .chain(FIRST_PORT..self.next_port)
            .find(free)
            .unwrap_or(FIRST_PORT);
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        let mapping = Mapping {
            inside,
            towards,
            used: now,
            permitted: BTreeMap::new(),
        };
        self.mappings.insert(port, mapping);
        port
    }

    fn forget(&mut self, now: Instant) {
        let timeout = self.config.timeout;
        let alive = |used: Instant| now.saturating_duration_since(used) < timeout;
        self.mappings.retain(|_, mapping| {
            mapping.permitted.retain(|_, used| alive(*used));
            alive(mapping.used)
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INSIDE: &str = "10.0.0.2:4000";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn nat(kind: NatKind) -> Nat {
        let config = NatConfig {
            kind,
            outside: address("198.51.100.1:0").ip(),
            timeout: Duration::from_secs(30),
            mappings: 8,
        };
        Nat::new(config, 0)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time begins at some instant"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    /// RFC 4787, section 4.1: endpoint-independent mapping for the three cones, address- and port-dependent for the last.
    #[test]
    fn a_symmetric_nat_alone_gives_each_destination_a_port_of_its_own() {
        let now = start();
        for kind in NatKind::ALL {
            let mut nat = nat(kind);
            let ports = ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "192.0.2.1:1"]
                .map(|to| nat.outbound(address(INSIDE), address(to), now).port());
            if kind == NatKind::Symmetric {
                assert!(ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2]);
                assert_eq!(ports[0], ports[3]);
            } else {
                assert!(
                    ports.iter().all(|port| *port == ports[0]),
                    "{kind:?}: {ports:?}"
                );
            }
            let other = nat.outbound(address("10.0.0.3:4000"), address("192.0.2.1:1"), now);
            assert!(
                !ports.contains(&other.port()),
                "another host has another port"
            );
        }
    }

    /// RFC 3489, section 5 and RFC 4787, section 5, as a table.
    #[test]
    fn each_kind_lets_in_whom_it_says() {
        let now = start();
        for (kind, [same, other_port, other_address]) in [
            (NatKind::FullCone, [true, true, true]),
            (NatKind::AddressRestricted, [true, true, false]),
            (NatKind::PortRestricted, [true, false, false]),
            (NatKind::Symmetric, [true, false, false]),
        ] {
            let mut nat = nat(kind);
            let port = nat
                .outbound(address(INSIDE), address("192.0.2.1:5000"), now)
                .port();
            for (from, expected) in [
                ("192.0.2.1:5000", same),
                ("192.0.2.1:5001", other_port),
                ("192.0.2.9:5000", other_address),
            ] {
                let inside = expected.then(|| address(INSIDE));
                assert_eq!(
                    nat.inbound(address(from), port, now),
                    inside,
                    "{kind:?} {from}"
                );
            }
            assert_eq!(nat.inbound(address("192.0.2.1:5000"), port + 1, now), None);
        }
    }

    #[test]
    fn a_mapping_lives_from_what_is_sent_and_not_from_what_is_received() {
        let begin = start();
        let second = Duration::from_secs(1);
        for kind in NatKind::ALL {
            let mut nat = nat(kind);
            let far = address("192.0.2.1:5000");
            let port = nat.outbound(address(INSIDE), far, begin).port();
            assert_eq!(
                nat.outbound(address(INSIDE), far, begin + 20 * second)
                    .port(),
                port
            );
            assert!(nat.inbound(far, port, begin + 49 * second).is_some());
            assert!(
                nat.inbound(far, port, begin + 50 * second).is_none(),
                "{kind:?}"
            );
            let after = nat.outbound(address(INSIDE), far, begin + 51 * second);
            assert_ne!(after.port(), port);
        }
    }

    /// The filter of a far address that is sent nothing any more closes, although the mapping is kept by another.
    #[test]
    fn a_permission_ends_by_itself() {
        let begin = start();
        let mut nat = nat(NatKind::PortRestricted);
        let (one, other) = (address("192.0.2.1:1"), address("192.0.2.2:2"));
        let port = nat.outbound(address(INSIDE), one, begin).port();
        let later = begin + Duration::from_secs(29);
        assert_eq!(nat.outbound(address(INSIDE), other, later).port(), port);
        let later = begin + Duration::from_secs(31);
        assert_eq!(nat.inbound(one, port, later), None);
        assert_eq!(nat.inbound(other, port, later), Some(address(INSIDE)));
    }

    #[test]
    fn rebound_it_knows_nobody_and_moves_on() {
        let now = start();
        let mut nat = nat(NatKind::FullCone);
        let far = address("192.0.2.1:1");
        let before = nat.outbound(address(INSIDE), far, now);
        nat.rebind();
        assert_eq!(nat.inbound(far, before.port(), now), None);
        let after = nat.outbound(address(INSIDE), far, now);
        assert_ne!(before, after);
        nat.move_to(address("198.51.100.77:0").ip());
        assert_eq!(
            nat.outbound(address(INSIDE), far, now).ip(),
            address("198.51.100.77:0").ip()
        );
    }

    #[test]
    fn theory_of_who_meets_whom() {
        let pairs = NatKind::ALL.into_iter().map(Some).chain([None]);
        let apart: Vec<_> = pairs
            .clone()
            .flat_map(|one| pairs.clone().map(move |other| (one, other)))
            .filter(|(one, other)| !NatKind::meets(*one, *other))
            .collect();
        let (port, symmetric) = (Some(NatKind::PortRestricted), Some(NatKind::Symmetric));
        assert_eq!(
            apart,
            [(port, symmetric), (symmetric, port), (symmetric, symmetric)]
        );
    }

    proptest! {
        /// Whatever is sent, the table stays within its bound, and nobody gets the port of another.
        #[test]
        fn the_table_has_an_end(
            sent in proptest::collection::vec((0_u8..20, 1_u16..20, 0_u64..20), 1..200), kind in 0_usize..4,
        ) {
            let mut nat = nat(NatKind::ALL[kind]);
            let mut now = start();
            for (host, port, wait) in sent {
                now += Duration::from_secs(wait);
                let from = SocketAddr::from(([10, 0, 0, host], 4000));
                let to = SocketAddr::from(([192, 0, 2, 1], port));
                let outside = nat.outbound(from, to, now);
                prop_assert_eq!(nat.inbound(to, outside.port(), now), Some(from));
                prop_assert!(nat.mappings() <= 8);
            }
        }
    }
}

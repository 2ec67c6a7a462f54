//! The network for whole IP packets: one line between an inside and an outside, with a NAT at its inner end where asked.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use crate::conditions::Conditions;
use crate::nat::{Nat, NatConfig};
use crate::network::Way;
use crate::pipe::{Pipe, PipeCounters};

/// Protocol numbers of IPv4.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// A line that carries IP packets. Drive it: `send`, then `poll` until `None`, and again at `next_deadline`.
#[derive(Debug)]
pub struct PacketLine {
    up: Pipe<Vec<u8>>,
    down: Pipe<Vec<u8>>,
    nats: Option<Nats>,
    filtered: u64,
}

/// Ports of the two protocols have nothing to do with each other.
#[derive(Debug)]
struct Nats {
    tcp: Nat,
    udp: Nat,
}

impl Nats {
    fn of(&mut self, protocol: u8) -> Option<&mut Nat> {
        match protocol {
            TCP => Some(&mut self.tcp),
            UDP => Some(&mut self.udp),
            _ => None,
        }
    }
}

impl PacketLine {
    /// A line with these conditions on each way. With a NAT nothing but unfragmented TCP and UDP over IPv4 passes.
    #[must_use]
    pub fn new(up: Conditions, down: Conditions, nat: Option<NatConfig>, seed: [u8; 32]) -> Self {
        let half = |way: u8| {
            let mut seed = seed;
            seed[31] ^= way;
            seed
        };
        let skip = u16::from_le_bytes([seed[0], seed[1]]);
        Self {
            up: Pipe::new(up, half(1)),
            down: Pipe::new(down, half(2)),
            nats: nat.map(|config| Nats {
                tcp: Nat::new(config, skip),
                udp: Nat::new(config, skip),
            }),
            filtered: 0,
        }
    }

    /// Takes a packet that goes up from the inside, or down from the outside.
    pub fn send(&mut self, way: Way, mut packet: Vec<u8>, now: Instant) {
        if way == Way::Up && !self.translate(way, &mut packet, now) {
            self.filtered += 1;
            return;
        }
        let length = packet.len();
        self.pipe(way).send(packet, length, now);
    }

    /// The next packet that has arrived by `now`, and which way it went.
    pub fn poll(&mut self, now: Instant) -> Option<(Way, Vec<u8>)> {
        loop {
            let ways = [(Way::Up, &self.up), (Way::Down, &self.down)];
            let due = ways.map(|(way, pipe)| pipe.next_deadline().map(|at| (at, way)));
            let (at, way) = due.into_iter().flatten().min_by_key(|(at, _)| *at)?;
            if at > now {
                return None;
            }
            let (at, mut packet) = self.pipe(way).poll(now)?;
            if way == Way::Up || self.translate(way, &mut packet, at) {
                return Some((way, packet));
            }
            self.filtered += 1;
        }
    }

    /// When the next packet arrives.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let ways = [&self.up, &self.down];
        ways.into_iter().filter_map(Pipe::next_deadline).min()
    }

    /// One way of it, for other conditions or a cut.
    pub fn pipe(&mut self, way: Way) -> &mut Pipe<Vec<u8>> {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// The NAT forgets all that was translated.
    pub fn rebind(&mut self) {
        if let Some(nats) = &mut self.nats {
            nats.tcp.rebind();
            nats.udp.rebind();
        }
    }

    /// What became of the packets of each way, up first.
    #[must_use]
    pub fn counters(&self) -> [PipeCounters; 2] {
        [self.up.counters(), self.down.counters()]
    }

    /// How many the NAT did not let in, or could make nothing of.
    #[must_use]
    pub fn filtered(&self) -> u64 {
        self.filtered
    }

    /// Whether a packet passes; its inner address is the outer one then, or the other way round.
    fn translate(&mut self, way: Way, packet: &mut [u8], now: Instant) -> bool {
        let Some(nats) = &mut self.nats else {
            return true;
        };
        let Some(headers) = Headers::of(packet) else {
            return false;
        };
        let Some(nat) = nats.of(headers.protocol) else {
            return false;
        };
        let other = match way {
            Way::Up => Some(nat.outbound(headers.source, headers.destination, now)),
            Way::Down => nat.inbound(headers.source, headers.destination.port(), now),
        };
        let Some(other) = other else {
            return false;
        };
        headers.replace(way, other, packet)
    }
}

/// Where things stand in an IPv4 packet (RFC 791, 768, 9293).
#[derive(Debug, Clone, Copy)]
struct Headers {
    protocol: u8,
    source: SocketAddr,
    destination: SocketAddr,
    /// Where the ports begin.
    ports: usize,
}

impl Headers {
    /// `None` for what cannot be translated: another version or protocol, a fragment, a packet that was cut.
    fn of(packet: &[u8]) -> Option<Self> {
        let first = *packet.first()?;
        let ports = usize::from(first & 15) * 4;
        // All bits of flags and offset but "do not fragment".
        let fragment = word(packet, 6)? & 0xbfff;
        let protocol = *packet.get(9)?;
        if first >> 4 != 4
            || ports < 20
            || fragment != 0
            || packet.len() < checksum_at(protocol, ports)? + 2
        {
            return None;
        }
        let end = |address: usize, port: usize| {
            let bytes: [u8; 4] = packet.get(address..address + 4)?.try_into().ok()?;
            let ip = IpAddr::V4(Ipv4Addr::from(bytes));
            Some(SocketAddr::new(ip, word(packet, port)?))
        };
        Some(Self {
            protocol,
            source: end(12, ports)?,
            destination: end(16, ports + 2)?,
            ports,
        })
    }

    /// Puts another source (up) or destination (down) in, with both checksums.
    fn replace(self, way: Way, other: SocketAddr, packet: &mut [u8]) -> bool {
        let IpAddr::V4(ip) = other.ip() else {
            return false;
        };
        let (address, port) = match way {
            Way::Up => (12, self.ports),
            Way::Down => (16, self.ports + 2),
        };
        let [a, b, c, d] = ip.octets();
        let new = [
            (address, u16::from_be_bytes([a, b])),
            (address + 2, u16::from_be_bytes([c, d])),
            (port, other.port()),
        ];
        let Some(sum_at) = checksum_at(self.protocol, self.ports) else {
            return false;
        };
        for (place, value) in new {
            let Some(old) = word(packet, place) else {
                return false;
            };
            put(packet, place, value);
            // The addresses count in both headers' checksums, ports in the inner one's.
            if place != port {
                adjust(packet, 10, old, value);
            }
            // Zero says that there is none (RFC 768).
            if self.protocol == TCP || word(packet, sum_at) != Some(0) {
                adjust(packet, sum_at, old, value);
                if self.protocol == UDP && word(packet, sum_at) == Some(0) {
                    put(packet, sum_at, 0xffff);
                }
            }
        }
        true
    }
}

fn checksum_at(protocol: u8, ports: usize) -> Option<usize> {
    match protocol {
        TCP => Some(ports + 16),
        UDP => Some(ports + 6),
        _ => None,
    }
}

fn word(packet: &[u8], place: usize) -> Option<u16> {
    let bytes = packet.get(place..place + 2)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

fn put(packet: &mut [u8], place: usize, value: u16) {
    if let Some(bytes) = packet.get_mut(place..place + 2) {
        bytes.copy_from_slice(&value.to_be_bytes());
    }
}

/// The checksum at this place after one of the words that it counts has changed (RFC 1624, equation 3).
fn adjust(packet: &mut [u8], place: usize, old: u16, new: u16) {
    let Some(sum) = word(packet, place) else {
        return;
    };
    let mut sum = u32::from(!sum) + u32::from(!old) + u32::from(new);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    put(packet, place, !u16::try_from(sum).unwrap_or(u16::MAX));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::nat::NatKind;

    #[expect(
        clippy::disallowed_methods,
        reason = "virtual time begins at some instant"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn nat(kind: NatKind) -> NatConfig {
        NatConfig {
            kind,
            outside: address("198.51.100.9:0").ip(),
            timeout: Duration::from_secs(60),
            mappings: 64,
        }
    }

    fn sum(words: impl Iterator<Item = u16>) -> u16 {
        let mut sum: u32 = words.map(u32::from).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).unwrap()
    }

    fn words(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
        bytes.chunks(2).map(|pair| {
            let low = pair.get(1).copied().unwrap_or_default();
            u16::from_be_bytes([pair[0], low])
        })
    }

    /// The sums over the header, and over the rest with its pseudo header; right are those of all ones.
    fn sums(packet: &[u8]) -> [u16; 2] {
        let inner = &packet[20..];
        let pseudo = [u16::from(packet[9]), u16::try_from(inner.len()).unwrap()];
        let addresses = words(&packet[12..20]);
        [
            sum(words(&packet[..20])),
            sum(words(inner).chain(addresses).chain(pseudo)),
        ]
    }

    fn packet(protocol: u8, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let header = if protocol == TCP { 20 } else { 8 };
        let mut packet = vec![0; 20 + header];
        packet.extend_from_slice(payload);
        packet[0] = 0x45;
        let length = u16::try_from(packet.len()).unwrap();
        put(&mut packet, 2, length);
        (packet[8], packet[9]) = (64, protocol);
        for (place, end) in [(12, from), (16, to)] {
            let IpAddr::V4(ip) = end.ip() else { panic!() };
            packet[place..place + 4].copy_from_slice(&ip.octets());
        }
        put(&mut packet, 20, from.port());
        put(&mut packet, 22, to.port());
        if protocol == UDP {
            put(&mut packet, 24, length - 20);
        }
        let [outer, inner] = sums(&packet);
        put(&mut packet, 10, !outer);
        // Zero would say that there is none.
        let inner = if inner == u16::MAX { inner } else { !inner };
        put(&mut packet, checksum_at(protocol, 20).unwrap(), inner);
        packet
    }

    proptest! {
        #[test]
        fn a_translated_packet_has_the_right_checksums_and_comes_back(
            payload in proptest::collection::vec(any::<u8>(), 0..40), tcp in any::<bool>(), ports in any::<[u16; 2]>(),
        ) {
            let now = start();
            let protocol = if tcp { TCP } else { UDP };
            let inside = SocketAddr::new(address("192.168.7.2:0").ip(), ports[0]);
            let far = SocketAddr::new(address("203.0.113.1:0").ip(), ports[1]);
            let mut line = PacketLine::new(Conditions::default(), Conditions::default(), Some(nat(NatKind::Symmetric)), [3; 32]);
            let sent = packet(protocol, inside, far, &payload);
            line.send(Way::Up, sent, now);
            let (way, arrived) = line.poll(now).unwrap();
            prop_assert_eq!(way, Way::Up);
            prop_assert_eq!(sums(&arrived), [u16::MAX; 2]);
            let seen = Headers::of(&arrived).unwrap();
            prop_assert_eq!(seen.source.ip(), address("198.51.100.9:0").ip());
            prop_assert_eq!(seen.destination, far);
            prop_assert!(arrived.ends_with(&payload));
            line.send(Way::Down, packet(protocol, far, seen.source, &payload), now);
            let (_, back) = line.poll(now).unwrap();
            prop_assert_eq!(sums(&back), [u16::MAX; 2]);
            prop_assert_eq!(Headers::of(&back).unwrap().destination, inside);
            // Nobody else is let in, nor the same one once all is forgotten.
            line.send(Way::Down, packet(protocol, address("203.0.113.2:1"), seen.source, &payload), now);
            prop_assert_eq!(line.poll(now), None);
            line.rebind();
            line.send(Way::Down, packet(protocol, far, seen.source, &payload), now);
            prop_assert_eq!((line.poll(now), line.filtered()), (None, 2));
        }

        #[test]
        fn whatever_comes_is_carried_or_dropped(bytes in proptest::collection::vec(any::<u8>(), 0..80), down in any::<bool>()) {
            let now = start();
            let way = if down { Way::Down } else { Way::Up };
            for kind in [None, Some(nat(NatKind::FullCone))] {
                let plain = kind.is_none();
                let mut line = PacketLine::new(Conditions::default(), Conditions::default(), kind, [3; 32]);
                line.send(way, bytes.clone(), now);
                let arrived = line.poll(now);
                if plain {
                    prop_assert_eq!(arrived, Some((way, bytes.clone())));
                }
            }
        }
    }
}

//! Sites on a network: each with its own line, some behind a NAT, and what they send each other.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::conditions::Conditions;
use crate::nat::{Nat, NatConfig};
use crate::pipe::{Pipe, PipeCounters};

/// Bytes of an IPv4 and a UDP header, which a line carries too.
const HEADERS: usize = 28;

/// One UDP datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Where it comes from, as seen where it is.
    pub from: SocketAddr,
    /// Where it goes to, as seen where it is.
    pub to: SocketAddr,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// Names a site of one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(usize);

/// A direction of a site's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the site.
    Up,
    /// To the site.
    Down,
}

#[derive(Debug)]
struct Site {
    /// Without a NAT: the addresses by which all others reach it.
    addresses: Vec<IpAddr>,
    nat: Option<Nat>,
    up: Pipe<Datagram>,
    down: Pipe<Datagram>,
}

/// What became of the datagrams of a network, besides what its pipes count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NetworkCounters {
    /// Were for an address that nobody has.
    pub unroutable: u64,
    /// A NAT did not let them in.
    pub filtered: u64,
    /// Reached a host.
    pub delivered: u64,
}

/// The network. Drive it: `send`, then `poll` until `None`, and again at `next_deadline`.
#[derive(Debug, Default)]
pub struct Network {
    sites: Vec<Site>,
    counters: NetworkCounters,
}

impl Network {
    /// A network without sites.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a site. Without a NAT it has these addresses; with one they are its own affair, and all others see the NAT's.
    /// A NAT stands at the site's end of the line, so that what is lost on the line has opened it all the same.
    pub fn add_site(
        &mut self,
        addresses: Vec<IpAddr>,
        nat: Option<NatConfig>,
        up: Conditions,
        down: Conditions,
        seed: [u8; 32],
    ) -> SiteId {
        let half = |way: u8| {
            let mut seed = seed;
            seed[31] ^= way;
            seed
        };
        let skip = u16::from_le_bytes([seed[0], seed[1]]);
        self.sites.push(Site {
            addresses,
            nat: nat.map(|config| Nat::new(config, skip)),
            up: Pipe::new(up, half(1)),
            down: Pipe::new(down, half(2)),
        });
        SiteId(self.sites.len() - 1)
    }

    /// Takes a datagram that a host of `site` sends.
    pub fn send(&mut self, site: SiteId, mut datagram: Datagram, now: Instant) {
        let Some(site) = self.sites.get_mut(site.0) else {
            return;
        };
        if let Some(nat) = &mut site.nat {
            datagram.from = nat.outbound(datagram.from, datagram.to, now);
        }
        let length = datagram.payload.len() + HEADERS;
        site.up.send(datagram, length, now);
    }

    /// The next datagram that has reached a host by `now`: at which site, and when.
    pub fn poll(&mut self, now: Instant) -> Option<(Instant, SiteId, Datagram)> {
        loop {
            let (at, index, way) = self.next()?;
            if at > now {
                return None;
            }
            let site = self.sites.get_mut(index)?;
            match way {
                Way::Up => {
                    if let Some((at, datagram)) = site.up.poll(now) {
                        self.route(datagram, at);
                    }
                }
                Way::Down => {
                    let (at, mut datagram) = site.down.poll(now)?;
                    if let Some(nat) = &mut site.nat {
                        let port = datagram.to.port();
                        let Some(inside) = nat.inbound(datagram.from, port, at) else {
                            self.counters.filtered += 1;
                            continue;
                        };
                        datagram.to = inside;
                    }
                    self.counters.delivered += 1;
                    return Some((at, SiteId(index), datagram));
                }
            }
        }
    }

    /// When the next datagram gets on.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.next().map(|(at, _, _)| at)
    }

    fn next(&self) -> Option<(Instant, usize, Way)> {
        let ways = |(index, site): (usize, &Site)| {
            let up = site.up.next_deadline().map(|at| (at, index, Way::Up));
            let down = site.down.next_deadline().map(|at| (at, index, Way::Down));
            up.into_iter().chain(down)
        };
        self.sites
            .iter()
            .enumerate()
            .flat_map(ways)
            .min_by_key(|(at, _, _)| *at)
    }

    fn route(&mut self, datagram: Datagram, at: Instant) {
        let to = datagram.to.ip();
        let owner = self.sites.iter_mut().find(|site| match &site.nat {
            Some(nat) => nat.config().outside == to,
            None => site.addresses.contains(&to),
        });
        let Some(owner) = owner else {
            self.counters.unroutable += 1;
            return;
        };
        let length = datagram.payload.len() + HEADERS;
        owner.down.send(datagram, length, at);
    }

    /// Other conditions on one way of a site's line.
    pub fn set_conditions(&mut self, site: SiteId, way: Way, conditions: Conditions) {
        if let Some(pipe) = self.pipe(site, way) {
            pipe.set_conditions(conditions);
        }
    }

    /// Cuts one way of a site's line, or mends it.
    pub fn set_cut(&mut self, site: SiteId, way: Way, cut: bool) {
        if let Some(pipe) = self.pipe(site, way) {
            pipe.set_cut(cut);
        }
    }

    fn pipe(&mut self, site: SiteId, way: Way) -> Option<&mut Pipe<Datagram>> {
        let site = self.sites.get_mut(site.0)?;
        Some(match way {
            Way::Up => &mut site.up,
            Way::Down => &mut site.down,
        })
    }

    /// Gives a site without a NAT other addresses.
    pub fn set_addresses(&mut self, site: SiteId, addresses: Vec<IpAddr>) {
        if let Some(site) = self.sites.get_mut(site.0) {
            site.addresses = addresses;
        }
    }

    /// The NAT of a site, to rebind it.
    pub fn nat(&mut self, site: SiteId) -> Option<&mut Nat> {
        self.sites.get_mut(site.0)?.nat.as_mut()
    }

    /// Datagrams under way in the whole network.
    #[must_use]
    pub fn under_way(&self) -> usize {
        let both = |site: &Site| site.up.under_way() + site.down.under_way();
        self.sites.iter().map(both).sum()
    }

    /// What became of what was sent over one way of a site's line.
    #[must_use]
    pub fn line(&self, site: SiteId, way: Way) -> PipeCounters {
        self.sites
            .get(site.0)
            .map(|site| match way {
                Way::Up => site.up.counters(),
                Way::Down => site.down.counters(),
            })
            .unwrap_or_default()
    }

    /// What became of all datagrams.
    #[must_use]
    pub fn counters(&self) -> NetworkCounters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::nat::NatKind;

    const MS: Duration = Duration::from_millis(1);

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

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn slow(delay: u64) -> Conditions {
        Conditions {
            delay: MS * u32::try_from(delay).unwrap(),
            ..Conditions::default()
        }
    }

    fn behind(kind: NatKind, outside: &str) -> Option<NatConfig> {
        Some(NatConfig {
            kind,
            outside: ip(outside),
            timeout: Duration::from_secs(60),
            mappings: 64,
        })
    }

    fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Datagram {
        Datagram {
            from,
            to,
            payload: payload.to_vec(),
        }
    }

    #[test]
    fn a_datagram_takes_the_delays_of_both_lines() {
        let begin = start();
        let mut network = Network::new();
        let one = network.add_site(vec![ip("192.0.2.1")], None, slow(10), slow(1), [1; 32]);
        let other = network.add_site(vec![ip("192.0.2.2")], None, slow(1), slow(30), [2; 32]);
        let sent = datagram(address("192.0.2.1:1"), address("192.0.2.2:2"), b"hello");
        network.send(one, sent.clone(), begin);
        assert_eq!(network.next_deadline(), Some(begin + 10 * MS));
        assert_eq!(network.poll(begin + 39 * MS), None);
        let arrived = network.poll(begin + 50 * MS);
        assert_eq!(arrived, Some((begin + 40 * MS, other, sent)));
        assert_eq!((network.next_deadline(), network.under_way()), (None, 0));
    }

    #[test]
    fn a_cut_is_one_way_and_what_nobody_has_goes_nowhere() {
        let now = start();
        let mut network = Network::new();
        let one = network.add_site(vec![ip("192.0.2.1")], None, slow(0), slow(0), [1; 32]);
        let other = network.add_site(vec![ip("192.0.2.2")], None, slow(0), slow(0), [2; 32]);
        let (here, there) = (address("192.0.2.1:1"), address("192.0.2.2:2"));
        network.set_cut(one, Way::Up, true);
        network.send(one, datagram(here, there, b"?"), now);
        assert_eq!(network.poll(now), None);
        network.send(other, datagram(there, here, b"!"), now);
        assert_eq!(network.poll(now).map(|(_, site, _)| site), Some(one));
        network.set_cut(one, Way::Up, false);
        network.send(one, datagram(here, address("192.0.2.3:1"), b"?"), now);
        assert_eq!(network.poll(now), None);
        assert_eq!(network.counters().unroutable, 1);
        assert_eq!(network.line(one, Way::Up).cut, 1);
        network.set_addresses(other, vec![ip("192.0.2.3")]);
        network.send(one, datagram(here, address("192.0.2.3:1"), b"?"), now);
        assert_eq!(network.poll(now).map(|(_, site, _)| site), Some(other));
    }

    /// Two hosts that know what a server sees of the other send to it, and answer whoever is heard: the classic punch.
    fn punch(one: Option<NatKind>, other: Option<NatKind>) -> bool {
        let begin = start();
        let mut network = Network::new();
        let hosts = [address("10.0.1.2:4000"), address("10.0.2.2:5000")];
        let outside = ["198.51.100.1", "198.51.100.2"];
        let kinds = [one, other];
        let sites = [0, 1].map(|n| {
            let nat = kinds[n].and_then(|kind| behind(kind, outside[n]));
            network.add_site(vec![hosts[n].ip()], nat, slow(5), slow(5), [n as u8; 32])
        });
        let server = address("203.0.113.1:3478");
        let asked = network.add_site(vec![server.ip()], None, slow(0), slow(0), [9; 32]);
        let mut seen = hosts;
        for n in [0, 1] {
            network.send(sites[n], datagram(hosts[n], server, b"who am I?"), begin);
        }
        while let Some((_, site, datagram)) = network.poll(begin + 50 * MS) {
            assert_eq!(site, asked);
            let n = usize::from(
                datagram.from.ip() == hosts[1].ip() || datagram.from.ip() == ip(outside[1]),
            );
            seen[n] = datagram.from;
        }
        let mut heard = [false; 2];
        for round in 0..4 {
            let now = begin + MS * 100 * (round + 1);
            for n in [0, 1] {
                network.send(sites[n], datagram(hosts[n], seen[1 - n], b"punch"), now);
            }
            while let Some((_, site, datagram)) = network.poll(now + 50 * MS) {
                let n = usize::from(site == sites[1]);
                heard[n] = true;
                // The far end is where it sends from.
                seen[1 - n] = datagram.from;
            }
        }
        heard == [true; 2]
    }

    #[test]
    fn hosts_behind_nats_meet_where_theory_says() {
        let kinds: Vec<_> = NatKind::ALL.into_iter().map(Some).chain([None]).collect();
        for one in &kinds {
            for other in &kinds {
                assert_eq!(
                    punch(*one, *other),
                    NatKind::meets(*one, *other),
                    "{one:?} {other:?}"
                );
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_history() {
        let history = |seed: u8| {
            let begin = start();
            let mut network = Network::new();
            let rough = Conditions {
                jitter: 40 * MS,
                loss: crate::conditions::Loss::Random(0.2),
                duplication: 0.1,
                ..slow(20)
            };
            let (here, there) = (address("10.0.0.1:1"), address("192.0.2.2:2"));
            let nat = behind(NatKind::Symmetric, "198.51.100.9");
            let one = network.add_site(vec![here.ip()], nat, rough.clone(), slow(1), [seed; 32]);
            network.add_site(vec![there.ip()], None, slow(1), rough, [seed; 32]);
            let mut history = Vec::new();
            for number in 0..200_u8 {
                let now = begin + MS * 20 * u32::from(number);
                network.send(one, datagram(here, there, &[number]), now);
                while let Some((at, _, datagram)) = network.poll(now) {
                    history.push((at - begin, datagram));
                }
            }
            history
        };
        assert_eq!(history(1), history(1));
        assert_ne!(history(1), history(2));
    }
}

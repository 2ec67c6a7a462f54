//! Where two ends of a call are: their addresses, the NATs and lines before them, and a relay for each that may have one.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use offhook_link::conditions::Conditions;
use offhook_link::nat::{NatConfig, NatKind};
use offhook_link::network::{Datagram, Network, SiteId, Way};
use offhook_media::ice::candidate::{CandidateType, LocalCandidate};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

/// Whom an end asks for its address outside.
const STUN_SERVER: ([u8; 4], u16) = ([203, 0, 113, 250], 3478);

/// Where relays are asked.
const RELAY_PORT: u16 = 3478;

/// Bytes before what is carried between an end and its relay: the far address.
const WRAPPING: usize = 6;

/// How one end is connected.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Access {
    /// The NAT before it.
    pub(crate) nat: Option<NatKind>,
    /// How long the NAT remembers.
    pub(crate) nat_timeout: Duration,
    /// It has a relay.
    pub(crate) relay: bool,
    /// The line from it.
    pub(crate) up: Conditions,
    /// The line to it.
    pub(crate) down: Conditions,
}

/// What has reached an end.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Which end.
    pub(crate) end: usize,
    /// Its own address: of its socket, or of its relay.
    pub(crate) local: SocketAddr,
    /// The far address, as seen there.
    pub(crate) remote: SocketAddr,
    /// What came.
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug)]
struct Place {
    access: Access,
    site: SiteId,
    host: SocketAddr,
    /// Times it moved.
    moves: u8,
    relay: Option<Relay>,
}

#[derive(Debug)]
struct Relay {
    site: SiteId,
    server: SocketAddr,
    /// The address it lends, new with each allocation.
    lent: SocketAddr,
    /// Whom it serves, as it sees it.
    client: SocketAddr,
}

/// Both ends and what lies between them.
#[derive(Debug)]
pub(crate) struct Places {
    network: Network,
    places: [Place; 2],
}

impl Places {
    /// Two ends connected like this.
    pub(crate) fn new(access: [Access; 2], rng: &mut StdRng) -> Self {
        let mut network = Network::new();
        let mut end = 0_u8;
        let places = access.map(|access| {
            end += 1;
            let host = host(&access, end, 0);
            let nat = access.nat.map(|kind| NatConfig {
                kind,
                outside: IpAddr::from([198, 51, 100, end]),
                timeout: access.nat_timeout,
                mappings: 256,
            });
            let (up, down) = (access.up.clone(), access.down.clone());
            let site = network.add_site(vec![host.ip()], nat, up, down, seed(rng));
            let relay = access.relay.then(|| {
                let server = SocketAddr::from(([203, 0, 113, end], RELAY_PORT));
                let clean = Conditions::default();
                let site =
                    network.add_site(vec![server.ip()], None, clean.clone(), clean, seed(rng));
                Relay {
                    site,
                    server,
                    lent: SocketAddr::new(server.ip(), 50_000),
                    client: host,
                }
            });
            Place {
                access,
                site,
                host,
                moves: 0,
                relay,
            }
        });
        Self { network, places }
    }

    /// Whether the ends can reach each other at all, by what they gather.
    pub(crate) fn meet(&self) -> bool {
        let [one, other] = &self.places;
        NatKind::meets(one.access.nat, other.access.nat)
            || one.relay.is_some()
            || other.relay.is_some()
    }

    /// The address of an end's socket.
    pub(crate) fn host(&self, end: usize) -> SocketAddr {
        self.places[end].host
    }

    /// The candidates of an end, asked for anew: servers answer at once.
    pub(crate) fn gather(&mut self, end: usize, now: Instant) -> Vec<LocalCandidate> {
        let place = &mut self.places[end];
        let base = place.host;
        let mut found = vec![LocalCandidate::host(base)];
        let mut seen_by = |server: SocketAddr| match self.network.nat(place.site) {
            Some(nat) => nat.outbound(base, server, now),
            None => base,
        };
        let seen = seen_by(SocketAddr::from(STUN_SERVER));
        if seen != base {
            found.push(LocalCandidate {
                address: seen,
                base,
                typ: CandidateType::ServerReflexive,
                by_connection: false,
            });
        }
        if let Some(relay) = &mut place.relay {
            relay.client = seen_by(relay.server);
            relay.lent.set_port(relay.lent.port() + 1);
            found.push(LocalCandidate {
                address: relay.lent,
                base,
                typ: CandidateType::Relay,
                by_connection: false,
            });
        }
        found
    }

    /// Takes what an end sends by an address of its own.
    ///
    /// # Panics
    /// When the end sends from an address that it does not have.
    pub(crate) fn send(
        &mut self,
        end: usize,
        local: SocketAddr,
        remote: SocketAddr,
        bytes: &[u8],
        now: Instant,
    ) {
        let place = &self.places[end];
        let datagram = match &place.relay {
            Some(relay) if local.ip() == relay.server.ip() => {
                if local != relay.lent {
                    // Of an allocation that was given back.
                    return;
                }
                Datagram {
                    from: place.host,
                    to: relay.server,
                    payload: wrap(remote, bytes),
                }
            }
            _ => {
                if local != place.host {
                    assert!(place.moves > 0, "{local} was never an address of end {end}");
                    return;
                }
                Datagram {
                    from: local,
                    to: remote,
                    payload: bytes.to_vec(),
                }
            }
        };
        self.network.send(place.site, datagram, now);
    }

    /// The next that has reached an end by `now`.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Arrival> {
        while let Some((at, site, datagram)) = self.network.poll(now) {
            for (end, place) in self.places.iter().enumerate() {
                if site == place.site {
                    let relay = place.relay.as_ref();
                    let relay = relay.filter(|relay| relay.server == datagram.from);
                    let (local, remote, bytes) = match relay {
                        Some(relay) => {
                            let Some((remote, bytes)) = unwrap(&datagram.payload) else {
                                continue;
                            };
                            (relay.lent, remote, bytes.to_vec())
                        }
                        None => (datagram.to, datagram.from, datagram.payload),
                    };
                    if relay.is_none() && local != place.host {
                        break;
                    }
                    return Some(Arrival {
                        end,
                        local,
                        remote,
                        bytes,
                    });
                }
                let Some(relay) = place.relay.as_ref().filter(|relay| relay.site == site) else {
                    continue;
                };
                let onward = if datagram.to == relay.server && datagram.from == relay.client {
                    unwrap(&datagram.payload).map(|(remote, bytes)| Datagram {
                        from: relay.lent,
                        to: remote,
                        payload: bytes.to_vec(),
                    })
                } else if datagram.to == relay.lent {
                    Some(Datagram {
                        from: relay.server,
                        to: relay.client,
                        payload: wrap(datagram.from, &datagram.payload),
                    })
                } else {
                    None
                };
                if let Some(onward) = onward {
                    self.network.send(relay.site, onward, at);
                }
                break;
            }
        }
        None
    }

    /// When something gets on.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.network.next_deadline()
    }

    /// Cuts one way of an end's line, or mends it.
    pub(crate) fn set_cut(&mut self, end: usize, way: Way, cut: bool) {
        self.network.set_cut(self.places[end].site, way, cut);
    }

    /// Another weather on both ways of both lines.
    pub(crate) fn set_conditions(&mut self, conditions: &Conditions) {
        for place in &self.places {
            for way in [Way::Up, Way::Down] {
                self.network
                    .set_conditions(place.site, way, conditions.clone());
            }
        }
    }

    /// The NAT of an end forgets everything; `false` when there is none.
    pub(crate) fn rebind(&mut self, end: usize) -> bool {
        let nat = self.network.nat(self.places[end].site);
        nat.map(offhook_link::nat::Nat::rebind).is_some()
    }

    /// An end gets another address.
    pub(crate) fn relocate(&mut self, end: usize) {
        let place = &mut self.places[end];
        place.moves += 1;
        let number = if end == 0 { 1 } else { 2 };
        place.host = host(&place.access, number, place.moves);
        self.network
            .set_addresses(place.site, vec![place.host.ip()]);
    }
}

fn host(access: &Access, end: u8, moves: u8) -> SocketAddr {
    let ip = match access.nat {
        Some(_) => [10, 0, end, 2 + moves],
        None => [192, 0, 2, end * 100 + moves],
    };
    SocketAddr::from((ip, 4000))
}

fn wrap(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.octets(),
        IpAddr::V6(_) => [0; 4],
    };
    [&ip[..], &address.port().to_be_bytes(), bytes].concat()
}

fn unwrap(payload: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (head, bytes) = payload.split_first_chunk::<WRAPPING>()?;
    let [a, b, c, d, high, low] = *head;
    let port = u16::from_be_bytes([high, low]);
    Some((SocketAddr::from(([a, b, c, d], port)), bytes))
}

/// Chances of a part of a world.
pub(crate) fn seed(rng: &mut StdRng) -> [u8; 32] {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    seed
}

/// Evenly between these, in whole milliseconds.
pub(crate) fn millis(rng: &mut StdRng, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.random_range(from..=to))
}

//! Gathering in virtual time, against a scripted server.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use turn_types::stun::attribute::{ErrorCode, Nonce, Realm, XorMappedAddress};
use turn_types::stun::message::{Message, MessageWriteVec};
use turn_types::stun::prelude::{MessageWrite, MessageWriteExt};

mod any_server;
mod lost_relays;
mod relays;

use crate::ice::candidate::{CandidateType, LocalCandidate};
use crate::ice::gathering::config::{CandidatePolicy, GatheringConfig};
use crate::ice::gathering::failure::ServerFailure;
use crate::ice::gathering::gatherer::{Gatherer, Inbound, Output, StreamId};
use crate::ice::server::{IceServer, IceServerAddress};

const BASE: &str = "192.168.1.20:40000";
const STUN: &str = "stun:198.51.100.1:3478";
const OTHER: &str = "stun:198.51.100.2:3478";
const TURN: &str = "turn:198.51.100.3:3478";
/// Where the other one is.
const OTHER_END: &str = "198.51.100.2:3478";
const MAPPED: &str = "203.0.113.7:61000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn server(url: &str) -> IceServerAddress {
    let mut server: IceServer = url.parse().unwrap();
    if server.protocol.relays() {
        server = server.with_credentials("user", "secret");
    }
    let ip = server.host.parse().unwrap();
    server.at(ip)
}

/// What the gatherer said, and when.
#[derive(Debug, PartialEq)]
enum Said {
    Candidate(LocalCandidate),
    Failed(String, ServerFailure),
    Connect(StreamId),
    Gone(SocketAddr),
    Complete,
}

struct World {
    gatherer: Gatherer,
    start: Instant,
    now: Instant,
    said: Vec<(Duration, Said)>,
    /// Datagrams to servers that were not looked at yet.
    sent: Vec<(SocketAddr, Vec<u8>)>,
    /// The same on connections.
    written: Vec<Vec<u8>>,
    /// Servers to connect to.
    connects: Vec<SocketAddr>,
    wait: Option<Instant>,
}

impl World {
    fn new(config: GatheringConfig, bases: &[&str]) -> Self {
        let now = start_of_time();
        let bases: Vec<_> = bases.iter().map(|base| address(base)).collect();
        let mut world = Self {
            gatherer: Gatherer::new(config, &bases, now),
            start: now,
            now,
            said: Vec::new(),
            sent: Vec::new(),
            written: Vec::new(),
            connects: Vec::new(),
            wait: None,
        };
        world.drain();
        world
    }

    fn asking(urls: &[&str]) -> Self {
        let config = GatheringConfig {
            servers: urls.iter().map(|url| server(url)).collect(),
            ..GatheringConfig::default()
        };
        Self::new(config, &[BASE])
    }

    fn drain(&mut self) {
        loop {
            let at = self.now - self.start;
            match self.gatherer.poll() {
                Output::Transmit { remote, bytes, .. } => self.sent.push((remote, bytes)),
                Output::Candidate(candidate) => self.said.push((at, Said::Candidate(candidate))),
                Output::Failed { server, failure } => {
                    self.said.push((at, Said::Failed(server, failure)));
                }
                Output::Connect { stream, remote, .. } => {
                    self.connects.push(remote);
                    self.said.push((at, Said::Connect(stream)));
                }
                Output::Write { bytes, .. } => self.written.push(bytes),
                Output::Gone(relayed) => self.said.push((at, Said::Gone(relayed))),
                Output::Complete => self.said.push((at, Said::Complete)),
                Output::Close(_) | Output::Peer { .. } => {}
                Output::Wait(wait) => {
                    self.wait = wait;
                    return;
                }
            }
        }
    }

    /// Lets time pass until the gathering is complete, with this much of it at most.
    fn run(&mut self, most: Duration) {
        let end = self.start + most;
        while !self.gatherer.is_complete()
            && let Some(wait) = self.wait.filter(|wait| *wait <= end)
        {
            self.now = self.now.max(wait);
            self.gatherer.handle_timeout(self.now);
            self.drain();
        }
    }

    /// Lets time pass until a request to this server was sent, and takes the last one.
    fn request(&mut self, remote: &str) -> Vec<u8> {
        let remote = address(remote);
        loop {
            if let Some(place) = self.sent.iter().position(|(to, _)| *to == remote) {
                return self.sent.remove(place).1;
            }
            let wait = self.wait.expect("it wants to send something");
            self.now = self.now.max(wait);
            self.gatherer.handle_timeout(self.now);
            self.drain();
        }
    }

    fn receive(&mut self, from: &str, bytes: &[u8]) -> Inbound {
        let inbound = self
            .gatherer
            .handle_datagram(address(BASE), address(from), bytes, self.now);
        self.drain();
        inbound
    }

    fn candidates(&self) -> Vec<LocalCandidate> {
        let candidate = |said: &(Duration, Said)| match said.1 {
            Said::Candidate(candidate) => Some(candidate),
            Said::Failed(..) | Said::Connect(_) | Said::Gone(_) | Said::Complete => None,
        };
        self.said.iter().filter_map(candidate).collect()
    }

    fn completed_at(&self) -> Option<Duration> {
        let complete = self.said.iter().find(|(_, said)| *said == Said::Complete);
        complete.map(|(at, _)| *at)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an instant cannot be made otherwise; all others are counted from it"
)]
fn start_of_time() -> Instant {
    Instant::now()
}

fn mapped(request: &[u8], to: &str) -> Vec<u8> {
    let request = Message::from_bytes(request).unwrap();
    let mut reply = Message::builder_success(&request, MessageWriteVec::new());
    let seen = XorMappedAddress::new(address(to), request.transaction_id());
    reply.add_attribute(&seen).unwrap();
    reply.finish()
}

fn error(request: &[u8], code: u16) -> Vec<u8> {
    let request = Message::from_bytes(request).unwrap();
    let mut reply = Message::builder_error(&request, MessageWriteVec::new());
    let error = ErrorCode::builder(code).build().unwrap();
    reply.add_attribute(&error).unwrap();
    if code == 401 {
        reply
            .add_attribute(&Realm::new("example").unwrap())
            .unwrap();
        reply.add_attribute(&Nonce::new("nonce").unwrap()).unwrap();
    }
    reply.finish()
}

#[test]
fn without_servers_there_is_nothing_to_wait_for() {
    let world = World::asking(&[]);
    assert_eq!(world.completed_at(), Some(Duration::ZERO));
}

#[test]
fn a_stun_server_tells_the_address_it_sees_and_ends_the_gathering() {
    let mut world = World::asking(&[STUN]);
    let request = world.request("198.51.100.1:3478");
    world.now += Duration::from_millis(30);
    world.receive("198.51.100.1:3478", &mapped(&request, MAPPED));
    let seen = LocalCandidate {
        address: address(MAPPED),
        base: address(BASE),
        typ: CandidateType::ServerReflexive,
        by_connection: false,
    };
    assert_eq!(world.candidates(), [seen]);
    assert_eq!(world.completed_at(), Some(Duration::from_millis(30)));
}

/// A call may ring for longer than a NAT keeps what it has heard nothing of.
#[test]
fn an_address_that_a_nat_gave_us_is_kept_until_there_is_a_path() {
    let mut world = World::asking(&[STUN]);
    let request = world.request("198.51.100.1:3478");
    world.receive("198.51.100.1:3478", &mapped(&request, MAPPED));
    assert!(world.completed_at().is_some());
    for times in 1..=4 {
        assert!(!world.gatherer.is_idle());
        let again = world.request("198.51.100.1:3478");
        assert_eq!(world.now - world.start, Duration::from_secs(15 * times));
        assert_ne!(again, request);
        // Its answer is for nobody else.
        let inbound = world.receive("198.51.100.1:3478", &mapped(&again, MAPPED));
        assert!(matches!(inbound, Inbound::Taken));
    }
    world.gatherer.path_found();
    world.drain();
    assert_eq!(world.wait, None);
    assert!(world.gatherer.is_idle());
}

#[test]
fn a_stun_server_that_refuses_is_told_with_its_code() {
    for code in [401, 420, 500] {
        let mut world = World::asking(&[STUN]);
        let request = world.request("198.51.100.1:3478");
        world.receive("198.51.100.1:3478", &error(&request, code));
        let failed = Said::Failed(STUN.to_owned(), ServerFailure::Refused { code });
        assert!(world.said.iter().any(|(_, said)| *said == failed));
        assert_eq!(world.completed_at(), Some(Duration::ZERO));
    }
}

#[test]
fn a_stun_server_sends_us_to_another_and_not_for_ever() {
    let mut world = World::asking(&[STUN]);
    let request = world.request("198.51.100.1:3478");
    let answer = relays::moved(&request, "198.51.100.8:3479");
    world.receive("198.51.100.1:3478", &answer);
    let request = world.request("198.51.100.8:3479");
    world.receive("198.51.100.8:3479", &mapped(&request, MAPPED));
    let found: Vec<_> = world.candidates().iter().map(|it| it.address).collect();
    assert_eq!(found, [address(MAPPED)]);

    // Of the other family, of no use, and in a circle.
    for (to, asked) in [("[2001:db8::9]:3478", 0), ("0.0.0.0:1", 0), (OTHER_END, 2)] {
        let mut world = World::asking(&[STUN]);
        let (mut at, mut followed) = ("198.51.100.1:3478", 0);
        loop {
            let request = world.request(at);
            world.receive(at, &relays::moved(&request, to));
            if world.completed_at().is_some() {
                break;
            }
            (at, followed) = (to, followed + 1);
        }
        assert_eq!(followed, asked, "{to}");
        let failed = Said::Failed(STUN.to_owned(), ServerFailure::Redirected);
        assert!(world.said.iter().any(|(_, said)| *said == failed));
    }
}

/// One of before RFC 5389.
#[test]
fn an_old_stun_server_tells_the_address_as_it_is() {
    let mut world = World::asking(&[STUN]);
    let request = world.request("198.51.100.1:3478");
    let mut answer = vec![0x01, 0x01, 0, 12];
    answer.extend(&request[4..20]);
    answer.extend([0, 1, 0, 8, 0, 1]);
    answer.extend(61_000_u16.to_be_bytes());
    answer.extend([203, 0, 113, 7]);
    world.receive("198.51.100.1:3478", &answer);
    let found: Vec<_> = world.candidates().iter().map(|it| it.address).collect();
    assert_eq!(found, [address(MAPPED)]);
}

#[test]
fn an_untranslated_address_is_no_new_candidate() {
    let mut world = World::asking(&[STUN]);
    let request = world.request("198.51.100.1:3478");
    world.receive("198.51.100.1:3478", &mapped(&request, BASE));
    assert_eq!(world.candidates(), []);
    assert!(world.completed_at().is_some());
}

#[test]
fn a_lost_request_is_repeated() {
    let mut world = World::asking(&[STUN]);
    let _lost = world.request("198.51.100.1:3478");
    let again = world.request("198.51.100.1:3478");
    assert_eq!(world.now - world.start, Duration::from_millis(500));
    world.receive("198.51.100.1:3478", &mapped(&again, MAPPED));
    assert_eq!(world.candidates().len(), 1);
}

#[test]
fn a_dead_server_delays_a_living_one_by_half_a_second_at_most() {
    let mut world = World::asking(&[STUN, OTHER]);
    let request = world.request("198.51.100.2:3478");
    world.now += Duration::from_millis(40);
    world.receive("198.51.100.2:3478", &mapped(&request, MAPPED));
    let answered = world.now - world.start;
    world.run(Duration::from_secs(10));
    assert_eq!(
        world.completed_at(),
        Some(answered + Duration::from_millis(500))
    );
    let dead = Said::Failed(STUN.to_owned(), ServerFailure::Unanswered);
    assert!(
        world.said.iter().any(|(_, said)| *said == dead),
        "{:?}",
        world.said
    );
}

#[test]
fn dead_servers_end_after_two_seconds() {
    let mut world = World::asking(&[STUN, TURN, "turn:198.51.100.4:3478?transport=tcp"]);
    world.run(Duration::from_secs(10));
    assert_eq!(world.completed_at(), Some(Duration::from_secs(2)));
    let failures = world
        .said
        .iter()
        .filter(|(_, said)| matches!(said, Said::Failed(..)));
    assert_eq!(failures.count(), 3);
}

#[test]
fn an_answer_of_a_stranger_counts_for_nothing() {
    let mut world = World::asking(&[STUN]);
    let request = world.request("198.51.100.1:3478");
    let answer = mapped(&request, MAPPED);
    assert!(matches!(
        world.receive("198.51.100.9:3478", &answer),
        Inbound::Stranger
    ));
    let mut forged = answer.clone();
    forged[10] ^= 1;
    assert!(matches!(
        world.receive("198.51.100.1:3478", &forged),
        Inbound::Stranger
    ));
    assert_eq!(world.candidates(), []);
}

#[test]
fn a_relay_that_refuses_the_password_is_said_to() {
    let mut world = World::asking(&[TURN]);
    let first = world.request("198.51.100.3:3478");
    world.receive("198.51.100.3:3478", &error(&first, 401));
    let second = world.request("198.51.100.3:3478");
    assert_ne!(first, second, "the second carries credentials");
    world.receive("198.51.100.3:3478", &error(&second, 401));
    let failed = Said::Failed(TURN.to_owned(), ServerFailure::Unauthorized);
    assert!(
        world.said.iter().any(|(_, said)| *said == failed),
        "{:?}",
        world.said
    );
    assert!(
        world
            .completed_at()
            .is_some_and(|at| at < Duration::from_secs(1))
    );
}

#[test]
fn a_relay_without_room_is_given_up_at_once() {
    let mut world = World::asking(&[TURN]);
    let first = world.request("198.51.100.3:3478");
    world.receive("198.51.100.3:3478", &error(&first, 401));
    let second = world.request("198.51.100.3:3478");
    world.receive("198.51.100.3:3478", &error(&second, 486));
    let failed = Said::Failed(TURN.to_owned(), ServerFailure::Refused { code: 486 });
    assert!(
        world.said.iter().any(|(_, said)| *said == failed),
        "{:?}",
        world.said
    );
}

#[test]
fn a_relay_without_credentials_or_tls_is_not_asked() {
    let mut bare = server(TURN);
    bare.server.credentials = None;
    let config = GatheringConfig {
        servers: vec![bare, server("turns:198.51.100.3")],
        ..GatheringConfig::default()
    };
    let world = World::new(config, &[BASE]);
    assert_eq!(world.completed_at(), Some(Duration::ZERO));
    assert!(world.sent.is_empty());
    let failed = Said::Failed(TURN.to_owned(), ServerFailure::NoCredentials);
    assert!(
        world.said.iter().any(|(_, said)| *said == failed),
        "{:?}",
        world.said
    );
}

#[test]
fn the_policy_says_who_is_asked() {
    for (policy, asked) in [
        (CandidatePolicy::RelayOnly, "198.51.100.3:3478"),
        (CandidatePolicy::NoRelay, "198.51.100.1:3478"),
    ] {
        let config = GatheringConfig {
            servers: vec![server(STUN), server(TURN)],
            policy,
            ..GatheringConfig::default()
        };
        let mut world = World::new(config, &[BASE]);
        world.run(Duration::from_millis(200));
        assert!(!world.sent.is_empty());
        for (to, _) in &world.sent {
            assert_eq!(*to, address(asked), "{policy:?}");
        }
    }
}

#[test]
fn a_connection_that_fails_is_told_with_its_reason() {
    let mut world = World::asking(&["turn:198.51.100.3:3478?transport=tcp"]);
    world.run(Duration::from_millis(1));
    assert_eq!(world.said, [(Duration::ZERO, Said::Connect(StreamId(0)))]);
    world
        .gatherer
        .stream_closed(StreamId(0), Some("refused".to_owned()), world.now);
    world.drain();
    let failed = ServerFailure::Connection("refused".to_owned());
    assert!(
        world
            .said
            .iter()
            .any(|(_, said)| matches!(said, Said::Failed(_, why) if *why == failed))
    );
    assert!(world.completed_at().is_some());
}

#[test]
fn only_sockets_that_reach_a_server_ask_it() {
    let config = GatheringConfig {
        servers: vec![server(STUN)],
        ..GatheringConfig::default()
    };
    let mut world = World::new(config, &["127.0.0.1:40000", "[2001:db8::20]:40000"]);
    world.run(Duration::from_secs(3));
    assert!(world.sent.is_empty());
    let failed = Said::Failed(STUN.to_owned(), ServerFailure::OutOfReach);
    assert!(
        world.said.iter().any(|(_, said)| *said == failed),
        "{:?}",
        world.said
    );
}

#[test]
fn trickling_candidates_are_told_as_they_come_and_nobody_is_hurried() {
    let config = GatheringConfig {
        servers: vec![server(STUN), server(OTHER)],
        trickle: true,
        ..GatheringConfig::default()
    };
    let mut world = World::new(config, &[BASE]);
    let first = world.request("198.51.100.1:3478");
    world.receive("198.51.100.1:3478", &mapped(&first, MAPPED));
    world.run(Duration::from_millis(1500));
    assert_eq!(world.completed_at(), None);
    let second = world.request("198.51.100.2:3478");
    world.receive("198.51.100.2:3478", &mapped(&second, "203.0.113.8:61000"));
    assert_eq!(world.candidates().len(), 2);
    assert!(world.completed_at().is_some());
}

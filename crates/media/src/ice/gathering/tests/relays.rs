//! What TURN servers refuse, and how: over UDP and over connections.

use std::time::Duration;

use turn_client_proto::types::attribute::{Lifetime, XorRelayedAddress};
use turn_client_proto::types::stun::attribute::{AlternateServer, ErrorCode};
use turn_client_proto::types::stun::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageWriteVec,
};
use turn_client_proto::types::stun::prelude::{MessageWrite, MessageWriteExt};

use super::{BASE, STUN, Said, TURN, World, address, error, server};
use crate::ice::gathering::config::GatheringConfig;
use crate::ice::gathering::failure::ServerFailure;
use crate::ice::gathering::gatherer::plan::MAX_RELAYS;
use crate::ice::gathering::gatherer::{Sent, StreamId};
use crate::ice::server::{CredentialsError, IceServerAddress};

const STREAM: StreamId = StreamId(0);
const BY_TCP: &str = "turn:198.51.100.3:3478?transport=tcp";

fn with_servers(servers: Vec<IceServerAddress>, bases: &[&str]) -> World {
    let config = GatheringConfig {
        servers,
        ..GatheringConfig::default()
    };
    World::new(config, bases)
}

impl World {
    fn open(&mut self) {
        self.run(self.now - self.start + Duration::from_millis(1));
        self.gatherer.stream_opened(STREAM, address(BASE), self.now);
        self.drain();
    }

    fn write(&mut self, bytes: &[u8]) {
        self.gatherer.stream_data(STREAM, bytes, self.now);
        self.drain();
    }

    /// What the call says next on its connection.
    fn read(&mut self) -> Vec<u8> {
        while self.written.is_empty() {
            self.now = self.now.max(self.wait.expect("it wants to say something"));
            self.gatherer.handle_timeout(self.now);
            self.drain();
        }
        self.written.remove(0)
    }

    fn failures(&self) -> Vec<&ServerFailure> {
        let failure = |(_, said): &'_ (Duration, Said)| matches!(said, Said::Failed(..));
        let failed = self.said.iter().filter(|it| failure(it));
        failed
            .filter_map(|(_, said)| match said {
                Said::Failed(_, failure) => Some(failure),
                Said::Candidate(_) | Said::Connect(_) | Said::Complete => None,
            })
            .collect()
    }
}

fn moved(request: &[u8], to: &str) -> Vec<u8> {
    let request = Message::from_bytes(request).unwrap();
    let mut reply = Message::builder_error(&request, MessageWriteVec::new());
    let error = ErrorCode::builder(300).build().unwrap();
    reply.add_attribute(&error).unwrap();
    let alternate = AlternateServer::new(address(to));
    reply.add_attribute(&alternate).unwrap();
    reply.finish()
}

#[test]
fn a_refusal_over_a_connection_is_told_by_its_code() {
    for code in [403, 437, 486, 508] {
        let mut world = World::asking(&[BY_TCP]);
        world.open();
        let first = world.read();
        // In pieces, as a stream may bring it.
        let reply = error(&first, 401);
        let (head, tail) = reply.split_at(7);
        world.write(head);
        world.write(tail);
        let second = world.read();
        world.write(&error(&second, code));
        assert_eq!(world.failures(), [&ServerFailure::Refused { code }]);
    }
    let mut world = World::asking(&[BY_TCP]);
    world.open();
    let first = world.read();
    world.write(&error(&first, 401));
    let second = world.read();
    world.write(&error(&second, 401));
    assert_eq!(world.failures(), [&ServerFailure::Unauthorized]);
}

#[test]
fn a_server_that_names_another_over_a_connection_is_left_for_it() {
    let mut world = World::asking(&[BY_TCP]);
    world.open();
    let first = world.read();
    world.write(&moved(&first, "198.51.100.33:3479"));
    // It closes at once; that is no failure.
    world.gatherer.stream_closed(STREAM, None, world.now);
    world.drain();
    assert!(world.failures().is_empty());
    world.open();
    assert_eq!(
        world.connects,
        ["198.51.100.3:3478", "198.51.100.33:3479"].map(address)
    );
    let first = world.read();
    world.write(&error(&first, 401));
    let second = world.read();
    world.write(&error(&second, 486));
    assert_eq!(world.failures(), [&ServerFailure::Refused { code: 486 }]);
}

#[test]
fn servers_that_name_one_another_are_followed_twice() {
    let mut world = World::asking(&[TURN]);
    let mut asked = "198.51.100.3:3478";
    for next in [
        "198.51.100.4:3478",
        "198.51.100.5:3478",
        "198.51.100.6:3478",
    ] {
        let request = world.request(asked);
        world.receive(asked, &moved(&request, next));
        asked = next;
    }
    assert_eq!(world.failures(), [&ServerFailure::Redirected]);
}

#[test]
fn a_server_that_relays_for_anybody_is_said_to() {
    let mut world = World::asking(&[TURN]);
    let first = world.request("198.51.100.3:3478");
    world.receive("198.51.100.3:3478", &allocated(&first, false));
    assert_eq!(world.failures(), [&ServerFailure::NoAuthentication]);
    let mut world = World::asking(&[BY_TCP]);
    world.open();
    let first = world.read();
    world.write(&allocated(&first, false));
    assert_eq!(world.failures(), [&ServerFailure::NoAuthentication]);
}

/// One that cannot be sent took all calls down.
#[test]
fn a_user_name_too_long_for_any_request_is_refused_by_name() {
    let mut long = server(TURN);
    let bare = long.server.clone();
    long.server = bare.clone().with_credentials("u".repeat(509), "secret");
    let world = with_servers(vec![long.clone()], &[BASE]);
    let (length, limit) = (509, 508);
    let why = ServerFailure::Credentials(CredentialsError::LongUsername { length, limit });
    assert_eq!(world.failures(), [&why]);
    // The longest there may be goes on the wire.
    long.server = bare.with_credentials("u".repeat(508), "secret");
    let mut world = with_servers(vec![long], &[BASE]);
    let first = world.request("198.51.100.3:3478");
    world.receive("198.51.100.3:3478", &error(&first, 401));
    let second = world.request("198.51.100.3:3478");
    assert!(second.len() > 508);
}

/// A machine with many addresses behind a firewall that lets connections through alone.
#[test]
fn many_addresses_leave_a_turn_for_each_server() {
    let bases: Vec<String> = (1..=12).map(|n| format!("192.168.{n}.20:40000")).collect();
    let bases: Vec<&str> = bases.iter().map(String::as_str).collect();
    let servers = [TURN, "turn:198.51.100.4:3478?transport=tcp", STUN];
    let mut world = with_servers(servers.map(server).to_vec(), &bases);
    world.run(Duration::from_millis(200));
    assert_eq!(world.connects, [address("198.51.100.4:3478")]);
    let to = |wanted: &str| {
        world
            .sent
            .iter()
            .filter(|(to, _)| *to == address(wanted))
            .count()
    };
    assert!(to("198.51.100.3:3478") >= MAX_RELAYS - 1);
    assert!(to("198.51.100.1:3478") >= 12);

    let many = (1..=9).map(|n| server(&format!("turn:198.51.100.{n}:3478")));
    let mut world = with_servers(many.collect(), &bases);
    world.run(Duration::from_secs(3));
    let limit = MAX_RELAYS;
    let failures = world.failures();
    assert_eq!(
        failures.last(),
        Some(&&ServerFailure::TooManyServers { limit })
    );
    assert_eq!(failures.len(), 9);
}

fn allocated(request: &[u8], signed: bool) -> Vec<u8> {
    let request = Message::from_bytes(request).unwrap();
    let mut reply = Message::builder_success(&request, MessageWriteVec::new());
    let relayed = XorRelayedAddress::new(address(RELAYED), request.transaction_id());
    reply.add_attribute(&relayed).unwrap();
    reply.add_attribute(&Lifetime::new(600)).unwrap();
    let key = LongTermKeyCredentials::new("user".into(), "secret".into(), "example".into());
    if signed {
        let algorithm = IntegrityAlgorithm::Sha1;
        reply.add_message_integrity(&key.into(), algorithm).unwrap();
    }
    reply.finish()
}

const RELAYED: &str = "203.0.113.9:50000";
const CREATE_PERMISSION: [u8; 2] = [0x00, 0x08];

#[test]
fn a_permission_that_nobody_answered_is_asked_for_again_and_a_refused_one_is_not() {
    for refused in [false, true] {
        let mut world = World::asking(&[TURN]);
        let remote = "198.51.100.3:3478";
        let first = world.request(remote);
        world.receive(remote, &error(&first, 401));
        let second = world.request(remote);
        world.receive(remote, &allocated(&second, true));
        assert_eq!(world.candidates().len(), 1);
        world.sent.clear();
        let mut asked = Vec::new();
        // A check each half second, and what comes of it.
        for tick in 0..60 {
            let end = world.start + tick * Duration::from_millis(500);
            while let Some(wait) = world.wait.filter(|wait| *wait <= end) {
                world.now = world.now.max(wait);
                world.gatherer.handle_timeout(world.now);
                world.drain();
            }
            world.now = world.now.max(end);
            let peer = address("192.0.2.77:4000");
            let sent = world
                .gatherer
                .send(address(RELAYED), peer, &[0, 1, 0, 0], world.now);
            assert!(matches!(sent, Some(Sent::Held)));
            world.drain();
            for (_, request) in std::mem::take(&mut world.sent) {
                if !request.starts_with(&CREATE_PERMISSION) {
                    continue;
                }
                let transaction = request[8..20].to_vec();
                if !asked.contains(&transaction) {
                    asked.push(transaction);
                    if refused {
                        world.receive(remote, &refusal(&request));
                    }
                }
            }
        }
        match refused {
            true => assert_eq!(asked.len(), 1),
            false => assert!(asked.len() >= 3, "{}", asked.len()),
        }
    }
}

fn refusal(request: &[u8]) -> Vec<u8> {
    let request = Message::from_bytes(request).unwrap();
    let mut reply = Message::builder_error(&request, MessageWriteVec::new());
    let error = ErrorCode::builder(403).build().unwrap();
    reply.add_attribute(&error).unwrap();
    let key = LongTermKeyCredentials::new("user".into(), "secret".into(), "example".into());
    let algorithm = IntegrityAlgorithm::Sha1;
    reply.add_message_integrity(&key.into(), algorithm).unwrap();
    reply.finish()
}

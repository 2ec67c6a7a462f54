//! What TURN servers refuse, and how: over UDP and over connections.

use std::time::Duration;

use turn_types::attribute::{Lifetime, XorPeerAddress, XorRelayedAddress};
use turn_types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION as PERMISSION, REFRESH};
use turn_types::stun::attribute::{AlternateServer, ErrorCode, Nonce, Realm};
use turn_types::stun::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageWriteVec,
};
use turn_types::stun::prelude::{MessageWrite, MessageWriteExt};

use super::{BASE, STUN, Said, TURN, World, address, error, server};
use crate::ice::gathering::config::GatheringConfig;
use crate::ice::gathering::failure::ServerFailure;
use crate::ice::gathering::gatherer::plan::MAX_RELAYS;
use crate::ice::gathering::gatherer::{Inbound, Sent, StreamId};
use crate::ice::server::{CredentialsError, IceServerAddress};

pub(super) const STREAM: StreamId = StreamId(0);
pub(super) const BY_TCP: &str = "turn:198.51.100.3:3478?transport=tcp";

fn with_servers(servers: Vec<IceServerAddress>, bases: &[&str]) -> World {
    let config = GatheringConfig {
        servers,
        ..GatheringConfig::default()
    };
    World::new(config, bases)
}

impl World {
    pub(super) fn open(&mut self) {
        self.run(self.now - self.start + Duration::from_millis(1));
        self.gatherer.stream_opened(STREAM, address(BASE), self.now);
        self.drain();
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.gatherer.stream_data(STREAM, bytes, self.now);
        self.drain();
    }

    /// What the call says next on its connection.
    pub(super) fn read(&mut self) -> Vec<u8> {
        while self.written.is_empty() {
            self.now = self.now.max(self.wait.expect("it wants to say something"));
            self.gatherer.handle_timeout(self.now);
            self.drain();
        }
        self.written.remove(0)
    }

    pub(super) fn failures(&self) -> Vec<&ServerFailure> {
        let failure = |(_, said): &'_ (Duration, Said)| matches!(said, Said::Failed(..));
        let failed = self.said.iter().filter(|it| failure(it));
        failed
            .filter_map(|(_, said)| match said {
                Said::Failed(_, failure) => Some(failure),
                Said::Candidate(_) | Said::Connect(_) | Said::Gone(_) | Said::Complete => None,
            })
            .collect()
    }
}

pub(super) fn moved(request: &[u8], to: &str) -> Vec<u8> {
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
    for code in [403, 442, 486, 508] {
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
    allocated_at(RELAYED, request, signed)
}

pub(super) fn allocated_at(relayed: &str, request: &[u8], signed: bool) -> Vec<u8> {
    let request = Message::from_bytes(request).unwrap();
    let mut reply = Message::builder_success(&request, MessageWriteVec::new());
    let relayed = XorRelayedAddress::new(address(relayed), request.transaction_id());
    reply.add_attribute(&relayed).unwrap();
    reply.add_attribute(&Lifetime::new(600)).unwrap();
    let key = LongTermKeyCredentials::new("user".into(), "secret".into(), "example".into());
    if signed {
        let algorithm = IntegrityAlgorithm::Sha1;
        reply.add_message_integrity(&key.into(), algorithm).unwrap();
    }
    reply.finish()
}

pub(super) const RELAYED: &str = "203.0.113.9:50000";
pub(super) const CREATE_PERMISSION: [u8; 2] = [0x00, 0x08];

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
    refusal_by(403, request)
}

pub(super) fn refusal_by(code: u16, request: &[u8]) -> Vec<u8> {
    let request = Message::from_bytes(request).unwrap();
    let mut reply = Message::builder_error(&request, MessageWriteVec::new());
    let error = ErrorCode::builder(code).build().unwrap();
    reply.add_attribute(&error).unwrap();
    let key = LongTermKeyCredentials::new("user".into(), "secret".into(), "example".into());
    let algorithm = IntegrityAlgorithm::Sha1;
    reply.add_message_integrity(&key.into(), algorithm).unwrap();
    reply.finish()
}

/// A server that takes each nonce once: whatever is asked next is refused by 438 first, and has to come again with the new one.
#[derive(Default)]
struct Impatient {
    nonce: u32,
    /// Beginnings of the requests that were refused so.
    refused: Vec<[u8; 2]>,
    /// And granted.
    granted: Vec<[u8; 2]>,
    /// Datagrams for peers that came.
    passed: u32,
}

impl Impatient {
    /// What it answers, if it was asked something.
    fn answer(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        const SEND: [u8; 2] = [0x00, 0x16];
        const ALLOCATE: [u8; 2] = [0x00, 0x03];
        let kind = *message.first_chunk()?;
        let in_channel = message[0] & 0xc0 == 0x40;
        if in_channel || kind == SEND {
            self.passed += 1;
            return None;
        }
        let request = Message::from_bytes(message).unwrap();
        let nonce = request.attribute::<Nonce>().ok();
        let code = match nonce {
            None => 401,
            Some(nonce) if nonce.nonce() != self.nonce.to_string() => 438,
            Some(_) => {
                self.nonce += 1;
                self.granted.push(kind);
                return Some(match kind {
                    ALLOCATE => allocated(message, true),
                    _ => granted(&request),
                });
            }
        };
        if code == 438 {
            self.refused.push(kind);
        }
        let mut reply = Message::builder_error(&request, MessageWriteVec::new());
        reply
            .add_attribute(&ErrorCode::builder(code).build().unwrap())
            .unwrap();
        reply
            .add_attribute(&Realm::new("example").unwrap())
            .unwrap();
        let told = match code {
            401 => "first".to_owned(),
            _ => self.nonce.to_string(),
        };
        reply.add_attribute(&Nonce::new(&told).unwrap()).unwrap();
        Some(reply.finish())
    }
}

/// One that answers all it is asked gives a relay, with a channel to this peer.
pub(super) fn relayed_call(world: &mut World, peer: &str) {
    let remote = "198.51.100.3:3478";
    let first = world.request(remote);
    world.receive(remote, &error(&first, 401));
    let second = world.request(remote);
    world.receive(remote, &allocated(&second, true));
    for first_byte in [0, 0x80] {
        let bytes = [first_byte, 1, 0, 0];
        let _ = world
            .gatherer
            .send(address(RELAYED), address(peer), &bytes, world.now);
        world.drain();
        let request = world.request(remote);
        let reply = granted(&Message::from_bytes(&request).unwrap());
        world.receive(remote, &reply);
        world.sent.clear();
    }
}

/// A timer for each packet would cost more than the packet.
#[test]
fn what_a_peer_sends_by_a_relay_wakes_nobody() {
    let mut world = World::asking(&[TURN]);
    relayed_call(&mut world, "192.0.2.77:4000");
    world.now += Duration::from_secs(1);
    world.gatherer.handle_timeout(world.now);
    world.drain();
    let wait = world.wait.unwrap();
    assert!(wait > world.now + Duration::from_secs(60));
    for _ in 0..50 {
        world.now += Duration::from_millis(20);
        let inbound = world.receive("198.51.100.3:3478", &[0x40, 0, 0, 4, 0x80, 1, 2, 3]);
        assert!(matches!(inbound, Inbound::Peer { range, .. } if range == (4..8)));
        assert_eq!(world.wait, Some(wait));
    }
}

pub(super) fn granted(request: &Message<'_>) -> Vec<u8> {
    let mut reply = Message::builder_success(request, MessageWriteVec::new());
    reply.add_attribute(&Lifetime::new(600)).unwrap();
    let key = LongTermKeyCredentials::new("user".into(), "secret".into(), "example".into());
    reply
        .add_message_integrity(&key.into(), IntegrityAlgorithm::Sha1)
        .unwrap();
    reply.finish()
}

/// For forty minutes, in which everything that was asked for has to be asked for again several times.
#[test]
fn a_relay_whose_nonces_go_stale_carries_a_long_call() {
    const SECONDS: u32 = 2400;
    for (url, by_udp) in [(TURN, true), (BY_TCP, false)] {
        let mut world = World::asking(&[url]);
        if !by_udp {
            world.open();
        }
        let mut server = Impatient::default();
        let mut sent = 0;
        for second in 0..SECONDS {
            let end = world.start + Duration::from_secs(second.into());
            loop {
                let of_udp = std::mem::take(&mut world.sent)
                    .into_iter()
                    .map(|(_, it)| it);
                let asked: Vec<_> = of_udp.chain(std::mem::take(&mut world.written)).collect();
                let any = !asked.is_empty();
                for answer in asked.iter().filter_map(|it| server.answer(it)) {
                    match by_udp {
                        true => drop(world.receive("198.51.100.3:3478", &answer)),
                        false => world.write(&answer),
                    }
                }
                if any {
                    continue;
                }
                let Some(wait) = world.wait.filter(|wait| *wait <= end) else {
                    break;
                };
                world.now = world.now.max(wait);
                world.gatherer.handle_timeout(world.now);
                world.drain();
            }
            world.now = world.now.max(end);
            if world.candidates().is_empty() {
                continue;
            }
            // A check, and then media.
            let bytes = [if sent == 0 { 0 } else { 0x80 }, 1, 0, 0];
            let peer = address("192.0.2.77:4000");
            let out = world
                .gatherer
                .send(address(RELAYED), peer, &bytes, world.now);
            let out = match out.expect("a relay") {
                Sent::Datagram { bytes, .. } | Sent::Stream { bytes, .. } => Some(bytes.to_vec()),
                Sent::Held => None,
            };
            // Only the first waits for the server's leave.
            assert_eq!(out.is_none(), sent == 0, "{url}: second {second}");
            if let Some(bytes) = out {
                let _ = server.answer(&bytes);
            }
            sent += 1;
            world.drain();
        }
        assert!(world.failures().is_empty(), "{url}: {:?}", world.failures());
        assert!(sent > SECONDS - 5, "{url}: {sent} sent");
        assert_eq!(server.passed, sent, "{url}: each came through");
        const REFRESH: [u8; 2] = [0x00, 0x04];
        const BIND_CHANNEL: [u8; 2] = [0x00, 0x09];
        let kinds = [(REFRESH, 3), (CREATE_PERMISSION, 1), (BIND_CHANNEL, 3)];
        for (kind, least) in kinds {
            let count = |of: &[[u8; 2]]| of.iter().filter(|it| **it == kind).count();
            let (refused, granted) = (count(&server.refused), count(&server.granted));
            assert!(granted >= least, "{url}: {kind:?} granted {granted} times");
            assert_eq!(
                refused, granted,
                "{url}: {kind:?} asked for once more each time"
            );
        }
    }
}

#[test]
fn another_server_over_udp_gives_the_relay_that_the_first_did_not() {
    let mut world = World::asking(&[TURN]);
    let first = world.request("198.51.100.3:3478");
    world.receive("198.51.100.3:3478", &moved(&first, "198.51.100.4:3478"));
    let asked = world.request("198.51.100.4:3478");
    world.receive("198.51.100.4:3478", &error(&asked, 401));
    let asked = world.request("198.51.100.4:3478");
    world.receive("198.51.100.4:3478", &allocated(&asked, true));
    let relayed: Vec<_> = world.candidates().iter().map(|it| it.address).collect();
    assert_eq!(relayed, [address(RELAYED)]);
    assert!(world.failures().is_empty());
    // What it carries goes there, and the first is left alone.
    world.sent.clear();
    let peer = address("192.0.2.77:4000");
    let sent = world
        .gatherer
        .send(address(RELAYED), peer, &[0, 1, 0, 0], world.now);
    assert!(matches!(sent, Some(Sent::Held)));
    world.drain();
    let asked = world.request("198.51.100.4:3478");
    assert!(asked.starts_with(&CREATE_PERMISSION));
    assert!(world.sent.is_empty());
}

/// What a relayed call sends and what is answered, for so long; `says` is asked what the server says to each request.
fn carried(
    world: &mut World,
    time: Duration,
    mut says: impl FnMut(&[u8], &Message<'_>) -> Option<Vec<u8>>,
) -> u32 {
    let (mut passed, end) = (0, world.now + time);
    while world.now < end {
        let bytes = [if passed == 0 { 0 } else { 0x80 }, 1, 0, 0];
        let peer = address("192.0.2.77:4000");
        let sent = world
            .gatherer
            .send(address(RELAYED), peer, &bytes, world.now);
        passed += u32::from(matches!(
            sent,
            Some(Sent::Datagram { .. } | Sent::Stream { .. })
        ));
        world.drain();
        let next = world.now + Duration::from_secs(1);
        loop {
            let of_udp = std::mem::take(&mut world.sent)
                .into_iter()
                .map(|(_, it)| it);
            let asked: Vec<_> = of_udp.chain(std::mem::take(&mut world.written)).collect();
            for request in &asked {
                let answer = Message::from_bytes(request)
                    .ok()
                    .filter(|it| it.has_class(MessageClass::Request))
                    .and_then(|it| says(request, &it));
                if let Some(answer) = answer {
                    match world.connects.is_empty() {
                        true => drop(world.receive("198.51.100.3:3478", &answer)),
                        false => world.write(&answer),
                    }
                }
            }
            if !asked.is_empty() {
                continue;
            }
            let Some(wait) = world.wait.filter(|wait| *wait <= next) else {
                break;
            };
            world.now = world.now.max(wait);
            world.gatherer.handle_timeout(world.now);
            world.drain();
        }
        world.now = next;
    }
    passed
}

fn lasting(seconds: u32, request: &Message<'_>) -> Vec<u8> {
    let mut reply = Message::builder_success(request, MessageWriteVec::new());
    if request.has_method(ALLOCATE) {
        let relayed = XorRelayedAddress::new(address(RELAYED), request.transaction_id());
        reply.add_attribute(&relayed).unwrap();
    }
    reply.add_attribute(&Lifetime::new(seconds)).unwrap();
    let key = LongTermKeyCredentials::new("user".into(), "secret".into(), "example".into());
    let algorithm = IntegrityAlgorithm::Sha1;
    reply.add_message_integrity(&key.into(), algorithm).unwrap();
    reply.finish()
}

/// A server may let an allocation last as short as it likes.
#[test]
fn a_relay_of_which_its_server_grants_twenty_seconds_carries_a_call() {
    for url in [TURN, BY_TCP] {
        let mut world = World::asking(&[url]);
        if url == BY_TCP {
            world.open();
        }
        let (mut ends, start) = (None, world.now);
        let mut refreshed = 0;
        let passed = carried(&mut world, Duration::from_secs(600), |bytes, request| {
            if request.attribute::<Nonce>().is_err() {
                return Some(error(bytes, 401));
            }
            refreshed += u32::from(request.has_method(REFRESH));
            ends = Some(20);
            Some(lasting(20, request))
        });
        assert!(start < world.now && ends.is_some());
        assert!(passed > 595, "{url}: {passed}");
        assert!((30..=90).contains(&refreshed), "{url}: {refreshed}");
        assert_eq!(world.candidates().len(), 1, "{url}");
        assert!(world.failures().is_empty());
    }
}

/// The call before this one had the same port, and what it said at its end was lost.
#[test]
fn what_a_former_call_left_behind_is_given_back_and_asked_for_anew() {
    for gives_up in [false, true] {
        let mut world = World::asking(&[TURN]);
        let (mut cleared, mut asked) = (0, 0);
        carried(&mut world, Duration::from_secs(20), |bytes, request| {
            if request.attribute::<Nonce>().is_err() {
                return Some(error(bytes, 401));
            }
            asked += u32::from(request.has_method(ALLOCATE));
            if request.has_method(REFRESH) && cleared == 0 {
                assert_eq!(request.attribute::<Lifetime>().unwrap().seconds(), 0);
                cleared += 1;
            } else if request.has_method(ALLOCATE) && (gives_up || cleared == 0) {
                return Some(refusal_by(437, bytes));
            }
            Some(granted_or_allocated(bytes, request))
        });
        assert_eq!((cleared, asked), (1, 2));
        let code = 437;
        match gives_up {
            true => assert_eq!(world.failures(), [&ServerFailure::Refused { code }]),
            false => assert_eq!(world.candidates().len(), 1),
        }
    }
}

fn granted_or_allocated(bytes: &[u8], request: &Message<'_>) -> Vec<u8> {
    match request.has_method(ALLOCATE) {
        true => allocated(bytes, true),
        false => granted(request),
    }
}

/// It goes by indications, for all the call, and nobody is asked again and again.
#[test]
fn a_channel_that_is_refused_is_not_asked_for_again() {
    let mut world = World::asking(&[TURN]);
    let mut bindings = 0;
    let passed = carried(&mut world, Duration::from_secs(900), |bytes, request| {
        if request.attribute::<Nonce>().is_err() {
            return Some(error(bytes, 401));
        }
        if request.has_method(CHANNEL_BIND) {
            bindings += 1;
            return Some(refusal_by(400, bytes));
        }
        Some(granted_or_allocated(bytes, request))
    });
    assert_eq!(bindings, 1);
    assert!(passed > 895, "{passed}");
}

/// A stream that stands still for a while delays the answer, and that is no refusal.
#[test]
fn a_permission_that_comes_late_by_a_connection_is_asked_for_again() {
    let mut world = World::asking(&[BY_TCP]);
    world.open();
    let mut asked = 0;
    let passed = carried(&mut world, Duration::from_secs(60), |bytes, request| {
        if request.attribute::<Nonce>().is_err() {
            return Some(error(bytes, 401));
        }
        if request.has_method(PERMISSION) {
            asked += 1;
            return (asked > 1).then(|| granted(request));
        }
        Some(granted_or_allocated(bytes, request))
    });
    assert_eq!(asked, 2);
    assert!(passed > 40, "{passed}");
}

/// Somebody who is told the server's name by a NAT64, or by IPv6 alone, has to reach peers of both families.
#[test]
fn a_server_that_is_reached_by_ipv6_is_asked_for_both_families() {
    const SERVER: &str = "[2001:db8::3]:3478";
    const RELAYED6: &str = "[2001:db8::9]:50000";
    for has in [&[RELAYED][..], &[RELAYED, RELAYED6], &[RELAYED6]] {
        let config = GatheringConfig {
            servers: vec![server("turn:[2001:db8::3]:3478")],
            ..GatheringConfig::default()
        };
        let base = address("[2001:db8::20]:40000");
        let mut world = World::new(config, &["[2001:db8::20]:40000"]);
        let receive = |world: &mut World, bytes: &[u8]| {
            world
                .gatherer
                .handle_datagram(base, address(SERVER), bytes, world.now);
            world.drain();
        };
        let first = world.request(SERVER);
        receive(&mut world, &error(&first, 401));
        let mut asked = world.request(SERVER);
        if has == [RELAYED6] {
            // It has IPv6 alone.
            receive(&mut world, &refusal_by(440, &asked));
            asked = world.request(SERVER);
        }
        let request = Message::from_bytes(&asked).unwrap();
        let mut reply = Message::builder_success(&request, MessageWriteVec::new());
        for relayed in has {
            let relayed = XorRelayedAddress::new(address(relayed), request.transaction_id());
            reply.add_attribute(&relayed).unwrap();
        }
        reply.add_attribute(&Lifetime::new(600)).unwrap();
        let key = LongTermKeyCredentials::new("user".into(), "secret".into(), "example".into());
        let algorithm = IntegrityAlgorithm::Sha1;
        reply.add_message_integrity(&key.into(), algorithm).unwrap();
        receive(&mut world, &reply.finish());
        let found: Vec<_> = world.candidates().iter().map(|it| it.address).collect();
        let expected: Vec<_> = has.iter().map(|it| address(it)).collect();
        assert_eq!(found, expected);
        // Each carries to its own family.
        for relayed in expected {
            let peer = match relayed.is_ipv4() {
                true => address("192.0.2.77:4000"),
                false => address("[2001:db8::77]:4000"),
            };
            let check = [0, 1, 0, 0];
            let sent = world.gatherer.send(relayed, peer, &check, world.now);
            assert!(matches!(sent, Some(Sent::Held)));
            world.drain();
            let asked = world.request(SERVER);
            let request = Message::from_bytes(&asked).unwrap();
            let named = request.attribute::<XorPeerAddress>().unwrap();
            assert_eq!(named.addr(request.transaction_id()).ip(), peer.ip());
            receive(&mut world, &granted(&request));
            world.sent.clear();
            let sent = world.gatherer.send(relayed, peer, &check, world.now);
            let Some(Sent::Datagram { bytes, .. }) = sent else {
                panic!("{sent:?}")
            };
            // As the server turns it round.
            let mut bytes = bytes.to_vec();
            bytes[1] = 0x17;
            let came = world
                .gatherer
                .handle_datagram(base, address(SERVER), &bytes, world.now);
            let Inbound::Peer {
                relayed: to,
                peer: from,
                range,
            } = came
            else {
                panic!("{came:?}")
            };
            assert_eq!((to, from, &bytes[range]), (relayed, peer, &check[..]));
        }
    }
}

/// Time-limited credentials that end during the call: it goes on for as long as the server lets it, and somebody is told.
#[test]
fn a_relay_that_may_not_be_kept_is_told_of_and_carries_to_its_end() {
    let mut world = World::asking(&[TURN]);
    let passed = carried(&mut world, Duration::from_secs(599), |bytes, request| {
        let refused = request.has_method(REFRESH) || request.attribute::<Nonce>().is_err();
        Some(match refused {
            true => error(bytes, 401),
            false => granted_or_allocated(bytes, request),
        })
    });
    assert!(passed > 590, "{passed}");
    assert_eq!(world.failures(), [&ServerFailure::Unauthorized]);
    assert!(world.gatherer.has_relay());
}

/// By a second name, or with other credentials: what it says to be there already is our own other one.
#[test]
fn a_server_that_is_named_twice_keeps_the_relay_that_it_gave_first() {
    let mut world = World::asking(&[TURN, TURN]);
    let (mut given, mut cleared) = (0, 0);
    let passed = carried(&mut world, Duration::from_secs(60), |bytes, request| {
        if request.attribute::<Nonce>().is_err() {
            return Some(error(bytes, 401));
        }
        let lifetime = request.attribute::<Lifetime>().map(|it| it.seconds());
        cleared += u32::from(request.has_method(REFRESH) && lifetime.ok() == Some(0));
        if request.has_method(ALLOCATE) {
            given += 1;
            if given > 1 {
                return Some(refusal_by(437, bytes));
            }
        }
        Some(granted_or_allocated(bytes, request))
    });
    assert_eq!((given, cleared), (2, 0));
    assert_eq!(world.candidates().len(), 1);
    assert!(passed > 55, "{passed}");
}

//! Relays that their servers have lost, and those that outlive a change of our addresses.

use std::time::Duration;

use turn_types::stun::attribute::{ErrorCode, Nonce, Realm};
use turn_types::stun::message::{Message, MessageWriteVec};
use turn_types::stun::prelude::{MessageWrite, MessageWriteExt};

use super::relays::{
    BY_TCP, CREATE_PERMISSION, RELAYED, STREAM, allocated_at, granted, refusal_by, relayed_call,
};
use super::{BASE, Said, TURN, World, address, error};
use crate::ice::gathering::failure::ServerFailure;
use crate::ice::gathering::gatherer::{Inbound, Sent};

const SERVER: &str = "198.51.100.3:3478";
const PEER: &str = "192.0.2.77:4000";
/// What the server gives for the second time.
const ANOTHER: &str = "203.0.113.9:50001";
const ALLOCATE: [u8; 2] = [0x00, 0x03];
const REFRESH: [u8; 2] = [0x00, 0x04];
const CHECK: [u8; 4] = [0, 1, 0, 0];
const MS: Duration = Duration::from_millis(1);

/// A server that was started again: whatever it gave before, it knows nothing of it.
#[derive(Default)]
struct StartedAgain {
    questions: u32,
}

impl StartedAgain {
    fn answer(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        if message[0] > 0 || message[1] == 0x16 {
            // For a peer, and by nobody's allocation.
            return None;
        }
        let request = Message::from_bytes(message).unwrap();
        let kind: [u8; 2] = *message.first_chunk().unwrap();
        self.questions += u32::from(kind == REFRESH);
        let nonce = request.attribute::<Nonce>().ok();
        Some(match nonce.as_ref().map(Nonce::nonce) {
            None => error(message, 401),
            Some("another") if kind == ALLOCATE => allocated_at(ANOTHER, message, true),
            Some("another") => refusal_by(437, message),
            // With the first nonce too, an Allocate is a new one: its own 401 brought that.
            Some(_) if kind == ALLOCATE => allocated_at(ANOTHER, message, true),
            Some(_) => stale(&request),
        })
    }
}

fn stale(request: &Message<'_>) -> Vec<u8> {
    let mut reply = Message::builder_error(request, MessageWriteVec::new());
    let code = ErrorCode::builder(438).build().unwrap();
    reply.add_attribute(&code).unwrap();
    reply
        .add_attribute(&Realm::new("example").unwrap())
        .unwrap();
    reply
        .add_attribute(&Nonce::new("another").unwrap())
        .unwrap();
    reply.finish()
}

impl World {
    /// Checks go by the relay, as often as by a pair that is asked, for so long or until `done`.
    fn check_for(
        &mut self,
        time: Duration,
        mut server: impl FnMut(&[u8]) -> Option<Vec<u8>>,
        done: impl Fn(&Self) -> bool,
    ) {
        let end = self.now + time;
        let mut check = self.now;
        while self.now < end && !done(self) {
            if self.now >= check {
                let _ = self
                    .gatherer
                    .send(address(RELAYED), address(PEER), &CHECK, self.now);
                self.drain();
                check += 200 * MS;
            }
            if self.wait.is_some_and(|wait| wait <= self.now) {
                self.gatherer.handle_timeout(self.now);
                self.drain();
            }
            // One way takes ten milliseconds.
            self.now += 10 * MS;
            for (_, request) in std::mem::take(&mut self.sent) {
                if let Some(answer) = server(&request) {
                    self.receive(SERVER, &answer);
                }
            }
        }
    }

    fn has_another(&self) -> bool {
        self.candidates()
            .iter()
            .any(|it| it.address == address(ANOTHER))
    }

    fn is_gone(&self) -> bool {
        let gone = Said::Gone(address(RELAYED));
        self.said.iter().any(|(_, said)| *said == gone)
    }
}

/// A relay by a connection, and nothing else.
fn relayed_by_tcp() -> World {
    let mut world = World::asking(&[BY_TCP]);
    world.open();
    let first = world.read();
    world.write(&error(&first, 401));
    let second = world.read();
    world.write(&allocated_at(RELAYED, &second, true));
    world
}

#[test]
fn a_relay_that_its_server_has_lost_is_replaced_within_a_second_and_a_half() {
    let mut world = World::asking(&[TURN]);
    relayed_call(&mut world, PEER);
    let lost = world.now;
    let mut server = StartedAgain::default();
    world.check_for(10_000 * MS, |it| server.answer(it), World::has_another);
    assert!(world.has_another(), "{:?}", world.said);
    assert!(world.now - lost < 1500 * MS, "{:?}", world.now - lost);
    assert!(world.is_gone());
    assert_eq!(server.questions, 2, "one, and once more for its nonce");
    assert!(world.failures().is_empty());
    // The new one carries, and the old one is no way any more.
    let mut send = |relayed: &str| {
        let peer = address(PEER);
        let sent = world
            .gatherer
            .send(address(relayed), peer, &CHECK, world.now);
        matches!(sent, Some(Sent::Held))
    };
    assert!(send(ANOTHER));
    assert!(!send(RELAYED));
}

/// The far end is out of reach, and the server is not.
#[test]
fn a_relay_that_stands_is_asked_for_now_and_then_and_kept() {
    let mut world = World::asking(&[TURN]);
    relayed_call(&mut world, PEER);
    let mut questions = 0;
    let server = |it: &[u8]| {
        let request = Message::from_bytes(it).ok()?;
        questions += u32::from(it.starts_with(&REFRESH));
        it.starts_with(&REFRESH).then(|| granted(&request))
    };
    world.check_for(10_000 * MS, server, |_| false);
    assert!(!world.is_gone());
    assert!((5..=15).contains(&questions), "{questions}");
}

/// What nobody asked for says nothing, whatever it says.
#[test]
fn a_stranger_takes_no_relay_away() {
    let mut world = World::asking(&[TURN]);
    relayed_call(&mut world, PEER);
    let server = |it: &[u8]| {
        let mut forged = it.to_vec();
        *forged.last_mut().unwrap() ^= 1;
        forged[10] ^= 1;
        it.starts_with(&REFRESH).then(|| refusal_by(437, &forged))
    };
    world.check_for(5000 * MS, server, |_| false);
    assert!(!world.is_gone());
}

/// A peer with another address: the server has to be asked for it, and says that there is nothing to ask for.
#[test]
fn a_permission_that_is_refused_for_want_of_a_relay_tells_it_is_gone() {
    let mut world = World::asking(&[TURN]);
    relayed_call(&mut world, PEER);
    let other = address("192.0.2.78:4000");
    let _ = world
        .gatherer
        .send(address(RELAYED), other, &CHECK, world.now);
    world.drain();
    let asked = world.request(SERVER);
    assert!(asked.starts_with(&CREATE_PERMISSION));
    assert!(!world.is_gone());
    world.receive(SERVER, &refusal_by(437, &asked));
    assert!(world.is_gone());
    assert!(world.request(SERVER).starts_with(&ALLOCATE));
}

/// The server ends, and listens again five seconds later.
#[test]
fn a_relay_whose_connection_ends_is_asked_for_until_its_server_is_back() {
    let mut world = relayed_by_tcp();
    assert_eq!(world.candidates().len(), 1);
    world.now += 60_000 * MS;
    world.connects.clear();
    world.gatherer.stream_closed(STREAM, None, world.now);
    world.drain();
    assert!(world.is_gone());
    let back = world.now + 5000 * MS;
    loop {
        assert_eq!(world.connects.pop(), Some(address(SERVER)));
        if world.now >= back {
            break;
        }
        let refused = Some("connection refused".to_owned());
        world.gatherer.stream_closed(STREAM, refused, world.now);
        world.drain();
        while world.connects.is_empty() {
            world.now = world.now.max(world.wait.expect("it tries again"));
            world.gatherer.handle_timeout(world.now);
            world.drain();
        }
    }
    assert!(world.now < back + 600 * MS);
    world
        .gatherer
        .stream_opened(STREAM, address(BASE), world.now);
    world.drain();
    let first = world.read();
    world.write(&error(&first, 401));
    let second = world.read();
    world.write(&allocated_at(ANOTHER, &second, true));
    assert!(world.has_another());
}

/// Whoever may not relay any more is not let in by asking often.
#[test]
fn a_lost_relay_is_not_asked_for_by_whom_its_server_refuses() {
    let mut world = World::asking(&[TURN]);
    relayed_call(&mut world, PEER);
    let mut allocates = 0;
    let server = |it: &[u8]| {
        allocates += u32::from(it.starts_with(&ALLOCATE));
        match it {
            [0, 3, ..] => Some(error(it, 401)),
            [0, 4, ..] => Some(refusal_by(437, it)),
            _ => None,
        }
    };
    world.check_for(40_000 * MS, server, |_| false);
    assert!(world.is_gone());
    assert_eq!(allocates, 2);
    assert!(world.gatherer.is_idle());
    assert!(!world.gatherer.has_relay());
}

#[test]
fn a_relay_stays_when_another_address_comes_and_ends_with_its_own() {
    let mut world = World::asking(&[TURN]);
    relayed_call(&mut world, PEER);
    let came = address("192.168.2.20:40001");
    world.said.clear();
    world.gatherer.move_to(&[], &[came], world.now);
    assert!(!world.gatherer.is_complete());
    world.gatherer.handle_timeout(world.now);
    world.drain();
    // It is asked from the address that came, and nothing is given back.
    let asked = world.request(SERVER);
    assert!(asked.starts_with(&ALLOCATE));
    assert!(world.sent.is_empty());
    for answer in [error(&asked, 401), Vec::new()] {
        let answer = match answer.is_empty() {
            false => answer,
            true => allocated_at(ANOTHER, &world.request(SERVER), true),
        };
        let taken = world
            .gatherer
            .handle_datagram(came, address(SERVER), &answer, world.now);
        assert!(matches!(taken, Inbound::Taken));
        world.drain();
    }
    assert!(world.has_another());
    assert!(world.said.iter().any(|(_, said)| *said == Said::Complete));
    let carries = |world: &mut World, relayed: &str| {
        let peer = address(PEER);
        let sent = world
            .gatherer
            .send(address(relayed), peer, &CHECK, world.now);
        sent.is_some()
    };
    assert!(carries(&mut world, RELAYED) && carries(&mut world, ANOTHER));
    world.drain();
    world.sent.clear();

    world
        .gatherer
        .move_to(&[address(BASE).ip()], &[], world.now);
    world.drain();
    assert!(world.gatherer.is_complete());
    assert!(!carries(&mut world, RELAYED));
    assert!(carries(&mut world, ANOTHER));
    assert_eq!(world.failures(), Vec::<&ServerFailure>::new());
}

/// The connection went from an address that is gone; there are others.
#[test]
fn a_connection_from_an_address_that_is_gone_is_made_from_another() {
    let mut world = relayed_by_tcp();
    world.connects.clear();
    world
        .gatherer
        .move_to(&[address(BASE).ip()], &[], world.now);
    world.drain();
    world.gatherer.handle_timeout(world.now);
    world.drain();
    assert_eq!(world.connects, [address(SERVER)]);
    assert!(!world.gatherer.is_complete());

    // There is no route yet; as soon as there is one, nobody waits.
    let reason = Some("no route".to_owned());
    world.gatherer.stream_closed(STREAM, reason, world.now);
    world.drain();
    world.gatherer.handle_timeout(world.now);
    world.drain();
    assert_eq!(world.connects.len(), 1);
    assert!(world.gatherer.look_again(world.now));
    world.gatherer.handle_timeout(world.now);
    world.drain();
    assert_eq!(world.connects.len(), 2);
}

/// A firewall forgets the connection, or the cable is out: nothing comes, and nothing says so. The system would go on to repeat what
/// was sent, less and less often.
#[test]
fn a_connection_that_has_gone_silent_is_made_anew_until_there_is_a_way() {
    let mut world = relayed_by_tcp();
    for first_byte in [0, 0x80] {
        let bytes = [first_byte, 1, 0, 0];
        let _ = world
            .gatherer
            .send(address(RELAYED), address(PEER), &bytes, world.now);
        world.drain();
        let request = world.read();
        let reply = granted(&Message::from_bytes(&request).unwrap());
        world.write(&reply);
        world.written.clear();
    }
    world.connects.clear();
    let silent = world.now;
    world.check_for(10_000 * MS, |_| None, World::is_gone);
    assert!(world.is_gone());
    assert!(world.now - silent < 5000 * MS, "{:?}", world.now - silent);
    // None of these comes about, and none is waited for as long as the system would.
    world.check_for(15_000 * MS, |_| None, |_| false);
    assert!(
        (6..=12).contains(&world.connects.len()),
        "{:?}",
        world.connects
    );
    world
        .gatherer
        .stream_opened(STREAM, address(BASE), world.now);
    world.drain();
    world.written.drain(..world.written.len() - 1);
    let first = world.read();
    world.write(&error(&first, 401));
    let second = world.read();
    world.write(&allocated_at(ANOTHER, &second, true));
    assert!(world.has_another());
}

/// Our address was replaced under it, and the way from the new one is there long after that.
#[test]
fn a_relay_is_asked_for_from_an_address_that_took_the_place_of_its_own_until_there_is_a_way() {
    let mut world = World::asking(&[TURN]);
    relayed_call(&mut world, PEER);
    let (gone, came) = (address(BASE).ip(), address("192.168.2.20:40001"));
    world.gatherer.move_to(&[gone], &[came], world.now);
    world.drain();
    assert!(world.gatherer.has_relay(), "one in its place");
    let way = world.now + 15_000 * MS;
    while !world.has_another() && world.now < way + 2_000 * MS {
        if world.wait.is_some_and(|wait| wait <= world.now) {
            world.gatherer.handle_timeout(world.now);
            world.drain();
        }
        world.now += 10 * MS;
        for (_, request) in std::mem::take(&mut world.sent) {
            let asked = Message::from_bytes(&request).unwrap();
            let answer = match asked.attribute::<Nonce>() {
                Ok(_) => allocated_at(ANOTHER, &request, true),
                Err(_) => error(&request, 401),
            };
            if world.now >= way {
                let server = address(SERVER);
                let _ = world
                    .gatherer
                    .handle_datagram(came, server, &answer, world.now);
                world.drain();
            }
        }
    }
    assert!(world.has_another());
}

/// The machine slept, and finds all that it had asked for unanswered at once.
#[test]
fn several_requests_that_time_out_together_end_a_relay_once() {
    for url in [BY_TCP, TURN] {
        let by_tcp = url == BY_TCP;
        let mut world = match by_tcp {
            true => relayed_by_tcp(),
            false => World::asking(&[url]),
        };
        if !by_tcp {
            relayed_call(&mut world, PEER);
        }
        // A permission for each address, and a question whether it is there at all.
        for turn in 0..20 {
            let peer = address(["192.0.2.80:1", "192.0.2.81:1", "192.0.2.82:1"][turn % 3]);
            let _ = world
                .gatherer
                .send(address(RELAYED), peer, &CHECK, world.now);
            world.drain();
            world.now += 50 * MS;
        }
        world.now += 20_000 * MS;
        world.gatherer.handle_timeout(world.now);
        world.drain();
        assert_eq!(world.is_gone(), by_tcp);
        world.now += 700_000 * MS;
        world.gatherer.handle_timeout(world.now);
        world.drain();
        let gone = Said::Gone(address(RELAYED));
        let told = world.said.iter().filter(|(_, said)| *said == gone);
        assert_eq!(told.count(), 1);
    }
}

/// Whoever is looked at late has slept, and asks for no timer that has passed.
#[test]
fn a_relay_that_is_looked_at_late_waits_for_what_is_to_come() {
    let mut world = World::asking(&[TURN]);
    relayed_call(&mut world, PEER);
    let mut turns = 0;
    world.now += 5_000 * MS;
    let _ = world
        .gatherer
        .send(address(RELAYED), address(PEER), &CHECK, world.now);
    world.drain();
    // No answer comes to what is asked anew; nothing more is sent.
    while let Some(wait) = world.wait.filter(|_| !world.is_gone()) {
        world.now = world.now.max(wait) + 30_000 * MS;
        world.gatherer.handle_timeout(world.now);
        world.drain();
        assert!(world.wait.is_none_or(|wait| wait > world.now) || world.is_gone());
        turns += 1;
        assert!(turns < 50);
    }
    assert!(world.is_gone());
}

//! A call by a relay of a server that says whatever it likes, whenever it likes.

use std::time::Duration;

use proptest::prelude::*;
use turn_types::stun::message::{Message, MessageClass};

use super::relays::{BY_TCP, RELAYED, STREAM, allocated_at, granted, refusal_by};
use super::{BASE, TURN, World, address, error};

const SERVER: &str = "198.51.100.3:3478";
const PEERS: [&str; 3] = ["192.0.2.77:4000", "192.0.2.77:4001", "192.0.2.78:4000"];

#[derive(Debug, Clone)]
enum Turn {
    /// So many milliseconds pass, and whatever is due is done, late by so many more.
    Wait(u32, u16),
    /// A check, or media, for a peer.
    Send(bool, usize),
    /// The server answers what it was asked: grants it, or refuses by this code.
    Answer(Option<u16>),
    /// It sends this, whatever it is.
    Says(Vec<u8>),
    /// A peer's datagram on the first channel.
    Brings,
    /// The connection ends, or stands again.
    Closed,
    Opened,
}

fn turn() -> impl Strategy<Value = Turn> {
    let code = prop_oneof![
        Just(300),
        Just(400),
        Just(401),
        Just(403),
        Just(437),
        Just(438),
        Just(440),
        Just(500)
    ];
    prop_oneof![
        4 => (0_u32..5_000, 0_u16..200).prop_map(|(wait, late)| Turn::Wait(wait, late)),
        1 => (0_u32..400_000, 0_u16..60_000).prop_map(|(wait, late)| Turn::Wait(wait, late)),
        6 => (any::<bool>(), 0..PEERS.len()).prop_map(|(media, peer)| Turn::Send(media, peer)),
        8 => Just(Turn::Answer(None)),
        2 => code.prop_map(|code| Turn::Answer(Some(code))),
        1 => proptest::collection::vec(any::<u8>(), 0..64).prop_map(Turn::Says),
        1 => Just(Turn::Brings),
        1 => Just(Turn::Closed),
        1 => Just(Turn::Opened),
    ]
}

struct Server {
    by_tcp: bool,
    unanswered: Vec<Vec<u8>>,
}

impl Server {
    fn collect(&mut self, world: &mut World) {
        let sent = std::mem::take(&mut world.sent).into_iter();
        let asked = sent.map(|(_, it)| it);
        let asked = asked.chain(std::mem::take(&mut world.written));
        let before = self.unanswered.len();
        self.unanswered.extend(asked);
        // However it is provoked, it asks no more than a few things at a time.
        assert!(self.unanswered.len() - before < 64);
    }

    fn says(&self, world: &mut World, bytes: &[u8]) {
        match self.by_tcp {
            true => world.write(bytes),
            false => drop(world.receive(SERVER, bytes)),
        }
    }

    fn answer(&mut self, world: &mut World, code: Option<u16>) {
        let Some(request) = self.unanswered.pop() else {
            return;
        };
        let Ok(message) = Message::from_bytes(&request) else {
            return;
        };
        if !message.has_class(MessageClass::Request) {
            return;
        }
        let is_signed = request.len() > 60;
        let reply = match code {
            _ if !is_signed => error(&request, 401),
            Some(401) => error(&request, 401),
            Some(code) => refusal_by(code, &request),
            None if request.starts_with(&[0, 3]) => allocated_at(RELAYED, &request, true),
            None => granted(&message),
        };
        self.says(world, &reply);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_server_makes_a_relay_spin_or_grow_or_panic(
        by_tcp: bool,
        turns in proptest::collection::vec(turn(), 1..120),
    ) {
        let mut world = World::asking(&[if by_tcp { BY_TCP } else { TURN }]);
        let mut server = Server { by_tcp, unanswered: Vec::new() };
        if by_tcp {
            world.open();
        }
        for turn in turns {
            match turn {
                Turn::Wait(wait, late) => {
                    let end = world.now + Duration::from_millis(wait.into());
                    let late = Duration::from_millis(late.into());
                    let mut timers = 0_u32;
                    while let Some(at) = world.wait.filter(|at| *at <= end) {
                        world.now = world.now.max(at + late);
                        world.gatherer.handle_timeout(world.now);
                        world.drain();
                        server.collect(&mut world);
                        prop_assert!(world.wait.is_none_or(|at| at > world.now), "it spins");
                        timers += 1;
                        prop_assert!(timers < 8 * (wait / 200 + 8), "{timers} timers in {wait} ms");
                    }
                    world.now = world.now.max(end);
                }
                Turn::Send(media, peer) => {
                    let bytes = [if media { 0x80 } else { 0 }, 1, 0, 0];
                    let peer = address(PEERS[peer]);
                    let _ = world.gatherer.send(address(RELAYED), peer, &bytes, world.now);
                    world.drain();
                }
                Turn::Answer(code) => {
                    server.collect(&mut world);
                    server.answer(&mut world, code);
                }
                Turn::Says(bytes) => server.says(&mut world, &bytes),
                Turn::Brings => server.says(&mut world, &[0x40, 0, 0, 4, 0x80, 1, 2, 3]),
                Turn::Closed => {
                    world.gatherer.stream_closed(STREAM, None, world.now);
                    world.drain();
                }
                Turn::Opened => {
                    world.gatherer.stream_opened(STREAM, address(BASE), world.now);
                    world.drain();
                }
            }
            server.collect(&mut world);
            server.unanswered.truncate(64);
        }
        world.gatherer.close(world.now);
        world.drain();
        prop_assert!(world.gatherer.is_idle());
        prop_assert_eq!(world.wait, None);
    }
}

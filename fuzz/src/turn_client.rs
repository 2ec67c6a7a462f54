//! What STUN and TURN servers answer, by datagram and by stream, to a call that gathers and then relays.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use offhook_media::ice::gathering::config::GatheringConfig;
use offhook_media::ice::gathering::gatherer::{Gatherer, Inbound, Output, Sent, StreamId};
use offhook_media::ice::server::IceServer;
use turn_types::attribute::{Lifetime, XorRelayedAddress};
use turn_types::stun::attribute::{ErrorCode, Nonce, Realm, XorMappedAddress};
use turn_types::stun::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageWriteVec,
};
use turn_types::stun::prelude::{MessageWrite, MessageWriteExt};

/// More outputs than this for one input are a loop.
const MOST_OUTPUTS: usize = 1000;

const BASE: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 20)),
    40000,
);
const RELAYED: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 9)),
    50000,
);
const REALM: &str = "fuzz.example";

/// The first byte chooses how many requests a well-behaved server answers before the rest comes: challenge, allocation, permission
/// and what follows. The rest is a run of messages, each behind its flags and two bytes of length. Flags: 1 to the TURN server by UDP, else
/// to the STUN server; 2 by the stream; 4 lets 500 ms pass first; 8 gives it the transaction of our last request; 16 has us send
/// to a peer first.
///
/// # Panics
/// When the gatherer never rests, or hands on bytes that were not in what it took.
pub fn run(data: &[u8]) {
    let Some((&first, mut data)) = data.split_first() else {
        return;
    };
    let Some(mut call) = Call::new(first % 8) else {
        return;
    };
    while let Some((&[flags, high, low], rest)) = data.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (message, after) = rest.split_at(length);
        data = after;
        if flags & 4 != 0 {
            call.now += Duration::from_millis(500);
            call.gatherer.handle_timeout(call.now);
            call.drain();
        }
        if flags & 16 != 0 {
            call.speak();
        }
        let mut message = message.to_vec();
        if flags & 8 != 0
            && let last = &call.last[usize::from(flags & 1)]
            && let (Some(place), Some(id)) = (message.get_mut(8..20), last.get(8..20))
        {
            place.copy_from_slice(id);
        }
        if flags & 2 != 0 {
            for stream in call.streams.clone() {
                call.gatherer.stream_data(stream, &message, call.now);
            }
        } else {
            let server = call.servers[usize::from(flags & 1)];
            let inbound = call
                .gatherer
                .handle_datagram(BASE, server, &message, call.now);
            if let Inbound::Peer { range, .. } = inbound {
                assert!(
                    message.get(range).is_some(),
                    "a peer's bytes outside of the datagram"
                );
            }
        }
        call.drain();
    }
    call.gatherer.close(call.now);
    call.drain();
}

struct Call {
    gatherer: Gatherer,
    servers: [SocketAddr; 2],
    streams: Vec<StreamId>,
    now: Instant,
    /// Our last request to each server.
    last: [Vec<u8>; 2],
    /// How many requests a well-behaved TURN server still answers.
    answers: u8,
    replies: Vec<Vec<u8>>,
}

impl Call {
    fn new(answers: u8) -> Option<Self> {
        let mut servers = Vec::new();
        for url in [
            "stun:198.51.100.1:3478",
            "turn:198.51.100.2:3478",
            "turn:198.51.100.3:3478?transport=tcp",
        ] {
            let mut server: IceServer = url.parse().ok()?;
            if server.protocol.relays() {
                server = server.with_credentials("user", "secret");
            }
            let ip = server.host.parse().ok()?;
            servers.push(server.at(ip));
        }
        let addresses = [servers.first()?.address, servers.get(1)?.address];
        let now = Instant::now();
        let config = GatheringConfig {
            servers,
            ..GatheringConfig::default()
        };
        let mut call = Self {
            gatherer: Gatherer::new(config, &[BASE], now),
            servers: addresses,
            streams: Vec::new(),
            now,
            last: [Vec::new(), Vec::new()],
            answers,
            replies: Vec::new(),
        };
        // Until every question was asked once.
        for _ in 0..4 {
            call.now += Duration::from_millis(6);
            call.gatherer.handle_timeout(call.now);
            call.drain();
        }
        Some(call)
    }

    fn speak(&mut self) {
        let peer = SocketAddr::from(([203, 0, 113, 5], 6000));
        if let Some(Sent::Datagram { bytes, .. } | Sent::Stream { bytes, .. }) =
            self.gatherer.send(RELAYED, peer, b"media", self.now)
        {
            assert!(bytes.len() >= 5);
        }
        self.drain();
    }

    fn drain(&mut self) {
        let mut outputs = 0;
        loop {
            match self.gatherer.poll() {
                Output::Wait(_) if self.replies.is_empty() => return,
                Output::Wait(_) => {
                    for reply in std::mem::take(&mut self.replies) {
                        let turn = self.servers[1];
                        self.gatherer.handle_datagram(BASE, turn, &reply, self.now);
                    }
                }
                Output::Transmit { remote, bytes, .. } => {
                    if remote == self.servers[1] && self.answers > 0 {
                        self.answers -= 1;
                        self.replies.extend(answer(&bytes));
                    }
                    self.last[usize::from(remote != self.servers[0])] = bytes;
                }
                Output::Connect { stream, .. } => {
                    self.streams.push(stream);
                    self.gatherer.stream_opened(stream, BASE, self.now);
                }
                Output::Write { .. } | Output::Close(_) | Output::Peer { .. } => {}
                Output::Candidate(_) | Output::Failed { .. } | Output::Complete | _ => {}
            }
            outputs += 1;
            assert!(
                outputs < MOST_OUTPUTS,
                "more than {MOST_OUTPUTS} outputs for one input"
            );
        }
    }
}

/// A TURN server as it should be: a challenge, then whatever was asked.
fn answer(request: &[u8]) -> Option<Vec<u8>> {
    let request = Message::from_bytes(request).ok()?;
    if !request.has_class(MessageClass::Request) {
        return None;
    }
    if request.attribute::<Realm>().is_err() {
        let mut reply = Message::builder_error(&request, MessageWriteVec::new());
        reply
            .add_attribute(&ErrorCode::builder(401).build().ok()?)
            .ok()?;
        reply.add_attribute(&Realm::new(REALM).ok()?).ok()?;
        reply.add_attribute(&Nonce::new("nonce").ok()?).ok()?;
        return Some(reply.finish());
    }
    let mut reply = Message::builder_success(&request, MessageWriteVec::new());
    let id = request.transaction_id();
    reply
        .add_attribute(&XorRelayedAddress::new(RELAYED, id))
        .ok()?;
    reply.add_attribute(&XorMappedAddress::new(BASE, id)).ok()?;
    reply.add_attribute(&Lifetime::new(600)).ok()?;
    let key = LongTermKeyCredentials::new("user".into(), "secret".into(), REALM.into());
    reply
        .add_message_integrity(&key.into(), IntegrityAlgorithm::Sha1)
        .ok()?;
    Some(reply.finish())
}

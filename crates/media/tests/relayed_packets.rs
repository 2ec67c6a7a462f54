//! A call by a TURN relay in steady state: no packet of it, sent or received, allocates memory.
#![cfg(feature = "driver")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod turn;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use offhook_media::ice::gathering::config::{CandidatePolicy, GatheringConfig};
use offhook_media::ice::gathering::gatherer::{Gatherer, Inbound, Output, Sent};
use offhook_media::ice::server::IceServer;
use turn_types::stun::message::{Message, MessageClass};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time begins at some instant"
)]
fn beginning() -> Instant {
    Instant::now()
}

/// Lets the gatherer say what it wants, and the server answer.
fn serve(gatherer: &mut Gatherer, now: Instant) {
    loop {
        let output = gatherer.poll();
        if let Output::Wait(_) = output {
            return;
        }
        if let Output::Transmit {
            local,
            remote,
            bytes,
        } = output
        {
            let request = Message::from_bytes(&bytes).unwrap();
            if request.has_class(MessageClass::Request) {
                let reply = turn::answer(&request).unwrap();
                gatherer.handle_datagram(local, remote, &reply, now);
            }
        }
    }
}

#[test]
fn no_packet_by_a_relay_allocates() {
    let begin = beginning();
    let mut now = begin;
    let [local, server, peer]: [SocketAddr; 3] =
        ["192.0.2.1:4000", "192.0.2.3:3478", "192.0.2.2:5000"].map(|it| it.parse().unwrap());
    let url: IceServer = format!("turn:{server}").parse().unwrap();
    let config = GatheringConfig {
        servers: vec![
            url.with_credentials(turn::USER, turn::PASSWORD)
                .at(server.ip()),
        ],
        policy: CandidatePolicy::RelayOnly,
        ..GatheringConfig::default()
    };
    let mut gatherer = Gatherer::new(config, &[local], now);
    while !gatherer.has_relay() {
        assert!(now < begin + Duration::from_secs(2), "no relay");
        gatherer.handle_timeout(now);
        serve(&mut gatherer, now);
        now += Duration::from_millis(5);
    }
    let media = [0x80; 100];
    let mut longest = 0;
    for turn in 0..500 {
        now += Duration::from_millis(20);
        // Permission, channel, and buffers that are used again from then on.
        let steady = turn >= 50;
        let mut packet = [0; 200];
        let mut carry = || {
            let sent = gatherer.send(turn::relayed(), peer, &media, now);
            let Some(Sent::Datagram { bytes, .. }) = sent else {
                return None;
            };
            packet[..bytes.len()].copy_from_slice(bytes);
            let length = bytes.len();
            // As the server wraps what comes the other way.
            match gatherer.handle_datagram(local, server, &packet[..length], now) {
                Inbound::Peer { range, .. } => Some((length, range.len())),
                Inbound::Stranger | Inbound::Taken => None,
            }
        };
        let carried = if steady {
            assert_no_alloc(carry)
        } else {
            carry()
        };
        if steady {
            let (length, inner) = carried.expect("a packet both ways");
            assert_eq!(inner, media.len());
            longest = longest.max(length);
        }
        gatherer.handle_timeout(now);
        serve(&mut gatherer, now);
    }
    assert_eq!(
        longest,
        media.len() + 4,
        "on a channel (RFC 8656, section 12.4)"
    );
}

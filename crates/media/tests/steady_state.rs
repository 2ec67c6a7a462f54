//! A call in steady state: no packet of it, sent or received, allocates memory.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use offhook_media::dtls::certificate::Certificate;
use offhook_media::ice::candidate::LocalCandidate;
use offhook_media::program::{
    AudioFormat, AudioPacket, Outgoing, PayloadKind, Program, ProgramCommand,
};
use offhook_media::session::config::SessionConfig;
use offhook_media::session::media_session::{Deadline, MediaSession, Output, Renewal};
use offhook_media::srtp::profile::SrtpProfile;

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

struct Talker(Option<AudioFormat>);

impl Program for Talker {
    fn negotiated(&mut self, format: &AudioFormat, _: Instant) {
        self.0 = Some(*format);
    }

    fn packet(&mut self, _: &AudioPacket<'_>, _: Instant, _: &mut Outgoing) {}

    fn slot(&mut self, _: Instant, out: &mut Outgoing) {
        if let Some(format) = self.0 {
            let timestamp = (out.slot() * u64::from(format.codec.ticks_per_slot())) as u32;
            out.send(
                PayloadKind::Audio(format.codec),
                out.slot() == 0,
                timestamp,
                &[7; 80],
            );
        }
    }

    fn command(&mut self, _: ProgramCommand, _: Instant) {}
}

/// Datagrams on their way, in room made beforehand.
struct Wire {
    datagrams: Vec<([u8; 2048], usize)>,
    used: usize,
    /// Only these count as steady state: RTP and RTCP, not ICE's checks nor the handshake.
    media: u64,
}

fn is_media(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0xC0 == 0x80)
}

fn drain(session: &mut MediaSession, wire: &mut Wire) -> Option<(Instant, Deadline)> {
    loop {
        match session.poll() {
            Output::Transmit { bytes, .. } => {
                let (room, length) = wire.datagrams.get_mut(wire.used).unwrap();
                room[..bytes.len()].copy_from_slice(bytes);
                *length = bytes.len();
                wire.used += 1;
                wire.media += u64::from(is_media(bytes));
            }
            Output::Event(_) => {}
            Output::Wait(wait) => return wait,
            Output::Forward { .. } | _ => panic!("nobody forwards here"),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "virtual time begins at some instant"
)]
fn beginning() -> Instant {
    Instant::now()
}

fn packets_are_carried_without_allocation(profile: SrtpProfile) {
    let mut now = beginning();
    let certificate = Arc::new(Certificate::generate().unwrap());
    let addresses = ["192.0.2.1:4000", "192.0.2.2:5000"].map(|address| address.parse().unwrap());
    let mut sessions = [1, 2].map(|seed| {
        let mut config = SessionConfig::new(Arc::clone(&certificate));
        config.profiles = vec![profile];
        // A second's figures may be boxed: they are no packet.
        config.statistics_every = Duration::ZERO;
        MediaSession::new(config, Box::new(Talker(None)), [seed; 32], now)
    });
    for (session, address) in sessions.iter_mut().zip(addresses) {
        session.add_local_candidate(LocalCandidate::host(address), now);
    }
    let offer = sessions[0].create_offer(now);
    let answer = sessions[1]
        .accept_offer(&offer, Renewal::Change, now)
        .unwrap();
    sessions[0].accept_answer(&answer, now).unwrap();

    let mut wires = [(), ()].map(|()| Wire {
        datagrams: vec![([0; 2048], 0); 64],
        used: 0,
        media: 0,
    });
    let mut waits = [None, None];
    for side in [0, 1] {
        waits[side] = drain(&mut sessions[side], &mut wires[side]);
    }
    let begin = now;
    let warm = begin + Duration::from_secs(10);
    let mut counted = [0; 2];
    while now < begin + Duration::from_secs(40) {
        let steady = now >= warm;
        if !steady {
            counted = [wires[0].media, wires[1].media];
        }
        for side in [0, 1] {
            let other = 1 - side;
            for index in 0..std::mem::take(&mut wires[side].used) {
                let (mut room, length) = wires[side].datagrams[index];
                let datagram = &mut room[..length];
                let media = is_media(datagram);
                let mut carry = || {
                    sessions[other].handle_datagram(
                        addresses[other],
                        addresses[side],
                        datagram,
                        now,
                    );
                    waits[other] = drain(&mut sessions[other], &mut wires[other]);
                };
                if steady && media {
                    assert_no_alloc(carry)
                } else {
                    carry()
                }
            }
        }
        if wires.iter().any(|wire| wire.used > 0) {
            continue;
        }
        let (side, (at, deadline)) = [0, 1]
            .into_iter()
            .filter_map(|side| waits[side].map(|wait| (side, wait)))
            .min_by_key(|(_, (at, _))| *at)
            .unwrap();
        now = at.max(now);
        let mut fire = || {
            sessions[side].handle_timeout(now);
            waits[side] = drain(&mut sessions[side], &mut wires[side]);
        };
        if steady && deadline == Deadline::Slot {
            assert_no_alloc(fire)
        } else {
            fire()
        }
    }
    for (wire, before) in wires.iter().zip(counted) {
        assert!(wire.media - before >= 30 * 50, "{}", wire.media - before);
    }
    let received = sessions[0].statistics(now).inbound;
    assert_eq!(received.packets_lost, 0);
    assert!(
        sessions[0].statistics(now).remote_inbound.is_some(),
        "reports were part of it"
    );
}

#[test]
fn no_packet_of_a_steady_call_allocates() {
    for profile in SrtpProfile::ALL {
        packets_are_carried_without_allocation(profile);
    }
}

//! Payloads beside plain sound: copies of what came before, and the noise of a pause.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use offhook_media::program::{
    AudioCodec, AudioFormat, AudioPacket, Outgoing, PayloadKind, Program, ProgramCommand,
};
use offhook_media::sdp::extras::{Extras, Readiness};
use offhook_media::session::config::SessionConfig;
use offhook_media::session::media_session::Renewal;

use crate::programs::{Shared, Talker};
use crate::world::{Side, World, config};

const SECOND: Duration = Duration::from_secs(1);

fn with_redundancy(side: Side, redundancy: Readiness) -> SessionConfig {
    let mut config = config(side);
    config.extras = Extras {
        redundancy,
        ..Extras::default()
    };
    config
}

fn called(caller: Readiness, callee: Readiness) -> (World, Shared, Shared) {
    let (one, caller_seen) = Talker::new();
    let (other, callee_seen) = Talker::new();
    let mut world = World::with_configs(
        with_redundancy(Side::Caller, caller),
        one,
        with_redundancy(Side::Callee, callee),
        other,
    );
    world.negotiate();
    world.run(SECOND);
    world.lose_every = 10;
    world.run(20 * SECOND);
    world.lose_every = 0;
    world.run(SECOND);
    (world, caller_seen, callee_seen)
}

#[test]
fn a_lonely_loss_is_made_good_by_the_next_packet() {
    let (mut world, caller_seen, callee_seen) = called(Readiness::Offered, Readiness::WhenOffered);
    for seen in [caller_seen, callee_seen] {
        let seen = seen.lock().unwrap();
        assert!(seen.audio.len() > 1050);
        for pair in seen.audio.windows(2) {
            let [(sequence, timestamp, count), next] = pair else {
                continue;
            };
            let follows = (
                sequence.wrapping_add(1),
                timestamp.wrapping_add(960),
                count.wrapping_add(1),
            );
            assert_eq!(*next, follows, "no packet is missing, and none came twice");
        }
    }
    let now = world.now;
    for side in [Side::Caller, Side::Callee] {
        let figures = world.end(side).session.statistics(now).inbound;
        assert!(figures.packets_lost > 40, "{figures:?}");
        let lost = figures.packets_lost.unsigned_abs();
        assert_eq!(figures.packets_recovered, lost, "{figures:?}");
    }
}

#[test]
fn without_an_agreement_lost_stays_lost_and_no_byte_is_spent() {
    let bytes = |caller, callee| {
        let (world, _, callee_seen) = called(caller, callee);
        let now = world.now;
        let figures = world.callee.session.statistics(now).inbound;
        assert_eq!(figures.packets_recovered, 0);
        assert!(callee_seen.lock().unwrap().audio.len() < 1050);
        figures.bytes_received / figures.packets_received
    };
    assert_eq!(bytes(Readiness::WhenOffered, Readiness::WhenOffered), 80);
    assert_eq!(bytes(Readiness::Offered, Readiness::Never), 80);
}

/// Sends two packets of sound, a description of noise, and nothing more.
struct Pausing {
    sent: u64,
    heard: Arc<Mutex<Vec<PayloadKind>>>,
}

impl Program for Pausing {
    fn negotiated(&mut self, _: &AudioFormat, _: Instant) {}
    fn packet(&mut self, packet: &AudioPacket<'_>, _: Instant, _: &mut Outgoing) {
        self.heard.lock().unwrap().push(packet.kind);
    }
    fn slot(&mut self, _: Instant, out: &mut Outgoing) {
        let timestamp = (self.sent * 160) as u32;
        match self.sent {
            0 | 1 => out.send(
                PayloadKind::Audio(AudioCodec::Pcmu),
                self.sent == 0,
                timestamp,
                &[0x55; 160],
            ),
            2 => out.send(PayloadKind::ComfortNoise, false, timestamp, &[50]),
            _ => {}
        }
        self.sent += 1;
    }
    fn command(&mut self, _: ProgramCommand, _: Instant) {}
}

#[test]
fn comfort_noise_is_agreed_on_beside_narrow_codecs_and_told_from_sound() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let pausing = || {
        Box::new(Pausing {
            sent: 0,
            heard: Arc::clone(&heard),
        })
    };
    let mut configs = [config(Side::Caller), config(Side::Callee)];
    for config in &mut configs {
        config.codecs = vec![AudioCodec::Pcmu];
    }
    configs[0].extras.comfort_noise = Readiness::Offered;
    let [caller, callee] = configs;
    let mut world = World::with_configs(caller, pausing(), callee, pausing());
    let now = world.now;
    let offer = world.caller.session.create_offer(now);
    assert!(offer.contains("a=rtpmap:13 CN/8000\r\n"), "{offer}");
    let answer = world
        .callee
        .session
        .accept_offer(&offer, Renewal::Change, now)
        .unwrap();
    assert!(answer.contains(" 0 13 126\r\n"), "{answer}");
    world.caller.session.accept_answer(&answer, now).unwrap();
    world.settle();
    world.run(SECOND);
    let heard = heard.lock().unwrap();
    let noise = |kind: &&PayloadKind| **kind == PayloadKind::ComfortNoise;
    assert_eq!((heard.len(), heard.iter().filter(noise).count()), (6, 2));
}

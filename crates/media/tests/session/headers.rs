//! What two ends put into the headers of their packets once they agreed on it.

use std::time::{Duration, Instant};

use offhook_media::program::{
    AudioCodec, AudioFormat, AudioPacket, Outgoing, PayloadKind, PlayoutStatistics, Program,
    ProgramCommand,
};
use offhook_media::rtp::audio_level::AudioLevel;
use offhook_media::sdp::extras::Readiness;
use offhook_media::session::media_session::{MediaSession, Renewal};

use crate::programs::Mute;
use crate::world::{Side, World, config};

const SECOND: Duration = Duration::from_secs(1);

/// Hums at -50 dBov, and says a word of -20 dBov each second.
#[derive(Default)]
struct Speaker {
    slots: u32,
    energy: f64,
}

impl Program for Speaker {
    fn negotiated(&mut self, _: &AudioFormat, _: Instant) {}
    fn packet(&mut self, _: &AudioPacket<'_>, _: Instant, _: &mut Outgoing) {}
    fn slot(&mut self, _: Instant, out: &mut Outgoing) {
        let word = self.slots % 50 < 10;
        self.energy += if word { 0.01 } else { 0.00001 } * 0.02;
        let timestamp = self.slots * 960;
        self.slots += 1;
        let kind = PayloadKind::Audio(AudioCodec::Opus);
        out.send(kind, false, timestamp, &[0x78; 80]);
    }
    fn command(&mut self, _: ProgramCommand, _: Instant) {}
    fn statistics(&self) -> PlayoutStatistics {
        PlayoutStatistics {
            source_total_audio_energy: self.energy,
            ..PlayoutStatistics::default()
        }
    }
}

fn level(session: &MediaSession, now: Instant) -> Option<AudioLevel> {
    session.statistics(now).inbound.sent_audio_level
}

fn header_bytes(session: &MediaSession, now: Instant) -> u64 {
    session.statistics(now).outbound.header_bytes_sent
}

#[test]
fn the_level_of_speech_is_told_with_each_packet() {
    let mut caller = config(Side::Caller);
    caller.extras.audio_level = Readiness::Offered;
    let speaker = Box::<Speaker>::default();
    let mut world = World::with_configs(caller, speaker, config(Side::Callee), Box::new(Mute));
    world.negotiate();
    world.run(3 * SECOND);
    let (mut words, mut pauses) = (0, 0);
    for _ in 0..100 {
        world.run(SECOND / 50);
        let heard = level(&world.callee.session, world.now).unwrap();
        match (heard.level, heard.voice) {
            (20, true) => words += 1,
            // Speech goes on for a while between words.
            (50, voice) => pauses += u32::from(!voice),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(words, 20);
    assert!((60..75).contains(&pauses), "{pauses}");
}

#[test]
fn a_bundled_section_names_itself_until_it_was_heard() {
    let speaker = Box::<Speaker>::default();
    let mut world = World::with_configs(
        config(Side::Caller),
        speaker,
        config(Side::Callee),
        Box::new(Mute),
    );
    let now = world.now;
    let offer = world.caller.session.create_offer(now);
    assert!(offer.contains("a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"));
    let answer = world
        .callee
        .session
        .accept_offer(&offer, Renewal::Change, now)
        .unwrap();
    assert!(answer.contains("a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"));
    world.caller.session.accept_answer(&answer, now).unwrap();
    world.settle();
    world.run(SECOND / 2);
    let figures = world.caller.session.statistics(world.now).outbound;
    assert_eq!(figures.header_bytes_sent, figures.packets_sent * 20);
    // The callee's first report comes within 1.5 s.
    world.run(2 * SECOND);
    let before = (world.now, header_bytes(&world.caller.session, world.now));
    world.run(2 * SECOND);
    let after = header_bytes(&world.caller.session, world.now);
    assert_eq!(after - before.1, 100 * 12);
}

#[test]
fn a_number_beyond_fourteen_is_kept_and_used() {
    let mut caller = config(Side::Caller);
    caller.extras.audio_level = Readiness::Offered;
    let callee = Box::<Speaker>::default();
    let mut world = World::with_configs(caller, Box::new(Mute), config(Side::Callee), callee);
    let now = world.now;
    let offer = world.caller.session.create_offer(now);
    // A far end that counts differently: numbers are the offerer's to give.
    let offer = offer.replace("a=extmap:1 ", "a=extmap:30 ");
    let answer = world
        .callee
        .session
        .accept_offer(&offer, Renewal::Change, now)
        .unwrap();
    assert!(answer.contains("a=extmap:30 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"));
    world.caller.session.accept_answer(&answer, now).unwrap();
    world.settle();
    world.run(5 * SECOND);
    let heard = world.caller.session.statistics(world.now).inbound;
    assert!(heard.packets_received > 200);
    assert_eq!(heard.sent_audio_level, None, "it never offered that number");
    // Four bytes of extension head, three of the element, one of padding.
    let before = header_bytes(&world.callee.session, world.now);
    world.run(SECOND);
    let after = header_bytes(&world.callee.session, world.now);
    assert_eq!(after - before, 50 * 20);
}

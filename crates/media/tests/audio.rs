//! Two clients' programs talk to each other in virtual time: what one plays the other hears.
#![expect(
    clippy::disallowed_methods,
    reason = "a test needs some instant to count from"
)]

use std::time::{Duration, Instant};

use offhook_media::audio::program::AudioProgram;
use offhook_media::codec::settings::OpusSettings;
use offhook_media::graph::frame::FRAME_SAMPLES;
use offhook_media::graph::ring::{RingReader, sample_ring};
use offhook_media::graph::ringback::RingbackTone;
use offhook_media::graph::sink::Sink;
use offhook_media::graph::source::Source;
use offhook_media::program::{
    AudioCodec, AudioFormat, AudioPacket, Numbering, OpusWishes, Outgoing, PayloadKind,
    PlayoutStatistics, Program, ProgramCommand, ProgramEvent,
};
use offhook_media::quality::correlation::{Search, correlate};
use offhook_media::quality::tone;
use offhook_media::rtp::telephone_event::{Payload, digit_of};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ringbuf::HeapRb;
use ringbuf::traits::Split;

const RATE: u32 = 48_000;

/// A packet on its way.
#[derive(Debug, Clone)]
struct InFlight {
    due: u64,
    kind: PayloadKind,
    marker: bool,
    sequence: u16,
    timestamp: u32,
    payload: Vec<u8>,
}

/// One direction of a call: a speaking program, a network, a listening program.
struct Call {
    speaker: AudioProgram,
    listener: AudioProgram,
    ear: RingReader,
    heard: Vec<f32>,
    start: Instant,
    slot: u64,
    sequence: u16,
    flying: Vec<InFlight>,
    sent: Vec<InFlight>,
    events: Vec<ProgramEvent>,
}

fn format(codec: AudioCodec) -> AudioFormat {
    AudioFormat {
        codec,
        packet_time: Duration::from_millis(20),
        telephone_event: Some(codec.clock_rate()),
        opus: OpusWishes {
            inband_fec: true,
            ..OpusWishes::default()
        },
        send: true,
        receive: true,
    }
}

impl Call {
    fn new(codec: AudioCodec, source: Source) -> Self {
        let (writer, ear) = sample_ring(4 * FRAME_SAMPLES);
        let events = HeapRb::new(4).split().1;
        let start = Instant::now();
        let mut speaker = AudioProgram::new(OpusSettings::default(), source, Sink::discard());
        let mut listener = AudioProgram::new(
            OpusSettings::default(),
            Source::silence(),
            Sink::ring(writer, events),
        );
        speaker.negotiated(&format(codec), start);
        listener.negotiated(&format(codec), start);
        Self {
            speaker,
            listener,
            ear,
            heard: Vec::new(),
            start,
            slot: 0,
            sequence: 0,
            flying: Vec::new(),
            sent: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Runs for so many slots; `network` gives each packet's delay in microseconds, or loses it.
    fn run(&mut self, slots: u64, mut network: impl FnMut(u64) -> Option<u64>) {
        let (mut out, mut back) = (Outgoing::new(), Outgoing::new());
        for _ in 0..slots {
            let micros = self.slot * 20_000;
            out.begin(self.slot);
            self.speaker
                .slot(self.start + Duration::from_micros(micros), &mut out);
            for packet in out.packets() {
                let Numbering::Own { timestamp } = packet.numbering else {
                    panic!("{packet:?}")
                };
                let delay = network(self.slot);
                let flying = InFlight {
                    due: micros + delay.unwrap_or_default(),
                    kind: packet.kind,
                    marker: packet.marker,
                    sequence: self.sequence,
                    timestamp,
                    payload: packet.payload.to_vec(),
                };
                self.sequence = self.sequence.wrapping_add(1);
                self.sent.push(flying.clone());
                if delay.is_some() {
                    self.flying.push(flying);
                }
            }
            while let Some(event) = self.speaker.poll_event() {
                self.events.push(event);
            }
            // The listener's slots lie 9 ms behind the speaker's.
            let micros = micros + 9_000;
            self.flying.sort_by_key(|packet| packet.due);
            let arrived = self.flying.partition_point(|packet| packet.due <= micros);
            for packet in self.flying.drain(..arrived) {
                let now = self.start + Duration::from_micros(packet.due);
                let packet = AudioPacket {
                    kind: packet.kind,
                    marker: packet.marker,
                    sequence: packet.sequence,
                    timestamp: packet.timestamp,
                    ssrc: 9,
                    payload: &packet.payload,
                };
                self.listener.packet(&packet, now, &mut back);
            }
            back.begin(self.slot);
            self.listener
                .slot(self.start + Duration::from_micros(micros), &mut back);
            let mut frame = [0.0; FRAME_SAMPLES];
            assert_eq!(self.ear.read(&mut frame), FRAME_SAMPLES);
            self.heard.extend_from_slice(&frame);
            self.slot += 1;
        }
    }

    fn statistics(&self) -> PlayoutStatistics {
        self.listener.statistics()
    }
}

/// A voice-like sound of so many seconds: syllables of changing pitch with pauses between them.
fn voice(seconds: usize) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(4);
    let mut samples = Vec::new();
    let mut phase = 0.0f64;
    while samples.len() < seconds * RATE as usize {
        let (pitch, bend) = (
            rng.random_range(90.0..220.0f64),
            rng.random_range(-40.0..40.0),
        );
        let length = rng.random_range(6_000..16_000);
        for n in 0..length {
            let part = f64::from(n) / f64::from(length);
            phase += (pitch + bend * part) / f64::from(RATE);
            let sound: f64 = (1..10)
                .map(|h| (phase * f64::from(h) * std::f64::consts::TAU).sin() / f64::from(h))
                .sum();
            samples.push((sound * 0.2 * (part * std::f64::consts::PI).sin()) as f32);
        }
        let pause = rng.random_range(1_000..12_000);
        samples.extend(std::iter::repeat_n(0.0, pause));
    }
    samples
}

fn search() -> Search {
    Search {
        longest: Duration::from_millis(300),
        ..Search::default()
    }
}

fn speaking(samples: &[f32]) -> Source {
    let (mut writer, reader) = sample_ring(samples.len());
    writer.write(samples);
    Source::ring(reader, HeapRb::new(4).split().1)
}

#[test]
fn a_tone_comes_back_as_one_clean_line() {
    for (codec, least) in [
        (AudioCodec::Opus, 30.0),
        (AudioCodec::G722, 30.0),
        (AudioCodec::Pcmu, 33.0),
        (AudioCodec::Pcma, 33.0),
    ] {
        let mut call = Call::new(codec, Source::tone(1004.0));
        call.run(250, |_| Some(3_000));
        let heard = tone::measure(&call.heard, RATE, 1004.0).unwrap();
        println!("{codec:?}: {heard:?}");
        assert!(heard.snr_db > least, "{codec:?}: {heard:?}");
        assert!(
            (heard.level_dbfs + 9.03).abs() < 0.7,
            "half scale, {heard:?}"
        );
        assert!((heard.frequency - 1004.0).abs() < 0.1);
        assert_eq!(call.statistics().concealed_samples, 0);
        assert_eq!(call.statistics().decode_errors, 0);
    }
}

#[test]
fn speech_is_recognised_through_jitter_and_its_delay_is_short() {
    for codec in [AudioCodec::Opus, AudioCodec::G722, AudioCodec::Pcma] {
        let sent = voice(5);
        let mut call = Call::new(codec, speaking(&sent));
        let mut rng = StdRng::seed_from_u64(1);
        call.run(265, |_| Some(2_000 + rng.random_range(0..8_000)));
        let found = correlate(&sent, &call.heard, RATE, &search()).unwrap();
        println!(
            "{codec:?}: median {:.3}, delay {:.1} ms",
            found.median, found.delay_ms
        );
        assert!(found.median > 0.8, "{codec:?}: {found:?}");
        assert!(found.delay_ms < 120.0, "{codec:?}: {found:?}");
    }
}

#[test]
fn lost_packets_are_rebuilt_so_that_speech_stays_speech() {
    let sent = voice(5);
    let mut call = Call::new(AudioCodec::Opus, speaking(&sent));
    let mut rng = StdRng::seed_from_u64(2);
    call.run(265, |_| (!rng.random_bool(0.05)).then_some(5_000));
    let statistics = call.statistics();
    println!("{statistics:?}");
    assert!(statistics.fec_packets_received > 4, "{statistics:?}");
    let found = correlate(&sent, &call.heard, RATE, &search()).unwrap();
    assert!(found.median > 0.8, "{found:?}");
}

#[test]
fn muting_sends_silence_and_unmuting_sends_sound_again() {
    let mut call = Call::new(AudioCodec::Opus, Source::tone(440.0));
    let loud = |part: &[f32]| part.iter().map(|s| s * s).sum::<f32>() / part.len() as f32;
    call.run(100, |_| Some(1_000));
    call.speaker.command(ProgramCommand::Mute(true), call.start);
    call.run(100, |_| Some(1_000));
    call.speaker
        .command(ProgramCommand::Mute(false), call.start);
    call.run(100, |_| Some(1_000));
    let second =
        |n: usize| &call.heard[(n * 100 + 40) * FRAME_SAMPLES..(n * 100 + 90) * FRAME_SAMPLES];
    assert!(loud(second(0)) > 0.1 && loud(second(2)) > 0.1);
    assert!(loud(second(1)) < 1e-5, "{}", loud(second(1)));
    assert_eq!(
        call.sent.len(),
        300,
        "silence is sent, so that the path stays open"
    );
}

#[test]
fn a_deaf_listener_is_given_silence_and_still_counts_what_is_said() {
    let mut call = Call::new(AudioCodec::Opus, Source::tone(440.0));
    let loud = |part: &[f32]| part.iter().map(|s| s * s).sum::<f32>() / part.len() as f32;
    call.run(100, |_| Some(1_000));
    call.listener
        .command(ProgramCommand::Deaf(true), call.start);
    call.run(100, |_| Some(1_000));
    let deaf = call.statistics();
    call.listener
        .command(ProgramCommand::Deaf(false), call.start);
    call.run(100, |_| Some(1_000));
    let second =
        |n: usize| &call.heard[(n * 100 + 40) * FRAME_SAMPLES..(n * 100 + 90) * FRAME_SAMPLES];
    assert!(loud(second(0)) > 0.1 && loud(second(2)) > 0.1);
    assert_eq!(loud(second(1)), 0.0, "exact silence");
    assert!(deaf.audio_level > 0.2, "{deaf:?}");
    assert_eq!(deaf.concealed_samples, 0, "{deaf:?}");
    assert!(deaf.total_samples_received > 190 * FRAME_SAMPLES as u64);
}

/// RFC 3960, section 3.2: the tone is for as long as no packets come.
#[test]
fn packets_take_the_place_of_the_tone_and_it_comes_back_when_none_come_any_more() {
    let loud = |part: &[f32]| part.iter().map(|s| s * s).sum::<f32>() / part.len() as f32;
    let frames = |from: usize, to: usize| from * FRAME_SAMPLES..to * FRAME_SAMPLES;
    let tone = ProgramCommand::Ringback(Some(RingbackTone::Europe));
    for ringing_first in [true, false] {
        let mut call = Call::new(AudioCodec::Opus, Source::silence());
        if ringing_first {
            call.listener.command(tone.clone(), call.start);
            call.run(100, |_| None);
            assert!(loud(&call.heard[frames(1, 40)]) > 1e-4, "the tone");
        } else {
            call.run(100, |_| Some(1_000));
            call.listener.command(tone.clone(), call.start);
        }
        call.heard.clear();
        call.run(300, |_| Some(1_000));
        let packets = loud(&call.heard[frames(20, 300)]);
        assert!(packets < 1e-5, "silence of the network: {packets}");
        call.heard.clear();
        // Longer than five seconds and the tone's own pause.
        call.run(500, |_| None);
        let pause = loud(&call.heard[frames(0, 240)]);
        assert!(pause < 1e-5, "a pause of the network: {pause}");
        assert!(loud(&call.heard[frames(250, 500)]) > 1e-4, "the tone again");
        call.listener
            .command(ProgramCommand::Ringback(None), call.start);
        call.heard.clear();
        call.run(300, |_| None);
        assert!(loud(&call.heard[frames(10, 300)]) < 1e-5);
    }
}

#[test]
fn digits_go_out_as_events_in_place_of_sound() {
    for codec in [AudioCodec::Opus, AudioCodec::G722, AudioCodec::Pcmu] {
        let mut call = Call::new(codec, Source::tone(440.0));
        call.run(50, |_| Some(1_000));
        call.speaker.command(
            ProgramCommand::Dtmf {
                digits: "1x9#".to_owned(),
            },
            call.start,
        );
        call.run(100, |_| Some(1_000));
        assert_eq!(call.events, [ProgramEvent::DtmfSent]);
        let events: Vec<&InFlight> = call
            .sent
            .iter()
            .filter(|packet| packet.kind == PayloadKind::TelephoneEvent)
            .collect();
        let begun: String = events
            .iter()
            .filter(|packet| packet.marker)
            .filter_map(|packet| digit_of(Payload::parse(&packet.payload)?.event))
            .collect();
        assert_eq!(begun, "19#", "what is no digit is left out");
        let ends = events
            .iter()
            .filter(|packet| Payload::parse(&packet.payload).unwrap().end)
            .count();
        assert_eq!(ends, 9, "each end is said three times");
        let statistics = call.statistics();
        assert_eq!(
            statistics.concealed_samples, 0,
            "events are no loss: {statistics:?}"
        );
        // Sound goes on where the clock is, as if nothing had been left out.
        let last = call.sent.last().unwrap();
        assert_eq!(last.timestamp, 149 * codec.ticks_per_slot());
    }
}

#[test]
fn digits_that_are_paused_go_on_where_they_were_also_with_another_codec() {
    let mut call = Call::new(AudioCodec::Opus, Source::tone(440.0));
    let digits = "12345".to_owned();
    call.speaker
        .command(ProgramCommand::Dtmf { digits }, call.start);
    let begun = |call: &Call| -> String {
        let events = call
            .sent
            .iter()
            .filter(|packet| packet.kind == PayloadKind::TelephoneEvent && packet.marker);
        events
            .filter_map(|packet| digit_of(Payload::parse(&packet.payload)?.event))
            .collect()
    };
    // In the middle of the second digit.
    call.run(11, |_| Some(1_000));
    assert_eq!(begun(&call), "12");
    call.speaker
        .command(ProgramCommand::PauseDtmf(true), call.start);
    call.run(50, |_| Some(1_000));
    assert_eq!(begun(&call), "12", "nobody hears it");
    let last = call
        .sent
        .iter()
        .rfind(|packet| packet.kind == PayloadKind::TelephoneEvent);
    let last = Payload::parse(&last.expect("an event").payload);
    assert!(last.is_some_and(|event| event.end), "ended in order");
    let now = call.start + Duration::from_secs(2);
    call.speaker.negotiated(&format(AudioCodec::Pcma), now);
    call.listener.negotiated(&format(AudioCodec::Pcma), now);
    call.speaker
        .command(ProgramCommand::PauseDtmf(false), call.start);
    call.run(100, |_| Some(1_000));
    assert_eq!(begun(&call), "12345");
}

#[test]
fn a_new_codec_in_mid_call_takes_over() {
    let mut call = Call::new(AudioCodec::Opus, Source::tone(1004.0));
    call.run(100, |_| Some(1_000));
    let now = call.start + Duration::from_secs(2);
    call.speaker.negotiated(&format(AudioCodec::Pcma), now);
    call.listener.negotiated(&format(AudioCodec::Pcma), now);
    call.run(150, |_| Some(1_000));
    let heard = tone::measure(&call.heard[150 * FRAME_SAMPLES..], RATE, 1004.0).unwrap();
    assert!(heard.snr_db > 30.0, "{heard:?}");
}

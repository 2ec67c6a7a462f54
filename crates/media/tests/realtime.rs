//! Proof that real-time code is real-time: no allocation, and in the device callbacks no system call at all.
//!
//! The same tests run once more under the real-time sanitizer, which also sees locks and C code: `scripts/rtsan.sh`.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and needs some instant to count from"
)]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use offhook_media::audio::program::AudioProgram;
use offhook_media::codec::settings::OpusSettings;
use offhook_media::device::callback::{CaptureCallback, Heartbeat, PlayoutCallback};
use offhook_media::graph::event::{EVENT_RING, EndpointEvent};
use offhook_media::graph::frame::Frame;
use offhook_media::graph::gain::Gain;
use offhook_media::graph::meter::Meter;
use offhook_media::graph::ring::{RingReader, RingWriter, sample_ring};
use offhook_media::graph::sink::Sink;
use offhook_media::graph::source::Source;
use offhook_media::program::{
    AudioCodec, AudioFormat, AudioPacket, Numbering, OpusWishes, Outgoing, Program,
};
use ringbuf::traits::Split;
use ringbuf::{HeapCons, HeapRb};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

/// Both callbacks with the other ends of their rings.
struct Card {
    capture: CaptureCallback,
    captured: RingReader,
    playout: PlayoutCallback,
    to_play: RingWriter,
    interleaved: Vec<f32>,
    mono: Vec<f32>,
}

impl Card {
    fn new(channels: usize) -> Self {
        let (writer, captured) = sample_ring(4_800);
        let (to_play, reader) = sample_ring(4_800);
        Self {
            capture: CaptureCallback::new(writer, channels, Heartbeat::default()),
            captured,
            playout: PlayoutCallback::new(reader, channels, 960, Heartbeat::default()),
            to_play,
            interleaved: vec![0.25; 480 * channels],
            mono: vec![0.5; 960],
        }
    }

    /// One call of each callback, of changing length, with rings that now run over and now run dry.
    fn call(&mut self, turn: usize) {
        let length = (24 + turn * 7 % 456) * self.interleaved.len() / 480;
        self.capture.process(&self.interleaved[..length]);
        if turn.is_multiple_of(3) {
            self.to_play.write(&self.mono);
        }
        self.playout.process(&mut self.interleaved[..length]);
        if turn.is_multiple_of(5) {
            self.captured.read(&mut self.mono);
        }
    }
}

#[test]
fn device_callbacks_allocate_nothing() {
    for channels in [1, 2] {
        let mut card = Card::new(channels);
        assert_no_alloc(|| (0..10_000).for_each(|turn| card.call(turn)));
    }
}

#[test]
fn device_callbacks_make_no_system_call() {
    let status = seccomp_child("callbacks");
    assert!(status.success(), "{status}");
}

#[test]
fn the_filter_would_catch_a_system_call() {
    let status = seccomp_child("violation");
    assert_eq!(status.signal(), Some(SIGSYS), "{status}");
}

/// "Bad system call" on every Linux.
const SIGSYS: i32 = 31;
const CHILD: &str = "OFFHOOK_SECCOMP_CHILD";

fn seccomp_child(task: &str) -> std::process::ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_under_the_filter", "--test-threads=1"])
        .env(CHILD, task)
        .status()
        .unwrap()
}

/// Does nothing but in a process of its own, started by the tests above: the thread under the filter may not even end, so the process has to.
#[test]
fn child_under_the_filter() {
    let Ok(task) = std::env::var(CHILD) else {
        return;
    };
    let forbid_all: BpfProgram = SeccompFilter::new(
        BTreeMap::new(),
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into().unwrap(),
    )
    .unwrap()
    .try_into()
    .unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let signal = Arc::clone(&done);
    thread::spawn(move || {
        let mut cards = [Card::new(1), Card::new(2)];
        seccompiler::apply_filter(&forbid_all).unwrap();
        for turn in 0..10_000 {
            cards[turn % 2].call(turn);
        }
        if task == "violation" {
            let _ = std::fs::metadata("/");
        }
        signal.store(true, Ordering::Release);
        loop {
            std::hint::spin_loop();
        }
    });
    while !done.load(Ordering::Acquire) {
        thread::yield_now();
    }
    std::process::exit(0);
}

fn no_events() -> HeapCons<EndpointEvent> {
    HeapRb::new(EVENT_RING).split().1
}

#[test]
fn every_source_sink_and_node_allocates_nothing() {
    let (mut from_card, card_reader) = sample_ring(44_100);
    let (card_writer, mut to_card) = sample_ring(44_100);
    let (mut from_disk, disk_reader) = sample_ring(9_600);
    let (disk_writer, mut to_disk) = sample_ring(9_600);
    let mut sources = [
        Source::silence(),
        Source::tone(1004.0),
        Source::ring(disk_reader, no_events()),
        Source::device(card_reader, 44_100, no_events()).unwrap(),
    ];
    let mut sinks = [
        Sink::discard(),
        Sink::ring(disk_writer, no_events()),
        Sink::device(card_writer, 44_100, no_events()).unwrap(),
    ];
    let (mut gain, mut meter, mut frame) = (Gain::new(1.0), Meter::default(), Frame::silent());
    let mut buffer = vec![0.1; 882];
    assert_no_alloc(|| {
        for turn in 0..2_000 {
            from_card.write(&buffer);
            from_disk.write(&buffer);
            for source in &mut sources {
                source.read(&mut frame);
                let _ = source.poll_event();
            }
            gain.set((turn % 2) as f32);
            gain.process(&mut frame);
            meter.measure(&frame);
            for sink in &mut sinks {
                sink.write(&frame);
                let _ = sink.poll_event();
            }
            to_card.read(&mut buffer);
            to_disk.read(&mut buffer);
        }
    });
}

const WARM_UP: u64 = 100;

/// One slot of a call; under the sanitizer this also sees what libopus does.
#[rtsan_standalone::nonblocking]
fn slot(program: &mut AudioProgram, now: Instant, out: &mut Outgoing) {
    program.slot(now, out);
}

#[rtsan_standalone::nonblocking]
fn packet(program: &mut AudioProgram, packet: &AudioPacket<'_>, now: Instant, out: &mut Outgoing) {
    program.packet(packet, now, out);
}

#[test]
fn a_call_in_steady_state_allocates_nothing() {
    for codec in [AudioCodec::Opus, AudioCodec::G722, AudioCodec::Pcma] {
        let mut program = AudioProgram::new(
            OpusSettings::default(),
            Source::tone(440.0),
            Sink::discard(),
        );
        let format = AudioFormat {
            codec,
            packet_time: Duration::from_millis(20),
            telephone_event: Some(8_000),
            opus: OpusWishes {
                inband_fec: true,
                ..OpusWishes::default()
            },
            send: true,
            receive: true,
        };
        let start = Instant::now();
        program.negotiated(&format, start);
        let (mut out, mut unused) = (Outgoing::new(), Outgoing::new());
        // The first seconds fill buffers that are used again from then on.
        let mut turn = |number: u64| {
            let steady = number >= WARM_UP;
            let now = start + Duration::from_millis(20 * number);
            out.begin(number);
            if steady {
                slot(&mut program, now, &mut out);
            } else {
                program.slot(now, &mut out);
            }
            // Every tenth packet is lost, every seventh comes twice: all ways through the buffer are walked.
            for sent in out.packets().filter(|_| number % 10 != 9) {
                let Numbering::Own { timestamp } = sent.numbering else {
                    continue;
                };
                let arrived = AudioPacket {
                    kind: sent.kind,
                    marker: sent.marker,
                    sequence: number as u16,
                    timestamp,
                    ssrc: 1,
                    payload: sent.payload,
                };
                if steady {
                    packet(&mut program, &arrived, now, &mut unused);
                } else {
                    program.packet(&arrived, now, &mut unused);
                }
                if steady && number.is_multiple_of(7) {
                    packet(&mut program, &arrived, now, &mut unused);
                }
            }
        };
        (0..WARM_UP).for_each(&mut turn);
        assert_no_alloc(|| (WARM_UP..500).for_each(&mut turn));
        let statistics = program.statistics();
        assert!(
            statistics.jitter_buffer_emitted_count > 350 * 960,
            "{statistics:?}"
        );
        assert!(statistics.concealed_samples > 25 * 960, "{statistics:?}");
    }
}

/// Shows `scripts/rtsan.sh`, which sets the variable, that the sanitizer is on: this then ends the process.
#[test]
fn an_allocation_in_real_time_code_is_seen() {
    if std::env::var_os("OFFHOOK_RTSAN_VIOLATION").is_some() {
        allocate();
    }
}

#[rtsan_standalone::nonblocking]
fn allocate() {
    std::hint::black_box(vec![0u8; 100]);
}

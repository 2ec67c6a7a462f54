//! Sound devices against a real sound system: what is played comes back, what breaks is told.
//!
//! The sound library reads its configuration from the environment once, so each story runs in a process of its own: the test starts
//! the sound system, then this binary again with the story's name.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and one half tells the other where it is"
)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use offhook_control::notice::Event;
use offhook_control::reply::CallState;
use offhook_media::device::disk::{Disk, DiskConfig};
use offhook_media::device::error::{Direction, EndpointError};
use offhook_media::device::open::{RecordingNames, device_names, open_sink, open_source};
use offhook_media::device::spec::{SinkSpec, SourceSpec};
use offhook_media::graph::event::{EndpointEvent, EndpointFault};
use offhook_media::graph::frame::{FRAME_DURATION, FRAME_SAMPLES, Frame};
use offhook_media::graph::sink::Sink;
use offhook_media::graph::source::Source;
use offhook_media::quality::correlation::{Search, correlate};
use offhook_tests::audio_server::AudioServer;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sound::RATE;

const STORY: &str = "OFFHOOK_DEVICE_STORY";

/// Starts this test's other half with the sound system's environment.
fn other_half(server: &AudioServer, story: &str, more: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "the_other_half",
            "--nocapture",
            "--test-threads=1",
        ])
        .envs(server.variables())
        .envs(more.iter().copied())
        .env(STORY, story)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[track_caller]
fn assert_well(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn what_the_loudspeaker_plays_the_microphone_hears() {
    let server = AudioServer::start();
    // What is played goes into feed1, whose sound mic1 delivers.
    assert_well(other_half(&server, "loop", &[("PULSE_SINK", "feed1")]));
}

#[test]
fn an_unknown_device_is_told_with_the_names_that_would_do() {
    let server = AudioServer::start();
    assert_well(other_half(&server, "unknown", &[]));
}

#[test]
fn a_stalled_device_is_told_and_so_is_its_return() {
    let server = AudioServer::start();
    let mut child = other_half(&server, "stall", &[]);
    let mut said = Said::of(&mut child);
    said.wait_for("hears");
    server.control(&["suspend-source", "mic1", "1"]);
    said.wait_for("stalled");
    server.control(&["suspend-source", "mic1", "0"]);
    said.wait_for("runs again");
    assert_well(child);
}

#[test]
fn a_sound_system_that_ends_is_told_once() {
    let server = AudioServer::start();
    let mut child = other_half(&server, "death", &[]);
    let mut said = Said::of(&mut child);
    said.wait_for("hears");
    server.stop();
    said.wait_for("failed");
    assert_well(child);
}

#[test]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]
fn a_daemon_tells_that_its_microphone_stalled_in_a_call_and_that_it_is_back() {
    const PATIENCE: Duration = Duration::from_secs(20);
    let server = AudioServer::start();
    let sandbox = Sandbox::start(&[]);
    let mut environment = Command::new("env");
    environment.args(
        server
            .variables()
            .map(|(name, value)| format!("{name}={value}")),
    );
    let daemon = Config::new()
        .account("desk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox")
        .audio("device:default", "device:default")
        .launch_by(environment);
    let mut control = daemon.ready();
    let call = control.call("9196");
    control.wait("media", PATIENCE, |notice| {
        matches!(notice.event, Event::FirstRtpReceived).then_some(())
    });
    server.control(&["suspend-source", "mic1", "1"]);
    let reason = control.wait("the fault", PATIENCE, |notice| match &notice.event {
        Event::AudioFault { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert!(reason.contains("has stopped"), "{reason}");
    server.control(&["suspend-source", "mic1", "0"]);
    let device = control.wait("its return", PATIENCE, |notice| match &notice.event {
        Event::AudioRestored { device } => Some(device.clone()),
        _ => None,
    });
    assert!(reason.contains(&device), "{device} is back, and {reason}");
    // The call has lived through it.
    assert_eq!(control.status().calls[0].state, CallState::Active);
    control.hangup(&call);
    control.wait_ended(&call, PATIENCE);
}

/// Lines that the other half says.
struct Said(std::io::BufReader<std::process::ChildStdout>);

impl Said {
    fn of(child: &mut Child) -> Self {
        Self(std::io::BufReader::new(child.stdout.take().unwrap()))
    }

    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        use std::io::BufRead;
        let mut line = String::new();
        let mut all = String::new();
        while self.0.read_line(&mut line).unwrap() > 0 {
            if line.contains(text) {
                return;
            }
            all.push_str(&line);
            line.clear();
        }
        panic!("the other half never said {text:?}, but:\n{all}");
    }
}

#[test]
fn the_other_half() {
    match std::env::var(STORY).as_deref() {
        Ok("loop") => hear_oneself(),
        Ok("unknown") => ask_for_an_unknown_device(),
        Ok("stall") => live_through_a_stall(),
        Ok("death") => live_through_the_end(),
        Ok(other) => panic!("no story {other}"),
        Err(_) => {}
    }
}

fn disk() -> Disk {
    Disk::start(DiskConfig::default()).unwrap()
}

fn open(source: &str, sink: &str) -> (Source, Sink) {
    let names = RecordingNames {
        call: "call",
        time: "now",
    };
    let source: SourceSpec = source.parse().unwrap();
    let sink: SinkSpec = sink.parse().unwrap();
    (
        open_source(&source, &disk()).unwrap(),
        open_sink(&sink, names, &disk()).unwrap(),
    )
}

/// Calls `turn` each 20 ms with the number of the frame until it says that it has enough.
fn pace(limit: Duration, mut turn: impl FnMut(usize) -> bool) {
    let begun = Instant::now();
    let mut number = 0u32;
    while turn(number as usize) {
        number += 1;
        let due = begun + FRAME_DURATION * number;
        while let Some(left) = due
            .checked_duration_since(Instant::now())
            .filter(|left| !left.is_zero())
        {
            std::thread::park_timeout(left);
        }
        assert!(begun.elapsed() < limit, "not within {limit:?}");
    }
}

/// A sweep from 300 to 3000 Hz each second: no two moments of it are alike.
fn sweep(samples: usize) -> Vec<f32> {
    let rate = f64::from(RATE);
    (0..samples)
        .map(|n| {
            let t = (n as f64 / rate) % 1.0;
            (0.4 * ((300.0 * t + 1350.0 * t * t) * std::f64::consts::TAU).sin()) as f32
        })
        .collect()
}

fn hear_oneself() {
    let (mut microphone, mut loudspeaker) = open("device:default", "device:default");
    let sent = sweep(200 * FRAME_SAMPLES);
    let (mut heard, mut frame) = (Vec::new(), Frame::silent());
    pace(Duration::from_secs(20), |number| {
        frame.clear();
        if let Some(part) = sent.get(number * FRAME_SAMPLES..(number + 1) * FRAME_SAMPLES) {
            frame.copy_from_slice(part);
        }
        loudspeaker.write(&frame);
        microphone.read(&mut frame);
        heard.extend_from_slice(&frame[..]);
        assert_eq!(
            (microphone.poll_event(), loudspeaker.poll_event()),
            (None, None)
        );
        number < 230
    });
    // Short windows, so that a seam that a busy machine costs spoils few of them.
    let search = Search {
        window: Duration::from_millis(250),
        longest: Duration::from_millis(500),
        ..Search::default()
    };
    let found = correlate(&sent, &heard, RATE, &search).unwrap();
    println!("{found:?}");
    assert!(found.median >= 0.95, "{found:?}");
    assert!(found.delay_ms < 250.0, "{found:?}");
}

fn ask_for_an_unknown_device() {
    let names = device_names(Direction::Input);
    assert!(names.iter().any(|name| name == "mic1"), "{names:?}");
    let error = open_source(&SourceSpec::Device("trumpet".to_owned()), &disk()).unwrap_err();
    assert!(
        matches!(error, EndpointError::UnknownDevice { .. }),
        "{error:?}"
    );
    let sentence = error.to_string();
    for part in [
        "no sound input device is called \"trumpet\"",
        "default",
        "mic1",
    ] {
        assert!(sentence.contains(part), "{sentence}");
    }
}

fn live_through_a_stall() {
    let (mut microphone, _) = open("device:mic1", "discard");
    let mut frame = Frame::silent();
    let mut said = false;
    pace(Duration::from_secs(30), |number| {
        microphone.read(&mut frame);
        if number == 25 && !said {
            said = true;
            println!("hears");
        }
        match microphone.poll_event() {
            Some(EndpointEvent::DeviceStalled { device }) => println!("{device} stalled"),
            Some(EndpointEvent::DeviceRunning { device }) => {
                println!("{device} runs again");
                return false;
            }
            Some(event) => panic!("{event:?}"),
            None => {}
        }
        true
    });
}

fn live_through_the_end() {
    let (mut microphone, _) = open("device:mic1", "discard");
    let mut frame = Frame::silent();
    pace(Duration::from_secs(30), |number| {
        microphone.read(&mut frame);
        if number == 25 {
            println!("hears");
        }
        match microphone.poll_event() {
            Some(EndpointEvent::InputFailed(fault @ EndpointFault::Device { .. })) => {
                assert!(fault.to_string().contains("mic1"), "{fault}");
                println!("failed: {fault}");
                return false;
            }
            Some(EndpointEvent::DeviceStalled { .. }) | None => {}
            Some(event) => panic!("{event:?}"),
        }
        true
    });
    // Nothing more is told, and reading goes on as silence.
    pace(Duration::from_secs(5), |number| {
        microphone.read(&mut frame);
        assert_eq!(microphone.poll_event(), None);
        number < 25
    });
    assert_eq!(frame, Frame::silent());
}

//! Sound files in and out through the disk thread, as a call uses them.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and a disk takes real time"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use offhook_media::device::disk::{Disk, DiskConfig};
use offhook_media::device::error::EndpointError;
use offhook_media::device::open::{RecordingNames, open_sink, open_source};
use offhook_media::device::spec::{SinkSpec, SourceSpec};
use offhook_media::device::wav::header;
use offhook_media::device::wav::reader::WavReader;
use offhook_media::graph::event::{EndpointEvent, EndpointFault};
use offhook_media::graph::frame::{FRAME_SAMPLES, Frame};
use offhook_media::graph::sink::Sink;
use offhook_media::graph::tone::Tone;

const NAMES: RecordingNames<'_> = RecordingNames {
    call: "abc",
    time: "2026-11-25T10:00:00",
};
const PATIENCE: Duration = Duration::from_secs(20);

fn record(disk: &Disk, path: &Path) -> Sink {
    open_sink(&SinkSpec::File(path.to_owned()), NAMES, disk).unwrap()
}

/// Waits until `ready` gives something.
fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let asked = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(asked.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Writes seconds of a tone, no faster than the disk takes them.
fn speak(sink: &mut Sink, seconds: usize, taken: impl Fn() -> u64) {
    let (mut tone, mut frame) = (Tone::new(1000.0), Frame::silent());
    let before = taken();
    for number in 0..seconds * 50 {
        tone.read(&mut frame);
        sink.write(&frame);
        if number % 50 == 49 {
            let wanted = before + (number as u64 + 1) * FRAME_SAMPLES as u64 * 2;
            wait_for("writing", || (taken() >= wanted).then_some(()));
        }
    }
}

/// Bytes of sound on the disk, in all files of the folder.
fn bytes_of_sound(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len().saturating_sub(44))
        .sum()
}

fn samples(path: &Path) -> usize {
    let mut reader = WavReader::open(path).unwrap();
    let mut count = 0;
    while reader.read(|part| count += part.len()).unwrap() {}
    count
}

#[test]
fn a_recording_is_played_back_as_it_was_and_its_end_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::start(DiskConfig::default()).unwrap();
    let mut sink = record(&disk, &folder.path().join("{call}-{time}.wav"));
    let path = folder.path().join("abc-2026-11-25T10:00:00.wav");
    assert_eq!(
        sink.poll_event(),
        Some(EndpointEvent::RecordingTo { path: path.clone() })
    );
    speak(&mut sink, 3, || bytes_of_sound(folder.path()));
    drop(sink);
    assert!(disk.wait_for_recordings(PATIENCE));
    assert_eq!(samples(&path), 3 * 48_000);

    let mut source = open_source(&SourceSpec::File(path), &disk).unwrap();
    let (mut tone, mut expected, mut frame) = (Tone::new(1000.0), Frame::silent(), Frame::silent());
    for number in 0..150 {
        tone.read(&mut expected);
        if number == 90 {
            // Two seconds were read ahead; from here on the disk thread must have caught up.
            std::thread::park_timeout(Duration::from_millis(300));
        }
        source.read(&mut frame);
        for (heard, sent) in frame.iter().zip(expected.iter()) {
            assert!((heard - sent).abs() < 1e-4, "frame {number}");
        }
    }
    let event = wait_for("the end", || source.poll_event());
    assert_eq!(event, EndpointEvent::InputEnded);
    source.read(&mut frame);
    assert_eq!(frame, Frame::silent(), "silence after the end");
}

#[test]
fn the_header_is_valid_while_the_recording_grows() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::start(DiskConfig::default()).unwrap();
    let path = folder.path().join("growing.wav");
    let mut sink = record(&disk, &path);
    let (mut tone, mut frame) = (Tone::new(1000.0), Frame::silent());
    let stated = wait_for("a header that states sound", || {
        tone.read(&mut frame);
        sink.write(&frame);
        let bytes = std::fs::read(&path).unwrap();
        let format = header::read(&mut &bytes[..]).unwrap();
        format
            .data_bytes
            .filter(|&stated| stated > 0 && stated <= bytes.len() as u64 - 44)
    });
    assert_eq!(stated % 2, 0);
    drop(sink);
    assert!(disk.wait_for_recordings(PATIENCE));
}

#[test]
fn a_part_that_is_full_is_followed_by_the_next_and_no_sample_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("long-1.wav"), b"somebody's").unwrap();
    let others = bytes_of_sound(folder.path());
    let disk = Disk::start(DiskConfig {
        part_bytes: 100_000,
        ..DiskConfig::default()
    })
    .unwrap();
    let mut sink = record(&disk, &folder.path().join("long.wav"));
    speak(&mut sink, 3, || bytes_of_sound(folder.path()) - others);
    let mut paths: Vec<PathBuf> = Vec::new();
    while let Some(event) = sink.poll_event() {
        let EndpointEvent::RecordingTo { path } = event else {
            panic!("{event:?}")
        };
        paths.push(path);
    }
    drop(sink);
    assert!(disk.wait_for_recordings(PATIENCE));
    let names: Vec<_> = paths
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(names, ["long.wav", "long-2.wav", "long-3.wav"]);
    let counts: Vec<usize> = paths.iter().map(|path| samples(path)).collect();
    assert_eq!(counts, [50_000, 50_000, 44_000]);
    assert_eq!(
        std::fs::read(folder.path().join("long-1.wav")).unwrap(),
        b"somebody's"
    );
}

#[test]
fn limits_and_faults_are_sentences() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::start(DiskConfig {
        most_files: 1,
        ..DiskConfig::default()
    })
    .unwrap();
    let kept = record(&disk, &folder.path().join("a.wav"));
    let refused =
        open_sink(&SinkSpec::File(folder.path().join("b.wav")), NAMES, &disk).unwrap_err();
    assert_eq!(refused, EndpointError::Busy { open: 1 });
    drop(kept);
    assert!(disk.wait_for_recordings(PATIENCE));
    let missing = open_source(&SourceSpec::File("/nowhere/x.wav".into()), &disk).unwrap_err();
    assert!(
        missing
            .to_string()
            .contains("/nowhere/x.wav does not exist"),
        "{missing}"
    );
    let unwritable =
        open_sink(&SinkSpec::File("/proc/offhook.wav".into()), NAMES, &disk).unwrap_err();
    assert!(
        unwritable
            .to_string()
            .contains("cannot create the recording /proc/offhook.wav"),
        "{unwritable}"
    );
    #[cfg(not(feature = "device"))]
    {
        let none = open_source(&SourceSpec::Device("default".into()), &disk).unwrap_err();
        assert!(none.to_string().contains("no sound devices"), "{none}");
    }
}

const SMALL_DISK: &str = "OFFHOOK_SMALL_DISK";

/// A disk of 64 KiB can be mounted only in a namespace of its own, so the story runs in a process of its own.
#[test]
fn a_full_disk_is_told_and_the_recording_up_to_then_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=64k tmpfs \"$1\" && exec \"$2\" --exact on_a_small_disk --nocapture")
        .arg("sh")
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .env(SMALL_DISK, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{why}");
}

/// Does nothing but in the process that the test above starts.
#[test]
fn on_a_small_disk() {
    let Some(folder) = std::env::var_os(SMALL_DISK) else {
        return;
    };
    let path = Path::new(&folder).join("call.wav");
    let disk = Disk::start(DiskConfig::default()).unwrap();
    let mut sink = record(&disk, &path);
    assert_eq!(
        sink.poll_event(),
        Some(EndpointEvent::RecordingTo { path: path.clone() })
    );
    let (mut tone, mut frame) = (Tone::new(1000.0), Frame::silent());
    let event = wait_for("the end of the room", || {
        tone.read(&mut frame);
        sink.write(&frame);
        sink.poll_event()
    });
    let EndpointEvent::OutputFailed(fault @ EndpointFault::DiskFull { .. }) = event else {
        panic!("{event:?}")
    };
    let sentence = fault.to_string();
    assert!(
        sentence.starts_with(&format!("disk full while recording to {}", path.display())),
        "{sentence}"
    );
    assert!(sentence.contains("Free some space"), "{sentence}");
    // The call goes on: its sink still takes frames, and nothing more is told.
    sink.write(&frame);
    assert_eq!(sink.poll_event(), None);
    assert!(disk.wait_for_recordings(PATIENCE));
    let bytes = std::fs::read(&path).unwrap();
    let format = header::read(&mut &bytes[..]).unwrap();
    assert_eq!(
        format.data_bytes,
        Some(bytes.len() as u64 - 44),
        "the header states all that fitted"
    );
    assert_eq!(samples(&path), (bytes.len() - 44) / 2);
    assert!(bytes.len() > 60_000);
}

//! A disk that fills up during a call: it is told, the calls go on, and what was recorded up to then can be played.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::reply::CallState;
use offhook_tests::control::Control;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sound;

const PATIENCE: Duration = Duration::from_secs(20);

/// A program that mounts a disk of 256 KiB on the folder, seen by nobody else, and then starts what it is given.
fn on_a_small_disk(folder: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=256k tmpfs \"$0\" && exec \"$@\"")
        .arg(folder);
    command
}

/// Where the call is recorded, and the sentence that tells that it no longer is.
fn recorded_until(control: &mut Control, call: &str) -> (PathBuf, String) {
    let mut path = None;
    let sentence = control.wait("audio_fault", PATIENCE, |notice| match &notice.event {
        _ if notice.call.as_deref() != Some(call) => None,
        Event::Recording { path: told } => {
            path = Some(PathBuf::from(told));
            None
        }
        Event::AudioFault { reason, remedy } => {
            Some(format!("{reason}; {}", remedy.as_deref().unwrap_or("")))
        }
        _ => None,
    });
    (path.expect("the recording was told"), sentence)
}

#[test]
fn a_full_disk_is_told_the_calls_go_on_and_the_recordings_are_valid() {
    let sandbox = Sandbox::start(&[]);
    let config = Config::new().account("desk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox");
    let folder = config.folder().join("recordings");
    std::fs::create_dir(&folder).expect("a folder");
    let output = format!("file:{}", folder.join("{call}.wav").display());
    let mut daemon = config
        .audio("silence", &output)
        .launch_by(on_a_small_disk(&folder));
    let mut control = daemon.ready();

    let first = control.call("9197");
    let (path, sentence) = recorded_until(&mut control, &first);
    for word in ["disk full", &path.to_string_lossy(), "Free some space"] {
        assert!(sentence.contains(word), "no {word:?} in: {sentence}");
    }
    // The next call finds no room at all, and is a call all the same.
    let second = control.call("9197");
    let told = control.wait("audio_fault", PATIENCE, |notice| match &notice.event {
        Event::AudioFault { reason, .. } if notice.call.as_ref() == Some(&second) => {
            Some(reason.clone())
        }
        _ => None,
    });
    assert!(told.contains(&*folder.to_string_lossy()), "{told}");
    control.wait("media", PATIENCE, |notice| {
        (matches!(notice.event, Event::FirstRtpReceived) && notice.call.as_ref() == Some(&second))
            .then_some(())
    });
    let calls = control.status().calls;
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.state == CallState::Active));

    // The disk is the daemon's alone: through its own root the test can look at it.
    let seen = PathBuf::from(format!(
        "/proc/{}/root{}",
        daemon.program.id(),
        path.display()
    ));
    let heard = sound::read(&seen);
    assert!(heard.len() > 48_000, "{} samples", heard.len());
    let bytes = std::fs::read(&seen).expect("the recording");
    let stated = u32::from_le_bytes(bytes[40..44].try_into().expect("four bytes"));
    assert_eq!(usize::try_from(stated).expect("a length"), bytes.len() - 44);
    for call in [first, second] {
        control.hangup(&call);
        control.wait_ended(&call, PATIENCE);
    }
    assert!(daemon.program.is_running());
}

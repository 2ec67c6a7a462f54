//! What was recorded is what the number plays.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_media::quality::correlation::{Search, correlate};
use offhook_media::quality::tone;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sound;

/// Calls a number through a daemon that plays `input`, records for some seconds, and returns the recording.
fn record(dialect: &str, number: &str, input: &str, seconds: u64, folder: &Path) -> PathBuf {
    let sandbox = Sandbox::start(&[]);
    let output = format!("file:{}", folder.join("heard-{call}.wav").display());
    let config = Config::new().account("kiosk", dialect, &sandbox.ready.verto, "demo-1", "sandbox");
    let daemon = config.audio(input, &output).launch();
    let mut control = daemon.ready();
    let call = control.call(number);
    let limit = Duration::from_secs(10);
    let path = control.wait("the recording", limit, |notice| match &notice.event {
        Event::Recording { path } => Some(PathBuf::from(path)),
        _ => None,
    });
    // Figures come once a second: they are the clock of the recording.
    for _ in 0..seconds {
        control.wait("figures", limit, |notice| {
            matches!(notice.event, Event::Quality(_)).then_some(())
        });
    }
    control.hangup(&call);
    control.wait_ended(&call, limit);
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("offhook-recorded")
        .tempdir()
        .expect("a folder for the test")
}

#[test]
fn a_tone_is_recorded_as_one_clean_line() {
    for dialect in ["telnyx", "freeswitch"] {
        let folder = folder();
        let path = record(dialect, "9197", "silence", 5, folder.path());
        let heard = sound::read(&path);
        let tone = tone::measure(&heard, sound::RATE, 1004.0).expect("a tone");
        assert!(tone.snr_db > 30.0, "{dialect}: {tone:?}");
        assert!(tone.heard > Duration::from_secs(4), "{dialect}: {tone:?}");
        let mode = std::fs::metadata(&path)
            .expect("the recording")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn the_delayed_echo_shows_its_half_second_in_the_mouth_to_ear_figure() {
    let folder = folder();
    let speech = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sandbox/assets/speech.wav");
    let played = sound::read(&speech);
    let delay = |number| {
        let path = record(
            "telnyx",
            number,
            &format!("file:{}", speech.display()),
            12,
            folder.path(),
        );
        let heard = sound::read(&path);
        let found = correlate(&played, &heard, sound::RATE, &Search::default())
            .expect("speech that came back");
        assert!(found.median > 0.9, "{number}: {found:?}");
        found.delay_ms
    };
    let (straight, late) = (delay("9196"), delay("9195"));
    assert!(
        (450.0..=560.0).contains(&(late - straight)),
        "{straight} ms, then {late} ms"
    );
}

#[test]
fn speech_of_the_sandbox_arrives_whole() {
    let folder = folder();
    let path = record("freeswitch", "9198", "silence", 8, folder.path());
    let speech =
        sound::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../sandbox/assets/speech.wav"));
    let found = correlate(
        &speech,
        &sound::read(&path),
        sound::RATE,
        &Search::default(),
    )
    .expect("speech");
    assert!(found.median > 0.9, "{found:?}");
}

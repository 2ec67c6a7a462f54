//! The far end chooses the codec: what it offers alone is spoken.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use offhook_control::notice::Event;
use offhook_media::quality::tone;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sound;

const PATIENCE: Duration = Duration::from_secs(15);

#[test]
fn a_call_in_g722_alone_as_telnyx_offers_it_is_heard() {
    for codec in ["G722", "PCMA"] {
        let mut sandbox = Sandbox::start(&[]);
        let config = Config::new();
        let recording = config.folder().join("heard.wav");
        let mut daemon = config
            .account("kiosk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox")
            .audio("silence", &format!("file:{}", recording.display()))
            .launch();
        let mut control = daemon.ready();
        // A tone.
        sandbox.call_in("demo-1", &[codec]);
        control.wait("the call", PATIENCE, |notice| {
            matches!(notice.event, Event::Incoming { .. }).then_some(())
        });
        control.answer();
        let enough = u64::from(2 * sound::RATE) * 3;
        let begun = Instant::now();
        while std::fs::metadata(&recording).map_or(0, |file| file.len()) < enough {
            assert!(begun.elapsed() < PATIENCE, "{codec}: nothing is recorded");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let status = control.status();
        assert_eq!(status.calls[0].codec.as_deref(), Some(codec));
        daemon.program.signal(Signal::SIGTERM);
        daemon.program.wait(PATIENCE);
        let heard = sound::read(&recording);
        // The best second: one in which this machine itself was not late.
        let second = sound::RATE as usize;
        let tone = heard
            .windows(second)
            .skip(second / 2)
            .step_by(second / 4)
            .filter_map(|part| tone::measure(part, sound::RATE, 1004.0))
            .max_by(|one, other| one.snr_db.total_cmp(&other.snr_db));
        let tone = tone.expect("a tone");
        assert!((tone.frequency - 1004.0).abs() < 1.0, "{codec}: {tone:?}");
        assert!(tone.snr_db > 25.0, "{codec}: {tone:?}");
    }
}

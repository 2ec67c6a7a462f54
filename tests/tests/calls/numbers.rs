//! What each number of the sandbox does is what a client sees.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use offhook_control::notice::{EndedBy, Event};
use offhook_media::quality::tone;
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sound;

const DIALECTS: [&str; 2] = ["telnyx", "freeswitch"];
const PATIENCE: Duration = Duration::from_secs(15);

fn each_dialect(story: impl Fn(&str, &mut Sandbox, &Daemon, &mut Control)) {
    for dialect in DIALECTS {
        let mut sandbox = Sandbox::start(&[]);
        let daemon = Config::new()
            .account("kiosk", dialect, &sandbox.ready.verto, "demo-1", "sandbox")
            .launch();
        let mut control = daemon.ready();
        story(dialect, &mut sandbox, &daemon, &mut control);
    }
}

fn saw(control: &mut Control, what: &str, wanted: impl Fn(&Event) -> bool) {
    control.wait(what, PATIENCE, |notice| wanted(&notice.event).then_some(()));
}

#[test]
fn the_far_end_hangs_up_after_two_seconds() {
    each_dialect(|_, _, _, control| {
        let call = control.call("9185");
        saw(control, "the answer", |event| {
            matches!(event, Event::Answered(_))
        });
        let ended = control.wait_ended(&call, PATIENCE);
        assert_eq!(
            (ended.by, ended.cause.as_str(), ended.answered),
            (EndedBy::Remote, "NORMAL_CLEARING", true)
        );
    });
}

#[test]
fn a_busy_number_ends_as_busy_without_an_answer() {
    each_dialect(|_, _, daemon, control| {
        let call = control.call("99017");
        let ended = control.wait_ended(&call, PATIENCE);
        let seen = (ended.by, ended.cause.as_str(), ended.code, ended.answered);
        assert_eq!(seen, (EndedBy::Remote, "USER_BUSY", 17, false));
        let (code, said, complained) = daemon.cli(&["call", "99017", "--wait"]);
        assert_eq!(code, Some(1), "{said}{complained}");
        assert!(
            format!("{said}{complained}").contains("USER_BUSY"),
            "{said}{complained}"
        );
    });
}

#[test]
fn early_media_comes_before_the_answer_or_the_refusal() {
    each_dialect(|_, _, _, control| {
        let call = control.call("9100");
        saw(control, "early media", |event| {
            matches!(event, Event::Early(_))
        });
        saw(control, "the answer", |event| {
            matches!(event, Event::Answered(_))
        });
        control.hangup(&call);
        assert_eq!(control.wait_ended(&call, PATIENCE).by, EndedBy::Local);
        let call = control.call("9189");
        saw(control, "early media", |event| {
            matches!(event, Event::Early(_))
        });
        assert_eq!(control.wait_ended(&call, PATIENCE).cause, "USER_BUSY");
    });
}

#[test]
fn a_call_that_rings_for_ever_can_be_given_up() {
    each_dialect(|dialect, _, _, control| {
        let call = control.call("9180");
        if dialect == "telnyx" {
            saw(control, "ringing", |event| {
                matches!(event, Event::Ringing(_))
            });
        }
        control.hangup(&call);
        let ended = control.wait_ended(&call, PATIENCE);
        assert_eq!((ended.by, ended.answered), (EndedBy::Local, false));
    });
}

#[test]
fn the_sandbox_calls_back_and_calls_in() {
    each_dialect(|_, sandbox, _, control| {
        let first = control.call("9171");
        control.wait_ended(&first, PATIENCE);
        saw(control, "the call back", |event| {
            matches!(event, Event::Incoming { .. })
        });
        control.answer();
        saw(control, "media of the call back", |event| {
            matches!(event, Event::FirstRtpReceived)
        });
        sandbox.call("demo-1");
        saw(control, "a second call", |event| {
            matches!(event, Event::Incoming { .. })
        });
        control.answer();
        saw(control, "media of the second call", |event| {
            matches!(event, Event::FirstRtpReceived)
        });
        assert_eq!(control.status().calls.len(), 2);
    });
}

#[test]
fn two_users_of_the_sandbox_call_each_other() {
    each_dialect(|dialect, sandbox, _, control| {
        let other = Config::new()
            .account("desk", dialect, &sandbox.ready.verto, "demo-2", "sandbox")
            .launch();
        let mut there = other.ready();
        let call = control.call("demo-2");
        saw(&mut there, "the call", |event| {
            matches!(event, Event::Incoming { .. })
        });
        there.answer();
        for side in [&mut *control, &mut there] {
            saw(side, "media", |event| {
                matches!(event, Event::FirstRtpReceived)
            });
        }
        control.hangup(&call);
        control.wait_ended(&call, PATIENCE);
        saw(&mut there, "the end", |event| {
            matches!(event, Event::Ended(_))
        });
    });
}

#[test]
fn a_caller_hears_the_far_end_ring_where_the_server_sends_no_tone() {
    let sandbox = Sandbox::start(&[]);
    for dialect in DIALECTS {
        let config = Config::new();
        let recording = config.folder().join("heard.wav");
        let mut daemon = config
            .account("kiosk", dialect, &sandbox.ready.verto, "demo-1", "sandbox")
            .audio("silence", &format!("file:{}", recording.display()))
            .with("ringback = \"eu\"")
            .launch();
        let mut control = daemon.ready();
        let call = control.call("9180");
        // A whole ring and most of the pause behind it: 16 bit samples.
        let enough = u64::from(2 * sound::RATE) * 2;
        let begun = Instant::now();
        while std::fs::metadata(&recording).map_or(0, |file| file.len()) < enough {
            assert!(begun.elapsed() < PATIENCE, "{dialect}: nothing is recorded");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        control.hangup(&call);
        control.wait_ended(&call, PATIENCE);
        // The file is whole at the latest when the daemon has ended.
        daemon.program.signal(Signal::SIGTERM);
        daemon.program.wait(PATIENCE);
        let heard = sound::read(&recording);
        let second = sound::RATE as usize;
        let begins = heard.iter().position(|sample| sample.abs() > 0.01);
        let begins = begins.unwrap_or_else(|| panic!("{dialect}: nothing rang"));
        let ring = &heard[begins + second / 10..begins + second * 9 / 10];
        let tone = tone::measure(ring, sound::RATE, 425.0).expect("a tone");
        assert!((tone.frequency - 425.0).abs() < 1.0, "{dialect}: {tone:?}");
        let pause = &heard[begins + second * 11 / 10..begins + second * 18 / 10];
        assert!(
            pause.iter().all(|sample| sample.abs() < 0.001),
            "{dialect}: no pause"
        );
    }
}

#[test]
fn a_deaf_call_plays_and_records_silence_until_it_listens_again_whatever_its_socket_does() {
    each_dialect_records("9197", |sandbox, daemon, control, call| {
        let received = |control: &mut Control, least: u64| {
            control.wait("figures", PATIENCE, |notice| {
                let Event::Quality(quality) = &notice.event else {
                    return None;
                };
                Some(quality.packets_received).filter(|received| *received >= least)
            })
        };
        let before = received(control, 50);
        for (state, on) in [("on", true), ("off", false)] {
            let (code, said, complained) = daemon.cli(&["deaf", call, state]);
            assert_eq!(code, Some(0), "{said}{complained}");
            saw(
                control,
                "that it is deaf or not",
                |event| matches!(event, Event::Deaf { on: told } if *told == on),
            );
            assert_eq!(control.status().calls[0].deaf, on);
            assert!(!control.status().calls[0].muted);
            if on {
                // Two seconds of it, and another one over a new socket.
                let heard = received(control, before + 100);
                sandbox.fault_for("demo-1", "drop");
                saw(control, "the recovery", |event| {
                    matches!(event, Event::Recovering { on: false })
                });
                received(control, heard + 50);
                assert!(control.status().calls[0].deaf);
            }
        }
        let again = control.status().calls[0].quality.clone();
        received(
            control,
            again.map_or(0, |quality| quality.packets_received) + 75,
        );
    });
}

/// Calls a number, lets something happen, and looks at what was recorded: a tone, silence for two seconds, the tone.
fn each_dialect_records(number: &str, story: impl Fn(&mut Sandbox, &Daemon, &mut Control, &str)) {
    for dialect in DIALECTS {
        let mut sandbox = Sandbox::start(&[]);
        let config = Config::new();
        let recording = config.folder().join("heard.wav");
        let mut daemon = config
            .account("kiosk", dialect, &sandbox.ready.verto, "demo-1", "sandbox")
            .audio("silence", &format!("file:{}", recording.display()))
            .launch();
        let mut control = daemon.ready();
        let call = control.call(number);
        story(&mut sandbox, &daemon, &mut control, &call);
        control.hangup(&call);
        control.wait_ended(&call, PATIENCE);
        // The file is whole at the latest when the daemon has ended.
        daemon.program.signal(Signal::SIGTERM);
        daemon.program.wait(PATIENCE);
        let heard = sound::read(&recording);
        let tenth = sound::RATE as usize / 10;
        let loud: Vec<bool> = heard
            .chunks_exact(tenth)
            .map(|part| part.iter().any(|sample| sample.abs() > 0.01))
            .collect();
        let silence = loud.chunk_by(|one, next| one == next);
        let longest = silence.clone().filter(|part| !part[0]).map(<[bool]>::len);
        assert!(longest.max() >= Some(20), "{dialect}: {loud:?}");
        let spurts = silence.filter(|part| part[0] && part.len() >= 5).count();
        assert!(spurts >= 2, "{dialect}: heard before and after: {loud:?}");
    }
}

#[test]
fn a_new_path_that_is_asked_for_is_found_and_the_call_goes_on() {
    each_dialect(|_, _, daemon, control| {
        let call = control.call("9196");
        saw(control, "sound", |event| {
            matches!(event, Event::FirstRtpReceived)
        });
        let (code, said, complained) = daemon.cli(&["restart-ice", &call]);
        assert_eq!(code, Some(0), "{said}{complained}");
        saw(control, "the new path", |event| {
            matches!(event, Event::Ice { .. })
        });
        // The first figures are a second old; what comes after them has come over the new path.
        let received = |control: &mut Control| {
            control.wait("figures", PATIENCE, |notice| {
                let Event::Quality(quality) = &notice.event else {
                    return None;
                };
                Some(quality.packets_received)
            })
        };
        let before = received(control);
        let deadline = Instant::now() + PATIENCE;
        while received(control) < before + 50 {
            assert!(Instant::now() < deadline, "sound goes on");
        }
        control.hangup(&call);
        let ended = control.wait_ended(&call, PATIENCE);
        assert_eq!(ended.cause, "NORMAL_CLEARING");
    });
}

#[test]
fn silence_in_the_far_ends_packets_is_told_while_it_lasts() {
    let sandbox = Sandbox::start(&["--mute-return"]);
    let daemon = Config::new()
        .account("kiosk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox")
        .launch();
    let mut control = daemon.ready();
    let call = control.call("9196");
    saw(
        &mut control,
        "a warning",
        |event| matches!(event, Event::QualityWarning { problem, code: 31_006, on: true, .. } if problem == "low_inbound_audio"),
    );
    control.hangup(&call);
    control.wait_ended(&call, PATIENCE);
}

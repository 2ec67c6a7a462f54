//! What a lost socket must not touch: a code being typed, a recording, a call that nobody has answered; and new media for the asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use offhook_control::notice::{EndedBy, Event, Notice};
use offhook_control::reply::{AccountState, CallState};
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sound;
use offhook_tests::tamper::{Tamper, Way};

use crate::pair::{NEAR, Pair};
use crate::world::{PATIENCE, both};

const DIALECTS: [&str; 2] = ["telnyx", "freeswitch"];

/// Lets a story happen in both dialects at once.
fn each(story: impl Fn(&'static str) + Sync) {
    std::thread::scope(|scope| {
        for dialect in DIALECTS {
            let story = &story;
            scope.spawn(move || story(dialect));
        }
    });
}

/// Long enough for a digit that comes twice to show.
const AFTERWARDS: Duration = Duration::from_secs(3);

#[test]
fn a_code_in_the_sound_arrives_once_and_whole_though_the_socket_is_cut_in_the_middle() {
    each(|dialect| {
        let mut pair = Pair::ready(dialect, "[media]\ndtmf = \"rfc4733\"", &[]);
        let (call, _) = pair.talk();
        pair.near.dial(&call, "12345");
        pair.near.dial(&call, "6789");
        // In the middle of a digit: the far one hears it begin.
        pair.far.hears_digits(3);
        pair.cut();
        pair.near
            .expect("the loss", |event| *event == Event::Recovering { on: true });
        pair.near.dial(&call, "0#");
        pair.far.hears_digits(11);
        pair.far.listen(AFTERWARDS);
        assert_eq!(pair.far.digits(), "1234567890#", "{dialect}");
        pair.near.hears();
        assert_eq!(pair.sandbox.logins(NEAR), 2);
    });
}

#[test]
fn a_code_by_signalling_arrives_once_and_whole_though_the_socket_is_cut_in_the_middle() {
    each(|dialect| {
        // What is on the wire when the socket is cut, and all behind it, is lost.
        let lost = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&lost);
        let mut tampers = Vec::new();
        let mut pair = Pair::by_way_of(dialect, "[media]\ndtmf = \"info\"", &[], |sandbox| {
            let gone = AtomicBool::new(false);
            let tamper = Tamper::start(&sandbox.ready.verto, move |way, text| {
                if way == Way::ToServer && text.contains(r#""method":"login""#) {
                    gone.store(false, Ordering::SeqCst);
                }
                let hit = way == Way::ToServer && text.contains(r#""dtmf":"345""#);
                if hit && !seen.swap(true, Ordering::SeqCst) {
                    gone.store(true, Ordering::SeqCst);
                }
                (way == Way::ToClient || !gone.load(Ordering::SeqCst)).then_some(text)
            });
            let url = tamper.url.clone();
            tampers.push(tamper);
            url
        });
        let (call, _) = pair.talk();
        pair.near.dial(&call, "12");
        pair.far.hears_digits(2);
        pair.near.dial(&call, "345");
        while !lost.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        pair.cut();
        // Before or after the loss is noticed: it waits its turn.
        pair.near.dial(&call, "67");
        pair.near
            .expect("the loss", |event| *event == Event::Recovering { on: true });
        pair.near.dial(&call, "89#");
        pair.far.hears_digits(10);
        pair.far.listen(AFTERWARDS);
        assert_eq!(pair.far.digits(), "123456789#", "{dialect}");
        pair.near.hears();
    });
}

/// A daemon that records what it hears.
fn recorder(sandbox: &Sandbox, dialect: &str) -> (Daemon, Control) {
    let config = Config::new();
    let recordings = format!("file:{}/{{call}}.wav", config.folder().display());
    let daemon = config
        .account("kiosk", dialect, &sandbox.ready.verto, NEAR, "sandbox")
        .audio("tone:440", &recordings)
        .launch();
    let control = daemon.ready();
    (daemon, control)
}

/// Waits for this event; returns when it was told.
fn told(control: &mut Control, what: &str, wanted: impl Fn(&Event) -> bool) -> Duration {
    control.wait(what, PATIENCE, |notice: &Notice| {
        wanted(&notice.event).then(|| Duration::from_millis(notice.time_ms))
    })
}

/// Waits for so many figures of the call, which come once a second.
fn seconds(control: &mut Control, count: usize) {
    for _ in 0..count {
        told(control, "figures", |event| {
            matches!(event, Event::Quality(_))
        });
    }
}

/// Ends the daemon in order; returns its one recording, in pieces of 20 ms: whether something is to be heard in each.
fn recorded(mut daemon: Daemon) -> (Vec<bool>, Vec<f32>) {
    daemon.program.signal(Signal::SIGTERM);
    daemon.program.wait(PATIENCE);
    let files = sound::recordings(daemon.config.folder());
    assert_eq!(files.len(), 1, "{files:?}");
    let samples = sound::read(&files[0]);
    let pieces = samples.chunks_exact(sound::RATE as usize / 50);
    let loud = |piece: &[f32]| piece.iter().any(|sample| sample.abs() > 0.01);
    (pieces.map(loud).collect(), samples)
}

#[test]
fn a_recording_over_a_lost_socket_is_one_file_with_no_more_silence_than_the_outage_explains() {
    each(|dialect| {
        let mut sandbox = Sandbox::start(&["--dialect", dialect]);
        let (daemon, mut control) = recorder(&sandbox, dialect);
        let call = control.call("9197");
        let begun = told(&mut control, "sound", |event| {
            *event == Event::FirstRtpReceived
        });
        seconds(&mut control, 3);
        sandbox.fault_for(NEAR, "drop");
        let lost = told(&mut control, "the loss", |event| {
            *event == Event::Recovering { on: true }
        });
        let secured = told(&mut control, "new media", |event| {
            matches!(event, Event::Dtls { .. })
        });
        seconds(&mut control, 3);
        control.hangup(&call);
        let ended = told(&mut control, "the end", |event| {
            matches!(event, Event::Ended(_))
        });

        let (heard, samples) = recorded(daemon);
        let length = Duration::from_millis(20 * heard.len() as u64);
        let (outage, talk) = (secured - lost, ended - begun);
        assert!(
            length + Duration::from_millis(500) > talk,
            "{dialect}: {length:?} of {talk:?}"
        );
        let first = heard.iter().position(|loud| *loud).expect("sound");
        let last = heard.iter().rposition(|loud| *loud).expect("sound");
        let quiet = heard[first..last].split(|loud| *loud).map(<[bool]>::len);
        let gap = Duration::from_millis(20 * quiet.max().unwrap_or(0) as u64);
        // The far end's first packets take their time, and so does the buffer behind them.
        assert!(
            gap <= outage + Duration::from_millis(500),
            "{dialect}: {gap:?} of silence in {outage:?}"
        );
        // The tone goes on behind the gap.
        let tail = &samples[samples.len() - 2 * sound::RATE as usize..];
        assert!(sound::has_tone(tail, 1004.0), "{dialect}");
    });
}

#[test]
fn new_media_that_the_server_asks_for_on_a_healthy_socket_is_heard_and_nothing_else_changes() {
    each(|dialect| {
        let mut sandbox = Sandbox::start(&["--dialect", dialect]);
        let (daemon, mut control) = recorder(&sandbox, dialect);
        let call = control.call("9197");
        for _ in 0..2 {
            told(&mut control, "media", |event| {
                matches!(event, Event::Dtls { .. })
            });
            seconds(&mut control, 2);
            sandbox.fault_for(NEAR, "attach");
        }
        let secured = told(&mut control, "new media", |event| {
            matches!(event, Event::Dtls { .. })
        });
        seconds(&mut control, 3);
        let calls = control.status().calls;
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].state, CallState::Active);
        control.hangup(&call);
        let ended = told(&mut control, "the end", |event| {
            matches!(event, Event::Ended(_))
        });
        let events = control.events();
        let count =
            |wanted: &dyn Fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
        assert_eq!(count(&|event| matches!(event, Event::Recovering { .. })), 0);
        assert_eq!(count(&|event| matches!(event, Event::Answered(_))), 1);
        assert_eq!(sandbox.logins(NEAR), 1);
        let (_, samples) = recorded(daemon);
        let last = (ended - secured).as_secs_f64() * f64::from(sound::RATE);
        let tail = &samples[samples.len().saturating_sub(last as usize)..];
        assert!(
            sound::has_tone(tail, 1004.0),
            "{dialect}: no tone in the end"
        );
    });
}

#[test]
fn a_call_that_rings_here_outlives_its_socket_where_the_server_keeps_it() {
    let mut pair = Pair::ready("telnyx", "", &["unanswered=keep"]);
    let (near, far) = pair.call_near();
    pair.cut();
    pair.near.expect(
        "the loss",
        |event| matches!(event, Event::Account { state, .. } if *state != AccountState::Ready),
    );
    pair.near.expect("the offer", |event| {
        matches!(event, Event::ServerMedia { .. })
    });
    let call = pair.near.only_call();
    assert_eq!((&call.call, call.state), (&near, CallState::Ringing));
    assert_eq!(pair.far.only_call().state, CallState::Ringing);
    pair.near.control.answer();
    pair.near.hears();
    pair.far.hears();
    pair.near.control.hangup(&near);
    assert_eq!(pair.far.ended(&far).cause, "NORMAL_CLEARING");
}

#[test]
fn a_call_that_rings_there_outlives_its_socket_where_the_server_keeps_it() {
    let mut pair = Pair::ready("telnyx", "", &["unanswered=keep"]);
    let (near, far) = pair.call_far();
    pair.cut();
    pair.near.reconnects();
    pair.near
        .expect("the new media", |event| matches!(event, Event::Dtls { .. }));
    let call = pair.near.only_call();
    assert_eq!(call.call, near);
    assert!(
        matches!(
            call.state,
            CallState::Calling | CallState::Ringing | CallState::Early
        ),
        "{call:?}"
    );
    pair.far.control.answer();
    pair.near
        .expect("the answer", |event| matches!(event, Event::Answered(_)));
    pair.near.hears();
    pair.far.hears();
    pair.far.control.hangup(&far);
    assert_eq!(pair.near.ended(&near).cause, "NORMAL_CLEARING");
}

#[test]
fn a_call_that_nobody_answered_ends_at_both_ends_where_it_is_lost_with_its_socket() {
    // Telnyx may keep it or not. FreeSWITCH does not, and one that did all the same is told that it is over.
    let scenes = [
        ("telnyx", &[][..]),
        ("freeswitch", &[][..]),
        ("freeswitch", &["unanswered=keep"][..]),
    ];
    std::thread::scope(|scope| {
        for (dialect, faults) in scenes {
            for outgoing in [true, false] {
                scope.spawn(move || lost_unanswered(dialect, faults, outgoing));
            }
        }
    });
}

fn lost_unanswered(dialect: &str, faults: &[&str], outgoing: bool) {
    let mut pair = Pair::ready(dialect, "", faults);
    let (near, far) = if outgoing {
        pair.call_far()
    } else {
        pair.call_near()
    };
    pair.cut();
    let ended = pair.near.ended(&near);
    assert_eq!(ended.by, EndedBy::Network, "{ended:?}");
    assert!(!ended.answered && !ended.reason.is_empty(), "{ended:?}");
    pair.far.ended(&far);
    pair.near.listen(Duration::from_secs(3));
    assert!(pair.near.control.status().calls.is_empty());
    assert_eq!(pair.sandbox.logins(NEAR), 2);
}

#[test]
fn hold_and_mute_outlive_new_media_on_a_healthy_socket() {
    use offhook_control::request::{Mute, OfCall, Request};
    both(|scene| {
        let mut world = scene.ready(&[]);
        let call = world.talk();
        let mute = Request::Mute(Mute {
            call: call.clone(),
            on: true,
        });
        world.control.ask::<serde_json::Value>(&mute);
        let hold = Request::Hold(OfCall::default());
        world.control.ask::<serde_json::Value>(&hold);
        world.expect("hold", |event| matches!(event, Event::Held { on: true }));
        world.scene.fault("attach");
        world.expect("new media", |event| matches!(event, Event::Dtls { .. }));
        let status = world.call(&call).expect("the call");
        assert_eq!((status.state, status.muted), (CallState::Held, true));
        let before = status.quality.map_or(0, |figures| figures.packets_received);
        let resume = Request::Resume(OfCall::default());
        world.control.ask::<serde_json::Value>(&resume);
        world.expect("resume", |event| matches!(event, Event::Held { on: false }));
        world.listen_after(&call, before);
        world.check_told();
    });
}

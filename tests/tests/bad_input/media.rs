//! Far ends whose media cannot be used: the call ends by itself, says why and what to do, and the call beside it goes on.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use offhook_control::notice::{Ended, EndedBy, Event};
use offhook_control::reply::CallState;
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;
use offhook_tests::tamper::{Tamper, Way, change_description, port_without_rtp, silent_port};

const PATIENCE: Duration = Duration::from_secs(20);
const DIALECTS: [&str; 2] = ["telnyx", "freeswitch"];

/// A daemon with one account that is served well and has a call up, and one whose server is tampered with.
struct Scene {
    daemon: Daemon,
    control: Control,
    good: String,
    _sandbox: Sandbox,
    _tamper: Tamper,
}

impl Scene {
    fn new(
        dialect: &str,
        media: &str,
        change: impl Fn(Way, &str) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        Self::with(dialect, media, |server| {
            Tamper::descriptions(server, change)
        })
    }

    fn with(dialect: &str, media: &str, tamper: impl FnOnce(&str) -> Tamper) -> Self {
        let sandbox = Sandbox::start(&[]);
        let tamper = tamper(&sandbox.ready.verto);
        let daemon = Config::new()
            .account("good", dialect, &sandbox.ready.verto, "demo-2", "sandbox")
            .account("bad", dialect, &tamper.url, "demo-1", "sandbox")
            .with(media)
            .launch();
        let mut control = daemon.control();
        let mut waiting: Vec<String> = control
            .subscribe()
            .accounts
            .into_iter()
            .filter(|account| account.state.as_str() != "ready")
            .map(|account| account.name)
            .collect();
        while let Some(name) = waiting.pop() {
            control.wait("the account to be ready", PATIENCE, |notice| {
                let account = notice.account.as_ref()?;
                if !matches!(notice.event, Event::Ready) {
                    return None;
                }
                if *account == name {
                    return Some(());
                }
                let other = waiting.iter().position(|waiting| waiting == account)?;
                waiting.remove(other);
                None
            });
        }
        let good = control.call_with("good", "9196");
        control.wait("media of the good call", PATIENCE, |notice| {
            matches!(notice.event, Event::FirstRtpReceived).then_some(())
        });
        Self {
            daemon,
            control,
            good,
            _sandbox: sandbox,
            _tamper: tamper,
        }
    }

    /// The good call is the only one left, and still hears the far end.
    fn only_the_good_call_is_left(mut self) {
        let calls = self.control.status().calls;
        let left: Vec<_> = calls.iter().map(|call| (&call.call, call.state)).collect();
        assert_eq!(left, [(&self.good, CallState::Active)]);
        let mut heard = Vec::new();
        while heard.len() < 2 {
            let good = &self.good;
            heard.push(
                self.control
                    .wait("figures", PATIENCE, |notice| match &notice.event {
                        Event::Quality(quality) if notice.call.as_ref() == Some(good) => {
                            Some(quality.packets_received)
                        }
                        _ => None,
                    }),
            );
        }
        assert!(heard[0] < heard[1], "{heard:?}");
        assert!(self.daemon.program.is_running());
    }
}

#[track_caller]
fn says(ended: &Ended, words: &[&str]) {
    let sentence = format!(
        "{}; {}",
        ended.reason,
        ended.remedy.as_deref().unwrap_or("")
    );
    for word in words {
        assert!(sentence.contains(word), "no {word:?} in: {sentence}");
    }
}

fn as_it_is(line: &str) -> Vec<String> {
    vec![line.to_owned()]
}

/// A candidate's line with another address.
fn moved(candidate: &str, to: SocketAddr) -> String {
    let mut parts: Vec<String> = candidate.split(' ').map(str::to_owned).collect();
    parts[4] = to.ip().to_string();
    parts[5] = to.port().to_string();
    parts.join(" ")
}

fn address_of(candidate: &str) -> SocketAddr {
    let mut parts = candidate.split(' ').skip(4);
    let (ip, port) = (
        parts.next().expect("an address"),
        parts.next().expect("a port"),
    );
    format!("{ip}:{port}").parse().expect("an address and port")
}

#[test]
fn an_answer_without_a_codec_in_common_names_both_lists() {
    for dialect in DIALECTS {
        let mut scene = Scene::new(dialect, "", |way, line| match line {
            _ if way == Way::ToServer => as_it_is(line),
            _ if line.starts_with("m=audio ") => {
                let head: Vec<&str> = line.split(' ').take(3).collect();
                vec![
                    format!("{} 18 107", head.join(" ")),
                    "a=rtpmap:18 G729/8000".to_owned(),
                    "a=rtpmap:107 iLBC/8000".to_owned(),
                ]
            }
            _ if line.starts_with("a=rtpmap:") || line.starts_with("a=fmtp:") => Vec::new(),
            _ => as_it_is(line),
        });
        let call = scene.control.call_with("bad", "9196");
        let ended = scene.control.wait_ended(&call, PATIENCE);
        says(
            &ended,
            &["no codec in common", "G729", "iLBC", "opus", "enable one"],
        );
        scene.only_the_good_call_is_left();
    }
}

#[test]
fn a_certificate_that_is_not_the_one_promised_ends_the_call_before_a_sound() {
    for dialect in DIALECTS {
        let mut scene = Scene::new(dialect, "", |way, line| {
            let Some(fingerprint) = line.strip_prefix("a=fingerprint:") else {
                return as_it_is(line);
            };
            if way == Way::ToServer {
                return as_it_is(line);
            }
            let last = if fingerprint.ends_with('0') { "1" } else { "0" };
            vec![format!("{}{last}", &line[..line.len() - 1])]
        });
        let call = scene.control.call_with("bad", "9196");
        let ended = scene.control.wait_ended(&call, PATIENCE);
        says(
            &ended,
            &["certificate", "fingerprint", "intercepted", "check"],
        );
        let heard = scene.control.notices.iter().any(|notice| {
            notice.call.as_ref() == Some(&call) && matches!(notice.event, Event::FirstRtpReceived)
        });
        assert!(!heard, "media was taken from a stranger");
        scene.only_the_good_call_is_left();
    }
}

#[test]
fn a_far_end_that_no_path_leads_to_ends_the_call_and_names_udp() {
    let silent = silent_port();
    let astray = move |way, line: &str| match (way, line.starts_with("a=candidate:")) {
        (_, false) => as_it_is(line),
        (Way::ToServer, true) => Vec::new(),
        (Way::ToClient, true) => vec![moved(line, silent)],
    };
    // The sandbox finds no path either, and would be first to say so.
    let mut scene = Scene::with("telnyx", "", |server| {
        Tamper::start(server, move |way, text| {
            let bye = way == Way::ToClient && text.contains(".bye\"");
            (!bye).then(|| change_description(&text, |line| astray(way, line)))
        })
    });
    let call = scene.control.call_with("bad", "9196");
    let ended = scene.control.wait_ended(&call, Duration::from_secs(60));
    assert_eq!(ended.by, EndedBy::Network, "{ended:?}");
    says(&ended, &["no network path", "UDP"]);
    scene.only_the_good_call_is_left();
}

/// The far end's RTP is lost on the way, all else arrives.
fn without_rtp() -> impl Fn(Way, &str) -> Vec<String> + Send + Sync + 'static {
    let relay = OnceLock::new();
    move |way, line| match (way, line.starts_with("a=candidate:")) {
        (_, false) => as_it_is(line),
        // The server must not find the way past the relay.
        (Way::ToServer, true) => Vec::new(),
        (Way::ToClient, true) => {
            let relay = relay.get_or_init(|| port_without_rtp(address_of(line)));
            vec![moved(line, *relay)]
        }
    }
}

#[test]
fn a_far_end_that_never_sends_is_told_after_5_s_and_ends_at_media_timeout() {
    let mut scene = Scene::new("telnyx", "[media]\nmedia_timeout = \"8s\"", without_rtp());
    let call = scene.control.call_with("bad", "9196");
    let silent_ms = scene
        .control
        .wait("no_media", PATIENCE, |notice| match &notice.event {
            Event::NoMedia { silent_ms } if notice.call.as_ref() == Some(&call) => Some(*silent_ms),
            _ => None,
        });
    assert!((5_000..6_000).contains(&silent_ms), "{silent_ms} ms");
    let ended = scene.control.wait_ended(&call, PATIENCE);
    assert_eq!((ended.by, ended.answered), (EndedBy::Network, true));
    says(
        &ended,
        &[
            "no audio came from the far end for 8 s",
            "firewall",
            "media_timeout",
        ],
    );
    scene.only_the_good_call_is_left();
}

#[test]
fn a_media_timeout_of_0_never_ends_a_silent_call() {
    let media = "[media]\nmedia_timeout = 0\nno_media = \"1s\"";
    let mut scene = Scene::new("telnyx", media, without_rtp());
    let call = scene.control.call_with("bad", "9196");
    let silent = scene.control.wait("no_media", PATIENCE, |notice| {
        matches!(notice.event, Event::NoMedia { .. }).then(|| notice.call.clone())
    });
    assert_eq!(silent.as_ref(), Some(&call));
    let calls = scene.control.status().calls;
    assert_eq!(calls.len(), 2, "{calls:?}");
    scene.control.hangup(&call);
    assert_eq!(scene.control.wait_ended(&call, PATIENCE).by, EndedBy::Local);
    scene.only_the_good_call_is_left();
}

#[test]
fn nobody_is_missed_while_the_far_end_has_put_the_call_on_hold() {
    let media = "[media]\nmedia_timeout = \"2s\"\nno_media = \"1s\"";
    let lost = without_rtp();
    let mut scene = Scene::new("telnyx", media, move |way, line| {
        let mut lines = lost(way, line);
        if way == Way::ToClient && line.starts_with("m=audio ") {
            lines.push("a=inactive".to_owned());
        }
        lines.retain(|line| way == Way::ToServer || line != "a=sendrecv");
        lines
    });
    let call = scene.control.call_with("bad", "9196");
    // Four seconds, by the figures of the call beside it.
    let good = scene.good.clone();
    for _ in 0..4 {
        scene.control.wait("figures", PATIENCE, |notice| {
            (matches!(notice.event, Event::Quality(_)) && notice.call.as_ref() == Some(&good))
                .then_some(())
        });
    }
    let state = |control: &mut Control| {
        let calls = control.status().calls;
        calls
            .iter()
            .find(|seen| seen.call == call)
            .map(|seen| seen.state)
    };
    assert_eq!(state(&mut scene.control), Some(CallState::Active));
    let missed = scene
        .control
        .events()
        .iter()
        .any(|event| matches!(event, Event::NoMedia { .. }));
    assert!(!missed, "{:#?}", scene.control.events());
    scene.control.hangup(&call);
    scene.control.wait_ended(&call, PATIENCE);
    scene.only_the_good_call_is_left();
}

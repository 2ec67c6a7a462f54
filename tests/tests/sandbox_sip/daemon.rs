//! The daemon at the sandbox: what only its own offers can show.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::reply::Done;
use offhook_control::request::{Message, OfCall, Request};
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sound;

const PATIENCE: Duration = Duration::from_secs(20);
const TONE: f64 = 440.0;

/// The far end refuses whatever is more than G.711: the call comes about all the same, and its hold.
#[test]
fn offers_that_are_too_much_are_made_with_less() {
    let sandbox = Sandbox::start(&[]);
    let login = "demo-1";
    let config = Config::new().account("desk", "sip", &sandbox.ready.sip, login, "sandbox");
    let output = format!("file:{}/{{call}}.wav", config.folder().display());
    let daemon = config.audio(&format!("tone:{TONE}"), &output).launch();
    let mut control = daemon.ready();
    let mut saw = |what: &str, wanted: &dyn Fn(&Event) -> bool| {
        control.wait(what, PATIENCE, |notice| {
            wanted(&notice.event).then(|| notice.call.clone())
        })
    };
    let call = daemon.control().call("9289");
    saw("the answer", &|event| matches!(event, Event::Answered(_)));
    saw("sound", &|event| matches!(event, Event::FirstRtpReceived));
    for _ in 0..2 {
        saw("a second of it", &|event| {
            matches!(event, Event::Quality(_))
        });
    }
    let of_call = || OfCall {
        call: Some(call.clone()),
    };
    let mut orders = daemon.control();
    orders.ask::<Done>(&Request::Hold(of_call()));
    saw("hold", &|event| matches!(event, Event::Held { on: true }));
    orders.ask::<Done>(&Request::Resume(of_call()));
    saw("its end", &|event| {
        matches!(event, Event::Held { on: false })
    });
    let codec = orders.status().calls[0].codec.clone();
    assert!(
        codec
            .as_deref()
            .is_some_and(|codec| codec.to_ascii_uppercase().starts_with("PCM")),
        "{codec:?}"
    );
    orders.hangup(&call);
    control.wait_ended(&call, PATIENCE);
    let recording = daemon.config.folder().join(format!("{call}.wav"));
    assert!(sound::has_tone(&sound::read(&recording), TONE));
}

/// What a firewall's rule names is where media goes.
#[test]
fn media_keeps_to_the_ports_that_are_named() {
    let sandbox = Sandbox::start(&[]);
    let free = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let first = free.expect("a free port").port().min(u16::MAX - 20);
    let ports = first..=first + 20;
    let toml = format!("[media]\nports = \"{first}-{}\"\n", ports.end());
    let account = Config::new().account("desk", "sip", &sandbox.ready.sip, "demo-1", "sandbox");
    let daemon = account.with(&toml).launch();
    let mut control = daemon.ready();
    let call = control.call("9196");
    let local = control.wait("a path", PATIENCE, |notice| match &notice.event {
        Event::Ice { local, .. } => Some(local.clone()),
        _ => None,
    });
    let mut words = local.split_whitespace();
    let local = words.find_map(|word| word.parse::<SocketAddr>().ok());
    let local = local.expect("an address");
    assert!(ports.contains(&local.port()), "{local} of {ports:?}");
    control.hangup(&call);
    control.wait_ended(&call, PATIENCE);
}

/// Signalling and media over IPv6, where the machine's own address is all there is.
#[test]
fn the_echo_is_heard_over_ipv6_by_verto_and_by_sip() {
    let sandbox = Sandbox::start_at("[::1]:0", &[]);
    for dialect in ["sip", "telnyx", "freeswitch"] {
        let server = match dialect {
            "sip" => &sandbox.ready.sip,
            _ => &sandbox.ready.verto,
        };
        assert!(server.contains("[::1]:"), "{server}");
        let config = Config::new().account("desk", dialect, server, "demo-1", "sandbox");
        let output = format!("file:{}/{{call}}.wav", config.folder().display());
        let daemon = config.audio(&format!("tone:{TONE}"), &output).launch();
        let mut control = daemon.ready();
        let call = control.call("9196");
        let (ours, theirs) = control.wait("a path", PATIENCE, |notice| match &notice.event {
            Event::Ice { local, remote, .. } => Some((local.clone(), remote.clone())),
            _ => None,
        });
        assert!(
            ours.contains("::1") && theirs.contains("::1"),
            "{dialect}: {ours}, {theirs}"
        );
        let mut seconds = 0;
        control.wait("three seconds of sound", PATIENCE, |notice| {
            seconds += u32::from(matches!(notice.event, Event::Quality(_)));
            (seconds == 3).then_some(())
        });
        control.hangup(&call);
        control.wait_ended(&call, PATIENCE);
        let heard = daemon.config.folder().join(format!("{call}.wav"));
        assert!(sound::has_tone(&sound::read(&heard), TONE), "{dialect}");
    }
}

/// Each text has its outcome by the number that the reply to `message` gave it, within a call and outside of one.
#[test]
fn what_became_of_a_text_is_told_by_its_number() {
    let sandbox = Sandbox::start(&[]);
    let login = "demo-1";
    let config = Config::new().account("desk", "sip", &sandbox.ready.sip, login, "sandbox");
    let daemon = config.launch();
    let mut control = daemon.ready();
    let mut orders = daemon.control();
    let call = orders.call("9196");
    control.wait("the answer", PATIENCE, |notice| {
        matches!(notice.event, Event::Answered(_)).then_some(())
    });
    let mut numbers = Vec::new();
    for (to, call, is_accepted) in [
        (Some("echo"), None, true),
        (Some("nobody-there"), None, false),
        (None, Some(&call), true),
    ] {
        let text = Message {
            to: to.map(str::to_owned),
            call: call.cloned(),
            text: "hello".to_owned(),
            ..Message::default()
        };
        let done: Done = orders.ask(&Request::Message(text));
        let number = done.message.expect("a number");
        assert!(!numbers.contains(&number), "{number} twice");
        numbers.push(number);
        let (of_call, accepted) = control.wait("its outcome", PATIENCE, |notice| {
            let accepted = match &notice.event {
                Event::MessageAccepted { message, .. } if *message == number => true,
                Event::RequestFailed {
                    message: Some(message),
                    ..
                } if *message == number => false,
                _ => return None,
            };
            Some((notice.call.clone(), accepted))
        });
        assert_eq!((of_call.as_ref(), accepted), (call, is_accepted));
    }
    orders.hangup(&call);
    control.wait_ended(&call, PATIENCE);
}

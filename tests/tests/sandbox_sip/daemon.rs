//! The daemon at the sandbox: what only its own offers can show.

use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::reply::Done;
use offhook_control::request::{OfCall, Request};
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

//! Candidates that go one by one, either way.

use std::net::UdpSocket;
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;

const PATIENCE: Duration = Duration::from_secs(20);

fn daemon(sandbox: &Sandbox, keys: &str) -> Daemon {
    let config = Config::new();
    let password = config.secret("kiosk.password", "sandbox");
    let login = format!("login = \"demo-1\"\npassword_file = {password:?}\n{keys}\n");
    config
        .account_with("kiosk", "telnyx", &sandbox.ready.verto, &login)
        .launch()
}

fn sound(control: &mut Control) {
    control.wait("sound", PATIENCE, |notice| {
        matches!(notice.event, Event::FirstRtpReceived).then_some(())
    });
}

#[test]
fn a_server_that_tells_its_candidates_one_by_one_is_heard_in_and_out() {
    let mut sandbox = Sandbox::start(&["--fault", "trickle=own"]);
    let daemon = daemon(&sandbox, "");
    let mut control = daemon.ready();
    let call = control.call("9196");
    sound(&mut control);
    control.hangup(&call);
    control.wait_ended(&call, PATIENCE);

    // The candidates of a call that rings come long before it is answered.
    sandbox.call("demo-1");
    let call = control.wait("a call", PATIENCE, |notice| {
        matches!(notice.event, Event::Incoming { .. })
            .then(|| notice.call.clone())
            .flatten()
    });
    sandbox.settled();
    control.answer();
    sound(&mut control);
    control.hangup(&call);
}

#[test]
fn a_server_that_waits_for_our_candidates_gets_them_and_their_end() {
    let sandbox = Sandbox::start(&["--fault", "trickle=await"]);
    // Whoever waits for it has candidates to tell later.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let stun = format!("stun:{}", silent.local_addr().unwrap());
    let daemon = daemon(
        &sandbox,
        &format!("trickle_ice = true\nice_servers = [{stun:?}]"),
    );
    let mut control = daemon.ready();
    let call = control.call("9196");
    sound(&mut control);
    control.hangup(&call);
}

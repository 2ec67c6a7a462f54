//! Calls whose only way is a relay, over each transport, and relays that are of no help.

use std::net::UdpSocket;
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;
use offhook_tests::skip;
use offhook_tests::turn_server::{PASSWORD, TurnServer, USER};

const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon whose account has these keys beside its login.
fn daemon(config: Config, sandbox: &Sandbox, dialect: &str, keys: &str) -> Daemon {
    let password = config.secret("kiosk.password", "sandbox");
    let login = format!("login = \"demo-1\"\npassword_file = {password:?}\n{keys}\n");
    config
        .account_with("kiosk", dialect, &sandbox.ready.verto, &login)
        .launch()
}

/// `ice_servers` with one relay.
fn relay(config: &Config, url: &str, password: &str) -> String {
    let file = config.secret("turn.password", password);
    format!("ice_servers = [{{ url = {url:?}, username = {USER:?}, password_file = {file:?} }}]\n")
}

/// Places a call to the echo and waits until both ends hear; tells the kind of our candidate.
fn echo(control: &mut Control) -> String {
    let call = control.call("9196");
    let kind = control.wait("a path", PATIENCE, |notice| match &notice.event {
        Event::Ice { local, .. } => local.split(' ').next().map(str::to_owned),
        _ => None,
    });
    // Several seconds of figures, so that what passes is more than a first packet.
    let mut seconds = 0;
    let received = control.wait("three seconds of sound", PATIENCE, |notice| {
        match &notice.event {
            Event::Quality(quality) => {
                seconds += 1;
                (seconds == 3).then_some(quality.packets_received)
            }
            _ => None,
        }
    });
    assert!(received > 100, "{received} packets in three seconds");
    control.hangup(&call);
    control.wait_ended(&call, PATIENCE);
    kind
}

fn failure(control: &mut Control) -> (String, String) {
    control.wait(
        "a word about the server",
        PATIENCE,
        |notice| match &notice.event {
            Event::IceServerFailed { server, reason } => Some((server.clone(), reason.clone())),
            _ => None,
        },
    )
}

#[test]
fn a_call_goes_by_a_relay_over_udp_tcp_and_tls() {
    if !skip::have(&["turnserver"]) {
        return;
    }
    let turn = TurnServer::start();
    let sandbox = Sandbox::start(&[]);
    let (port, tls_port) = (turn.port, turn.tls_port);
    for url in [
        format!("turn:127.0.0.1:{port}"),
        format!("turn:127.0.0.1:{port}?transport=tcp"),
        format!("turns:localhost:{tls_port}"),
    ] {
        for dialect in ["telnyx", "freeswitch"] {
            let config = Config::new();
            let ca = turn.ca();
            let keys = relay(&config, &url, PASSWORD);
            let keys = format!("{keys}ice_policy = \"relay-only\"\nca_file = {ca:?}");
            let daemon = daemon(config, &sandbox, dialect, &keys);
            assert_eq!(echo(&mut daemon.ready()), "relay", "{dialect}, {url}");
        }
    }
}

#[test]
fn candidates_that_come_one_by_one_find_the_relay_too() {
    if !skip::have(&["turnserver"]) {
        return;
    }
    let turn = TurnServer::start();
    let sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let url = format!("turn:127.0.0.1:{}", turn.port);
    let keys = relay(&config, &url, PASSWORD);
    let keys = format!("{keys}ice_policy = \"relay-only\"\ntrickle_ice = true");
    let daemon = daemon(config, &sandbox, "telnyx", &keys);
    assert_eq!(echo(&mut daemon.ready()), "relay");
}

#[test]
fn a_relay_that_refuses_the_password_is_named_and_the_call_goes_on() {
    if !skip::have(&["turnserver"]) {
        return;
    }
    let turn = TurnServer::start();
    let sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let url = format!("turn:127.0.0.1:{}", turn.port);
    let keys = relay(&config, &url, "another");
    let daemon = daemon(config, &sandbox, "freeswitch", &keys);
    let mut control = daemon.ready();
    let call = control.call("9196");
    let (server, reason) = failure(&mut control);
    assert_eq!(server, url);
    assert!(reason.contains("password"), "{reason}");
    control.wait("sound", PATIENCE, |notice| {
        matches!(notice.event, Event::FirstRtpReceived).then_some(())
    });
    control.hangup(&call);
}

/// The certificate is for `localhost`, by an authority that is trusted.
#[test]
fn a_relay_whose_certificate_names_another_is_told_of_and_the_call_goes_on() {
    if !skip::have(&["turnserver"]) {
        return;
    }
    let turn = TurnServer::start();
    let sandbox = Sandbox::start(&[]);
    let config = Config::new();
    let url = format!("turns:127.0.0.1:{}", turn.tls_port);
    let keys = relay(&config, &url, PASSWORD);
    let keys = format!("{keys}ca_file = {:?}", turn.ca());
    let daemon = daemon(config, &sandbox, "telnyx", &keys);
    let mut control = daemon.ready();
    let call = control.call("9196");
    let (server, reason) = failure(&mut control);
    assert!(server.starts_with(&url), "{server}");
    assert!(reason.contains("certificate"), "{reason}");
    control.wait("sound", PATIENCE, |notice| {
        matches!(notice.event, Event::FirstRtpReceived).then_some(())
    });
    control.hangup(&call);
}

#[test]
fn dead_and_nameless_servers_do_not_keep_a_call_waiting() {
    let sandbox = Sandbox::start(&[]);
    // It takes what comes, and says nothing.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = format!("stun:{}", silent.local_addr().unwrap());
    let keys = format!("ice_servers = [{silent:?}, \"stun:nobody.invalid\"]");
    let daemon = daemon(Config::new(), &sandbox, "freeswitch", &keys);
    let mut control = daemon.ready();
    let call = control.call("9196");
    let mut failed = vec![failure(&mut control), failure(&mut control)];
    failed.sort();
    assert!(failed[0].1.contains("does not answer"), "{failed:?}");
    assert!(failed[1].1.contains("cannot be resolved"), "{failed:?}");
    control.wait("sound", PATIENCE, |notice| {
        matches!(notice.event, Event::FirstRtpReceived).then_some(())
    });
    control.hangup(&call);
}

#[test]
fn without_a_relay_a_call_that_needs_one_ends_with_the_reason() {
    let sandbox = Sandbox::start(&[]);
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = Config::new();
    let url = format!("turn:{}", silent.local_addr().unwrap());
    let keys = relay(&config, &url, PASSWORD);
    let keys = format!("{keys}ice_policy = \"relay-only\"");
    let daemon = daemon(config, &sandbox, "freeswitch", &keys);
    let mut control = daemon.ready();
    let call = control.call("9196");
    let ended = control.wait_ended(&call, PATIENCE);
    assert!(ended.reason.contains("relay"), "{}", ended.reason);
}

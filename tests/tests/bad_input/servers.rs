//! Servers that refuse, vanish, or are none: the account says so, the daemon stays up and keeps trying.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::reply::{AccountState, AccountStatus};
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;
use offhook_tests::tamper::{Tamper, Way};
use offhook_tests::tls_server::TlsServer;

const PATIENCE: Duration = Duration::from_secs(30);

/// No secret may stand in the log, however much it says.
const FULL_TRACE: &str = "[log]\nlevel = \"trace\"";

/// Starts a daemon with one account, waits until the account has a reason not to be ready, and returns its status then.
fn told(config: Config) -> (Daemon, AccountStatus) {
    let daemon = config.launch();
    let mut control = daemon.control();
    let snapshot = control.subscribe();
    if snapshot
        .accounts
        .iter()
        .all(|account| account.reason.is_none())
    {
        wait_for_reason(&mut control);
    }
    let account = control.status().accounts.remove(0);
    assert_ne!(account.state, AccountState::Ready);
    (daemon, account)
}

fn wait_for_reason(control: &mut Control) {
    control.wait("a reason", PATIENCE, |notice| match &notice.event {
        Event::Account {
            reason: Some(_), ..
        } => Some(()),
        _ => None,
    });
}

#[track_caller]
fn says(account: &AccountStatus, words: &[&str]) {
    let sentence = format!(
        "{} {}",
        account.reason.as_deref().unwrap_or(""),
        account.remedy.as_deref().unwrap_or("")
    );
    for word in words {
        assert!(sentence.contains(word), "no {word:?} in: {sentence}");
    }
}

fn with_server(url: &str) -> Config {
    Config::new().account("desk", "telnyx", url, "demo-1", "sandbox")
}

/// A server that answers each connection with these bytes and closes it.
fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream: TcpStream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(bytes);
        }
    });
    format!("ws://{address}/")
}

#[test]
fn a_wrong_password_is_said_at_once_and_never_shown() {
    for dialect in ["telnyx", "freeswitch"] {
        let sandbox = Sandbox::start(&[]);
        let config = Config::new().account(
            "desk",
            dialect,
            &sandbox.ready.verto,
            "demo-1",
            "wrong-password",
        );
        let (mut daemon, account) = told(config.with(FULL_TRACE));
        assert_eq!(account.state, AccountState::Refused, "{account:?}");
        says(&account, &["demo-1", "password"]);
        assert!(!daemon.program.stderr().contains("wrong-password"));
        let (code, said, complained) = daemon.cli(&["call", "9196", "--wait"]);
        assert_ne!(code, Some(0), "{said}");
        assert!(
            complained.contains("desk") || said.contains("desk"),
            "{said}{complained}"
        );
    }
}

#[test]
fn a_token_that_is_malformed_or_expired_is_named() {
    let sandbox = Sandbox::start(&[]);
    // {"exp":1} in the middle.
    for (token, word) in [
        ("not-a-token", "token"),
        ("eyJhbGciOiJIUzUxMiJ9.eyJleHAiOjF9.c2lnbmF0dXJl", "expired"),
    ] {
        let config = Config::new();
        let file = config.secret("token", token);
        let keys = format!("token_file = {file:?}\n");
        let config = config.account_with("desk", "telnyx", &sandbox.ready.verto, &keys);
        let (mut daemon, account) = told(config.with(FULL_TRACE));
        says(&account, &[word]);
        assert!(!daemon.program.stderr().contains(token));
    }
}

#[test]
fn a_port_where_nobody_listens_is_named() {
    let (mut daemon, account) = told(with_server("ws://127.0.0.1:1/"));
    says(&account, &["127.0.0.1:1", "refuses", "check the port"]);
    // The log says as much as the status does.
    let log = daemon.program.wait_for_stderr("refuses", PATIENCE);
    assert!(log.contains("check the port"), "{log}");
}

#[test]
fn a_name_that_does_not_resolve_is_named() {
    let (_daemon, account) = told(with_server("ws://pbx.invalid/"));
    says(&account, &["pbx.invalid"]);
}

#[test]
fn a_web_server_that_speaks_no_websocket_is_named() {
    let (_daemon, account) = told(with_server(&answering(
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    )));
    says(&account, &["WebSocket", "200"]);
}

#[test]
fn a_certificate_of_an_unknown_authority_names_the_key_that_helps() {
    let sandbox = Sandbox::start(&["--tls"]);
    let url = sandbox.ready.verto_tls.as_ref().expect("its TLS listener");
    let (_daemon, account) = told(with_server(url));
    says(&account, &["certificate", "ca_file"]);
}

/// What is told of a server with this certificate, whose authority is trusted.
fn told_of_certificate(name: &str, years: (i32, i32), words: &[&str]) {
    let server = TlsServer::start(name, years);
    let config = Config::new();
    let password = config.secret("password", "sandbox");
    let keys = format!(
        "login = \"demo-1\"\npassword_file = {password:?}\nca_file = {:?}\n",
        server.ca
    );
    let url = format!("wss://localhost:{}/", server.address.port());
    let (daemon, account) = told(config.account_with("desk", "telnyx", &url, &keys));
    says(&account, words);
    says(&account, &["localhost", "certificate"]);
    assert_keeps_trying(&daemon);
}

/// The account waits for its next attempt, also when the status was asked for in the middle of one.
#[track_caller]
fn assert_keeps_trying(daemon: &Daemon) {
    let mut control = daemon.control();
    let snapshot = control.subscribe();
    if snapshot.accounts[0].state == AccountState::Connecting {
        control.wait("the end of the attempt", PATIENCE, |notice| {
            match &notice.event {
                Event::Account { state, .. } if *state != AccountState::Connecting => {
                    assert_eq!(*state, AccountState::Waiting, "it keeps trying");
                    Some(())
                }
                _ => None,
            }
        });
    } else {
        assert_eq!(
            snapshot.accounts[0].state,
            AccountState::Waiting,
            "it keeps trying"
        );
    }
}

#[test]
fn a_certificate_for_another_name_names_both() {
    told_of_certificate(
        "pbx.example.com",
        (2020, 2120),
        &["not for the name localhost but for pbx.example.com", "URL"],
    );
}

#[test]
fn an_expired_certificate_says_since_when_and_what_to_renew() {
    told_of_certificate(
        "localhost",
        (2019, 2020),
        &["expired on 2020-01-01", "renew", "clock"],
    );
}

#[test]
fn a_certificate_that_is_not_yet_valid_names_the_clock() {
    told_of_certificate(
        "localhost",
        (2110, 2120),
        &[
            "not yet valid before 2110-01-01",
            "set this machine's clock",
        ],
    );
}

#[test]
fn a_server_that_stays_silent_ends_in_bounded_time() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let address = listener.local_addr().expect("its address");
    let (_daemon, account) = told(with_server(&format!("ws://{address}/")));
    says(
        &account,
        &[&address.to_string(), "no answer within 10 s", "check"],
    );
}

#[test]
fn a_server_that_upgrades_and_then_stays_silent_is_left_and_tried_again() {
    for dialect in ["telnyx", "freeswitch"] {
        let sandbox = Sandbox::start(&[]);
        let tamper = Tamper::start(&sandbox.ready.verto, |way, text| {
            (way == Way::ToServer).then_some(text)
        });
        let config = Config::new().account("desk", dialect, &tamper.url, "demo-1", "sandbox");
        let (daemon, account) = told(config);
        let host = tamper.url.trim_start_matches("ws://");
        says(&account, &[host, "does not answer", "login", "check"]);
        assert_keeps_trying(&daemon);
    }
}

#[test]
fn one_bad_account_does_not_stop_the_other() {
    let sandbox = Sandbox::start(&[]);
    let config = with_server("ws://127.0.0.1:1/").account(
        "good",
        "telnyx",
        &sandbox.ready.verto,
        "demo-2",
        "sandbox",
    );
    let daemon = config.launch();
    let mut control = daemon.control();
    let snapshot = control.subscribe();
    if snapshot
        .accounts
        .iter()
        .all(|account| account.state != AccountState::Ready)
    {
        control.wait("the good account", PATIENCE, |notice| {
            (matches!(notice.event, Event::Ready) && notice.account.as_deref() == Some("good"))
                .then_some(())
        });
    }
    let (code, said, complained) = daemon.cli(&["call", "9196", "--account", "good", "--wait"]);
    assert_eq!(code, Some(0), "{said}{complained}");
}

//! What an account says to its gateway while it connects: parameters of the URL, `Origin`, and how long it rests when refused.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use offhook_control::notice::Event;
use offhook_control::reply::AccountState;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that refuses every upgrade; gives out each request's head.
fn listener() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let address = listener.local_addr().expect("its address");
    let (heads, received) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut room = [0; 1024];
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read(&mut room) {
                    Ok(length @ 1..) => head.extend_from_slice(&room[..length]),
                    Ok(0) | Err(_) => break,
                }
            }
            let _ =
                stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
            if heads
                .send(String::from_utf8_lossy(&head).into_owned())
                .is_err()
            {
                return;
            }
        }
    });
    (format!("ws://{address}/"), received)
}

#[test]
fn routing_and_origin_stand_in_the_upgrade_request() {
    for (keys, target) in [
        (
            "rtc_ip = \"192.0.2.7\"\nrtc_port = 8443\nskip_trailing = true",
            "/?rtc_ip=192.0.2.7&rtc_port=8443&skip_trailing=true",
        ),
        ("canary = true", "/?canary=true"),
        ("skip_last_voice_sdk_id = true", "/"),
    ] {
        let (server, heads) = listener();
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let keys = format!(
            "login = \"demo-1\"\npassword_file = {password:?}\norigin = \"https://kiosk.example\"\n{keys}\n"
        );
        let daemon = config
            .account_with("desk", "telnyx", &server, &keys)
            .launch();
        let head = heads.recv_timeout(PATIENCE).expect("a connection");
        let first = head.lines().next().unwrap_or_default();
        assert_eq!(first, format!("GET {target} HTTP/1.1"));
        assert!(
            head.contains("\r\nOrigin: https://kiosk.example\r\n"),
            "{head}"
        );
        drop(daemon);
    }
}

#[test]
fn the_rest_after_a_refused_login_is_as_the_configuration_says() {
    let sandbox = Sandbox::start(&[]);
    let hour = Duration::from_secs(3600);
    for (age, keys, rest) in [
        (hour, "refused_retry = \"2m\"", Some(120_000)),
        (hour, "refused_retry = 0", None),
        // The server may not know a password of some seconds yet, so it has a second chance, whatever follows.
        (Duration::ZERO, "refused_retry = \"2m\"", Some(10_000)),
    ] {
        let config = Config::new();
        let password = config.secret("password", "wrong");
        let changed = SystemTime::now() - age;
        let file = File::options().write(true).open(&password);
        file.and_then(|file| file.set_modified(changed))
            .expect("a file of that age");
        let keys = format!("login = \"demo-1\"\npassword_file = {password:?}\n{keys}\n");
        let daemon = config
            .account_with("desk", "telnyx", &sandbox.ready.verto, &keys)
            .launch();
        let mut control = daemon.control();
        let snapshot = control.subscribe();
        let resting = |state: AccountState, left: Option<u64>| {
            state == AccountState::Refused && left.is_some() == rest.is_some()
        };
        let known = snapshot
            .accounts
            .iter()
            .any(|account| resting(account.state, account.retry_in_ms) && account.reason.is_some());
        if !known {
            control.wait("the rest", PATIENCE, |notice| match &notice.event {
                Event::Account {
                    state, retry_in_ms, ..
                } => resting(*state, *retry_in_ms).then_some(()),
                _ => None,
            });
        }
        let account = control.status().accounts.remove(0);
        match rest {
            Some(longest) => {
                let left = account.retry_in_ms.expect("it tries again by itself");
                // The usual one is a quarter of an hour.
                assert!((longest / 2..=longest).contains(&left), "{left}");
            }
            None => assert_eq!(account.retry_in_ms, None),
        }
    }
}

//! Garbage on every socket that the sandbox and the daemon open, half of it mutated from valid traffic, after login and inside a
//! call: nobody falls, the call goes on, memory stays flat.
//!
//! `OFFHOOK_GARBAGE_S` sets how long (a minute; `make soak` takes ten).
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

mod mutate;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use offhook_control::notice::Event;
use offhook_control::reply::CallState;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;
use tokio_tungstenite::tungstenite::{Message, accept};

use mutate::Mutator;

/// Growth that is allowed after the first quarter of the run, KiB: what an allocator may keep, far below what a leak would take.
const FLAT_KIB: u64 = 16 * 1024;

/// Accounts whose server talks garbage.
const NOISY_ACCOUNTS: usize = 20;

#[test]
fn garbage_on_every_socket_harms_nobody() {
    let seconds = std::env::var("OFFHOOK_GARBAGE_S")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(60);
    let mut sandbox = Sandbox::start(&["--tls"]);
    let talkative = TalkativeServer::start();
    let config = Config::new();
    let password = config.secret("noise.password", "sandbox");
    // Each with a user of its own: two accounts may not share a credential.
    let keys = |number| {
        format!(
            "login = \"noise-{number}\"\npassword_file = {password:?}\nbackoff_base = \"5ms\"\nbackoff_max = \"20ms\"\n"
        )
    };
    let config = config.account("desk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox");
    // Many, because each logs in six times a minute at most.
    let config = (0..NOISY_ACCOUNTS).fold(config, |config, number| {
        config.account_with(
            &format!("noise-{number}"),
            "telnyx",
            &talkative.url,
            &keys(number),
        )
    });
    let mut daemon = config.launch();
    let mut control = daemon.control();
    let ready = control.subscribe().accounts[0].state.as_str() == "ready";
    if !ready {
        control.wait("the account", Duration::from_secs(15), |notice| {
            let desk = notice.account.as_deref() == Some("desk");
            (desk && matches!(notice.event, Event::Ready)).then_some(())
        });
    }
    let call = control.call_with("desk", "9196");
    let (local, remote) =
        control.wait(
            "the ICE pair",
            Duration::from_secs(15),
            |notice| match &notice.event {
                Event::Ice { local, remote } => Some((address(local), address(remote))),
                _ => None,
            },
        );
    control.wait("media", Duration::from_secs(15), |notice| {
        matches!(notice.event, Event::FirstRtpReceived).then_some(())
    });

    let gateway = sandbox.ready.verto.clone();
    let rest = sandbox.ready.api.clone();
    let tls = sandbox.ready.verto_tls.clone().expect("a TLS listener");
    let mut garbage = Garbage {
        mutator: Mutator::seeded(1),
        sent: 0,
    };
    let began = Instant::now();
    let whole = Duration::from_secs(seconds);
    let mut warm = None;
    while began.elapsed() < whole {
        garbage.datagrams(&[local, remote]);
        garbage.control_lines(&daemon.config.socket());
        garbage.gateway(&gateway);
        garbage.tls(host_of(&tls));
        garbage.rest(host_of(&rest));
        if warm.is_none() && began.elapsed() > whole / 4 {
            warm = Some((sandbox.program.rss_kib(), daemon.program.rss_kib()));
        }
        assert!(
            sandbox.program.is_running(),
            "the sandbox fell: {}",
            sandbox.program.stderr()
        );
        assert!(
            daemon.program.is_running(),
            "the daemon fell: {}",
            daemon.program.stderr()
        );
    }

    // The talkative server may have called by accident; the call through the sandbox must be as it was.
    let mut calls = control.status().calls;
    calls.retain(|seen| seen.call == call);
    let over = control.notices.iter().any(|notice| {
        notice.call.as_ref() == Some(&call) && matches!(notice.event, Event::Ended(_))
    });
    assert!(
        !over && calls.len() == 1,
        "the call is gone: {:#?}",
        control.events()
    );
    assert_eq!(calls[0].state, CallState::Active);
    let told = talkative.frames.load(Ordering::Relaxed);
    assert!(told > 1000, "the daemon was told {told} frames");
    let before = calls[0]
        .quality
        .as_ref()
        .map_or(0, |quality| quality.packets_received);
    control.wait(
        "media after the garbage",
        Duration::from_secs(15),
        |notice| match &notice.event {
            Event::Quality(quality)
                if notice.call.as_ref() == Some(&call)
                    && quality.packets_received > before + 25 =>
            {
                Some(())
            }
            _ => None,
        },
    );
    let (sandbox_warm, daemon_warm) = warm.expect("the run passed its first quarter");
    let (sandbox_end, daemon_end) = (sandbox.program.rss_kib(), daemon.program.rss_kib());
    println!(
        "{} pieces of garbage in {seconds} s, and {told} frames of a server that talks it; sandbox {sandbox_warm} -> {sandbox_end} KiB, daemon {daemon_warm} -> {daemon_end} KiB",
        garbage.sent
    );
    assert!(
        sandbox_end < sandbox_warm + FLAT_KIB && daemon_end < daemon_warm + FLAT_KIB,
        "memory is not flat"
    );
    for said in [sandbox.program.stderr(), daemon.program.stderr()] {
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// The address in a notice's text, whatever else stands beside it.
fn address(text: &str) -> SocketAddr {
    let mut words = text.split_whitespace();
    words
        .find_map(|word| word.trim_matches(['(', ')', ',']).parse().ok())
        .expect("an address in the ICE notice")
}

/// A server that lets the daemon log in, most of the time, and then talks garbage until the daemon hangs up on it.
struct TalkativeServer {
    url: String,
    frames: Arc<AtomicU64>,
}

impl TalkativeServer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
        let url = format!("ws://{}", listener.local_addr().expect("its address"));
        let frames = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&frames);
        std::thread::spawn(move || {
            for (stream, seed) in listener.incoming().flatten().zip(2..) {
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || talk(stream, &mut Mutator::seeded(seed), &counted));
            }
        });
        Self { url, frames }
    }
}

/// Serves one connection: the first message is the login, whose reply carries its id.
fn talk(stream: TcpStream, mutator: &mut Mutator, counted: &AtomicU64) -> Option<()> {
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .ok()?;
    let mut socket = accept(stream).ok()?;
    let login: serde_json::Value =
        serde_json::from_str(socket.read().ok()?.to_text().ok()?).ok()?;
    let reply = serde_json::json!({"jsonrpc": "2.0", "id": login["id"], "result": {"message": "logged in", "sessid": "s"}});
    socket.send(Message::text(reply.to_string())).ok()?;
    for _ in 0..1000 {
        let frame = mutator.server_frame();
        socket.get_mut().write_all(&frame).ok()?;
        counted.fetch_add(1, Ordering::Relaxed);
    }
    // What the daemon still has to say is read, so that its connection ends in order.
    while socket.read().is_ok() {}
    Some(())
}

/// Host and port of a URL.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").expect("a URL").1;
    rest.split('/').next().expect("a host")
}

struct Garbage {
    mutator: Mutator,
    sent: u64,
}

impl Garbage {
    /// At the media sockets of both ends, from an address that is not the peer's.
    fn datagrams(&mut self, targets: &[SocketAddr]) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket of loopback");
        for target in targets {
            for _ in 0..50 {
                let datagram = self.mutator.datagram();
                let _ = socket.send_to(&datagram, target);
                self.sent += 1;
            }
        }
    }

    fn control_lines(&mut self, socket: &Path) {
        let Ok(mut stream) = UnixStream::connect(socket) else {
            return;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
        for _ in 0..20 {
            let line = self.mutator.control_line();
            self.sent += 1;
            if stream.write_all(&line).is_err() {
                return;
            }
        }
        let mut answers = [0; 65536];
        while stream.read(&mut answers).is_ok_and(|length| length > 0) {}
    }

    /// At the TLS listener: noise, and a record that begins like a ClientHello.
    fn tls(&mut self, host: &str) {
        for hello in [false, true] {
            let Ok(mut stream) = TcpStream::connect(host) else {
                return;
            };
            let mut bytes = if hello {
                vec![22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3]
            } else {
                Vec::new()
            };
            bytes.extend(self.mutator.noise(300));
            self.sent += 1;
            let _ = stream.write_all(&bytes);
        }
    }

    /// At the REST API: noise, and a valid request with some bytes changed.
    fn rest(&mut self, host: &str) {
        let body = r#"{"connection_id":"1","name":"n","expires_at":"2026-11-25T10:00:00Z"}"#;
        let valid = format!(
            "POST /v2/telephony_credentials?page[size]=5&filter[name]=n HTTP/1.1\r\nhost: {host}\r\n\
             authorization: Bearer sandbox\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        );
        let noise = self.mutator.noise(300);
        let changed = self.mutator.changed(valid.as_bytes());
        for bytes in [noise, changed] {
            let Ok(mut stream) = TcpStream::connect(host) else {
                return;
            };
            let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
            self.sent += 1;
            let _ = stream.write_all(&bytes);
            let mut answer = [0; 4096];
            while stream.read(&mut answer).is_ok_and(|length| length > 0) {}
        }
    }

    /// At the gateway: first no HTTP at all, then frames after a login.
    fn gateway(&mut self, url: &str) {
        let host = host_of(url);
        if let Ok(mut stream) = TcpStream::connect(host) {
            let _ = stream.write_all(&self.mutator.noise(300));
            self.sent += 1;
        }
        let Ok(mut stream) = TcpStream::connect(host) else {
            return;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
        let upgrade = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let _ = stream.write_all(upgrade.as_bytes());
        let _ = stream.write_all(&mutate::text_frame(mutate::LOGIN.as_bytes()));
        for _ in 0..20 {
            let frame = self.mutator.frame();
            self.sent += 1;
            if stream.write_all(&frame).is_err() {
                return;
            }
        }
        let mut answers = [0; 65536];
        while stream.read(&mut answers).is_ok_and(|length| length > 0) {}
    }
}

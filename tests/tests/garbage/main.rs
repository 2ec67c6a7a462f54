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
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use offhook_control::notice::Event;
use offhook_control::reply::CallState;
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;

use mutate::Mutator;

/// Growth that is allowed after the first quarter of the run, KiB: what an allocator may keep, far below what a leak would take.
const FLAT_KIB: u64 = 16 * 1024;

#[test]
fn garbage_on_every_socket_harms_nobody() {
    let seconds = std::env::var("OFFHOOK_GARBAGE_S")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(60);
    let mut sandbox = Sandbox::start(&[]);
    let mut daemon = Config::new()
        .account("desk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox")
        .launch();
    let mut control = daemon.ready();
    let call = control.call("9196");
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

    let calls = control.status().calls;
    let ends = control
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::Ended(_)));
    assert_eq!(ends.collect::<Vec<_>>(), Vec::<&Event>::new());
    assert_eq!(calls.len(), 1, "the call is gone: {:#?}", control.events());
    assert_eq!(
        (calls[0].call.as_str(), calls[0].state),
        (call.as_str(), CallState::Active)
    );
    let before = calls[0]
        .quality
        .as_ref()
        .map_or(0, |quality| quality.packets_received);
    control.wait(
        "media after the garbage",
        Duration::from_secs(15),
        |notice| match &notice.event {
            Event::Quality(quality) if quality.packets_received > before + 25 => Some(()),
            _ => None,
        },
    );
    let (sandbox_warm, daemon_warm) = warm.expect("the run passed its first quarter");
    let (sandbox_end, daemon_end) = (sandbox.program.rss_kib(), daemon.program.rss_kib());
    println!(
        "{} pieces of garbage in {seconds} s; sandbox {sandbox_warm} -> {sandbox_end} KiB, daemon {daemon_warm} -> {daemon_end} KiB",
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

    /// At the gateway: first no HTTP at all, then frames after a login.
    fn gateway(&mut self, url: &str) {
        let host = url
            .trim_start_matches("ws://")
            .split('/')
            .next()
            .expect("a host");
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

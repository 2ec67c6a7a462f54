//! STUN and TURN servers: real ones, silent ones, and some that tell of a NAT.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use offhook_tests::daemon::Config;
use offhook_tests::program::Program;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::skip::have;
use offhook_tests::tamper::silent_port;
use serde_json::Value;

use crate::clinic::{Examined, examine, examine_within};

fn desk(sandbox: &Sandbox) -> Config {
    Config::new().account("desk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox")
}

/// What was learnt in the stages of this name.
fn details<'a>(found: &'a Examined, name: &str) -> Vec<&'a str> {
    let stages = found.report["stages"].as_array().expect("a list");
    let of_name = stages.iter().filter(|stage| stage["stage"] == name);
    of_name
        .map(|stage| stage["detail"].as_str().expect("a detail"))
        .collect()
}

/// A STUN server that tells everybody this address, or the true one; lives as long as the process.
fn stun_server(tells: Option<(Ipv4Addr, u16)>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("its address");
    std::thread::spawn(move || {
        let mut request = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut request) {
            let SocketAddr::V4(seen) = from else { continue };
            assert!(length >= 20 && request[..2] == [0, 1], "a binding request");
            let (ip, port) = tells.unwrap_or_else(|| (*seen.ip(), seen.port()));
            // Binding success with XOR-MAPPED-ADDRESS (RFC 8489, section 14.2).
            let mut answer = vec![1, 1, 0, 12];
            answer.extend(&request[4..20]);
            answer.extend([0, 0x20, 0, 8, 0, 1]);
            answer.extend((port ^ 0x2112).to_be_bytes());
            answer.extend((u32::from(ip) ^ 0x2112_a442).to_be_bytes());
            let _ = socket.send_to(&answer, from);
        }
    });
    address
}

fn outside(port: u16) -> Option<(Ipv4Addr, u16)> {
    Some((Ipv4Addr::new(203, 0, 113, 5), port))
}

#[test]
fn a_stun_server_that_does_not_answer_is_named() {
    let sandbox = Sandbox::start(&[]);
    let server = silent_port().to_string();
    let found = examine(&desk(&sandbox), &["--live", "--stun", &server]);
    assert_eq!(found.codes(), ["stun_unreachable"], "{}", found.text);
    assert_eq!(found.code, Some(4));
    let finding = found.finding("stun_unreachable");
    assert_eq!(finding["where"]["server"], format!("stun:{server}"));
    // One that answers beside it shows that UDP as such is well.
    let answers = stun_server(None).to_string();
    let found = examine(
        &desk(&sandbox),
        &["--live", "--stun", &server, "--stun", &answers],
    );
    assert_eq!(found.codes(), ["stun_unreachable"], "{}", found.text);
}

#[test]
fn what_no_server_was_asked_for_is_told_and_is_no_finding() {
    let sandbox = Sandbox::start(&[]);
    let config = Config::new()
        .account(
            "desk",
            "freeswitch",
            &sandbox.ready.verto,
            "demo-1",
            "sandbox",
        )
        .remembering();
    for (arguments, way) in [
        (&["--live"][..], "with `--number` a call would show"),
        (
            &["--live", "--number", "9196"],
            "shows in the call to `--number`",
        ),
    ] {
        let found = examine(&config, arguments);
        found.is_well();
        let [told] = details(&found, "stun")[..] else {
            panic!("one stage: {:?}", found.report);
        };
        assert!(
            told.starts_with("not checked: UDP and the kind of NAT"),
            "{told}"
        );
        assert!(told.contains("`--stun`") && told.contains(way), "{told}");
    }
    let answers = stun_server(None).to_string();
    let found = examine(&config, &["--live", "--stun", &answers]);
    let [told] = details(&found, "stun")[..] else {
        panic!("one stage: {:?}", found.report);
    };
    assert!(!told.contains("not checked"), "{told}");
}

#[test]
fn blocked_udp_is_one_finding_and_not_one_for_each_server() {
    let sandbox = Sandbox::start(&[]);
    let stun = silent_port().to_string();
    let turn = format!("turn:{}", silent_port());
    let found = examine(
        &desk(&sandbox),
        &["--live", "--stun", &stun, "--turn", &turn],
    );
    assert_eq!(found.codes(), ["udp_blocked"], "{}", found.text);
    assert!(found.text.contains(&stun), "{}", found.text);
}

#[test]
fn the_kind_of_nat_is_told_by_two_servers() {
    let sandbox = Sandbox::start(&[]);
    for (told, kind) in [
        ([None, None], "no NAT"),
        (
            [outside(61_000), outside(61_000)],
            "NAT with endpoint-independent mapping (cone), port changed",
        ),
    ] {
        let [one, two] = told.map(|tells| stun_server(tells).to_string());
        let found = examine(&desk(&sandbox), &["--live", "--stun", &one, "--stun", &two]);
        found.is_well();
        assert_eq!(details(&found, "nat"), [kind]);
    }
    let [one, two] = [61_000, 61_001].map(|port| stun_server(outside(port)).to_string());
    let found = examine(&desk(&sandbox), &["--live", "--stun", &one, "--stun", &two]);
    assert_eq!(found.codes(), ["nat_symmetric"], "{}", found.text);
    assert_eq!(
        details(&found, "nat"),
        ["NAT with address-dependent mapping (symmetric)"]
    );
}

/// A TURN server of the machine's own, with one user.
struct Coturn {
    port: u16,
    tls_port: u16,
    ca: PathBuf,
    _program: Program,
}

/// A port that is free for TCP and UDP at this moment.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = tcp.local_addr().expect("its address");
        if UdpSocket::bind(address).is_ok() {
            return address.port();
        }
    }
}

impl Coturn {
    fn start(folder: &Path) -> Self {
        let (port, tls_port) = (free_port(), free_port());
        let named = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let certified = named.expect("a certificate");
        let (ca, key) = (folder.join("turn.pem"), folder.join("turn.key"));
        std::fs::write(&ca, certified.cert.pem()).expect("the certificate's file");
        std::fs::write(&key, certified.signing_key.serialize_pem()).expect("the key's file");
        let mut command = Command::new("turnserver");
        command
            .args([
                "-n",
                "--no-cli",
                "--no-dtls",
                "--lt-cred-mech",
                "--log-file=stdout",
            ])
            .args([
                "--listening-ip=127.0.0.1",
                "--relay-ip=127.0.0.1",
                "--realm=here.example",
            ])
            .args(["--user=kiosk:right-one", "--allow-loopback-peers"])
            .arg(format!("--listening-port={port}"))
            .arg(format!("--tls-listening-port={tls_port}"))
            .arg(format!("--cert={}", ca.display()))
            .arg(format!("--pkey={}", key.display()))
            .arg(format!("--userdb={}", folder.join("turn.db").display()))
            .arg(format!("--pidfile={}", folder.join("turn.pid").display()))
            .current_dir(folder);
        let mut program = Program::spawn("turnserver", command);
        let asked = Instant::now();
        for port in [port, tls_port] {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                assert!(
                    asked.elapsed() < Duration::from_secs(20) && program.is_running(),
                    "no TURN server: {}",
                    program.stderr()
                );
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
        Self {
            port,
            tls_port,
            ca,
            _program: program,
        }
    }

    /// UDP, TCP, TLS.
    fn urls(&self) -> [String; 3] {
        [
            format!("turn:127.0.0.1:{}?transport=udp", self.port),
            format!("turn:127.0.0.1:{}?transport=tcp", self.port),
            format!("turns:localhost:{}", self.tls_port),
        ]
    }
}

#[test]
fn a_turn_server_is_reached_over_udp_tcp_and_tls() {
    if !have(&["turnserver"]) {
        return;
    }
    let sandbox = Sandbox::start(&[]);
    let config = desk(&sandbox);
    let server = Coturn::start(config.folder());
    let [udp, tcp, tls] = server.urls();
    let arguments = ["--live", "--turn", &udp, "--turn", &tcp, "--turn", &tls];
    let trusted = [("SSL_CERT_FILE", server.ca.as_path())];
    let ends = |found: &Examined, words: &str| {
        let details = details(found, "turn");
        assert_eq!(details.len(), 3, "{details:?}");
        for detail in details {
            assert!(detail.ends_with(words), "{detail}");
        }
    };

    // Without credentials, being asked for them is enough.
    let found = examine_within(&config, &arguments, &trusted);
    found.is_well();
    ends(&found, ": answers and wants a login");

    let with = |content: &str| {
        let file = config.secret("turn.credentials", content);
        let file = file.to_str().expect("text").to_owned();
        let all = [&arguments[..], &["--turn-credentials-file", &file]].concat();
        examine_within(&config, &all, &trusted)
    };
    let found = with("kiosk:right-one");
    found.is_well();
    ends(&found, ": relays");

    let found = with("kiosk:wrong-one");
    assert_eq!(found.codes(), ["turn_refused"; 3], "{}", found.text);
    assert_eq!(found.code, Some(1));
    found.hides("wrong-one");

    // A certificate that nobody vouches for, and a port where nobody listens.
    let closed = format!("turn:127.0.0.1:{}?transport=tcp", free_port());
    let found = examine(
        &config,
        &["--live", "--turn", &udp, "--turn", &closed, "--turn", &tls],
    );
    assert_eq!(found.codes(), ["turn_unreachable"; 2], "{}", found.text);
    let findings = found.report["findings"].as_array().expect("a list");
    let of = |server: &str| -> &Value {
        let found = findings.iter().find(|it| it["where"]["server"] == server);
        found.unwrap_or_else(|| panic!("nothing of {server}"))
    };
    assert!(of(&closed)["what"].to_string().contains("refused"));
    assert!(of(&tls)["what"].to_string().contains("TLS failed"));
}

//! A real STUN and TURN server: coturn, on free ports of loopback.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::authority::Issued;
use crate::program::Program;

/// The user whom the server lets relay.
pub const USER: &str = "kiosk";
/// The user's password.
pub const PASSWORD: &str = "relay-s3cret";

/// A running server.
#[derive(Debug)]
pub struct TurnServer {
    /// The process.
    pub program: Program,
    /// Port of STUN, and of TURN over UDP and TCP.
    pub port: u16,
    /// Port of TURN over TLS.
    pub tls_port: u16,
    issued: Issued,
    _folder: TempDir,
}

impl TurnServer {
    /// Starts one that relays between addresses of loopback.
    ///
    /// # Panics
    /// When it does not listen in time.
    pub fn start() -> Self {
        let issued = Issued::new("localhost", (2020, 2090));
        let folder = tempfile::Builder::new()
            .prefix("offhook-turn")
            .tempdir()
            .expect("a folder for the test");
        let (port, tls_port) = (free_port(), free_port());
        let mut command = Command::new(path());
        command
            .args([
                "-n",
                "--no-cli",
                "--no-dtls",
                "--log-file=stdout",
                "--simple-log",
            ])
            .args([
                "--listening-ip=127.0.0.1",
                "--relay-ip=127.0.0.1",
                "--allow-loopback-peers",
            ])
            .args([
                "--lt-cred-mech",
                "--realm=offhook.test",
                "--relay-threads=1",
            ])
            .arg(format!("--user={USER}:{PASSWORD}"))
            .arg(format!("--listening-port={port}"))
            .arg(format!("--tls-listening-port={tls_port}"))
            .arg(format!("--cert={}", issued.certificate_file.display()))
            .arg(format!("--pkey={}", issued.key_file.display()))
            .arg(format!("--pidfile={}", folder.path().join("pid").display()))
            .arg(format!("--userdb={}", folder.path().join("db").display()));
        let mut program = Program::spawn("turnserver", command);
        let begun = Instant::now();
        for port in [port, tls_port] {
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                assert!(program.is_running(), "coturn ended: {}", program.stderr());
                assert!(
                    begun.elapsed() < Duration::from_secs(20),
                    "coturn does not listen"
                );
                std::thread::park_timeout(Duration::from_millis(10));
            }
        }
        Self {
            program,
            port,
            tls_port,
            issued,
            _folder: folder,
        }
    }

    /// The authority of its certificate, which is for `localhost`.
    pub fn ca(&self) -> PathBuf {
        self.issued.ca.clone()
    }
}

fn path() -> PathBuf {
    let path = PathBuf::from("/usr/bin/turnserver");
    if path.is_file() {
        path
    } else {
        PathBuf::from("turnserver")
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

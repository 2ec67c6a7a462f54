//! A real STUN and TURN server: coturn, on free ports of loopback, or on a machine of its own.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::authority::Issued;
use crate::daemon::Config;
use crate::namespace::Namespace;
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
        let ports = (free_port(), free_port());
        let command = Command::new(path());
        let mut turn = Self::spawn(
            command,
            "localhost",
            "127.0.0.1",
            ports,
            &["--allow-loopback-peers"],
        );
        turn.listens("127.0.0.1");
        turn
    }

    /// Starts one at an address of another machine, on the ports that are its own: 3478, and 443 for TLS.
    ///
    /// # Panics
    /// When it does not listen in time.
    pub fn start_in(machine: &Namespace, address: &str) -> Self {
        let mut command = machine.command();
        command.arg(path());
        let mut turn = Self::spawn(command, address, address, (3478, 443), &[]);
        machine.inside(|| turn.listens(address));
        turn
    }

    fn spawn(
        mut command: Command,
        name: &str,
        address: &str,
        (port, tls_port): (u16, u16),
        options: &[&str],
    ) -> Self {
        let issued = Issued::new(name, (2020, 2090));
        let folder = tempfile::Builder::new()
            .prefix("offhook-turn")
            .tempdir()
            .expect("a folder for the test");
        command
            .args([
                "-n",
                "--no-cli",
                "--no-dtls",
                "--log-file=stdout",
                "--simple-log",
            ])
            .args([
                "--lt-cred-mech",
                "--realm=offhook.test",
                "--relay-threads=1",
            ])
            .args(options)
            .arg(format!("--listening-ip={address}"))
            .arg(format!("--relay-ip={address}"))
            .arg(format!("--user={USER}:{PASSWORD}"))
            .arg(format!("--listening-port={port}"))
            .arg(format!("--tls-listening-port={tls_port}"))
            .arg(format!("--cert={}", issued.certificate_file.display()))
            .arg(format!("--pkey={}", issued.key_file.display()))
            .arg(format!("--pidfile={}", folder.path().join("pid").display()))
            .arg(format!("--userdb={}", folder.path().join("db").display()));
        Self {
            program: Program::spawn("turnserver", command),
            port,
            tls_port,
            issued,
            _folder: folder,
        }
    }

    /// Waits until it does.
    fn listens(&mut self, address: &str) {
        let begun = Instant::now();
        for port in [self.port, self.tls_port] {
            while TcpStream::connect((address, port)).is_err() {
                let alive = self.program.is_running();
                assert!(alive, "coturn ended: {}", self.program.stderr());
                assert!(
                    begun.elapsed() < Duration::from_secs(20),
                    "coturn does not listen"
                );
                std::thread::park_timeout(Duration::from_millis(10));
            }
        }
    }

    /// Keys of an account that asks it by every way there is: STUN, and TURN over UDP, TCP and TLS. `address` is its own, and the password
    /// a file of this configuration's.
    pub fn keys(&self, config: &Config, address: &str) -> String {
        let file = config.secret("turn.password", PASSWORD);
        let relay = |url: String| {
            format!("{{ url = {url:?}, username = {USER:?}, password_file = {file:?} }}")
        };
        let (port, tls_port) = (self.port, self.tls_port);
        format!(
            "ca_file = {:?}\nice_servers = [\"stun:{address}:{port}\", {}, {}, {}]\n",
            self.ca(),
            relay(format!("turn:{address}:{port}")),
            relay(format!("turn:{address}:{port}?transport=tcp")),
            relay(format!("turns:{address}:{tls_port}")),
        )
    }

    /// The authority of its certificate, which is for `localhost`, or for the address of its machine.
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

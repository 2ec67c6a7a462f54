//! A real STUN and TURN server: coturn, on free ports of loopback, or on a machine of its own.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::authority::Issued;
use crate::daemon::Config;
use crate::namespace::Namespace;
use crate::program::Program;

/// The user whom the server lets relay.
pub const USER: &str = "kiosk";
/// The user's password.
pub const PASSWORD: &str = "relay-s3cret";

/// What credentials that end are made with.
const SECRET: &str = "auth-s3cret";

/// User name and password that end at this time, in seconds since 1970.
///
/// # Panics
/// When `openssl` does not make them.
pub fn ending_at(seconds: u64) -> (String, String) {
    let user = format!("{seconds}:{USER}");
    let mut hash = Command::new("sh");
    hash.arg("-c").arg(format!(
        "printf %s {user} | openssl dgst -sha1 -hmac {SECRET} -binary | openssl base64"
    ));
    let output = hash.output().expect("a shell");
    let password = String::from_utf8(output.stdout).expect("text");
    (user, password.trim().to_owned())
}

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
    /// Starts one that relays between addresses of loopback for [`USER`].
    ///
    /// # Panics
    /// When it does not listen in time.
    pub fn start() -> Self {
        Self::with(&[&format!("--user={USER}:{PASSWORD}")])
    }

    /// Starts one whose users have credentials that end: those of [`ending_at`].
    ///
    /// # Panics
    /// When it does not listen in time.
    pub fn start_with_secret() -> Self {
        Self::with(&[
            "--use-auth-secret",
            &format!("--static-auth-secret={SECRET}"),
        ])
    }

    /// Starts one whose nonces are good for this many seconds, and that tells whom it refused for one.
    ///
    /// # Panics
    /// When it does not listen in time.
    pub fn start_with_nonces_of(seconds: u32) -> Self {
        Self::with(&[
            &format!("--user={USER}:{PASSWORD}"),
            &format!("--stale-nonce={seconds}"),
            "--verbose",
        ])
    }

    /// Starts one that grants an allocation for so many seconds at most.
    ///
    /// # Panics
    /// When it does not listen in time.
    pub fn start_granting(seconds: u32) -> Self {
        Self::with(&[
            &format!("--user={USER}:{PASSWORD}"),
            &format!("--max-allocate-lifetime={seconds}"),
        ])
    }

    /// Reads what it has told until a line has this in it.
    ///
    /// # Panics
    /// When it tells nothing more for a while.
    pub fn tells(&mut self, wanted: &str) {
        while !self.program.line(Duration::from_secs(20)).contains(wanted) {}
    }

    /// Kills one that [`start`](Self::start) started, and starts it again on its ports: it remembers nothing of anybody.
    ///
    /// # Panics
    /// When it does not end, or does not listen in time.
    pub fn start_again(&mut self) {
        self.program.signal(Signal::SIGKILL);
        self.program.wait(Duration::from_secs(20));
        let ports = (self.port, self.tls_port);
        *self = Self::on(ports, &[&format!("--user={USER}:{PASSWORD}")]);
    }

    fn with(users: &[&str]) -> Self {
        Self::on((free_port(), free_port()), users)
    }

    fn on(ports: (u16, u16), users: &[&str]) -> Self {
        let command = Command::new(path());
        let options = [users, &["--allow-loopback-peers"]].concat();
        let mut turn = Self::spawn(command, "localhost", "127.0.0.1", ports, &options);
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
        let user = format!("--user={USER}:{PASSWORD}");
        let mut turn = Self::spawn(command, address, address, (3478, 443), &[&user]);
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

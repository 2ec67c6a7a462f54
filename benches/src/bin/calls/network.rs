//! What is between the ends: loopback as it is, loopback that loses datagrams, or a relay.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use offhook_media::ice::gathering::config::{CandidatePolicy, GatheringConfig};
use offhook_media::ice::server::{IceServer, ServerUrlError};
use tempfile::TempDir;

/// How long coturn may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no such network.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot make a network of our own ({0}): --loss needs root")]
    Namespace(nix::Error),
    #[error("cannot run {program} ({source}): install {package}")]
    Program {
        program: &'static str,
        package: &'static str,
        source: std::io::Error,
    },
    #[error("{program} says: {words}")]
    Refused {
        program: &'static str,
        words: String,
    },
    #[error("cannot write coturn's configuration: {0}")]
    Configuration(#[from] std::io::Error),
    #[error("coturn does not listen")]
    Deaf,
    #[error(transparent)]
    Url(#[from] ServerUrlError),
}

/// Moves this process, which has one thread as yet, to a network of its own, whose loopback loses this share of all UDP
/// datagrams.
pub(crate) fn lose(percent: u32) -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(Failure::Namespace)?;
    run("ip", "iproute2", &["link", "set", "lo", "up"])?;
    let rule = format!(
        "table inet bench {{ chain in {{ type filter hook input priority 0; \
         meta l4proto udp numgen random mod 100 < {percent} drop; }} }}"
    );
    run("nft", "nftables", &[&rule])
}

fn run(program: &'static str, package: &'static str, arguments: &[&str]) -> Result<(), Failure> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|source| Failure::Program {
        program,
        package,
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::Refused { program, words })
}

/// A running coturn that every packet goes through.
#[derive(Debug)]
pub(crate) struct Relay {
    child: Child,
    gathering: GatheringConfig,
    _folder: TempDir,
}

impl Relay {
    /// Starts it on loopback, with a user that nobody else knows.
    pub(crate) fn start() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let password = password()?;
        let configuration = folder.path().join("turnserver.conf");
        let at = |name: &str| folder.path().join(name).display().to_string();
        writeln!(
            std::fs::File::create(&configuration)?,
            "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nallow-loopback-peers\nlistening-port={port}\nno-cli\nno-tls\nno-dtls\n\
             lt-cred-mech\nrealm=bench.invalid\nuser=bench:{password}\nlog-file=stdout\nsimple-log\npidfile={}\nuserdb={}",
            at("pid"),
            at("db")
        )?;
        let child = Command::new("turnserver")
            .arg("-c")
            .arg(&configuration)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.map_err(|source| Failure::Program {
            program: "turnserver",
            package: "coturn",
            source,
        })?;
        let server: IceServer = format!("turn:127.0.0.1:{port}").parse()?;
        let server = server.with_credentials("bench", password);
        let gathering = GatheringConfig {
            servers: vec![server.at(IpAddr::V4(Ipv4Addr::LOCALHOST))],
            policy: CandidatePolicy::RelayOnly,
            ..GatheringConfig::default()
        };
        let relay = Self {
            child,
            gathering,
            _folder: folder,
        };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err(Failure::Deaf);
            }
            thread::park_timeout(Duration::from_millis(10));
        }
        Ok(relay)
    }

    /// What each end is told about it.
    pub(crate) fn gathering(&self) -> GatheringConfig {
        self.gathering.clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A password of 128 bits.
fn password() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

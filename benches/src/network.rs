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
pub enum Failure {
    /// The kernel makes no network for us.
    #[error("cannot make a network of our own ({0}): a network that loses needs root")]
    Namespace(nix::Error),
    /// A program is not there.
    #[error("cannot run {program} ({source}): install {package}")]
    Program {
        /// Which.
        program: &'static str,
        /// Debian's name of what has it.
        package: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// A program did not do as it was told.
    #[error("{program} says: {words}")]
    Refused {
        /// Which.
        program: &'static str,
        /// Its complaint.
        words: String,
    },
    /// No file or port for coturn.
    #[error("cannot write coturn's configuration: {0}")]
    Configuration(#[from] std::io::Error),
    /// coturn was started and cannot be reached.
    #[error("coturn does not listen")]
    Deaf,
    /// The relay's address is none.
    #[error(transparent)]
    Url(#[from] ServerUrlError),
}

/// A network of this process's own, whose loopback loses a share of all UDP datagrams.
#[derive(Debug)]
pub struct Lossy(());

impl Lossy {
    /// Moves this process, which has one thread as yet, there.
    ///
    /// # Errors
    /// [`Failure`], where such a network is not allowed or its tools are missing.
    pub fn enter(percent: u32) -> Result<Self, Failure> {
        unshare(CloneFlags::CLONE_NEWNET).map_err(Failure::Namespace)?;
        run("ip", "iproute2", &["link", "set", "lo", "up"])?;
        run(
            "nft",
            "nftables",
            &[
                "add table inet bench; add chain inet bench in { type filter hook input priority 0; }",
            ],
        )?;
        let lossy = Self(());
        lossy.lose(percent)?;
        Ok(lossy)
    }

    /// Loses this share from now on, in percent.
    ///
    /// # Errors
    /// [`Failure`]; the share of before stays.
    pub fn lose(&self, percent: u32) -> Result<(), Failure> {
        let rules = format!(
            "flush chain inet bench in; \
             add rule inet bench in meta l4proto udp numgen random mod 100 < {percent} drop"
        );
        run("nft", "nftables", &[&rules])
    }
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
pub struct Relay {
    child: Child,
    gathering: GatheringConfig,
    _folder: TempDir,
}

impl Relay {
    /// Starts it on loopback, with a user that nobody else knows.
    ///
    /// # Errors
    /// [`Failure`], where it cannot be started.
    pub fn start() -> Result<Self, Failure> {
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
    #[must_use]
    pub fn gathering(&self) -> GatheringConfig {
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

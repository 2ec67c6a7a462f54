//! Real SIP servers: Kamailio with rtpengine and scripted peers, on free ports of loopback.

use std::collections::BTreeMap;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Ports below this one are the servers', counted from their base; this one says that the base is taken.
const CLAIM: u16 = 40;

/// A running set of servers. Dropped: stopped.
#[derive(Debug)]
pub struct Kamailio {
    folder: TempDir,
    /// Keeps the ports for this set while it starts and runs: several tests start theirs at the same moment.
    _claim: TcpListener,
    facts: BTreeMap<String, String>,
}

impl Kamailio {
    /// Starts them.
    ///
    /// # Panics
    /// When a program is missing or does not come up; the words of the script say which.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("offhook-sip")
            .tempdir()
            .expect("a folder for the test");
        let (base, claim) = free_base();
        let output = Command::new(script("start.sh"))
            .arg(folder.path())
            .env("PORT_BASE", base.to_string())
            .stdin(Stdio::null())
            .output()
            .expect("a shell for the script");
        assert!(
            output.status.success(),
            "the SIP servers do not start: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let facts = String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            folder,
            _claim: claim,
            facts,
        }
    }

    fn fact(&self, name: &str) -> &str {
        self.facts
            .get(name)
            .unwrap_or_else(|| panic!("the script told no {name}"))
    }

    /// `ws://` URL of the edge.
    pub fn ws_url(&self) -> &str {
        self.fact("WS_URL")
    }

    /// `wss://` URL of the edge.
    pub fn wss_url(&self) -> &str {
        self.fact("WSS_URL")
    }

    /// Its certificate, which is its own authority.
    pub fn certificate(&self) -> PathBuf {
        PathBuf::from(self.fact("CA_CERT"))
    }

    /// Its domain.
    pub fn realm(&self) -> &str {
        self.fact("REALM")
    }

    /// Runs the scripted peer of the far side, `call` or `send` with its arguments; gives back what it printed.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn peer(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("python3");
        command
            .arg("-B")
            .arg(script("tools/ua.py"))
            .args(&arguments[..1])
            .args(["--proxy", self.fact("SIP_UDP")])
            .args(&arguments[1..])
            .stdin(Stdio::null());
        let output = command.output().expect("python3 for the scripted peer");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What the scripted peer that answers calls has noted.
    pub fn peer_log(&self) -> String {
        std::fs::read_to_string(self.fact("UAS_LOG")).unwrap_or_default()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        let stopped = Command::new(script("stop.sh"))
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        // A test that fails already says more than this could.
        drop(stopped);
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("servers/kamailio")
        .join(name)
}

/// The first base whose ports nobody has, and the claim on it. Bases are a thousand apart, since the media ports above
/// them take as many.
fn free_base() -> (u16, TcpListener) {
    let free = |port: u16| {
        TcpListener::bind(("127.0.0.1", port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", port)).is_ok()
    };
    let start = std::process::id() % 14;
    (0..14)
        .map(|step| 16_000 + 1000 * u16::try_from((start + step) % 14).unwrap_or_default())
        .find_map(|base| {
            let claim = TcpListener::bind(("127.0.0.1", base + CLAIM)).ok()?;
            let all = (0..CLAIM).all(|offset| free(base + offset)) && free(base + 15_000);
            all.then_some((base, claim))
        })
        .expect("free ports")
}

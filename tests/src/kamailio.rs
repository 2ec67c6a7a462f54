//! Real SIP servers: Kamailio with rtpengine and scripted peers, on free ports of loopback, or on a machine of their own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::daemon::Config;
use crate::namespace::Namespace;

/// Ports below this one are the servers', counted from their base; this one says that the base is taken.
const CLAIM: u16 = 40;

/// One of the two edge proxies in front of the registrar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The first.
    A,
    /// The second.
    B,
}

impl Edge {
    const fn part(self) -> &'static str {
        match self {
            Self::A => "edge-a",
            Self::B => "edge-b",
        }
    }
}

/// A running set of servers. Dropped: stopped.
#[derive(Debug)]
pub struct Kamailio {
    folder: TempDir,
    /// Keeps the ports for this set while it starts and runs: several tests start theirs at the same moment.
    _claim: Option<TcpListener>,
    facts: BTreeMap<String, String>,
}

impl Kamailio {
    /// Starts them.
    ///
    /// # Panics
    /// When a program is missing or does not come up; the words of the script say which.
    pub fn start() -> Self {
        Self::begin(&[])
    }

    /// Starts them with a `wss` edge that takes only clients with a certificate of this CA.
    ///
    /// # Panics
    /// As [`Kamailio::start`] does.
    pub fn start_for_clients_of(ca: &Path) -> Self {
        Self::begin(&[("CLIENT_CA", ca.as_os_str())])
    }

    /// Starts them with two edge proxies (RFC 5626), which have nothing but their WebSockets and the way to the registrar.
    ///
    /// # Panics
    /// As [`Kamailio::start`] does.
    pub fn start_with_edges() -> Self {
        Self::begin(&[("EDGES", OsStr::new("1"))])
    }

    /// Starts them on another machine, with the WebSocket on port 443, and lets users send each other media without a relay
    /// of the server's.
    ///
    /// # Panics
    /// As [`Kamailio::start`] does.
    pub fn start_in(machine: &Namespace, address: &str) -> Self {
        let mut command = machine.command();
        command.arg(script("start.sh"));
        let options = [("IP", address), ("WS_PORT", "443"), ("DIRECT", "1")];
        Self::run(
            command,
            None,
            &options.map(|(name, value)| (name, OsStr::new(value))),
        )
    }

    fn begin(options: &[(&str, &OsStr)]) -> Self {
        let (base, claim) = free_base();
        let mut command = Command::new(script("start.sh"));
        command.env("PORT_BASE", base.to_string());
        Self::run(command, Some(claim), options)
    }

    fn run(mut command: Command, claim: Option<TcpListener>, options: &[(&str, &OsStr)]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("offhook-sip")
            .tempdir()
            .expect("a folder for the test");
        let output = command
            .arg(folder.path())
            .envs(options.iter().copied())
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

    /// `ws://` URL of an edge proxy.
    ///
    /// # Panics
    /// When the servers were started without.
    pub fn edge_url(&self, edge: Edge) -> &str {
        match edge {
            Edge::A => self.fact("EDGE_A_URL"),
            Edge::B => self.fact("EDGE_B_URL"),
        }
    }

    /// `:` and the port by which the registrar reaches an edge proxy, as its Path has it.
    ///
    /// # Panics
    /// When the servers were started without.
    pub fn edge_port(&self, edge: Edge) -> String {
        let name = match edge {
            Edge::A => "EDGE_A_SIP",
            Edge::B => "EDGE_B_SIP",
        };
        let (_, port) = self.fact(name).rsplit_once(':').expect("its port");
        format!(":{port}")
    }

    /// Its certificate, which is its own authority.
    pub fn certificate(&self) -> PathBuf {
        PathBuf::from(self.fact("CA_CERT"))
    }

    /// Its domain.
    pub fn realm(&self) -> &str {
        self.fact("REALM")
    }

    /// An account `desk` for this user, who says this tone in Hz and records what is heard, by way of this WebSocket; with these
    /// keys too.
    pub fn account(
        &self,
        config: Config,
        server: &str,
        (user, tone): (u16, f64),
        keys: &str,
    ) -> Config {
        let password = config.secret("password", &format!("pw{user}"));
        let recordings = format!("file:{}/heard-{{call}}.wav", config.folder().display());
        let keys = format!(
            "login = \"{user}@{}\"\npassword_file = {password:?}\nbackoff_base = \"1s\"\nbackoff_max = \"2s\"\n{keys}",
            self.realm()
        );
        config
            .account_with("desk", "sip", server, &keys)
            .audio(&format!("tone:{tone}"), &recordings)
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

    /// The instance ids and `reg-id`s that the registrar has for a user, sorted.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn contacts(&self, user: u16) -> Vec<String> {
        let answer = self.location(user);
        let mut found = Vec::new();
        collect(&answer, &mut found);
        found.sort();
        found
    }

    /// The Paths that the registrar has for a user, sorted: the edge proxies that requests for the user take.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn paths(&self, user: u16) -> Vec<String> {
        let mut found = Vec::new();
        members(&self.location(user), "Path", &mut found);
        found.sort();
        found
    }

    fn location(&self, user: u16) -> Value {
        let user = format!("{user}@{}", self.realm());
        self.rpc(&json!({"jsonrpc": "2.0", "id": 1, "method": "ul.lookup", "params": ["location", user]}))
    }

    /// Asks Kamailio by JSON-RPC.
    fn rpc(&self, body: &Value) -> Value {
        let url = self.fact("RPC_URL");
        let rest = url.strip_prefix("http://").expect("its URL");
        let (host, path) = rest.split_once('/').expect("its path");
        let body = body.to_string();
        let mut stream = TcpStream::connect(host).expect("Kamailio listens");
        write!(
            stream,
            "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .expect("it reads");
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a time limit");
        let mut answer = String::new();
        let mut bytes = [0; 65536];
        // It keeps the connection open in spite of what it was asked: whole JSON is the end.
        loop {
            let length = stream.read(&mut bytes).expect("an answer");
            answer.push_str(&String::from_utf8_lossy(&bytes[..length]));
            let json = answer.split_once("\r\n\r\n").map(|(_, json)| json);
            if let Some(value) = json.and_then(|json| serde_json::from_str(json).ok()) {
                return value;
            }
            assert!(length > 0, "no JSON: {answer}");
        }
    }

    /// Kills Kamailio with all its processes, as a crash does.
    ///
    /// # Panics
    /// When its process is not known.
    pub fn kill_proxy(&mut self) {
        self.kill("kamailio");
    }

    /// Starts Kamailio again, with nothing remembered.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart_proxy(&mut self) {
        self.run_part("kamailio");
    }

    /// Kills rtpengine and starts it again: every media relay is forgotten.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart_relay(&mut self) {
        self.kill("rtpengine");
        self.run_part("rtpengine");
    }

    /// Kills an edge proxy with all its processes: its connections go with it.
    ///
    /// # Panics
    /// When its process is not known.
    pub fn kill_edge(&mut self, edge: Edge) {
        self.kill(edge.part());
    }

    /// Starts an edge proxy again.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart_edge(&mut self, edge: Edge) {
        self.run_part(edge.part());
    }

    fn kill(&self, part: &str) {
        let file = self.folder.path().join(format!("{part}.pid"));
        let pid = std::fs::read_to_string(&file).expect("its process");
        let pid: i32 = pid.trim().parse().expect("a process id");
        // Its own children first, or they would answer on.
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let all = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        for process in std::iter::once(pid).chain(all) {
            let _ = signal::kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        let gone = || !Path::new(&format!("/proc/{pid}/exe")).exists();
        while !gone() {
            std::thread::yield_now();
        }
    }

    fn run_part(&self, part: &str) {
        let output = Command::new(script("restart.sh"))
            .arg(self.folder.path())
            .arg(part)
            .stdin(Stdio::null())
            .output()
            .expect("a shell for the script");
        assert!(
            output.status.success(),
            "{part} does not start again: {}",
            String::from_utf8_lossy(&output.stderr)
        );
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

/// Instance ids with `reg-id`, wherever they stand in what the registrar says.
fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(instance) = map.get("Instance").and_then(Value::as_str) {
                let reg = map.get("Reg-Id").map(ToString::to_string);
                found.push(format!("{instance} {}", reg.unwrap_or_default()));
            }
            map.values().for_each(|value| collect(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Texts of that name, wherever they stand in what the registrar says.
fn members(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get(name).and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| members(value, name, found));
        }
        Value::Array(list) => list.iter().for_each(|value| members(value, name, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
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

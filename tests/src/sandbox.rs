//! The sandbox as a real process.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde::Deserialize;
use serde_json::json;

use crate::program::{Program, path_of};

/// What it prints when it is ready.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// `ws://` URL.
    pub verto: String,
    /// `wss://` URL, with `--tls`.
    #[serde(default)]
    pub verto_tls: Option<String>,
    /// `ws://` URL for SIP.
    #[serde(default)]
    pub sip: String,
    /// `wss://` URL for SIP, with `--tls`.
    #[serde(default)]
    pub sip_tls: Option<String>,
    /// Base URL of the REST API.
    #[serde(default)]
    pub api: String,
    /// The same with TLS, with `--tls`.
    #[serde(default)]
    pub api_tls: Option<String>,
    /// The CA's certificate, with `--tls`.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// A running sandbox.
#[derive(Debug)]
pub struct Sandbox {
    /// The process.
    pub program: Program,
    /// Where it listens.
    pub ready: Ready,
    marks: u32,
}

impl Sandbox {
    /// Starts it on a free port of loopback.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", arguments)
    }

    /// Starts it at an address.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start_at(address: &str, arguments: &[&str]) -> Self {
        Self::spawn(Command::new(path_of("offhook-sandbox")), address, arguments)
    }

    /// The same through another program, which is given the sandbox's command line behind its own arguments.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start_by(mut program: Command, address: &str, arguments: &[&str]) -> Self {
        program.arg(path_of("offhook-sandbox"));
        Self::spawn(program, address, arguments)
    }

    fn spawn(mut command: Command, address: &str, arguments: &[&str]) -> Self {
        command.args(["--listen", address]).args(arguments);
        let mut program = Program::spawn("offhook-sandbox", command);
        let line = program.line(Duration::from_secs(40));
        let ready = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the ready line {line:?}: {error}"));
        Self {
            program,
            ready,
            marks: 0,
        }
    }

    /// Makes it call a user.
    ///
    /// # Panics
    /// When it has ended.
    pub fn call(&mut self, user: &str) {
        self.order(&json!({ "call": user }));
    }

    /// The same with these codecs alone on offer.
    ///
    /// # Panics
    /// When it has ended.
    pub fn call_in(&mut self, user: &str, codecs: &[&str]) {
        self.order(&json!({ "call": user, "codecs": codecs, "sound": "tone" }));
    }

    /// The same without an offer, for SIP clients.
    ///
    /// # Panics
    /// When it has ended.
    pub fn call_late(&mut self, user: &str) {
        self.order(&json!({ "call": user, "late": true }));
    }

    /// Makes something go wrong: at once, or from now on as a fault plan has it.
    ///
    /// # Panics
    /// When it has ended.
    pub fn fault(&mut self, fault: &str) {
        self.order(&json!({ "fault": fault }));
    }

    /// The same for one user.
    ///
    /// # Panics
    /// When it has ended.
    pub fn fault_for(&mut self, user: &str, fault: &str) {
        self.order(&json!({ "fault": fault, "user": user }));
    }

    /// Makes the gateway tell its state to a user, unasked.
    ///
    /// # Panics
    /// When it has ended.
    pub fn tell_state(&mut self, user: &str, state: &str) {
        self.order(&json!({ "state": state, "user": user }));
    }

    /// Makes a FreeSWITCH announce something to a user.
    ///
    /// # Panics
    /// When it has ended.
    pub fn announce(&mut self, user: &str, words: &str) {
        self.order(&json!({ "announce": words, "user": user }));
    }

    fn order(&mut self, line: &serde_json::Value) {
        let stdin = self.program.stdin.as_mut().expect("its standard input");
        writeln!(stdin, "{line}").expect("the sandbox reads its standard input");
    }

    /// How many logins of a user there have been, those that the fault plan refused too.
    ///
    /// # Panics
    /// When it has ended.
    pub fn logins(&mut self, user: &str) -> usize {
        let user = format!("user={user:?}");
        let login = |line: &&str| {
            line.contains(&user)
                && (line.contains("login: logged in") || line.contains("fault=RefuseLogin"))
        };
        self.settled().lines().filter(login).count()
    }

    /// What it said, once it has done all that it was ordered.
    ///
    /// # Panics
    /// When it has ended.
    pub fn settled(&mut self) -> &str {
        // An order to nobody: once it stands in the log, everything before it does.
        self.marks += 1;
        let mark = format!("mark-{}-", self.marks);
        self.tell_state(&mark, "REGED");
        self.program.wait_for_stderr(&mark, Duration::from_secs(30))
    }

    /// Kills it, and starts another one at the same address: everything is forgotten.
    ///
    /// # Panics
    /// When it does not end, or not become ready again.
    pub fn restart(&mut self, arguments: &[&str]) {
        self.program.signal(Signal::SIGKILL);
        self.program.wait(Duration::from_secs(10));
        let address = self.ready.verto.trim_start_matches("ws://").to_owned();
        *self = Self::start_at(&address, arguments);
    }
}

//! The sandbox as a real process.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::program::Program;

/// What it prints when it is ready.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// `ws://` URL.
    pub verto: String,
    /// `wss://` URL, with `--tls`.
    #[serde(default)]
    pub verto_tls: Option<String>,
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
}

impl Sandbox {
    /// Starts it on a free port of loopback.
    ///
    /// # Panics
    /// When it does not become ready.
    pub fn start(arguments: &[&str]) -> Self {
        let mut program = Program::start("offhook-sandbox", |command| {
            command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        });
        let line = program.line(Duration::from_secs(20));
        let ready = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the ready line {line:?}: {error}"));
        Self { program, ready }
    }

    /// Makes it call a user.
    ///
    /// # Panics
    /// When it has ended.
    pub fn call(&mut self, user: &str) {
        let stdin = self.program.stdin.as_mut().expect("its standard input");
        writeln!(stdin, "{{\"call\":\"{user}\"}}").expect("the sandbox reads its standard input");
    }
}

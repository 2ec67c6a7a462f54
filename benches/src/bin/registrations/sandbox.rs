//! The server: our sandbox, as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use crate::run::{Failure, Plan};

/// Where it listens.
#[derive(Debug, Deserialize)]
struct Ready {
    sip: String,
    sip_tls: Option<String>,
    ca: Option<PathBuf>,
}

/// A running sandbox; it ends with this value.
pub(crate) struct Sandbox {
    child: Child,
    pub(crate) url: String,
    pub(crate) ca: Option<PathBuf>,
}

impl Sandbox {
    pub(crate) fn start(plan: &Plan) -> Result<Self, Failure> {
        let here = std::env::current_exe().map_err(Failure::Sandbox)?;
        let accounts = plan.accounts.to_string();
        let sockets = (plan.accounts + 64).to_string();
        let mut command = Command::new(here.with_file_name("offhook-sandbox"));
        command
            .args(["--log", "off", "--login-within", "600"])
            .args(["--sip-challenges", "sha-256", "--sip-users", &accounts])
            .args(["--max-sessions", &sockets])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if plan.tls {
            command.arg("--tls");
        }
        let mut child = command.spawn().map_err(Failure::Sandbox)?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output)
                .read_line(&mut line)
                .map_err(Failure::Sandbox)?;
        }
        let ready: Option<Ready> = serde_json::from_str(&line).ok();
        let ready = ready.ok_or(Failure::NotReady)?;
        let url = if plan.tls {
            ready.sip_tls
        } else {
            Some(ready.sip)
        };
        Ok(Self {
            child,
            url: url.ok_or(Failure::NotReady)?,
            ca: ready.ca,
        })
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

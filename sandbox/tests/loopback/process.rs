//! The sandbox as a child process that goes with its owner.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value;

pub(crate) struct Sandbox {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    pub(crate) ready: Value,
}

impl Sandbox {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_offhook-sandbox"))
            .args(["--listen", "127.0.0.1:0", "--log", "trace"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            stdin: child.stdin.take(),
            child,
            ready: serde_json::from_str(&line).unwrap(),
        }
    }

    pub(crate) fn address(&self) -> String {
        let url = self.ready["verto"].as_str().unwrap();
        url.strip_prefix("ws://").unwrap().to_owned()
    }

    pub(crate) fn ca(&self) -> Option<PathBuf> {
        self.ready["ca"].as_str().map(PathBuf::from)
    }

    pub(crate) fn write(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Asks it to end; says whether it did so without an error.
    pub(crate) fn terminate(&mut self) -> bool {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

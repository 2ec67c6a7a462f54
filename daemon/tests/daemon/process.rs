//! The daemon as a real process in a folder of its own, with a server that nobody runs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with a configuration.
pub(crate) struct Folder {
    folder: TempDir,
}

impl Folder {
    /// One account whose server refuses connections.
    pub(crate) fn new() -> Self {
        let folder = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        folder.secret("password", "hunter2");
        folder.configure(&unused_server(), "");
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn secret(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Writes the configuration, with `rest` at its end.
    pub(crate) fn configure(&self, server: &str, rest: &str) {
        let text = format!(
            "[control]\nsocket = \"control.sock\"\n[[account]]\nname = \"desk\"\ndialect = \"freeswitch\"\n\
             server = \"{server}\"\nlogin = \"1000\"\npassword_file = \"password\"\n{rest}\n"
        );
        fs::write(self.path().join("offhookd.toml"), text).unwrap();
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("control.sock")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_offhookd"));
        command
            .arg("--config")
            .arg(self.path().join("offhookd.toml"))
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end; exit code and standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command().args(arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }

    /// Starts it and waits for its control socket.
    pub(crate) fn start(&self) -> Running {
        let mut child = self.command().spawn().unwrap();
        let begun = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            if let Some(status) = child.try_wait().unwrap() {
                let mut told = String::new();
                child
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut told)
                    .unwrap();
                panic!("ended with {status}: {told}");
            }
            assert!(begun.elapsed() < PATIENCE, "no control socket");
            std::thread::yield_now();
        }
        Running {
            child,
            socket: self.socket(),
        }
    }
}

/// A `ws` URL at which nobody listens.
pub(crate) fn unused_server() -> String {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    format!("ws://{free}")
}

/// A daemon that runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    socket: PathBuf,
}

impl Running {
    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.socket)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Waits for its end; exit code, how long it took, and what it wrote.
    pub(crate) fn wait(mut self) -> (Option<i32>, Duration, String) {
        let begun = Instant::now();
        let mut log = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), begun.elapsed(), log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of the control socket.
pub(crate) struct Client {
    reader: BufReader<UnixStream>,
}

impl Client {
    fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            reader: BufReader::new(stream),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    /// Sends, unless the other side has closed.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.reader.get_mut().write_all(bytes);
    }

    /// The next line; `None` at the end.
    pub(crate) fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).unwrap();
        (read > 0).then(|| serde_json::from_str(&line).unwrap())
    }

    /// Asks, and reads up to the answer.
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let request = serde_json::json!({ "jsonrpc": "2.0", "id": method, "method": method, "params": params });
        self.send(format!("{request}\n").as_bytes());
        loop {
            let line = self.line().expect("an answer");
            if line["id"] == method {
                return line;
            }
        }
    }

    /// Reads up to a notice of this kind.
    pub(crate) fn notice(&mut self, event: &str) -> Value {
        loop {
            let line = self.line().expect("a notice");
            if line["params"]["event"] == event {
                return line["params"].clone();
            }
        }
    }
}

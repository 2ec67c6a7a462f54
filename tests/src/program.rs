//! A program of this workspace as a child process that ends with its test.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The program's path.
///
/// # Panics
/// When it was not built.
pub fn path_of(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    let folder = own.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace` first",
        path.display()
    );
    path
}

/// A running program. Its output is collected; it gets SIGTERM, then SIGKILL, when it is dropped.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    /// Its standard input; dropping it closes it.
    pub stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// What was read from standard error so far.
    said: String,
}

impl Program {
    /// Starts a program of this workspace.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(name: &str, configure: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(path_of(name));
        configure(&mut command);
        Self::spawn(name, command)
    }

    /// Starts any program.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(name: &str, mut command: Command) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name} could not be started: {error}"));
        let stdout = lines(child.stdout.take().expect("piped"));
        let stderr = lines(child.stderr.take().expect("piped"));
        Self {
            name: name.to_owned(),
            stdin: child.stdin.take(),
            child,
            stdout,
            stderr,
            said: String::new(),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of standard output.
    ///
    /// # Panics
    /// When none comes in time; the message holds what it said on standard error.
    pub fn line(&mut self, limit: Duration) -> String {
        match self.stdout.recv_timeout(limit) {
            Ok(line) => line,
            Err(_) => {
                let name = self.name.clone();
                panic!(
                    "{name} printed nothing within {limit:?}; it said:\n{}",
                    self.stderr()
                );
            }
        }
    }

    /// The next line of standard output, if one comes in time.
    pub fn try_line(&mut self, limit: Duration) -> Option<String> {
        self.stdout.recv_timeout(limit).ok()
    }

    /// Everything it said on standard error so far.
    pub fn stderr(&mut self) -> &str {
        while let Ok(line) = self.stderr.try_recv() {
            self.said.push_str(&line);
            self.said.push('\n');
        }
        &self.said
    }

    /// Waits until standard error holds the text; returns all of it.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn wait_for_stderr(&mut self, text: &str, limit: Duration) -> &str {
        let asked = Instant::now();
        while !self.said.contains(text) {
            match self
                .stderr
                .recv_timeout(limit.saturating_sub(asked.elapsed()))
            {
                Ok(line) => {
                    self.said.push_str(&line);
                    self.said.push('\n');
                }
                Err(_) => panic!(
                    "{} did not say {text:?} within {limit:?}, but:\n{}",
                    self.name, self.said
                ),
            }
        }
        &self.said
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(pid(self.child.id()), signal);
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it still runs after the limit.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let asked = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                // What it said last is in the pipe until the readers have met its end.
                while let Ok(line) = self.stderr.recv_timeout(Duration::from_secs(1)) {
                    self.said.push_str(&line);
                    self.said.push('\n');
                }
                return status;
            }
            if asked.elapsed() > limit {
                let name = self.name.clone();
                panic!(
                    "{name} still runs after {limit:?}; it said:\n{}",
                    self.stderr()
                );
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Memory in use, KiB (RSS).
    pub fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            .unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
        let asked = Instant::now();
        while self.is_running() {
            if asked.elapsed() > Duration::from_secs(8) {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("a process id"))
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while reader
            .read_until(b'\n', &mut bytes)
            .is_ok_and(|length| length > 0)
        {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Runs a program of this workspace to its end; returns exit code, standard output, standard error.
///
/// # Panics
/// When it cannot be started.
pub fn run(name: &str, arguments: &[&str], directory: &Path) -> (Option<i32>, String, String) {
    let output = Command::new(path_of(name))
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|error| panic!("{name} could not be started: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

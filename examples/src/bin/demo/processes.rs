//! The sandbox and the daemon as child processes that never outlive the demo.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use crate::args::Args;
use crate::error::Error;
use crate::timeline::Interrupt;

/// How long a program may take to be ready, or to end when asked.
const PATIENCE: Duration = Duration::from_secs(15);

/// The speech that the demo plays; its origin is stated beside it.
const SPEECH: &[u8] = include_bytes!("../../../../sandbox/assets/speech.wav");

/// Everything that the demo writes.
pub(crate) struct Folder {
    pub(crate) out: PathBuf,
    /// Short-lived and private: the control socket, the password and the configuration.
    private: PathBuf,
}

impl Folder {
    pub(crate) fn make(out: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(out).map_err(file("cannot make the folder", out))?;
        let out = out
            .canonicalize()
            .map_err(file("cannot find the folder", out))?;
        // A socket's path has at most 107 bytes: the folder of the recordings may be too deep for it.
        let private = std::env::temp_dir().join(format!("offhook-demo-{}", std::process::id()));
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .create(&private)
            .map_err(file("cannot make the folder", &private))?;
        Ok(Self { out, private })
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.private.join("control.sock")
    }

    pub(crate) fn speech(&self) -> PathBuf {
        self.out.join("speech.wav")
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let _ = std::fs::remove_file(path);
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        opened
            .and_then(|mut file| file.write_all(bytes))
            .map_err(file("cannot write", path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.private);
    }
}

pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { what, path, source }
}

/// A child process that is ended, and waited for, when it is dropped.
struct Running {
    child: Child,
}

impl Running {
    fn start(program: &'static str, command: &mut Command) -> Result<Self, Error> {
        let child = command
            .spawn()
            .map_err(|source| Error::Start { program, source })?;
        Ok(Self { child })
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        let _ = i32::try_from(self.child.id()).map(|pid| kill(Pid::from_raw(pid), Signal::SIGTERM));
        let asked = Instant::now();
        while !self.has_ended() {
            if asked.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            // The standard library waits for a child without a time limit only.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What the sandbox says when it is ready.
#[derive(Debug, Deserialize)]
struct Ready {
    verto_tls: String,
    ca: PathBuf,
}

/// The gateway.
pub(crate) struct Sandbox {
    running: Running,
    stdin: ChildStdin,
    ready: Ready,
}

impl Sandbox {
    pub(crate) fn start(
        args: &Args,
        folder: &Folder,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        let log_path = folder.out.join("sandbox.log");
        let log = File::create(&log_path).map_err(file("cannot write", &log_path))?;
        let mut command = Command::new(beside("offhook-sandbox"));
        command
            .args(["--listen", "127.0.0.1:0", "--tls"])
            .args(args.mute_return.then_some("--mute-return"));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut running = Running::start("offhook-sandbox", &mut command)?;
        let ended = || Error::EndedEarly {
            program: "offhook-sandbox",
            log: log_path.clone(),
        };
        let stdin = running.child.stdin.take().ok_or_else(ended)?;
        let stdout = running.child.stdout.take().ok_or_else(ended)?;
        let line = interrupt.wait(
            &first_line(stdout),
            PATIENCE,
            "the sandbox's ready line",
            folder,
        )?;
        let ready = serde_json::from_str(&line).map_err(|_| ended())?;
        Ok(Self {
            running,
            stdin,
            ready,
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.ready.verto_tls
    }

    /// Makes the sandbox call that user.
    pub(crate) fn call(&mut self, user: &str) -> Result<(), Error> {
        writeln!(self.stdin, "{{\"call\":\"{user}\"}}").map_err(|source| Error::Start {
            program: "a call by offhook-sandbox",
            source,
        })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // `running` ends it; the field is named here so that the order of the fields never matters.
        let _ = self.running.has_ended();
    }
}

fn first_line(stdout: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).lines();
        if let Some(Ok(line)) = lines.next() {
            let _ = sender.send(line);
        }
        // The pipe is kept open and empty, so that the sandbox never meets a closed one.
        lines.for_each(drop);
    });
    receiver
}

/// The daemon.
pub(crate) struct Daemon {
    running: Running,
    log: PathBuf,
}

impl Daemon {
    pub(crate) fn start(args: &Args, folder: &Folder, sandbox: &Sandbox) -> Result<Self, Error> {
        let password = folder.private.join("password");
        let config = folder.private.join("offhookd.toml");
        folder.write(&password, b"sandbox\n")?;
        folder.write(&folder.speech(), SPEECH)?;
        folder.write(
            &config,
            configuration(args, folder, sandbox, &password).as_bytes(),
        )?;
        let log_path = folder.out.join("offhookd.log");
        let log = File::create(&log_path).map_err(file("cannot write", &log_path))?;
        let mut command = Command::new(beside("offhookd"));
        command.arg("--config").arg(&config);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Ok(Self {
            running: Running::start("offhookd", &mut command)?,
            log: log_path,
        })
    }

    pub(crate) fn check(&mut self) -> Result<(), Error> {
        if self.running.has_ended() {
            return Err(Error::EndedEarly {
                program: "offhookd",
                log: self.log.clone(),
            });
        }
        Ok(())
    }
}

fn configuration(args: &Args, folder: &Folder, sandbox: &Sandbox, password: &Path) -> String {
    let input = if args.silence {
        "silence".to_owned()
    } else {
        format!("file:{}", folder.speech().display())
    };
    format!(
        "[control]\nsocket = {socket:?}\n\n[log]\nlevel = {level:?}\n\n[[account]]\nname = \"demo\"\ndialect = {dialect:?}\n\
         server = {server:?}\nlogin = \"demo-1\"\npassword_file = {password:?}\nca_file = {ca:?}\n\n\
         [audio]\ninput = {input:?}\noutput = {output:?}\n",
        socket = folder.socket(),
        level = args.log,
        dialect = args.dialect.as_str(),
        server = sandbox.url(),
        ca = sandbox.ready.ca,
        output = format!(
            "file:{}",
            folder.out.join("heard-{time}-{call}.wav").display()
        ),
    )
}

/// Runs the real command line program against the daemon; its output is returned when it succeeds.
pub(crate) fn cli(socket: &Path, arguments: &[&str]) -> Result<String, Error> {
    let mut command = Command::new(beside("offhook"));
    command
        .arg("--socket")
        .arg(socket)
        .args(arguments)
        .stdin(Stdio::null());
    let output = command.output().map_err(|source| Error::Start {
        program: "offhook",
        source,
    })?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if output.status.success() {
        return Ok(text.trim().to_owned());
    }
    Err(Error::Cli {
        command: arguments.join(" "),
        output: text.trim().to_owned(),
    })
}

/// A program of the same build.
fn beside(program: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name(program)
}

impl Interrupt {
    /// Waits for one value from a thread, but not past the limit, and not past Ctrl-C.
    pub(crate) fn wait<T>(
        &self,
        receiver: &Receiver<T>,
        limit: Duration,
        what: &'static str,
        folder: &Folder,
    ) -> Result<T, Error> {
        let asked = Instant::now();
        loop {
            match receiver.recv_timeout(Duration::from_millis(50)) {
                Ok(value) => return Ok(value),
                Err(RecvTimeoutError::Timeout) if asked.elapsed() < limit => self.check()?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let logs = folder.out.clone();
                    return Err(Error::TooLate {
                        what,
                        seconds: limit.as_secs(),
                        logs,
                    });
                }
            }
        }
    }
}

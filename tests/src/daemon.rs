//! The daemon as a real process, with a folder of its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use offhook_control::notice::Event;
use tempfile::TempDir;

use crate::control::Control;
use crate::program::{Program, path_of, run};

/// A disk takes no longer, also on a busy machine.
const REMEMBERED: Duration = Duration::from_secs(20);

/// A configuration in the making.
#[derive(Debug)]
pub struct Config {
    folder: TempDir,
    accounts: String,
    audio: String,
    rest: String,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// No account, a tone in, nothing out.
    ///
    /// # Panics
    /// When the disk refuses.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("offhook")
            .tempdir()
            .expect("a folder for the test");
        let audio = "input = \"tone:440\"\noutput = \"discard\"\n".to_owned();
        Self {
            folder,
            accounts: String::new(),
            audio,
            rest: String::new(),
        }
    }

    /// The folder that lives as long as the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file that only its owner may read; returns its path.
    ///
    /// # Panics
    /// When the disk refuses.
    pub fn secret(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a file for the test");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
        path
    }

    /// Adds an account with a password.
    #[must_use]
    pub fn account(
        self,
        name: &str,
        dialect: &str,
        server: &str,
        login: &str,
        password: &str,
    ) -> Self {
        let file = self.secret(&format!("{name}.password"), password);
        self.account_with(
            name,
            dialect,
            server,
            &format!("login = {login:?}\npassword_file = {file:?}\n"),
        )
    }

    /// Adds an account with other keys.
    #[must_use]
    pub fn account_with(mut self, name: &str, dialect: &str, server: &str, keys: &str) -> Self {
        let _ = writeln!(
            self.accounts,
            "[[account]]\nname = {name:?}\ndialect = {dialect:?}\nserver = {server:?}\n{keys}"
        );
        self
    }

    /// Sets the sound.
    #[must_use]
    pub fn audio(mut self, input: &str, output: &str) -> Self {
        self.audio = format!("input = {input:?}\noutput = {output:?}\n");
        self
    }

    /// Adds tables of their own, as TOML.
    #[must_use]
    pub fn with(mut self, toml: &str) -> Self {
        self.rest.push_str(toml);
        self.rest.push('\n');
        self
    }

    /// Lets the daemon keep its sessions over a restart.
    #[must_use]
    pub fn remembering(self) -> Self {
        let file = self.folder().join("state.json");
        self.with(&format!("[state]\nfile = {file:?}"))
    }

    /// The whole text.
    pub fn text(&self) -> String {
        format!(
            "[control]\nsocket = {:?}\n\n{}\n[audio]\n{}\n{}",
            self.socket(),
            self.accounts,
            self.audio,
            self.rest
        )
    }

    /// Where its control socket will be.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// Writes it and starts the daemon; does not wait for anything.
    ///
    /// # Panics
    /// When the disk refuses.
    pub fn launch(self) -> Daemon {
        self.spawn(Command::new(path_of("offhookd")))
    }

    /// The same through another program, which is given the daemon's command line behind its own arguments.
    ///
    /// # Panics
    /// When the disk refuses.
    pub fn launch_by(self, mut program: Command) -> Daemon {
        program.arg(path_of("offhookd"));
        self.spawn(program)
    }

    fn spawn(self, command: Command) -> Daemon {
        let file = self.folder.path().join("offhookd.toml");
        std::fs::write(&file, self.text()).expect("the configuration");
        Daemon {
            program: begin(command, &file),
            config: self,
        }
    }
}

fn begin(mut command: Command, file: &Path) -> Program {
    command.arg("--config").arg(file);
    Program::spawn("offhookd", command)
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    /// The process.
    pub program: Program,
    /// What it runs on.
    pub config: Config,
}

impl Daemon {
    /// A new client of its control socket.
    pub fn control(&self) -> Control {
        Control::connect(&self.config.socket(), Duration::from_secs(10))
    }

    /// A client that has subscribed, once the first account is ready.
    ///
    /// # Panics
    /// When it does not become ready within 20 s.
    pub fn ready(&self) -> Control {
        let mut control = self.control();
        let snapshot = control.subscribe();
        let ready = snapshot
            .accounts
            .first()
            .is_some_and(|account| account.state.as_str() == "ready");
        if !ready {
            control.wait(
                "the account to be ready",
                Duration::from_secs(20),
                |notice| matches!(notice.event, Event::Ready).then_some(()),
            );
        }
        control
    }

    /// Waits until what it remembers is on the disk, however busy that is: a kill before it leaves nothing to go on with.
    ///
    /// # Panics
    /// When it never is.
    pub fn wait_until_remembered(&self) {
        let state = self.config.folder().join("state.json");
        let asked = Instant::now();
        while !state.exists() {
            assert!(asked.elapsed() < REMEMBERED, "nothing is remembered");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Ends it by a signal, and starts another one on the same configuration.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn restart_after(self, signal: Signal) -> Self {
        self.restart_later(signal, |_| {})
    }

    /// The same with something in between.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn restart_later(mut self, signal: Signal, meanwhile: impl FnOnce(&Config)) -> Self {
        self.program.signal(signal);
        self.program.wait(Duration::from_secs(10));
        meanwhile(&self.config);
        let file = self.config.folder().join("offhookd.toml");
        let program = begin(Command::new(path_of("offhookd")), &file);
        Self {
            program,
            config: self.config,
        }
    }

    /// Runs the command line program with this on its standard input.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn cli_with_input(&self, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
        let mut child = Command::new(path_of("offhook"))
            .arg("--socket")
            .arg(self.config.socket())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("offhook starts");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// Runs the command line program against it: exit code, standard output, standard error.
    pub fn cli(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let socket = self.config.socket();
        let socket = socket.to_string_lossy().into_owned();
        let mut all = vec!["--socket", &socket];
        all.extend(arguments);
        run("offhook", &all, self.config.folder())
    }
}

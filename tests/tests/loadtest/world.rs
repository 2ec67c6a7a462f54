//! A sandbox, a file of its users, and the program that is run on them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use offhook_tests::program::path_of;
use offhook_tests::sandbox::Sandbox;
use serde_json::Value;
use tempfile::TempDir;

/// Nine users there are.
pub(crate) const USERS: u32 = 9;

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    folder: TempDir,
}

/// What became of one run.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl World {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let world = Self {
            sandbox: Sandbox::start(arguments),
            folder: tempfile::tempdir().expect("a folder"),
        };
        world.secret("password", "sandbox\n");
        let users: String = (1..=USERS)
            .map(|number| user(&format!("user-{number}"), &format!("demo-{number}")))
            .collect();
        world.secret("users.toml", &users);
        world
    }

    /// Writes a file that nobody else may read.
    pub(crate) fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command with the arguments that every run has; it calls the echo.
    pub(crate) fn command(&self, dialect: &str, arguments: &[&str]) -> Command {
        self.command_to("9196", dialect, arguments)
    }

    pub(crate) fn command_to(&self, number: &str, dialect: &str, arguments: &[&str]) -> Command {
        let server = match dialect {
            "sip" => self.sandbox.ready.sip.clone(),
            _ => self.sandbox.ready.verto.clone(),
        };
        let mut command = Command::new(path_of("offhook-load"));
        command
            .args(["run", "--server", &server, "--dialect", dialect])
            .args(["--to", number, "--users"])
            .arg(self.path("users.toml"))
            .args(arguments);
        command
    }

    pub(crate) fn run_to(&self, number: &str, dialect: &str, arguments: &[&str]) -> Ran {
        let output = self.command_to(number, dialect, arguments).output();
        output.expect("it starts").into()
    }

    pub(crate) fn run(&self, dialect: &str, arguments: &[&str]) -> Ran {
        let output = self.command(dialect, arguments).output();
        output.expect("it starts").into()
    }
}

/// One block of the users file.
pub(crate) fn user(name: &str, login: &str) -> String {
    format!("[[user]]\nname = {name:?}\nlogin = {login:?}\npassword_file = \"password\"\n\n")
}

pub(crate) fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("the report");
    serde_json::from_str(&text).expect("JSON")
}

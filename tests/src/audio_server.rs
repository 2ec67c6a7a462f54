//! A private sound system without hardware (PulseAudio with null devices), ended with its test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One sound system at a time: its clock is the machine's, and several side by side on a small machine starve each other.
static TURN: Mutex<()> = Mutex::new(());

/// A running sound system.
#[derive(Debug)]
pub struct AudioServer {
    /// Held as long as the server runs.
    _turn: MutexGuard<'static, ()>,
    folder: tempfile::TempDir,
    scripts: PathBuf,
    variables: Vec<(String, String)>,
}

impl AudioServer {
    /// Starts one in a folder of its own.
    ///
    /// # Panics
    /// When it does not start; the message holds why. Missing programs are named, and `make test` installs them.
    pub fn start() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/audio");
        // A Unix socket's path is short, so the folder stands directly in /tmp.
        let folder = tempfile::Builder::new()
            .prefix("offhook-audio-")
            .tempdir_in("/tmp")
            .expect("a folder in /tmp");
        let output = Command::new(scripts.join("start.sh"))
            .arg(folder.path())
            .output()
            .expect("sh starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "no sound system for this test: {said}\n`make test` installs what is missing"
        );
        let text = std::fs::read_to_string(folder.path().join("env")).expect("start.sh wrote env");
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let variables = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            _turn: turn,
            folder,
            scripts,
            variables,
        }
    }

    /// The environment of a program that is to use it.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.variables.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Ends it while it is in use.
    pub fn stop(&self) {
        let _ = Command::new(self.scripts.join("stop.sh"))
            .arg(self.folder.path())
            .status();
    }

    /// Tells it something by `pactl`.
    ///
    /// # Panics
    /// When it refuses.
    pub fn control(&self, arguments: &[&str]) {
        let status = Command::new("pactl")
            .args(arguments)
            .envs(self.variables())
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "pactl {arguments:?} failed"
        );
    }
}

impl Drop for AudioServer {
    fn drop(&mut self) {
        self.stop();
    }
}

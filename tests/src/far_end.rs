//! The far end of a call by another implementation of WebRTC, driven by JSON lines: `python/aiortc_end.py`, `browser/far_end.mjs`,
//! `benches/peers/str0m`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::audio_server::AudioServer;
use crate::namespace::Namespace;
use crate::program::Program;

/// Nothing that a far end does for itself takes longer, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// A page's ear is not finer than this, in hertz.
const FINENESS: f64 = 15.0;

/// What it tells.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "event", rename_all = "snake_case")]
enum FarEvent {
    /// It runs; a fresh connection is there.
    Ready,
    /// Its offer or answer.
    Description { sdp: String },
    /// Our answer was taken.
    Accepted,
    /// A candidate that it found after its description; empty when no more follow.
    Candidate { candidate: String },
    /// The strongest frequency that it hears, several times a second; 0 in silence.
    Level { pitch: f64 },
    /// The connection is closed.
    Closed,
    /// It could not do it.
    Failed { reason: String },
}

/// One that runs.
#[derive(Debug)]
pub struct FarEnd {
    program: Program,
    /// Its candidates that we have to be told of, one by one.
    pub candidates: Vec<String>,
}

/// What a fresh connection is to be.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// What it says.
    pub hertz: f64,
    /// It tells its candidates one by one.
    pub trickle: bool,
    /// URL, user and password of the TURN server by which alone it may be reached.
    pub relay: Option<[&'a str; 3]>,
    /// A browser's offers have a picture before the sound, and a channel of data behind it.
    pub more_than_sound: bool,
}

impl FarEnd {
    /// One by aiortc, with the Python of [`skip::python`](crate::skip::python).
    pub fn aiortc(python: &Path) -> Self {
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/aiortc_end.py"));
        Self::spawn("aiortc", command)
    }

    /// One by str0m, which says what it hears; with the program of [`skip::str0m_end`](crate::skip::str0m_end).
    pub fn str0m(program: &Path) -> Self {
        Self::spawn("str0m", Command::new(program))
    }

    /// One by headless Firefox, which works on sound only where there is a sound system.
    pub fn firefox(audio: &AudioServer) -> Self {
        let mut command = Self::browser("firefox");
        command.envs(audio.variables());
        Self::spawn("Firefox", command)
    }

    /// One by headless Chromium.
    pub fn chromium() -> Self {
        Self::spawn("Chromium", Self::browser("chromium"))
    }

    /// One by a headless Chromium of this machine that nobody gave a microphone: it hides its addresses behind names
    /// (draft-ietf-mmusic-mdns-ice-candidates).
    pub fn chromium_behind_names(machine: &Namespace) -> Self {
        let browser = Self::browser("chromium-behind-names");
        let mut command = machine.command();
        command.arg(browser.get_program()).args(browser.get_args());
        Self::spawn("Chromium", command)
    }

    fn browser(name: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/far_end.mjs"));
        command.arg(name);
        command
    }

    fn spawn(name: &str, command: Command) -> Self {
        Self {
            program: Program::spawn(name, command),
            candidates: Vec::new(),
        }
    }

    /// A fresh connection in place of the one before.
    pub fn open(&mut self, plan: &Plan<'_>) {
        self.command(&json!({
            "do": "open", "hertz": plan.hertz, "trickle": plan.trickle, "relay": plan.relay,
            "more_than_sound": plan.more_than_sound,
        }));
        self.told("connection", &FarEvent::Ready);
        self.candidates.clear();
    }

    /// Its offer.
    pub fn offer(&mut self) -> String {
        self.command(&json!({ "do": "offer" }));
        self.description()
    }

    /// An offer with new ICE credentials.
    pub fn restart_ice(&mut self) -> String {
        self.command(&json!({ "do": "offer", "restart": true }));
        self.description()
    }

    /// Its answer.
    pub fn answer(&mut self, offer: &str) -> String {
        self.command(&json!({ "do": "answer", "sdp": offer }));
        self.description()
    }

    /// Takes our answer.
    pub fn accept(&mut self, answer: &str) {
        self.command(&json!({ "do": "accept", "sdp": answer }));
        self.told("acceptance", &FarEvent::Accepted);
    }

    /// Takes a candidate that we found later.
    pub fn add_candidate(&mut self, candidate: &str) {
        self.command(&json!({ "do": "candidate", "candidate": candidate }));
    }

    /// Closes its connection.
    pub fn close(&mut self) {
        self.command(&json!({ "do": "close" }));
        self.told("end", &FarEvent::Closed);
    }

    fn description(&mut self) -> String {
        self.wait("description", |event| match event {
            FarEvent::Description { sdp } => Some(sdp.clone()),
            _ => None,
        })
    }

    /// Waits until this tone, and nothing louder, has been heard three times in a row.
    pub fn hears(&mut self, hertz: f64) {
        self.catch_up();
        let mut times = 0;
        self.wait(&format!("tone of {hertz} Hz"), |event| {
            if let FarEvent::Level { pitch } = event {
                let same = (pitch - hertz).abs() < FINENESS;
                times = if same { times + 1 } else { 0 };
            }
            (times == 3).then_some(())
        });
    }

    /// Takes note of what was told up to now.
    pub fn catch_up(&mut self) {
        while let Some(line) = self.program.try_line(Duration::ZERO) {
            self.read(&line);
        }
    }

    fn told(&mut self, what: &str, wanted: &FarEvent) {
        self.wait(what, |event| (event == wanted).then_some(()));
    }

    fn wait<T>(&mut self, what: &str, mut wanted: impl FnMut(&FarEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut last = None;
        while let Some(line) = self
            .program
            .try_line(deadline.saturating_duration_since(Instant::now()))
        {
            let event = self.read(&line);
            if let Some(found) = wanted(&event) {
                return found;
            }
            last = Some(event);
        }
        panic!(
            "no {what} of the far end within {PATIENCE:?}; last {last:?}; it said:\n{}",
            self.program.stderr()
        );
    }

    fn read(&mut self, line: &str) -> FarEvent {
        let event = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        match &event {
            FarEvent::Candidate { candidate } => self.candidates.push(candidate.clone()),
            FarEvent::Failed { reason } => {
                panic!("the far end failed: {reason}\n{}", self.program.stderr());
            }
            _ => {}
        }
        event
    }

    fn command(&mut self, command: &Value) {
        let stdin = self.program.stdin.as_mut().expect("its standard input");
        writeln!(stdin, "{command}").expect("the far end reads its standard input");
    }
}

//! A real browser client in headless Chromium, driven by `tests/browser/run.mjs`.
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

use crate::authority::Issued;
use crate::program::Program;

/// Less than this is silence.
const AUDIBLE: f64 = 0.01;
/// Nothing that a page does for itself takes longer, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which client the page runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// npm `@telnyx/webrtc`.
    Telnyx,
    /// npm `vertojs`, for FreeSWITCH.
    Vertojs,
    /// npm `jssip`.
    Jssip,
    /// npm `sip.js`.
    Sipjs,
}

/// What the browser and its page tell.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum BrowserEvent {
    /// Chromium runs.
    Browser {
        /// Of its pages.
        origin: String,
    },
    /// Logged in, for the first time or anew.
    Ready,
    /// Somebody calls, and is answered.
    Incoming {
        /// Who.
        #[serde(default)]
        number: Option<String>,
    },
    /// The far end may be heard before it answers.
    Early,
    /// The call was answered, or goes on after a hold or a loss.
    Active,
    /// The call is on hold.
    Held,
    /// The call is taken up again after its socket was lost.
    Recovering,
    /// Everything that was told before is told.
    Marked {
        /// By which mark.
        number: u64,
    },
    /// ICE has a new path.
    Restarted,
    /// What is heard, several times a second.
    Level {
        /// Level of what came in, 0 to 1.
        inbound: f64,
        /// Level of what went out, 0 to 1.
        outbound: f64,
        /// Packets received so far.
        packets: u64,
        /// Strongest frequency of what is played, in hertz; 0 in silence.
        pitch: f64,
        /// The client's word for the state of the call.
        state: Option<String>,
    },
    /// The tones of a key were heard.
    Digit {
        /// Which.
        digit: char,
    },
    /// Something from an assistant.
    Assistant {
        /// As it came.
        data: Value,
    },
    /// The call is over.
    Ended {
        /// The client's word for why.
        #[serde(default)]
        cause: Option<String>,
    },
    /// The client could not do it.
    Failed {
        /// Its words.
        reason: String,
    },
}

/// A browser that shows one page with one client at a time.
#[derive(Debug)]
pub struct Browser {
    program: Program,
    /// Of its pages, as in `Origin`.
    pub origin: String,
    marks: u64,
}

impl Browser {
    /// Starts Chromium.
    pub fn start() -> Self {
        Self::spawn(Self::script())
    }

    /// Starts Chromium with pages that are served with this certificate, which is the only one that it trusts beside the usual.
    pub fn start_secure(issued: &Issued) -> Self {
        let mut command = Self::script();
        command.arg(&issued.certificate_file).arg(&issued.key_file);
        Self::spawn(command)
    }

    fn script() -> Command {
        let mut command = Command::new("node");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/run.mjs"));
        command
    }

    fn spawn(command: Command) -> Self {
        let mut browser = Self {
            program: Program::spawn("the browser", command),
            origin: String::new(),
            marks: 0,
        };
        browser.origin = browser.wait("Chromium", Duration::from_secs(60), |event| match event {
            BrowserEvent::Browser { origin } => Some(origin.clone()),
            _ => None,
        });
        browser
    }

    /// Opens a fresh page whose client logs in with a password, and waits until it has.
    pub fn log_in(&mut self, client: Client, server: &str, login: &str) {
        let client = match client {
            Client::Telnyx => "telnyx",
            Client::Vertojs => "vertojs",
            Client::Jssip => "jssip",
            Client::Sipjs => "sipjs",
        };
        self.open(&json!({
            "client": client, "server": server, "login": login, "password": "sandbox",
        }));
    }

    /// Opens a fresh page by a plan of its own, and waits until its client is logged in.
    pub fn open(&mut self, plan: &Value) {
        self.command(&json!({ "do": "open", "plan": plan }));
        self.told("login", &BrowserEvent::Ready);
    }

    /// Opens a fresh page whose client cannot log in; returns its words.
    pub fn fails_to_open(&mut self, plan: &Value) -> String {
        self.command(&json!({ "do": "open", "plan": plan }));
        self.wait("failure", PATIENCE, |event| match event {
            BrowserEvent::Failed { reason } => Some(reason.clone()),
            BrowserEvent::Ready => panic!("the client has logged in"),
            _ => None,
        })
    }

    /// Waits for the first event that the test wants.
    ///
    /// # Panics
    /// When it does not come in time, or the client fails.
    pub fn wait<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&BrowserEvent) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + limit;
        let mut seen = Vec::new();
        while let Some(line) = self
            .program
            .try_line(deadline.saturating_duration_since(Instant::now()))
        {
            let event: BrowserEvent =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
            if let Some(found) = wanted(&event) {
                return found;
            }
            if let BrowserEvent::Failed { reason } = &event {
                panic!(
                    "waiting for {what}: the browser's client failed: {reason}\n{}",
                    self.program.stderr()
                );
            }
            seen.push(event);
        }
        let last = seen.last().cloned();
        seen.retain(|event| !matches!(event, BrowserEvent::Level { .. }));
        panic!(
            "no {what} within {limit:?}; there were {seen:?}, last {last:?}; the console said:\n{}",
            self.program.stderr()
        );
    }

    /// Waits for this event.
    pub fn told(&mut self, what: &str, wanted: &BrowserEvent) {
        self.wait(what, PATIENCE, |event| (event == wanted).then_some(()));
    }

    /// Waits until the call is answered, or goes on.
    pub fn active(&mut self) {
        self.told("call in the browser", &BrowserEvent::Active);
    }

    /// Passes over what was told up to now.
    fn catch_up(&mut self) {
        self.marks += 1;
        let number = self.marks;
        self.command(&json!({ "do": "mark", "number": number }));
        self.told("mark", &BrowserEvent::Marked { number });
    }

    /// Waits until sound comes in, from now on.
    pub fn hears(&mut self) {
        self.catch_up();
        self.wait("sound in the browser", PATIENCE, |event| match event {
            BrowserEvent::Level { inbound, .. } if *inbound > AUDIBLE => Some(()),
            _ => None,
        });
    }

    /// Waits until this tone, and nothing louder, has been heard three times in a row from now on.
    pub fn hears_tone(&mut self, hertz: f64) {
        self.hears_pitch(&format!("tone of {hertz} Hz"), |pitch| {
            (pitch - hertz).abs() < 15.0
        });
    }

    /// Waits until anything but this tone, or nothing, was heard three times in a row from now on.
    pub fn hears_no_more(&mut self, hertz: f64) {
        self.hears_pitch(&format!("something but {hertz} Hz"), |pitch| {
            (pitch - hertz).abs() > 30.0
        });
    }

    fn hears_pitch(&mut self, what: &str, wanted: impl Fn(f64) -> bool) {
        self.catch_up();
        let mut times = 0;
        self.wait(what, PATIENCE, |event| {
            if let BrowserEvent::Level { pitch, .. } = event {
                times = if wanted(*pitch) { times + 1 } else { 0 };
            }
            (times == 3).then_some(())
        });
    }

    /// Waits until a key is heard.
    pub fn hears_digit(&mut self) -> char {
        self.wait("digit in the browser", PATIENCE, |event| match event {
            BrowserEvent::Digit { digit } => Some(*digit),
            _ => None,
        })
    }

    /// Calls.
    pub fn call(&mut self, number: &str) {
        self.command(&json!({ "do": "call", "number": number }));
    }

    /// Tells the page to hang up, and waits for the end.
    pub fn hangup(&mut self) {
        self.command(&json!({ "do": "hangup" }));
        self.ended();
    }

    /// Waits until the call has ended.
    pub fn ended(&mut self) {
        self.wait("end in the browser", PATIENCE, |event| {
            matches!(event, BrowserEvent::Ended { .. }).then_some(())
        });
    }

    /// Sends the page a command.
    ///
    /// # Panics
    /// When the browser is gone.
    pub fn command(&mut self, command: &Value) {
        let stdin = self.program.stdin.as_mut().expect("its standard input");
        writeln!(stdin, "{command}").expect("the browser's script reads its standard input");
    }
}

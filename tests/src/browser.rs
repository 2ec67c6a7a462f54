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

use crate::program::Program;

/// Which client the page runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// npm `@telnyx/webrtc`.
    Telnyx,
    /// npm `vertojs`, for FreeSWITCH.
    Vertojs,
}

/// What the page tells.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum BrowserEvent {
    /// Logged in.
    Ready,
    /// Somebody calls.
    Incoming {
        /// Who.
        #[serde(default)]
        number: Option<String>,
    },
    /// The call was answered.
    Active,
    /// Audio levels, 0 to 1, several times a second.
    Level {
        /// What came in.
        inbound: f64,
        /// What went out.
        outbound: f64,
        /// Packets received so far.
        packets: u64,
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

/// A page with one client in it.
#[derive(Debug)]
pub struct Browser {
    program: Program,
}

impl Browser {
    /// Opens a browser whose client logs in as `login` and calls `number`, or answers the first call when there is none.
    pub fn start(client: Client, server: &str, login: &str, number: Option<&str>) -> Self {
        let plan = json!({
            "client": match client { Client::Telnyx => "telnyx", Client::Vertojs => "vertojs" },
            "role": if number.is_some() { "caller" } else { "callee" },
            "server": server, "login": login, "password": "sandbox", "number": number, "limit_s": 90,
        });
        let mut command = Command::new("node");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/run.mjs");
        command.arg(script).arg(plan.to_string());
        Self {
            program: Program::spawn("the browser", command),
        }
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
        seen.retain(|event| !matches!(event, BrowserEvent::Level { .. }));
        panic!(
            "no {what} within {limit:?}; there were {seen:?}; the console said:\n{}",
            self.program.stderr()
        );
    }

    /// Waits until the client is logged in.
    pub fn ready(&mut self) {
        self.wait("login of the browser", Duration::from_secs(30), |event| {
            (*event == BrowserEvent::Ready).then_some(())
        });
    }

    /// Waits until the call is answered.
    pub fn active(&mut self) {
        self.wait("answer in the browser", Duration::from_secs(20), |event| {
            (*event == BrowserEvent::Active).then_some(())
        });
    }

    /// Waits until sound comes in.
    pub fn hears(&mut self) {
        self.wait(
            "sound in the browser",
            Duration::from_secs(15),
            |event| match event {
                BrowserEvent::Level { inbound, .. } if *inbound > 0.01 => Some(()),
                _ => None,
            },
        );
    }

    /// Tells the page to hang up, and waits for the end.
    ///
    /// # Panics
    /// When the page is gone.
    pub fn hangup(&mut self) {
        self.command(&json!({ "do": "hangup" }));
        self.ended();
    }

    /// Waits until the call has ended.
    pub fn ended(&mut self) {
        self.wait("end in the browser", Duration::from_secs(15), |event| {
            matches!(event, BrowserEvent::Ended { .. }).then_some(())
        });
    }

    /// Sends the page a command.
    ///
    /// # Panics
    /// When the page is gone.
    pub fn command(&mut self, command: &Value) {
        let stdin = self.program.stdin.as_mut().expect("its standard input");
        writeln!(stdin, "{command}").expect("the browser's script reads its standard input");
    }
}

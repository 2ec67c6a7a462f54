//! A daemon as the browser's far end: it speaks a tone, and what it hears goes into files.

use std::path::PathBuf;
use std::time::Duration;

use offhook_control::notice::{Ended, Event};
use offhook_control::request::{Dtmf, OfCall, Request};
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;
use offhook_tests::{skip, sound};
use serde_json::Value;

/// What the daemon says.
pub(crate) const TONE: f64 = 440.0;
/// Nothing here takes longer, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Whether there is a browser here.
pub(crate) fn have_browser() -> bool {
    skip::have(&["node", "chromium"])
}

/// A daemon that is logged in as `demo-1`.
pub(crate) struct Kiosk {
    daemon: Daemon,
    pub(crate) control: Control,
}

impl Kiosk {
    pub(crate) fn ready(sandbox: &Sandbox, dialect: &str) -> Self {
        let config =
            Config::new().account("kiosk", dialect, &sandbox.ready.verto, "demo-1", "sandbox");
        let heard = config.folder().join("{call}.wav");
        let output = format!("file:{}", heard.display());
        let daemon = config.audio(&format!("tone:{TONE}"), &output).launch();
        let control = daemon.ready();
        Self { daemon, control }
    }

    /// Waits for a call and answers it; returns its id.
    pub(crate) fn takes_call(&mut self) -> String {
        let call = self.control.wait("the browser's call", PATIENCE, |notice| {
            matches!(notice.event, Event::Incoming { .. }).then(|| notice.call.clone())?
        });
        self.control.answer();
        call
    }

    pub(crate) fn ended(&mut self, call: &str) -> Ended {
        self.control.wait_ended(call, PATIENCE)
    }

    pub(crate) fn hold(&mut self, call: &str, on: bool) {
        let of_call = OfCall {
            call: Some(call.to_owned()),
        };
        let request = if on {
            Request::Hold(of_call)
        } else {
            Request::Resume(of_call)
        };
        self.control.ask::<Value>(&request);
        self.control.wait("the hold", PATIENCE, |notice| {
            (notice.event == Event::Held { on }).then_some(())
        });
    }

    pub(crate) fn dtmf(&mut self, call: &str, digits: &str) {
        self.control.ask::<Value>(&Request::Dtmf(Dtmf {
            call: call.to_owned(),
            digits: digits.to_owned(),
        }));
    }

    pub(crate) fn hears_digit(&mut self) -> char {
        self.control
            .wait("a digit", PATIENCE, |notice| match notice.event {
                Event::Dtmf { digit } => Some(digit),
                _ => None,
            })
    }

    /// Waits until the browser, whose microphone beeps once a second, is heard from now on.
    ///
    /// # Panics
    /// When it is not.
    pub(crate) fn hears(&self) {
        sound::wait_for_beeps(|| self.recording(), PATIENCE);
    }

    /// The newest recording.
    fn recording(&self) -> Option<PathBuf> {
        let all = sound::recordings(self.daemon.config.folder());
        let written = |file: &PathBuf| file.metadata().and_then(|about| about.modified()).ok();
        all.into_iter().max_by_key(written)
    }
}

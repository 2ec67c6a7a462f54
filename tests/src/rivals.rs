//! Two daemons that log in with one credential, which is one too many.

use std::time::Duration;

use offhook_control::notice::Event;

use crate::control::Control;
use crate::daemon::{Config, Daemon};
use crate::sandbox::Sandbox;

/// The user that both are.
pub const USER: &str = "demo-1";

/// Two daemons at one sandbox.
#[derive(Debug)]
pub struct Rivals {
    /// Where both are logged in.
    pub sandbox: Sandbox,
    /// The daemon that came first.
    pub first: Daemon,
    /// Subscribed before there was a second.
    pub control: Control,
    /// The daemon that came second.
    pub second: Daemon,
    /// Subscribed once the second was ready.
    pub second_control: Control,
}

impl Rivals {
    /// Starts a sandbox that treats the first as `second_login` says (`punt`, `unreged`, `silent`, `usual`), then one daemon after
    /// the other, each once the one before is ready.
    pub fn start(dialect: &str, second_login: &str) -> Self {
        let sandbox = Sandbox::start(&["--dialect", dialect, "--second-login", second_login]);
        let start = || {
            let server = &sandbox.ready.verto;
            Config::new()
                .account("kiosk", dialect, server, USER, "sandbox")
                .launch()
        };
        let first = start();
        let control = first.ready();
        let second = start();
        let second_control = second.ready();
        Self {
            sandbox,
            first,
            control,
            second,
            second_control,
        }
    }
}

/// Waits until a daemon tells that somebody else uses its credential; returns how that shows, with the remedy.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]
pub fn conflict(control: &mut Control, limit: Duration) -> String {
    control.wait("the conflict", limit, |notice| match &notice.event {
        Event::RegistrationConflict { reason, remedy } => {
            Some(format!("{reason}; {}", remedy.as_deref().unwrap_or("")))
        }
        _ => None,
    })
}

//! A user with a daemon of their own at the sandbox.

use std::time::Duration;

use offhook_control::notice::{Ended, Event};
use offhook_control::reply::{CallState, CallStatus};
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;

/// Nothing that is waited for takes longer, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Packets of a second of sound.
const SECOND: u64 = 50;

pub(crate) struct Phone {
    pub(crate) daemon: Daemon,
    pub(crate) control: Control,
}

pub(crate) fn server() -> Sandbox {
    Sandbox::start(&["--dialect", "freeswitch"])
}

impl Phone {
    pub(crate) fn new(sandbox: &Sandbox, user: &str) -> Self {
        Self::with(sandbox, user, "")
    }

    /// One whose account has these keys too.
    pub(crate) fn with(sandbox: &Sandbox, user: &str, keys: &str) -> Self {
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let login = format!("login = {user:?}\npassword_file = {password:?}\n{keys}");
        let daemon = config
            .account_with("phone", "freeswitch", &sandbox.ready.verto, &login)
            .remembering()
            .launch();
        let control = daemon.ready();
        Self { daemon, control }
    }

    /// Runs a command that must be taken; gives back what it printed.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let (code, said, told) = self.daemon.cli(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {said}{told}");
        said
    }

    /// Runs a command that must be refused; gives back why.
    #[track_caller]
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let (code, said, told) = self.daemon.cli(arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {said}{told}");
        told
    }

    /// Places a call, and waits until it is up.
    pub(crate) fn call(&mut self, number: &str) -> String {
        let call = self.control.call(number);
        self.wait_for(&call, "the answer", |event| {
            matches!(event, Event::Answered(_))
        });
        call
    }

    /// Answers the call that comes in.
    pub(crate) fn answer(&mut self) -> String {
        let call = self.control.wait("a call", PATIENCE, |notice| {
            matches!(notice.event, Event::Incoming { .. }).then(|| notice.call.clone())?
        });
        self.run(&["answer", &call]);
        self.wait_for(&call, "the answer", |event| {
            matches!(event, Event::Answered(_))
        });
        call
    }

    pub(crate) fn wait_for(&mut self, call: &str, what: &str, wanted: impl Fn(&Event) -> bool) {
        self.control.wait(what, PATIENCE, |notice| {
            (notice.call.as_deref() == Some(call) && wanted(&notice.event)).then_some(())
        });
    }

    /// Waits for a notice, whatever it is about.
    pub(crate) fn hear<T>(&mut self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        self.control
            .wait(what, PATIENCE, |notice| wanted(&notice.event))
    }

    pub(crate) fn ended(&mut self, call: &str) -> Ended {
        self.control.wait_ended(call, PATIENCE)
    }

    pub(crate) fn calls(&mut self) -> Vec<CallStatus> {
        self.control.status().calls
    }

    /// A second more of sound is heard, and the call is up.
    pub(crate) fn hears(&mut self, call: &str) {
        let heard = |calls: &[CallStatus]| {
            let status = calls.iter().find(|status| status.call == call);
            let status = status.unwrap_or_else(|| panic!("no {call} in {calls:?}"));
            assert_eq!(status.state, CallState::Active);
            let quality = status.quality.as_ref();
            quality.map_or(0, |quality| quality.packets_received)
        };
        let before = heard(&self.calls());
        self.wait_for(call, "a second of sound", |event| match event {
            Event::Quality(quality) => quality.packets_received > before + SECOND,
            _ => false,
        });
    }
}

//! A sandbox, a daemon with an anonymous account, and what a test says to the assistant.

use std::time::Duration;

use offhook_control::notice::Event;
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon whose only account is anonymous.
pub(crate) struct World {
    pub(crate) daemon: Daemon,
    pub(crate) control: Control,
}

/// The keys of an anonymous account; `more` stands inside `anonymous`.
pub(crate) fn target(more: &str) -> String {
    format!("anonymous = {{ target_type = \"ai_assistant\", target_id = \"a-1\"{more} }}\n")
}

impl World {
    /// A daemon that is ready.
    pub(crate) fn ready(sandbox: &Sandbox, keys: &str) -> Self {
        Self::of(Config::new().account_with("lobby", "telnyx", &sandbox.ready.verto, keys))
    }

    pub(crate) fn of(config: Config) -> Self {
        let daemon = config.launch();
        let control = daemon.ready();
        Self { daemon, control }
    }

    /// A call to the assistant that is answered.
    pub(crate) fn call(&mut self) -> String {
        let call = self.control.call("whoever");
        self.control.wait("the answer", PATIENCE, |notice| {
            matches!(notice.event, Event::Answered(_)).then_some(())
        });
        call
    }

    /// Runs a command of the command line, which must succeed.
    pub(crate) fn order(&self, arguments: &[&str]) {
        let (code, said, complained) = self.daemon.cli(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {said}{complained}");
    }

    pub(crate) fn say(&self, text: &str) {
        self.order(&["message", text]);
    }

    /// Says something; gives back what the assistant answers.
    pub(crate) fn ask(&mut self, text: &str) -> String {
        self.say(text);
        self.hear()
    }

    /// The next whole text of the assistant, which must be what its pieces make.
    pub(crate) fn hear(&mut self) -> String {
        let mut pieces = String::new();
        self.control
            .wait("a text of the assistant", PATIENCE, |notice| {
                match &notice.event {
                    Event::AssistantText { text, .. } => pieces.push_str(text),
                    Event::AssistantItem {
                        role, text, status, ..
                    } if role == "assistant" => {
                        assert_eq!(&pieces, text);
                        assert_eq!(status.as_deref(), Some("completed"));
                        return Some(text.clone());
                    }
                    _ => {}
                }
                None
            })
    }

    /// The next failed request: what and what to do.
    pub(crate) fn failure(&mut self) -> String {
        self.control
            .wait("the failure", PATIENCE, |notice| match &notice.event {
                Event::RequestFailed { reason, remedy, .. } => {
                    Some(format!("{reason}; {}", remedy.clone().unwrap_or_default()))
                }
                _ => None,
            })
    }
}

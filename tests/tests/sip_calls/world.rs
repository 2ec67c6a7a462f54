//! A daemon at a real Kamailio.

use std::path::PathBuf;
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::kamailio::Kamailio;
use offhook_tests::sound;

/// Enough for any step of a call, on a machine that does other things too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// What our daemons say.
pub(crate) const TONE: f64 = 440.0;

/// A daemon and its one client.
pub(crate) struct Phone {
    pub(crate) daemon: Daemon,
    pub(crate) control: Control,
}

/// A configuration with one account for this user.
pub(crate) fn config(servers: &Kamailio, user: u16, tone: f64, keys: &str) -> Config {
    config_at(servers.ws_url(), servers, user, tone, keys)
}

/// The same by way of this WebSocket.
pub(crate) fn config_at(
    server: &str,
    servers: &Kamailio,
    user: u16,
    tone: f64,
    keys: &str,
) -> Config {
    servers
        .account(Config::new(), server, (user, tone), keys)
        .remembering()
}

impl Phone {
    /// Registered, with these further keys in its account.
    pub(crate) fn with(servers: &Kamailio, user: u16, keys: &str) -> Self {
        Self::launch(config(servers, user, TONE, keys))
    }

    /// Registered as this user.
    pub(crate) fn ready(servers: &Kamailio, user: u16) -> Self {
        Self::with(servers, user, "")
    }

    /// The same with a voice of its own.
    pub(crate) fn saying(servers: &Kamailio, user: u16, tone: f64) -> Self {
        Self::launch(config(servers, user, tone, ""))
    }

    pub(crate) fn launch(config: Config) -> Self {
        let daemon = config.launch();
        let control = daemon.ready();
        Self { daemon, control }
    }

    pub(crate) fn saw(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> bool) {
        self.control
            .wait(what, PATIENCE, |notice| wanted(&notice.event).then_some(()));
    }

    /// A call to this number, answered and heard.
    pub(crate) fn talks_to(&mut self, number: &str) -> String {
        let call = self.control.call(number);
        self.saw("the answer", |event| matches!(event, Event::Answered(_)));
        self.saw("sound", |event| matches!(event, Event::FirstRtpReceived));
        call
    }

    /// Takes the next call that comes.
    pub(crate) fn takes_a_call(&mut self) -> String {
        let call = self
            .control
            .wait("a call", PATIENCE, |notice| match &notice.event {
                Event::Incoming { .. } => notice.call.clone(),
                _ => None,
            });
        self.control.answer();
        self.saw("the answer", |event| matches!(event, Event::Answered(_)));
        call
    }

    /// Lets this many seconds of figures pass.
    pub(crate) fn listens(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.saw("a second of sound", |event| {
                matches!(event, Event::Quality(_))
            });
        }
    }

    /// Two seconds of sound arrive, from now on, whatever was told before.
    pub(crate) fn hears_on(&mut self) {
        let mut first = None;
        let begun = self.control.notices.len();
        while self.control.notices.len() == begun {
            self.listens(1);
        }
        self.saw("two seconds of packets", |event| match event {
            Event::Quality(figures) => {
                let seen = first.get_or_insert(figures.packets_received);
                figures.packets_received >= *seen + 100
            }
            _ => false,
        });
    }

    /// Half a second of this tone arrives, from now on.
    pub(crate) fn hears(&self, call: &str, hertz: f64) {
        sound::wait_for_tone(&self.recording(call), hertz, PATIENCE);
    }

    pub(crate) fn hangs_up(&mut self, call: &str) {
        self.control.hangup(call);
        self.control.wait_ended(call, PATIENCE);
    }

    fn recording(&self, call: &str) -> PathBuf {
        self.daemon
            .config
            .folder()
            .join(format!("heard-{call}.wav"))
    }

    /// Whether half a second of this tone was heard in the last four seconds of a call that has ended.
    pub(crate) fn heard_last(&self, call: &str, hertz: f64) -> bool {
        let samples = sound::read(&self.recording(call));
        let from = samples.len().saturating_sub(4 * sound::RATE as usize);
        sound::has_tone(&samples[from..], hertz)
    }

    /// Whether half a second of this tone was heard in a call that has ended.
    pub(crate) fn heard(&self, call: &str, hertz: f64) -> bool {
        sound::has_tone(&sound::read(&self.recording(call)), hertz)
    }
}

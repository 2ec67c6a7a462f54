//! A server with two users: the daemon is one, the page the other.

use std::path::PathBuf;
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_tests::browser::{Browser, Client};
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::kamailio::Kamailio;
use offhook_tests::sandbox::Sandbox;
use offhook_tests::sound;
use serde_json::json;

/// What the daemon says.
pub(crate) const TONE: f64 = 440.0;
/// Nothing here takes longer, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Who lies between the two.
pub(crate) enum Server {
    Kamailio(Kamailio),
    Sandbox(Box<Sandbox>),
}

impl Server {
    fn url(&self) -> &str {
        match self {
            Self::Kamailio(servers) => servers.ws_url(),
            Self::Sandbox(sandbox) => &sandbox.ready.sip,
        }
    }

    fn domain(&self) -> &str {
        match self {
            Self::Kamailio(servers) => servers.realm(),
            Self::Sandbox(_) => "sandbox.example",
        }
    }

    /// Name and password of the daemon's user and of the page's.
    const fn users(&self) -> [(&'static str, &'static str); 2] {
        match self {
            Self::Kamailio(_) => [("1000", "pw1000"), ("1001", "pw1001")],
            Self::Sandbox(_) => [("demo-1", "sandbox"), ("demo-2", "sandbox")],
        }
    }

    /// The number of the daemon, and of the page.
    pub(crate) const fn numbers(&self) -> [&'static str; 2] {
        let [(kiosk, _), (page, _)] = self.users();
        [kiosk, page]
    }

    /// A number with a tone of its own, and that tone.
    pub(crate) const fn tone(&self) -> (&'static str, f64) {
        match self {
            Self::Kamailio(_) => ("9197", 440.0),
            Self::Sandbox(_) => ("9197", 1004.0),
        }
    }

    /// Whether offers and transfers of one side reach the other: the sandbox carries them out itself.
    pub(crate) const fn passes_offers_on(&self) -> bool {
        matches!(self, Self::Kamailio(_))
    }

    /// Logs the page in.
    pub(crate) fn log_in(&self, browser: &mut Browser, client: Client) {
        let client = match client {
            Client::Jssip => "jssip",
            Client::Sipjs => "sipjs",
            Client::Telnyx | Client::Vertojs => panic!("no SIP client"),
        };
        let [_, (user, password)] = self.users();
        browser.open(&json!({
            "client": client,
            "server": self.url(),
            "uri": format!("sip:{user}@{}", self.domain()),
            "password": password,
        }));
    }
}

/// The daemon and its one client.
pub(crate) struct Kiosk {
    daemon: Daemon,
    pub(crate) control: Control,
}

impl Kiosk {
    pub(crate) fn ready(server: &Server) -> Self {
        let [(user, password), _] = server.users();
        let login = format!("{user}@{}", server.domain());
        let config = Config::new().account("kiosk", "sip", server.url(), &login, password);
        let output = format!("file:{}/{{call}}.wav", config.folder().display());
        let daemon = config.audio(&format!("tone:{TONE}"), &output).launch();
        let control = daemon.ready();
        Self { daemon, control }
    }

    pub(crate) fn saw(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) {
        self.control
            .wait(what, PATIENCE, |notice| wanted(&notice.event).then_some(()));
    }

    /// Waits until the far end has sent us elsewhere; returns the call in which we are there. A server that carries transfers out
    /// itself leaves us in the one that we had.
    pub(crate) fn goes_to(&mut self, server: &Server, call: &str) -> String {
        if !server.passes_offers_on() {
            return call.to_owned();
        }
        let there = self
            .control
            .wait("the transfer", PATIENCE, |notice| match &notice.event {
                Event::Referred { followed_by, .. } => followed_by.clone(),
                _ => None,
            });
        self.control.wait("the new call", PATIENCE, |notice| {
            let answered = matches!(notice.event, Event::Answered(_));
            (answered && notice.call.as_ref() == Some(&there)).then_some(())
        });
        there
    }

    /// Waits for a call and answers it; returns its id.
    pub(crate) fn takes_call(&mut self) -> String {
        let call = self.control.wait("the page's call", PATIENCE, |notice| {
            matches!(notice.event, Event::Incoming { .. }).then(|| notice.call.clone())?
        });
        self.control.answer();
        call
    }

    /// Waits until the page, whose microphone beeps once a second, is heard in this call.
    ///
    /// # Panics
    /// When it is not.
    pub(crate) fn hears(&self, call: &str) {
        sound::wait_for_beeps(|| Some(self.recording(call)), PATIENCE);
    }

    /// Whether half a second of this tone was heard in a call that has ended.
    pub(crate) fn heard(&self, call: &str, hertz: f64) -> bool {
        sound::has_tone(&sound::read(&self.recording(call)), hertz)
    }

    fn recording(&self, call: &str) -> PathBuf {
        self.daemon.config.folder().join(format!("{call}.wav"))
    }
}

//! Two users of one sandbox who call each other, where only one of them has trouble.

use std::time::{Duration, Instant};

use offhook_control::notice::{Ended, Event};
use offhook_control::reply::{CallState, CallStatus};
use offhook_control::request::{Dtmf, Request};
use offhook_control::rpc::FromServer;
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;
use serde_json::Value;

use crate::world::PATIENCE;

/// Who has the trouble.
pub(crate) const NEAR: &str = "demo-1";
/// Who only notices.
const FAR: &str = "demo-2";

/// A daemon, and a user who listens.
pub(crate) struct Phone {
    _daemon: Daemon,
    pub(crate) control: Control,
}

impl Phone {
    fn ready(dialect: &str, server: &str, user: &str, settings: &str) -> Self {
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let keys = format!(
            "login = {user:?}\npassword_file = {password:?}\nbackoff_base = \"300ms\"\nbackoff_max = \"2s\"\n"
        );
        let config = config.account_with("kiosk", dialect, server, &keys);
        let daemon = config.with(settings).launch();
        let control = daemon.ready();
        Self {
            _daemon: daemon,
            control,
        }
    }

    /// Waits until somebody calls; returns the call.
    pub(crate) fn rings(&mut self) -> String {
        self.control.wait("a call", PATIENCE, |notice| {
            matches!(notice.event, Event::Incoming { .. }).then(|| notice.call.clone())?
        })
    }

    /// Waits for the next event that fits.
    pub(crate) fn expect(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) {
        self.control
            .wait(what, PATIENCE, |notice| wanted(&notice.event).then_some(()));
    }

    /// Waits for the account to be ready on another connection.
    pub(crate) fn reconnects(&mut self) {
        self.expect("ready again", |event| matches!(event, Event::Ready));
    }

    /// The one call that there is.
    pub(crate) fn only_call(&mut self) -> CallStatus {
        let mut calls = self.control.status().calls;
        assert_eq!(calls.len(), 1, "{calls:#?}");
        calls.remove(0)
    }

    /// Waits for a second of sound in both directions, from now on.
    pub(crate) fn hears(&mut self) {
        let figures = self.only_call().quality;
        let (sent, heard) = figures.map_or((0, 0), |figures| {
            (figures.packets_sent, figures.packets_received)
        });
        self.control.wait(
            "sound in both directions",
            PATIENCE,
            |notice| match &notice.event {
                Event::Quality(now) => (now.packets_sent > sent + 50
                    && now.packets_received > heard + 50)
                    .then_some(()),
                _ => None,
            },
        );
        assert_eq!(self.only_call().state, CallState::Active);
    }

    pub(crate) fn ended(&mut self, call: &str) -> Ended {
        self.control.wait_ended(call, PATIENCE)
    }

    pub(crate) fn dial(&mut self, call: &str, digits: &str) {
        self.control.ask::<Value>(&Request::Dtmf(Dtmf {
            call: call.to_owned(),
            digits: digits.to_owned(),
        }));
    }

    /// Every digit that was heard.
    pub(crate) fn digits(&self) -> String {
        let events = self.control.events().into_iter();
        events
            .filter_map(|event| match event {
                Event::Dtmf { digit } => Some(*digit),
                _ => None,
            })
            .collect()
    }

    /// Waits until so many digits were heard.
    pub(crate) fn hears_digits(&mut self, count: usize) {
        while self.digits().len() < count {
            self.expect("a digit", |event| matches!(event, Event::Dtmf { .. }));
        }
    }

    /// Reads what is told for a while, as a test that nothing more happens has to.
    pub(crate) fn listen(&mut self, span: Duration) {
        let end = Instant::now() + span;
        while let Some(message) = self.control.receive(end) {
            if let FromServer::Notice(notice) = message {
                self.control.notices.push(*notice);
            }
        }
    }
}

/// Both of them.
pub(crate) struct Pair {
    pub(crate) sandbox: Sandbox,
    pub(crate) near: Phone,
    pub(crate) far: Phone,
}

impl Pair {
    pub(crate) fn ready(dialect: &str, settings: &str, faults: &[&str]) -> Self {
        Self::by_way_of(dialect, settings, faults, |sandbox| {
            sandbox.ready.verto.clone()
        })
    }

    /// With something between the near one and the sandbox.
    pub(crate) fn by_way_of(
        dialect: &str,
        settings: &str,
        faults: &[&str],
        way: impl FnOnce(&Sandbox) -> String,
    ) -> Self {
        let mut sandbox = Sandbox::start(&[]);
        for fault in faults {
            sandbox.fault_for(NEAR, fault);
        }
        let near = Phone::ready(dialect, &way(&sandbox), NEAR, settings);
        // A FreeSWITCH offers no digits to those it calls.
        let far = Phone::ready("telnyx", &sandbox.ready.verto, FAR, settings);
        Self { sandbox, near, far }
    }

    /// The near one calls the far one, who has not answered yet; both names of the call.
    pub(crate) fn call_far(&mut self) -> (String, String) {
        let near = self.near.control.call(FAR);
        (near, self.far.rings())
    }

    /// The far one calls the near one, who has not answered yet; both names of the call.
    pub(crate) fn call_near(&mut self) -> (String, String) {
        let far = self.far.control.call(NEAR);
        (self.near.rings(), far)
    }

    /// Both talk, the near one having called.
    pub(crate) fn talk(&mut self) -> (String, String) {
        let calls = self.call_far();
        self.far.control.answer();
        self.near.hears();
        self.far.hears();
        calls
    }

    /// The near one's socket is cut.
    pub(crate) fn cut(&mut self) {
        self.sandbox.fault_for(NEAR, "drop");
    }
}

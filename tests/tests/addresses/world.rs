//! A sandbox at the one end of a cable, a daemon at the other, and its user who listens.

use std::time::{Duration, SystemTime};

use offhook_control::notice::{Ended, Event, Notice};
use offhook_control::reply::{AccountState, CallState, CallStatus, Quality};
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;
use offhook_tests::skip;

use crate::network::{Network, SERVER};

/// Nothing that is waited for takes longer, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Packets of a second of sound.
const SECOND: u64 = 50;

/// Lets a story happen in both dialects at once, since most of its time is waiting; nothing happens where it cannot.
pub(crate) fn both(options: &[&str], story: impl Fn(World) + Sync) {
    both_with("", options, story);
}

/// The same with more keys in the account's configuration.
pub(crate) fn both_with(keys: &str, options: &[&str], story: impl Fn(World) + Sync) {
    both_at(SERVER, keys, options, story);
}

/// The same with the server at that address of its.
pub(crate) fn both_at(
    server: &'static str,
    keys: &str,
    options: &[&str],
    story: impl Fn(World) + Sync,
) {
    if !skip::have(&["ip"]) || !skip::may_make_networks() {
        return;
    }
    std::thread::scope(|scope| {
        for dialect in ["telnyx", "freeswitch"] {
            let story = &story;
            scope.spawn(move || story(World::new(server, dialect, keys, options)));
        }
    });
}

/// Programs before their network, so that none outlives it.
pub(crate) struct World {
    pub(crate) dialect: &'static str,
    /// Subscribed before anything could go wrong.
    pub(crate) control: Control,
    _daemon: Daemon,
    pub(crate) sandbox: Sandbox,
    pub(crate) network: Network,
}

impl World {
    /// The account is ready.
    fn new(server: &str, dialect: &'static str, keys: &str, options: &[&str]) -> Self {
        let network = Network::new();
        let sandbox = Sandbox::start_by(network.at_server(), &format!("{server}:0"), options);
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let keys = format!("login = \"demo-1\"\npassword_file = {password:?}\n{keys}");
        let daemon = config
            .account_with("kiosk", dialect, &sandbox.ready.verto, &keys)
            .launch_by(network.at_client());
        let control = daemon.ready();
        Self {
            dialect,
            control,
            _daemon: daemon,
            sandbox,
            network,
        }
    }

    /// Waits for the next event that fits; returns when the daemon told it.
    pub(crate) fn expect(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Duration {
        self.control.wait(what, PATIENCE, |notice| {
            wanted(&notice.event).then(|| told_at(notice))
        })
    }

    /// Waits until the account has seconds to wait before its next attempt; returns when that will be.
    pub(crate) fn long_wait(&mut self) -> Duration {
        // The jitter may choose a short wait; then another one follows.
        self.control
            .wait("a wait", PATIENCE, |notice| match &notice.event {
                Event::Account {
                    state: AccountState::Waiting,
                    retry_in_ms: Some(wait @ 5000..),
                    ..
                } => Some(told_at(notice) + Duration::from_millis(*wait)),
                _ => None,
            })
    }

    /// A call to the echo that is heard.
    pub(crate) fn talk(&mut self) -> String {
        let call = self.control.call("9196");
        self.hear_more(&call);
        call
    }

    /// Waits for a second of sound in both directions, more than there was.
    pub(crate) fn hear_more(&mut self, call: &str) {
        let before = self.call(call).and_then(|status| status.quality);
        let (sent, heard) = before.as_ref().map_or((0, 0), packets);
        self.control.wait(
            "a second of sound in both directions",
            PATIENCE,
            |notice| match &notice.event {
                Event::Quality(figures) if notice.call.as_deref() == Some(call) => {
                    let now = packets(figures);
                    (now.0 > sent + SECOND && now.1 > heard + SECOND).then_some(())
                }
                _ => None,
            },
        );
    }

    /// Waits until the server is gone for the call, or back.
    pub(crate) fn recovering(&mut self, call: &str, on: bool) {
        self.control.wait("the recovery", PATIENCE, |notice| {
            assert!(
                !matches!(notice.event, Event::Ended(_)),
                "the call ended: {notice:?}"
            );
            let own = notice.call.as_deref() == Some(call);
            (own && notice.event == Event::Recovering { on }).then_some(())
        });
    }

    /// The one call that there is, and is it.
    pub(crate) fn only_call(&mut self, call: &str) {
        let calls = self.control.status().calls;
        assert_eq!(calls.len(), 1, "{calls:#?}");
        assert_eq!(
            (calls[0].call.as_str(), calls[0].state),
            (call, CallState::Active)
        );
    }

    /// Hangs up; that is the call's only end, and nothing of it is left half done.
    pub(crate) fn hang_up(&mut self, call: &str) {
        self.control.hangup(call);
        let ended = self.control.wait_ended(call, PATIENCE);
        assert_eq!(ended.cause, "NORMAL_CLEARING", "{ended:?}");
        assert!(self.control.status().calls.is_empty());
        self.check_told();
    }

    /// Calls end once, under the ids that they began with, and have come back as often as they had lost their server.
    pub(crate) fn check_told(&self) {
        let ends = self.count(|event| matches!(event, Event::Ended(_)));
        assert_eq!(ends, 1, "{:#?}", self.control.events());
        let on = self.count(|event| *event == Event::Recovering { on: true });
        let off = self.count(|event| *event == Event::Recovering { on: false });
        let given_up = self.control.notices.iter().any(|notice| {
            matches!(&notice.event, Event::Ended(Ended { cause, .. }) if cause != "NORMAL_CLEARING")
        });
        assert_eq!(on, off + usize::from(given_up));
    }

    /// How often something was told.
    pub(crate) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        let events = self.control.events();
        events.into_iter().filter(|event| wanted(event)).count()
    }

    fn call(&mut self, call: &str) -> Option<CallStatus> {
        let calls = self.control.status().calls;
        calls.into_iter().find(|status| status.call == call)
    }
}

/// The time of day, as notices have it.
pub(crate) fn now() -> Duration {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("a time of day after 1970")
}

pub(crate) fn told_at(notice: &Notice) -> Duration {
    Duration::from_millis(notice.time_ms)
}

const fn packets(figures: &Quality) -> (u64, u64) {
    (figures.packets_sent, figures.packets_received)
}

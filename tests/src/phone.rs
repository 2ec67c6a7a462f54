//! A daemon on a machine of its own, at a real SIP server, and its user who listens.

use std::path::PathBuf;
use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::reply::CallState;

use crate::control::Control;
use crate::daemon::{Config, Daemon};
use crate::kamailio::Kamailio;
use crate::namespace::Namespace;
use crate::sound;

/// Enough for any step of a call, on a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A daemon and its one client.
#[derive(Debug)]
pub struct Phone {
    /// Subscribed before anything could go wrong.
    pub control: Control,
    /// The daemon.
    pub daemon: Daemon,
    /// The number that it is called by.
    pub number: String,
    /// What its user says, Hz.
    pub tone: f64,
}

/// How a call's media goes, as one end sees it: kinds of candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Kind and address of our candidate.
    pub local: String,
    /// Kind and address of the far end's.
    pub remote: String,
}

impl Path {
    /// The kind of our candidate: `host`, `srflx`, `prflx` or `relay`.
    pub fn local_kind(&self) -> &str {
        self.local.split(' ').next().unwrap_or_default()
    }

    /// The kind of the far end's.
    pub fn remote_kind(&self) -> &str {
        self.remote.split(' ').next().unwrap_or_default()
    }

    /// Whether there is a relay in it.
    pub fn is_relayed(&self) -> bool {
        [self.local_kind(), self.remote_kind()].contains(&"relay")
    }
}

impl Phone {
    /// Starts a daemon on this machine, with an account for this user that has these keys too; does not wait for it.
    pub fn start(
        machine: &Namespace,
        config: Config,
        servers: &Kamailio,
        (user, tone): (u16, f64),
        keys: &str,
    ) -> Daemon {
        servers
            .account(config, servers.ws_url(), (user, tone), keys)
            .launch_by(machine.command())
    }

    /// The daemon, once it is registered as this user.
    pub fn of(daemon: Daemon, (user, tone): (u16, f64)) -> Self {
        Self {
            control: daemon.ready(),
            daemon,
            number: user.to_string(),
            tone,
        }
    }

    /// Takes the next call that comes.
    ///
    /// # Panics
    /// When none comes.
    pub fn takes_a_call(&mut self) -> String {
        let call = self.control.wait("a call", PATIENCE, |notice| {
            let comes = matches!(notice.event, Event::Incoming { .. });
            comes.then(|| notice.call.clone()).flatten()
        });
        self.control.answer();
        call
    }

    /// Waits until this call's media has a path and something came by it.
    ///
    /// # Panics
    /// When it ends or does not begin in time.
    pub fn is_through(&mut self, call: &str) {
        self.control.wait("sound", PATIENCE, |notice| {
            let own = notice.call.as_deref() == Some(call);
            let over = own && matches!(notice.event, Event::Ended(_));
            assert!(!over, "the call ended: {notice:?}");
            (own && matches!(notice.event, Event::FirstRtpReceived)).then_some(())
        });
    }

    /// Waits for half a second of this tone, from now on.
    ///
    /// # Panics
    /// When it is not heard in time.
    pub fn hears(&self, call: &str, hertz: f64) {
        sound::wait_for_tone(&self.recording(call), hertz, PATIENCE);
    }

    /// Lets a second of figures pass.
    ///
    /// # Panics
    /// When none is told.
    pub fn listens(&mut self) {
        self.control
            .wait("a second of figures", PATIENCE, |notice| {
                matches!(notice.event, Event::Quality(_)).then_some(())
            });
    }

    /// The path that was told last, once everything told so far is read.
    ///
    /// # Panics
    /// When none was.
    pub fn path(&mut self, call: &str) -> Path {
        // A reply comes behind every notice before it.
        let calls = self.control.status().calls;
        let state = calls.iter().find(|status| status.call == call);
        assert!(
            state.is_some_and(|status| status.state == CallState::Active),
            "{calls:?}"
        );
        let mut paths = self.control.notices.iter().filter_map(|notice| {
            if let Event::Ice { local, remote } = &notice.event
                && notice.call.as_deref() == Some(call)
            {
                let (local, remote) = (local.clone(), remote.clone());
                Some(Path { local, remote })
            } else {
                None
            }
        });
        paths.next_back().expect("a path")
    }

    /// What was heard in a call.
    pub fn recording(&self, call: &str) -> PathBuf {
        let folder = self.daemon.config.folder();
        folder.join(format!("heard-{call}.wav"))
    }

    /// Hangs up.
    pub fn hangs_up(&mut self, call: &str) {
        self.control.hangup(call);
        self.control.wait_ended(call, PATIENCE);
    }
}

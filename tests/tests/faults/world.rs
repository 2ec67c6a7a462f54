//! A sandbox with faults, a daemon for each dialect, and its user who listens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use offhook_control::notice::{Ended, Event, Notice};
use offhook_control::reply::{AccountState, AccountStatus, CallState, CallStatus};
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::sandbox::Sandbox;

/// Nothing that is waited for takes longer, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Packets of a second of sound.
const SECOND: u64 = 50;

/// Users that one test takes, one for each dialect.
const PAIRS: [[&str; 2]; 4] = [
    ["demo-1", "demo-2"],
    ["demo-3", "demo-4"],
    ["demo-5", "demo-6"],
    ["demo-7", "demo-8"],
];

/// The sandbox of the tests that run now: it takes a while to start, so they share one.
static SHARED: Mutex<(Weak<Mutex<Sandbox>>, [bool; PAIRS.len()])> =
    Mutex::new((Weak::new(), [false; PAIRS.len()]));

/// A test's part of the shared sandbox.
struct Lease {
    sandbox: Arc<Mutex<Sandbox>>,
    users: [&'static str; 2],
    pair: Option<usize>,
}

impl Lease {
    fn take() -> Self {
        let mut shared = patient(&SHARED);
        let sandbox = shared.0.upgrade().unwrap_or_else(|| {
            let sandbox = Arc::new(Mutex::new(Sandbox::start(&[])));
            shared.0 = Arc::downgrade(&sandbox);
            sandbox
        });
        let free = shared.1.iter().position(|taken| !taken);
        let Some(pair) = free else {
            return Self {
                sandbox: Arc::new(Mutex::new(Sandbox::start(&[]))),
                users: PAIRS[0],
                pair: None,
            };
        };
        shared.1[pair] = true;
        Self {
            sandbox,
            users: PAIRS[pair],
            pair: Some(pair),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut sandbox = patient(&self.sandbox);
        for user in self.users {
            sandbox.fault_for(user, "none");
        }
        if let Some(pair) = self.pair {
            patient(&SHARED).1[pair] = false;
        }
    }
}

/// A test that failed leaves nothing half done behind its lock.
fn patient<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One dialect's part of a test, with a user of its own.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) dialect: &'static str,
    pub(crate) user: &'static str,
    sandbox: &'a Mutex<Sandbox>,
    /// Logins of the user in tests before.
    logins_before: usize,
}

/// Lets a story happen in both dialects at once, since most of its time is waiting.
pub(crate) fn both(story: impl Fn(Scene<'_>) + Sync) {
    let lease = Lease::take();
    std::thread::scope(|scope| {
        for (dialect, user) in ["telnyx", "freeswitch"].into_iter().zip(lease.users) {
            let scene = Scene::of(&lease.sandbox, dialect, user);
            let story = &story;
            scope.spawn(move || story(scene));
        }
    });
}

impl<'a> Scene<'a> {
    /// A user's part of a sandbox.
    pub(crate) fn of(
        sandbox: &'a Mutex<Sandbox>,
        dialect: &'static str,
        user: &'static str,
    ) -> Self {
        Self {
            dialect,
            user,
            sandbox,
            logins_before: patient(sandbox).logins(user),
        }
    }

    fn sandbox(&self) -> MutexGuard<'a, Sandbox> {
        patient(self.sandbox)
    }

    pub(crate) fn server(&self) -> String {
        self.sandbox().ready.verto.clone()
    }

    /// Makes something go wrong for this user; it is in force when this returns.
    pub(crate) fn fault(&self, fault: &str) {
        let mut sandbox = self.sandbox();
        sandbox.fault_for(self.user, fault);
        sandbox.settled();
    }

    pub(crate) fn tell_state(&self, state: &str) {
        self.sandbox().tell_state(self.user, state);
    }

    pub(crate) fn logins(&self) -> usize {
        self.sandbox().logins(self.user) - self.logins_before
    }

    /// A daemon whose account is ready.
    pub(crate) fn ready(self, faults: &[&str]) -> World<'a> {
        let mut world = self.launch(faults);
        world.until_ready();
        world
    }

    /// A daemon whose account has just begun.
    pub(crate) fn launch(self, faults: &[&str]) -> World<'a> {
        for fault in faults {
            self.fault(fault);
        }
        let server = self.server();
        self.at(&server)
    }

    /// With something between the daemon and the sandbox.
    pub(crate) fn at(self, server: &str) -> World<'a> {
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let keys = format!(
            "login = {:?}\npassword_file = {password:?}\nbackoff_base = \"300ms\"\nbackoff_max = \"2s\"\n",
            self.user
        );
        let daemon = config
            .account_with("kiosk", self.dialect, server, &keys)
            .launch();
        let mut control = daemon.control();
        control.subscribe();
        World {
            scene: self,
            _daemon: daemon,
            control,
        }
    }
}

/// A daemon, and a user who listens.
pub(crate) struct World<'a> {
    pub(crate) scene: Scene<'a>,
    _daemon: Daemon,
    /// Subscribed before anything could go wrong.
    pub(crate) control: Control,
}

impl World<'_> {
    pub(crate) fn account(&mut self) -> AccountStatus {
        self.control.status().accounts.remove(0)
    }

    pub(crate) fn until_ready(&mut self) {
        if self.account().state != AccountState::Ready {
            self.expect("ready", |event| matches!(event, Event::Ready));
        }
    }

    /// Waits for the next event that fits.
    pub(crate) fn expect(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) {
        self.control
            .wait(what, PATIENCE, |notice| wanted(&notice.event).then_some(()));
    }

    /// Waits until the account rests because of trouble; returns what is told of it.
    pub(crate) fn trouble(&mut self) -> Trouble {
        let account = self.account();
        let rests = |state| matches!(state, AccountState::Waiting | AccountState::Refused);
        match account.reason {
            Some(reason) if rests(account.state) => Trouble {
                state: account.state,
                reason,
                remedy: account.remedy,
            },
            _ => self.control.wait("a reason", PATIENCE, |notice| {
                Trouble::of(notice).filter(|trouble| rests(trouble.state))
            }),
        }
    }

    /// A call to the echo that is heard.
    pub(crate) fn talk(&mut self) -> String {
        self.talk_to("9196")
    }

    pub(crate) fn talk_to(&mut self, number: &str) -> String {
        let call = self.control.call(number);
        self.hear_after(&call, 0);
        call
    }

    /// Waits for a second of sound from the far end beyond so many packets.
    pub(crate) fn listen_after(&mut self, call: &str, before: u64) {
        self.control.wait("a second of sound", PATIENCE, |notice| {
            match &notice.event {
                Event::Quality(figures) if notice.call.as_deref() == Some(call) => {
                    (figures.packets_received > before + SECOND).then_some(())
                }
                _ => None,
            }
        });
    }

    /// The same in both directions.
    pub(crate) fn hear_after(&mut self, call: &str, before: u64) {
        self.control.wait(
            "a second of sound in both directions",
            PATIENCE,
            |notice| match &notice.event {
                Event::Quality(figures) if notice.call.as_deref() == Some(call) => {
                    let heard = figures.packets_received;
                    let enough = before + SECOND;
                    (heard > enough && figures.packets_sent > enough).then_some(())
                }
                _ => None,
            },
        )
    }

    /// Waits until a call lost its server and got it back, sound included.
    pub(crate) fn comes_back(&mut self, call: &str) {
        let before = self.recovers(call);
        self.hear_after(call, before);
        assert_eq!(self.call(call).expect("the call").state, CallState::Active);
    }

    /// Waits until a call lost its server and got it back; returns how much it had heard until then.
    pub(crate) fn recovers(&mut self, call: &str) -> u64 {
        self.control.wait("the recovery", PATIENCE, |notice| {
            assert!(
                !matches!(notice.event, Event::Ended(_)),
                "the call ended: {notice:?}"
            );
            let own = notice.call.as_deref() == Some(call);
            (own && notice.event == Event::Recovering { on: false }).then_some(())
        });
        let quality = self.call(call).and_then(|status| status.quality);
        quality.map_or(0, |figures| figures.packets_received)
    }

    pub(crate) fn call(&mut self, call: &str) -> Option<CallStatus> {
        let calls = self.control.status().calls;
        calls.into_iter().find(|status| status.call == call)
    }

    pub(crate) fn ended(&mut self, call: &str) -> Ended {
        self.control.wait_ended(call, PATIENCE)
    }

    /// Reads what is told for a while, as a test that nothing more happens has to.
    pub(crate) fn listen(&mut self, span: Duration) {
        let end = Instant::now() + span;
        while let Some(message) = self.control.receive(end) {
            if let offhook_control::rpc::FromServer::Notice(notice) = message {
                self.control.notices.push(*notice);
            }
        }
    }

    /// How often something was told.
    pub(crate) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        let events = self.control.events();
        events.into_iter().filter(|event| wanted(event)).count()
    }

    /// Each socket that logged in became ready once, and each call ended at most once; its figures never begin again.
    pub(crate) fn check_told(&self) {
        let mut ready = 0;
        let mut ended = Vec::new();
        let mut figures = BTreeMap::new();
        for notice in &self.control.notices {
            match &notice.event {
                Event::Quality(now) => {
                    let now = (now.packets_sent, now.packets_received);
                    let before = figures.insert(&notice.call, now).unwrap_or_default();
                    assert!(
                        now.0 >= before.0 && now.1 >= before.1,
                        "{now:?} after {before:?}"
                    );
                }
                Event::Socket { .. } => ready = 0,
                Event::Ready => {
                    ready += 1;
                    assert_eq!(
                        ready,
                        1,
                        "two ready of one socket: {:#?}",
                        self.control.events()
                    );
                }
                Event::Ended(_) => {
                    assert!(
                        !ended.contains(&&notice.call),
                        "two ends of {:?}",
                        notice.call
                    );
                    ended.push(&notice.call);
                }
                _ => {}
            }
        }
    }
}

/// What is told of an account that is not well.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trouble {
    pub(crate) state: AccountState,
    pub(crate) reason: String,
    pub(crate) remedy: Option<String>,
}

impl Trouble {
    pub(crate) fn of(notice: &Notice) -> Option<Self> {
        match &notice.event {
            Event::Account {
                state,
                reason: Some(reason),
                remedy,
                ..
            } => Some(Self {
                state: *state,
                reason: reason.clone(),
                remedy: remedy.clone(),
            }),
            _ => None,
        }
    }
}

//! Daemons behind routers as people have them, one for each protocol, the sandbox at a public address, and calls to its echo.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use offhook_control::notice::Event;
use offhook_control::reply::CallPlaced;
use offhook_control::request::{Call, Request};
use offhook_tests::control::Control;
use offhook_tests::daemon::{Config, Daemon};
use offhook_tests::internet::{CABLE, Internet, ROUTER, SERVER, Site};
use offhook_tests::namespace::{Namespace, Translation};
use offhook_tests::sandbox::{Ready, Sandbox};
use offhook_tests::{figures, skip, sound};

/// Nothing that is waited for takes longer, also on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Both are heard again so soon after there is a path; twice that is allowed for, and a second for a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// What the daemon says, and hears again from the echo.
const TONE: f64 = 440.0;

/// Whether this machine can make such networks, and has these programs.
pub(crate) fn is_possible(programs: &[&str]) -> bool {
    skip::have(&["ip", "nft"]) && skip::have(programs) && skip::may_make_networks()
}

/// Lets the same happen to a user of each protocol, all at once, since most of it is waiting. `keys` stand in each account.
pub(crate) fn each(internet: &mut Internet, keys: &str, story: impl Fn(&mut User, &Site) + Sync) {
    let sandbox = Sandbox::start_by(internet.core.command(), &format!("{SERVER}:0"), &[]);
    let dialects = ["telnyx", "freeswitch", "sip"];
    let sites = dialects.map(|dialect| (dialect, internet.site(Some(Translation::PortRestricted))));
    thread::scope(|scope| {
        for (number, (dialect, site)) in sites.into_iter().enumerate() {
            let (story, ready) = (&story, &sandbox.ready);
            let name = format!("demo-{}", number + 1);
            scope.spawn(move || {
                let mut user = User::new(&site.machine, dialect, &name, ready, keys);
                story(&mut user, &site);
            });
        }
    });
}

/// A daemon and its one client.
pub(crate) struct User {
    dialect: &'static str,
    pub(crate) control: Control,
    daemon: Daemon,
}

/// When there was no path any more, and when there was one again.
pub(crate) struct Outage {
    from: Instant,
    until: Instant,
}

impl Outage {
    pub(crate) fn during(change: impl FnOnce()) -> Self {
        let from = Instant::now();
        change();
        Self {
            from,
            until: Instant::now(),
        }
    }

    /// The machine's cable is pulled for so many seconds.
    pub(crate) fn of_cable(machine: &Namespace, seconds: u64) -> Self {
        Self::during(|| {
            machine.ip(&["link", "set", CABLE, "down"]);
            thread::sleep(Duration::from_secs(seconds));
            machine.ip(&["link", "set", CABLE, "up"]);
            machine.default_route(ROUTER);
        })
    }

    /// Shows how long nothing was heard, and fails when that is more than `limit` and its margin beyond the time without a path.
    pub(crate) fn judge(
        &self,
        what: &str,
        heard: &[f32],
        limit: Duration,
        told: impl FnOnce() -> String,
    ) {
        let silence = sound::longest_silence(heard).expect("sound before and after");
        let without = self.until - self.from;
        // What was on its way when the path broke is heard a moment longer, and concealed.
        let after = silence.saturating_sub(without);
        let text = format!(
            "{what}: no path for {} ms, nothing heard for {} ms, back {} ms after the path",
            without.as_millis(),
            silence.as_millis(),
            after.as_millis()
        );
        figures::show(&text);
        let most = 2 * limit + Duration::from_secs(1);
        assert!(after <= most, "{text}: {}", told());
    }
}

impl User {
    /// Starts it on this machine; the account is ready.
    pub(crate) fn new(
        machine: &Namespace,
        dialect: &'static str,
        name: &str,
        ready: &Ready,
        keys: &str,
    ) -> Self {
        let config = Config::new();
        let password = config.secret("password", "sandbox");
        let (server, login) = if dialect == "sip" {
            (&ready.sip, format!("{name}@sandbox.invalid"))
        } else {
            (&ready.verto, name.to_owned())
        };
        let recordings = format!("file:{}/heard-{{call}}.wav", config.folder().display());
        let keys = format!(
            "login = {login:?}\npassword_file = {password:?}\nbackoff_base = \"1s\"\nbackoff_max = \"2s\"\n{keys}"
        );
        let daemon = config
            .account_with("kiosk", dialect, server, &keys)
            .audio(&format!("tone:{TONE}"), &recordings)
            // G.711 conceals by silence, so that what was missing can be measured.
            .with("[media]\ncodecs = [\"pcmu\"]")
            .launch_by(machine.command());
        let control = daemon.ready();
        Self {
            dialect,
            control,
            daemon,
        }
    }

    /// Our candidate of the path that was told last.
    pub(crate) fn local_candidate(&mut self) -> String {
        self.control.status();
        let told = self.control.notices.iter().rev();
        let mut paths = told.filter_map(|notice| {
            if let Event::Ice { local, .. } = &notice.event {
                Some(local.clone())
            } else {
                None
            }
        });
        paths.next().expect("a path")
    }

    /// A call to the echo whose path changes in the middle of it.
    pub(crate) fn talk(
        &mut self,
        what: &str,
        limit: Duration,
        change: impl FnOnce(&mut Self) -> Outage,
    ) {
        let call = self.call();
        let opened = Instant::now();
        while sound::so_far(&self.recording(&call)).is_empty() {
            // Whatever is told is read on the way.
            self.control.status();
            let events = || self.control.events();
            assert!(opened.elapsed() < PATIENCE, "no sound: {:#?}", events());
            thread::park_timeout(Duration::from_millis(20));
        }
        sound::wait_for_tone(&self.recording(&call), TONE, PATIENCE);
        let outage = change(self);
        let samples = sound::wait_for_whole_tone(&self.recording(&call), TONE, PATIENCE);
        self.control.hangup(&call);
        let ended = self.control.wait_ended(&call, PATIENCE);
        assert_eq!(ended.cause, "NORMAL_CLEARING", "{ended:?}");
        let dialect = self.dialect;
        outage.judge(&format!("{what}, {dialect}"), &samples, limit, || {
            format!("{:#?}", self.control.events())
        });
    }

    fn recording(&self, call: &str) -> PathBuf {
        let folder = self.daemon.config.folder();
        folder.join(format!("heard-{call}.wav"))
    }

    /// Places a call, as soon as one can be placed: the connection of before may have been lost with its path.
    fn call(&mut self) -> String {
        let begun = Instant::now();
        let echo = Request::Call(Call {
            number: "9196".to_owned(),
            ..Call::default()
        });
        loop {
            match self.control.try_ask::<CallPlaced>(&echo) {
                Ok(placed) => return placed.call,
                Err(refusal) => assert!(begun.elapsed() < PATIENCE, "{refusal:?}"),
            }
            thread::park_timeout(Duration::from_millis(100));
        }
    }
}

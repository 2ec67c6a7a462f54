//! One core with one account, its outputs sorted, its clock in the test's hand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_engine::account::Profile;
use offhook_engine::core::machine::{Core, CoreConfig};
use offhook_engine::ended::Ended;
use offhook_engine::event::{Event, EventKind};
use offhook_engine::output::{AccountKey, MediaCommand, Output};
use offhook_engine::protocol::{Protocol, Transfers};
use offhook_engine::request::{CallRequest, Dtmf};
use offhook_engine::vocabulary::{Dialect, FREESWITCH, RingbackTone};
use offhook_media::driver::event::CallEvent;
use offhook_media::program::CallKey;
use offhook_media::quality::statistics::Statistics;
use offhook_signaling::auth::login::LoginKind;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::{Event as SignalingEvent, Party};

/// The account's key.
const DESK: AccountKey = AccountKey(0);

/// A server that carries what Telnyx's do, with one difference.
fn server(change: impl FnOnce(&mut Dialect)) -> Protocol {
    let mut dialect = FREESWITCH;
    dialect.headers = true;
    dialect.gateway_fields = true;
    dialect.number_variables = true;
    dialect.trickle = true;
    dialect.commands = false;
    dialect.answered_when_secured = false;
    change(&mut dialect);
    Protocol::Verto(dialect)
}

/// A core and what came out of it.
pub(crate) struct World {
    /// The core under test.
    pub(crate) core: Core,
    /// The present moment.
    pub(crate) now: Instant,
    /// Every event of calls and, once ready, of the account.
    pub(crate) events: Vec<Event>,
    /// The core said that it is done.
    pub(crate) finished: bool,
    /// How often the password file was to be read.
    pub(crate) password_reads: usize,
    commands: Vec<Command>,
    media_commands: Vec<MediaCommand>,
    last_call: CallKey,
    wait: Option<Instant>,
}

impl World {
    /// A core whose account has not connected yet.
    pub(crate) fn new(dtmf: Dtmf, max_calls: usize) -> Self {
        Self::with_profile(dtmf, max_calls, |_| {})
    }

    /// A core whose account is ready and hangs up calls of an earlier process.
    pub(crate) fn without_adoption() -> Self {
        let mut world = Self::with_profile(Dtmf::Info, 10, |profile| profile.adopts_calls = false);
        world.make_ready();
        world
    }

    /// A core at a server that carries nothing beside calls but text and flags as variables.
    pub(crate) fn at_bare_server() -> Self {
        let change = |profile: &mut Profile| {
            profile.protocol = server(|dialect| {
                dialect.headers = false;
                dialect.gateway_fields = false;
                dialect.number_variables = false;
                dialect.trickle = false;
                dialect.commands = true;
            });
        };
        let mut world = Self::with_profile(Dtmf::Info, 10, change);
        world.make_ready();
        world
    }

    /// A core whose account is at a SIP server, and is ready.
    pub(crate) fn at_sip_server() -> Self {
        let change = |profile: &mut Profile| profile.protocol = Protocol::Sip;
        let mut world = Self::with(None, 10, None, change);
        world.make_ready();
        world
    }

    /// The same, whose callers hear a tone.
    pub(crate) fn at_sip_server_with_ringback(tone: RingbackTone) -> Self {
        let change = |profile: &mut Profile| profile.protocol = Protocol::Sip;
        let mut world = Self::with(None, 10, Some(tone), change);
        world.make_ready();
        world
    }

    /// A core whose account's calls begin muted.
    pub(crate) fn starting_muted() -> Self {
        let mut world = Self::with_profile(Dtmf::Info, 10, |profile| profile.start_muted = true);
        world.make_ready();
        world
    }

    /// A core whose account has its password from a file, and is ready.
    pub(crate) fn with_password_file() -> Self {
        let change = |profile: &mut Profile| {
            profile.login = LoginKind::Password;
            profile.has_password_file = true;
        };
        let mut world = Self::with_profile(Dtmf::Info, 10, change);
        world.make_ready();
        world
    }

    /// A core whose account has no identity, and is ready.
    pub(crate) fn anonymous() -> Self {
        let change = |profile: &mut Profile| profile.login = LoginKind::Anonymous;
        let mut world = Self::with_profile(Dtmf::Info, 10, change);
        world.make_ready();
        world
    }

    fn with_profile(dtmf: Dtmf, max_calls: usize, change: impl FnOnce(&mut Profile)) -> Self {
        Self::with(Some(dtmf), max_calls, None, change)
    }

    /// A core whose callers hear a tone, at a server that tells of ringing or does not.
    pub(crate) fn with_ringback(tone: RingbackTone, told: bool) -> Self {
        let change = |profile: &mut Profile| {
            profile.protocol = server(|dialect| dialect.tells_ringing = told);
        };
        let mut world = Self::with(Some(Dtmf::Info), 10, Some(tone), change);
        world.make_ready();
        world
    }

    /// A core at a server that counts calls as answered only with secured media.
    pub(crate) fn at_mod_verto() -> Self {
        let change = |profile: &mut Profile| {
            profile.protocol = server(|dialect| dialect.answered_when_secured = true);
        };
        let mut world = Self::with_profile(Dtmf::Info, 10, change);
        world.make_ready();
        world
    }

    /// A core at a server that is never silent.
    pub(crate) fn at_noisy_server() -> Self {
        let change = |profile: &mut Profile| {
            profile.protocol = server(|dialect| dialect.silence_means_loss = true);
        };
        let mut world = Self::with_profile(Dtmf::Info, 10, change);
        world.make_ready();
        world
    }

    fn with(
        dtmf: Option<Dtmf>,
        max_calls: usize,
        ringback: Option<RingbackTone>,
        change: impl FnOnce(&mut Profile),
    ) -> Self {
        let mut profile = Self::profile("desk");
        change(&mut profile);
        #[expect(clippy::disallowed_methods, reason = "an instant to count from")]
        let now = Instant::now();
        let core = Core::new(
            CoreConfig {
                accounts: vec![profile],
                max_calls,
                dtmf,
                ringback,
                preferred_codecs: Vec::new(),
            },
            [7; 32],
            now,
        );
        Self {
            core,
            now,
            events: Vec::new(),
            finished: false,
            password_reads: 0,
            commands: Vec::new(),
            media_commands: Vec::new(),
            last_call: CallKey(0),
            wait: None,
        }
    }

    /// An account with a token at the usual server.
    pub(crate) fn profile(name: &str) -> Profile {
        Profile {
            name: Arc::from(name),
            protocol: server(|_| {}),
            server: Arc::from("ws://pbx"),
            caller_name: None,
            caller_number: None,
            start_muted: false,
            watch: Vec::new(),
            trickle: false,
            login: LoginKind::Token,
            subject: None,
            has_token_source: true,
            has_password_file: false,
            transfers: Transfers::default(),
            server_commands: false,
            tools: vec!["get_weather".into()],
            adopts_calls: true,
        }
    }

    /// A core whose account is ready.
    pub(crate) fn ready() -> Self {
        let mut world = Self::new(Dtmf::Info, 10);
        world.make_ready();
        world
    }

    /// Connects and logs in.
    pub(crate) fn make_ready(&mut self) {
        for event in [
            SignalingEvent::Connecting { attempt: 1 },
            SignalingEvent::Connected,
            SignalingEvent::LoggedIn { sessid: "s".into() },
            SignalingEvent::Ready,
        ] {
            self.signal(event);
        }
        self.events.clear();
    }

    /// A call's name as a server gives it.
    pub(crate) fn name(text: &str) -> CallId {
        CallId::from_wire(text).unwrap()
    }

    /// The worker's last word.
    pub(crate) fn closed() -> CallEvent {
        CallEvent::Closed {
            error: None,
            statistics: Box::new(Statistics::default()),
        }
    }

    /// The session says something.
    pub(crate) fn signal(&mut self, event: SignalingEvent) {
        self.drain();
        self.core.on_signaling(DESK, event, self.now);
        self.drain();
    }

    /// The worker says something of the last call that was opened.
    pub(crate) fn media(&mut self, event: CallEvent) {
        self.drain();
        self.core.on_media(self.last_call, event, self.now);
        self.drain();
    }

    /// Lets time pass, stopping at each deadline as a driver does.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.drain();
        while let Some(at) = self.wait.filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.core.on_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// A call of ours that the server knows of.
    pub(crate) fn invited(&mut self) -> CallId {
        let call = self.core.call(&CallRequest::to("9196"), self.now).unwrap();
        self.media(CallEvent::LocalOffer {
            sdp: "offer".into(),
        });
        self.forget_commands();
        call
    }

    /// A call of ours that was answered.
    pub(crate) fn answered(&mut self) -> CallId {
        let call = self.invited();
        self.signal(SignalingEvent::Answered {
            fork: None,
            call: call.clone(),
            sdp: Some("answer".into()),
            said: Box::default(),
        });
        self.forget_commands();
        call
    }

    /// Somebody calls.
    pub(crate) fn incoming(&mut self, sdp: Option<&str>) -> CallId {
        let call = Self::name("theirs");
        self.signal(SignalingEvent::Incoming {
            call: call.clone(),
            caller: Party {
                name: "Ann".into(),
                number: "200".into(),
            },
            sdp: sdp.map(str::to_owned),
            said: Box::default(),
            ids: Box::default(),
            replaces: None,
        });
        call
    }

    /// What the session was told since the last look.
    pub(crate) fn commands(&mut self) -> Vec<Command> {
        self.drain();
        std::mem::take(&mut self.commands)
    }

    /// What the worker was told since the last look.
    pub(crate) fn media_commands(&mut self) -> Vec<MediaCommand> {
        self.drain();
        std::mem::take(&mut self.media_commands)
    }

    /// The kinds of all events, in order.
    pub(crate) fn kinds(&mut self) -> Vec<&'static str> {
        self.drain();
        self.events.iter().map(|event| kind(&event.kind)).collect()
    }

    /// What was told of who is at the far end.
    pub(crate) fn displays(&mut self) -> Vec<EventKind> {
        self.drain();
        let kinds = self.events.iter().map(|event| &event.kind);
        kinds
            .filter(|kind| matches!(kind, EventKind::Display { .. }))
            .cloned()
            .collect()
    }

    /// The end of the only call that ended; there must be exactly one.
    pub(crate) fn ended(&mut self) -> Ended {
        self.drain();
        let ends = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Ended(ended) => Some((**ended).clone()),
            _ => None,
        });
        let ends: Vec<Ended> = ends.collect();
        let [ended] = &ends[..] else {
            panic!("{} ends", ends.len())
        };
        ended.clone()
    }

    fn forget_commands(&mut self) {
        self.drain();
        self.commands.clear();
        self.media_commands.clear();
    }

    fn drain(&mut self) {
        loop {
            match self.core.poll() {
                Output::Signaling(account, command) => {
                    assert_eq!(account, DESK);
                    self.commands.push(command);
                }
                Output::Media(call, command) => {
                    self.last_call = call;
                    self.media_commands.push(command);
                }
                Output::Event(event) => self.events.push(event),
                Output::Finished => self.finished = true,
                Output::ReadPassword(_) => self.password_reads += 1,
                Output::Wait(wait) => {
                    self.wait = wait.map(|(at, _)| at);
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn kind(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Account { .. } => "account",
        EventKind::Incoming { .. } => "incoming",
        EventKind::Invite { .. } => "invite",
        EventKind::Ringing(_) => "ringing",
        EventKind::Early(_) => "early",
        EventKind::Answered(_) => "answered",
        EventKind::Muted { .. } => "muted",
        EventKind::Deaf { .. } => "deaf",
        EventKind::TokenRefreshed => "token refreshed",
        EventKind::Recovering { .. } => "recovering",
        EventKind::Ended(_) => "ended",
        _ => "other",
    }
}

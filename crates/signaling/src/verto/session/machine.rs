//! The session's state, its one entrance and its one exit.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;

use crate::auth::pace::LoginPace;
use crate::auth::server_clock::ServerClock;
use crate::call_id::{CallId, uuid_v4};
use crate::command::Command;
use crate::deadlines::{Deadline, Deadlines, Owner};
use crate::error::Error;
use crate::event::{DisconnectCause, Event};
use crate::server_name::server_name;
use crate::session::{Input, Output};
use crate::verto::channels::Channels;
use crate::verto::conference::Conference;
use crate::verto::dialect::differences::SessidRule;
use crate::verto::dialog::state::Dialog;
use crate::verto::liveness::Liveness;
use crate::verto::message::login::ClientReady;
use crate::verto::registration::Registering;
use crate::verto::requests::{Pending, Purpose, Requests};
use crate::verto::rpc::{Frame, Id, Request};
use crate::verto::session::candidates::EarlyCandidate;
use crate::verto::session::config::Config;
use crate::verto::session::tokens::Tokens;

/// One signalling session with one server. Drive it: one [`Session::handle`], then [`Session::poll`] until
/// [`Output::Wait`].
#[derive(Debug)]
pub struct Session {
    pub(super) config: Config,
    /// Host and port, for messages.
    pub(super) server: String,
    pub(super) state: State,
    pub(super) outbox: VecDeque<Output>,
    pub(super) deadlines: Deadlines,
    pub(super) rng: StdRng,
    pub(super) requests: Requests,
    pub(super) dialogs: BTreeMap<CallId, Dialog>,
    pub(super) liveness: Liveness,
    pub(super) logins: LoginPace,
    pub(super) memory: Memory,
    pub(super) tries: Tries,
    pub(super) tokens: Tokens,
    pub(super) clock: ServerClock,
    pub(super) channels: Channels,
    pub(super) conferences: BTreeMap<CallId, Conference>,
    /// Candidates for calls that have not come yet.
    pub(super) early: VecDeque<EarlyCandidate>,
    /// Refused with "authentication required": to be said again after the login under way.
    pub(super) unheard: Vec<Pending>,
    /// New media of ours that waits for the word of a server which has not been heard for a while.
    pub(super) unproven: Vec<(CallId, String)>,
    /// The last calls whose end has been told: a late offer of one is not a new call.
    pub(super) ended: VecDeque<CallId>,
}

/// Where the session stands.
#[derive(Debug, PartialEq)]
pub(super) enum State {
    /// Nothing will happen before a command.
    Idle,
    /// The next connection attempt has its deadline.
    Waiting,
    Connecting,
    /// The login is under way. The gateway may be quicker than its own reply.
    LoggingIn(Early),
    /// Logged in; nothing may be sent before `clientReady`.
    AwaitingReady(AwaitingReady),
    /// Calls are known, but the gateway has not registered us yet.
    Registering(Registering),
    Ready,
    /// Ready, but the gateway said something else than `REGED` since.
    Doubting(Registering),
    /// Byes are under way.
    Stopping,
    Stopped,
}

/// What came before its turn.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Early {
    pub(super) client_ready: Option<ClientReady>,
    pub(super) gateway: Option<String>,
}

/// What has to wait for `clientReady`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct AwaitingReady {
    pub(super) gateway: Option<String>,
    pub(super) acks: Vec<String>,
    pub(super) commands: Vec<Command>,
}

/// What outlives a socket.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) sessid: Option<String>,
    /// Last word of the server on a logged-in socket.
    pub(super) heard: Option<Instant>,
    pub(super) voice_sdk_id: Option<String>,
    /// The last instance of the gateway failed us: ask for another.
    pub(super) skip_instance: bool,
    /// An instance that gets new releases first has taken our login.
    pub(super) canary_seen: bool,
    /// The region's host could not be reached or let nobody in: the next attempt leaves the choice to the server.
    pub(super) region_failed: bool,
    /// `call_report_id` told last.
    pub(super) report_key: Option<String>,
}

/// How often things went wrong.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// Connection attempts since the last ready session.
    pub(super) attempt: u32,
    /// Failures since the session was last ready for a while.
    pub(super) failures: u32,
    /// Logins refused in a row.
    pub(super) refused: u32,
    /// The source was asked for a better token since the last login that worked.
    pub(super) asked_afresh: bool,
    /// A young credential got its second chance.
    pub(super) young_retry: bool,
    /// When the registration was last lost on a healthy socket.
    pub(super) unregistered: Option<Instant>,
    /// It was lost twice in a row: somebody else wants it, and we stay away for a while.
    pub(super) duel: bool,
    /// Fresh credentials came and have not been used yet.
    pub(super) fresh_login: bool,
    pub(super) ready_since: Option<Instant>,
}

impl Session {
    /// A session that wants to be connected at once: poll it. `seed` feeds all its chance: call and request names,
    /// jitter.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let sessid = match config.dialect.sessid {
            SessidRule::Client => Some(
                config
                    .remembered
                    .sessid
                    .clone()
                    .unwrap_or_else(|| uuid_v4(&mut rng)),
            ),
            SessidRule::Server { .. } => config.remembered.sessid.clone(),
        };
        let clock = ServerClock::new(config.wall_clock, now);
        let memory = Memory {
            heard: heard_before(&config, now),
            sessid,
            voice_sdk_id: config.remembered.voice_sdk_id.clone(),
            ..Memory::default()
        };
        let tokens = Tokens::of_age(config.login_age, now);
        let mut session = Self {
            server: server_name(&config.server).to_owned(),
            config,
            state: State::Idle,
            outbox: VecDeque::new(),
            deadlines: Deadlines::default(),
            rng,
            requests: Requests::default(),
            dialogs: BTreeMap::new(),
            liveness: Liveness::new(now),
            logins: LoginPace::default(),
            memory,
            tries: Tries::default(),
            tokens,
            clock,
            channels: Channels::default(),
            conferences: BTreeMap::new(),
            early: VecDeque::new(),
            unheard: Vec::new(),
            unproven: Vec::new(),
            ended: VecDeque::new(),
        };
        session.on_credentials(now);
        session.connect_now(now);
        session
    }

    /// Takes one input. Infallible: what the peer did wrong comes out as an event, so one bad frame never unwinds a
    /// driver.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        if self.state == State::Stopped {
            return;
        }
        match input {
            Input::Deferred => self.deadlines.clear(Deadline::Connect, &Owner::Session),
            Input::Begun => self.limit_attempt(now),
            Input::TokenDeferred => {
                let owner = Owner::Credential;
                self.deadlines.clear(Deadline::TokenReply, &owner);
            }
            Input::TokenAsked => self.limit_question(now),
            Input::Opened => self.on_opened(now),
            Input::Failed(failure) => {
                if self.state == State::Connecting {
                    self.lose(DisconnectCause::Connect(failure), now);
                }
            }
            Input::Closed(reason) => self.on_closed(reason, now),
            Input::Text(text) => self.on_text(text, now),
            Input::Command(command) => self.on_command(command, now),
            Input::ServerDate(date) => {
                if self.clock.learn(date, now) {
                    self.plan_token(now);
                }
            }
            Input::WallClock(wall) => {
                self.clock.set_wall(wall, now);
                self.plan_token(now);
            }
            Input::Timeout => {}
        }
        // Whatever the input was, time has passed with it.
        while let Some((deadline, owner)) = self.deadlines.expired(now) {
            self.on_deadline(deadline, owner, now);
        }
        if self.state == State::Stopping && self.dialogs.is_empty() {
            self.stop();
        }
    }

    /// The next thing to do; [`Output::Wait`] when there is nothing more.
    pub fn poll(&mut self) -> Output {
        self.outbox
            .pop_front()
            .unwrap_or_else(|| Output::Wait(self.deadlines.next()))
    }

    /// Number of calls that have not ended for the user.
    pub fn calls(&self) -> usize {
        self.dialogs
            .values()
            .filter(|dialog| dialog.is_live())
            .count()
    }

    fn on_command(&mut self, command: Command, now: Instant) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all others are about a call, and said so there"
        )]
        match command {
            Command::Login(login) => self.on_new_login(login, now),
            Command::TokenFailed {
                reason,
                retry_after,
            } => self.on_token_failed(reason, retry_after, now),
            Command::Retry => self.on_retry(now),
            Command::Reconnect => self.on_reconnect(now),
            Command::Shutdown => self.on_shutdown(now),
            Command::Subscribe { .. } | Command::Unsubscribe { .. } | Command::Broadcast { .. } => {
                self.on_errand(command, now);
            }
            Command::JsApi { .. } | Command::FsApi { .. } | Command::Message { call: None, .. } => {
                self.on_errand(command, now);
            }
            Command::Publish { .. } => self.tell(Event::SessionCommandFailed {
                command: command.name(),
                error: Error::NotInDialect {
                    dialect: self.config.dialect.name,
                    command: command.name(),
                },
            }),
            Command::Echo { .. } | Command::AttachCalls { .. } | Command::DisablePush { .. } => {
                self.on_errand(command, now);
            }
            Command::Converse { .. }
            | Command::Moderate { .. }
            | Command::ConferenceChat { .. } => {
                self.on_errand(command, now);
            }
            command => self.on_call_command(command, now),
        }
    }

    fn on_deadline(&mut self, deadline: Deadline, owner: Owner, now: Instant) {
        match owner {
            Owner::Credential => self.on_credential_deadline(deadline, now),
            Owner::Call(call) => self.on_call_deadline(&call, deadline, now),
            Owner::Request(id) => {
                if let Some(pending) = self.requests.take(&id) {
                    self.on_no_reply(id, pending, now);
                }
            }
            Owner::Session => self.on_session_deadline(deadline, now),
        }
    }

    fn on_session_deadline(&mut self, deadline: Deadline, now: Instant) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the other deadlines belong to calls and requests"
        )]
        match deadline {
            Deadline::Reconnect => self.connect_now(now),
            Deadline::Connect | Deadline::ClientReady => {
                self.lose(DisconnectCause::Silent(deadline), now)
            }
            Deadline::LoginPace => self.log_in_again(now),
            Deadline::GatewayAsk => self.ask_gateway(now),
            Deadline::Registration => self.on_not_registered(now),
            Deadline::Probe => self.probe(now),
            Deadline::Stopping => self.stop(),
            Deadline::Remember => self.remember_calls(now),
            Deadline::RegistrationCheck => self.check_registration(now),
            _ => {}
        }
    }

    fn on_credential_deadline(&mut self, deadline: Deadline, now: Instant) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the other deadlines are not about credentials"
        )]
        match deadline {
            Deadline::TokenRefresh => self.on_token_refresh(now),
            Deadline::TokenWarning => self.on_token_warning(now),
            Deadline::TokenExpiry => self.on_token_expiry(now),
            Deadline::TokenReply => {
                self.on_token_failed("it gives no answer".to_owned(), None, now);
            }
            _ => {}
        }
    }

    // ---- what every chapter uses ----

    pub(super) fn tell(&mut self, event: Event) {
        self.outbox.push_back(Output::Event(event));
    }

    /// Whether requests may be sent now.
    pub(super) fn is_open(&self) -> bool {
        match &self.state {
            State::Registering(_) | State::Ready | State::Doubting(_) | State::Stopping => true,
            State::Idle | State::Waiting | State::Connecting | State::Stopped => false,
            State::LoggingIn(_) | State::AwaitingReady(_) => false,
        }
    }

    /// Sends a request and starts the deadline of its reply.
    pub(super) fn ask(&mut self, pending: Pending, params: Value, within: Duration, now: Instant) {
        let id = uuid_v4(&mut self.rng);
        let voice_sdk_id = match pending.purpose {
            Purpose::GatewayState | Purpose::Probe => self.memory.voice_sdk_id.clone(),
            Purpose::Login | Purpose::LoginAgain | Purpose::Call(..) | Purpose::Errand(_) => None,
        };
        let method = self.config.dialect.spell(pending.method);
        let request = Request {
            id: Some(Id::Text(id.clone())),
            method,
            params,
            voice_sdk_id,
        };
        self.outbox
            .push_back(Output::Send(Frame::Request(request).to_text()));
        self.deadlines.set(
            pending.purpose.deadline(),
            Owner::Request(id.clone()),
            now + within,
        );
        self.requests.insert(id, pending);
    }

    /// The error for a request that got no reply.
    pub(super) fn silent(&self, waited_for: Deadline) -> Error {
        Error::Silent {
            server: self.server.clone(),
            waited_for,
            limit: self.limit(waited_for),
        }
    }

    /// How long the reply to a request may take.
    pub(super) fn limit(&self, deadline: Deadline) -> Duration {
        let timers = &self.config.timers;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "every other reply has the same limit"
        )]
        match deadline {
            Deadline::Connect => timers.connect,
            Deadline::ClientReady => timers.client_ready,
            Deadline::Registration => timers.registration,
            Deadline::ProbeReply => self.config.dialect.probes.reply_within,
            Deadline::Unanswered => timers.unanswered,
            Deadline::Untaken => timers.untaken,
            Deadline::AttachDue => timers.attach_due,
            Deadline::AttachUntaken => timers.attach_untaken,
            Deadline::Detached => self.config.dialect.detach_limit,
            Deadline::ByeReply => timers.bye_reply,
            Deadline::ModifyReply => timers.modify_reply,
            Deadline::MediaUpdateReply => timers.media_update_reply,
            Deadline::Stopping => timers.stopping,
            Deadline::ApiReply => timers.api_reply,
            _ => timers.reply,
        }
    }
}

/// When an earlier process last heard of its session, as an instant of ours.
fn heard_before(config: &Config, now: Instant) -> Option<Instant> {
    let at = config.remembered.at?;
    let age = config.wall_clock?.duration_since(at).unwrap_or_default();
    config.remembered.sessid.as_ref()?;
    now.checked_sub(age)
}

//! One registration: how far its connection has come, and which calls are its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_media::program::CallKey;
use offhook_signaling::auth::login::LoginKind;
use offhook_signaling::call_id::CallId;
use offhook_signaling::error::Error as SignalingError;
use offhook_signaling::event::DisconnectCause;

use crate::event::EventKind;
use crate::protocol::{Protocol, Transfers};
use crate::status::{AccountState, AccountStatus, ConnectSteps, FlowStatus};
use crate::tool::ToolCall;

/// What an account is, without what only its session needs.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Unique name.
    pub name: Arc<str>,
    /// What its server speaks.
    pub protocol: Protocol,
    /// The server's URL, for people.
    pub server: Arc<str>,
    /// Name shown to callees.
    pub caller_name: Option<String>,
    /// Number shown to callees.
    pub caller_number: Option<String>,
    /// Its calls begin with silence in place of the input.
    pub start_muted: bool,
    /// Candidates are told as they are found, where the server takes them.
    pub trickle: bool,
    /// How it logs in.
    pub login: LoginKind,
    /// Whom the token is for that it logs in with at first, by the token's own word (`sub`).
    pub subject: Option<String>,
    /// A source can be asked for its tokens.
    pub has_token_source: bool,
    /// Its password stands in a file that can be read again.
    pub has_password_file: bool,
    /// What becomes of a far end's wish that we call somebody else (SIP).
    pub transfers: Transfers,
    /// Users may send commands to its server.
    pub server_commands: bool,
    /// Names of an assistant's tools that the driver can have answered.
    pub tools: Vec<String>,
    /// Event channels and subscriptions that are wanted from the beginning.
    pub watch: Vec<String>,
    /// Calls of an earlier process that the server offers soon after the start are taken up; others that nobody here
    /// knows of are hung up. Only for an account whose earlier session is remembered: a call that is taken up is heard at
    /// once, without anybody answering it.
    pub adopts_calls: bool,
}

/// What a server carries beside calls. The rest is refused, never dropped without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carries {
    /// Header fields.
    pub headers: bool,
    /// Calls that leave the offer to the far end, or take the place of another one (SIP).
    pub late_offer: bool,
    /// Client states.
    pub client_state: bool,
    /// Variables of a call.
    pub variables: bool,
    /// SIP status of an end.
    pub sip_status: bool,
    /// Numbers as variables.
    pub number_variables: bool,
    /// Candidates one by one.
    pub trickle: Trickle,
    /// Whatever is to come back as it is.
    pub echo: bool,
    /// What is to become of push messages.
    pub push: bool,
}

/// Where candidates may follow their descriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trickle {
    /// Nowhere.
    Never,
    /// In the calls of an account that says so to everybody.
    OfAccount,
    /// In each call that says so.
    OfCall,
}

/// How long the stages of a connection took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stages {
    /// Name resolution.
    pub dns: Duration,
    /// TCP, and the proxy's tunnel if there is one.
    pub tcp: Duration,
    /// TLS; `None` on plain `ws`.
    pub tls: Option<Duration>,
    /// The WebSocket upgrade.
    pub upgrade: Duration,
}

#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) profile: Profile,
    pub(crate) calls: BTreeSet<CallKey>,
    /// Outputs of tools that wait for the connection.
    pub(crate) outputs: VecDeque<(ToolCall, String)>,
    /// Wishes of far ends that nobody has answered yet: whom to call, by the name of the wish.
    pub(crate) referrals: BTreeMap<CallId, String>,
    state: AccountState,
    trouble: Option<Trouble>,
    retry_at: Option<Instant>,
    /// When the present connection attempt began.
    began: Instant,
    steps: Option<ConnectSteps>,
    /// What its session passed over.
    pub(crate) malformed: u64,
    /// Its connections, where there are several.
    flows: Vec<Flow>,
    /// What the registrar behind each server told of others, and of push.
    registrars: BTreeMap<String, (Vec<String>, bool)>,
}

/// One of several connections, as it was told of last.
#[derive(Debug)]
struct Flow {
    server: String,
    up: bool,
    reason: Option<String>,
    retry_at: Option<Instant>,
}

/// Why an account is not ready.
#[derive(Debug, Clone)]
struct Trouble {
    reason: String,
    remedy: Option<String>,
}

impl From<&SignalingError> for Trouble {
    fn from(error: &SignalingError) -> Self {
        Self {
            reason: error.to_string(),
            remedy: Some(error.remedy().to_string()),
        }
    }
}

impl Flow {
    fn status(&self, now: Instant) -> FlowStatus {
        FlowStatus {
            server: self.server.clone(),
            up: self.up,
            reason: self.reason.clone(),
            retry_in: self.retry_at.map(|at| at.saturating_duration_since(now)),
        }
    }
}

impl Account {
    pub(crate) fn new(profile: Profile, now: Instant) -> Self {
        Self {
            profile,
            calls: BTreeSet::new(),
            outputs: VecDeque::new(),
            referrals: BTreeMap::new(),
            state: AccountState::Connecting,
            trouble: None,
            retry_at: None,
            began: now,
            steps: None,
            malformed: 0,
            flows: Vec::new(),
            registrars: BTreeMap::new(),
        }
    }

    pub(crate) const fn is_ready(&self) -> bool {
        matches!(self.state, AccountState::Ready)
    }

    pub(crate) const fn is_waiting(&self) -> bool {
        matches!(self.state, AccountState::Waiting)
    }

    pub(crate) const fn is_stopped(&self) -> bool {
        matches!(self.state, AccountState::Stopped)
    }

    /// Why no call can be placed now.
    pub(crate) fn not_ready(&self) -> (String, Option<String>) {
        match (&self.trouble, self.state) {
            (Some(trouble), _) => (trouble.reason.clone(), trouble.remedy.clone()),
            (None, AccountState::LoggingIn) => ("the login is under way".to_owned(), None),
            (None, AccountState::Stopped) => ("it is shut down".to_owned(), None),
            (None, _) => (
                format!("the connection to {} is being opened", self.profile.server),
                None,
            ),
        }
    }

    /// Time since the present connection attempt began.
    pub(crate) fn at(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    pub(crate) fn connecting(&mut self, now: Instant) -> EventKind {
        self.began = now;
        self.steps = None;
        self.retry_at = None;
        // The old trouble stays told until the session is ready: a status between two attempts names it.
        self.enter(AccountState::Connecting, now)
    }

    /// The socket stands. Each event has the instant of its own stage, counted back from the last one.
    pub(crate) fn connected(&mut self, stages: Stages, now: Instant) -> Vec<(Duration, EventKind)> {
        let Stages {
            dns,
            tcp,
            tls,
            upgrade,
        } = stages;
        let secure_at = self.at(now).saturating_sub(upgrade);
        let socket_at = secure_at.saturating_sub(tls.unwrap_or_default());
        let tls_at = tls.map(|_| secure_at);
        self.steps = Some(ConnectSteps {
            socket: socket_at,
            connecting: dns + tcp,
            tls: tls_at,
            login: None,
            ready: None,
        });
        let socket = (socket_at, EventKind::Socket { dns, tcp });
        let tls = tls.map(|took| (secure_at, EventKind::Tls { took }));
        [socket].into_iter().chain(tls).collect()
    }

    pub(crate) fn logging_in(&mut self, now: Instant) -> EventKind {
        self.retry_at = None;
        self.enter(AccountState::LoggingIn, now)
    }

    pub(crate) fn logged_in(&mut self, now: Instant) -> EventKind {
        let at = self.at(now);
        if let Some(steps) = &mut self.steps {
            steps.login = Some(at);
        }
        EventKind::Login
    }

    pub(crate) fn ready(&mut self, now: Instant) -> Vec<EventKind> {
        self.trouble = None;
        let at = self.at(now);
        if let Some(steps) = &mut self.steps {
            steps.ready = Some(at);
        }
        vec![self.enter(AccountState::Ready, now), EventKind::Ready]
    }

    /// A refusal on the live connection leaves the login before in force: calls can still be made. Whatever else comes of it
    /// is told as the loss of the connection.
    pub(crate) fn login_failed(&mut self, error: &SignalingError, now: Instant) -> EventKind {
        self.trouble = Some(error.into());
        if self.is_ready() {
            return EventKind::RequestFailed {
                reason: error.to_string(),
                remedy: Some(error.remedy().to_string()),
            };
        }
        self.enter(AccountState::Refused, now)
    }

    /// A new login took the place of an older one on the live connection.
    pub(crate) fn renewed(&mut self) -> EventKind {
        self.trouble = None;
        EventKind::TokenRefreshed
    }

    /// Only the calls that are under way keep the connection.
    pub(crate) fn unregistered(&mut self, error: &SignalingError, now: Instant) -> EventKind {
        self.trouble = Some(error.into());
        self.enter(AccountState::LoggingIn, now)
    }

    /// Something went wrong with the session; it may heal by itself.
    pub(crate) fn failed(&mut self, error: &SignalingError, now: Instant) -> EventKind {
        self.trouble = Some(error.into());
        if self.is_ready() {
            // Calls can be made: the state is no news, and has no reason.
            return EventKind::RequestFailed {
                reason: error.to_string(),
                remedy: Some(error.remedy().to_string()),
            };
        }
        self.enter(self.state, now)
    }

    /// What was wrong with the registration is over; while no call can be made there is more to it.
    pub(crate) fn registered_again(&mut self, now: Instant) -> Option<EventKind> {
        let heals = self.is_ready() && self.trouble.take().is_some();
        heals.then(|| self.enter(AccountState::Ready, now))
    }

    pub(crate) fn disconnected(
        &mut self,
        cause: &DisconnectCause,
        retry_in: Option<Duration>,
        now: Instant,
    ) -> Option<EventKind> {
        if let Some(trouble) = self.read_cause(&self.profile.server, cause) {
            self.trouble = Some(trouble);
        }
        self.retry_at = retry_in.map(|wait| now + wait);
        if matches!(self.state, AccountState::Stopped) {
            return None;
        }
        let refused = matches!(
            cause,
            DisconnectCause::LoginRefused | DisconnectCause::TakenOver
        );
        if !refused
            && retry_in.is_none()
            && let Some(trouble) = &mut self.trouble
        {
            let remedy = "`reconnect_attempts` allows no further attempt: ask for a retry when the server is back";
            trouble.remedy = Some(remedy.to_owned());
        }
        let state = if refused || retry_in.is_none() {
            AccountState::Refused
        } else {
            AccountState::Waiting
        };
        Some(self.enter(state, now))
    }

    /// One of several connections came or went.
    pub(crate) fn flow(
        &mut self,
        server: &str,
        cause: Option<&DisconnectCause>,
        retry_in: Option<Duration>,
        now: Instant,
    ) -> EventKind {
        let trouble = cause.and_then(|cause| self.read_cause(server, cause));
        let reason = trouble.map(|trouble| trouble.reason);
        let flow = Flow {
            server: server.to_owned(),
            up: cause.is_none(),
            reason: reason.clone(),
            retry_at: retry_in.map(|wait| now + wait),
        };
        match self.flows.iter_mut().find(|known| known.server == server) {
            Some(known) => *known = flow,
            None => self.flows.push(flow),
        }
        EventKind::Flow {
            server: server.to_owned(),
            up: cause.is_none(),
            reason,
            retry_in,
        }
    }

    /// The cause as a person reads it; `None` where the event before has said it better.
    fn read_cause(&self, server: &str, cause: &DisconnectCause) -> Option<Trouble> {
        let trouble = |reason: String, remedy: &str| Trouble {
            reason,
            remedy: Some(remedy.to_owned()),
        };
        match cause {
            DisconnectCause::Connect(failure) => Some(Trouble {
                reason: failure.text.clone(),
                remedy: failure.remedy.clone(),
            }),
            DisconnectCause::Closed(reason) => Some(trouble(
                format!("the connection to {server} ended: {reason}"),
                "nothing: it is opened again by itself",
            )),
            DisconnectCause::Silent(deadline) => Some(trouble(
                format!("{server} accepts connections but does not answer ({deadline})"),
                match self.profile.protocol.is_sip() {
                    true => "check that a SIP server listens there for WebSockets",
                    false => "check that a Verto server listens there",
                },
            )),
            DisconnectCause::TakenOver => Some(trouble(
                format!("another client took over the session at {server}"),
                "give each client its own credential, then restart this one",
            )),
            DisconnectCause::LoginRefused
            | DisconnectCause::SessionInUse
            | DisconnectCause::LoginForgotten
            | DisconnectCause::ServerFault
            | DisconnectCause::NotRegistered
            | DisconnectCause::Asked => None,
            // A cause that this engine does not know yet.
            _ => Some(trouble(
                format!("the connection to {server} ended: {cause:?}"),
                "nothing: it is opened again by itself",
            )),
        }
    }

    pub(crate) fn stopped(&mut self, now: Instant) -> EventKind {
        self.retry_at = None;
        self.enter(AccountState::Stopped, now)
    }

    fn enter(&mut self, state: AccountState, now: Instant) -> EventKind {
        self.state = state;
        let trouble = if matches!(state, AccountState::Ready | AccountState::Stopped) {
            None
        } else {
            self.trouble.as_ref()
        };
        EventKind::Account {
            state,
            reason: trouble.map(|trouble| trouble.reason.clone()),
            remedy: trouble.and_then(|trouble| trouble.remedy.clone()),
            retry_in: self.retry_at.map(|at| at.saturating_duration_since(now)),
        }
    }

    pub(crate) fn status(&self, now: Instant) -> AccountStatus {
        AccountStatus {
            name: Arc::clone(&self.profile.name),
            dialect: self.profile.protocol.name(),
            server: Arc::clone(&self.profile.server),
            state: self.state,
            reason: self.trouble.as_ref().map(|trouble| trouble.reason.clone()),
            remedy: self
                .trouble
                .as_ref()
                .and_then(|trouble| trouble.remedy.clone()),
            retry_in: self.retry_at.map(|at| at.saturating_duration_since(now)),
            steps: self.steps,
            flows: self.flows.iter().map(|flow| flow.status(now)).collect(),
            malformed: self.malformed,
            other_devices: self.other_devices(),
            push: self.registrars.values().any(|(_, push)| *push),
        }
    }

    /// Registrars of one domain tell of the same devices.
    fn other_devices(&self) -> Vec<String> {
        let told = self.registrars.values().flat_map(|(others, _)| others);
        let distinct: BTreeSet<&String> = told.collect();
        distinct.into_iter().cloned().collect()
    }

    /// What a registrar says beside its yes.
    pub(crate) fn registrar_told(&mut self, server: String, others: Vec<String>, push: bool) {
        self.registrars.insert(server, (others, push));
    }
}

//! The session's state, its one entrance and its one exit.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use rand::{SeedableRng, rngs::StdRng};

use crate::auth::login::Login;
use crate::auth::server_clock::ServerClock;
use crate::call_id::CallId;
use crate::command::Command;
use crate::deadlines::Deadlines;
use crate::event::{DisconnectCause, Event};
use crate::sip::agent::Agent;
use crate::sip::call::offers::core_answer;
use crate::sip::call::state::Call;
use crate::sip::config::{Config, MAX_FLOWS};
use crate::sip::deadline::Deadline;
use crate::sip::flow_id::FlowId;
use crate::sip::message::Method;
use crate::sip::message::read::{self, Incoming};
use crate::sip::publication::machine::Publication;
use crate::sip::referral::referred::Referred;
use crate::sip::session::contract::{Input, Output};
use crate::sip::session::core::Core;
use crate::sip::session::ended::Ended;
use crate::sip::session::flow::{Flow, Link};
use crate::sip::session::owner::Owner;
use crate::sip::session::texts::Texts;
use crate::sip::session::tokens::{Handed, Tokens};
use crate::sip::subscription::state::Subscriptions;
use crate::sip::transaction::client::ClientTransactions;
use crate::sip::transaction::server::ServerTransactions;

/// A clock that is ahead by so much was not set: the machine slept.
const SLEPT: Duration = Duration::from_secs(10);

/// One user agent. Drive it: one [`Session::handle`], then [`Session::poll`] until [`Output::Wait`].
#[derive(Debug)]
pub struct Session {
    pub(super) core: Core,
    pub(super) calls: BTreeMap<CallId, Call>,
    /// What the far side asked us to call, by the call or, outside of any, by a name of its own.
    pub(super) referreds: BTreeMap<CallId, Referred>,
    /// REFERs whose calls are over, with the status that says how.
    pub(super) carried: Vec<(CallId, u16)>,
    /// What the user listens to.
    pub(super) subs: Subscriptions,
    /// Texts of ours outside of calls.
    pub(super) texts: Texts,
    /// What others see of us.
    pub(super) publication: Publication,
    /// Attended transfers of ours that wait until the second call is answered.
    pub(super) joins: Vec<(CallId, CallId)>,
    /// `Ready` was told last, and not `Disconnected`.
    pub(super) ready: bool,
    pub(super) stopping: bool,
    stopped: bool,
}

impl Session {
    /// A session that wants to be connected at once: poll it. `seed` feeds all its chance: names, nonces, jitter.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let agent = Agent::new(&mut rng);
        let flows: Vec<Flow> = config
            .servers
            .iter()
            .take(MAX_FLOWS)
            .zip(0_u8..)
            .map(|(url, number)| Flow::new(FlowId(number), url.clone(), &config, &mut rng))
            .collect();
        let ids: Vec<FlowId> = flows.iter().map(|flow| flow.id).collect();
        let publication = Publication::new(&config);
        let clock = ServerClock::new(config.wall_clock, now);
        let tokens = Tokens::of_age(config.login_age, now);
        let mut session = Self {
            core: Core {
                config,
                agent,
                flows,
                clients: ClientTransactions::default(),
                servers: ServerTransactions::default(),
                deadlines: Deadlines::default(),
                outbox: VecDeque::new(),
                rng,
                tokens,
                ended: Ended::default(),
                clock,
                malformed: 0,
            },
            calls: BTreeMap::new(),
            referreds: BTreeMap::new(),
            carried: Vec::new(),
            subs: Subscriptions::new(now),
            texts: Texts::default(),
            publication,
            joins: Vec::new(),
            ready: false,
            stopping: false,
            stopped: false,
        };
        session.core.on_credentials(now);
        for id in ids {
            session.connect_now(id, now);
        }
        session
    }

    /// How many connections it keeps.
    pub fn flows(&self) -> usize {
        self.core.flows.len()
    }

    /// Takes one input. Infallible: what a peer did wrong is counted, refused or told, and never unwinds a driver.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        if self.stopped {
            return;
        }
        match input {
            Input::Deferred(flow) => {
                let deadlines = &mut self.core.deadlines;
                deadlines.clear(Deadline::Connect, &Owner::Flow(flow));
            }
            Input::Begun(flow) => self.limit_attempt(flow, now),
            Input::TokenDeferred => {
                let deadlines = &mut self.core.deadlines;
                deadlines.clear(Deadline::TokenReply, &Owner::Credential);
            }
            Input::TokenAsked => self.core.limit_question(now),
            Input::Opened(flow) => self.on_opened(flow, now),
            Input::Failed(flow, failure) => self.on_failed(flow, failure, now),
            Input::Closed(flow, reason) => self.on_closed(flow, reason, now),
            Input::Stranded(flow) => self.on_stranded(flow, now),
            Input::Message(flow, bytes) => self.on_message(flow, bytes, now),
            Input::Pong(flow) => self.heard(flow, now),
            Input::Unauthorized(flow, failure) => self.on_socket_refused(flow, failure, now),
            Input::ServerDate(date) => {
                if self.core.clock.learn(date, now) {
                    self.core.plan_token(now);
                }
            }
            Input::WallClock(wall) => self.on_wall_clock(wall, now),
            Input::Timeout => {}
            Input::Command(command) => self.on_command(command, now),
        }
        self.follow_up(now);
        // Whatever the input was, time has passed with it.
        while let Some((deadline, owner)) = self.core.deadlines.expired(now) {
            self.on_deadline(deadline, owner, now);
            self.follow_up(now);
        }
    }

    /// The next thing to do; [`Output::Wait`] when there is nothing more.
    pub fn poll(&mut self) -> Output {
        self.core
            .outbox
            .pop_front()
            .unwrap_or_else(|| Output::Wait(self.core.deadlines.next()))
    }

    /// Messages that were dropped or refused because they made no sense.
    pub fn malformed(&self) -> u64 {
        self.core.malformed
    }

    /// This machine's clock, looked at again. Where it ran on while ours stood still, the machine slept: connections may be
    /// dead and registrations over, which our own timers do not know of.
    fn on_wall_clock(&mut self, wall: SystemTime, now: Instant) {
        let expected = self.core.clock.local(now);
        let slept = expected
            .and_then(|expected| wall.duration_since(expected).ok())
            .is_some_and(|gap| gap >= SLEPT);
        self.core.clock.set_wall(wall, now);
        self.core.plan_token(now);
        if !slept || self.stopping {
            return;
        }
        let registers = self.core.config.registers;
        let ids: Vec<_> = self.core.flows.iter().map(|flow| flow.id).collect();
        for id in ids {
            if self.core.flow(id).is_some_and(Flow::is_open) {
                self.ping(id, now);
                if registers {
                    self.register(id, now);
                }
            }
        }
        let ids: Vec<_> = self.calls.keys().cloned().collect();
        for id in ids {
            self.with_call(&id, |call, core| call.on_flow_back(core, now));
        }
    }

    fn on_message(&mut self, flow: FlowId, bytes: &[u8], now: Instant) {
        if !self.core.flow(flow).is_some_and(Flow::is_open) {
            return;
        }
        self.heard(flow, now);
        match read::read(bytes) {
            Ok(Incoming::Ping) => self.core.outbox.push_back(Output::Send {
                flow,
                text: "\r\n".to_owned(),
            }),
            Ok(Incoming::Pong) => self.on_keep_alive_answer(flow, now),
            Ok(Incoming::Response(response)) => self.on_response(flow, &response, now),
            Ok(Incoming::Request(request)) => self.on_request(flow, &request, now),
            Err(malformed) => {
                self.core.count_malformed(&malformed.reason);
                if let Some((status, bare)) = malformed.answer {
                    self.core.answer_bare(flow, &bare, status);
                }
            }
        }
    }

    /// Requests of ours on a connection that is gone will have no answer (8.1.3.1); calls live on.
    pub(super) fn drop_transactions(&mut self, flow: FlowId, now: Instant) {
        for (branch, transaction) in self.core.clients.lose(flow) {
            let method = transaction.request.method.to_string();
            self.core
                .deadlines
                .clear_owner(&Owner::Request(branch, method));
            self.on_unanswered(&transaction, true, now);
        }
        let ids: Vec<_> = self.calls.keys().cloned().collect();
        for id in ids {
            self.with_call(&id, |call, core| call.on_flow_lost(core, now));
        }
        self.subscriptions_lost(flow, now);
        self.core.servers.lose(flow);
        self.core.say_owed(now);
    }

    fn on_command(&mut self, command: Command, now: Instant) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all others are about calls, and said so there"
        )]
        match command {
            Command::Login(login) => self.on_login(login, now),
            Command::TokenFailed {
                reason,
                retry_after,
            } => self.core.on_token_failed(reason, retry_after, now),
            Command::Retry => {
                self.core.ask_source_again(now);
                self.on_retry(now);
            }
            Command::Reconnect => self.on_reconnect(now),
            Command::Shutdown => self.on_shutdown(now),
            Command::Message {
                id,
                call: None,
                to,
                body,
            } => self.on_text_command(id, &to, body, now),
            Command::Publish { open, note } => self.on_publish_command(open, note, now),
            Command::Subscribe { channels } => self.on_subscribe_command(channels, now),
            Command::Unsubscribe { channels } => self.on_unsubscribe_command(channels, now),
            command => self.on_call_command(command, now),
        }
    }

    /// New credentials: used at once, on live connections without harm to calls.
    fn on_login(&mut self, login: Login, now: Instant) {
        if self.core.take_login(login, now) == Handed::Useless {
            return;
        }
        for call in self.calls.values_mut() {
            call.auth.forget_refusal();
        }
        let registers = self.core.config.registers;
        let ids: Vec<_> = self.core.flows.iter().map(|flow| flow.id).collect();
        for id in ids {
            match self.core.flow(id).map(|flow| flow.link) {
                Some(Link::Open) if registers => self.log_in_again(id, now),
                Some(Link::Down | Link::Waiting) => self.connect_now(id, now),
                Some(Link::Open | Link::Connecting) | None => {}
            }
        }
    }

    /// A person says so: try again now what waits.
    fn on_retry(&mut self, now: Instant) {
        let registers = self.core.config.registers;
        let ids: Vec<_> = self.core.flows.iter().map(|flow| flow.id).collect();
        for id in ids {
            let Some(flow) = self.core.flow_mut(id) else {
                continue;
            };
            flow.registration.auth.forget_refusal();
            flow.refusals = 0;
            match flow.link {
                Link::Open if registers => self.register(id, now),
                Link::Open | Link::Connecting => {}
                Link::Down | Link::Waiting => self.connect_now(id, now),
            }
        }
    }

    /// Goodbye to every call, then to every registrar, then the connections are closed.
    fn on_shutdown(&mut self, now: Instant) {
        if std::mem::replace(&mut self.stopping, true) {
            return;
        }
        let limit = self.core.config.timers.stopping;
        self.core
            .deadlines
            .set(Deadline::Stopping, Owner::Session, now + limit);
        let ids: Vec<_> = self.calls.keys().cloned().collect();
        for id in ids {
            self.with_call(&id, |call, core| call.hang_up(None, None, &[], core, now));
        }
        self.unsubscribe_all(now);
        self.unpublish(now);
        let ids: Vec<_> = self.core.flows.iter().map(|flow| flow.id).collect();
        for id in ids {
            let leaves = self.unregister(id, now);
            let open = self.core.flow(id).is_some_and(Flow::is_open);
            if !leaves && !open {
                self.core.deadlines.clear_owner(&Owner::Flow(id));
                if let Some(flow) = self.core.flow_mut(id) {
                    flow.link = Link::Down;
                }
            }
        }
        self.stop_when_quiet();
    }

    /// Nothing is under way any more.
    pub(super) fn stop_when_quiet(&mut self) {
        // A REGISTER that is out may yet be granted: its answer is awaited, to take that away again.
        let asking = |flow: &Flow| flow.registration.is_asking();
        if self.stopping && self.calls.is_empty() && !self.core.flows.iter().any(asking) {
            self.stop();
        }
    }

    fn stop(&mut self) {
        for flow in &mut self.core.flows {
            if flow.link != Link::Down {
                flow.link = Link::Down;
                self.core.outbox.push_back(Output::Disconnect(flow.id));
            }
        }
        self.core.deadlines.retain(|_, _| false);
        if !std::mem::replace(&mut self.stopped, true) {
            self.core.tell(Event::Stopped);
        }
    }

    pub(super) fn become_ready(&mut self, flow: FlowId, now: Instant) {
        if !std::mem::replace(&mut self.ready, true) {
            self.core.tell(Event::LoggedIn {
                sessid: self.core.config.instance.clone(),
            });
            self.core.tell(Event::Ready);
        }
        let ids: Vec<_> = self.calls.keys().cloned().collect();
        for id in ids {
            self.with_call(&id, |call, core| call.on_flow_ready(flow, core, now));
        }
        self.tell_referrers(now);
        self.subscriptions_back(flow, now);
        self.publication_back(now);
    }

    /// Tells that no calls can be made, unless another flow carries them or it is known.
    pub(super) fn unready(
        &mut self,
        cause: DisconnectCause,
        retry_in: Option<Duration>,
        _now: Instant,
    ) {
        if self.stopping || self.core.ready_flow().is_some() {
            return;
        }
        self.ready = false;
        self.core.tell(Event::Disconnected { cause, retry_in });
    }

    fn on_deadline(&mut self, deadline: Deadline, owner: Owner, now: Instant) {
        match owner {
            Owner::Credential => self.core.on_token_deadline(deadline, now),
            Owner::Session if deadline == Deadline::Stopping => self.stop(),
            Owner::Flow(id) => self.on_flow_deadline(id, deadline, now),
            Owner::Request(branch, method) if deadline == Deadline::FurtherAnswers => {
                let method = Method::parse(&bytes::Bytes::copy_from_slice(method.as_bytes()));
                self.core.clients.end(&branch, &method);
            }
            Owner::Request(branch, _) if deadline == Deadline::Unanswered => {
                self.on_offer_unanswered(&branch, now);
            }
            Owner::Request(branch, method) => self.on_request_deadline(&branch, &method, now),
            Owner::Served(key) if deadline == Deadline::TryingDue => {
                core_answer(&mut self.core, &key, 100, now);
            }
            Owner::Served(key) => {
                self.core.servers.end(&key);
            }
            Owner::Call(id) => self.on_call_deadline(&id, deadline, now),
            Owner::Refer(id) => self.on_refer_deadline(&id, deadline, now),
            Owner::Channel(name) => self.subscribe(&name, now),
            Owner::Publication => self.on_publish_deadline(deadline, now),
            Owner::Leg(id) => self.on_leg_deadline(id, deadline, now),
            Owner::Session => {}
        }
    }

    fn on_flow_deadline(&mut self, id: FlowId, deadline: Deadline, now: Instant) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the other deadlines belong to requests and calls"
        )]
        match deadline {
            Deadline::Reconnect => self.connect_now(id, now),
            Deadline::Connect => self.give_up(id, crate::deadlines::Deadline::Connect, now),
            Deadline::Ping => self.ping(id, now),
            Deadline::Pong => self.on_no_pong(id, now),
            Deadline::KeepAlive => self.keep_alive(id, now),
            Deadline::KeepAliveAnswer => {
                self.give_up(id, crate::deadlines::Deadline::ProbeReply, now);
            }
            Deadline::RegisterRefresh => self.register(id, now),
            Deadline::RegisterAgain => {
                // The wait that was told is over: a login is under way on the same connection.
                if !self.ready {
                    self.core.tell(Event::Connected);
                }
                self.register(id, now);
            }
            Deadline::RegisterExpiry => self.on_register_expiry(id, now),
            _ => {}
        }
    }

    /// Something provisional came to our INVITE within a call, and nothing else for long. Its end is told now; it stays a while,
    /// since a 2xx that comes yet is owed its ACK (RFC 3261, 9.1 and 13.2.2.4).
    fn on_offer_unanswered(&mut self, branch: &str, now: Instant) {
        let Some(transaction) = self.core.clients.get(branch, &Method::Invite).cloned() else {
            return;
        };
        if !self.core.cancel(branch, None, now) {
            self.core.clients.end(branch, &Method::Invite);
        }
        self.on_unanswered(&transaction, false, now);
    }

    fn on_request_deadline(&mut self, branch: &str, method: &str, now: Instant) {
        let method = Method::parse(&bytes::Bytes::copy_from_slice(method.as_bytes()));
        if let Some(transaction) = self.core.clients.end(branch, &method) {
            self.on_unanswered(&transaction, false, now);
        }
    }
}

//! The session's state, its one entrance and its one exit.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rand::{SeedableRng, rngs::StdRng};

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
use crate::sip::session::contract::{Input, Output};
use crate::sip::session::core::Core;
use crate::sip::session::flow::{Flow, Link};
use crate::sip::session::owner::Owner;
use crate::sip::transaction::client::ClientTransactions;
use crate::sip::transaction::server::ServerTransactions;

/// One user agent. Drive it: one [`Session::handle`], then [`Session::poll`] until [`Output::Wait`].
#[derive(Debug)]
pub struct Session {
    pub(super) core: Core,
    pub(super) calls: BTreeMap<CallId, Call>,
    /// `Ready` was told last, and not `Disconnected`.
    ready: bool,
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
                malformed: 0,
            },
            calls: BTreeMap::new(),
            ready: false,
            stopping: false,
            stopped: false,
        };
        for id in ids {
            session.connect_now(id, now);
        }
        session
    }

    /// Takes one input. Infallible: what a peer did wrong is counted, refused or told, and never unwinds a driver.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        if self.stopped {
            return;
        }
        match input {
            Input::Opened(flow) => self.on_opened(flow, now),
            Input::Failed(flow, failure) => self.on_failed(flow, failure, now),
            Input::Closed(flow, reason) => self.on_closed(flow, reason, now),
            Input::Message(flow, bytes) => self.on_message(flow, bytes, now),
            Input::Pong(flow) => self.heard(flow, now),
            Input::WallClock(_) | Input::Timeout => {}
            Input::Command(command) => self.on_command(command, now),
        }
        // Whatever the input was, time has passed with it.
        while let Some((deadline, owner)) = self.core.deadlines.expired(now) {
            self.on_deadline(deadline, owner, now);
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
    }

    fn on_command(&mut self, command: Command, now: Instant) {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all others are about calls, and said so there"
        )]
        match command {
            Command::Login(login) => {
                self.core.config.login = login;
                self.on_retry(now);
            }
            Command::Retry => self.on_retry(now),
            Command::Reconnect => self.on_reconnect(now),
            Command::Shutdown => self.on_shutdown(now),
            command => self.on_call_command(command, now),
        }
    }

    /// New credentials, or a person says so: try again now what waits.
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
        let leaving = |flow: &Flow| flow.registration.is_leaving();
        if self.stopping && self.calls.is_empty() && !self.core.flows.iter().any(leaving) {
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

    pub(super) fn become_ready(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.ready, true) {
            self.core.tell(Event::LoggedIn {
                sessid: self.core.config.instance.clone(),
            });
            self.core.tell(Event::Ready);
        }
        let ids: Vec<_> = self.calls.keys().cloned().collect();
        for id in ids {
            self.with_call(&id, |call, core| call.on_flow_back(core, now));
        }
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
            Owner::Session if deadline == Deadline::Stopping => self.stop(),
            Owner::Flow(id) => self.on_flow_deadline(id, deadline, now),
            Owner::Request(branch, method) if deadline == Deadline::FurtherAnswers => {
                let method = Method::parse(&bytes::Bytes::copy_from_slice(method.as_bytes()));
                self.core.clients.end(&branch, &method);
            }
            Owner::Request(branch, method) => self.on_request_deadline(&branch, &method, now),
            Owner::Served(key) if deadline == Deadline::TryingDue => {
                core_answer(&mut self.core, &key, 100, now);
            }
            Owner::Served(key) => {
                self.core.servers.end(&key);
            }
            Owner::Call(id) => self.on_call_deadline(&id, deadline, now),
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
            Deadline::Connect => self.give_up(id, crate::deadlines::Deadline::Connect, None, now),
            Deadline::Ping => self.ping(id, now),
            Deadline::Pong => self.on_no_pong(id, now),
            Deadline::KeepAlive => self.keep_alive(id, now),
            Deadline::KeepAliveAnswer => {
                self.give_up(id, crate::deadlines::Deadline::ProbeReply, None, now);
            }
            Deadline::RegisterRefresh | Deadline::RegisterAgain => self.register(id, now),
            Deadline::RegisterExpiry => self.on_register_expiry(id, now),
            _ => {}
        }
    }

    fn on_request_deadline(&mut self, branch: &str, method: &str, now: Instant) {
        let method = Method::parse(&bytes::Bytes::copy_from_slice(method.as_bytes()));
        if let Some(transaction) = self.core.clients.end(branch, &method) {
            self.on_unanswered(&transaction, false, now);
        }
    }
}

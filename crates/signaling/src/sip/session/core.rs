//! What every chapter of the session uses: sending, answering, telling, waiting.

use std::collections::VecDeque;
use std::time::Instant;

use rand::rngs::StdRng;

use crate::deadlines::Deadlines;
use crate::event::Event;
use crate::server_name::server_name;
use crate::sip::agent::Agent;
use crate::sip::auth::authorization::{Authorization, Identity};
use crate::sip::config::Config;
use crate::sip::deadline::{Deadline, TRANSACTION};
use crate::sip::flow_id::FlowId;
use crate::sip::message::HeaderName;
use crate::sip::message::bare::Bare;
use crate::sip::message::outgoing::{OutgoingRequest, OutgoingResponse};
use crate::sip::random;
use crate::sip::session::contract::Output;
use crate::sip::session::flow::Flow;
use crate::sip::session::owner::{Owner, Purpose};
use crate::sip::transaction::client::ClientTransactions;
use crate::sip::transaction::draft::{Draft, Hop};
use crate::sip::transaction::server::{After, ServerKey, ServerTransactions};

/// The session but for its calls and subscriptions, which use it.
#[derive(Debug)]
pub(in crate::sip) struct Core {
    pub(in crate::sip) config: Config,
    pub(in crate::sip) agent: Agent,
    pub(in crate::sip) flows: Vec<Flow>,
    pub(in crate::sip) clients: ClientTransactions<Purpose>,
    pub(in crate::sip) servers: ServerTransactions,
    pub(in crate::sip) deadlines: Deadlines<Deadline, Owner>,
    pub(in crate::sip) outbox: VecDeque<Output>,
    pub(in crate::sip) rng: StdRng,
    /// Messages that were dropped or refused because they made no sense.
    pub(in crate::sip) malformed: u64,
}

impl Core {
    pub(in crate::sip) fn tell(&mut self, event: Event) {
        self.outbox.push_back(Output::Event(event));
    }

    /// Something came that cannot be taken; the session goes on.
    pub(in crate::sip) fn count_malformed(&mut self, reason: &str) {
        self.malformed += 1;
        tracing::debug!(reason, "a SIP message was not taken");
    }

    pub(in crate::sip) fn flow(&self, id: FlowId) -> Option<&Flow> {
        self.flows.get(usize::from(id.0))
    }

    pub(in crate::sip) fn flow_mut(&mut self, id: FlowId) -> Option<&mut Flow> {
        self.flows.get_mut(usize::from(id.0))
    }

    /// The best flow that calls can be made over.
    pub(in crate::sip) fn ready_flow(&self) -> Option<FlowId> {
        self.flows
            .iter()
            .find(|flow| flow.is_ready(&self.config))
            .map(|flow| flow.id)
    }

    /// Whether calls can be made over another one: then this one need not hurry (RFC 5626, 4.5).
    pub(in crate::sip) fn has_other_flow(&self, id: FlowId) -> bool {
        self.flows
            .iter()
            .any(|flow| flow.id != id && flow.is_ready(&self.config))
    }

    /// Sends a request over a flow and begins its transaction; gives back its branch. `auth`: the challenges that its
    /// Call-ID met before are answered in it.
    pub(in crate::sip) fn request(
        &mut self,
        draft: Draft,
        cseq: u32,
        auth: Option<&mut Authorization>,
        flow: FlowId,
        purpose: Purpose,
        now: Instant,
    ) -> String {
        let branch = random::branch(&mut self.rng);
        let transport = self.flow(flow).map_or("WS", Flow::via_transport);
        let hop = Hop {
            transport,
            sent_by: &self.agent.host,
            keep: matches!(purpose, Purpose::Register(_)),
        };
        let mut request = draft.request(hop, &branch, cseq);
        if let Some(auth) = auth {
            let identity = identity(&self.config);
            auth.sign(&mut request, &identity, &mut self.rng);
        }
        self.send_request(&request, flow);
        let owner = Owner::Request(branch.clone(), request.method.to_string());
        self.deadlines
            .set(Deadline::Response, owner, now + TRANSACTION);
        self.clients
            .begin(&branch, purpose, flow, draft, cseq, request);
        branch
    }

    /// Puts a request on a flow without a transaction of its own: an ACK.
    pub(in crate::sip) fn send_request(&mut self, request: &OutgoingRequest, flow: FlowId) {
        self.outbox.push_back(Output::Send {
            flow,
            text: request.to_text(),
        });
    }

    /// Answers a request that has no transaction: a stray, a flood, a malformed one.
    pub(in crate::sip) fn answer_bare(&mut self, flow: FlowId, bare: &Bare, status: u16) {
        let mut response = OutgoingResponse::to(bare, status, &random::token(&mut self.rng));
        self.sign_response(&mut response);
        self.outbox.push_back(Output::Send {
            flow,
            text: response.to_text(),
        });
    }

    /// Answers a request, over the connection that it came on (RFC 3261, 18.2.2), or over one that lives when that is
    /// gone.
    pub(in crate::sip) fn answer(
        &mut self,
        key: &ServerKey,
        mut response: OutgoingResponse,
        now: Instant,
    ) {
        let Some(transaction) = self.servers.get(key) else {
            return;
        };
        let came_on = transaction.flow;
        let flow = match self.flow(came_on) {
            Some(flow) if flow.is_open() => Some(came_on),
            _ => self.ready_flow(),
        };
        self.sign_response(&mut response);
        let owner = Owner::Served(key.clone());
        self.deadlines.clear(Deadline::TryingDue, &owner);
        match self.servers.on_answer(key, &response) {
            After::Waiting => {}
            After::Done => self.deadlines.clear_owner(&owner),
            After::Accepted => {
                self.deadlines
                    .set(Deadline::FurtherAnswers, owner, now + TRANSACTION)
            }
            After::RefusalAck => self
                .deadlines
                .set(Deadline::RefusalAck, owner, now + TRANSACTION),
        }
        if let Some(flow) = flow {
            self.outbox.push_back(Output::Send {
                flow,
                text: response.to_text(),
            });
        }
    }

    fn sign_response(&self, response: &mut OutgoingResponse) {
        if response.status > 100 {
            response
                .content
                .push(&HeaderName::Server, self.config.user_agent.as_str());
        }
    }

    /// Host and port of a flow's server, for messages.
    pub(in crate::sip) fn server_name(&self, flow: FlowId) -> String {
        let url = self.flow(flow).map_or("", |flow| flow.url.as_str());
        server_name(url).to_owned()
    }
}

/// Who we are, for challenges.
pub(in crate::sip) fn identity(config: &Config) -> Identity<'_> {
    Identity {
        auth_user: config.auth_user.as_deref(),
        login: &config.login,
        trusted_authz: &config.trusted_authz,
    }
}

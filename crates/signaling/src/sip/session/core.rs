//! What every chapter of the session uses: sending, answering, telling, waiting.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;

use crate::auth::login::Login;
use crate::auth::server_clock::ServerClock;
use crate::deadlines::Deadlines;
use crate::error::Error;
use crate::event::Event;
use crate::secret::Secret;
use crate::server_name::server_name;
use crate::sip::agent::Agent;
use crate::sip::auth::authorization::{Authorization, Identity};
use crate::sip::config::{Config, SocketToken};
use crate::sip::deadline::{CALLER_PATIENCE, Deadline, TRANSACTION};
use crate::sip::dialog::Dialog;
use crate::sip::dialog::edge::{Edge, hangs_on_edge, has_token};
use crate::sip::flow_id::FlowId;
use crate::sip::message::bare::Bare;
use crate::sip::message::outgoing::{OutgoingRequest, OutgoingResponse, Payload};
use crate::sip::message::request::Request;
use crate::sip::message::response::Response;
use crate::sip::message::{HeaderName, Method};
use crate::sip::random;
use crate::sip::session::contract::Output;
use crate::sip::session::ended::Ended;
use crate::sip::session::flow::Flow;
use crate::sip::session::owner::{Owner, Purpose};
use crate::sip::session::tokens::Tokens;
use crate::sip::transaction::client::{ClientTransaction, ClientTransactions};
use crate::sip::transaction::draft::{self, Draft, Hop};
use crate::sip::transaction::server::{After, ServerKey, ServerTransactions};
use crate::verto::address::with_query;

/// A server that wants no requests for longer gets them all the same.
const LONGEST_AVOIDANCE: Duration = Duration::from_secs(600);

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
    pub(in crate::sip) tokens: Tokens,
    /// Dialogs that ended a moment ago.
    pub(in crate::sip) ended: Ended,
    pub(in crate::sip) clock: ServerClock,
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
        self.ready_flow_for(false)
    }

    /// The best flow that calls can be made over; `secure`: of those with TLS.
    pub(in crate::sip) fn ready_flow_for(&self, secure: bool) -> Option<FlowId> {
        self.flows
            .iter()
            .find(|flow| flow.is_ready(&self.config) && flow.carries(secure))
            .map(|flow| flow.id)
    }

    /// The first connection, registered or not; `secure`: of those with TLS.
    pub(in crate::sip) fn open_flow_for(&self, secure: bool) -> Option<FlowId> {
        self.flows
            .iter()
            .find(|flow| flow.is_open() && flow.carries(secure))
            .map(|flow| flow.id)
    }

    /// The connection for an answer whose own is gone; `secure`: one with TLS.
    fn way_for(&self, secure: bool) -> Option<FlowId> {
        self.ready_flow_for(secure)
            .or_else(|| self.open_flow_for(secure))
    }

    /// Whether TLS covers that flow.
    pub(in crate::sip) fn is_secure(&self, flow: FlowId) -> bool {
        self.flow(flow).is_some_and(Flow::is_secure)
    }

    /// Begins to serve a request that came over that flow.
    pub(in crate::sip) fn begin_served(&mut self, request: &Request, flow: FlowId) -> ServerKey {
        let secure = self.is_secure(flow) && asks_for_tls(request);
        self.servers.begin(request, flow, secure)
    }

    /// The dialog that a request makes which came over that flow, once it is answered with that tag.
    pub(in crate::sip) fn dialog_of(
        &self,
        request: &Request,
        tag: &str,
        flow: FlowId,
    ) -> Option<Dialog> {
        let dialog = Dialog::of_request(request, tag, self.edge(flow))?;
        Some(Dialog {
            secure: self.is_secure(flow) && asks_for_tls(request),
            ..dialog
        })
    }

    /// The connections that a new request of that kind may take, the best first: those whose server asked to be left alone
    /// are passed over (RFC 3261, 21.5.4).
    pub(in crate::sip) fn ready_flows_for(
        &self,
        method: &Method,
        now: Instant,
    ) -> impl Iterator<Item = FlowId> {
        self.flows
            .iter()
            .filter(move |flow| flow.is_ready(&self.config))
            .filter(move |flow| flow.avoided_until(method, now).is_none())
            .map(|flow| flow.id)
    }

    /// The first connection for a request of that kind that is none of these; `secure`: of those with TLS.
    pub(in crate::sip) fn flow_beside(
        &self,
        tried: &[FlowId],
        method: &Method,
        secure: bool,
        now: Instant,
    ) -> Option<FlowId> {
        self.ready_flows_for(method, now)
            .find(|flow| !tried.contains(flow) && (!secure || self.is_secure(*flow)))
    }

    /// The connection for another try at a request outside of dialogs that its server could not forward, or wants none of for
    /// now (408, 504, and 503 that says how long; RFC 3261, 21.5.4): notes the latter. `None`: there is no other, or no use in it.
    pub(in crate::sip) fn flow_after(
        &mut self,
        tried: &[FlowId],
        transaction: &ClientTransaction<Purpose>,
        response: &Response,
        now: Instant,
    ) -> Option<FlowId> {
        let method = &transaction.request.method;
        match (response.status, response.headers.retry_after()) {
            (503, Some(pause)) => {
                let until = now + pause.min(LONGEST_AVOIDANCE);
                self.flow_mut(transaction.flow)?.avoid(method, until);
            }
            (408 | 504, _) => {}
            _ => return None,
        }
        let secure = transaction.draft.uri.is_sips();
        self.flow_beside(tried, method, secure, now)
    }

    /// The best connection for a request of that kind that is made whatever servers asked for: those that want none are the last.
    pub(in crate::sip) fn flow_at_any_rate(&self, method: &Method, now: Instant) -> Option<FlowId> {
        self.ready_flows_for(method, now)
            .next()
            .or_else(|| self.ready_flow())
    }

    /// For how long the servers of all connections want no such requests; zero where one takes them, or there is none.
    pub(in crate::sip) fn unwanted_for(&self, method: &Method, now: Instant) -> Duration {
        let ready = self.flows.iter().filter(|flow| flow.is_ready(&self.config));
        let pauses = ready.map(|flow| {
            let until = flow.avoided_until(method, now);
            until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
        });
        pauses.min().unwrap_or_default()
    }

    /// The connection for a new request of that kind; `secure`: one with TLS.
    ///
    /// # Errors
    /// There is none, or the servers of all of them want no such requests for a while.
    pub(in crate::sip) fn flow_for(
        &self,
        method: &Method,
        secure: bool,
        command: &'static str,
        now: Instant,
    ) -> Result<FlowId, Error> {
        let carries = |flow: &FlowId| !secure || self.is_secure(*flow);
        if let Some(flow) = self.ready_flows_for(method, now).find(carries) {
            return Ok(flow);
        }
        let ready = self.flows.iter().filter(|flow| flow.is_ready(&self.config));
        let ready = ready.filter(|flow| carries(&flow.id));
        let until = ready.filter_map(|flow| Some((flow.avoided_until(method, now)?, flow.id)));
        Err(match until.min() {
            Some((until, flow)) => Error::Overloaded {
                server: self.server_name(flow),
                command,
                wait: until.saturating_duration_since(now),
            },
            None => Error::NotReady {
                server: self.server_name(FlowId(0)),
                command,
            },
        })
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
        mut draft: Draft,
        cseq: u32,
        auth: Option<&mut Authorization>,
        flow: FlowId,
        purpose: Purpose,
        now: Instant,
    ) -> String {
        let branch = random::branch(&mut self.rng);
        draft.way.sent = self.edge(flow);
        let keep = matches!(purpose, Purpose::Register(_));
        let hop = self.hop(flow, keep);
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

    /// The hop that a request over that flow begins at.
    pub(in crate::sip) fn hop(&self, flow: FlowId, keep: bool) -> Hop<'_> {
        let known = self.flow(flow);
        Hop {
            transport: known.map_or("WS", Flow::via_transport),
            sent_by: &self.agent.host,
            keep,
            edge: self.edge(flow),
            url: known.map_or("", |flow| flow.url.as_str()),
        }
    }

    /// The connection that a flow has, or had last.
    pub(in crate::sip) fn edge(&self, flow: FlowId) -> Option<Edge> {
        let connection = self.flow(flow)?.connection;
        Some(Edge { flow, connection })
    }

    /// Whether the far side's requests in a dialog take a connection of ours that is no more.
    pub(in crate::sip) fn is_cut_off(&self, dialog: &Dialog) -> bool {
        let Some(edge) = dialog.edge.filter(|_| hangs_on_edge(&dialog.routes)) else {
            return false;
        };
        let Some(flow) = self.flow(edge.flow) else {
            return false;
        };
        // Without a token any connection to that edge will do.
        let found = flow.connection == edge.connection || !has_token(&dialog.routes);
        !flow.is_open() || !found
    }

    /// Puts a request on a flow without a transaction of its own: an ACK. Without a connection it is not said: the far side
    /// asks for it again with another copy of its answer.
    pub(in crate::sip) fn send_request(&mut self, request: &OutgoingRequest, flow: FlowId) {
        let open = self.flow(flow).filter(|flow| flow.is_open());
        if !open.is_some_and(|flow| flow.carries(request.secure)) {
            return;
        }
        self.send(Payload::Text(request.to_text()), flow);
    }

    /// Puts a message on a flow.
    pub(in crate::sip) fn send(&mut self, payload: Payload, flow: FlowId) {
        self.outbox.push_back(match payload {
            Payload::Text(text) => Output::Send { flow, text },
            Payload::Bytes(bytes) => Output::SendBytes { flow, bytes },
        });
    }

    /// Sends the CANCEL of an INVITE. `false`: nothing provisional came that would allow it yet (RFC 3261, 9.1).
    pub(in crate::sip) fn cancel(
        &mut self,
        branch: &str,
        reason: Option<&str>,
        now: Instant,
    ) -> bool {
        if !self.clients.is_proceeding(branch) {
            return false;
        }
        let Some(transaction) = self.clients.get(branch, &Method::Invite) else {
            return false;
        };
        let cancel = draft::cancel(&transaction.request, reason);
        let (flow, draft, cseq) = (
            transaction.flow,
            transaction.draft.clone(),
            transaction.cseq,
        );
        self.send_request(&cancel, flow);
        let owner = Owner::Request(branch.to_owned(), Method::Cancel.to_string());
        self.deadlines
            .set(Deadline::Response, owner, now + TRANSACTION);
        self.clients
            .begin(branch, Purpose::Nobody, flow, draft, cseq, cancel);
        // 9.1: without a final answer within 64 x T1 the INVITE is over.
        let owner = Owner::Request(branch.to_owned(), Method::Invite.to_string());
        self.deadlines
            .set(Deadline::CancelledAnswer, owner, now + TRANSACTION);
        true
    }

    /// Answers a request that has no transaction: a stray, a flood, a malformed one.
    pub(in crate::sip) fn answer_bare(&mut self, flow: FlowId, bare: &Bare, status: u16) {
        let mut response = OutgoingResponse::to(bare, status, &random::token(&mut self.rng));
        self.sign_response(&mut response);
        self.send(response.to_payload(), flow);
    }

    /// Answers a request, over the connection that it came on (RFC 3261, 18.2.2), or over one that lives when that is
    /// gone. Where none does, a final answer waits for the next one; a 2xx to an INVITE is said again by its call.
    pub(in crate::sip) fn answer(
        &mut self,
        key: &ServerKey,
        mut response: OutgoingResponse,
        now: Instant,
    ) {
        let Some(transaction) = self.servers.get(key) else {
            return;
        };
        let (came_on, secure) = (transaction.flow, transaction.secure);
        let transaction_is_invite = transaction.method == Method::Invite;
        let flow = match self.flow(came_on) {
            Some(flow) if flow.is_open() => Some(came_on),
            _ => self.way_for(secure),
        };
        self.sign_response(&mut response);
        let owner = Owner::Served(key.clone());
        self.deadlines.clear(Deadline::TryingDue, &owner);
        let patience = if transaction_is_invite {
            CALLER_PATIENCE
        } else {
            TRANSACTION
        };
        match self.servers.on_answer(key, &response, flow) {
            After::Waiting => {}
            After::Owed => {
                self.deadlines
                    .set(Deadline::AnswerOwed, owner, now + patience);
            }
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
            self.send(response.to_payload(), flow);
        }
    }

    /// A connection is there, or one is gone: final answers that went nowhere are said.
    pub(in crate::sip) fn say_owed(&mut self, now: Instant) {
        for secure in [false, true] {
            if let Some(flow) = self.way_for(secure) {
                self.say_owed_over(flow, secure, now);
            }
        }
    }

    fn say_owed_over(&mut self, flow: FlowId, secure: bool, now: Instant) {
        for owed in self.servers.say_owed(flow, secure) {
            let owner = Owner::Served(owed.key);
            self.deadlines.clear(Deadline::AnswerOwed, &owner);
            if owed.next == After::RefusalAck {
                self.deadlines
                    .set(Deadline::RefusalAck, owner, now + TRANSACTION);
            }
            self.send(owed.payload, flow);
        }
    }

    /// Says who answers. Done before an answer is kept for its copies, which are to be the same (RFC 3261, 13.3.1.4).
    pub(in crate::sip) fn sign_response(&self, response: &mut OutgoingResponse) {
        if response.status > 100 && response.content.get(&HeaderName::Server).is_none() {
            response
                .content
                .push(&HeaderName::Server, self.config.user_agent.as_str());
        }
    }

    /// URL and headers that open a socket: with the token, where the configuration has a place for it there.
    pub(in crate::sip) fn socket_request(&self, url: String) -> (String, Vec<(String, Secret)>) {
        let Login::Token { token } = &self.config.login else {
            return (url, Vec::new());
        };
        match &self.config.socket_token {
            None => (url, Vec::new()),
            Some(SocketToken::Query(name)) => {
                let url = with_query(&url, &[(name, token.expose())]);
                (url, Vec::new())
            }
            Some(SocketToken::Header(name)) => {
                let value = if name.eq_ignore_ascii_case("authorization") {
                    Secret::new(format!("Bearer {}", token.expose()))
                } else {
                    token.clone()
                };
                (url, vec![(name.clone(), value)])
            }
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

/// Whether what a request begins has to stay within TLS: it is for a `sips:` address, or who is nearest to us in it has one (RFC 3261,
/// 12.1.1).
fn asks_for_tls(request: &Request) -> bool {
    let routes = request.headers.addresses(&HeaderName::RecordRoute);
    let first = routes.ok().and_then(|routes| routes.into_iter().next());
    let nearest = first.or_else(|| request.headers.address(&HeaderName::Contact));
    request.uri.is_sips() || nearest.is_some_and(|nearest| nearest.uri.is_sips())
}

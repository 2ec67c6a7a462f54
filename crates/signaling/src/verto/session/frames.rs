//! What the server sends: sorted into requests and replies, acknowledged, and its silence.

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::deadlines::{Deadline, Owner};
use crate::error::Error;
use crate::event::{DisconnectCause, Event};
use crate::session::Output;
use crate::verto::assistant::{NO_CONVERSATION, failure, is_no_conversation};
use crate::verto::dialect::differences::PingReply;
use crate::verto::liveness::MOST_PROBES;
use crate::verto::message::both::{Ack, Ping, Pong};
use crate::verto::message::client::ModifyResult;
use crate::verto::message::login::{ClientReady, GatewayState, GatewayStateResult, LoginResult};
use crate::verto::method::Method;
use crate::verto::requests::{CallRequest, Errand, Pending, Purpose};
use crate::verto::rpc::{ErrorObject, Frame, Id, Reply, Request, parse};
use crate::verto::session::machine::{Session, State};
use crate::verto::wording::write;

/// "Authentication required": says so to any request.
const AUTHENTICATION_REQUIRED: i64 = -32000;
/// How often a request is said again after such a refusal and a login.
const MOST_REPEATS: u8 = 2;
/// Numbers that can be seconds since 1970 of our days.
const SECONDS: std::ops::Range<i64> = 1_600_000_000..5_000_000_000;
/// Acknowledgements kept until `clientReady`; beyond that they are dropped, which servers do not mind.
const MOST_HELD_ACKS: usize = 256;

impl Session {
    pub(super) fn on_text(&mut self, text: &str, now: Instant) {
        if !self.has_socket() {
            return;
        }
        self.liveness.heard(now);
        for frame in parse(text) {
            // An unreadable frame has been counted as a sign of life; nothing can be answered to it.
            let Ok(frame) = frame else { continue };
            if let Some(token) = frame.voice_sdk_id() {
                self.memory.voice_sdk_id = Some(token.to_owned());
            }
            match frame {
                Frame::Request(request) => self.on_request(request, now),
                Frame::Reply(reply) => self.on_reply(reply, now),
                Frame::Refusal(refusal) => self.on_refusal(refusal.id, refusal.error, now),
            }
            if !self.has_socket() {
                return; // what the frame led to ended this socket: the rest of the batch belongs to the past
            }
        }
        if self.is_open() {
            self.memory.heard = Some(now);
            self.plan_probe();
        }
    }

    fn has_socket(&self) -> bool {
        match &self.state {
            State::Idle | State::Waiting | State::Connecting | State::Stopped => false,
            State::LoggingIn(_) | State::AwaitingReady(_) | State::Registering(_) => true,
            State::Ready | State::Doubting(_) | State::Stopping => true,
        }
    }

    // ---- requests ----

    fn on_request(&mut self, request: Request, now: Instant) {
        let Some(method) = self.config.dialect.read_method(&request.method) else {
            return; // unknown methods are ignored, never refused
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "what remains is about a call, or nothing for us"
        )]
        match method {
            Method::ClientReady => {
                let message: ClientReady = request.read().unwrap_or_default();
                self.on_client_ready(message, now);
            }
            Method::GatewayState => {
                if let Some(state) = request
                    .read::<GatewayState>()
                    .ok()
                    .and_then(|message| message.state)
                {
                    self.on_gateway_state(state, now);
                }
            }
            Method::Ping => self.on_ping(request, now),
            Method::Punt => self.on_punt(now),
            Method::Event => self.on_channel_event(&request.params, now),
            Method::Prompt => self.on_prompt(&request.params),
            Method::Announce => self.on_announcement(&request.params),
            Method::Conversation => self.on_conversation(&request.params),
            Method::Candidate | Method::EndOfCandidates => {
                self.on_remote_candidate(method, request, now);
            }
            method => self.on_call_request(method, request, now),
        }
    }

    /// Acknowledges a request of the server where its dialect wants that.
    pub(super) fn acknowledge(&mut self, method: Method, id: Option<Id>) {
        if self.config.dialect.acked.contains(&method) {
            self.acknowledge_always(method, id);
        }
    }

    fn acknowledge_always(&mut self, method: Method, id: Option<Id>) {
        if id.is_none() {
            return;
        }
        let ack = Ack {
            method: self.config.dialect.spell(method),
        };
        let text = Frame::Reply(Reply {
            id,
            result: write(&ack),
            voice_sdk_id: None,
        })
        .to_text();
        if let State::AwaitingReady(awaiting) = &mut self.state {
            if awaiting.acks.len() < MOST_HELD_ACKS {
                awaiting.acks.push(text);
            }
        } else if self.is_open() {
            self.outbox.push_back(Output::Send(text));
        }
    }

    fn on_ping(&mut self, mut request: Request, now: Instant) {
        let id = request.id.take();
        let ping: Ping = request.read().unwrap_or_default();
        // FreeSWITCH counts its pings by the clock.
        let second = ping.serno.filter(|serno| SECONDS.contains(serno));
        if let Some(second) = second.and_then(|second| u64::try_from(second).ok()) {
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            if self.clock.learn(date, now) {
                self.plan_token(now);
            }
        }
        self.on_auth_expires(ping.auth_expires, false, now);
        match self.config.dialect.ping_reply {
            PingReply::Ack => self.acknowledge_always(Method::Ping, id),
            PingReply::OwnPing => self.probe(now),
        }
    }

    // ---- replies ----

    fn on_reply(&mut self, reply: Reply, now: Instant) {
        let pending = self.take_pending(reply.id.as_ref(), now);
        // The gateway's state counts wherever it stands: some gateways answer under another id.
        let told = gateway_state(&reply.result);
        let state = told.as_ref().and_then(|told| told.state.clone());
        if let Some(key) = told.and_then(|told| told.call_report_id)
            && self.memory.report_key.as_ref() != Some(&key)
        {
            self.memory.report_key = Some(key.clone());
            self.tell(Event::ReportKey { id: key });
        }
        let Some(pending) = pending else {
            if let Some(state) = state {
                self.on_gateway_state(state, now);
            }
            return;
        };
        match pending.purpose {
            Purpose::Login => self.on_logged_in(read(reply.result), now),
            Purpose::LoginAgain => self.on_logged_in_again(read(reply.result), now),
            Purpose::GatewayState => {
                self.on_gateway_state(state.unwrap_or_else(|| "unknown".to_owned()), now)
            }
            Purpose::Probe => {
                let pong: Pong = serde_json::from_value(reply.result).unwrap_or_default();
                self.on_auth_expires(pong.auth_expires, false, now);
                self.on_proof(now);
            }
            Purpose::Errand(errand) => {
                self.on_errand_done(errand, pending.method, reply.result, now)
            }
            Purpose::Call(call, request) => {
                let server = self.server.clone();
                let result: ModifyResult = serde_json::from_value(reply.result).unwrap_or_default();
                let confirms = self.config.dialect.confirms_digits;
                if request == CallRequest::Dtmf && confirms && result.message.is_none() {
                    return self.step(&call, now, |dialog, fx| dialog.on_unsent(&server, fx));
                }
                self.step(&call, now, |dialog, fx| {
                    dialog.on_done(request, result, &server, fx)
                });
            }
        }
    }

    fn on_refusal(&mut self, id: Option<Id>, error: ErrorObject, now: Instant) {
        let Some(pending) = self.take_pending(id.as_ref(), now) else {
            return; // to nothing of ours, or to something that the server could not even read
        };
        match pending.purpose {
            Purpose::Login => return self.on_login_refused(false, error, now),
            Purpose::LoginAgain => return self.on_login_refused(true, error, now),
            Purpose::GatewayState | Purpose::Probe | Purpose::Call(..) | Purpose::Errand(_) => {}
        }
        let login_wanted = error.code == Some(AUTHENTICATION_REQUIRED);
        if login_wanted && pending.repeats < MOST_REPEATS && self.state != State::Stopping {
            // Of several answers to offers of one call only the last still means anything.
            if pending.method == Method::Attach {
                self.unheard.retain(|older| {
                    older.method != Method::Attach || older.purpose != pending.purpose
                });
            }
            self.unheard.push(pending);
            return self.log_in_again(now);
        }
        match pending.purpose {
            Purpose::Errand(errand) => self.on_errand_refused(errand, error),
            // Without an identity, only what an assistant needs is allowed.
            Purpose::Call(call, request)
                if self.is_anonymous()
                    && request.is_wish()
                    && request != CallRequest::UpdateMedia
                    && error.message.as_deref() != Some("CALL DOES NOT EXIST")
                    && !error.is_servers_own() =>
            {
                let said = error.in_words();
                let command = request.name();
                let error = Error::NotWithAnonymous { command, said };
                self.tell(request.failed(call, error));
            }
            Purpose::Call(call, CallRequest::Invite) if self.is_anonymous() && !login_wanted => {
                let (server, online) = (self.server.clone(), self.is_open());
                let error = explained(error, &server);
                self.step(&call, now, |dialog, fx| {
                    dialog.on_refused(CallRequest::Invite, error, None, &server, online, fx)
                });
            }
            // A bye has to reach the server: it is said again on the next socket.
            Purpose::Call(call, request) if !(login_wanted && request == CallRequest::Bye) => {
                let (server, online) = (self.server.clone(), self.is_open());
                let words = error.message.as_deref().unwrap_or_default();
                let setting = self.config.dialect.setting(error.code, words);
                self.step(&call, now, |dialog, fx| {
                    dialog.on_refused(request, error, setting, &server, online, fx)
                });
            }
            // A server that knows no ping, or denies it to this user, has answered all the same.
            Purpose::Probe if !login_wanted => self.on_proof(now),
            Purpose::GatewayState if !login_wanted => {
                self.on_gateway_state("unknown".to_owned(), now)
            }
            Purpose::Call(..)
            | Purpose::Probe
            | Purpose::GatewayState
            | Purpose::Login
            | Purpose::LoginAgain => {
                let reason = error
                    .message
                    .unwrap_or_else(|| "no reason given".to_owned());
                let (server, method) = (self.server.clone(), pending.method.name());
                self.tell(Event::Failed(Error::Refused {
                    server,
                    method,
                    code: error.code,
                    setting: self.config.dialect.setting(error.code, &reason),
                    reason,
                }));
                self.lose(DisconnectCause::LoginForgotten, now);
            }
        }
    }

    fn take_pending(&mut self, id: Option<&Id>, now: Instant) -> Option<Pending> {
        let Some(Id::Text(id)) = id else {
            return None; // our ids are texts
        };
        let pending = self.requests.take_replied(id)?;
        self.liveness.replied(now);
        self.deadlines.clear_owner(&Owner::Request(id.clone()));
        Some(pending)
    }

    // ---- silence ----

    /// A request got no reply in time.
    pub(super) fn on_no_reply(&mut self, id: String, pending: Pending, now: Instant) {
        let deadline = pending.purpose.deadline();
        if counts_late(&pending.purpose) {
            self.requests.keep_overdue(id, pending.clone());
        }
        match pending.purpose {
            Purpose::Login | Purpose::LoginAgain | Purpose::GatewayState | Purpose::Probe => {
                self.lose(DisconnectCause::Silent(deadline), now);
            }
            Purpose::Errand(errand) => {
                let error = self.silent(deadline);
                self.on_errand_failed(errand, error);
                self.probe_once(now);
            }
            Purpose::Call(call, request) => {
                let (error, online) = (self.silent(deadline), self.is_open());
                self.step(&call, now, |dialog, fx| {
                    dialog.on_silence(request, error, online, fx)
                });
                self.probe_once(now);
            }
        }
    }

    /// Perhaps it is not only one request that gets no answer.
    pub(super) fn probe_once(&mut self, now: Instant) {
        if self.requests.count(&Purpose::Probe) == 0 {
            self.probe(now);
        }
    }

    /// Plans the next probe after what was heard last.
    pub(super) fn plan_probe(&mut self) {
        if self.is_open() && self.requests.count(&Purpose::Probe) == 0 {
            let at = self.liveness.probe_at(&self.config.dialect.probes);
            self.deadlines.set(Deadline::Probe, Owner::Session, at);
        }
    }

    /// Asks the server whether it lives.
    pub(super) fn probe(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::Probe, &Owner::Session);
        if !self.is_open() || self.requests.count(&Purpose::Probe) >= MOST_PROBES {
            return;
        }
        let params = Value::Object(serde_json::Map::new());
        let pending = Pending {
            purpose: Purpose::Probe,
            method: Method::Ping,
            params: params.clone(),
            repeats: 0,
        };
        self.ask(
            pending,
            params,
            self.config.dialect.probes.reply_within,
            now,
        );
    }
}

/// A refused call to an assistant: the gateway may look for the conversation only then.
/// Whether an answer still means something when nobody waits for it any more.
fn counts_late(purpose: &Purpose) -> bool {
    match purpose {
        // What the server sends us then lasts as long as the socket.
        Purpose::Errand(Errand::Subscribe { .. } | Errand::Unsubscribe) => true,
        // One that wants another login first has not ended the call there.
        Purpose::Call(_, CallRequest::Bye) => true,
        Purpose::Call(..) | Purpose::Errand(_) => false,
        Purpose::Login | Purpose::LoginAgain | Purpose::GatewayState | Purpose::Probe => false,
    }
}

fn explained(mut error: ErrorObject, server: &str) -> ErrorObject {
    let words = error.message.as_deref().unwrap_or_default();
    if is_no_conversation(error.code, words) {
        error.message = Some(failure(server, Some(NO_CONVERSATION), words).to_string());
    }
    error
}

fn gateway_state(result: &Value) -> Option<GatewayState> {
    result.get("params")?;
    serde_json::from_value::<GatewayStateResult>(result.clone())
        .ok()?
        .params
}

fn read(result: Value) -> LoginResult {
    serde_json::from_value(result).unwrap_or_default()
}

//! A gateway of either dialect as the protocol notes describe it, with the moods that servers have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use offhook_signaling::auth::jwt::Lifetime;
use offhook_signaling::verto::dialect::differences::{Dialect, Readiness};
use offhook_signaling::verto::message::client::{CallResult, ClientCall};
use offhook_signaling::verto::message::login::{
    AnonymousLoginParams, ClientReady, GatewayState, GatewayStateResult, LoginParams, LoginResult,
};
use offhook_signaling::verto::message::server::ServerCall;
use offhook_signaling::verto::method::Method;
use offhook_signaling::verto::rpc::{ErrorObject, Frame, Id, Refusal, Reply, Request, parse};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use crate::verto::network::{Act, Happening, Socket};

/// The wall clock at the beginning of each world, since 1970.
pub(crate) const EPOCH: Duration = Duration::from_secs(1_800_000_000);
/// Whom anonymous users call.
pub(super) const ASSISTANT: &str = "assistant-1";
pub(super) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\n";

/// What the gateway wants done: something happens after a while.
pub(crate) type Plans = Vec<(Duration, Happening)>;

/// The gateway and everybody behind it.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(super) dialect: Dialect,
    pub(super) rng: StdRng,
    pub(super) connection: Option<Connection>,
    pub(super) sessid: Option<String>,
    pub(super) calls: BTreeMap<String, Call>,
    /// Calls that the far side has ended at some time.
    pub(super) far_ended: BTreeSet<String>,
    pub(super) serial: u64,
    pub(super) sessions: u64,
    /// Moods, set by faults.
    pub(crate) refusals: VecDeque<i64>,
    pub(crate) want_login: u32,
    pub(crate) states: VecDeque<&'static str>,
    /// What the client did wrong.
    pub(crate) fault: Option<String>,
    /// Channels of the present socket, each with its next number and how many were skipped since the last.
    pub(super) channels: BTreeMap<String, (i64, u64)>,
    pub(super) born: Instant,
    pub(crate) plans: Plans,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: Socket,
    pub(super) logged_in: bool,
    pub(super) heard: Instant,
    /// Told that another client has taken over: nothing it says counts any more.
    pub(super) punted: bool,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) answered: bool,
    pub(super) media: bool,
    pub(super) detached: Option<Instant>,
}

impl Gateway {
    pub(crate) fn new(dialect: Dialect, seed: u64, born: Instant) -> Self {
        Self {
            dialect,
            rng: StdRng::seed_from_u64(seed),
            connection: None,
            sessid: None,
            calls: BTreeMap::new(),
            far_ended: BTreeSet::new(),
            serial: 0,
            sessions: 0,
            refusals: VecDeque::new(),
            want_login: 0,
            states: VecDeque::new(),
            fault: None,
            channels: BTreeMap::new(),
            born,
            plans: Plans::new(),
        }
    }

    /// Calls that the gateway believes to be connected to the client.
    pub(crate) fn attached(&self) -> Vec<String> {
        let attached = self
            .calls
            .iter()
            .filter(|(_, call)| call.detached.is_none());
        attached.map(|(name, _)| name.clone()).collect()
    }

    /// Whether it holds a call, connected to the client or not.
    pub(crate) fn knows(&self, call: &str) -> bool {
        self.calls.contains_key(call)
    }

    pub(crate) fn has_ended(&self, call: &str) -> bool {
        self.far_ended.contains(call)
    }

    pub(super) fn odds(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    pub(super) fn soon(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from_ms..=to_ms))
    }

    // ---- sockets ----

    pub(crate) fn client_gone(&mut self, socket: Socket, now: Instant) {
        if self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.socket == socket)
        {
            self.connection = None;
            self.channels.clear();
            self.detach(now);
        }
    }

    fn detach(&mut self, now: Instant) {
        let keeps = self.dialect.keeps_unanswered;
        self.calls.retain(|_, call| call.answered || keeps);
        for call in self.calls.values_mut() {
            call.detached = call.detached.or(Some(now));
        }
    }

    // ---- frames ----

    pub(crate) fn receive(&mut self, socket: Socket, text: &str, now: Instant) {
        if self
            .connection
            .as_ref()
            .is_none_or(|connection| connection.socket != socket)
        {
            // The client has a newer socket than we know of: whatever was is gone once it logs in.
            if self
                .connection
                .as_ref()
                .is_some_and(|connection| connection.socket > socket)
            {
                return;
            }
            self.detach(now);
            self.channels.clear();
            self.connection = Some(Connection {
                socket,
                logged_in: false,
                heard: now,
                punted: false,
            });
        }
        if let Some(connection) = &mut self.connection {
            if connection.punted {
                return;
            }
            connection.heard = now;
        }
        for frame in parse(text) {
            match frame {
                Ok(Frame::Request(request)) => self.on_request(socket, request, now),
                Ok(Frame::Reply(_)) => {}
                Ok(Frame::Refusal(_)) => self.blame("answered a request with an error"),
                Err(unreadable) => self.blame(&format!("sent what cannot be read: {unreadable}")),
            }
        }
    }

    pub(super) fn blame(&mut self, fault: &str) {
        self.fault
            .get_or_insert_with(|| format!("the client {fault}"));
    }

    fn on_request(&mut self, socket: Socket, request: Request, now: Instant) {
        if !request.params.is_object() || !matches!(request.id, Some(Id::Text(_))) {
            self.blame("sent a request without an object of params or without an id");
        }
        let id = request.id.clone();
        let Some(method) = self.dialect.read_method(&request.method) else {
            return self.blame(&format!("asked for {}", request.method));
        };
        if matches!(method, Method::Login | Method::AnonymousLogin) {
            return self.on_login(socket, id, request, now);
        }
        if !self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.logged_in)
        {
            return self.refuse(socket, id, -32000, "Authentication Required");
        }
        if self.want_login > 0 {
            self.want_login -= 1;
            return self.refuse(socket, id, -32000, "Authentication Required");
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "everything else is about a call"
        )]
        match method {
            Method::Ping => self.reply(
                socket,
                id,
                &CallResult {
                    message: Some("PONG".into()),
                    ..CallResult::default()
                },
            ),
            Method::GatewayState => {
                let state = Some(self.states.pop_front().unwrap_or("REGED").to_owned());
                let params = Some(GatewayState {
                    state,
                    call_report_id: None,
                });
                self.reply(
                    socket,
                    id,
                    &GatewayStateResult {
                        params,
                        sessid: self.sessid.clone(),
                    },
                );
            }
            Method::Subscribe | Method::Unsubscribe | Method::FsApi => {
                self.on_errand(socket, method, id, &request.params);
            }
            Method::Conversation => self.reply(socket, id, &CallResult::default()),
            Method::Info if request.params.get("msg").is_some() => {
                let message = Some("SENT".into());
                let sent = CallResult {
                    message,
                    ..CallResult::default()
                };
                self.reply(socket, id, &sent);
            }
            method => self.on_call_request(socket, method, id, request, now),
        }
    }

    fn on_login(&mut self, socket: Socket, id: Option<Id>, request: Request, now: Instant) {
        if let Some(code) = self.refusals.pop_front() {
            return self.refuse(socket, id, code, "Authentication Failure");
        }
        if request.method == "anonymous_login" {
            let params = request.read::<AnonymousLoginParams>().ok();
            let Some(params) =
                params.filter(|params| params.target_id.as_deref() == Some(ASSISTANT))
            else {
                return self.blame("sent an anonymous login to another assistant");
            };
            return self.let_in(socket, id, params.sessid, now);
        }
        let Ok(params) = request.read::<LoginParams>() else {
            return self.blame("sent a login that cannot be read");
        };
        if let Some(token) = &params.login_token {
            let life = Lifetime::read(token.expose()).unwrap_or_default();
            let ends = Duration::from_secs(life.expires.unwrap_or_default());
            if ends <= EPOCH + (now - self.born) {
                return self.refuse(socket, id, -32001, "Login Incorrect");
            }
        } else if params
            .passwd
            .is_none_or(|secret| secret.expose() != "secret")
        {
            return self.blame("sent a login without the password");
        }
        self.let_in(socket, id, params.sessid, now);
    }

    fn let_in(&mut self, socket: Socket, id: Option<Id>, sessid: Option<String>, now: Instant) {
        let again = self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.logged_in);
        if !again {
            let limit = self.dialect.detach_limit;
            self.calls
                .retain(|_, call| call.detached.is_none_or(|since| now < since + limit));
            let asked = sessid.filter(|sessid| !sessid.is_empty());
            if self.dialect.readiness == Readiness::ClientReady {
                self.sessid = asked.or_else(|| Some("server-made".into()));
            } else if asked.is_none() || asked != self.sessid {
                self.sessions += 1;
                self.sessid = Some(format!("s-{}", self.sessions));
                self.calls.clear();
            }
            if let Some(connection) = &mut self.connection {
                connection.logged_in = true;
            }
        }
        let result = LoginResult {
            message: Some("logged in".into()),
            sessid: self.sessid.clone(),
            ..LoginResult::default()
        };
        self.reply(socket, id, &result);
        if !again {
            self.offer_calls(socket);
        } else if self.dialect.gateway_fields && self.odds(30) {
            // Some gateways are ready again, with a list that means nothing.
            self.request(socket, Method::ClientReady, &ClientReady::default());
        }
    }

    fn offer_calls(&mut self, socket: Socket) {
        let names: Vec<String> = self.calls.keys().cloned().collect();
        let mut kept = Vec::new();
        for name in names {
            if self.odds(10) {
                self.calls.remove(&name);
                continue;
            }
            if self.dialect.readiness == Readiness::ClientReady {
                self.offer(socket, &name);
            } else if !self.odds(5) {
                let delay = self.soon(100, 3_000);
                self.plans
                    .push((delay, Happening::FarSide(name.clone(), Act::Offer)));
            }
            kept.push(name);
        }
        let listed = if self.odds(20) { Vec::new() } else { kept };
        let state = (self.dialect.gateway_fields && self.odds(10)).then(|| "REGED".to_owned());
        if self.odds(97) {
            self.request(
                socket,
                Method::ClientReady,
                &ClientReady {
                    reattached_sessions: listed,
                    state,
                },
            );
        }
        let delay = self.soon(15_000, 30_000);
        self.plans.push((delay, Happening::GatewayPing(socket)));
    }

    pub(super) fn offer(&mut self, socket: Socket, call: &str) {
        let attach = ServerCall {
            display_direction: Some("inbound".into()),
            ..about(call, true)
        };
        self.request(socket, Method::Attach, &attach);
    }

    fn on_call_request(
        &mut self,
        socket: Socket,
        method: Method,
        id: Option<Id>,
        request: Request,
        _now: Instant,
    ) {
        let params = request.params.clone();
        let Ok(message) = request.read::<ClientCall>() else {
            return self.blame("sent a message that cannot be read");
        };
        let Some(name) = message.dialog_params.call_id else {
            return self.blame("left the call out");
        };
        if self.odds(2) {
            if method == Method::Bye {
                self.calls.remove(&name);
            }
            return; // never answered
        }
        let done = CallResult {
            call_id: Some(name.clone()),
            ..CallResult::default()
        };
        if method == Method::Invite {
            return self.on_invite(socket, id, name);
        }
        if method == Method::Info {
            return self.reply(
                socket,
                id,
                &CallResult {
                    message: Some("SENT".into()),
                    ..done
                },
            );
        }
        let Some(call) = self.calls.get_mut(&name) else {
            return self.refuse(socket, id, -32002, "CALL DOES NOT EXIST");
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "a client has no other messages about a call"
        )]
        match method {
            Method::Answer | Method::Attach => {
                if method == Method::Answer && call.answered {
                    return self.blame("answered a call twice");
                }
                call.answered = true;
                call.media = true;
                call.detached = None;
                if self.odds(3) {
                    self.calls.remove(&name);
                    return self.refuse(socket, id, -32002, "CODEC ERROR");
                }
                self.reply(socket, id, &done);
                if method == Method::Answer {
                    self.plan_talk(&name);
                }
            }
            Method::Modify => self.on_modify(socket, id, name, &params),
            Method::Bye => {
                self.calls.remove(&name);
                if self.odds(10) {
                    let text = reply_text(id, &done);
                    self.plans.push((
                        Duration::from_secs(7),
                        Happening::GatewayReply(socket, text),
                    ));
                } else {
                    self.reply(socket, id, &done);
                }
            }
            _ => self.blame(&format!("sent {method}")),
        }
    }

    fn on_invite(&mut self, socket: Socket, id: Option<Id>, name: String) {
        if self.odds(5) {
            // Twice the same key, as FreeSWITCH does it.
            let id = serde_json::to_string(&id).unwrap_or_default();
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"message":"Cannot create channel","code":-32002,"message":"CALL ERROR"}}}}"#
            );
            return self.send(socket, text);
        }
        self.calls.insert(
            name.clone(),
            Call {
                answered: false,
                media: false,
                detached: None,
            },
        );
        self.reply(
            socket,
            id,
            &CallResult {
                message: Some("CALL CREATED".into()),
                ..CallResult::default()
            },
        );
        let mut at = self.soon(100, 2_000);
        let ring = self.dialect.acked.contains(&Method::Ringing);
        let mut acts = Vec::new();
        if ring {
            acts.push(Act::Ring);
        }
        if self.odds(30) {
            acts.push(Act::Media);
        }
        match self.rng.random_range(0..20) {
            0 => {}
            1..=4 => acts.push(Act::HangUp),
            _ => acts.push(Act::Answer),
        }
        for act in acts {
            self.plans.push((at, Happening::FarSide(name.clone(), act)));
            at += self.soon(1, 10_000);
        }
    }

    pub(super) fn plan_talk(&mut self, name: &str) {
        for (percent, act, most) in [
            (50, Act::HangUp, 400_000),
            (10, Act::Display, 60_000),
            (10, Act::Renegotiate, 200_000),
        ] {
            if self.odds(percent) {
                let at = self.soon(5_000, most);
                self.plans
                    .push((at, Happening::FarSide(name.to_owned(), act)));
            }
        }
    }

    // ---- writing ----

    pub(super) fn request(&mut self, socket: Socket, method: Method, params: &impl Serialize) {
        self.serial += 1;
        let Ok(mut request) =
            Request::new(Id::from(self.serial), self.dialect.spell(method), params)
        else {
            return;
        };
        request.voice_sdk_id = self.dialect.gateway_fields.then(|| "instance-1".to_owned());
        self.send(socket, Frame::Request(request).to_text());
    }

    pub(super) fn reply(&mut self, socket: Socket, id: Option<Id>, result: &impl Serialize) {
        let text = reply_text(id, result);
        self.send(socket, text);
    }

    pub(super) fn refuse(&mut self, socket: Socket, id: Option<Id>, code: i64, text: &str) {
        let refusal = Refusal {
            id,
            error: ErrorObject::new(code, text),
            voice_sdk_id: None,
        };
        self.send(socket, Frame::Refusal(refusal).to_text());
    }

    pub(super) fn send(&mut self, socket: Socket, text: String) {
        if self.odds(2) {
            const RUBBISH: [&str; 5] = [
                "#SPU 3",
                "[]",
                r#"{"jsonrpc":"2.0","id":null,"error":{"message":"Invalid Request"}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"verto.unheardOf","params":[]}"#,
                r#"{"jsonrpc":"2.0","id":2,"method":"telnyx_rtc.bye","params":{"callID":"nobody"}}"#,
            ];
            let rubbish = RUBBISH[self.rng.random_range(0..RUBBISH.len())].to_owned();
            self.plans
                .push((Duration::ZERO, Happening::ToClient(socket, rubbish)));
        }
        self.plans
            .push((Duration::ZERO, Happening::ToClient(socket, text)));
    }
}

pub(super) fn about(call: &str, sdp: bool) -> ServerCall {
    ServerCall {
        call_id: Some(call.to_owned()),
        sdp: sdp.then(|| SDP.to_owned()),
        caller_id_name: Some("Far side".into()),
        caller_id_number: Some("4711".into()),
        ..ServerCall::default()
    }
}

fn reply_text(id: Option<Id>, result: &impl Serialize) -> String {
    Reply::new(id, result)
        .map(|reply| Frame::Reply(reply).to_text())
        .unwrap_or_default()
}

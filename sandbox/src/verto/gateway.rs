//! The gateway: every socket and session of Verto over one exchange. One `handle`, then `poll` until `Wait`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Instant, SystemTime};

use offhook_signaling::cause::Cause;
use offhook_signaling::sip::message::outgoing::Payload;
use offhook_signaling::verto::message::both::Ping;
use offhook_signaling::verto::method::Method;
use offhook_signaling::verto::rpc::{self, Frame, Request, Unreadable};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::args::DialectChoice;
use crate::assistant::settings::AssistantSettings;
use crate::assistant::stand_in::Assistants;
use crate::call_report::book::Book;
use crate::call_report::post::Report;
use crate::face::{FREESWITCH, Face, TELNYX};
use crate::fault::gateway::{GatewayFault, Wishes};
use crate::fault::order::Order;
use crate::limits::Limits;
use crate::rest::account::Account;
use crate::rest::message::{self as rest, Registrations};
use crate::rest::settings::RestSettings;
use crate::sip::location::Location;
use crate::sip::server::{Around, Server};
use crate::sip::settings::SipSettings;
use crate::switch::cause::{SYSTEM_SHUTDOWN, cause};
use crate::switch::exchange::{Effect, Exchange, OwnCall};
use crate::switch::leg::{LegEvent, LegId};
use crate::switch::media::{MediaCommand, MediaId, MediaNotice};
use crate::verto::conference::Conferences;
use crate::verto::frames::{INVALID_METHOD, INVALID_REQUEST};
use crate::verto::line::Item;
use crate::verto::mishaps::LateOffer;
use crate::verto::second_login::SecondLogin;
use crate::verto::session::{Session, SessionId};
use crate::verto::socket::{Due, Socket, SocketId};
use crate::verto::trickle::Awaited;

/// What the gateway is told at its start.
#[derive(Debug, Clone)]
pub(crate) struct GatewayConfig {
    pub(crate) dialect: DialectChoice,
    pub(crate) limits: Limits,
    pub(crate) rest: RestSettings,
    /// Of demo-1 to demo-9.
    pub(crate) password: String,
    pub(crate) faults: Wishes,
    pub(crate) second_login: SecondLogin,
    /// Methods that a FreeSWITCH allows to nobody.
    pub(crate) denied: Vec<String>,
    pub(crate) assistant: AssistantSettings,
    pub(crate) sip: SipSettings,
    /// The time of day at the start: tokens expire by it.
    pub(crate) wall: SystemTime,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// A client's WebSocket is open.
    Opened(SocketId),
    /// A client sent text.
    Text(SocketId, &'a str),
    /// A client's WebSocket is open, and SIP is spoken on it, over this transport in the words of Via.
    SipOpened(SocketId, &'static str),
    /// A client sent a binary message, which only SIP has.
    Binary(SocketId, &'a [u8]),
    /// A client sent a WebSocket ping.
    Ping(SocketId, &'a [u8]),
    /// A client's WebSocket is gone.
    Closed(SocketId),
    /// The media side reports.
    Media(MediaId, MediaNotice),
    /// The operator wants a user called.
    CallUser(&'a str, &'a OwnCall),
    /// The operator wants something to go wrong.
    Order(Order),
    /// The instant of the last [`Output::Wait`] has come.
    Timeout,
    /// The operator wants an end.
    Shutdown,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// Write a text message.
    Send { socket: SocketId, text: String },
    /// Write a binary message.
    SendBytes { socket: SocketId, bytes: Vec<u8> },
    /// Answer a WebSocket ping.
    Pong { socket: SocketId, payload: Vec<u8> },
    /// Close, after what was written before; `Closed` follows.
    Close { socket: SocketId, code: u16 },
    /// Cut the connection, behind what was written before; `Closed` follows.
    Cut { socket: SocketId },
    /// The same in the middle of this message.
    CutFrame { socket: SocketId, payload: Payload },
    /// Read nothing more.
    Deafen { socket: SocketId },
    /// Tell the media side.
    Media(MediaCommand),
    /// Nothing more before this instant.
    Wait(Option<Instant>),
}

/// Every socket and session.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(super) config: GatewayConfig,
    pub(super) started: Instant,
    /// What the REST API made: users of their own.
    pub(super) account: Account,
    pub(super) assistants: Assistants,
    pub(super) call_reports: Book,
    /// When the input that is being handled happened.
    pub(super) now: Instant,
    pub(super) exchange: Exchange,
    pub(super) sockets: BTreeMap<SocketId, Socket>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    /// By name on the wire.
    pub(super) names: BTreeMap<String, SessionId>,
    /// Which call of which session a leg is.
    pub(super) legs: BTreeMap<LegId, (SessionId, String)>,
    /// What is to go wrong.
    pub(super) wishes: Wishes,
    pub(super) late_offers: BTreeMap<Instant, Vec<LateOffer>>,
    pub(super) conferences: Conferences,
    pub(super) awaited: Awaited,
    sip: Server,
    deadlines: BTreeSet<(Instant, SocketId)>,
    pub(super) outputs: VecDeque<Output>,
    rng: StdRng,
    request_id: u64,
    pub(super) session_serial: u64,
}

impl Gateway {
    pub(crate) fn new(config: GatewayConfig, seed: [u8; 32], now: Instant) -> Self {
        let mut rng = StdRng::from_seed(seed);
        Self {
            account: Account::new(config.rest.clone(), rng.random()),
            wishes: config.faults.clone(),
            assistants: Assistants::default(),
            call_reports: Book::default(),
            exchange: Exchange::new(config.limits.detached_for),
            sip: Server::new(config.sip.clone(), rng.random(), now),
            config,
            started: now,
            now,
            sockets: BTreeMap::new(),
            sessions: BTreeMap::new(),
            names: BTreeMap::new(),
            legs: BTreeMap::new(),
            late_offers: BTreeMap::new(),
            conferences: Conferences::default(),
            awaited: Awaited::default(),
            deadlines: BTreeSet::new(),
            outputs: VecDeque::new(),
            rng,
            request_id: 0,
            session_serial: 0,
        }
    }

    /// Takes one input. Never fails: what a client did wrong is answered, or costs it its socket.
    pub(crate) fn handle(&mut self, input: Input<'_>, now: Instant) {
        self.now = now;
        match input {
            Input::Opened(id) => {
                let voice_sdk_id = format!("VSDK{}", self.uuid());
                let within = self.config.limits.login_within;
                self.sockets
                    .insert(id, Socket::new(voice_sdk_id, within, now));
                self.reschedule(id);
            }
            Input::SipOpened(id, transport) => self.sip.opened(id, transport),
            Input::Text(id, text) if self.sip.has_socket(id) => {
                self.with_sip(|sip, around| sip.message(id, text.as_bytes(), around));
            }
            Input::Binary(id, bytes) => {
                self.with_sip(|sip, around| sip.message(id, bytes, around));
            }
            Input::Text(id, text) => {
                self.on_text(id, text, now);
                self.reschedule(id);
            }
            Input::Ping(id, payload) if self.sip.has_socket(id) => {
                self.sip.ping(id, payload, now);
            }
            Input::Ping(id, payload) => {
                self.on_ping(id, payload, now);
                self.reschedule(id);
            }
            Input::Closed(id) if self.sip.has_socket(id) => {
                self.with_sip(|sip, around| sip.closed(id, around));
            }
            Input::Closed(id) => self.drop_socket(id, now),
            Input::Media(media, notice) => self.exchange.media(media, notice, now),
            Input::CallUser(user, call) => {
                let rings = self.exchange.call_user(user, call, now);
                tracing::info!(user, rings, "calling");
            }
            Input::Order(order) => self.on_order(order, now),
            Input::Timeout => {
                self.exchange.handle_timeout(now);
                self.with_sip(Server::timeout);
                self.on_late_offers(now);
                self.on_socket_deadlines(now);
            }
            Input::Shutdown => {
                self.exchange.end_all(&cause(SYSTEM_SHUTDOWN));
                self.settle();
                let sockets: Vec<SocketId> = self.sockets.keys().copied().collect();
                for socket in sockets {
                    self.flush(socket);
                    self.close(socket, 1001);
                }
                self.sip.shut_down(now);
            }
        }
        self.settle();
    }

    /// Answers a request of the REST API.
    pub(crate) fn rest(&mut self, request: &rest::Request, now: Instant) -> rest::Answer {
        let wall = self.wall(now);
        self.account
            .answer(request, &Registered(&self.exchange), wall)
    }

    /// Takes a call report; says the HTTP status to answer with.
    pub(crate) fn call_report(&mut self, report: &Report) -> u16 {
        let user = self.call_reports.user(&report.id).unwrap_or_default();
        let fails = |fault| (fault == GatewayFault::ReportFails).then_some(());
        if self.wishes.take(user, fails).is_some() {
            return 500;
        }
        self.call_reports.take(report)
    }

    /// The next thing to do; ends with `Wait`.
    pub(crate) fn poll(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        let socket = self.deadlines.first().map(|(at, _)| *at);
        let late = self.late_offers.keys().next().copied();
        let switch = self.exchange.next_deadline();
        let next = [socket, late, switch, self.sip.next_deadline()];
        Output::Wait(next.into_iter().flatten().min())
    }

    fn on_text(&mut self, id: SocketId, text: &str, now: Instant) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        if socket.closing {
            return;
        }
        socket.hear(now);
        if text.starts_with('#') && socket.session.is_none() {
            // The speed test is for clients that logged in.
            return self.close(id, 1000);
        }
        for frame in rpc::parse(text) {
            self.on_frame(id, frame, now);
        }
    }

    fn on_frame(&mut self, id: SocketId, frame: Result<Frame, Unreadable>, now: Instant) {
        let telnyx = self.face_of(id).is_some_and(|face| face.telnyx_ids);
        match frame {
            Ok(Frame::Request(request)) => {
                tracing::debug!(socket = id.0, method = %request.method, "received");
                self.on_request(id, request, now);
            }
            // Acknowledgements are read by neither server.
            Ok(Frame::Reply(_)) => {}
            Ok(Frame::Refusal(refusal)) => {
                // FreeSWITCH takes whatever has no result for a request.
                if !telnyx {
                    self.refuse_method(id, refusal.id);
                }
            }
            Err(Unreadable::NoKind { id: request }) => self.refuse_method(id, request),
            Err(_) => self.refuse(id, None, INVALID_REQUEST, "Invalid Request"),
        }
    }

    fn on_request(&mut self, id: SocketId, request: Request, now: Instant) {
        let face = self.recognise(id, &request);
        let method = Method::read(&request.method, face.prefix);
        let login = matches!(method, Some(Method::Login | Method::AnonymousLogin));
        let session = self.sockets.get(&id).and_then(|socket| socket.session);
        match (session, method) {
            (None, _) => self.on_first_request(id, face, request, method, now),
            (Some(session), _) if login => self.log_in_again(id, session, request, method, now),
            (Some(_), Some(_)) if face.has_features && self.denies(&request.method) => {
                self.refuse_method(id, request.id);
            }
            (Some(session), Some(method)) => {
                self.on_session_request(id, session, method, request, now);
            }
            (Some(_), None) => self.on_unknown_method(id, &request),
        }
    }

    fn denies(&self, method: &str) -> bool {
        self.config.denied.iter().any(|denied| denied == method)
    }

    /// Which server the client takes us for, by its first request.
    fn recognise(&mut self, id: SocketId, request: &Request) -> &'static Face {
        let choice = self.config.dialect;
        let Some(socket) = self.sockets.get_mut(&id) else {
            return &FREESWITCH;
        };
        socket.face.get_or_insert_with(|| match choice {
            DialectChoice::Telnyx => &TELNYX,
            DialectChoice::Freeswitch => &FREESWITCH,
            DialectChoice::Auto => {
                let telnyx = request.method == Method::AnonymousLogin.name()
                    || request.method.starts_with(TELNYX.prefix)
                    || ["User-Agent", "reconnection", "login_token"]
                        .iter()
                        .any(|key| request.params.get(key).is_some());
                if telnyx { &TELNYX } else { &FREESWITCH }
            }
        })
    }

    fn on_ping(&mut self, id: SocketId, payload: &[u8], now: Instant) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        socket.hear(now);
        if socket.face.is_some_and(|face| face.answers_ping_frames) {
            self.put(id, Item::Pong(payload.to_vec()));
        } else if !payload.is_empty() {
            // FreeSWITCH reads any frame as JSON, and ignores only an empty one.
            let text = String::from_utf8_lossy(payload).into_owned();
            self.on_text(id, &text, now);
        }
    }

    fn on_socket_deadlines(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.deadlines.first() {
            if at > now {
                return;
            }
            self.deadlines.pop_first();
            let Some(socket) = self.sockets.get_mut(&id) else {
                continue;
            };
            socket.scheduled = None;
            if let Some((due, what)) = socket.due()
                && due <= now
            {
                self.on_due(id, what, now);
            }
            self.reschedule(id);
        }
    }

    fn on_due(&mut self, id: SocketId, due: Due, now: Instant) {
        match due {
            Due::Login => {
                tracing::info!(socket = id.0, "closed: nobody logged in");
                self.close(id, 1008);
            }
            Due::Flush => self.flush(id),
            Due::Line => self.pump(id),
            Due::Mishap(mishap) => {
                if let Some(socket) = self.sockets.get_mut(&id) {
                    socket.mishaps.retain(|(at, _)| *at > now);
                }
                self.go_wrong(id, mishap, now);
            }
            Due::Silence => {
                tracing::info!(socket = id.0, "closed: silent for too long");
                self.close(id, 1000);
                self.lose(id, now);
            }
            Due::Ping => {
                let serno = self.wall(now).duration_since(SystemTime::UNIX_EPOCH);
                let serno = serno.map_or(0, |since| since.as_secs());
                let Some(socket) = self.sockets.get_mut(&id) else {
                    return;
                };
                socket.pinged(now);
                if let Some(session) = socket.session {
                    let ping = Ping {
                        serno: i64::try_from(serno).ok(),
                        auth_expires: None,
                    };
                    self.request(session, Method::Ping, &ping);
                }
            }
        }
    }

    /// Puts the socket's next deadline into the table.
    pub(super) fn reschedule(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let next = socket.due().map(|(at, _)| at);
        if next == socket.scheduled {
            return;
        }
        if let Some(before) = std::mem::replace(&mut socket.scheduled, next) {
            self.deadlines.remove(&(before, id));
        }
        if let Some(at) = next {
            self.deadlines.insert((at, id));
        }
    }

    /// Closes a socket, after what was written before.
    pub(super) fn close(&mut self, id: SocketId, code: u16) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        if !std::mem::replace(&mut socket.closing, true) {
            self.put(id, Item::Close(code));
        }
    }

    /// Puts something on a socket's line.
    pub(super) fn put(&mut self, id: SocketId, item: Item) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.line.put(item, self.now);
            self.pump(id);
        }
    }

    /// Lets out what is due on a socket's line.
    pub(super) fn pump(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        while let Some(output) = socket.line.next(id, self.now) {
            socket.closing |= matches!(output, Output::Cut { .. } | Output::CutFrame { .. });
            self.outputs.push_back(output);
        }
        self.reschedule(id);
    }

    /// A socket is gone.
    fn drop_socket(&mut self, id: SocketId, now: Instant) {
        self.lose(id, now);
        if let Some(socket) = self.sockets.remove(&id)
            && let Some(at) = socket.scheduled
        {
            self.deadlines.remove(&(at, id));
        }
    }

    /// Carries out what the exchange wants, until it wants nothing more.
    fn settle(&mut self) {
        while let Some(effect) = self.exchange.poll() {
            match effect {
                Effect::Media(command) => self.outputs.push_back(Output::Media(command)),
                Effect::Leg(leg, event) => {
                    let offered = matches!(&event, LegEvent::Offer { endpoint, .. } if Location::numbers(*endpoint));
                    if offered || self.sip.has_leg(leg) {
                        self.with_sip(|sip, around| sip.leg(leg, event, around));
                    } else {
                        self.on_leg_event(leg, event);
                    }
                }
            }
        }
        let texts = self.with_sip(|sip, around| {
            sip.settle(around);
            sip.take_texts()
        });
        for text in texts {
            self.deliver_text(&text.from, &text.to, &text.body);
        }
        while let Some(output) = self.sip.poll() {
            self.outputs.push_back(output);
        }
    }

    /// Lets the SIP side do something with what it shares with this one.
    pub(super) fn with_sip<T>(&mut self, act: impl FnOnce(&mut Server, &mut Around<'_>) -> T) -> T {
        let wall = self.wall(self.now);
        let mut around = Around {
            exchange: &mut self.exchange,
            account: &mut self.account,
            wishes: &mut self.wishes,
            password: &self.config.password,
            limits: &self.config.limits,
            now: self.now,
            wall,
        };
        act(&mut self.sip, &mut around)
    }

    pub(super) fn refuse_method(&mut self, id: SocketId, request: Option<rpc::Id>) {
        let text = "Invalid Method, Missing Method or Permission Denied";
        self.refuse(id, request, INVALID_METHOD, text);
    }

    pub(super) fn session_of(&self, id: SocketId) -> Option<&Session> {
        self.sessions.get(&self.sockets.get(&id)?.session?)
    }

    fn face_of(&self, id: SocketId) -> Option<&'static Face> {
        self.sockets.get(&id)?.face
    }

    /// The time of day.
    pub(super) fn wall(&self, now: Instant) -> SystemTime {
        self.config.wall + now.saturating_duration_since(self.started)
    }

    pub(super) fn uuid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.rng.random())
            .into_uuid()
            .to_string()
    }

    pub(super) fn next_request_id(&mut self) -> u64 {
        self.request_id += 1;
        self.request_id
    }
}

/// Who can be called, for the REST API.
struct Registered<'a>(&'a Exchange);

impl Registrations for Registered<'_> {
    fn is_registered(&self, name: &str) -> bool {
        self.0.is_registered(name)
    }
}

/// The cause that a client's `bye` names: its name, else its number, else an ordinary end.
pub(super) fn cause_of_bye(name: Option<&str>, code: Option<u16>) -> Cause {
    name.and_then(Cause::from_name)
        .or_else(|| code.and_then(Cause::from_code))
        .unwrap_or(Cause::NORMAL_CLEARING)
}

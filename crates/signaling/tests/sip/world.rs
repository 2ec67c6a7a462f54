//! A user agent in virtual time, and a server that says what a test tells it to.

use std::time::{Duration, Instant};

use offhook_signaling::auth::login::Login;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::secret::Secret;
use offhook_signaling::session::{CloseReason, SocketLogin};
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::bare::Bare;
use offhook_signaling::sip::message::outgoing::OutgoingResponse;
use offhook_signaling::sip::message::read::{self, Incoming};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::uri::Uri;
use offhook_signaling::sip::session::Session;
use offhook_signaling::sip::session::contract::{Input, Output};

use crate::reader;

pub(crate) const FLOW: FlowId = FlowId(0);

/// The client, its clock, and all that it did.
pub(crate) struct World {
    pub(crate) session: Session,
    start: Instant,
    pub(crate) now: Instant,
    wait: Option<Instant>,
    pub(crate) events: Vec<Event>,
    /// Requests of the client that no test has looked at.
    pub(crate) requests: Vec<(FlowId, Request)>,
    /// Whatever else it put on its sockets.
    pub(crate) texts: Vec<(FlowId, String)>,
    /// Answers in binary messages.
    pub(crate) binaries: Vec<(FlowId, Vec<u8>)>,
    /// URLs and headers that it wanted sockets with.
    pub(crate) sockets: Vec<(String, Vec<(String, Secret)>)>,
    /// Who it said it is, for the server that it opened the last one to.
    pub(crate) socket_login: Option<SocketLogin>,
    /// The independent reader is spared what it says: repetitions of rubbish, or of what it has read often enough.
    pub(crate) spares_reader: bool,
    /// Connects, pings and disconnects in order.
    pub(crate) doings: Vec<String>,
}

#[expect(clippy::disallowed_methods, reason = "an instant to count from")]
pub(crate) fn any_instant() -> Instant {
    Instant::now()
}

pub(crate) fn config() -> Config {
    let login = Login::Password {
        user: "alice@example.com".to_owned(),
        password: "secret of alice".to_owned().into(),
    };
    Config::new(
        "wss://edge.example.com/sip",
        Uri::parse("sip:alice@example.com").expect("an address"),
        login,
        "urn:uuid:00000000-0000-4000-8000-000000000001".to_owned(),
    )
}

impl World {
    pub(crate) fn new(config: Config, seed: u8) -> Self {
        let start = any_instant();
        let mut world = Self {
            session: Session::new(config, [seed; 32], start),
            start,
            now: start,
            wait: None,
            events: Vec::new(),
            requests: Vec::new(),
            texts: Vec::new(),
            binaries: Vec::new(),
            sockets: Vec::new(),
            socket_login: None,
            spares_reader: false,
            doings: Vec::new(),
        };
        world.settle();
        world
    }

    pub(crate) fn handle(&mut self, input: Input<'_>) {
        self.session.handle(input, self.now);
        self.settle();
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.handle(Input::Command(command));
    }

    pub(crate) fn open(&mut self, flow: FlowId) {
        self.handle(Input::Opened(flow));
    }

    pub(crate) fn close(&mut self, flow: FlowId) {
        self.handle(Input::Closed(flow, CloseReason::default()));
    }

    pub(crate) fn say(&mut self, flow: FlowId, text: &str) {
        self.handle(Input::Message(flow, text.as_bytes()));
    }

    fn settle(&mut self) {
        loop {
            match self.session.poll() {
                Output::Connect {
                    flow,
                    url,
                    headers,
                    login,
                } => {
                    self.socket_login = login;
                    self.doings.push(format!("connect {flow}"));
                    self.sockets.push((url, headers));
                }
                Output::Send { flow, text } => {
                    if !self.spares_reader {
                        reader::reads_alike(&text);
                    }
                    match read::read(text.as_bytes()) {
                        Ok(Incoming::Request(request)) => self.requests.push((flow, *request)),
                        _ => self.texts.push((flow, text)),
                    }
                }
                Output::SendBytes { flow, bytes } => {
                    let text = std::str::from_utf8(&bytes);
                    assert!(text.is_err(), "text in a binary message: {text:?}");
                    self.binaries.push((flow, bytes));
                }
                Output::Ping(flow) => self.doings.push(format!("ping {flow}")),
                Output::Disconnect(flow) => self.doings.push(format!("disconnect {flow}")),
                Output::Event(event) => self.events.push(event),
                Output::Wait(wait) => {
                    self.wait = wait.map(|(at, _)| at);
                    return;
                }
                other => panic!("unexpected output {other:?}"),
            }
        }
    }

    /// Lets time pass up to there, waking the client whenever it wants. Pings are answered if the server is not silent.
    pub(crate) fn pass(&mut self, span: Duration, mut server: impl FnMut(&mut Self)) {
        let end = self.now + span;
        while let Some(at) = self.wait.filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.handle(Input::Timeout);
            server(self);
        }
        self.now = end;
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.now.duration_since(self.start).as_secs_f64()
    }

    /// The oldest request that no test has looked at.
    pub(crate) fn request(&mut self) -> Request {
        assert!(!self.requests.is_empty(), "no request; {:?}", self.texts);
        self.requests.remove(0).1
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Answers as a registrar that grants so much.
    pub(crate) fn grant(
        &mut self,
        request: &Request,
        expires: u32,
        headers: &[(HeaderName, &str)],
    ) {
        self.grant_on(FLOW, request, expires, headers);
    }

    pub(crate) fn grant_on(
        &mut self,
        flow: FlowId,
        request: &Request,
        expires: u32,
        headers: &[(HeaderName, &str)],
    ) {
        let mut response = answer(request, 200, headers);
        let contact = request
            .headers
            .get(&HeaderName::Contact)
            .expect("a Contact");
        let contact = contact.split(";expires=").next().unwrap_or_default();
        response
            .content
            .push(&HeaderName::Contact, format!("{contact};expires={expires}"));
        self.say(flow, &response.to_text());
    }

    pub(crate) fn answer(
        &mut self,
        request: &Request,
        status: u16,
        headers: &[(HeaderName, &str)],
    ) {
        let text = answer(request, status, headers).to_text();
        self.say(FLOW, &text);
    }

    /// Opened and registered for that long.
    pub(crate) fn registered(config: Config, seed: u8, expires: u32) -> Self {
        let mut world = Self::new(config, seed);
        world.open(FLOW);
        let register = world.request();
        world.grant(&register, expires, &[]);
        assert!(world.take_events().contains(&Event::Ready));
        world
    }
}

pub(crate) fn answer(
    request: &Request,
    status: u16,
    headers: &[(HeaderName, &str)],
) -> OutgoingResponse {
    let mut response = OutgoingResponse::to(&Bare::from(request), status, "server-tag");
    for (name, value) in headers {
        response.content.push(name, *value);
    }
    response
}

//! A session, a clock that jumps to the next deadline, and a server whose lines the story writes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use offhook_signaling::auth::login::Login;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::deadlines::Deadline;
use offhook_signaling::error::Error;
use offhook_signaling::event::Event;
use offhook_signaling::remembered::Remembered;
use offhook_signaling::secret::Secret;
use offhook_signaling::session::{CloseReason, Input, Output};
use offhook_signaling::verto::dialect::differences::Dialect;
use offhook_signaling::verto::dialect::freeswitch::FREESWITCH;
use offhook_signaling::verto::dialect::telnyx::TELNYX;
use offhook_signaling::verto::session::{Config, Session};
use serde_json::{Value, json};

pub(crate) const OFFER: &str = "v=0 offer";
pub(crate) const ANSWER: &str = "v=0 answer";

pub(crate) struct Story {
    session: Session,
    dialect: Dialect,
    pub(crate) now: Instant,
    start: Instant,
    pub(crate) events: VecDeque<Event>,
    pub(crate) sent: VecDeque<Value>,
    pub(crate) connects: VecDeque<String>,
    pub(crate) disconnects: usize,
    pub(crate) wait: Option<(Instant, Deadline)>,
    serial: u64,
    /// What was to be remembered, oldest first.
    pub(crate) remembered: Vec<Remembered>,
}

pub(crate) fn password() -> Login {
    Login::Password {
        user: "1000".into(),
        password: Secret::new("hunter2"),
    }
}

pub(crate) fn config(dialect: Dialect, login: Login) -> Config {
    Config {
        user_agent: "offhook/test".into(),
        ..Config::new("wss://gateway.example", dialect, login)
    }
}

#[expect(clippy::disallowed_methods, reason = "an instant to count from")]
fn any_instant() -> Instant {
    Instant::now()
}

impl Story {
    pub(crate) fn with(config: Config) -> Self {
        let start = any_instant();
        let dialect = config.dialect;
        let mut story = Self {
            session: Session::new(config, [7; 32], start),
            dialect,
            now: start,
            start,
            events: VecDeque::new(),
            sent: VecDeque::new(),
            connects: VecDeque::new(),
            disconnects: 0,
            wait: None,
            serial: 0,
            remembered: Vec::new(),
        };
        story.drain();
        story
    }

    pub(crate) fn telnyx() -> Self {
        Self::with(config(TELNYX, password()))
    }

    pub(crate) fn freeswitch() -> Self {
        Self::with(config(FREESWITCH, password()))
    }

    /// A session that has been told to be ready, its events forgotten.
    pub(crate) fn ready(mut self) -> Self {
        self.log_in();
        self.client_ready(&[]);
        self.register();
        assert!(
            matches!(self.events.pop_back(), Some(Event::Ready)),
            "{:?}",
            self.events
        );
        self.events.clear();
        self.sent.clear();
        self.connects.clear();
        self
    }

    pub(crate) fn log_in(&mut self) {
        self.opened();
        let login = self.take_sent("login");
        self.reply(&login, json!({"message": "logged in", "sessid": "s-1"}));
    }

    pub(crate) fn client_ready(&mut self, kept: &[&str]) {
        self.says("clientReady", json!({"reattached_sessions": kept}));
    }

    /// Answers the question for the gateway's state, where the dialect asks it.
    pub(crate) fn register(&mut self) {
        if self.dialect.gateway_fields {
            let question = self.take_sent("gatewayState");
            self.reply(
                &question,
                json!({"params": {"state": "REGED"}, "sessid": "s-1"}),
            );
        }
    }

    pub(crate) fn drain(&mut self) {
        loop {
            match self.session.poll() {
                Output::Send(text) => self
                    .sent
                    .push_back(serde_json::from_str(&text).expect("JSON")),
                Output::Event(Event::Remember { state }) => self.remembered.push(state),
                Output::Event(event) => self.events.push_back(event),
                Output::Connect { url } => self.connects.push_back(url),
                Output::Disconnect => self.disconnects += 1,
                Output::Wait(wait) => {
                    assert!(
                        wait.is_none_or(|(at, _)| at > self.now),
                        "a deadline of the past: {wait:?}"
                    );
                    self.wait = wait;
                    return;
                }
                _ => unreachable!("a new kind of output"),
            }
        }
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.session.handle(input, self.now);
        self.drain();
    }

    pub(crate) fn opened(&mut self) {
        self.input(Input::Opened);
    }

    pub(crate) fn closed(&mut self) {
        self.input(Input::Closed(CloseReason {
            code: Some(1000),
            text: String::new(),
        }));
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    /// A request of the server; gives back its id.
    pub(crate) fn says(&mut self, method: &str, params: Value) -> u64 {
        self.serial += 1;
        let method = format!("{}{method}", self.dialect.prefix);
        let frame =
            json!({"jsonrpc": "2.0", "id": self.serial, "method": method, "params": params});
        self.raw(&frame.to_string());
        self.serial
    }

    pub(crate) fn reply(&mut self, request: &Value, result: Value) {
        self.raw(&json!({"jsonrpc": "2.0", "id": request["id"], "result": result, "voice_sdk_id": "v-1"}).to_string());
    }

    pub(crate) fn refuse(&mut self, request: &Value, code: i64, message: &str) {
        let error = json!({"code": code, "message": message});
        self.raw(&json!({"jsonrpc": "2.0", "id": request["id"], "error": error}).to_string());
    }

    pub(crate) fn raw(&mut self, text: &str) {
        self.input(Input::Text(text));
    }

    /// The next frame that was sent; it has to be this request.
    pub(crate) fn take_sent(&mut self, method: &str) -> Value {
        let frame = self
            .sent
            .pop_front()
            .unwrap_or_else(|| panic!("{method} was not sent; events {:?}", self.events));
        let bare = matches!(method, "login" | "anonymous_login");
        let name = if bare {
            method.to_owned()
        } else {
            format!("{}{method}", self.dialect.prefix)
        };
        assert_eq!(frame["method"], name, "{frame}");
        assert!(
            frame["id"].is_string() && frame["params"].is_object(),
            "{frame}"
        );
        frame
    }

    /// The next frame that was sent has to be the acknowledgement of that request.
    pub(crate) fn take_ack(&mut self, method: &str, id: u64) {
        let frame = self
            .sent
            .pop_front()
            .unwrap_or_else(|| panic!("no acknowledgement of {method}"));
        let name = format!("{}{method}", self.dialect.prefix);
        assert_eq!(
            frame,
            json!({"jsonrpc": "2.0", "id": id, "result": {"method": name}})
        );
    }

    pub(crate) fn nothing_sent(&self) {
        assert!(self.sent.is_empty(), "{:?}", self.sent);
    }

    /// None of the frames sent is this request.
    pub(crate) fn nothing_sent_of(&self, method: &str) {
        let name = format!("{}{method}", self.dialect.prefix);
        assert!(self.sent.iter().all(|frame| frame["method"] != name));
    }

    pub(crate) fn event(&mut self) -> Event {
        self.events
            .pop_front()
            .unwrap_or_else(|| panic!("no event; waiting for {:?}", self.wait))
    }

    pub(crate) fn nothing_told(&self) {
        assert!(self.events.is_empty(), "{:?}", self.events);
    }

    /// Jumps to the next deadline; gives back its name.
    pub(crate) fn next_deadline(&mut self) -> Deadline {
        let (at, deadline) = self.wait.expect("nothing to wait for");
        self.now = at;
        self.input(Input::Timeout);
        deadline
    }

    /// Lets this much time pass, with every deadline in it.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some((at, _)) = self.wait.filter(|(at, _)| *at <= end) {
            self.now = at;
            self.input(Input::Timeout);
        }
        self.now = end;
    }

    /// Why a command about a call failed, which is what is told next.
    pub(crate) fn failed(&mut self) -> Error {
        let event = self.event();
        let (Event::CommandFailed { error, .. }
        | Event::MessageFailed {
            call: Some(_),
            error,
            ..
        }) = event
        else {
            panic!("{event:?}")
        };
        error
    }

    /// Jumps from deadline to deadline until an event fits; forgets those before it.
    pub(crate) fn until(&mut self, limit: Duration, fits: impl Fn(&Event) -> bool) -> Event {
        let end = self.now + limit;
        loop {
            while let Some(event) = self.events.pop_front() {
                if fits(&event) {
                    return event;
                }
            }
            let (at, _) = self.wait.expect("nothing to wait for");
            assert!(at <= end, "not within {limit:?}");
            self.next_deadline();
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Places a call and lets the server take it.
    pub(crate) fn place(&mut self, name: &str) -> (CallId, Value) {
        let call = CallId::from_wire(name).expect("a name");
        self.command(Command::Invite {
            call: call.clone(),
            to: "9196".into(),
            sdp: OFFER.into(),
            caller_name: Some("Kiosk".into()),
            caller_number: Some("100".into()),
            headers: match self.dialect.headers {
                true => vec![("X-Site".into(), "north".into())],
                false => Vec::new(),
            },
            client_state: None,
            codecs: Vec::new(),
            user_variables: Vec::new(),
            refer: None,
            replaces: None,
            trickle: None,
        });
        let invite = self.take_sent("invite");
        (call, invite)
    }

    /// A call that is up, its events forgotten.
    pub(crate) fn answered(&mut self, name: &str) -> CallId {
        let (call, invite) = self.place(name);
        self.reply(
            &invite,
            json!({"message": "CALL CREATED", "callID": name, "sessid": "s-1"}),
        );
        self.says("answer", json!({"callID": name, "sdp": ANSWER}));
        self.events.clear();
        self.sent.clear();
        call
    }

    /// Opens the next connection, logs in and has the server offer the calls `kept` before it is ready.
    pub(crate) fn come_back(&mut self, kept: &[&str]) {
        self.until(Duration::from_secs(60), |event| {
            matches!(event, Event::Connecting { .. })
        });
        self.log_in();
        for call in kept {
            self.says(
                "attach",
                json!({"callID": call, "sdp": OFFER, "display_direction": "inbound"}),
            );
        }
        self.nothing_sent();
        self.client_ready(kept);
    }
}

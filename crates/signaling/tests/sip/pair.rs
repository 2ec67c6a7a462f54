//! Two user agents and a wire between them: what one says within or for a call, the other hears.

use std::time::{Duration, Instant};

use offhook_signaling::auth::login::Login;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::Event;
use offhook_signaling::session::CloseReason;
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::message::bare::Bare;
use offhook_signaling::sip::message::outgoing::OutgoingResponse;
use offhook_signaling::sip::message::read::{self, Incoming};
use offhook_signaling::sip::message::uri::Uri;
use offhook_signaling::sip::message::{HeaderName, Method};
use offhook_signaling::sip::session::Session;
use offhook_signaling::sip::session::contract::{Input, Output};

use crate::reader;
use crate::world::{FLOW, any_instant, config};

pub(crate) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=offer\r\n";
pub(crate) const ANSWER: &str = "v=0\r\no=- 2 1 IN IP4 192.0.2.2\r\ns=answer\r\n";

pub(crate) struct Side {
    pub(crate) session: Session,
    wait: Option<Instant>,
    pub(crate) events: Vec<Event>,
    /// First lines of what it sent, registrations left out.
    pub(crate) sent: Vec<String>,
    pub(crate) texts: Vec<String>,
    /// Its socket is there.
    pub(crate) up: bool,
}

pub(crate) struct Pair {
    pub(crate) alice: Side,
    pub(crate) bob: Side,
    pub(crate) now: Instant,
    start: Instant,
    /// What is on the wire: to bob?, text.
    wire: Vec<(bool, String)>,
    /// Messages stay on the wire until this is taken away.
    pub(crate) stopped: bool,
    /// The independent reader is spared what they say.
    pub(crate) spares_reader: bool,
    /// Lost on the way when this says so.
    pub(crate) loses: fn(&str) -> bool,
}

pub(crate) fn bob_config() -> Config {
    Config {
        aor: Uri::parse("sip:bob@example.com").expect("an address"),
        login: Login::Password {
            user: "bob".to_owned(),
            password: "secret of bob".to_owned().into(),
        },
        instance: "urn:uuid:00000000-0000-4000-8000-000000000002".to_owned(),
        ..config()
    }
}

impl Pair {
    pub(crate) fn new(seed: u8) -> Self {
        Self::with(config(), bob_config(), seed)
    }

    pub(crate) fn with(alice: Config, bob: Config, seed: u8) -> Self {
        let now = any_instant();
        let side = |config, seed| Side {
            session: Session::new(config, [seed; 32], now),
            wait: None,
            events: Vec::new(),
            sent: Vec::new(),
            texts: Vec::new(),
            up: true,
        };
        let mut pair = Self {
            alice: side(alice, seed),
            bob: side(bob, seed.wrapping_add(100)),
            now,
            start: now,
            wire: Vec::new(),
            stopped: false,
            spares_reader: false,
            loses: |_| false,
        };
        pair.settle();
        for bob in [false, true] {
            pair.input(bob, Input::Opened(FLOW));
        }
        pair.settle();
        for bob in [false, true] {
            assert!(pair.side(bob).events.contains(&Event::Ready));
            pair.side(bob).events.clear();
        }
        pair
    }

    pub(crate) fn side(&mut self, bob: bool) -> &mut Side {
        if bob { &mut self.bob } else { &mut self.alice }
    }

    pub(crate) fn input(&mut self, bob: bool, input: Input<'_>) {
        let now = self.now;
        self.side(bob).session.handle(input, now);
        self.settle();
    }

    pub(crate) fn command(&mut self, bob: bool, command: Command) {
        self.input(bob, Input::Command(command));
    }

    /// A text for one of them from nowhere.
    pub(crate) fn inject(&mut self, bob: bool, text: &str) {
        self.input(bob, Input::Message(FLOW, text.as_bytes()));
    }

    /// Carries everything to where it goes until nobody says anything more.
    pub(crate) fn settle(&mut self) {
        loop {
            for bob in [false, true] {
                self.drain(bob);
            }
            if self.stopped || self.wire.is_empty() {
                return;
            }
            for (to_bob, text) in std::mem::take(&mut self.wire) {
                let now = self.now;
                if self.side(to_bob).up && !(self.loses)(&text) {
                    let input = Input::Message(FLOW, text.as_bytes());
                    self.side(to_bob).session.handle(input, now);
                }
            }
        }
    }

    fn drain(&mut self, bob: bool) {
        loop {
            let now = self.now;
            match self.side(bob).session.poll() {
                Output::Send { text, .. } => self.carry(bob, text),
                Output::SendBytes { bytes, .. } => panic!("what these say is text: {bytes:?}"),
                Output::Ping(flow) => {
                    if self.side(bob).up {
                        self.side(bob).session.handle(Input::Pong(flow), now);
                    }
                }
                Output::Connect { .. } | Output::Disconnect(_) => {}
                Output::Event(event) => self.side(bob).events.push(event),
                Output::Wait(wait) => {
                    self.side(bob).wait = wait.map(|(at, _)| at);
                    return;
                }
                other => panic!("unexpected output {other:?}"),
            }
        }
    }

    fn carry(&mut self, bob: bool, text: String) {
        if !self.spares_reader {
            reader::reads_alike(&text);
        }
        if !self.side(bob).up {
            return;
        }
        if let Ok(Incoming::Request(request)) = read::read(text.as_bytes())
            && request.method == Method::Register
        {
            let mut response = OutgoingResponse::to(&Bare::from(&*request), 200, "registrar");
            let contact = request.headers.get(&HeaderName::Contact);
            response
                .content
                .push(&HeaderName::Contact, contact.unwrap_or_default());
            let now = self.now;
            let text = response.to_text();
            self.side(bob)
                .session
                .handle(Input::Message(FLOW, text.as_bytes()), now);
            return;
        }
        let line = text.lines().next().unwrap_or_default().to_owned();
        self.side(bob).sent.push(line);
        self.side(bob).texts.push(text.clone());
        self.wire.push((!bob, text));
    }

    /// What is on the wire is lost.
    pub(crate) fn wire_cut(&mut self) {
        self.wire.clear();
    }

    /// Lets time pass up to there.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let next = [(false, self.alice.wait), (true, self.bob.wait)];
            let next = next
                .into_iter()
                .filter_map(|(bob, at)| Some((at?, bob)))
                .filter(|(at, _)| *at <= end)
                .min();
            let Some((at, bob)) = next else {
                break;
            };
            self.now = at.max(self.now);
            self.input(bob, Input::Timeout);
        }
        self.now = end;
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.now.duration_since(self.start).as_secs_f64()
    }

    /// Its socket breaks; until [`Pair::reconnect`] nothing reaches it.
    pub(crate) fn cut(&mut self, bob: bool) {
        self.side(bob).up = false;
        self.input(bob, Input::Closed(FLOW, CloseReason::default()));
    }

    /// The next attempt succeeds.
    pub(crate) fn reconnect(&mut self, bob: bool) {
        self.side(bob).up = true;
        self.command(bob, Command::Reconnect);
        self.input(bob, Input::Opened(FLOW));
    }

    pub(crate) fn take(&mut self, bob: bool) -> Vec<Event> {
        std::mem::take(&mut self.side(bob).events)
    }

    pub(crate) fn sent(&mut self, bob: bool) -> Vec<String> {
        std::mem::take(&mut self.side(bob).sent)
    }

    /// Alice calls bob, who rings.
    pub(crate) fn ring(&mut self) -> (CallId, CallId) {
        let call = CallId::from_wire("call-of-alice").expect("a name");
        self.command(false, invite(&call, "bob"));
        let incoming = self.take(true).into_iter().find_map(|event| {
            if let Event::Incoming { call, .. } = event {
                Some(call)
            } else {
                None
            }
        });
        (call, incoming.expect("bob rings"))
    }

    /// Alice's call to bob is up.
    pub(crate) fn talk(&mut self) -> (CallId, CallId) {
        let (alices, bobs) = self.ring();
        self.command(true, answer(&bobs));
        let heard = self.take(true);
        assert!(
            heard.contains(&Event::Confirmed { call: bobs.clone() }),
            "{heard:?}"
        );
        let answered = |event: &Event| matches!(event, Event::Answered { sdp: Some(sdp), .. } if sdp == ANSWER);
        assert!(self.take(false).iter().any(answered));
        self.sent(false);
        self.sent(true);
        (alices, bobs)
    }
}

pub(crate) fn invite(call: &CallId, to: &str) -> Command {
    Command::Invite {
        call: call.clone(),
        to: to.to_owned(),
        sdp: OFFER.to_owned(),
        caller_name: Some("Alice \"A\"".to_owned()),
        caller_number: None,
        headers: vec![("X-Room".to_owned(), "12".to_owned())],
        client_state: None,
        codecs: Vec::new(),
        user_variables: Vec::new(),
        refer: None,
        replaces: None,
        trickle: None,
    }
}

pub(crate) fn answer(call: &CallId) -> Command {
    Command::Answer {
        call: call.clone(),
        sdp: ANSWER.to_owned(),
        headers: vec![("X-Seat".to_owned(), "7".to_owned())],
        client_state: None,
        trickle: None,
    }
}

pub(crate) fn bye(call: &CallId) -> Command {
    Command::Bye {
        call: call.clone(),
        cause: None,
        sip_code: None,
        headers: Vec::new(),
    }
}

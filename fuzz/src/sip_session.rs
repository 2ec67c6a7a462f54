//! A SIP user agent past its registration: requests and answers of strangers, a user's commands, time and lost sockets in
//! any order.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use offhook_signaling::auth::login::Login;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::{Command, InfoItem, ReplacesDialog};
use offhook_signaling::event::Event;
use offhook_signaling::secret::Secret;
use offhook_signaling::session::CloseReason;
use offhook_signaling::sip::config::Config;
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::bare::Bare;
use offhook_signaling::sip::message::outgoing::OutgoingResponse;
use offhook_signaling::sip::message::read::{Incoming, read};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::uri::Uri;
use offhook_signaling::sip::session::Session;
use offhook_signaling::sip::session::contract::{Input, Output};

/// More outputs than this for one input are a loop.
const MOST_OUTPUTS: usize = 5000;
/// Lines of one story.
const MOST_LINES: usize = 200;
const FLOW: FlowId = FlowId(0);

/// The data is a story, one step a line: `>` and a message in which `\n` ends a line, `$TAG` stands for our last tag, and
/// `$CALLID` and `$FROM` for the Call-ID and the From tag of our last request; `<` and the status of an answer to our last request, with header lines and
/// a body behind it; `!` and a command; `+` and milliseconds; `x` for a lost socket; `o` for an opened one.
///
/// # Panics
/// When a call ends twice, something is said about it after its end, or a session never comes to rest.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut tale = Tale::new();
    for line in text.lines().take(MOST_LINES) {
        tale.step(line);
    }
    tale.finish();
}

struct Tale {
    session: Session,
    now: Instant,
    last: Option<Request>,
    tag: String,
    call: String,
    /// The call before that one.
    other: String,
    /// What the far side asked for last.
    refer: String,
    calls: u64,
    ended: BTreeSet<String>,
    stopped: bool,
}

impl Tale {
    fn new() -> Self {
        let now = Instant::now();
        let login = Login::Password {
            user: "fuzz".into(),
            password: Secret::new("fuzz"),
        };
        let aor = Uri::parse("sip:fuzz@example.com").expect("an address");
        let config = Config {
            refer_out_of_dialog: true,
            info_packages: vec!["lamp".into()],
            ..Config::new("wss://edge.example", aor, login, "urn:uuid:1".into())
        };
        let mut tale = Self {
            session: Session::new(config, [5; 32], now),
            now,
            last: None,
            tag: String::new(),
            call: "c-0".into(),
            other: "c-0".into(),
            refer: "c-0".into(),
            calls: 0,
            ended: BTreeSet::new(),
            stopped: false,
        };
        tale.drain();
        tale.step("o");
        tale.step("<200 Contact: <sip:fuzz@a.invalid>;+sip.instance=\"<urn:uuid:1>\";expires=600");
        tale
    }

    fn step(&mut self, line: &str) {
        let Some(kind) = line.chars().next() else {
            return;
        };
        let rest = &line[kind.len_utf8()..];
        match kind {
            '>' => {
                let call_id = self.last.as_ref().map(|last| last.ids.call_id.clone());
                let from = self
                    .last
                    .as_ref()
                    .map(|last| last.ids.from_tag().to_owned());
                let text = rest
                    .replace("\\n", "\r\n")
                    .replace("$TAG", &self.tag)
                    .replace("$CALLID", &call_id.unwrap_or_default())
                    .replace("$FROM", &from.unwrap_or_default());
                let input = Input::Message(FLOW, text.as_bytes());
                self.session.handle(input, self.now);
            }
            '<' => self.answer(rest),
            '+' => {
                let millis = rest.trim().parse::<u32>().unwrap_or(0);
                self.pass(Duration::from_millis(millis.into()));
            }
            'x' => {
                let reason = CloseReason::default();
                self.session.handle(Input::Closed(FLOW, reason), self.now);
            }
            'o' => self.session.handle(Input::Opened(FLOW), self.now),
            'p' => self.session.handle(Input::Pong(FLOW), self.now),
            '!' => self.command(rest),
            _ => {}
        }
        self.drain();
    }

    fn answer(&mut self, rest: &str) {
        let Some(last) = &self.last else {
            return;
        };
        let (status, lines) = rest.split_once(' ').unwrap_or((rest, ""));
        let Ok(status @ 100..=699) = status.parse::<u16>() else {
            return;
        };
        let mut response = OutgoingResponse::to(&Bare::from(last), status, "fuzz");
        let (lines, body) = lines.split_once("\\n\\n").unwrap_or((lines, ""));
        for line in lines.split("\\n") {
            if let Some((name, value)) = line.split_once(": ") {
                let _ = response.content.try_push(name, value);
            }
        }
        if !body.is_empty() {
            response
                .content
                .set_body("application/sdp", body.to_owned());
        }
        let text = response.to_text();
        let input = Input::Message(FLOW, text.as_bytes());
        self.session.handle(input, self.now);
    }

    fn command(&mut self, rest: &str) {
        let (word, argument) = rest.split_once(' ').unwrap_or((rest, ""));
        let argument = argument.to_owned();
        let call = CallId::from_wire(&self.call).expect("a name");
        let command = match word {
            "call" => self.invite(argument, None, None),
            "carry" => {
                let refer = CallId::from_wire(&self.refer).expect("a name");
                self.invite(argument, Some(refer), None)
            }
            "pick" => {
                let names = ReplacesDialog {
                    call_id: argument,
                    to_tag: "1".into(),
                    from_tag: "2".into(),
                    early_only: true,
                };
                self.invite("bob".into(), None, Some(Box::new(names)))
            }
            "decline" => Command::RefuseRefer {
                call: CallId::from_wire(&self.refer).expect("a name"),
                status: argument.parse().unwrap_or(603),
            },
            "join" => Command::Replace {
                call,
                with: CallId::from_wire(&self.other).expect("a name"),
            },
            "subscribe" => Command::Subscribe {
                channels: argument.split(' ').map(str::to_owned).collect(),
            },
            "unsubscribe" => Command::Unsubscribe {
                channels: argument.split(' ').map(str::to_owned).collect(),
            },
            "publish" => Command::Publish {
                open: argument.is_empty(),
                note: Some(argument).filter(|note| !note.is_empty()),
            },
            "say" => Command::Message {
                id: 7,
                call: None,
                to: "bob".into(),
                body: argument,
            },
            "info" => Command::Info {
                call,
                item: InfoItem::Package {
                    package: "lamp".into(),
                    content_type: argument,
                    body: "1".into(),
                },
            },
            "answer" => Command::Answer {
                call,
                sdp: "v=0 answer".into(),
                headers: Vec::new(),
                client_state: None,
                trickle: None,
            },
            "bye" => Command::Bye {
                call,
                cause: None,
                sip_code: argument.parse().ok(),
                headers: Vec::new(),
            },
            "offer" => Command::UpdateMedia {
                call,
                sdp: argument,
            },
            "take" => Command::Attach {
                call,
                sdp: argument,
            },
            "refuse" => Command::RefuseOffer { call, status: 488 },
            "dtmf" => Command::Dtmf {
                call,
                digits: argument,
            },
            "refer" => Command::Transfer { call, to: argument },
            "text" => Command::Message {
                id: 7,
                call: Some(call),
                to: String::new(),
                body: argument,
            },
            "retry" => Command::Retry,
            "reconnect" => Command::Reconnect,
            "stop" => Command::Shutdown,
            _ => return,
        };
        self.session.handle(Input::Command(command), self.now);
    }

    fn invite(
        &mut self,
        to: String,
        refer: Option<CallId>,
        replaces: Option<Box<ReplacesDialog>>,
    ) -> Command {
        self.calls += 1;
        self.name_call(&format!("f-{}", self.calls));
        Command::Invite {
            call: CallId::from_wire(&self.call).expect("a name"),
            to,
            sdp: "v=0 offer".into(),
            caller_name: None,
            caller_number: None,
            headers: Vec::new(),
            client_state: None,
            codecs: Vec::new(),
            user_variables: Vec::new(),
            refer,
            replaces,
            trickle: None,
        }
    }

    fn name_call(&mut self, name: &str) {
        self.other = std::mem::replace(&mut self.call, name.to_owned());
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span.min(Duration::from_secs(600));
        for _ in 0..MOST_OUTPUTS {
            match self.drain() {
                Some(at) if at <= end => {
                    self.now = at.max(self.now);
                    self.session.handle(Input::Timeout, self.now);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    /// Takes everything that the session says; gives back when it wants to be woken.
    fn drain(&mut self) -> Option<Instant> {
        for _ in 0..MOST_OUTPUTS {
            let output = self.session.poll();
            if let Output::Wait(wait) = output {
                return wait.map(|(at, _)| at);
            } else if let Output::Send { text, .. } = output {
                self.sent(text.as_bytes());
            } else if let Output::SendBytes { bytes, .. } = output {
                self.sent(&bytes);
            } else if let Output::Event(event) = output {
                self.told(&event);
            }
        }
        panic!("the session never comes to rest");
    }

    fn sent(&mut self, message: &[u8]) {
        match read(message) {
            Ok(Incoming::Request(request)) => self.last = Some(*request),
            Ok(Incoming::Response(response)) => {
                response.ids.to_tag().clone_into(&mut self.tag);
            }
            _ => {}
        }
    }

    fn told(&mut self, event: &Event) {
        assert!(!self.stopped, "{event:?} after the end");
        if let Event::Incoming { call, .. } = event {
            self.name_call(call.as_str());
        }
        if let Event::Referred { call, .. } = event {
            self.refer = call.to_string();
        }
        if let Event::Ended { call, .. } = event {
            let new = self.ended.insert(call.to_string());
            assert!(new, "{call} ended twice");
            return;
        }
        if let Event::Ringing { call, .. }
        | Event::EarlyMedia { call, .. }
        | Event::Answered { call, .. }
        | Event::Confirmed { call }
        | Event::Offer { call, .. }
        | Event::OfferWanted { call }
        | Event::MediaUpdated { call, .. }
        | Event::Digit { call, .. } = event
        {
            assert!(
                !self.ended.contains(call.as_str()),
                "{event:?} after its end"
            );
        }
        self.stopped |= *event == Event::Stopped;
    }

    /// Whatever happened, the session can be ended in bounded time.
    fn finish(&mut self) {
        self.session
            .handle(Input::Command(Command::Shutdown), self.now);
        self.pass(Duration::from_secs(60));
        assert!(self.stopped, "it does not stop");
    }
}

//! A Verto session past its login: a server's frames, a user's commands, time and lost sockets in any order.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use offhook_signaling::auth::login::Login;
use offhook_signaling::auth::refresh::TokenRefresh;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::{Command, ConversationItem};
use offhook_signaling::event::Event;
use offhook_signaling::secret::Secret;
use offhook_signaling::session::{CloseReason, Input, Output};
use offhook_signaling::verto::dialect::differences::Dialect;
use offhook_signaling::verto::dialect::freeswitch::FREESWITCH;
use offhook_signaling::verto::dialect::telnyx::TELNYX;
use offhook_signaling::verto::rpc::{Frame, Id, parse};
use offhook_signaling::verto::session::{Config, Session};

/// More outputs than this for one input are a loop.
const MOST_OUTPUTS: usize = 5000;
/// Lines of one story.
const MOST_LINES: usize = 200;

/// The data is a story, one step a line: `>` and a frame of the server, in which `$ID` stands for the id of the last
/// request and `$CALL` for the last call; `!` and a command; `+` and milliseconds; `x` for a lost socket; `o` for an
/// opened one.
///
/// # Panics
/// When a call ends twice, something is said about it after its end, or a session never comes to rest.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for dialect in [TELNYX, FREESWITCH] {
        let mut tale = Tale::new(dialect);
        for line in text.lines().take(MOST_LINES) {
            tale.step(line);
        }
        tale.finish();
    }
}

struct Tale {
    session: Session,
    now: Instant,
    prefix: &'static str,
    /// Whether header fields are carried; otherwise every command with one is only refused.
    headers: bool,
    /// Id of the last request, and name of the last call.
    last_id: String,
    last_call: String,
    calls: u64,
    ended: BTreeSet<String>,
    ready: bool,
    stopped: bool,
}

impl Tale {
    /// A session that is ready.
    fn new(dialect: Dialect) -> Self {
        let now = Instant::now();
        let token = Login::Token {
            token: Secret::new("e30.eyJleHAiOjE4MDAwMDM2MDB9.c2ln"),
        };
        let password = Login::Password {
            user: "fuzz".into(),
            password: Secret::new("fuzz"),
        };
        let config = Config {
            wall_clock: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
            token_refresh: Some(TokenRefresh::default()),
            trickle: true,
            ..Config::new(
                "wss://gateway.example/",
                dialect,
                if dialect.gateway_fields {
                    token
                } else {
                    password
                },
            )
        };
        let mut tale = Self {
            session: Session::new(config, [5; 32], now),
            now,
            prefix: dialect.prefix,
            headers: dialect.headers,
            last_id: String::new(),
            last_call: "c-0".into(),
            calls: 0,
            ended: BTreeSet::new(),
            ready: false,
            stopped: false,
        };
        tale.drain();
        for line in [
            "o",
            r#">{"jsonrpc":"2.0","id":"$ID","result":{"message":"logged in","sessid":"s"}}"#,
            r#">{"jsonrpc":"2.0","id":1,"method":"$clientReady","params":{"state":"REGED"}}"#,
        ] {
            tale.step(line);
        }
        tale
    }

    fn step(&mut self, line: &str) {
        let Some(kind) = line.chars().next() else {
            return;
        };
        let rest = &line[kind.len_utf8()..];
        match kind {
            '>' => {
                let text = rest
                    .replace("$ID", &self.last_id)
                    .replace("$CALL", &self.last_call)
                    .replace("\"$", &format!("\"{}", self.prefix));
                self.session.handle(Input::Text(&text), self.now);
            }
            '+' => {
                let millis = rest.trim().parse::<u32>().unwrap_or(0);
                self.pass(Duration::from_millis(millis.into()));
            }
            'x' => self
                .session
                .handle(Input::Closed(CloseReason::default()), self.now),
            'o' => self.session.handle(Input::Opened, self.now),
            '!' => {
                if let Some(command) = self.command(rest) {
                    self.session.handle(Input::Command(command), self.now);
                }
            }
            _ => {}
        }
        self.drain();
    }

    fn command(&mut self, text: &str) -> Option<Command> {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let rest = rest.to_owned();
        if name == "invite" {
            self.calls += 1;
            self.last_call = format!("c-{}", self.calls);
        }
        let call = CallId::from_wire(&self.last_call)?;
        let fields = [("X-A".to_owned(), rest.clone())];
        let headers = fields.into_iter().filter(|_| self.headers).collect();
        let client_state = None;
        Some(match name {
            "invite" => Command::Invite {
                call,
                to: rest,
                sdp: "v=0".into(),
                caller_name: None,
                caller_number: None,
                headers,
                client_state,
                codecs: Vec::new(),
                user_variables: Vec::new(),
                refer: None,
                replaces: None,
                trickle: None,
            },
            "answer" => Command::Answer {
                call,
                sdp: "v=0".into(),
                headers,
                client_state,
                trickle: None,
            },
            "bye" => Command::Bye {
                call,
                cause: None,
                sip_code: None,
                headers,
            },
            "attach" => Command::Attach {
                call,
                sdp: "v=0".into(),
            },
            "hold" => Command::Hold { call, on: true },
            "resume" => Command::Hold { call, on: false },
            "transfer" => Command::Transfer { call, to: rest },
            "replace" => Command::Replace {
                call,
                with: CallId::from_wire(&rest)?,
            },
            "dtmf" => Command::Dtmf { call, digits: rest },
            "update" => Command::UpdateMedia {
                call,
                sdp: "v=0".into(),
            },
            "candidate" => Command::Candidate {
                call,
                candidate: rest,
            },
            "message" => Command::Message {
                id: 7,
                call: None,
                to: rest.clone(),
                body: rest,
            },
            "converse" => Command::Converse {
                call: None,
                item: ConversationItem::Text {
                    text: rest,
                    images: Vec::new(),
                },
            },
            "subscribe" => Command::Subscribe {
                channels: vec![rest],
            },
            "unsubscribe" => Command::Unsubscribe {
                channels: vec![rest],
            },
            "fsapi" => Command::FsApi {
                id: 1,
                command: rest,
                arguments: String::new(),
            },
            "moderate" => Command::Moderate {
                call,
                command: "mute".into(),
                member: Some(rest),
                value: None,
            },
            "chat" => Command::ConferenceChat { call, text: rest },
            "token" => Command::Login(Login::Token {
                token: Secret::new(rest),
            }),
            "no-token" => Command::TokenFailed {
                reason: rest,
                retry_after: None,
            },
            "retry" => Command::Retry,
            "reconnect" => Command::Reconnect,
            "shutdown" => Command::Shutdown,
            _ => return None,
        })
    }

    /// Lets time pass with its deadlines, up to a thousand of them.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        for _ in 0..1000 {
            match self.drain() {
                Some(at) if at <= end => {
                    assert!(at > self.now, "a deadline of the past");
                    self.now = at;
                    self.session.handle(Input::Timeout, self.now);
                }
                _ => break,
            }
        }
        self.now = end;
        self.session.handle(Input::Timeout, self.now);
    }

    fn drain(&mut self) -> Option<Instant> {
        for _ in 0..MOST_OUTPUTS {
            match self.session.poll() {
                Output::Wait(wait) => return wait.map(|(at, _)| at),
                Output::Send(text) => self.sent(&text),
                Output::Event(event) => self.told(event),
                Output::Connect { .. } | Output::Disconnect => {}
                _ => {}
            }
        }
        panic!("more than {MOST_OUTPUTS} outputs for one input");
    }

    fn sent(&mut self, text: &str) {
        for frame in parse(text) {
            if let Ok(Frame::Request(request)) = frame
                && let Some(Id::Text(id)) = request.id
            {
                self.last_id = id;
            }
        }
    }

    fn told(&mut self, event: Event) {
        assert!(!self.stopped, "{event:?} after the end");
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the others say nothing about the life of a call"
        )]
        let about = match event {
            Event::Ready => {
                self.ready = true;
                return;
            }
            Event::Stopped => {
                self.stopped = true;
                return;
            }
            Event::Incoming { call, .. }
            | Event::Attach {
                call, known: false, ..
            } => {
                self.last_call = call.to_string();
                self.ended.remove(call.as_str());
                return;
            }
            Event::Ended { call, .. } => {
                let first = self.ended.insert(call.to_string());
                assert!(first, "{call} ended twice");
                return;
            }
            Event::Ringing { call, .. }
            | Event::EarlyMedia { call, .. }
            | Event::Answered { call, .. }
            | Event::Confirmed { call }
            | Event::HoldState { call, .. }
            | Event::Transferred { call }
            | Event::CallIds { call, .. }
            | Event::Conference { call, .. }
            | Event::Prompt { call, .. }
            | Event::RemoteCandidate { call, .. }
            | Event::Attach { call, .. } => call,
            _ => return,
        };
        assert!(
            !self.ended.contains(about.as_str()),
            "something about {about} after its end"
        );
    }

    /// Whatever came before, a session ends when it is told to, and owes no call its end.
    fn finish(&mut self) {
        self.session
            .handle(Input::Command(Command::Shutdown), self.now);
        self.pass(Duration::from_secs(5));
        self.drain();
        assert!(self.stopped, "it does not stop");
        assert_eq!(self.session.calls(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_begins_with_a_session_that_is_ready() {
        for dialect in [TELNYX, FREESWITCH] {
            assert!(Tale::new(dialect).ready);
        }
    }

    #[test]
    fn a_story_reaches_calls_that_are_up() {
        let mut tale = Tale::new(FREESWITCH);
        for line in [
            "!invite 9196",
            r#">{"jsonrpc":"2.0","id":2,"method":"$answer","params":{"callID":"$CALL","sdp":"v=0"}}"#,
            "!hold",
        ] {
            tale.step(line);
        }
        let asked = tale.last_id.clone();
        tale.step(r#">{"jsonrpc":"2.0","id":"$ID","result":{"holdState":"held"}}"#);
        tale.step("!hold");
        assert_ne!(tale.last_id, asked);
        tale.finish();
    }
}

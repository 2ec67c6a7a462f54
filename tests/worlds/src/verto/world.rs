//! One seed's hour: the session, its user, the gateway, the way between them, and everything that goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use offhook_signaling::auth::refresh::TokenRefresh;
use offhook_signaling::command::Command;
use offhook_signaling::deadlines::Deadline;
use offhook_signaling::event::{EndedBy, Event};
use offhook_signaling::session::{CloseReason, ConnectFailure, Input, Output};
use offhook_signaling::verto::dialect::freeswitch::FREESWITCH;
use offhook_signaling::verto::dialect::telnyx::TELNYX;
use offhook_signaling::verto::session::{Config, Session};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::trace::Trace;
use crate::verto::acks::Acks;
use crate::verto::gateway::{EPOCH, Gateway};
use crate::verto::model::{Model, check};
use crate::verto::network::{Agenda, Happening, Link, Socket};
use crate::verto::user::Credential;

const HOUR: Duration = Duration::from_secs(3600);
/// No fault and no new wish in this last part: all must have come to rest by its end.
pub(super) const QUIET: Duration = Duration::from_secs(400);
/// Nobody starts anything any more, so that both sides can be compared.
const STILL: Duration = Duration::from_secs(15);
pub(super) const OFFER: &str = "v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=-\r\n";

pub(super) type Verdict = Result<(), String>;

pub(super) struct World {
    pub(super) session: Session,
    pub(super) gateway: Gateway,
    pub(super) link: Link,
    pub(super) agenda: Agenda,
    pub(super) model: Model,
    pub(super) rng: StdRng,
    pub(super) trace: Trace,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) wait: Option<(Instant, Deadline)>,
    /// Nothing can be reached before this instant; `true`: attempts hang instead of failing.
    pub(super) outage: Option<(Instant, bool)>,
    /// The login of this socket has been sent, `clientReady` has not arrived.
    pub(super) hushed: bool,
    acks: Acks,
    pub(super) fresh_socket: bool,
    pub(super) stopped: bool,
    pub(super) calls: u32,
    pub(super) credential: Credential,
    pub(super) apis: u64,
    /// Calls whose bye has been sent, and calls that still owe one since the connection was lost.
    pub(super) byes: BTreeSet<String>,
    pub(super) owed: BTreeMap<String, Instant>,
    /// Without a ready session since then.
    pub(super) down: Option<Instant>,
}

/// What a world came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Hash of every choice, frame and event.
    pub hash: u64,
    /// How often the session became ready.
    pub readies: u32,
    /// Calls that there were.
    pub calls: u32,
}

/// An hour of one session. The seed decides the dialect, the user's wishes and all that goes wrong.
///
/// # Errors
/// What broke, and when.
pub fn hour(seed: u64) -> Result<Outcome, String> {
    let mut world = World::new(seed, Trace::default());
    world.outcome()
}

/// The same hour, told line by line.
pub fn story(seed: u64) -> (Result<Outcome, String>, Vec<String>) {
    let mut world = World::new(seed, Trace::with_story());
    (world.outcome(), world.trace.story().to_vec())
}

impl World {
    fn outcome(&mut self) -> Result<Outcome, String> {
        let result = self.live();
        let at = (self.now - self.start).as_secs_f64();
        result.map_err(|fault| format!("at {at:.3} s: {fault}"))?;
        Ok(Outcome {
            hash: self.trace.hash(),
            readies: self.model.readies,
            calls: self.calls,
        })
    }

    fn new(seed: u64, trace: Trace) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let now = Instant::now();
        let dialect = if seed.is_multiple_of(2) {
            TELNYX
        } else {
            FREESWITCH
        };
        let credential = Credential::of(seed);
        let config = Config {
            wall_clock: Some(SystemTime::UNIX_EPOCH + EPOCH),
            token_refresh: (credential == Credential::Token).then(TokenRefresh::default),
            trickle: seed.is_multiple_of(3),
            region: seed.is_multiple_of(5).then(|| "eu".to_owned()),
            ..Config::new(
                "wss://rtc.gateway.example",
                dialect,
                credential.login(Duration::ZERO),
            )
        };
        let mut world = Self {
            session: Session::new(config, rng.random(), now),
            gateway: Gateway::new(dialect, rng.random(), now),
            link: Link::new(now),
            agenda: Agenda::default(),
            model: Model::new(dialect.gateway_fields, dialect.keeps_unanswered, now),
            rng,
            trace,
            start: now,
            now,
            wait: None,
            outage: None,
            hushed: false,
            acks: Acks::new(dialect),
            fresh_socket: true,
            stopped: false,
            credential,
            apis: 0,
            byes: BTreeSet::new(),
            owed: BTreeMap::new(),
            down: None,
            calls: 0,
        };
        world.agenda.plan(now, Happening::User);
        if credential != Credential::Anonymous {
            world
                .agenda
                .plan(now + Duration::from_secs(30), Happening::SomebodyCalls);
        }
        let faults = world.rng.random_range(1..=6);
        for _ in 0..faults {
            let at = world.span(5_000, (HOUR - QUIET).as_millis() as u64);
            world.agenda.plan(now + at, Happening::Fault);
        }
        world
    }

    pub(super) fn span(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from_ms..=to_ms))
    }

    pub(super) fn odds(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    pub(super) fn before(&self, last: Duration) -> bool {
        self.now < self.start + HOUR - last
    }

    fn live(&mut self) -> Verdict {
        self.drain()?;
        self.run_until(self.start + HOUR, |_| false)?;
        check(self.model.is_ready(), || {
            "not ready though nothing has gone wrong for minutes".to_owned()
        })?;
        let (ours, theirs) = (self.model.live(), self.gateway.attached());
        check(ours == theirs, || {
            format!("calls here {ours:?}, calls there {theirs:?}")
        })?;
        let (heard, granted) = (self.model.channels.clone(), self.gateway.channels());
        check(heard == granted, || {
            format!("channels here {heard:?}, channels there {granted:?}")
        })?;
        self.model.hears_what_it_wants()?;
        self.model.shut_down();
        self.command(Command::Shutdown)?;
        let limit = self.now + Duration::from_secs(5);
        self.run_until(limit, |world| world.stopped)?;
        check(self.stopped, || "not stopped within 5 s".to_owned())?;
        self.model.at_end()?;
        check(self.wait.is_none(), || {
            format!("waiting after the end: {:?}", self.wait)
        })?;
        self.run_until(self.now + Duration::from_secs(2), |_| false)?;
        let left = self.gateway.attached();
        check(left.is_empty(), || format!("calls left behind: {left:?}"))
    }

    fn run_until(&mut self, end: Instant, enough: impl Fn(&Self) -> bool) -> Verdict {
        while !enough(self) {
            let timer = self.wait.map(|(at, _)| at);
            let planned = self.agenda.next_at();
            let Some(next) = timer
                .into_iter()
                .chain(planned)
                .min()
                .filter(|at| *at <= end)
            else {
                break;
            };
            self.now = next;
            self.trace.clock(next - self.start);
            if timer == Some(next) {
                self.input(Input::Timeout)?;
            } else if let Some((_, happening)) = self.agenda.take() {
                self.happen(happening)?;
            }
            self.follow_gateway();
            self.model.at_rest(self.now)?;
            check(self.gateway.fault.is_none(), || {
                self.gateway.fault.clone().unwrap_or_default()
            })?;
        }
        self.now = end.max(self.now);
        Ok(())
    }

    // ---- what happens ----

    fn happen(&mut self, happening: Happening) -> Verdict {
        if !self.before(QUIET) {
            // The gateway has found its way again.
            self.gateway.states.clear();
            self.gateway.refusals.clear();
            self.gateway.want_login = 0;
        }
        match happening {
            Happening::Opened(socket) if socket == self.link.socket => {
                self.link.open();
                self.input(Input::Opened)
            }
            Happening::Refused(socket) if socket == self.link.socket => {
                let (stage, text) = ("TCP".to_owned(), "gateway.example refused".to_owned());
                self.input(Input::Failed(ConnectFailure {
                    stage,
                    text,
                    remedy: None,
                    retry_after: None,
                }))
            }
            Happening::Opened(_) | Happening::Refused(_) => Ok(()),
            Happening::ToClient(socket, text) if self.link.is_open(socket) => {
                self.trace.note("in", &text);
                self.hushed &= !text.contains("clientReady");
                if let Some(call) = call_in(&text, ".bye\"") {
                    // Both hung up, and nobody is owed a word.
                    self.owed.remove(call);
                }
                self.acks.said(&text);
                self.input(Input::Text(&text))?;
                self.acks.check(self.hushed)
            }
            Happening::ToClient(..) => Ok(()),
            Happening::ToGateway(socket, text) => {
                self.gateway.receive(socket, &text, self.now);
                Ok(())
            }
            Happening::ClientSeesEnd(socket) if self.link.is_open(socket) => {
                self.link.close();
                self.input(Input::Closed(CloseReason {
                    code: Some(1000),
                    text: String::new(),
                }))
            }
            Happening::ClientSeesEnd(_) => Ok(()),
            Happening::GatewaySeesEnd(socket) => {
                self.gateway.client_gone(socket, self.now);
                Ok(())
            }
            Happening::GatewayReply(socket, text) => {
                self.deliver(socket, text);
                Ok(())
            }
            Happening::FarSide(call, act) => {
                if self.before(STILL) {
                    self.gateway.far_side(&call, act);
                }
                Ok(())
            }
            Happening::GatewayPing(socket) => {
                self.gateway.ping(socket, self.now);
                Ok(())
            }
            Happening::SomebodyCalls => {
                if self.before(QUIET) {
                    self.gateway.somebody_calls();
                    let next = self.span(30_000, 600_000);
                    self.agenda.plan(self.now + next, Happening::SomebodyCalls);
                }
                Ok(())
            }
            Happening::User => self.user(),
            Happening::UserAnswers(call) => self.user_answers(&call),
            Happening::UserAttaches(call) => {
                self.model.attached(&call, self.now);
                self.about(&call, |call| Command::Attach {
                    call,
                    sdp: OFFER.into(),
                })
            }
            Happening::ChannelTalk(socket) => {
                if self.before(STILL) {
                    self.gateway.channel_talk(socket);
                }
                Ok(())
            }
            Happening::TokenSource(true) => {
                let token = self.credential.login(self.now - self.start);
                self.command(Command::Login(token))
            }
            Happening::TokenSource(false) => {
                let reason = "token.example answers 503".to_owned();
                self.command(Command::TokenFailed {
                    reason,
                    retry_after: None,
                })
            }
            Happening::Fault => self.fault(),
        }
    }

    fn follow_gateway(&mut self) {
        for (delay, happening) in std::mem::take(&mut self.gateway.plans) {
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "only frames travel the link"
            )]
            match happening {
                Happening::ToClient(socket, text) => self.deliver(socket, text),
                other => self.agenda.plan(self.now + delay, other),
            }
        }
    }

    fn deliver(&mut self, socket: Socket, text: String) {
        let delay = self.span(5, 120);
        if let Some(at) = self.link.reach_client(socket, delay, self.now) {
            self.agenda.plan(at, Happening::ToClient(socket, text));
        }
    }

    fn fault(&mut self) -> Verdict {
        let kind = self.rng.random_range(0..15);
        self.trace.note("fault", &kind.to_string());
        let socket = self.link.socket;
        match kind {
            0 | 1 => self.cut(socket),
            2 | 3 => {
                self.link.silent = true;
                let noticed = self.span(60_000, 150_000);
                self.agenda
                    .plan(self.now + noticed, Happening::GatewaySeesEnd(socket));
            }
            4 | 5 => {
                let (span, hangs) = (self.span(5_000, 200_000), self.odds(50));
                self.outage = Some((self.now + span, hangs));
                self.cut(socket);
            }
            6 => {
                self.gateway.refusals.push_back(-32001);
                self.cut(socket);
            }
            7 => self.gateway.want_login = self.rng.random_range(1..=30),
            8 => {
                const STATES: [&str; 12] = [
                    "TRYING",
                    "TIMEOUT",
                    "UNREGISTER",
                    "DOWN",
                    "ATTACHED",
                    "UNREGED",
                    "NOREG",
                    "REGISTER",
                    "FAILED",
                    "FAIL_WAIT",
                    "EXPIRED",
                    "NEW_STATE",
                ];
                if self.odds(15) {
                    // A gateway that has lost its way, for longer than anybody should wait.
                    let state = STATES[self.rng.random_range(0..STATES.len())];
                    self.gateway.states.extend([state; 60]);
                } else {
                    for _ in 0..self.rng.random_range(1..=6) {
                        self.gateway
                            .states
                            .push_back(STATES[self.rng.random_range(0..STATES.len())]);
                    }
                }
                if self.odds(50) {
                    self.cut(socket);
                } else {
                    self.gateway.say_state("UNREGED");
                }
            }
            9 => self.gateway.punt(),
            10 => {
                self.model.commanded_to_connect(self.now);
                return self.command(Command::Reconnect);
            }
            11 => self.link.deaf = true,
            12 => {
                let stall = self.span(500, 20_000);
                self.link.stall(stall, self.now);
            }
            13 => {
                // The socket ends in the middle of a frame.
                let piece =
                    r#"{"jsonrpc":"2.0","id":77,"method":"verto.attach","params":{"callID":"#;
                self.deliver(socket, piece.to_owned());
                self.cut(socket);
            }
            _ => {
                const CODES: [i64; 5] = [-32000, -32001, -32002, -32603, -32099];
                for _ in 0..self.rng.random_range(1..=4) {
                    let code = CODES[self.rng.random_range(0..CODES.len())];
                    self.gateway.refusals.push_back(code);
                }
                self.cut(socket);
            }
        }
        Ok(())
    }

    /// The socket ends, and each side notices in its own time.
    fn cut(&mut self, socket: Socket) {
        let (here, there) = (self.span(0, 200), self.span(0, 2_000));
        self.agenda
            .plan(self.now + here, Happening::ClientSeesEnd(socket));
        self.agenda
            .plan(self.now + there, Happening::GatewaySeesEnd(socket));
    }

    // ---- the session ----

    pub(super) fn command(&mut self, command: Command) -> Verdict {
        self.trace.note("command", command.name());
        if matches!(command, Command::Login(_)) {
            self.model.token_came();
        }
        self.input(Input::Command(command))
    }

    fn input(&mut self, input: Input<'_>) -> Verdict {
        self.session.handle(input, self.now);
        self.drain()
    }

    fn drain(&mut self) -> Verdict {
        loop {
            match self.session.poll() {
                Output::Connect { url } => self.dial(&url),
                Output::Send(text) => self.send(text)?,
                Output::Disconnect => {
                    let (socket, there) = (self.link.socket, self.span(0, 500));
                    self.link.close();
                    self.agenda
                        .plan(self.now + there, Happening::GatewaySeesEnd(socket));
                }
                Output::Event(event) => self.event(event)?,
                Output::Wait(wait) => {
                    check(wait.is_none_or(|(at, _)| at > self.now), || {
                        format!("waiting for the past: {wait:?}")
                    })?;
                    self.wait = wait;
                    self.trace
                        .number(wait.map_or(0, |(at, _)| (at - self.start).as_nanos() as u64));
                    return Ok(());
                }
                _ => return Err("an output of a new kind".to_owned()),
            }
        }
    }

    fn dial(&mut self, url: &str) {
        self.trace.note("connect", url);
        let socket = self.link.dial(self.now);
        self.fresh_socket = true;
        self.hushed = false;
        self.acks.forget();
        let delay = self.span(20, 400);
        match self.outage.filter(|(until, _)| *until > self.now) {
            Some((_, true)) => {}
            Some((_, false)) => self
                .agenda
                .plan(self.now + delay, Happening::Refused(socket)),
            None => self
                .agenda
                .plan(self.now + delay, Happening::Opened(socket)),
        }
    }

    fn send(&mut self, text: String) -> Verdict {
        self.trace.note("out", &text);
        self.acks.sent(&text);
        check(!self.hushed, || {
            "something was sent between login and clientReady".to_owned()
        })?;
        if let Some(call) = call_in(&text, ".bye\"") {
            self.owed.remove(call);
            self.byes.insert(call.to_owned());
        }
        if let Some(call) = call_in(&text, ".invite\"") {
            self.model.invite_sent(call)?;
        }
        let login =
            text.contains(r#""method":"login""#) || text.contains(r#""method":"anonymous_login""#);
        check(login || !self.fresh_socket, || {
            "something was sent before the login".to_owned()
        })?;
        if login {
            self.model.login_sent(self.now)?;
            self.hushed = std::mem::take(&mut self.fresh_socket);
        }
        let delay = self.span(5, 120);
        if let Some(at) = self.link.reach_gateway(delay, self.now) {
            self.agenda
                .plan(at, Happening::ToGateway(self.link.socket, text));
        }
        Ok(())
    }

    fn event(&mut self, event: Event) -> Verdict {
        self.trace.note("event", &format!("{event:?}"));
        check(!self.stopped, || format!("{event:?} after the end"))?;
        self.acks.told(&event);
        let gateway = &self.gateway;
        self.model
            .event(&event, |call| gateway.has_ended(call), self.now)?;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the user only looks at the others"
        )]
        match event {
            Event::Stopped => self.stopped = true,
            Event::Ended {
                call,
                by: EndedBy::Local,
                ..
            } if self.gateway.knows(call.as_str()) && !self.byes.contains(call.as_str()) => {
                let since = self.down.unwrap_or(self.now);
                self.owed.insert(call.to_string(), since);
            }
            Event::Disconnected { .. } => self.down = self.down.or(Some(self.now)),
            Event::Ready => {
                self.down = None;
                // What is older is given up at the server by now.
                let patience = Duration::from_secs(80);
                self.owed.retain(|_, since| self.now < *since + patience);
                let owed = std::mem::take(&mut self.owed);
                check(owed.is_empty(), || format!("no bye for {owed:?}"))?;
            }
            Event::TokenWanted { .. } => {
                let source = self.rng.random_range(0..20);
                let at = self.now + self.span(20, 4_000);
                if source < 19 {
                    self.agenda.plan(at, Happening::TokenSource(source < 17));
                }
            }
            Event::Incoming { call, .. } => {
                self.calls += 1;
                if !self.odds(5) {
                    let at = self.now + self.span(200, 15_000);
                    self.agenda
                        .plan(at, Happening::UserAnswers(call.to_string()));
                }
            }
            Event::Attach { call, .. } if !self.odds(5) => {
                let at = self.now + self.span(1, 500);
                self.agenda
                    .plan(at, Happening::UserAttaches(call.to_string()));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The call that a request of this method is about.
fn call_in<'a>(text: &'a str, method: &str) -> Option<&'a str> {
    let (head, _) = text.split_once(r#""params""#)?;
    (head.contains(r#""method":"#) && head.contains(method)).then_some(())?;
    let (_, rest) = text.split_once(r#""callID":""#)?;
    rest.split('"').next()
}

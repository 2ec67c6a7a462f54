//! One seed's life of one or two SIP user agents: their users, their server, the far end, and everything that goes wrong.

use std::time::{Duration, Instant};

use offhook_signaling::auth::login::Login;
use offhook_signaling::call_id::CallId;
use offhook_signaling::command::Command;
use offhook_signaling::event::{EndedBy, Event};
use offhook_signaling::secret::Secret;
use offhook_signaling::session::{CloseReason, ConnectFailure};
use offhook_signaling::sip::config::{Config, Reliable};
use offhook_signaling::sip::deadline::Deadline;
use offhook_signaling::sip::flow_id::FlowId;
use offhook_signaling::sip::message::uri::Uri;
use offhook_signaling::sip::session::{Input, Output, Session};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::sip::far::{Far, Plan};
use crate::sip::message::Message;
use crate::sip::model::Model;
use crate::sip::network::{Agenda, Happening, Link, Way};
use crate::sip::notifier::Notifier;
use crate::sip::server::{Server, USERS};
use crate::sip::watch::{Verdict, Watch, check};
use crate::trace::Trace;

/// No fault and no new wish in this last part: all must have come to rest by its end.
const QUIET: Duration = Duration::from_secs(170);
/// The longest way of a goodbye and of what it waits for, an ACK that comes late.
const ON_ITS_WAY: Duration = Duration::from_secs(7);
/// How long calls may ring, at both ends, and how long they live without a connection: shorter than usual, so that a world
/// comes to rest within few minutes.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// One user agent with what stands around it.
pub(super) struct Party {
    pub(super) session: Session,
    pub(super) links: Vec<Link>,
    pub(super) wait: Option<(Instant, Deadline)>,
    pub(super) watch: Watch,
    pub(super) model: Model,
    stopped: bool,
}

pub(super) struct World {
    pub(super) parties: Vec<Party>,
    pub(super) server: Server,
    pub(super) far: Far,
    pub(super) notifier: Notifier,
    pub(super) agenda: Agenda,
    pub(super) rng: StdRng,
    pub(super) trace: Trace,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) end: Instant,
    /// Nothing can be reached before this instant; `true`: attempts hang instead of failing.
    pub(super) outage: Option<(Instant, bool)>,
    pub(super) calls: u32,
}

/// What a world came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Hash of every choice, message and event.
    pub hash: u64,
    /// How often the sessions became ready.
    pub readies: u32,
    /// Calls that there were.
    pub calls: u32,
}

/// The life of one or two user agents. The seed decides how they are set up, their users' wishes and all that goes wrong.
///
/// # Errors
/// What broke, and when.
pub fn life(seed: u64) -> Result<Outcome, String> {
    World::new(seed, Trace::default()).outcome()
}

/// The same life, told line by line.
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
            readies: self.parties.iter().map(|party| party.model.readies).sum(),
            calls: self.calls,
        })
    }

    fn new(seed: u64, trace: Trace) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let start = Instant::now();
        // Half of them talk to each other too; some live for an hour.
        let sides = 1 + usize::from(rng.random_range(0..5) < 2);
        let lively = match rng.random_range(0..200) {
            0 => 3_300,
            1..=3 => 900,
            _ => rng.random_range(30..=150),
        };
        let lively = Duration::from_secs(lively);
        let parties = (0..sides)
            .map(|side| Party::new(side, config(side, &mut rng), &mut rng, start))
            .collect();
        let mut world = Self {
            parties,
            server: Server::new(sides, rng.random()),
            far: Far::new(rng.random()),
            notifier: Notifier::new(rng.random()),
            agenda: Agenda::default(),
            rng,
            trace,
            start,
            now: start,
            end: start + lively + QUIET,
            outage: None,
            calls: 0,
        };
        for side in 0..sides {
            world
                .agenda
                .plan(start + Duration::from_secs(1), Happening::User(side));
            world.agenda.plan(
                start + Duration::from_secs(5),
                Happening::SomebodyCalls(side),
            );
        }
        for _ in 0..world.rng.random_range(0..=4) {
            let at = world.span(3_000, lively.as_millis() as u64);
            world.agenda.plan(start + at, Happening::Fault);
        }
        world
    }

    pub(super) fn span(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from_ms..=to_ms))
    }

    pub(super) fn odds(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    /// Before the quiet part.
    pub(super) fn is_lively(&self) -> bool {
        self.now + QUIET < self.end
    }

    fn live(&mut self) -> Verdict {
        for side in 0..self.parties.len() {
            self.drain(side)?;
        }
        self.run_until(self.end)?;
        for party in &self.parties {
            check(party.model.ready, || {
                "not ready though nothing has gone wrong for minutes".to_owned()
            })?;
        }
        self.agree_on_calls()?;
        self.agree_on_channels()?;
        for side in 0..self.parties.len() {
            for call in self.parties[side].model.live() {
                let call = CallId::from_wire(&call).ok_or("a call without a name")?;
                self.hang_up(side, call)?;
            }
        }
        self.run_until(self.now + Duration::from_secs(75))?;
        for leg in self.far.talks() {
            let excused = self.parties[leg.side].watch.talks.is_unheard(&leg.named());
            check(excused, || {
                format!("a goodbye that never came: {:?}", leg.named())
            })?;
        }
        for party in &self.parties {
            party.model.at_end()?;
            let left = party.session.census();
            let asks = party.watch.refreshing();
            let under_way = left.served + left.calls + left.referrals;
            check(
                under_way == 0 && left.requests == asks && left.deadlines == asks,
                || format!("left behind in a quiet world: {left:?}"),
            )?;
            let talks = party.watch.talks.left();
            check(talks.is_empty(), || format!("dialogs left: {talks:?}"))?;
        }
        for side in 0..self.parties.len() {
            self.parties[side].model.shut_down();
            self.parties[side].watch.listens.wants_nothing(self.now);
            self.command(side, Command::Shutdown)?;
        }
        self.run_until(self.now + Duration::from_secs(5))?;
        for party in &self.parties {
            check(party.stopped && party.wait.is_none(), || {
                format!("not stopped within 5 s, or waiting: {:?}", party.wait)
            })?;
        }
        Ok(())
    }

    /// What is wanted is heard, and as it is now.
    fn agree_on_channels(&self) -> Verdict {
        for (side, party) in self.parties.iter().enumerate() {
            for (event, heard, told) in party.watch.listens.all(self.now) {
                let there = self.notifier.tells(side, event, self.now);
                let same = there.is_some() && there.as_deref() == heard;
                check(same && told, || {
                    format!("{event} is {there:?}, heard as {heard:?}, told: {told}")
                })?;
            }
        }
        Ok(())
    }

    /// Both ends of each call know of it.
    fn agree_on_calls(&self) -> Verdict {
        for (side, party) in self.parties.iter().enumerate() {
            for (call, seen) in &party.model.calls {
                let here = seen.up;
                let there = self.far.is_up(&seen.name)
                    || self.parties.iter().enumerate().any(|(other, party)| {
                        let mut calls = party.model.calls.values();
                        other != side && calls.any(|it| it.name == seen.name && it.up)
                    });
                let unheard = here && self.far.parts_in_vain(&seen.name);
                let excused = unheard || self.is_excused(&seen.name);
                check(here == there || excused, || {
                    format!("{call} ({}) is up here: {here}, there: {there}", seen.name)
                })?;
            }
        }
        for leg in self.far.talks() {
            let calls = &self.parties[leg.side].model.calls;
            let here = calls.values().any(|seen| seen.name == leg.name && seen.up);
            check(here || self.is_excused(&leg.name), || {
                format!("{} is up at the far end alone", leg.name)
            })?;
        }
        Ok(())
    }

    /// The word of its end is on its way, or nothing could carry it in its time.
    fn is_excused(&self, name: &str) -> bool {
        self.parties.iter().any(|party| {
            party.model.gone.get(name).is_some_and(|gone| {
                let talks = &party.watch.talks;
                let mut call_id = gone.call_id.iter();
                gone.at + ON_ITS_WAY > self.now || call_id.any(|it| talks.has_unheard(it))
            })
        })
    }

    fn run_until(&mut self, end: Instant) -> Verdict {
        loop {
            let timers = self.parties.iter().enumerate();
            let timer = timers
                .filter_map(|(side, party)| Some((party.wait?.0, side)))
                .min();
            let planned = self.agenda.next_at();
            let next = timer.map(|(at, _)| at).into_iter().chain(planned).min();
            let Some(next) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = next.max(self.now);
            self.trace.clock(self.now - self.start);
            if !self.is_lively() {
                self.server.calm = true;
                self.server.registrar.refusals = 0;
                self.far.calm = true;
                self.notifier.calm = true;
            }
            match timer {
                Some((at, side)) if at <= next => self.input(side, Input::Timeout)?,
                _ => {
                    if let Some(happening) = self.agenda.take() {
                        self.happen(happening)?;
                    }
                }
            }
            self.follow();
            let fault = self.server.fault.take().or_else(|| self.far.fault.take());
            check(fault.is_none(), || fault.unwrap_or_default())?;
        }
        self.now = end.max(self.now);
        Ok(())
    }

    /// What server and far end have planned.
    fn follow(&mut self) {
        let plans = std::mem::take(&mut self.far.plans).into_iter();
        for plan in plans.chain(std::mem::take(&mut self.notifier.plans)) {
            match plan {
                Plan::Request(side, branch, text) => {
                    self.server.pass_on(side, &branch, text, self.now);
                }
                Plan::Answer(way, branch, text) => {
                    self.server.pass_back(way, &branch, text, self.now);
                }
                Plan::Later(pause, happening) => self.agenda.plan(self.now + pause, happening),
            }
        }
        for (delay, happening) in std::mem::take(&mut self.server.plans) {
            self.agenda.plan(self.now + delay, happening);
        }
    }

    // ---- one session ----

    pub(super) fn command(&mut self, side: usize, command: Command) -> Verdict {
        self.trace.note("command", command.name());
        let hurries = matches!(command, Command::Reconnect);
        self.input(side, Input::Command(command))?;
        if hurries {
            self.parties[side].watch.hurried();
        }
        Ok(())
    }

    pub(super) fn input(&mut self, side: usize, input: Input<'_>) -> Verdict {
        self.parties[side].session.handle(input, self.now);
        self.drain(side)?;
        let now = self.now;
        let party = &mut self.parties[side];
        if party.stopped {
            return Ok(());
        }
        party.watch.settled()?;
        let census = party.session.census();
        party.watch.at_rest(census.requests, census.served, now)?;
        party.model.at_rest(now)
    }

    fn drain(&mut self, side: usize) -> Verdict {
        loop {
            match self.parties[side].session.poll() {
                Output::Connect { flow, .. } => self.dial(side, flow),
                Output::Send { flow, text } => self.send(side, flow, text)?,
                Output::SendBytes { bytes, .. } => {
                    return Err(format!("bytes where all that comes is text: {bytes:?}"));
                }
                Output::Ping(flow) => {
                    let link = &self.parties[side].links[usize::from(flow.0)];
                    if link.is_sound() {
                        let way = link.way;
                        let at = self.now + self.span(5, 300);
                        self.agenda.plan(at, Happening::Pong(way));
                    }
                }
                Output::Disconnect(flow) => {
                    let now = self.now;
                    let party = &mut self.parties[side];
                    let link = &mut party.links[usize::from(flow.0)];
                    link.close();
                    let way = link.way;
                    party.watch.lost(flow.0, now);
                    party.model.shaken(now);
                    let at = self.now + self.span(5, 200);
                    self.agenda.plan(at, Happening::ServerSeesEnd(way));
                }
                Output::Event(event) => self.event(side, event)?,
                Output::Wait(wait) => {
                    self.parties[side].wait = wait;
                    return Ok(());
                }
                other => return Err(format!("an output that nobody knows: {other:?}")),
            }
        }
    }

    fn dial(&mut self, side: usize, flow: FlowId) {
        self.trace.note("connect", &flow.to_string());
        let way = self.parties[side].links[usize::from(flow.0)].dial(self.now);
        let at = self.now + self.span(20, 400);
        match self.outage.filter(|(until, _)| *until > self.now) {
            Some((_, true)) => {}
            Some((_, false)) => self.agenda.plan(at, Happening::Refused(way)),
            None => self.agenda.plan(at, Happening::Opened(way)),
        }
    }

    fn send(&mut self, side: usize, flow: FlowId, text: String) -> Verdict {
        self.trace.note("out", &text);
        let delay = self.span(5, 120);
        let now = self.now;
        let party = &mut self.parties[side];
        party.watch.sent(flow.0, &text, now)?;
        let link = &mut party.links[usize::from(flow.0)];
        check(link.is_open(link.way), || {
            "something was said on a connection that is not there".to_owned()
        })?;
        let way = link.way;
        if let Some(at) = link.reach_server(delay, now) {
            self.agenda.plan(at, Happening::ToServer(way, text));
        }
        Ok(())
    }

    /// A message reaches a client, if its socket is still there.
    pub(super) fn deliver(&mut self, way: Way, text: &str) -> Verdict {
        let now = self.now;
        let party = &mut self.parties[way.side];
        if !party.links[usize::from(way.flow)].is_open(way) {
            return Ok(());
        }
        self.trace.note("in", text);
        party.watch.heard(way.flow, text, now);
        self.input(way.side, Input::Message(FlowId(way.flow), text.as_bytes()))
    }

    fn event(&mut self, side: usize, event: Event) -> Verdict {
        self.trace.note("event", &format!("{event:?}"));
        let now = self.now;
        let party = &mut self.parties[side];
        check(!party.stopped, || format!("{event:?} after the end"))?;
        let watch = &party.watch;
        party
            .model
            .event(&event, |call_id| watch.heard_end(call_id), now)?;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the user only looks at the others"
        )]
        match event {
            Event::Stopped => party.stopped = true,
            Event::Channels {
                subscribed,
                refused,
            } => party.watch.listens.tells(&subscribed, &refused)?,
            Event::ChannelEvent { channel, data, .. } => {
                let body = data["body"].as_str().unwrap_or_default();
                party.watch.listens.hears(&channel, body)?;
            }
            Event::Ended { by, sip, .. } => {
                if let Some(call_id) = &sip.call_id {
                    let lost = by == EndedBy::Network;
                    party.watch.talks.told_end(call_id, lost, now);
                }
            }
            Event::Incoming { call, .. } => {
                self.calls += 1;
                if !self.odds(4) {
                    let at = now + self.span(1, 12_000);
                    self.agenda.plan(at, Happening::UserDecides(side, call));
                }
            }
            Event::Offer { call, .. } if !self.odds(4) => {
                let most = if self.odds(70) { 200 } else { 6_000 };
                let at = now + self.span(0, most);
                self.agenda.plan(at, Happening::UserTakesOffer(side, call));
            }
            Event::Referred { call, .. } if !self.odds(10) => {
                let at = now + self.span(100, 5_000);
                self.agenda.plan(at, Happening::UserRefers(side, call));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Party {
    fn new(side: usize, config: Config, rng: &mut StdRng, now: Instant) -> Self {
        let links = (0_u8..)
            .zip(&config.servers)
            .map(|(flow, _)| Link::new(side, flow, now))
            .collect();
        Self {
            watch: Watch::new(config.backoff),
            session: Session::new(config, rng.random(), now),
            links,
            wait: None,
            model: Model::new(now),
            stopped: false,
        }
    }
}

fn config(side: usize, rng: &mut StdRng) -> Config {
    let login = Login::Password {
        user: "user".to_owned(),
        password: Secret::new("secret"),
    };
    let aor = format!("sip:{}@example.com", USERS[side]);
    #[expect(clippy::unwrap_used, reason = "a fixed address")]
    let aor = Uri::parse(&aor).unwrap();
    let instance = format!("urn:uuid:00000000-0000-4000-8000-00000000000{side}");
    let mut config = Config::new("wss://one.example.com", aor, login, instance);
    if rng.random_range(0..10) < 4 {
        config.servers.push("wss://two.example.com".to_owned());
    }
    config.backoff.base = Duration::from_secs(rng.random_range(1..=5));
    config.backoff.max = Duration::from_secs(20);
    config.subscription_expires = Duration::from_secs([60, 120, 600, 3600][rng.random_range(0..4)]);
    config.timers.unanswered = PATIENCE;
    config.timers.untaken = PATIENCE;
    config.timers.detached = PATIENCE;
    config.crlf_keep_alive = rng.random_range(0..4) == 0;
    config.reliable =
        [Reliable::Supported, Reliable::Supported, Reliable::Never][rng.random_range(0..3)];
    let seconds = rng.random_range(90..=400);
    config.session_expires = (rng.random_range(0..5) > 0).then(|| Duration::from_secs(seconds));
    config
}

/// Whether nothing but an answer may follow.
pub(super) fn is_request(text: &str) -> bool {
    Message::read(text).is_some_and(|message| message.status().is_none())
}

/// How a socket came to its end.
pub(super) fn closed() -> CloseReason {
    CloseReason {
        code: Some(1001),
        text: String::new(),
    }
}

/// Why none came to be.
pub(super) fn refused() -> ConnectFailure {
    ConnectFailure {
        stage: "TCP".to_owned(),
        text: "one.example.com refused".to_owned(),
        remedy: None,
        retry_after: None,
    }
}

//! Who calls when, and what became of it: a machine without clock or engine.

use std::collections::{HashMap, VecDeque};
use std::mem::{self, Discriminant};
use std::time::{Duration, Instant};

use offhook_engine::event::EventKind;
use offhook_engine::status::{AccountState, ConnectSteps};
use offhook_engine::vocabulary::CallId;

use crate::figures::Figures;
use crate::kind;

/// What is to be done with the users.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Pause between the beginnings of two calls, over all users.
    pub(crate) pause: Duration,
    /// From the answer until we hang up.
    pub(crate) hold: Duration,
    /// How long a call may wait for its answer.
    pub(crate) ring: Duration,
    /// How long a user may take to be ready.
    pub(crate) login: Duration,
    /// How long users call again and again; `None`: each calls once.
    pub(crate) repeat: Option<Duration>,
}

/// The next thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Place a call of this user.
    Call(usize),
    /// Hang up.
    HangUp(CallId),
    /// Nothing before this instant; `None`: only when something happens.
    Wait(Option<Instant>),
    /// All is over.
    Done,
}

/// A user, as far as it got.
#[derive(Debug, Clone, PartialEq, Eq)]
enum User {
    /// Not ready yet.
    LoggingIn,
    /// Waits for its turn.
    Ready,
    /// Its call was asked for.
    Placing,
    /// It is in this call.
    Calling(CallId),
    /// It calls no more.
    Done,
}

#[derive(Debug)]
struct Call {
    user: usize,
    placed: Instant,
    answered: Option<Instant>,
    heard: bool,
    /// Nothing has come for a while.
    mute: bool,
    /// Steps that were measured: what comes again, as ICE does for a better path, is no part of the set-up.
    measured: Vec<Discriminant<EventKind>>,
    /// Why we end it.
    leaving: Option<Leaving>,
}

/// Why we hang up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// It lasted as long as it was to.
    Over,
    /// Nobody answered in time.
    Unanswered,
    /// The whole run ends early.
    Stopped,
}

/// The whole run.
#[derive(Debug)]
pub(crate) struct Load {
    plan: Plan,
    began: Instant,
    users: Vec<User>,
    /// Why a user is not ready, as told last.
    troubles: Vec<Option<String>>,
    /// Who is ready, in the order in which they became so.
    queue: VecDeque<usize>,
    next_call: Instant,
    calls: HashMap<CallId, Call>,
    stopping: bool,
    pub(crate) figures: Figures,
}

impl Load {
    pub(crate) fn new(plan: Plan, users: usize, now: Instant) -> Self {
        Self {
            plan,
            began: now,
            users: vec![User::LoggingIn; users],
            troubles: vec![None; users],
            queue: VecDeque::new(),
            next_call: now,
            calls: HashMap::new(),
            stopping: false,
            figures: Figures::of(users),
        }
    }

    /// What to do now; call until `Wait` or `Done`.
    pub(crate) fn poll(&mut self, now: Instant) -> Action {
        self.give_up_logins(now);
        if let Some(call) = self.overdue(now) {
            return Action::HangUp(call);
        }
        if now >= self.next_call
            && !self.stopping
            && let Some(user) = self.queue.pop_front()
        {
            if self.is_late(now) {
                self.finish_user(user);
                return self.poll(now);
            }
            // Calls that could not begin in time do not come in a burst later.
            let latest = now.checked_sub(self.plan.pause).unwrap_or(now);
            self.next_call = self.next_call.max(latest) + self.plan.pause;
            self.set(user, User::Placing);
            self.figures.placed += 1;
            return Action::Call(user);
        }
        if self.users.iter().all(|user| *user == User::Done) {
            return Action::Done;
        }
        Action::Wait(self.next_wake(now))
    }

    /// No new call; those that there are end.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        for user in &mut self.users {
            if matches!(user, User::LoggingIn | User::Ready) {
                *user = User::Done;
            }
        }
        self.queue.clear();
    }

    /// The engine took the call.
    pub(crate) fn placed(&mut self, user: usize, call: CallId, now: Instant) {
        self.set(user, User::Calling(call.clone()));
        self.figures.in_call += 1;
        let entry = Call {
            user,
            placed: now,
            answered: None,
            heard: false,
            mute: false,
            measured: Vec::new(),
            leaving: None,
        };
        self.calls.insert(call, entry);
    }

    /// The engine did not.
    pub(crate) fn not_placed(&mut self, user: usize, why: String, now: Instant) {
        self.figures.fail(why);
        self.user_is_free(user, now);
    }

    /// Something happened to a user's account.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other events change nothing here"
    )]
    pub(crate) fn on_account(&mut self, user: usize, kind: &EventKind, at: Duration, now: Instant) {
        self.figures.account(user, kind, at);
        match kind {
            EventKind::Ready if self.users.get(user) == Some(&User::LoggingIn) => {
                self.figures.ready += 1;
                self.user_is_free(user, now);
            }
            EventKind::Account { state, reason, .. } => {
                self.on_state(user, *state, reason.as_ref());
            }
            _ => {}
        }
    }

    /// What is known of a user's login, by an event or when listening began.
    pub(crate) fn on_state(&mut self, user: usize, state: AccountState, reason: Option<&String>) {
        if let Some(trouble) = self.troubles.get_mut(user) {
            *trouble = reason.cloned();
        }
        if state == AccountState::Refused && self.users.get(user) == Some(&User::LoggingIn) {
            self.lose_user(user, "login refused");
        }
    }

    /// How far a user's connection had come when listening began.
    pub(crate) fn on_steps(&mut self, user: usize, steps: &ConnectSteps, now: Instant) {
        let ConnectSteps {
            socket,
            tls,
            login,
            ready,
        } = *steps;
        let (dns, tcp) = (Duration::ZERO, socket);
        let socket = (socket, EventKind::Socket { dns, tcp });
        let tls = tls.map(|at| {
            let took = at.saturating_sub(tcp);
            (at, EventKind::Tls { took })
        });
        let login = login.map(|at| (at, EventKind::Login));
        let ready = ready.map(|at| (at, EventKind::Ready));
        for (at, kind) in [Some(socket), tls, login, ready].into_iter().flatten() {
            self.on_account(user, &kind, at, now);
        }
    }

    /// Something happened to a call.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the other events change nothing here"
    )]
    pub(crate) fn on_call(&mut self, id: &CallId, kind: &EventKind, at: Duration, now: Instant) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        let step = mem::discriminant(kind);
        if !call.measured.contains(&step) {
            call.measured.push(step);
            self.figures.call(kind, at);
        }
        match kind {
            EventKind::Answered(_) => {
                call.answered = Some(now);
                self.figures.answered += 1;
            }
            EventKind::FirstRtpReceived => call.heard = true,
            EventKind::NoMedia { .. } => call.mute = true,
            EventKind::MediaResumed => call.mute = false,
            EventKind::Ended(ended) => {
                self.figures.in_call -= 1;
                self.figures.quality(ended);
                let (user, failure) = (call.user, failure(call, ended));
                match failure {
                    Some(kind) => self.figures.fail(kind),
                    None => self.figures.good += 1,
                }
                self.calls.remove(id);
                self.user_is_free(user, now);
            }
            _ => {}
        }
    }

    fn set(&mut self, user: usize, state: User) {
        if let Some(entry) = self.users.get_mut(user) {
            *entry = state;
        }
    }

    /// It may call, for the first time or again.
    fn user_is_free(&mut self, user: usize, now: Instant) {
        let first = self.users.get(user) == Some(&User::LoggingIn);
        let again = self.plan.repeat.is_some() && !self.is_late(now);
        if (first || again) && !self.stopping {
            self.set(user, User::Ready);
            self.queue.push_back(user);
        } else {
            self.finish_user(user);
        }
    }

    fn finish_user(&mut self, user: usize) {
        self.set(user, User::Done);
    }

    fn lose_user(&mut self, user: usize, what: &str) {
        let trouble = self.troubles.get(user).cloned().flatten();
        let why = match trouble {
            Some(trouble) => format!("{what}: {trouble}"),
            None => what.to_owned(),
        };
        self.figures.fail(why);
        self.finish_user(user);
    }

    /// The time in which calls may begin is over.
    fn is_late(&self, now: Instant) -> bool {
        self.plan
            .repeat
            .is_some_and(|repeat| now >= self.began + repeat)
    }

    fn give_up_logins(&mut self, now: Instant) {
        if now < self.began + self.plan.login || self.stopping {
            return;
        }
        for user in 0..self.users.len() {
            if self.users.get(user) == Some(&User::LoggingIn) {
                self.lose_user(user, "not ready in time");
            }
        }
    }

    /// A call that is to be hung up now, which is then on its way out.
    fn overdue(&mut self, now: Instant) -> Option<CallId> {
        let plan = self.plan;
        let stopping = self.stopping;
        self.calls.iter_mut().find_map(|(id, call)| {
            if call.leaving.is_some() {
                return None;
            }
            call.leaving = match call.due(&plan) {
                (at, leaving) if now >= at => Some(leaving),
                _ if stopping => Some(Leaving::Stopped),
                _ => None,
            };
            call.leaving.map(|_| id.clone())
        })
    }

    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let staying = |call: &&Call| call.leaving.is_none();
        let calls = self.calls.values().filter(staying);
        let ends = calls.map(|call| call.due(&self.plan).0);
        let next = (!self.queue.is_empty()).then_some(self.next_call);
        let logins = self.users.contains(&User::LoggingIn);
        let logins = logins.then_some(self.began + self.plan.login);
        ends.chain(next).chain(logins).min().map(|at| at.max(now))
    }
}

impl Call {
    /// When we end it, and why then.
    fn due(&self, plan: &Plan) -> (Instant, Leaving) {
        match self.answered {
            Some(answered) => (answered + plan.hold, Leaving::Over),
            None => (self.placed + plan.ring, Leaving::Unanswered),
        }
    }
}

/// Why a call counts as failed.
fn failure(call: &Call, ended: &offhook_engine::ended::Ended) -> Option<String> {
    match call.leaving {
        Some(Leaving::Over) if !call.heard => Some("answered, and no sound came".to_owned()),
        Some(Leaving::Over) if call.mute => Some("answered, and its sound stopped".to_owned()),
        Some(Leaving::Over) => None,
        Some(Leaving::Unanswered) if call.answered.is_none() => {
            Some("not answered in time".to_owned())
        }
        // The user of this program wanted it so.
        Some(Leaving::Stopped | Leaving::Unanswered) => None,
        None => Some(kind::of(ended)),
    }
}

#[cfg(test)]
mod tests {
    use offhook_engine::ended::{EndReason, Ended, EndedBy};
    use offhook_engine::event::Said;
    use offhook_engine::vocabulary::{Cause, SipEnd};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn plan() -> Plan {
        Plan {
            pause: SECOND / 10,
            hold: 10 * SECOND,
            ring: 60 * SECOND,
            login: 30 * SECOND,
            repeat: None,
        }
    }

    struct World {
        load: Load,
        now: Instant,
        calls: u32,
        /// When calls began, and who.
        placed: Vec<(Duration, usize)>,
        hung_up: Vec<CallId>,
        began: Instant,
        done: bool,
    }

    impl World {
        fn new(plan: Plan, users: usize) -> Self {
            let now = Instant::now();
            Self {
                load: Load::new(plan, users, now),
                now,
                calls: 0,
                placed: Vec::new(),
                hung_up: Vec::new(),
                began: now,
                done: false,
            }
        }

        /// Lets time pass; all calls are answered and heard at once, unless `silent`.
        fn run(&mut self, span: Duration, answers: bool) {
            let until = self.now + span;
            loop {
                match self.load.poll(self.now) {
                    Action::Call(user) => {
                        self.calls += 1;
                        let call = CallId::from_wire(&format!("call-{}", self.calls)).unwrap();
                        self.placed.push((self.now - self.began, user));
                        self.load.placed(user, call.clone(), self.now);
                        if answers {
                            let answered = EventKind::Answered(Said::default());
                            self.tell(&call, &answered);
                            self.tell(&call, &EventKind::FirstRtpReceived);
                        }
                    }
                    Action::HangUp(call) => {
                        self.hung_up.push(call.clone());
                        self.tell(&call, &ended(EndReason::HungUp));
                    }
                    Action::Wait(at) => match at.filter(|at| *at <= until) {
                        Some(at) => self.now = at,
                        None => break,
                    },
                    Action::Done => {
                        self.done = true;
                        break;
                    }
                }
            }
            self.now = until;
        }

        fn tell(&mut self, call: &CallId, kind: &EventKind) {
            self.load.on_call(call, kind, SECOND, self.now);
        }

        fn ready(&mut self, user: usize) {
            let ready = EventKind::Ready;
            self.load.on_account(user, &ready, SECOND, self.now);
        }
    }

    fn ended(reason: EndReason) -> EventKind {
        EventKind::Ended(Box::new(Ended {
            by: EndedBy::Local,
            cause: Cause::NORMAL_CLEARING,
            reason,
            answered: true,
            answered_elsewhere: false,
            headers: Vec::new(),
            client_state: None,
            sip: SipEnd::default(),
            talk: SECOND,
            quality: None,
            recording: None,
        }))
    }

    #[test]
    fn a_call_whose_sound_stopped_has_failed() {
        let mut world = World::new(plan(), 2);
        world.ready(0);
        world.ready(1);
        world.run(5 * SECOND, true);
        let silent = EventKind::NoMedia { silent: SECOND };
        for call in ["call-1", "call-2"] {
            world.tell(&CallId::from_wire(call).unwrap(), &silent);
        }
        // One of them comes back.
        let call = CallId::from_wire("call-2").unwrap();
        world.tell(&call, &EventKind::MediaResumed);
        world.run(20 * SECOND, true);
        assert_eq!((world.load.figures.good, world.load.figures.failed), (1, 1));
    }

    #[test]
    fn a_login_that_was_refused_before_anybody_listened_is_filed_at_once() {
        let mut world = World::new(plan(), 2);
        let why = "no such user".to_owned();
        world.load.on_state(0, AccountState::Refused, Some(&why));
        world.ready(1);
        world.run(600 * SECOND, true);
        assert!(world.done);
        assert_eq!(world.load.figures.failed, 1);
        let kinds: Vec<_> = world.load.figures.failures.keys().collect();
        assert_eq!(kinds.len(), 1);
        assert!(kinds[0].starts_with("login refused"), "{kinds:?}");
    }

    #[test]
    fn calls_begin_at_the_rate_and_last_as_long_as_they_are_to() {
        let mut world = World::new(plan(), 5);
        for user in 0..5 {
            world.ready(user);
        }
        world.run(9 * SECOND, true);
        let times: Vec<_> = world.placed.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(times, [0, 100, 200, 300, 400]);
        assert!(world.hung_up.is_empty() && !world.done);
        world.run(10 * SECOND, true);
        assert_eq!(world.hung_up.len(), 5);
        assert!(world.done);
        let figures = &world.load.figures;
        assert_eq!((figures.good, figures.failed), (5, 0));
    }

    #[test]
    fn users_that_are_ready_late_cause_no_burst() {
        let mut world = World::new(plan(), 5);
        world.run(20 * SECOND, true);
        for user in 0..5 {
            world.ready(user);
        }
        world.run(SECOND, true);
        let times: Vec<_> = world.placed.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(times.len(), 5);
        for pair in times.windows(2).skip(1) {
            assert!(pair[1] - pair[0] >= 100, "{times:?}");
        }
    }

    #[test]
    fn who_is_refused_or_never_ready_is_a_failure_with_its_reason() {
        let mut world = World::new(plan(), 2);
        let refused = EventKind::Account {
            state: AccountState::Refused,
            reason: Some("wrong password".to_owned()),
            remedy: None,
            retry_in: None,
        };
        world.load.on_account(0, &refused, SECOND, world.now);
        world.run(31 * SECOND, true);
        assert!(world.done);
        let kinds: Vec<_> = world.load.figures.failures.keys().cloned().collect();
        assert_eq!(
            kinds,
            ["login refused: wrong password", "not ready in time"]
        );
    }

    #[test]
    fn an_unanswered_call_is_hung_up_and_fails_and_so_does_one_that_ends_by_itself() {
        let mut world = World::new(plan(), 2);
        world.ready(0);
        world.run(61 * SECOND, false);
        let mut failures = world.load.figures.failures.clone();
        assert_eq!(failures.remove("not answered in time"), Some(1));
        assert_eq!(failures.remove("not ready in time"), Some(1));
        let mut world = World::new(plan(), 1);
        world.ready(0);
        world.run(SECOND, true);
        let gone = ended(EndReason::Far {
            cause: Cause::NORMAL_CLEARING,
            detail: None,
        });
        let call = CallId::from_wire("call-1").unwrap();
        world.tell(&call, &gone);
        world.run(SECOND, true);
        assert!(world.done);
        assert_eq!((world.load.figures.good, world.load.figures.failed), (0, 1));
    }

    #[test]
    fn a_duration_lets_users_call_again_until_it_is_over() {
        let repeated = Plan {
            repeat: Some(35 * SECOND),
            ..plan()
        };
        let mut world = World::new(repeated, 1);
        world.ready(0);
        world.run(100 * SECOND, true);
        assert!(world.done);
        assert_eq!(world.placed.len(), 4, "{:?}", world.placed);
        assert_eq!(world.load.figures.good, 4);
    }

    #[test]
    fn what_comes_again_in_a_call_is_not_measured_again() {
        let mut world = World::new(plan(), 1);
        world.ready(0);
        world.run(SECOND, true);
        let call = CallId::from_wire("call-1").unwrap();
        world.tell(&call, &EventKind::FirstRtpReceived);
        let measured = world.load.figures.calls.first_rtp.distribution().unwrap();
        assert_eq!(measured.count, 1);
    }

    #[test]
    fn a_stop_ends_all_calls_and_is_no_failure() {
        let mut world = World::new(plan(), 3);
        world.ready(0);
        world.run(SECOND, true);
        world.ready(1);
        world.load.stop();
        world.run(SECOND, true);
        assert!(world.done);
        assert_eq!(world.hung_up.len(), 1);
        assert_eq!(world.load.figures.failed, 0);
    }
}

//! Who calls when, and what became of it: a machine without clock or engine.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::mem::{self, Discriminant};
use std::time::{Duration, Instant};

use offhook_engine::ended::Ended;
use offhook_engine::error::Error;
use offhook_engine::event::EventKind;
use offhook_engine::status::{AccountState, CallState, ConnectSteps};
use offhook_engine::vocabulary::CallId;

use crate::figures::Figures;
use crate::hearing::{Hearing, SILENCE};
use crate::kind::Kind;

/// What is to be done with the users.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Pause between the beginnings of two calls, over all users.
    pub(crate) pause: Duration,
    /// From the answer until we hang up.
    pub(crate) hold: Duration,
    /// How long a call may wait for its answer.
    pub(crate) ring: Duration,
    /// How long a user may take to be ready, at first and whenever it is no longer.
    pub(crate) login: Duration,
    /// How long users call again and again, from when the first of them is ready; `None`: each calls once.
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
enum State {
    /// Not ready, and given up at this instant.
    LoggingIn(Instant),
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
struct User {
    state: State,
    /// Its account can place calls, as told last.
    online: bool,
    /// It has been ready on the connection that it has, as told last.
    connected: bool,
    /// The server does not want it.
    refused: bool,
    /// Why it is not ready, as told last.
    trouble: Option<String>,
    was_ready: bool,
    has_called: bool,
    /// Its names, which are no part of what failed.
    names: Vec<String>,
}

#[derive(Debug)]
struct Call {
    user: usize,
    placed: Instant,
    /// When we end it: it has not been answered, or has lasted long enough.
    due: Instant,
    answered: bool,
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

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    /// The run was stopped before it could be judged.
    Stopped,
    Failed(Kind),
}

/// What is to be looked at when its time has come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The time in which calls may begin is over.
    Over,
    Login(usize),
    Call(CallId),
}

/// The whole run.
#[derive(Debug)]
pub(crate) struct Load {
    plan: Plan,
    users: Vec<User>,
    /// How many of them are not done.
    unfinished: usize,
    /// Who is ready, in the order in which they became so.
    queue: VecDeque<usize>,
    /// Since when there has been somebody.
    waiting_since: Instant,
    next_call: Instant,
    /// When the engine was asked for the last one.
    asked: Instant,
    calls: HashMap<CallId, Call>,
    /// What comes when, so that nobody has to look at all users and calls.
    agenda: BTreeSet<(Instant, Due)>,
    /// When no further call may begin.
    over: Option<Instant>,
    stopping: bool,
    pub(crate) figures: Figures,
}

impl Load {
    /// `users`: the names of each.
    pub(crate) fn new(plan: Plan, users: Vec<Vec<String>>, now: Instant) -> Self {
        let count = users.len();
        let given_up = now + plan.login;
        let user = |names| User {
            state: State::LoggingIn(given_up),
            online: false,
            connected: false,
            refused: false,
            trouble: None,
            was_ready: false,
            has_called: false,
            names,
        };
        Self {
            plan,
            users: users.into_iter().map(user).collect(),
            unfinished: count,
            queue: VecDeque::new(),
            waiting_since: now,
            next_call: now,
            asked: now,
            calls: HashMap::new(),
            agenda: (0..count)
                .map(|user| (given_up, Due::Login(user)))
                .collect(),
            over: None,
            stopping: false,
            figures: Figures::of(count),
        }
    }

    /// What to do now; call until `Wait` or `Done`.
    pub(crate) fn poll(&mut self, now: Instant) -> Action {
        if let Some(call) = self.look_at_agenda(now) {
            return Action::HangUp(call);
        }
        if now >= self.next_call
            && !self.stopping
            && let Some(user) = self.next_in_queue(now)
        {
            // Calls that could not begin in time do not come in a burst later.
            let latest = now.checked_sub(self.plan.pause).unwrap_or(now);
            let due = self.next_call.max(self.waiting_since);
            self.figures.rate.behind += latest.saturating_duration_since(due);
            self.next_call = self.next_call.max(latest) + self.plan.pause;
            self.asked = now;
            self.set(user, State::Placing);
            return Action::Call(user);
        }
        if self.unfinished == 0 {
            return Action::Done;
        }
        let next = (!self.queue.is_empty()).then_some(self.next_call);
        let agenda = self.agenda.first().map(|(at, _)| *at);
        let wake = [next, agenda].into_iter().flatten().min();
        Action::Wait(wake.map(|at| at.max(now)))
    }

    /// No new call; those that there are end.
    pub(crate) fn stop(&mut self, now: Instant) {
        self.stopping = true;
        for user in 0..self.users.len() {
            let state = self.users.get(user).map(|user| &user.state);
            if matches!(state, Some(State::LoggingIn(_) | State::Ready)) {
                self.finish_user(user);
            }
        }
        self.queue.clear();
        let staying = self.calls.iter().filter(|(_, call)| call.leaving.is_none());
        let ends: Vec<_> = staying
            .map(|(id, call)| ((call.due, Due::Call(id.clone())), id.clone()))
            .collect();
        for (entry, id) in ends {
            self.agenda.remove(&entry);
            self.agenda.insert((entry.0.min(now), Due::Call(id)));
        }
    }

    /// Nobody waits for the calls that there are: their ends were not seen.
    pub(crate) fn abandon(&mut self, engine_ended: bool) {
        for _ in 0..mem::take(&mut self.calls).len() {
            self.figures.in_call -= 1;
            match engine_ended {
                true => self
                    .figures
                    .call_failures
                    .add(Kind::ours("the engine has ended")),
                false => self.figures.stopped += 1,
            }
        }
    }

    /// The engine took the call.
    pub(crate) fn placed(&mut self, user: usize, id: CallId, now: Instant) {
        self.set(user, State::Calling(id.clone()));
        if let Some(user) = self.users.get_mut(user) {
            user.has_called = true;
        }
        self.figures.placed += 1;
        self.figures.rate.call_began(self.asked);
        self.figures.in_call += 1;
        let due = now + self.plan.ring;
        let call = Call {
            user,
            placed: now,
            due,
            answered: false,
            measured: Vec::new(),
            leaving: None,
        };
        self.agenda.insert((due, Due::Call(id.clone())));
        self.calls.insert(id, call);
    }

    /// The engine did not.
    pub(crate) fn not_placed(&mut self, user: usize, error: &Error, now: Instant) {
        if matches!(error, Error::NotReady { .. }) {
            // No call was tried, and none is before it is ready again. Whether its connection is gone is still to be told.
            if let Some(entry) = self.users.get_mut(user) {
                entry.online = false;
            }
            return self.log_in_again(user, now);
        }
        let Some(entry) = self.users.get_mut(user) else {
            return;
        };
        entry.has_called = true;
        self.figures.placed += 1;
        self.figures.rate.call_began(self.asked);
        self.figures
            .call_failures
            .add(Kind::of_refusal(error, &entry.names));
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
            EventKind::Ready => self.on_state(user, AccountState::Ready, None, now),
            EventKind::Account { state, reason, .. } => {
                self.on_state(user, *state, reason.as_ref(), now);
            }
            _ => {}
        }
    }

    /// How a user's account stands: by an event, when listening began, or after events were lost.
    pub(crate) fn on_state(
        &mut self,
        user: usize,
        state: AccountState,
        reason: Option<&String>,
        now: Instant,
    ) {
        let Some(entry) = self.users.get_mut(user) else {
            return;
        };
        entry.trouble = reason.cloned();
        entry.refused = state == AccountState::Refused;
        if state == AccountState::Ready {
            entry.online = true;
            entry.connected = true;
            if !mem::replace(&mut entry.was_ready, true) {
                self.figures.ready += 1;
                self.calls_may_begin(now);
            }
            if self.is(user, |state| matches!(state, State::LoggingIn(_))) {
                self.user_is_free(user, now);
            }
            return;
        }
        entry.online = false;
        // Who logs in without having connected anew renews its registration.
        if state != AccountState::LoggingIn {
            self.connection_lost(user);
        }
        if self.is(user, |state| *state == State::Ready) {
            self.log_in_again(user, now);
        }
        let refused = state == AccountState::Refused;
        if refused && self.is(user, |state| matches!(state, State::LoggingIn(_))) {
            self.lose_user(user, "login refused");
        }
    }

    /// How far a user's connection had come when listening began.
    pub(crate) fn on_steps(&mut self, user: usize, steps: &ConnectSteps, now: Instant) {
        let ConnectSteps {
            socket,
            connecting,
            tls,
            login,
            ready,
        } = *steps;
        let (dns, tcp) = (Duration::ZERO, connecting);
        let tls = tls.map(|at| {
            let took = at.saturating_sub(socket);
            (at, EventKind::Tls { took })
        });
        let socket = (socket, EventKind::Socket { dns, tcp });
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
            EventKind::Answered(_) => self.on_answer(id, now),
            EventKind::Ended(ended) => {
                let Some(call) = self.forget(id) else { return };
                self.figures.quality(ended);
                match verdict(call.leaving, ended) {
                    Verdict::Good => self.figures.good += 1,
                    Verdict::Stopped => self.figures.stopped += 1,
                    Verdict::Failed(kind) => self.figures.call_failures.add(kind),
                }
                self.user_is_free(call.user, now);
            }
            _ => {}
        }
    }

    /// What calls there were at an instant, after events were lost that may have told more. Everything that was told up to then has
    /// been taken in.
    pub(crate) fn reconcile(
        &mut self,
        living: &BTreeMap<CallId, CallState>,
        asked: Instant,
        now: Instant,
    ) {
        let known = self.calls.iter().filter(|(_, call)| call.placed < asked);
        let known: Vec<CallId> = known.map(|(id, _)| id.clone()).collect();
        for id in known {
            match living.get(&id) {
                Some(CallState::Active | CallState::Held | CallState::Recovering) => {
                    self.on_answer(&id, now);
                }
                Some(_) => {}
                None => {
                    let Some(call) = self.forget(&id) else {
                        continue;
                    };
                    let what = "events were lost, and the end of a call with them";
                    self.figures.call_failures.add(Kind::ours(what));
                    self.user_is_free(call.user, now);
                }
            }
        }
    }

    fn on_answer(&mut self, id: &CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(id) else {
            return;
        };
        if mem::replace(&mut call.answered, true) {
            return;
        }
        self.figures.answered += 1;
        if call.leaving.is_none() {
            self.agenda.remove(&(call.due, Due::Call(id.clone())));
            call.due = now + self.plan.hold;
            let at = if self.stopping { now } else { call.due };
            self.agenda.insert((at, Due::Call(id.clone())));
        }
    }

    /// The call is over.
    fn forget(&mut self, id: &CallId) -> Option<Call> {
        let call = self.calls.remove(id)?;
        self.agenda.remove(&(call.due, Due::Call(id.clone())));
        self.figures.in_call -= 1;
        Some(call)
    }

    fn is(&self, user: usize, wanted: impl FnOnce(&State) -> bool) -> bool {
        self.users.get(user).is_some_and(|user| wanted(&user.state))
    }

    fn set(&mut self, user: usize, state: State) {
        let Some(entry) = self.users.get_mut(user) else {
            return;
        };
        let done = state == State::Done;
        let before = mem::replace(&mut entry.state, state);
        if let State::LoggingIn(given_up) = before {
            self.agenda.remove(&(given_up, Due::Login(user)));
        }
        if done && before != State::Done {
            self.unfinished -= 1;
        }
    }

    /// The first user is ready: from now on calls count, and with them the time that they have.
    fn calls_may_begin(&mut self, now: Instant) {
        if let (Some(repeat), None) = (self.plan.repeat, self.over) {
            let over = now + repeat;
            self.over = Some(over);
            self.agenda.insert((over, Due::Over));
        }
    }

    /// The time in which calls may begin is over.
    fn is_late(&self, now: Instant) -> bool {
        self.over.is_some_and(|over| now >= over)
    }

    /// It may call, for the first time or again.
    fn user_is_free(&mut self, user: usize, now: Instant) {
        let Some(entry) = self.users.get(user) else {
            return;
        };
        let wanted = !entry.has_called || self.plan.repeat.is_some();
        if !wanted || self.is_late(now) || self.stopping {
            self.finish_user(user);
        } else if entry.online {
            self.set(user, State::Ready);
            if self.queue.is_empty() {
                self.waiting_since = now;
            }
            self.queue.push_back(user);
        } else if entry.refused {
            self.lose_user(user, "login refused");
        } else {
            self.log_in_again(user, now);
        }
    }

    fn next_in_queue(&mut self, now: Instant) -> Option<usize> {
        while let Some(user) = self.queue.pop_front() {
            if !self.is_late(now) {
                return Some(user);
            }
            self.finish_user(user);
        }
        None
    }

    /// The connection of a user that was ready is gone. It is told for itself: a call that goes on meanwhile may outlive it.
    fn connection_lost(&mut self, user: usize) {
        let Some(entry) = self.users.get_mut(user) else {
            return;
        };
        if mem::take(&mut entry.connected) && entry.state != State::Done {
            self.figures.connection_lost(user);
        }
    }

    fn log_in_again(&mut self, user: usize, now: Instant) {
        self.queue.retain(|waiting| *waiting != user);
        if self.is_late(now) || self.stopping {
            return self.finish_user(user);
        }
        let given_up = now + self.plan.login;
        self.set(user, State::LoggingIn(given_up));
        self.agenda.insert((given_up, Due::Login(user)));
    }

    fn finish_user(&mut self, user: usize) {
        self.set(user, State::Done);
    }

    fn lose_user(&mut self, user: usize, what: &str) {
        if let Some(entry) = self.users.get(user) {
            let trouble = entry.trouble.as_deref();
            let kind = Kind::of_login(what, trouble, &entry.names);
            self.figures.user_failures.add(kind);
        }
        self.finish_user(user);
    }

    /// Does what its time has come for, until a call is to be hung up.
    fn look_at_agenda(&mut self, now: Instant) -> Option<CallId> {
        while self.agenda.first().is_some_and(|(at, _)| *at <= now) {
            match self.agenda.pop_first()?.1 {
                Due::Over => self.end_of_calls(),
                Due::Login(user) => self.give_up_login(user),
                Due::Call(id) => {
                    if self.leave(&id, now) {
                        return Some(id);
                    }
                }
            }
        }
        None
    }

    /// Nobody need come back for a call that may not begin. Who has not been ready at all is waited for: that it comes is part of what is
    /// asked.
    fn end_of_calls(&mut self) {
        for user in 0..self.users.len() {
            let Some(entry) = self.users.get(user) else {
                continue;
            };
            let waits = matches!(entry.state, State::LoggingIn(_) | State::Ready);
            if entry.was_ready && waits {
                self.finish_user(user);
            }
        }
        self.queue.clear();
    }

    fn give_up_login(&mut self, user: usize) {
        let Some(entry) = self.users.get(user) else {
            return;
        };
        if matches!(entry.state, State::LoggingIn(_)) {
            let what = match entry.was_ready {
                true => "not ready again in time",
                false => "not ready in time",
            };
            self.lose_user(user, what);
        }
    }

    /// Whether the call is to be hung up, which is then on its way out.
    fn leave(&mut self, id: &CallId, now: Instant) -> bool {
        let Some(call) = self.calls.get_mut(id) else {
            return false;
        };
        if call.leaving.is_some() {
            return false;
        }
        call.leaving = match call.answered {
            true if now >= call.due => Some(Leaving::Over),
            false if now >= call.due => Some(Leaving::Unanswered),
            _ => self.stopping.then_some(Leaving::Stopped),
        };
        call.leaving.is_some()
    }
}

/// What a call comes to.
fn verdict(leaving: Option<Leaving>, ended: &Ended) -> Verdict {
    let mute = || Verdict::Failed(Kind::theirs("answered, and no sound came"));
    let stopped = || Verdict::Failed(Kind::theirs("answered, and its sound stopped"));
    match (leaving, ended.answered) {
        (None, _) => Verdict::Failed(Kind::of_end(ended)),
        // Also when the answer came while we hung up: it was late.
        (Some(Leaving::Unanswered), _) | (Some(Leaving::Over), false) => {
            Verdict::Failed(Kind::theirs("not answered in time"))
        }
        (Some(Leaving::Over), true) => match Hearing::of(ended) {
            Hearing::ToTheEnd => Verdict::Good,
            Hearing::Stopped(_) => stopped(),
            Hearing::Nothing => mute(),
        },
        (Some(Leaving::Stopped), false) => Verdict::Stopped,
        (Some(Leaving::Stopped), true) => match Hearing::of(ended) {
            Hearing::ToTheEnd => Verdict::Good,
            Hearing::Stopped(silent) if silent >= SILENCE => stopped(),
            Hearing::Nothing if ended.talk >= SILENCE => mute(),
            Hearing::Stopped(_) | Hearing::Nothing => Verdict::Stopped,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use offhook_engine::ended::EndReason;
    use offhook_engine::event::Said;
    use offhook_engine::vocabulary::Cause;

    use super::*;
    use crate::hearing::tests::ended as ended_call;

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

    /// What the far end of every call does.
    #[derive(Clone, Copy, PartialEq)]
    enum Far {
        Talks,
        /// Answers, and falls silent after so long.
        FallsSilent(Duration),
        /// Answers, and was heard only before.
        SpokeEarly,
        Rings,
    }

    struct World {
        load: Load,
        far: Far,
        now: Instant,
        calls: u32,
        /// When calls began, and who.
        placed: Vec<(Duration, usize)>,
        hung_up: Vec<CallId>,
        answered: HashMap<CallId, Instant>,
        /// Accounts that the engine takes no call of.
        offline: BTreeSet<usize>,
        began: Instant,
        done: bool,
    }

    impl World {
        fn new(plan: Plan, users: usize) -> Self {
            let now = Instant::now();
            Self {
                load: Load::new(plan, vec![Vec::new(); users], now),
                far: Far::Talks,
                now,
                calls: 0,
                placed: Vec::new(),
                hung_up: Vec::new(),
                answered: HashMap::new(),
                offline: BTreeSet::new(),
                began: now,
                done: false,
            }
        }

        /// Lets time pass.
        fn run(&mut self, span: Duration) {
            let until = self.now + span;
            loop {
                self.assert_that_calls_add_up();
                match self.load.poll(self.now) {
                    Action::Call(user) if self.offline.contains(&user) => {
                        let error = Error::NotReady {
                            account: Arc::from("user"),
                            reason: "gone".to_owned(),
                            remedy: None,
                        };
                        self.load.not_placed(user, &error, self.now);
                    }
                    Action::Call(user) => {
                        self.calls += 1;
                        let call = name(self.calls);
                        self.placed.push((self.now - self.began, user));
                        self.load.placed(user, call.clone(), self.now);
                        if self.far != Far::Rings {
                            self.answered.insert(call.clone(), self.now);
                            self.tell(&call, &EventKind::Answered(Said::default()));
                            self.tell(&call, &EventKind::FirstRtpReceived);
                        }
                    }
                    Action::HangUp(call) => {
                        self.hung_up.push(call.clone());
                        self.end(&call, EndReason::HungUp);
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

        fn end(&mut self, call: &CallId, reason: EndReason) {
            let answered = self.answered.get(call);
            let talk = answered.map_or(Duration::ZERO, |at| self.now - *at);
            let silent = match self.far {
                Far::Talks => Some(Duration::from_millis(20)),
                Far::FallsSilent(after) => Some(talk.saturating_sub(after)),
                Far::SpokeEarly => Some(talk + Duration::from_millis(20)),
                Far::Rings => None,
            };
            let ended = ended_call(reason, talk, silent);
            self.tell(call, &EventKind::Ended(Box::new(ended)));
        }

        fn tell(&mut self, call: &CallId, kind: &EventKind) {
            self.load.on_call(call, kind, SECOND, self.now);
        }

        fn ready(&mut self, user: usize) {
            self.offline.remove(&user);
            let ready = EventKind::Ready;
            self.load.on_account(user, &ready, SECOND, self.now);
        }

        /// The engine knows at once that a connection is gone; who listens hears it later.
        fn goes_offline(&mut self, user: usize) {
            self.offline.insert(user);
        }

        fn state(&mut self, user: usize, state: AccountState) {
            self.load.on_state(user, state, None, self.now);
        }

        fn failures(&self) -> BTreeMap<String, usize> {
            let figures = &self.load.figures;
            let users = figures.user_failures.kinds();
            let all = figures.call_failures.kinds().chain(users);
            all.map(|(kind, count)| (kind.to_owned(), count)).collect()
        }

        fn outcomes(&self) -> (usize, usize, usize) {
            let figures = &self.load.figures;
            (figures.good, figures.stopped, figures.call_failures.count)
        }

        fn users_failed(&self) -> usize {
            self.load.figures.user_failures.count
        }

        /// Whatever comes, each call is one of these.
        fn assert_that_calls_add_up(&self) {
            let (good, stopped, failed) = self.outcomes();
            let figures = &self.load.figures;
            assert_eq!(figures.placed, figures.in_call + good + stopped + failed);
        }
    }

    fn name(number: u32) -> CallId {
        CallId::from_wire(&format!("call-{number}")).unwrap()
    }

    fn repeated(span: Duration) -> Plan {
        Plan {
            repeat: Some(span),
            ..plan()
        }
    }

    #[test]
    fn a_call_that_is_silent_at_its_end_has_failed_and_one_after_a_gap_has_not() {
        let judged = |hold, far| {
            let mut world = World::new(Plan { hold, ..plan() }, 1);
            world.far = far;
            world.ready(0);
            world.run(20 * SECOND);
            let kind = world.failures().into_keys().next();
            (world.load.figures.good, kind)
        };
        let stopped = "answered, and its sound stopped".to_owned();
        let mute = "answered, and no sound came".to_owned();
        let one_packet = Far::FallsSilent(Duration::from_millis(20));
        assert_eq!(judged(10 * SECOND, Far::Talks), (1, None));
        assert_eq!(
            judged(10 * SECOND, Far::FallsSilent(7 * SECOND)),
            (0, Some(stopped.clone()))
        );
        assert_eq!(judged(SECOND, one_packet), (0, Some(stopped)));
        assert_eq!(judged(10 * SECOND, Far::SpokeEarly), (0, Some(mute)));
        // A gap of the network at the end.
        let gap = Far::FallsSilent(Duration::from_millis(9500));
        assert_eq!(judged(10 * SECOND, gap), (1, None));
    }

    #[test]
    fn a_user_that_lost_its_connection_logs_in_again_before_it_calls_again() {
        let mut world = World::new(repeated(100 * SECOND), 2);
        world.ready(0);
        world.ready(1);
        world.run(15 * SECOND);
        let before = world.placed.len();
        world.goes_offline(1);
        world.run(20 * SECOND);
        let of = |world: &World| world.placed.iter().filter(|(_, user)| *user == 1).count();
        let gone = of(&world);
        world.state(1, AccountState::Waiting);
        world.ready(1);
        world.run(20 * SECOND);
        assert!(world.placed.len() > before && of(&world) > gone);
        assert_eq!(
            world.load.figures.placed,
            world.placed.len(),
            "no attempt without a connection counts"
        );
        assert_eq!(world.outcomes().2, 0, "{:?}", world.failures());
        assert_eq!(world.load.figures.connections_lost(), (1, 1));
        // The second time it does not come back.
        world.goes_offline(1);
        world.state(1, AccountState::Waiting);
        world.run(45 * SECOND);
        assert_eq!(world.load.figures.connections_lost(), (1, 2));
        assert_eq!(world.failures()["not ready again in time"], 1);
    }

    #[test]
    fn a_user_that_registers_again_does_not_call_meanwhile_and_has_lost_no_connection() {
        let mut world = World::new(repeated(40 * SECOND), 1);
        world.ready(0);
        world.run(5 * SECOND);
        let placed = world.placed.len();
        // During its call, and asked for the next one before its account's state was told.
        world.goes_offline(0);
        world.run(8 * SECOND);
        world.state(0, AccountState::LoggingIn);
        world.run(SECOND);
        assert_eq!(world.placed.len(), placed);
        world.ready(0);
        world.run(30 * SECOND);
        assert!(world.placed.len() > placed);
        assert_eq!(world.load.figures.connections_lost(), (0, 0));
        // A connection that is gone after all is told once, though the state has two names for it.
        let mut world = World::new(repeated(40 * SECOND), 1);
        world.ready(0);
        world.run(5 * SECOND);
        for state in [
            AccountState::LoggingIn,
            AccountState::Waiting,
            AccountState::Connecting,
            AccountState::LoggingIn,
        ] {
            world.state(0, state);
        }
        assert_eq!(world.load.figures.connections_lost(), (1, 1));
    }

    #[test]
    fn a_user_that_is_refused_after_a_loss_is_done_and_one_without_a_call_to_come_is_not_waited_for()
     {
        let mut world = World::new(repeated(25 * SECOND), 2);
        world.ready(0);
        world.ready(1);
        world.run(5 * SECOND);
        // In a call: it goes on, and ends.
        world.state(0, AccountState::Refused);
        world.state(1, AccountState::Waiting);
        world.run(10 * SECOND);
        assert_eq!(world.failures()["login refused"], 1);
        world.run(20 * SECOND);
        assert!(
            world.done,
            "the time is over: nobody waits for a connection"
        );
        assert_eq!(world.outcomes(), (2, 0, 0), "{:?}", world.failures());
        assert_eq!(world.users_failed(), 1);
    }

    #[test]
    fn the_time_for_calls_begins_with_the_first_user_that_is_ready() {
        let mut world = World::new(repeated(15 * SECOND), 1);
        world.run(20 * SECOND);
        world.ready(0);
        world.run(60 * SECOND);
        assert!(world.done);
        assert_eq!(world.outcomes(), (2, 0, 0));
    }

    #[test]
    fn what_was_told_by_lost_events_is_made_up_for() {
        let mut world = World::new(plan(), 3);
        world.far = Far::Rings;
        world.ready(0);
        world.ready(1);
        world.run(SECOND);
        let asked = world.now;
        // The first call has been answered, the second has ended, and the third user is ready.
        let living = BTreeMap::from([(name(1), CallState::Active)]);
        world.answered.insert(name(1), world.now);
        world.far = Far::Talks;
        world.load.reconcile(&living, asked, world.now);
        world.state(2, AccountState::Ready);
        world.run(30 * SECOND);
        assert!(world.done, "{:?}", world.load);
        assert_eq!(world.outcomes(), (2, 0, 1));
        let kind = world.failures().into_keys().next().unwrap();
        assert!(
            kind.starts_with("our own limit: events were lost"),
            "{kind}"
        );
    }

    #[test]
    fn a_call_that_began_after_the_look_at_what_there_is_is_left_alone() {
        let mut world = World::new(plan(), 1);
        let asked = world.now;
        world.ready(0);
        world.run(SECOND);
        world.load.reconcile(&BTreeMap::new(), asked, world.now);
        world.run(20 * SECOND);
        assert_eq!(world.outcomes(), (1, 0, 0));
    }

    #[test]
    fn a_login_that_was_refused_before_anybody_listened_is_filed_at_once() {
        let mut world = World::new(plan(), 2);
        let why = "no such user".to_owned();
        world
            .load
            .on_state(0, AccountState::Refused, Some(&why), world.now);
        world.ready(1);
        world.run(600 * SECOND);
        assert!(world.done);
        assert_eq!(
            world.failures(),
            BTreeMap::from([("login refused: no such user".to_owned(), 1)])
        );
    }

    #[test]
    fn calls_begin_at_the_rate_and_last_as_long_as_they_are_to() {
        let mut world = World::new(plan(), 5);
        for user in 0..5 {
            world.ready(user);
        }
        world.run(9 * SECOND);
        let times: Vec<_> = world.placed.iter().map(|(at, _)| at.as_millis()).collect();
        assert_eq!(times, [0, 100, 200, 300, 400]);
        let reached = world.load.figures.rate.reached();
        assert!(reached.is_some_and(|rate| (9.99..10.01).contains(&rate)));
        assert!(world.hung_up.is_empty() && !world.done);
        world.run(10 * SECOND);
        assert_eq!(world.hung_up.len(), 5);
        assert!(world.done);
        assert_eq!(world.outcomes(), (5, 0, 0));
    }

    #[test]
    fn who_comes_late_to_a_call_is_behind_and_who_waits_for_users_is_not() {
        let pause = plan().pause;
        let mut world = World::new(plan(), 4);
        world.run(20 * SECOND);
        for user in 0..4 {
            world.ready(user);
        }
        world.run(pause / 2);
        assert_eq!(world.placed.len(), 2);
        let behind = |world: &World| world.load.figures.rate.left_out(10.0);
        assert_eq!(behind(&world), 0, "no user was ready before");
        // Busy with something else, until five and a half calls behind the next one.
        world.now += 6 * pause;
        world.run(SECOND);
        assert_eq!(behind(&world), 4, "one of the five is made up for");
        assert_eq!(world.placed.len(), 4);
    }

    #[test]
    fn users_that_are_ready_late_cause_no_burst() {
        let mut world = World::new(plan(), 5);
        world.run(20 * SECOND);
        for user in 0..5 {
            world.ready(user);
        }
        world.run(SECOND);
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
        world.run(31 * SECOND);
        assert!(world.done);
        let kinds: Vec<_> = world.failures().into_keys().collect();
        assert_eq!(
            kinds,
            ["login refused: wrong password", "not ready in time"]
        );
    }

    #[test]
    fn an_unanswered_call_is_hung_up_and_fails_and_so_does_one_that_ends_by_itself() {
        let mut world = World::new(plan(), 2);
        world.far = Far::Rings;
        world.ready(0);
        world.run(61 * SECOND);
        let mut failures = world.failures();
        assert_eq!(failures.remove("not answered in time"), Some(1));
        assert_eq!(failures.remove("not ready in time"), Some(1));
        let mut world = World::new(plan(), 1);
        world.ready(0);
        world.run(SECOND);
        let gone = EndReason::Far {
            cause: Cause::NORMAL_CLEARING,
            detail: None,
        };
        world.end(&name(1), gone);
        world.run(SECOND);
        assert!(world.done);
        assert_eq!(world.outcomes(), (0, 0, 1));
    }

    #[test]
    fn a_duration_lets_users_call_again_until_it_is_over() {
        let mut world = World::new(repeated(35 * SECOND), 1);
        world.ready(0);
        world.run(100 * SECOND);
        assert!(world.done);
        assert_eq!(world.placed.len(), 4, "{:?}", world.placed);
        assert_eq!(world.load.figures.good, 4);
    }

    #[test]
    fn what_comes_again_in_a_call_is_not_measured_again() {
        let mut world = World::new(plan(), 1);
        world.ready(0);
        world.run(SECOND);
        world.tell(&name(1), &EventKind::FirstRtpReceived);
        let measured = world.load.figures.calls.first_rtp.distribution().unwrap();
        assert_eq!(measured.count, 1);
    }

    #[test]
    fn a_stop_ends_all_calls_and_says_which_of_them_it_could_judge() {
        let stopped_after = |far, span| {
            let mut world = World::new(plan(), 3);
            world.far = far;
            world.ready(0);
            world.run(span);
            world.ready(1);
            world.load.stop(world.now);
            world.run(SECOND);
            assert!(world.done);
            assert_eq!(world.hung_up.len(), 1);
            world.outcomes()
        };
        assert_eq!(stopped_after(Far::Talks, 5 * SECOND), (1, 0, 0));
        assert_eq!(stopped_after(Far::Rings, 5 * SECOND), (0, 1, 0));
        assert_eq!(stopped_after(Far::SpokeEarly, SECOND), (0, 1, 0));
        assert_eq!(stopped_after(Far::SpokeEarly, 5 * SECOND), (0, 0, 1));
        assert_eq!(
            stopped_after(Far::FallsSilent(SECOND), 2 * SECOND),
            (0, 1, 0)
        );
        assert_eq!(
            stopped_after(Far::FallsSilent(SECOND), 5 * SECOND),
            (0, 0, 1)
        );
    }
}

//! From the open socket to the session that can make calls.

use std::time::{Duration, Instant};

use rand::RngExt;
use serde_json::Value;

use crate::auth::life;
use crate::auth::login::Login;
use crate::call_id::uuid_v4;
use crate::deadlines::{Deadline, Owner};
use crate::error::Error;
use crate::event::{DisconnectCause, Event};
use crate::session::Output;
use crate::verto::assistant::{NO_CONVERSATION, failure, is_no_conversation};
use crate::verto::dialect::differences::{Readiness, SessidRule};
use crate::verto::dialog::state::Dialog;
use crate::verto::liveness::Liveness;
use crate::verto::message::login::{ClientReady, LoginResult};
use crate::verto::method::Method;
use crate::verto::registration::{MOST_QUESTIONS, Registering, Verdict, is_served, judge};
use crate::verto::requests::{CallRequest, Pending, Purpose};
use crate::verto::rpc::ErrorObject;
use crate::verto::session::machine::{AwaitingReady, Early, Memory, Session, State};
use crate::verto::wording::{LoginFacts, Speaker};

/// Pause between two questions for the gateway's state, and before a failed gateway is left for another one, as in the
/// browser SDK.
pub(super) const GATEWAY_PAUSE_MS: std::ops::RangeInclusive<u64> = 2_000..=6_000;

/// Registrations lost twice within this span are fought over. It is longer than the rest that follows: where both sides rest and
/// come back by turns, each loss is part of the same fight.
const DUEL: Duration = Duration::from_secs(60 * 60);

/// Pause between two questions for the gateway's state once it has said no often enough, while calls keep the socket.
const KEPT_PAUSE_MS: std::ops::RangeInclusive<u64> = 20_000..=40_000;

impl Session {
    pub(super) fn speaker(&self) -> Speaker<'_> {
        Speaker {
            dialect: &self.config.dialect,
            sessid: self.memory.sessid.as_deref(),
            user_agent: &self.config.user_agent,
            trickle: self.config.trickle,
            own_name: self.config.own_name.as_deref(),
            own_number: self.config.own_number.as_deref(),
            caller: match &self.config.login {
                Login::Password { user, .. } => Some(user),
                Login::Token { .. } | Login::Anonymous { .. } => self.config.own_number.as_deref(),
            },
            user_variables: &self.config.user_variables,
            login_params: &self.config.login_params,
        }
    }

    /// The first request of a socket.
    pub(super) fn log_in(&mut self, now: Instant) {
        self.state = State::LoggingIn(Early::default());
        self.send_login(Purpose::Login, now);
    }

    fn send_login(&mut self, purpose: Purpose, now: Instant) {
        let known = self.memory.voice_sdk_id.is_some();
        let facts = match self.config.dialect.sessid {
            SessidRule::Client => LoginFacts {
                name_session: true,
                reconnection: known,
            },
            SessidRule::Server { fresh } => {
                let name_session = self.memory.sessid.is_some()
                    && self.memory.heard.is_some_and(|heard| now <= heard + fresh);
                LoginFacts {
                    name_session,
                    reconnection: known || name_session,
                }
            }
        };
        let (method, params) = self.speaker().login(&self.config.login, facts);
        self.tries.fresh_login = false;
        self.note_login_sent();
        self.logins.note(now);
        let pending = Pending {
            purpose,
            method,
            params: Value::Null,
            repeats: 0,
        };
        self.ask(pending, params, self.config.timers.reply, now);
    }

    /// Logs in on a socket that is already logged in, as soon as the pace allows; the calls go on.
    pub(super) fn log_in_again(&mut self, now: Instant) {
        self.deadlines.clear(Deadline::LoginPace, &Owner::Session);
        if self.requests.count(&Purpose::LoginAgain) > 0 {
            return;
        }
        let at = self.logins.earliest(now);
        if at > now {
            self.deadlines.set(Deadline::LoginPace, Owner::Session, at);
        } else {
            self.send_login(Purpose::LoginAgain, now);
        }
    }

    pub(super) fn on_logged_in(&mut self, result: LoginResult, now: Instant) {
        self.forget_refusals();
        self.on_login_accepted();
        self.disbelieve_clock(now);
        let renewed = !matches!(self.state, State::LoggingIn(_));
        self.on_auth_expires(result.auth_expires, renewed, now);
        if let (SessidRule::Server { .. }, Some(sessid)) =
            (self.config.dialect.sessid, result.sessid)
        {
            self.memory.sessid = Some(sessid);
        }
        self.memory.heard = Some(now);
        self.memory.canary_seen = self.config.canary;
        self.tell(Event::LoggedIn {
            sessid: self.memory.sessid.clone().unwrap_or_default(),
        });
        self.remember(now);
        let State::LoggingIn(early) = &mut self.state else {
            return;
        };
        let early = std::mem::take(early);
        let awaiting = AwaitingReady {
            gateway: early.gateway,
            ..AwaitingReady::default()
        };
        self.state = State::AwaitingReady(awaiting);
        self.deadlines.set(
            Deadline::ClientReady,
            Owner::Session,
            now + self.config.timers.client_ready,
        );
        if let Some(ready) = early.client_ready {
            self.on_client_ready(ready, now);
        }
    }

    /// A login on a live socket succeeded: what the server would not hear without it is said again.
    pub(super) fn on_logged_in_again(&mut self, result: LoginResult, now: Instant) {
        self.on_logged_in(result, now);
        let unheard = std::mem::take(&mut self.unheard);
        // A server that had forgotten our login has forgotten more than that.
        let forgotten = !unheard.is_empty();
        for mut pending in unheard {
            if !self.still_wanted(&pending) {
                continue;
            }
            pending.repeats += 1;
            let params = self.params_of(&pending);
            let within = self.limit(pending.purpose.deadline());
            self.ask(pending, params, within, now);
        }
        if forgotten {
            self.listen_again(now);
        }
        if self.tries.fresh_login {
            self.log_in_again(now);
        }
    }

    /// Whether a request that was not heard makes sense after all that happened since: of a call that has ended for our user
    /// only the bye does. An invite said again would be a call that nobody knows of, an answer to an offer that a later one has
    /// replaced would undo that.
    fn still_wanted(&self, pending: &Pending) -> bool {
        match &pending.purpose {
            Purpose::Call(_, CallRequest::Bye) => true,
            Purpose::Call(
                call,
                request @ (CallRequest::Invite | CallRequest::Answer | CallRequest::Attach),
            ) => {
                let dialog = self.dialogs.get(call);
                dialog.is_some_and(|dialog| dialog.is_awaited(*request))
            }
            Purpose::Call(call, _) => self.dialogs.get(call).is_some_and(Dialog::is_live),
            Purpose::Login | Purpose::LoginAgain | Purpose::GatewayState => true,
            Purpose::Probe | Purpose::Errand(_) => true,
        }
    }

    pub(super) fn on_login_refused(&mut self, again: bool, error: ErrorObject, now: Instant) {
        // With nothing waiting for it, a refused login on a live socket leaves the old identity in force.
        let fatal = !again || !self.unheard.is_empty();
        // Nothing is said of the credential: a server that is unwell for a minute must not keep its users away for long.
        if fatal && error.is_servers_own() {
            let error = self.explain_refusal(error, now);
            self.tell(Event::LoginFailed(error));
            return self.lose(DisconnectCause::ServerFault, now);
        }
        let in_use = error.message.as_deref() == Some("Session in use")
            && self.config.dialect.sessid == SessidRule::Client;
        let error = self.explain_refusal(error, now);
        self.tell(Event::LoginFailed(error));
        // Fresher credentials that wait for their turn are better than older ones.
        let older = !in_use && !self.tries.fresh_login && self.fall_back(now);
        if in_use {
            // The name belongs to somebody else's live socket: we need another.
            self.memory.sessid = Some(uuid_v4(&mut self.rng));
            let detail = "another user's session has the same name".to_owned();
            self.tell(Event::RegistrationConflict { detail });
        }
        if fatal && in_use {
            // Nothing is wrong with the credential: the next attempt, under the new name, is an ordinary one.
            self.lose(DisconnectCause::SessionInUse, now);
        } else if fatal {
            self.tries.refused = self.tries.refused.saturating_add(1);
            self.tries.fresh_login |= older;
            self.lose(DisconnectCause::LoginRefused, now);
            self.ask_afresh(now);
        } else if self.tries.fresh_login {
            self.log_in_again(now);
        } else {
            self.on_refresh_refused(now);
        }
    }

    fn explain_refusal(&self, error: ErrorObject, now: Instant) -> Error {
        let server = self.server.clone();
        let at = self.clock.server(now);
        if let Some(fault) = at.and_then(|at| life::fault(&self.config.login, at, &server)) {
            return fault;
        }
        let reason = error
            .message
            .unwrap_or_else(|| "no reason given".to_owned());
        if self.is_anonymous() && is_no_conversation(error.code, &reason) {
            return failure(&server, Some(NO_CONVERSATION), &reason);
        }
        Error::LoginRejected {
            server,
            user: self.config.login.who(),
            code: error.code,
            setting: self.config.dialect.setting(error.code, &reason),
            reason,
        }
    }

    pub(super) fn is_anonymous(&self) -> bool {
        matches!(self.config.login, Login::Anonymous { .. })
    }

    pub(super) fn on_client_ready(&mut self, message: ClientReady, now: Instant) {
        match &mut self.state {
            State::LoggingIn(early) => early.client_ready = Some(message),
            State::AwaitingReady(awaiting) => {
                let mut awaiting = std::mem::take(awaiting);
                awaiting.gateway = message.state.or(awaiting.gateway);
                self.open(awaiting, &message.reattached_sessions, now);
            }
            // A second one, after a login on the live socket: whatever its list says, no call was lost.
            State::Registering(_) | State::Ready | State::Doubting(_) => {
                if let Some(state) = message.state {
                    self.on_gateway_state(state, now);
                }
            }
            State::Idle | State::Waiting | State::Connecting | State::Stopping | State::Stopped => {
            }
        }
    }

    /// From here on requests may be sent. `kept`: the calls that the server says it has, as far as it says so.
    fn open(&mut self, awaiting: AwaitingReady, kept: &[String], now: Instant) {
        self.deadlines.clear(Deadline::ClientReady, &Owner::Session);
        self.liveness = Liveness::new(now);
        self.state = State::Registering(Registering::default());
        self.outbox
            .extend(awaiting.acks.into_iter().map(Output::Send));
        self.step_all(now, |dialog, fx| dialog.on_socket_back(kept, fx));
        self.listen_again(now);
        for command in awaiting.commands {
            self.on_call_command(command, now);
        }
        match self.config.dialect.readiness {
            Readiness::ClientReady => self.ready(now),
            Readiness::Registered => {
                let limit = self.config.timers.registration;
                self.deadlines
                    .set(Deadline::Registration, Owner::Session, now + limit);
                match awaiting.gateway {
                    Some(state) => self.on_gateway_state(state, now),
                    None => self.ask_gateway(now),
                }
            }
        }
        self.plan_probe();
        if self.tries.fresh_login && self.is_open() {
            self.log_in_again(now);
        }
    }

    fn ready(&mut self, now: Instant) {
        self.state = State::Ready;
        self.tries.attempt = 0;
        self.tries.ready_since = Some(now);
        self.memory.skip_instance = false;
        self.tries.duel = false;
        self.tell(Event::Ready);
        self.plan_registration_check(now);
    }

    pub(super) fn ask_gateway(&mut self, now: Instant) {
        if self.requests.count(&Purpose::GatewayState) == 0 {
            let params = Value::Object(serde_json::Map::new());
            let pending = Pending {
                purpose: Purpose::GatewayState,
                method: Method::GatewayState,
                params: params.clone(),
                repeats: 0,
            };
            self.ask(pending, params, self.config.timers.reply, now);
        }
    }

    /// The gateway said its state, asked or not.
    pub(super) fn on_gateway_state(&mut self, state: String, now: Instant) {
        if self.config.dialect.readiness != Readiness::Registered {
            return;
        }
        let verdict = judge(&state);
        match &mut self.state {
            State::LoggingIn(early) => early.gateway = Some(state),
            State::AwaitingReady(awaiting) => awaiting.gateway = Some(state),
            State::Registering(registering) | State::Doubting(registering) => {
                registering.last = Some(state);
                match verdict {
                    Verdict::Registered => self.on_registered(now),
                    Verdict::Failed => self.on_not_registered(now),
                    Verdict::AskAgain => self.on_unsettled(now),
                }
            }
            State::Ready if verdict != Verdict::Registered => {
                self.on_registration_lost(&state, now);
                let limit = self.config.timers.registration;
                self.deadlines
                    .set(Deadline::Registration, Owner::Session, now + limit);
                self.state = State::Doubting(Registering::default());
                self.on_gateway_state(state, now);
            }
            State::Ready => self.plan_registration_check(now),
            State::Idle | State::Waiting | State::Connecting => {}
            State::Stopping | State::Stopped => {}
        }
    }

    /// The gateway let go of us while the socket is well: a restart of its own, or somebody else with our credential. Twice
    /// within a while it is taken for the latter, since coming back at once would only throw the other out again.
    fn on_registration_lost(&mut self, state: &str, now: Instant) {
        if !matches!(state, "UNREGED" | "UNREGISTER" | "NOREG" | "EXPIRED") {
            return;
        }
        let before = self.tries.unregistered.replace(now);
        self.tries.duel = before.is_some_and(|before| now < before + DUEL);
        let detail = format!("the gateway says {state} though the connection is well");
        self.tell(Event::RegistrationConflict { detail });
    }

    /// Registrations are lost silently: the gateway is asked now and then.
    fn plan_registration_check(&mut self, now: Instant) {
        let pause = self.config.timers.registration_check;
        if self.config.dialect.readiness == Readiness::Registered && !pause.is_zero() {
            self.deadlines
                .set(Deadline::RegistrationCheck, Owner::Session, now + pause);
        }
    }

    pub(super) fn check_registration(&mut self, now: Instant) {
        if matches!(self.state, State::Ready) {
            self.ask_gateway(now);
        }
    }

    fn on_registered(&mut self, now: Instant) {
        self.deadlines
            .clear(Deadline::Registration, &Owner::Session);
        self.deadlines.clear(Deadline::GatewayAsk, &Owner::Session);
        if matches!(self.state, State::Doubting(_)) {
            self.state = State::Ready;
            self.tries.duel = false;
            self.plan_registration_check(now);
        } else {
            self.ready(now);
        }
    }

    fn on_unsettled(&mut self, now: Instant) {
        let (State::Registering(registering) | State::Doubting(registering)) = &mut self.state
        else {
            return;
        };
        registering.unsettled = registering.unsettled.saturating_add(1);
        if registering.unsettled >= MOST_QUESTIONS {
            return self.on_not_registered(now);
        }
        let pause = Duration::from_millis(self.rng.random_range(GATEWAY_PAUSE_MS));
        self.deadlines
            .set(Deadline::GatewayAsk, Owner::Session, now + pause);
    }

    pub(super) fn on_not_registered(&mut self, now: Instant) {
        let (State::Registering(registering) | State::Doubting(registering)) = &self.state else {
            return;
        };
        let state = registering
            .last
            .clone()
            .unwrap_or_else(|| "unknown".to_owned());
        if is_served(&state) {
            return self.on_registered(now);
        }
        // A gateway that has failed is left at once, and the calls go along; one that only lost us still carries them.
        let failed = judge(&state) == Verdict::Failed;
        let error = Error::NotRegistered {
            server: self.server.clone(),
            state: state.clone(),
        };
        if !failed && self.calls() > 0 {
            return self.stay_for_calls(state, error, now);
        }
        self.memory.skip_instance = true;
        self.tell(Event::Failed(error));
        self.lose(DisconnectCause::NotRegistered, now);
    }

    /// No new call can be made here, but those that are under way would not live through a rest elsewhere.
    fn stay_for_calls(&mut self, state: String, error: Error, now: Instant) {
        let (State::Registering(before) | State::Doubting(before)) = &self.state else {
            return;
        };
        if !before.told {
            self.tell(Event::Unregistered(error));
        }
        self.state = State::Registering(Registering {
            unsettled: MOST_QUESTIONS,
            last: Some(state),
            told: true,
        });
        self.deadlines
            .clear(Deadline::Registration, &Owner::Session);
        let pause = Duration::from_millis(self.rng.random_range(KEPT_PAUSE_MS));
        self.deadlines
            .set(Deadline::GatewayAsk, Owner::Session, now + pause);
    }

    /// Another client took the session over. Coming back by ourselves would start a duel without an end.
    pub(super) fn on_punt(&mut self, now: Instant) {
        if !self.is_open() && !matches!(self.state, State::AwaitingReady(_)) {
            return;
        }
        if self.state == State::Stopping {
            return self.stop();
        }
        self.step_all(now, |dialog, fx| dialog.on_taken_over(fx));
        // They live on elsewhere; if we are asked to come back, they may come back with us.
        self.ended.clear();
        self.drop_socket(false, now);
        self.state = State::Idle;
        if let SessidRule::Server { .. } = self.config.dialect.sessid {
            // Nor is the next process to come back by the old name.
            self.remember_the_end();
            self.memory = Memory::default();
        }
        self.tell(Event::Failed(Error::TakenOver {
            server: self.server.clone(),
        }));
        let detail = "another client with the same login took the session over".to_owned();
        self.tell(Event::RegistrationConflict { detail });
        self.tell(Event::Disconnected {
            cause: DisconnectCause::TakenOver,
            retry_in: None,
        });
    }
}

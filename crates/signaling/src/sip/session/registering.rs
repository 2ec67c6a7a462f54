//! What registrars say, and what becomes of the session with it.

use std::time::{Duration, Instant};

use crate::auth::login::Login;
use crate::error::Error;
use crate::event::{DisconnectCause, Event};
use crate::sip::auth::authorization::Unanswerable;
use crate::sip::deadline::{Deadline, TRANSACTION};
use crate::sip::flow_id::FlowId;
use crate::sip::message::Method;
use crate::sip::message::response::Response;
use crate::sip::message::uri::Uri;
use crate::sip::registration::machine::Outcome;
use crate::sip::registration::schedule;
use crate::sip::session::core::identity;
use crate::sip::session::flow::Flow;
use crate::sip::session::machine::Session;
use crate::sip::session::owner::{Owner, Purpose};
use crate::sip::transaction::draft::Draft;

/// A refresh that came to nothing is tried again no sooner, however little is left of the registration.
const SOONEST: Duration = Duration::from_secs(5);

/// Most devices beside us that are told of.
const MOST_OTHERS: usize = 16;

/// A registrar that asks to be left alone for longer is asked all the same: it is no reason to be out of reach for days.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

impl Session {
    /// Asks the registrar, unless a question is under way.
    pub(super) fn register(&mut self, id: FlowId, now: Instant) {
        let core = &mut self.core;
        if !core.flow(id).is_some_and(Flow::is_open) || core.waits_for_token(now) {
            return;
        }
        let Some(flow) = core.flows.get_mut(usize::from(id.0)) else {
            return;
        };
        let asking = flow.registration.is_asking();
        let draft = flow.registration.register(&core.agent, &core.config);
        core.deadlines
            .clear(Deadline::RegisterAgain, &Owner::Flow(id));
        match draft {
            Some(draft) => self.send_register(id, draft, now),
            None if !asking => self.on_unwritable(id, now),
            None => {}
        }
    }

    /// No REGISTER can be made of the configuration: said, since nothing else would follow.
    fn on_unwritable(&mut self, id: FlowId, now: Instant) {
        let error = Error::Unsayable {
            command: "register",
            fault: "the address of record has no domain that could be asked",
        };
        self.core.tell(Event::LoginFailed(error));
        let pause = self.refused_pause(id, now);
        self.rest(id, DisconnectCause::LoginRefused, pause, now);
    }

    /// A flow is gone whose registrar took no outbound: all flows registered one Contact there (RFC 3261, 10.3), and the last
    /// REGISTER bound it to its own connection. The others say again that they are here.
    pub(super) fn register_in_place_of(&mut self, lost: FlowId, now: Instant) {
        let deadlines = &self.core.deadlines;
        let shares = |flow: &&Flow| {
            let granted = flow.registration.granted.as_ref();
            // After a refusal its pause stands, which is brief beside what is granted.
            let pauses = deadlines.is_set(Deadline::RegisterAgain, &Owner::Flow(flow.id))
                || flow.avoided_until(&Method::Register, now).is_some();
            flow.id != lost && granted.is_some_and(|granted| !granted.outbound) && !pauses
        };
        let ids: Vec<_> = self
            .core
            .flows
            .iter()
            .filter(shares)
            .map(|flow| flow.id)
            .collect();
        for id in ids {
            self.register(id, now);
        }
    }

    /// Registers with new credentials on a live connection, as soon as the pace allows; calls go on.
    pub(super) fn log_in_again(&mut self, id: FlowId, now: Instant) {
        let Some(flow) = self.core.flow_mut(id) else {
            return;
        };
        flow.registration.auth.forget_refusal();
        flow.refusals = 0;
        let at = flow.logins.earliest(now);
        if at > now {
            self.core
                .deadlines
                .set(Deadline::RegisterAgain, Owner::Flow(id), at);
        } else if !flow.registration.is_asking() {
            flow.logins.note(now);
            self.register(id, now);
        }
    }

    pub(super) fn unregister(&mut self, id: FlowId, now: Instant) -> bool {
        let core = &mut self.core;
        let Some(flow) = core.flows.get_mut(usize::from(id.0)) else {
            return false;
        };
        let draft = if flow.is_open() {
            flow.registration.unregister(&core.agent, &core.config)
        } else {
            None
        };
        let leaves = draft.is_some();
        if let Some(draft) = draft {
            self.send_register(id, draft, now);
        }
        leaves
    }

    fn send_register(&mut self, id: FlowId, draft: Draft, now: Instant) {
        self.core.note_login_sent();
        let login = self.core.config.login.clone();
        let Some(flow) = self.core.flow_mut(id) else {
            return;
        };
        let cseq = flow.registration.next_cseq();
        flow.sent_login = Some(login);
        let mut auth = std::mem::take(&mut flow.registration.auth);
        self.core
            .request(draft, cseq, Some(&mut auth), id, Purpose::Register(id), now);
        if let Some(flow) = self.core.flow_mut(id) {
            flow.registration.auth = auth;
        }
    }

    pub(super) fn on_register_answer(
        &mut self,
        id: FlowId,
        response: &Response,
        uri: &Uri,
        now: Instant,
    ) {
        let core = &mut self.core;
        let Some(flow) = core.flows.get_mut(usize::from(id.0)) else {
            return;
        };
        let outcome = flow.registration.on_answer(
            response,
            uri,
            &core.agent,
            &core.config,
            &identity(&core.config),
        );
        self.on_outcome(id, outcome, Some(response), now);
    }

    pub(super) fn on_register_silence(&mut self, id: FlowId, now: Instant) {
        let Some(flow) = self.core.flow_mut(id) else {
            return;
        };
        let outcome = flow.registration.on_silence();
        self.on_outcome(id, outcome, None, now);
    }

    fn on_outcome(
        &mut self,
        id: FlowId,
        outcome: Outcome,
        response: Option<&Response>,
        now: Instant,
    ) {
        let leaving = |flow: &Flow| flow.registration.is_leaving();
        let left = matches!(outcome, Outcome::Left) || self.core.flow(id).is_some_and(leaving);
        if self.stopping && !left {
            let again = matches!(outcome, Outcome::Again(_));
            return self.leave_after_answer(id, again, now);
        }
        match outcome {
            Outcome::Registered { new } => self.on_registered(id, new, now),
            Outcome::Again(draft) => self.send_register(id, *draft, now),
            Outcome::Left => self.on_left(id),
            Outcome::Unauthorized(reason) => self.on_unauthorized(id, &reason, response, now),
            Outcome::Refused => {
                let words = response.map(words).unwrap_or_default();
                self.on_refused(id, words, response.map(|response| response.status), now);
            }
            Outcome::Later(least) => self.register_later(id, least, response, now),
            Outcome::FlowFailed(least) => {
                self.note_retry_after(id, least, now);
                self.give_up(id, crate::deadlines::Deadline::LoginReply, now);
            }
        }
    }

    /// A REGISTER was out when the user left, and has its answer: whatever that is, no other follows but the last.
    fn leave_after_answer(&mut self, id: FlowId, again: bool, now: Instant) {
        let core = &mut self.core;
        let Some(flow) = core.flows.get_mut(usize::from(id.0)) else {
            return;
        };
        match flow
            .registration
            .leave_instead(again, &core.agent, &core.config)
        {
            Some(draft) => self.send_register(id, draft, now),
            None => self.on_left(id),
        }
    }

    /// The registrar, or the server at the upgrade, named a time before which it will not be asked; a connection that breaks meanwhile does not shorten it.
    pub(super) fn note_retry_after(&mut self, id: FlowId, least: Option<Duration>, now: Instant) {
        if let (Some(least), Some(flow)) = (least, self.core.flow_mut(id)) {
            flow.avoid(&Method::Register, now + least.min(LONGEST_RETRY_AFTER));
        }
    }

    fn on_registered(&mut self, id: FlowId, new: bool, now: Instant) {
        let core = &mut self.core;
        let Some(flow) = core.flows.get_mut(usize::from(id.0)) else {
            return;
        };
        flow.failures = 0;
        flow.refusals = 0;
        let again = std::mem::take(&mut flow.refused);
        if new {
            flow.ready_since = Some(now);
        }
        let Some(expires) = flow
            .registration
            .granted
            .as_ref()
            .map(|granted| granted.expires)
        else {
            return;
        };
        tracing::debug!(name: "registered", flow = id.0, new, ?expires, "registered");
        let refresh = schedule::refresh_after(expires, &mut core.rng);
        // Where so little is granted that half of it would be too often, the refresh comes before its end all the same.
        let expires = expires.max(schedule::LEAST);
        let owner = Owner::Flow(id);
        core.deadlines
            .set(Deadline::RegisterRefresh, owner.clone(), now + refresh);
        core.deadlines
            .set(Deadline::RegisterExpiry, owner.clone(), now + expires);
        if new || !core.deadlines.is_set(Deadline::KeepAlive, &owner) {
            self.plan_keep_alive(id, now);
        }
        let sent = self
            .core
            .flow(id)
            .and_then(|flow| flow.sent_login.clone())
            .filter(|sent| matches!(sent, Login::Password { .. } | Login::Token { .. }));
        let other = self.core.on_login_accepted(sent.as_ref(), now);
        if new || again {
            self.tell_flow(id, None, None);
        }
        if again && !self.core.flows.iter().any(|flow| flow.refused) {
            self.core.tell(Event::RegisteredAgain);
        }
        if new {
            self.become_ready(id, now);
        } else if other {
            self.core.tell(Event::LoggedIn {
                sessid: self.core.config.instance.clone(),
            });
        }
        self.tell_registered(id);
        self.catch_up(id, now);
    }

    /// Tells of other devices and of push, where that is news.
    fn tell_registered(&mut self, id: FlowId) {
        let Some(flow) = self.core.flow_mut(id) else {
            return;
        };
        let Some(granted) = &flow.registration.granted else {
            return;
        };
        let others = granted.others.iter().take(MOST_OTHERS);
        let others: Vec<_> = others.map(|other| other.uri.to_string()).collect();
        let told = (others, granted.push);
        if flow.told == told {
            return;
        }
        flow.told = told.clone();
        let server = flow.url.clone();
        let (others, push) = told;
        self.core.tell(Event::Registered {
            server,
            others,
            push,
        });
    }

    /// Credentials came while a REGISTER with others was out.
    fn catch_up(&mut self, id: FlowId, now: Instant) -> bool {
        let late = self
            .core
            .flow(id)
            .is_some_and(|flow| flow.sent_login.as_ref() != Some(&self.core.config.login));
        if late {
            self.log_in_again(id, now);
        }
        late
    }

    /// Wrong password, wrong token: said at once, and tried again only after long pauses that grow. Where older credentials
    /// were good, they are in force again.
    fn on_unauthorized(
        &mut self,
        id: FlowId,
        reason: &Unanswerable,
        response: Option<&Response>,
        now: Instant,
    ) {
        // It refused credentials that are no longer ours.
        if self.catch_up(id, now) {
            return;
        }
        let code = response.map(|response| response.status);
        let error = if let Unanswerable::Untrusted { server } = reason {
            Error::UntrustedAuthz {
                server: self.core.server_name(id),
                authz_server: server.clone(),
            }
        } else {
            let fault = self.core.fault_of_life(id, now);
            fault.unwrap_or_else(|| self.rejected(id, reason.to_string(), code))
        };
        self.core.tell(Event::LoginFailed(error));
        if self.core.fall_back(now) {
            return self.stay_as_before(id, now);
        }
        if let Some(flow) = self.core.flow_mut(id) {
            flow.registration.granted = None;
        }
        let pause = self.refused_pause(id, now);
        self.rest(id, DisconnectCause::LoginRefused, pause, now);
        if !matches!(reason, Unanswerable::Untrusted { .. }) {
            self.core.ask_afresh(now);
        }
    }

    /// A change of credentials did not work out, and those before it hold.
    fn stay_as_before(&mut self, id: FlowId, now: Instant) {
        let Some(flow) = self.core.flow_mut(id) else {
            return;
        };
        flow.registration.auth.forget_refusal();
        let held = flow.registration.granted.is_some();
        let owner = Owner::Flow(id);
        if !held
            || !self
                .core
                .deadlines
                .is_set(Deadline::RegisterRefresh, &owner)
        {
            self.register(id, now);
        }
    }

    pub(super) fn rejected(&self, id: FlowId, reason: String, code: Option<u16>) -> Error {
        Error::LoginRejected {
            server: self.core.server_name(id),
            setting: None,
            user: self.core.config.login.who(),
            code: code.map(i64::from),
            reason,
        }
    }

    fn on_refused(&mut self, id: FlowId, reason: String, code: Option<u16>, now: Instant) {
        let error = self.rejected(id, reason, code);
        self.core.tell(Event::LoginFailed(error));
        let pause = self.refused_pause(id, now);
        self.rest(id, DisconnectCause::LoginRefused, pause, now);
    }

    /// How long a flow rests after a refusal of who we are: longer each time. `None`: until a command.
    pub(super) fn refused_pause(&mut self, id: FlowId, now: Instant) -> Option<Duration> {
        let timers = self.core.config.timers;
        let flow = self.core.flow_mut(id)?;
        let factor = 1_u32.checked_shl(flow.refusals).unwrap_or(u32::MAX);
        let usual = timers.refused_retry.map(|first| {
            first
                .saturating_mul(factor)
                .min(timers.refused_max.max(first))
        });
        if let Some(sooner) = self.core.second_chance(usual, now) {
            return Some(sooner);
        }
        // The rests begin to grow when a second chance has been refused too.
        let flow = self.core.flow_mut(id)?;
        flow.refusals = flow.refusals.saturating_add(1);
        usual
    }

    fn register_later(
        &mut self,
        id: FlowId,
        least: Option<Duration>,
        response: Option<&Response>,
        now: Instant,
    ) {
        let others_alive = self.core.has_other_flow(id);
        let error = Error::Refused {
            server: self.core.server_name(id),
            setting: None,
            method: "REGISTER",
            code: response.map(|response| response.status.into()),
            reason: response.map(words).unwrap_or_default(),
        };
        self.core.tell(Event::Failed(error));
        self.note_retry_after(id, least, now);
        let core = &mut self.core;
        let Some(flow) = core.flows.get_mut(usize::from(id.0)) else {
            return;
        };
        flow.failures = flow.failures.saturating_add(1);
        let failures = flow.failures;
        // "Retry-After: 0" asks for another try at once; only the first time, or it would never end.
        let pause = match least {
            Some(Duration::ZERO) if failures == 1 => Duration::ZERO,
            least => {
                let usual =
                    schedule::back_off(&core.config.backoff, failures, others_alive, &mut core.rng);
                // What lay between us and the registrar may pass before the registration lapses.
                let end = core
                    .deadlines
                    .when(Deadline::RegisterExpiry, &Owner::Flow(id))
                    .filter(|_| matches!(response.map(|it| it.status), Some(408 | 504)));
                let usual = end.map_or(usual, |end| {
                    let left = end.saturating_duration_since(now);
                    let sooner = schedule::refresh_after(left, &mut core.rng);
                    usual.min(sooner.max(SOONEST))
                });
                usual.max(least.unwrap_or_default().min(LONGEST_RETRY_AFTER))
            }
        };
        self.rest(id, DisconnectCause::NotRegistered, Some(pause), now);
    }

    /// The registrar will not have us for now: the connection stays, another REGISTER follows.
    fn rest(&mut self, id: FlowId, cause: DisconnectCause, pause: Option<Duration>, now: Instant) {
        let owner = Owner::Flow(id);
        let holds = self
            .core
            .flow(id)
            .is_some_and(|flow| flow.registration.granted.is_some());
        if let Some(flow) = self.core.flow_mut(id) {
            flow.refused = true;
        }
        self.core.deadlines.clear(Deadline::RegisterRefresh, &owner);
        if !holds {
            self.core.deadlines.clear(Deadline::RegisterExpiry, &owner);
        }
        if let Some(pause) = pause {
            self.core
                .deadlines
                .set(Deadline::RegisterAgain, owner, now + pause);
        }
        if !holds {
            self.tell_flow(id, Some(&cause), pause);
        }
        self.unready(cause, pause, now);
    }

    /// The registration lapsed while the registrar would not renew it.
    pub(super) fn on_register_expiry(&mut self, id: FlowId, now: Instant) {
        let again = self
            .core
            .deadlines
            .when(Deadline::RegisterAgain, &Owner::Flow(id));
        let mut retry_in = again.map(|at| at.saturating_duration_since(now));
        if let Some(flow) = self.core.flow_mut(id) {
            flow.registration.granted = None;
            if flow.registration.is_asking() {
                // Its answer, or a new connection for want of one.
                retry_in = Some(TRANSACTION);
            }
        }
        let cause = DisconnectCause::NotRegistered;
        self.tell_flow(id, Some(&cause), retry_in);
        self.unready(cause, retry_in, now);
    }

    /// Our Contact is gone.
    fn on_left(&mut self, id: FlowId) {
        self.core.deadlines.clear_owner(&Owner::Flow(id));
        self.stop_when_quiet();
    }
}

/// The answer in words: its own, or those of its status.
pub(super) fn words(response: &Response) -> String {
    if response.reason.is_empty() {
        crate::sip::message::status::reason_phrase(response.status).to_owned()
    } else {
        response.reason.clone()
    }
}

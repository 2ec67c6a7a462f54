//! What registrars say, and what becomes of the session with it.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::event::{DisconnectCause, Event, TokenWantedReason};
use crate::sip::auth::authorization::Unanswerable;
use crate::sip::deadline::Deadline;
use crate::sip::flow_id::FlowId;
use crate::sip::message::response::Response;
use crate::sip::message::uri::Uri;
use crate::sip::registration::machine::Outcome;
use crate::sip::registration::schedule;
use crate::sip::session::core::identity;
use crate::sip::session::machine::Session;
use crate::sip::session::owner::{Owner, Purpose};
use crate::sip::transaction::draft::Draft;

impl Session {
    /// Asks the registrar, unless a question is under way.
    pub(super) fn register(&mut self, id: FlowId, now: Instant) {
        let core = &mut self.core;
        let Some(flow) = core.flows.get_mut(usize::from(id.0)) else {
            return;
        };
        if !flow.is_open() {
            return;
        }
        let draft = flow.registration.register(&core.agent, &core.config);
        core.deadlines
            .clear(Deadline::RegisterAgain, &Owner::Flow(id));
        if let Some(draft) = draft {
            self.send_register(id, draft, now);
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
        let Some(flow) = self.core.flow_mut(id) else {
            return;
        };
        let cseq = flow.registration.next_cseq();
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
                self.give_up(id, crate::deadlines::Deadline::LoginReply, least, now);
            }
        }
    }

    fn on_registered(&mut self, id: FlowId, new: bool, now: Instant) {
        let core = &mut self.core;
        let Some(flow) = core.flows.get_mut(usize::from(id.0)) else {
            return;
        };
        flow.failures = 0;
        flow.refusals = 0;
        let Some(expires) = flow
            .registration
            .granted
            .as_ref()
            .map(|granted| granted.expires)
        else {
            return;
        };
        let refresh = schedule::refresh_after(expires, &mut core.rng);
        let owner = Owner::Flow(id);
        core.deadlines
            .set(Deadline::RegisterRefresh, owner.clone(), now + refresh);
        core.deadlines
            .set(Deadline::RegisterExpiry, owner.clone(), now + expires);
        if new || !core.deadlines.is_set(Deadline::KeepAlive, &owner) {
            self.plan_keep_alive(id, now);
        }
        if new {
            self.become_ready(now);
        }
    }

    /// Wrong password, wrong token: said at once, and tried again only after long pauses that grow.
    fn on_unauthorized(
        &mut self,
        id: FlowId,
        reason: &Unanswerable,
        response: Option<&Response>,
        now: Instant,
    ) {
        if matches!(reason, Unanswerable::TokenRefused { .. })
            && self.core.config.token_refresh.is_some()
        {
            let reason = TokenWantedReason::Refused;
            self.core.tell(Event::TokenWanted { reason });
        }
        self.on_refused(
            id,
            reason.to_string(),
            response.map(|response| response.status),
            now,
        );
    }

    fn on_refused(&mut self, id: FlowId, reason: String, code: Option<u16>, now: Instant) {
        let error = Error::LoginRejected {
            server: self.core.server_name(id),
            setting: None,
            user: self.core.config.login.who(),
            code: code.map(i64::from),
            reason,
        };
        self.core.tell(Event::LoginFailed(error));
        let timers = self.core.config.timers;
        let Some(flow) = self.core.flow_mut(id) else {
            return;
        };
        let factor = 1_u32.checked_shl(flow.refusals).unwrap_or(u32::MAX);
        flow.refusals = flow.refusals.saturating_add(1);
        let pause = timers.refused_retry.map(|first| {
            first
                .saturating_mul(factor)
                .min(timers.refused_max.max(first))
        });
        self.rest(id, DisconnectCause::LoginRefused, pause, now);
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
        let core = &mut self.core;
        let Some(flow) = core.flows.get_mut(usize::from(id.0)) else {
            return;
        };
        let failures = flow.failures;
        flow.failures = failures.saturating_add(1);
        // "Retry-After: 0" asks for another try at once; only the first time, or it would never end.
        let pause = match least {
            Some(Duration::ZERO) if failures == 0 => Duration::ZERO,
            least => {
                schedule::back_off(&core.config.backoff, failures, others_alive, &mut core.rng)
                    .max(least.unwrap_or_default())
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
        self.core.deadlines.clear(Deadline::RegisterRefresh, &owner);
        if !holds {
            self.core.deadlines.clear(Deadline::RegisterExpiry, &owner);
        }
        if let Some(pause) = pause {
            self.core
                .deadlines
                .set(Deadline::RegisterAgain, owner, now + pause);
        }
        self.unready(cause, pause, now);
    }

    /// The registration lapsed while the registrar would not renew it.
    pub(super) fn on_register_expiry(&mut self, id: FlowId, now: Instant) {
        if let Some(flow) = self.core.flow_mut(id) {
            flow.registration.granted = None;
        }
        self.unready(DisconnectCause::NotRegistered, None, now);
    }

    /// Our Contact is gone.
    fn on_left(&mut self, id: FlowId) {
        self.core.deadlines.clear_owner(&Owner::Flow(id));
        self.stop_when_quiet();
    }
}

fn words(response: &Response) -> String {
    if response.reason.is_empty() {
        crate::sip::message::status::reason_phrase(response.status).to_owned()
    } else {
        response.reason.clone()
    }
}

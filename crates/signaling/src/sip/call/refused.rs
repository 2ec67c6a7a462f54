//! Refusals and silence after our INVITE: tried again where that makes sense, over the next connection where this one's server cannot
//! (RFC 3261, 8.1.3; RFC 3263, 4.3), else told.

use std::time::{Duration, Instant};

use crate::cause::Cause;
use crate::event::{EndedBy, SipEnd};
use crate::sip::auth::authorization::Unanswerable;
use crate::sip::call::calling::{makes_secure, may_carry, routes};
use crate::sip::call::ending::Over;
use crate::sip::call::headers;
use crate::sip::call::reason;
use crate::sip::call::state::{Call, Phase};
use crate::sip::flow_id::FlowId;
use crate::sip::message::response::Response;
use crate::sip::message::{HeaderName, Method};
use crate::sip::session::core::{Core, identity};
use crate::sip::session::owner::Purpose;
use crate::sip::transaction::client::ClientTransaction;
use crate::sip::transaction::draft::Draft;

/// A server that asks to be left alone for longer is asked again after this time all the same: it is no reason to be without
/// calls for days.
const LONGEST_AVOIDANCE: Duration = Duration::from_secs(600);

impl Call {
    /// Our INVITE has its final refusal.
    pub(in crate::sip) fn on_refused(
        &mut self,
        transaction: &ClientTransaction<Purpose>,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) {
        let quiet = match &mut self.phase {
            Phase::Calling(calling) => {
                let quiet = calling.forks.is_empty() && !calling.rang;
                calling.gone.clear();
                for mut fork in calling.forks.drain(..) {
                    fork.refuse_update(core, now);
                }
                quiet
            }
            Phase::Leaving(leaving) => {
                leaving.invite = None;
                if leaving.bye.is_none() {
                    self.phase = Phase::Over;
                }
                return;
            }
            Phase::Called(_) | Phase::Up(_) | Phase::Over => return,
        };
        let again = if matches!(response.status, 401 | 407) {
            match self.auth.on_challenge(response, &identity(&core.config)) {
                Ok(()) => Some(transaction.draft.clone()),
                Err(reason) => {
                    if matches!(reason, Unanswerable::TokenRefused { .. }) {
                        core.ask_afresh(now);
                    }
                    let detail = reason.to_string();
                    return self.refused(response, Some(detail), core);
                }
            }
        } else {
            self.auth.on_accepted(response);
            let draft = &transaction.draft;
            self.elsewhere(draft, response, quiet, core, now)
                .or_else(|| self.amend(draft, response, core))
        };
        let Some(draft) = again else {
            return self.refused(response, None, core);
        };
        self.try_again(draft, transaction.cseq + 1, core, now);
    }

    /// A new transaction of the same call (8.1.3.5).
    fn try_again(&mut self, draft: Draft, cseq: u32, core: &mut Core, now: Instant) {
        self.way(core);
        let branch = self.invite(draft, cseq, core, now);
        if let Phase::Calling(calling) = &mut self.phase {
            calling.branch = branch;
            calling.cseq = cseq;
        }
    }

    fn refused(&mut self, response: &Response, detail: Option<String>, core: &mut Core) {
        let (cause, words) = reason::of_refusal(response.status, &response.headers);
        let reason = reason::words(response);
        let detail = detail
            .or(words)
            .unwrap_or_else(|| format!("{} {reason}", response.status));
        let detail = detail + &reason::advice(response);
        let by = reason::refuser(response.status);
        self.verdict = Some(response.status);
        let sip = SipEnd {
            code: Some(response.status),
            reason: Some(reason),
            call_id: None,
        };
        self.end(
            by,
            cause,
            Some(detail),
            Over::by(&response.headers, sip),
            core,
        );
    }

    /// No answer at all within the transaction's time, or its connection is gone.
    pub(in crate::sip) fn on_no_invite_answer(
        &mut self,
        transaction: &ClientTransaction<Purpose>,
        lost: bool,
        core: &mut Core,
        now: Instant,
    ) {
        let quiet = matches!(&self.phase, Phase::Calling(calling) if calling.forks.is_empty() && !calling.rang);
        // As good as 503 or 408 (8.1.3.1): the next connection may do better.
        if quiet && let Some(draft) = self.over_another_flow(&transaction.draft, core, now) {
            return self.try_again(draft, transaction.cseq + 1, core, now);
        }
        match &mut self.phase {
            Phase::Calling(_) => {
                self.verdict = Some(if lost { 503 } else { 408 });
                let (by, detail) = if lost {
                    (EndedBy::Network, "the connection was lost before an answer")
                } else {
                    (EndedBy::Timeout, "the server did not answer the INVITE")
                };
                let cause = Cause::RECOVERY_ON_TIMER_EXPIRE;
                self.end(by, cause, Some(detail.to_owned()), Over::default(), core);
            }
            Phase::Leaving(leaving) => {
                leaving.invite = None;
                if leaving.bye.is_none() {
                    self.phase = Phase::Over;
                }
            }
            Phase::Called(_) | Phase::Up(_) | Phase::Over => {}
        }
    }

    /// The same INVITE for another connection, or once more for the same one where the server says at once. `None`: the
    /// refusal stands. Where somebody rang already (not `quiet`), 408 means that nobody answered, and 503 is theirs.
    fn elsewhere(
        &mut self,
        draft: &Draft,
        response: &Response,
        quiet: bool,
        core: &mut Core,
        now: Instant,
    ) -> Option<Draft> {
        let retry_after = response.headers.retry_after();
        match (response.status, retry_after) {
            (503, Some(Duration::ZERO)) => {
                let Phase::Calling(calling) = &mut self.phase else {
                    return None;
                };
                if calling.amended.contains(&503) {
                    return None;
                }
                calling.amended.push(503);
                Some(draft.clone())
            }
            // Where somebody rang it came from further away than the server, of which it says nothing.
            (503, Some(pause)) if quiet => {
                let until = now + pause.min(LONGEST_AVOIDANCE);
                if let Some(flow) = core.flow_mut(self.flow) {
                    flow.avoid(&Method::Invite, until);
                }
                self.over_another_flow(draft, core, now)
            }
            (408 | 504, _) if quiet => self.over_another_flow(draft, core, now),
            _ => None,
        }
    }

    /// The INVITE for the next connection that has not seen it.
    fn over_another_flow(&mut self, draft: &Draft, core: &Core, now: Instant) -> Option<Draft> {
        let before = self.flow;
        let Phase::Calling(calling) = &mut self.phase else {
            return None;
        };
        if !calling.tried_flows.contains(&before) {
            calling.tried_flows.push(before);
        }
        let untried = |flow: &FlowId| {
            !calling.tried_flows.contains(flow) && may_carry(core, *flow, &draft.uri)
        };
        let next = core.ready_flows_for(&Method::Invite, now).find(untried)?;
        self.flow = next;
        // The way and our address there are others.
        let mut draft = draft.clone();
        draft.routes = routes(core, next);
        self.dress(&mut draft, core);
        Some(draft)
    }

    /// Our address, as it is to read at the request's target over its connection.
    pub(super) fn dress(&mut self, draft: &mut Draft, core: &Core) {
        let secure = makes_secure(core, self.flow, &draft.uri, &draft.routes);
        self.guise.secure = secure;
        draft.way.secure = secure;
        draft.content.remove(&HeaderName::Contact);
        let contact = headers::contact(core, self.flow, self.guise);
        draft.content.push(&HeaderName::Contact, contact);
    }
}

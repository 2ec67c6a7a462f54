//! What the far side asks us to call, and how it hears of it (RFC 3515, 3892, 4488, 4538).

use std::time::{Duration, Instant};

use crate::call_id::CallId;
use crate::error::Error;
use crate::event::Event;
use crate::sip::call::called::push_record_routes;
use crate::sip::call::calling::{Referral, routes};
use crate::sip::call::headers;
use crate::sip::call::offers::{core_answer, core_answer_with};
use crate::sip::call::state::{Call, Phase};
use crate::sip::deadline::{Deadline, TRANSACTION, TRYING};
use crate::sip::flow_id::FlowId;
use crate::sip::message::outgoing::{Content, OutgoingResponse};
use crate::sip::message::request::Request;
use crate::sip::message::response::Response;
use crate::sip::message::{HeaderName, Method};
use crate::sip::random;
use crate::sip::referral::referred::{
    MOST, MOST_IN_A_ROW, MOST_OF_CALL, Notice, Referred, Stage, Telling,
};
use crate::sip::referral::told;
use crate::sip::referral::wanted::{DialogName, Wanted};
use crate::sip::session::core::identity;
use crate::sip::session::machine::Session;
use crate::sip::session::owner::{Owner, Purpose};
use crate::sip::subscription::state::ends;
use crate::sip::transaction::server::ServerKey;

/// Seconds that a far side is to wait which has as many REFERs under way within a call as it may.
const FULL_PAUSE: &str = "10";

/// Longest subscription to a referral's progress that is granted.
const LONGEST: Duration = Duration::from_secs(3600);

impl Session {
    /// A REFER, within that call or outside of any.
    pub(super) fn on_refer(
        &mut self,
        call: Option<CallId>,
        request: &Request,
        key: ServerKey,
        now: Instant,
    ) {
        match self.take_refer(call, request, &key, now) {
            Ok(()) => {}
            Err(500) => {
                let pause = [(HeaderName::RetryAfter, FULL_PAUSE)];
                core_answer_with(&mut self.core, &key, 500, &pause, now);
            }
            Err(status) => core_answer(&mut self.core, &key, status, now),
        }
    }

    fn take_refer(
        &mut self,
        call: Option<CallId>,
        request: &Request,
        key: &ServerKey,
        now: Instant,
    ) -> Result<(), u16> {
        let shares = call.is_some();
        let flow = self.core.servers.get(key).map_or(FlowId(0), |it| it.flow);
        let call = match call {
            Some(call) => Some(call),
            None => self.target_dialog(request)?,
        };
        if call.is_none() && !self.core.config.refer_out_of_dialog {
            return Err(603);
        }
        if self.stopping {
            return Err(480);
        }
        let known = call.as_ref().and_then(|id| self.calls.get_mut(id));
        let (depth, first) = match known {
            Some(call) => match &mut call.phase {
                Phase::Up(up) => (call.depth, !std::mem::replace(&mut up.was_referred, true)),
                // Nobody has answered yet: there is nothing that could be transferred.
                Phase::Calling(_) | Phase::Called(_) | Phase::Leaving(_) | Phase::Over => {
                    return Err(603);
                }
            },
            None => (0, true),
        };
        let of_same = self.referreds.values().filter(|it| it.call == call);
        if call.is_some() && of_same.count() >= MOST_OF_CALL {
            return Err(500);
        }
        if self.referreds.len() >= MOST {
            return Err(486);
        }
        let routed = !routes(&self.core, flow).is_empty();
        let wanted = Wanted::read(request, routed)?;
        let up = call.as_ref().and_then(|id| self.calls.get(id));
        let hides = up.is_some_and(|call| call.guise.hides);
        let of_call = up.and_then(|call| call.dialogs().next());
        let is_loop = of_call.is_some_and(|dialog| {
            wanted.is_loop(&dialog.call_id, dialog.local_tag(), dialog.remote_tag())
        });
        if is_loop || depth >= MOST_IN_A_ROW {
            return Err(482);
        }
        let dialog = match of_call.filter(|_| shares) {
            Some(dialog) => dialog.clone(),
            None => {
                let tag = random::token(&mut self.core.rng);
                self.core.dialog_of(request, &tag, flow).ok_or(400_u16)?
            }
        };
        let within = call.is_some();
        // Several are told apart by names of their own.
        let free = call.clone().filter(|id| !self.referreds.contains_key(id));
        let name = free.unwrap_or_else(|| CallId::random(&mut self.core.rng));
        let timers = self.core.config.timers;
        let ends = now + timers.refer_untaken + timers.unanswered + TRANSACTION;
        let mut referred = Referred::new(wanted, dialog, shares, depth, flow, ends);
        referred.guise.hides = hides;
        referred.call = call;
        referred.cseq = request.ids.cseq;
        if shares && !first {
            // RFC 3515, 2.4.6: every further one of a dialog has a name of its own.
            referred.event = format!("refer;id={}", request.ids.cseq);
        }
        let told = Event::Referred {
            call: name.clone(),
            within,
            to: referred.wanted.uri.to_string(),
            referred_by: referred.wanted.by.clone(),
            replaces: referred.wanted.replaces.is_some(),
        };
        let owner = Owner::Refer(name.clone());
        let unasked = request.headers.get(&HeaderName::ReferSub);
        if unasked.is_some_and(|value| value.trim().eq_ignore_ascii_case("false")) {
            referred.telling = Telling::Owed(key.clone());
            let served = Owner::Served(key.clone());
            self.core
                .deadlines
                .set(Deadline::TryingDue, served, now + TRYING);
        } else {
            referred.telling = Telling::Subscribed;
            self.accept_refer(key, &referred, false, now);
            self.core
                .deadlines
                .set(Deadline::ReferExpiry, owner.clone(), ends);
            referred.note(100, "");
        }
        self.core
            .deadlines
            .set(Deadline::ReferUntaken, owner, now + timers.refer_untaken);
        self.referreds.insert(name.clone(), referred);
        self.tell_referrer(&name, now);
        self.core.tell(told);
        Ok(())
    }

    /// The call that a Target-Dialog names (RFC 4538): who knows its three names and is its far side may speak about it.
    fn target_dialog(&self, request: &Request) -> Result<Option<CallId>, u16> {
        if !self.core.agent.is_named(&request.uri, &self.core.config) {
            return Err(404);
        }
        let Some(line) = request.headers.other("Target-Dialog") else {
            return Ok(None);
        };
        let name = DialogName::read_target(&line).ok_or(400_u16)?;
        let found = self.calls.values().find(|call| {
            call.dialogs().any(|dialog| {
                dialog.call_id == name.call_id
                    && dialog.local_tag() == name.to_tag
                    && dialog.remote_tag() == name.from_tag
                    && dialog.remote.uri.is_same_party(&request.ids.from.uri)
            })
        });
        Ok(found.map(|call| call.id.clone()))
    }

    /// 200: it is taken, which is no success yet (RFC 7647, 5).
    fn accept_refer(&mut self, key: &ServerKey, referred: &Referred, silent: bool, now: Instant) {
        let Some(bare) = self.core.servers.get(key).map(|served| served.bare.clone()) else {
            return;
        };
        let mut response = OutgoingResponse::to(&bare, 200, referred.dialog.local_tag());
        if !referred.shares {
            push_record_routes(&mut response, &bare);
        }
        headers::push_answer(
            &mut response.content,
            &self.core,
            referred.flow,
            referred.guise,
        );
        if silent {
            response.content.push(&HeaderName::ReferSub, "false");
        }
        self.core.answer(key, response, now);
    }

    /// The user does not want to.
    pub(super) fn refuse_refer(
        &mut self,
        name: &CallId,
        status: u16,
        now: Instant,
    ) -> Result<(), Error> {
        let known = self.referreds.get(name);
        if !known.is_some_and(|referred| referred.stage == Stage::Asked) {
            return Err(Error::UnknownCall {
                call: name.to_string(),
            });
        }
        let status = if (400..700).contains(&status) {
            status
        } else {
            603
        };
        self.note_refer(name, status, "", now);
        Ok(())
    }

    /// What an INVITE for that REFER is to say; `None`: nobody asked for it, or it is carried out already.
    pub(super) fn referral(&self, name: &CallId) -> Option<Referral> {
        let referred = self.referreds.get(name)?;
        (referred.stage == Stage::Asked).then(|| Referral {
            wanted: referred.wanted.clone(),
            depth: referred.depth + 1,
            hides: referred.guise.hides,
        })
    }

    /// That call carries the REFER out.
    pub(super) fn carry_refer(&mut self, name: &CallId, by: CallId, now: Instant) {
        let Some(referred) = self.referreds.get_mut(name) else {
            return;
        };
        referred.stage = Stage::Carried(by);
        let owner = Owner::Refer(name.clone());
        self.core.deadlines.clear(Deadline::ReferUntaken, &owner);
        if let Telling::Owed(key) = std::mem::replace(&mut referred.telling, Telling::Nobody) {
            if let Some(referred) = self.referreds.remove(name) {
                self.accept_refer(&key, &referred, true, now);
                self.referreds.insert(name.clone(), referred);
            }
        } else if let Some(referred) = self.referreds.get_mut(name) {
            referred.telling = Telling::Subscribed;
        }
    }

    /// The REFER has come that far. After a final status it is over.
    pub(super) fn note_refer(&mut self, name: &CallId, status: u16, reason: &str, now: Instant) {
        let Some(referred) = self.referreds.get_mut(name) else {
            return;
        };
        if let Telling::Owed(key) = &referred.telling
            && status >= 300
        {
            let key = key.clone();
            referred.telling = Telling::Nobody;
            core_answer(&mut self.core, &key, status, now);
        }
        referred.note(status, reason);
        if referred.stage == Stage::Done {
            let owner = Owner::Refer(name.clone());
            self.core.deadlines.clear(Deadline::ReferUntaken, &owner);
        }
        self.tell_referrer(name, now);
    }

    /// Something was answered to an INVITE that carries a REFER out.
    pub(super) fn note_carried(&mut self, call: &CallId, status: u16, reason: &str, now: Instant) {
        let name = self.calls.get(call).and_then(|call| call.refer.clone());
        if let Some(name) = name {
            self.note_refer(&name, status, reason, now);
        }
    }

    /// A call did something: the copy of its dialog follows.
    pub(super) fn follow_call(&mut self, id: &CallId) {
        let of_it = |it: &&mut Referred| it.shares && it.call.as_ref() == Some(id);
        for referred in self.referreds.values_mut().filter(of_it) {
            match self.calls.get(id).and_then(|call| call.dialogs().next()) {
                Some(dialog) => referred.dialog = dialog.clone(),
                None => {
                    // The BYE had a number too; a gap does no harm.
                    referred.shares = false;
                    referred.dialog.local_cseq += 100;
                }
            }
        }
    }

    /// The highest number that was used in the dialog of that REFER: several may tell in it when its call is over.
    fn last_cseq(&self, name: &CallId) -> u32 {
        let Some(own) = self.referreds.get(name).map(|it| &it.dialog) else {
            return 0;
        };
        let all = self.referreds.values().map(|it| &it.dialog);
        let same = all.filter(|it| it.has_names_of(own));
        same.map(|it| it.local_cseq).max().unwrap_or_default()
    }

    /// Sends the next NOTIFY, if one waits and nothing is in its way.
    fn tell_referrer(&mut self, name: &CallId, now: Instant) {
        let last = self.last_cseq(name);
        let Some(referred) = self.referreds.get_mut(name) else {
            return;
        };
        let ready = self.core.ready_flow_for(referred.guise.secure);
        if referred.is_over() {
            self.referreds.remove(name);
            let owner = Owner::Refer(name.clone());
            return self.core.deadlines.clear_owner(&owner);
        }
        let (own, secure) = (self.core.flow(referred.flow), referred.guise.secure);
        if !own.is_some_and(|flow| flow.is_ready(&self.core.config) && flow.carries(secure)) {
            let Some(other) = ready else {
                return;
            };
            referred.flow = other;
        }
        let Some(notice) = referred.next() else {
            return;
        };
        let flow = referred.flow;
        let mut content = Content::default();
        headers::push_request(&mut content, &self.core, flow, referred.guise);
        content.push(&HeaderName::Event, referred.event.as_str());
        content.push(
            &HeaderName::SubscriptionState,
            state(&notice, referred.ends, now),
        );
        content.set_body(
            "message/sipfrag;version=2.0",
            told::write(notice.status, &notice.reason),
        );
        let shared = if referred.shares {
            let call = referred.call.as_ref();
            let call = call.and_then(|call| self.calls.get_mut(call));
            call.and_then(Call::dialog_mut)
        } else {
            None
        };
        let (cseq, draft) = match shared {
            Some(dialog) => {
                let cseq = dialog.next_cseq();
                referred.dialog.local_cseq = cseq;
                (cseq, dialog.draft(Method::Notify, content))
            }
            None => {
                referred.dialog.local_cseq = last;
                let cseq = referred.dialog.next_cseq();
                (cseq, referred.dialog.draft(Method::Notify, content))
            }
        };
        let purpose = Purpose::ReferNotice(name.clone());
        let auth = Some(&mut referred.auth);
        self.core.request(draft, cseq, auth, flow, purpose, now);
        self.note_cseq(name, cseq);
    }

    /// That number was used in the dialog of that REFER: it counts for the others that tell in it.
    fn note_cseq(&mut self, name: &CallId, cseq: u32) {
        let Some(own) = self.referreds.get(name).map(|it| it.dialog.clone()) else {
            return;
        };
        for referred in self.referreds.values_mut() {
            if referred.dialog.has_names_of(&own) {
                referred.dialog.local_cseq = cseq;
            }
        }
    }

    /// A NOTIFY about a REFER has its answer.
    pub(super) fn on_refer_notice_answer(
        &mut self,
        name: &CallId,
        response: &Response,
        now: Instant,
    ) {
        let Some(referred) = self.referreds.get_mut(name) else {
            return;
        };
        let challenged = matches!(response.status, 401 | 407);
        let identity = identity(&self.core.config);
        if challenged && referred.auth.on_challenge(response, &identity).is_ok() {
            referred.on_unheard();
        } else {
            referred.on_told();
            if !challenged {
                referred.auth.on_accepted(response);
            }
            // RFC 5057, 5.1: others hit this NOTIFY alone.
            if ends(response.status) {
                referred.hush();
            }
        }
        self.tell_referrer(name, now);
    }

    /// A NOTIFY about a REFER has no answer.
    pub(super) fn on_no_refer_notice_answer(&mut self, name: &CallId, lost: bool, now: Instant) {
        let Some(referred) = self.referreds.get_mut(name) else {
            return;
        };
        if lost {
            // It is said again over the next connection.
            referred.on_unheard();
        } else {
            referred.on_told();
            referred.hush();
        }
        self.tell_referrer(name, now);
    }

    /// A connection is there again.
    pub(super) fn tell_referrers(&mut self, now: Instant) {
        let names: Vec<_> = self.referreds.keys().cloned().collect();
        for name in names {
            self.tell_referrer(&name, now);
        }
    }

    /// A SUBSCRIBE of the one who referred us: longer, or no more (RFC 3515, 2.4.4). `false`: it is not about a REFER.
    pub(super) fn on_refer_subscribe(
        &mut self,
        request: &Request,
        key: &ServerKey,
        now: Instant,
    ) -> bool {
        let event = request.headers.get(&HeaderName::Event).unwrap_or_default();
        let event: String = event.split_ascii_whitespace().collect();
        let found = self.referreds.iter_mut().find(|(_, referred)| {
            referred.telling == Telling::Subscribed
                && referred.dialog.has_request(&request.ids)
                && referred.has_event(&event)
        });
        let Some((name, referred)) = found else {
            return false;
        };
        if !referred.shares && referred.dialog.take_request(request).is_err() {
            core_answer(&mut self.core, key, 500, now);
            return true;
        }
        let name = name.clone();
        let wanted = request.headers.number(&HeaderName::Expires);
        let left = referred.ends.saturating_duration_since(now);
        let granted = wanted.map_or(left, |wanted| {
            Duration::from_secs(wanted.into()).min(LONGEST)
        });
        referred.ends = now + granted;
        referred.note_again(granted.is_zero().then_some("timeout"));
        let ends = referred.ends;
        let contact = headers::contact(&self.core, referred.flow, referred.guise);
        let seconds = granted.as_secs().to_string();
        let lines = [
            (HeaderName::Expires, seconds.as_str()),
            (HeaderName::Contact, contact.as_str()),
        ];
        core_answer_with(&mut self.core, key, 200, &lines, now);
        self.core
            .deadlines
            .set(Deadline::ReferExpiry, Owner::Refer(name.clone()), ends);
        self.tell_referrer(&name, now);
        true
    }

    pub(super) fn on_refer_deadline(&mut self, name: &CallId, deadline: Deadline, now: Instant) {
        if deadline == Deadline::ReferUntaken {
            self.note_refer(name, 480, "", now);
            return self.core.tell(Event::ReferLapsed { call: name.clone() });
        }
        if let Some(referred) = self.referreds.get_mut(name) {
            referred.note_again(Some("timeout"));
        }
        self.tell_referrer(name, now);
    }
}

/// Subscription-State of a NOTIFY (RFC 6665, 4.1.3).
fn state(notice: &Notice, ends: Instant, now: Instant) -> String {
    match notice.over {
        Some(reason) => format!("terminated;reason={reason}"),
        None => format!(
            "active;expires={}",
            ends.saturating_duration_since(now).as_secs()
        ),
    }
}

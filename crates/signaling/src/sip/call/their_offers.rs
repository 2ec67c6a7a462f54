//! The far side's descriptions within a call: shown to our user, answered, refused, put off (RFC 3261, 14.2; RFC 3311, 5.2).

use std::time::Instant;

use rand::RngExt;

use crate::cause::Cause;
use crate::event::Event;
use crate::sip::call::headers;
use crate::sip::call::identity;
use crate::sip::call::offers::{READABLE, answer_with_content, core_answer, core_answer_with};
use crate::sip::call::session_timer::SessionTimer;
use crate::sip::call::state::{Call, Fork, Offer, Phase, Unacked, Wish};
use crate::sip::deadline::{Deadline, INVITE_TRYING, T1, TRANSACTION, TRYING};
use crate::sip::message::outgoing::{Content, OutgoingResponse};
use crate::sip::message::request::Request;
use crate::sip::message::{HeaderName, Method};
use crate::sip::session::core::Core;
use crate::sip::session::owner::Owner;
use crate::sip::transaction::server::ServerKey;

impl Call {
    /// The far side's re-INVITE or UPDATE in a call that is up.
    pub(in crate::sip) fn on_their_offer(
        &mut self,
        request: &Request,
        key: ServerKey,
        core: &mut Core,
        now: Instant,
    ) {
        if request.has_foreign_body() {
            // Neither an offer nor none: whoever would be asked for one, or refreshed by it, meant something else (8.2.3).
            return core_answer_with(core, &key, 415, &READABLE, now);
        }
        let wanted = core.config.session_expires;
        if !matches!(self.phase, Phase::Up(_)) {
            return self.on_early_update(request, &key, core, now);
        }
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        let sdp = request.sdp();
        let offers = sdp.is_some() || request.method == Method::Invite;
        if offers {
            match &up.offer {
                Offer::Ours { kind }
                    if request.method == Method::Invite || *kind != Wish::Refresh =>
                {
                    return core_answer(core, &key, 491, now);
                }
                Offer::Theirs { .. } => return self.busy_with_offer(&key, core, now),
                Offer::None | Offer::Ours { .. } | Offer::Waiting { .. } => {}
            }
            if up.unacked.is_some() || up.owed_ack.is_some() {
                return self.busy_with_offer(&key, core, now);
            }
        }
        let Ok(session) = SessionTimer::as_callee(&request.headers, wanted) else {
            let least = self.least_session.as_secs().to_string();
            return core_answer_with(core, &key, 422, &[(HeaderName::MinSe, &least)], now);
        };
        up.dialog.refresh_target(&request.headers);
        // RFC 4916: To of our requests is what their From says now.
        up.dialog.remote.uri = request.ids.from.uri.clone();
        up.dialog.remote.display_name = request.ids.from.display_name.clone();
        let party = identity::caller(&request.headers, &request.ids, &core.config);
        self.show(party, core);
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        if !offers {
            // A refresh and nothing else.
            up.session = session;
            let mut content = Content::default();
            headers::push_answer(&mut content, core, self.flow, self.guise);
            if let Some(session) = &session {
                session.write_answer_to(&up.dialog.peer, &mut content);
            }
            let tag = up.dialog.local_tag().to_owned();
            answer_with_content(core, &key, &tag, content, now);
            return self.plan_session(core, now);
        }
        // A pause of ours ends with their offer: ours comes after it.
        if let Offer::Waiting { kind } = std::mem::replace(&mut up.offer, Offer::None) {
            let owner = Owner::Call(self.id.clone());
            core.deadlines.clear(Deadline::GlareOver, &owner);
            up.wishes.push_front(kind);
        }
        // What our user offered before it knew of theirs says what was so then (RFC 3264, 8): it offers anew.
        up.wishes.retain(|wish| !matches!(wish, Wish::Offer(_)));
        // RFC 4320, 4.1, and RFC 3261, 17.2.1: who asked must know before its own patience ends, and that of an INVITE is cut short
        // by nothing else where the connection is lost before our user has answered.
        let patience = if request.method == Method::Update {
            TRYING
        } else {
            INVITE_TRYING
        };
        let owner = Owner::Served(key.clone());
        core.deadlines
            .set(Deadline::TryingDue, owner, now + patience);
        up.offer = Offer::Theirs {
            key,
            cseq: request.ids.cseq,
            offerless: sdp.is_none(),
            session,
        };
        if let Some(sdp) = &sdp {
            self.heard(sdp);
        }
        core.tell(Event::Offer {
            call: self.id.clone(),
            sdp,
        });
        self.await_user(core, now);
    }

    /// An UPDATE before the answer (RFC 3311, 5.2): a new target is taken note of. An offer is shown to our user once the exchange
    /// before it was reliable, and where no other fork was heard, whose answer may still become the call's. Else it has to wait, and
    /// while the one of our INVITE has no answer it meets that.
    fn on_early_update(
        &mut self,
        request: &Request,
        key: &ServerKey,
        core: &mut Core,
        now: Instant,
    ) {
        if request.method != Method::Update || request.sdp().is_some() {
            let Phase::Calling(calling) = &mut self.phase else {
                if self.rings_with_offer() {
                    // It meets ours.
                    return core_answer(core, key, 491, now);
                }
                return self.busy_with_offer(key, core, now);
            };
            let offerless = calling.offerless;
            let shown = calling.forks.iter().filter(|it| it.answer.is_some());
            let alone = shown.count() == 1;
            let mut forks = calling.forks.iter_mut();
            let fork = forks.find(|fork| fork.dialog.has_request(&request.ids));
            return match (fork, request.sdp()) {
                (Some(fork), Some(sdp)) if alone && fork.may_be_offered(offerless) => {
                    self.on_early_offer(request, sdp, key, core, now);
                }
                (Some(fork), _) if !offerless && !fork.reliable => core_answer(core, key, 491, now),
                _ => self.busy_with_offer(key, core, now),
            };
        }
        let dialog = match &mut self.phase {
            Phase::Called(called) => Some(&mut called.dialog),
            Phase::Calling(calling) => {
                let forks = calling.forks.iter_mut().map(|fork| &mut fork.dialog);
                forks
                    .into_iter()
                    .find(|dialog| dialog.has_request(&request.ids))
            }
            Phase::Up(_) | Phase::Leaving(_) | Phase::Over => None,
        };
        let Some(dialog) = dialog else {
            return core_answer(core, key, 481, now);
        };
        dialog.refresh_target(&request.headers);
        let tag = dialog.local_tag().to_owned();
        let party = identity::caller(&request.headers, &request.ids, &core.config);
        let mut content = Content::default();
        headers::push_answer(&mut content, core, self.flow, self.guise);
        answer_with_content(core, key, &tag, content, now);
        self.show(party, core);
    }

    fn on_early_offer(
        &mut self,
        request: &Request,
        sdp: String,
        key: &ServerKey,
        core: &mut Core,
        now: Instant,
    ) {
        if let Phase::Calling(calling) = &mut self.phase {
            let mut forks = calling.forks.iter_mut();
            if let Some(fork) = forks.find(|fork| fork.dialog.has_request(&request.ids)) {
                fork.dialog.refresh_target(&request.headers);
                fork.owed_update = Some(key.clone());
            }
        }
        let party = identity::caller(&request.headers, &request.ids, &core.config);
        self.show(party, core);
        let owner = Owner::Served(key.clone());
        core.deadlines.set(Deadline::TryingDue, owner, now + TRYING);
        self.heard(&sdp);
        core.tell(Event::Offer {
            call: self.id.clone(),
            sdp: Some(sdp),
        });
        self.await_user(core, now);
    }

    /// Our user's answer to it.
    pub(super) fn answer_update(
        &self,
        fork: &Fork,
        key: &ServerKey,
        sdp: String,
        core: &mut Core,
        now: Instant,
    ) {
        let mut content = Content::default();
        headers::push_answer(&mut content, core, self.flow, self.guise);
        content.set_body("application/sdp", sdp);
        answer_with_content(core, key, fork.dialog.local_tag(), content, now);
    }

    fn busy_with_offer(&self, key: &ServerKey, core: &mut Core, now: Instant) {
        let pause = core.rng.random_range(0..=10_u8).to_string();
        core_answer_with(core, key, 500, &[(HeaderName::RetryAfter, &pause)], now);
    }

    pub(in crate::sip) fn await_user(&self, core: &mut Core, now: Instant) {
        let limit = core.config.timers.offer_untaken;
        core.deadlines.set(
            Deadline::OfferUntaken,
            Owner::Call(self.id.clone()),
            now + limit,
        );
    }

    /// The user's description for the offer of the far side: answer, or offer where theirs had none.
    pub(in crate::sip) fn answer_offer(&mut self, sdp: String, core: &mut Core, now: Instant) {
        let flow = self.way(core);
        let owner = Owner::Call(self.id.clone());
        core.deadlines.clear(Deadline::OfferUntaken, &owner);
        let over = self.connection(core);
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        if let Some(owed) = up.owed_ack.take() {
            up.local_sdp = Some(sdp.clone());
            self.acknowledge(owed.cseq, Some(&owed.invite), Some(sdp), core);
            core.tell(Event::Confirmed {
                call: self.id.clone(),
            });
            return self.next_wish(core, now);
        }
        let (key, cseq, offerless, session) = match std::mem::replace(&mut up.offer, Offer::None) {
            Offer::Theirs {
                key,
                cseq,
                offerless,
                session,
            } => (key, cseq, offerless, session),
            other @ (Offer::None | Offer::Ours { .. } | Offer::Waiting { .. }) => {
                up.offer = other;
                return;
            }
        };
        up.session = session;
        up.local_sdp = Some(sdp.clone());
        let Some(served) = core.servers.get(&key) else {
            return;
        };
        let (bare, method) = (served.bare.clone(), served.method.clone());
        let mut response = OutgoingResponse::to(&bare, 200, up.dialog.local_tag());
        headers::push_answer(&mut response.content, core, flow, self.guise);
        if let Some(session) = &session {
            session.write_answer_to(&up.dialog.peer, &mut response.content);
        }
        core.sign_response(&mut response);
        response.content.set_body("application/sdp", sdp);
        if method == Method::Invite {
            up.answer_in_ack = offerless;
            up.unacked = Some(Unacked {
                payload: response.to_payload(),
                pause: T1,
                number: cseq,
                until: now + TRANSACTION,
                over,
            });
            core.deadlines
                .set(Deadline::RepeatAnswer, owner.clone(), now + T1);
            core.deadlines
                .set(Deadline::AnswerAck, owner, now + TRANSACTION);
        }
        core.answer(&key, response, now);
        self.plan_session(core, now);
        self.next_wish(core, now);
    }

    /// The user cannot take the far side's offer, or did not say in time: the session stays as it was.
    pub(in crate::sip) fn refuse_offer(&mut self, status: u16, core: &mut Core, now: Instant) {
        let owner = Owner::Call(self.id.clone());
        core.deadlines.clear(Deadline::OfferUntaken, &owner);
        if self.refuse_early_offer(status, core, now) {
            return;
        }
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        if up.owed_ack.is_some() {
            let detail = "nobody here answered the far side's offer";
            return self.fail(Cause::INCOMPATIBLE_DESTINATION, detail, core, now);
        }
        if let Offer::Theirs { key, .. } = std::mem::replace(&mut up.offer, Offer::None) {
            let update = core
                .servers
                .get(&key)
                .is_some_and(|served| served.method == Method::Update);
            // A user has no time in an UPDATE (RFC 3311, 5.2).
            let status = if status == 500 && update { 504 } else { status };
            core_answer(core, &key, status, now);
        }
        self.next_wish(core, now);
    }
}

impl Fork {
    /// Whether the offer and answer before are done, reliably, and our user has seen them.
    const fn may_be_offered(&self, offerless: bool) -> bool {
        let agreed = self.reliable && !self.barred && (!offerless || self.local.is_some());
        agreed && self.owed_prack.is_none() && self.owed_update.is_none()
    }
}

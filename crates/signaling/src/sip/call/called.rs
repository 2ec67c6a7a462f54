//! The far side's INVITE until our answer: ringing, reliably where asked, and the decision (RFC 3261, 13.3; RFC 3262).

use std::time::{Duration, Instant};

use rand::RngExt;

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::event::{EndedBy, Event};
use crate::sip::auth::authorization::Authorization;
use crate::sip::call::ending::Over;
use crate::sip::call::headers::{self, Guise};
use crate::sip::call::identity;
use crate::sip::call::offers::core_answer;
use crate::sip::call::session_timer::{self, SessionTimer};
use crate::sip::call::state::{Call, Called, FirstOffer, Phase, Replaced, Unacked, Up};
use crate::sip::call::trickle::Trickle;
use crate::sip::config::Reliable;
use crate::sip::deadline::{CALLER_PATIENCE, Deadline, T1, T2, TRANSACTION};
use crate::sip::flow_id::FlowId;
use crate::sip::message::HeaderName;
use crate::sip::message::outgoing::{OutgoingResponse, Payload};
use crate::sip::message::request::Request;
use crate::sip::random;
use crate::sip::session::core::Core;
use crate::sip::session::owner::Owner;
use crate::sip::transaction::server::ServerKey;

/// RFC 3261, 13.3.1.1.
const RING_AGAIN: Duration = Duration::from_secs(60);
/// RFC 3262, 3.
const RING_AGAIN_RELIABLY: Duration = Duration::from_secs(150);

impl Call {
    /// Takes an INVITE that passed all checks, and rings.
    pub(in crate::sip) fn called(
        request: &Request,
        key: ServerKey,
        flow: FlowId,
        session: Option<SessionTimer>,
        replaces: Option<Replaced>,
        core: &mut Core,
        now: Instant,
    ) -> Option<Self> {
        let tag = random::token(&mut core.rng);
        let dialog = core.dialog_of(request, &tag, flow)?;
        let guise = Guise {
            hides: false,
            secure: dialog.secure,
        };
        let id = CallId::random(&mut core.rng);
        let caller = identity::caller(&request.headers, &request.ids, &core.config);
        let sdp = request.sdp();
        let requires = request.headers.lists(&HeaderName::Require, "100rel");
        let unasked = replaces.as_ref().filter(|replaced| replaced.unasked);
        let replaced = unasked.map(|replaced| replaced.call.clone());
        let mut said = identity::said(&request.headers, &core.config);
        if replaces.is_some() && replaced.is_none() {
            // Our user is asked, and is to know for what.
            let line = request.headers.get(&HeaderName::Replaces);
            let line = line.map(|line| ("Replaces".to_owned(), line));
            said.headers.extend(line);
        }
        let reliably = requires && core.config.reliable != Reliable::Never;
        let first_offer = match sdp {
            Some(_) => FirstOffer::Theirs,
            None if reliably => FirstOffer::Wanted,
            None => FirstOffer::Ours,
        };
        let wanted = matches!(first_offer, FirstOffer::Wanted);
        let called = Called {
            cseq: request.ids.cseq,
            key,
            dialog,
            first_offer,
            taken: None,
            session,
            reliably,
            // RFC 3262, 3: from 1 to 2^31 - 1; low enough to count up from.
            last_rseq: core.rng.random_range(1..=0x3fff_ffff),
            unacked: None,
            refusal: None,
            replaces,
        };
        let mut call = Self {
            id: id.clone(),
            flow,
            auth: Authorization::default(),
            sip_call_id: request.ids.call_id.clone(),
            least_session: session_timer::LEAST,
            refer: None,
            depth: 0,
            verdict: None,
            guise,
            trickle: Trickle::default(),
            their_media: 0,
            reserve: None,
            shown: caller.clone(),
            phase: Phase::Called(Box::new(called)),
        };
        if let Some(sdp) = &sdp {
            call.heard(sdp);
        }
        call.ring(core, now);
        core.deadlines.set(
            Deadline::Untaken,
            Owner::Call(id.clone()),
            now + core.config.timers.untaken,
        );
        core.tell(Event::Incoming {
            call: id.clone(),
            caller,
            sdp,
            said,
            ids: Box::default(),
            replaces: replaced,
        });
        if wanted {
            core.tell(Event::Offer {
                call: id,
                sdp: None,
            });
        }
        Some(call)
    }

    /// 180, now and again as long as nobody decides.
    pub(in crate::sip) fn ring(&mut self, core: &mut Core, now: Instant) {
        let flow = self.flow;
        let Phase::Called(called) = &mut self.phase else {
            return;
        };
        let Some(bare) = core
            .servers
            .get(&called.key)
            .map(|served| served.bare.clone())
        else {
            return;
        };
        let early = match &called.first_offer {
            FirstOffer::Ours | FirstOffer::Wanted if called.reliably => {
                // The first reliable answer holds the offer (RFC 3262, 5), which our user has not made: only 100 is neither.
                let trying = OutgoingResponse::to(&bare, 100, called.dialog.local_tag());
                return core.answer(&called.key.clone(), trying, now);
            }
            FirstOffer::Rings(offer) => Some(offer.clone()),
            FirstOffer::Theirs
            | FirstOffer::Ours
            | FirstOffer::Wanted
            | FirstOffer::Answered(_) => None,
        };
        let owner = Owner::Call(self.id.clone());
        let mut response = OutgoingResponse::to(&bare, 180, called.dialog.local_tag());
        push_record_routes(&mut response, &bare);
        headers::push_answer(&mut response.content, core, flow, self.guise);
        if called.dialog.peer.info_packages.is_some() {
            // RFC 6086, 5.2.3.
            let packages = headers::recv_info(&core.config);
            response.content.push_named("Recv-Info", &packages);
        }
        let pause = if called.reliably {
            // No second one before the first has its PRACK (RFC 3262, 3).
            if called.unacked.is_some() {
                return;
            }
            called.last_rseq += 1;
            response.content.push(&HeaderName::Require, "100rel");
            response
                .content
                .push(&HeaderName::RSeq, called.last_rseq.to_string());
            core.sign_response(&mut response);
            if let Some(offer) = early {
                response.content.set_body("application/sdp", offer);
            }
            called.unacked = Some(Unacked {
                payload: response.to_payload(),
                pause: T1,
                number: called.last_rseq,
                until: now + TRANSACTION,
                over: None,
            });
            core.deadlines
                .set(Deadline::RepeatProvisional, owner.clone(), now + T1);
            core.deadlines
                .set(Deadline::ProvisionalAck, owner.clone(), now + TRANSACTION);
            RING_AGAIN_RELIABLY
        } else {
            RING_AGAIN
        };
        core.answer(&called.key.clone(), response, now);
        core.deadlines.set(Deadline::RingAgain, owner, now + pause);
    }

    /// Our user's offer for a caller that has none and wants to hear it with the ringing. `false`: nobody asked for it.
    pub(in crate::sip) fn ring_with(
        &mut self,
        offer: String,
        core: &mut Core,
        now: Instant,
    ) -> bool {
        let Phase::Called(called) = &mut self.phase else {
            return false;
        };
        if !matches!(called.first_offer, FirstOffer::Wanted) {
            return false;
        }
        called.first_offer = FirstOffer::Rings(offer);
        self.ring(core, now);
        true
    }

    /// Our user makes none before it takes the call: the 2xx holds it. `false`: nobody asked for it.
    pub(in crate::sip) fn ring_without(&mut self) -> bool {
        let Phase::Called(called) = &mut self.phase else {
            return false;
        };
        let wanted = matches!(called.first_offer, FirstOffer::Wanted);
        if wanted {
            called.first_offer = FirstOffer::Ours;
        }
        wanted
    }

    /// Says the reliable provisional answer again, at pauses that double without an end.
    pub(in crate::sip) fn repeat_provisional(&mut self, core: &mut Core, now: Instant) {
        let Phase::Called(called) = &mut self.phase else {
            return;
        };
        let Some(unacked) = &mut called.unacked else {
            return;
        };
        unacked.pause *= 2;
        let pause = unacked.pause;
        let owner = Owner::Call(self.id.clone());
        core.deadlines
            .set(Deadline::RepeatProvisional, owner, now + pause);
        self.provisional_again(core);
    }

    /// A copy of what waits for its PRACK.
    pub(in crate::sip) fn provisional_again(&mut self, core: &mut Core) {
        if let Phase::Called(called) = &self.phase
            && let Some(unacked) = &called.unacked
        {
            self.say_again(unacked.payload.clone(), core);
        }
    }

    pub(in crate::sip) fn say_again(&mut self, payload: Payload, core: &mut Core) {
        let flow = self.way(core);
        if core.flow(flow).is_some_and(|flow| flow.is_open()) {
            core.send(payload, flow);
        }
    }

    /// PRACK: it has to name the answer that waits for it. Where that held our offer it brings the answer, and lets a 2xx go that our
    /// user has given meanwhile. Gives back the call that this one replaces then.
    pub(in crate::sip) fn on_prack(
        &mut self,
        request: &Request,
        key: &ServerKey,
        core: &mut Core,
        now: Instant,
    ) -> Option<Replaced> {
        let waits = match &self.phase {
            Phase::Called(called) => called
                .unacked
                .as_ref()
                .map(|unacked| (unacked.number, called.cseq)),
            Phase::Up(up) => up.late_prack,
            Phase::Calling(_) | Phase::Leaving(_) | Phase::Over => None,
        };
        let rack = request.headers.get(&HeaderName::RAck).unwrap_or_default();
        // 7.2: all three are what they name.
        let named = waits.map(|(rseq, cseq)| format!("{rseq} {cseq} INVITE"));
        let parts: Vec<_> = rack.split_ascii_whitespace().collect();
        if named.is_none_or(|named| named != parts.join(" ")) {
            core_answer(core, key, 481, now);
            return None;
        }
        let called = match &mut self.phase {
            Phase::Called(called) => called,
            Phase::Up(up) => {
                up.late_prack = None;
                // An offer in it (RFC 3262, 5) a person would have to take.
                let status = if request.sdp().is_some() { 488 } else { 200 };
                core_answer(core, key, status, now);
                return None;
            }
            Phase::Calling(_) | Phase::Leaving(_) | Phase::Over => return None,
        };
        called.unacked = None;
        let owner = Owner::Call(self.id.clone());
        core.deadlines.clear(Deadline::RepeatProvisional, &owner);
        core.deadlines.clear(Deadline::ProvisionalAck, &owner);
        match (called.first_offer.clone(), request.sdp()) {
            (FirstOffer::Rings(offer), Some(sdp)) => {
                called.first_offer = FirstOffer::Answered(offer);
                let taken = called.taken.take();
                core_answer(core, key, 200, now);
                self.heard(&sdp);
                core.tell(Event::MediaUpdated {
                    call: self.id.clone(),
                    sdp,
                });
                let users = taken?;
                return self.answer(String::new(), &users, core, now);
            }
            (FirstOffer::Rings(_), None) => {
                core_answer(core, key, 200, now);
                let detail = "the far side gave no answer to our offer";
                self.fail(Cause::INCOMPATIBLE_DESTINATION, detail, core, now);
            }
            // One more (RFC 3262, 5), which a person would have to take.
            (FirstOffer::Answered(_), Some(_)) => core_answer(core, key, 488, now),
            _ => core_answer(core, key, 200, now),
        }
        None
    }

    /// Nobody acknowledges our provisional answer: the INVITE is refused (RFC 3262, 3).
    pub(in crate::sip) fn on_no_prack(&mut self, core: &mut Core, now: Instant) {
        let Phase::Called(called) = &self.phase else {
            return;
        };
        let (key, tag) = (called.key.clone(), called.dialog.local_tag().to_owned());
        if let Some(bare) = core.servers.get(&key).map(|served| served.bare.clone()) {
            core.answer(&key, OutgoingResponse::to(&bare, 504, &tag), now);
        }
        self.end(
            EndedBy::Timeout,
            Cause::RECOVERY_ON_TIMER_EXPIRE,
            Some("the caller did not acknowledge the ringing".to_owned()),
            Over::default(),
            core,
        );
    }

    /// The user takes the call with that description: an answer, or an offer where the INVITE had none; nothing where it rings with that
    /// offer already. Gives back the call that this one replaces.
    pub(in crate::sip) fn answer(
        &mut self,
        sdp: String,
        users: &[(String, String)],
        core: &mut Core,
        now: Instant,
    ) -> Option<Replaced> {
        let flow = self.flow;
        let owner = Owner::Call(self.id.clone());
        let called = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Called(mut called) if matches!(called.first_offer, FirstOffer::Rings(_)) => {
                // No 2xx before the PRACK of an offer (RFC 3262, 5).
                called.taken = Some(users.to_vec());
                self.phase = Phase::Called(called);
                core.deadlines.clear(Deadline::Untaken, &owner);
                return None;
            }
            Phase::Called(called) => *called,
            other @ (Phase::Calling(_) | Phase::Up(_) | Phase::Leaving(_) | Phase::Over) => {
                self.phase = other;
                return None;
            }
        };
        core.deadlines.clear_owner(&owner);
        let bare = core
            .servers
            .get(&called.key)
            .map(|served| served.bare.clone())?;
        let mut response = OutgoingResponse::to(&bare, 200, called.dialog.local_tag());
        push_record_routes(&mut response, &bare);
        self.guise.hides = identity::wants_privacy(users).unwrap_or_default();
        headers::push_answer(&mut response.content, core, flow, self.guise);
        if called.dialog.peer.info_packages.is_some() {
            // RFC 6086, 5.2.3.
            let packages = headers::recv_info(&core.config);
            response.content.push_named("Recv-Info", &packages);
        }
        if let Some(session) = &called.session {
            session.write_answer_to(&called.dialog.peer, &mut response.content);
        }
        for one in users {
            // What cannot be sent is left out: the caller waits.
            let _ = headers::push_users(&mut response.content, std::slice::from_ref(one));
        }
        core.sign_response(&mut response);
        let answer_in_ack = matches!(called.first_offer, FirstOffer::Ours | FirstOffer::Wanted);
        let local = match called.first_offer {
            FirstOffer::Theirs | FirstOffer::Ours | FirstOffer::Wanted => {
                response.content.set_body("application/sdp", sdp.clone());
                sdp
            }
            FirstOffer::Rings(offer) | FirstOffer::Answered(offer) => offer,
        };
        let number = called.cseq;
        let over = self.connection(core);
        let mut up = Up::new(called.dialog, false, called.session, Some(local));
        up.answer_in_ack = answer_in_ack;
        up.late_prack = called.unacked.map(|unacked| (unacked.number, number));
        up.unacked = Some(Unacked {
            payload: response.to_payload(),
            pause: T1,
            number,
            until: now + TRANSACTION,
            over,
        });
        core.answer(&called.key, response, now);
        core.deadlines
            .set(Deadline::AnswerAck, owner.clone(), now + TRANSACTION);
        self.repeat_answer_after(T1, core, now);
        if over.is_none() {
            // It goes over the next connection, if one comes while its caller waits.
            up.adrift = true;
            let limit = core.config.timers.detached.min(CALLER_PATIENCE);
            core.deadlines.set(Deadline::Detached, owner, now + limit);
        }
        self.phase = Phase::Up(Box::new(up));
        self.plan_session(core, now);
        called.replaces
    }

    /// RFC 3261, 13.3.1.4: also on a reliable transport, since the way behind it may not be.
    pub(in crate::sip) fn repeat_answer_after(
        &self,
        pause: Duration,
        core: &mut Core,
        now: Instant,
    ) {
        let owner = Owner::Call(self.id.clone());
        core.deadlines
            .set(Deadline::RepeatAnswer, owner, now + pause);
    }

    /// Our 2xx, as long as it has no ACK.
    fn unacked_answer(&mut self) -> Option<&mut Unacked> {
        match &mut self.phase {
            Phase::Up(up) => up.unacked.as_mut(),
            Phase::Leaving(leaving) => leaving.unacked.as_mut(),
            Phase::Calling(_) | Phase::Called(_) | Phase::Over => None,
        }
    }

    /// Time for another copy of our 2xx.
    pub(in crate::sip) fn repeat_answer(&mut self, core: &mut Core, now: Instant) {
        if let Some(unacked) = self.unacked_answer() {
            unacked.pause = (unacked.pause * 2).min(T2);
        }
        self.answer_again(core, now);
    }

    /// A copy of our 2xx. The first one over a connection has the whole time for its ACK, since the connection before may have
    /// carried none.
    pub(in crate::sip) fn answer_again(&mut self, core: &mut Core, now: Instant) {
        let over = self.connection(core);
        let owner = Owner::Call(self.id.clone());
        let Some(unacked) = self.unacked_answer() else {
            return;
        };
        if over.is_some() && unacked.over != over {
            unacked.over = over;
            unacked.pause = T1;
            unacked.until = now + TRANSACTION;
            core.deadlines
                .set(Deadline::AnswerAck, owner.clone(), unacked.until);
        }
        let (payload, pause) = (unacked.payload.clone(), unacked.pause);
        core.deadlines
            .set(Deadline::RepeatAnswer, owner, now + pause);
        self.say_again(payload, core);
    }

    /// The ACK of our 2xx.
    pub(in crate::sip) fn on_ack(&mut self, request: &Request, core: &mut Core, now: Instant) {
        let waits = self.unacked_answer().map(|unacked| unacked.number);
        if waits != Some(request.ids.cseq) {
            return;
        }
        let carried = self.connection(core).is_some();
        let owner = Owner::Call(self.id.clone());
        core.deadlines.clear(Deadline::RepeatAnswer, &owner);
        core.deadlines.clear(Deadline::AnswerAck, &owner);
        let up = match &mut self.phase {
            Phase::Up(up) => up,
            Phase::Leaving(leaving) => {
                leaving.unacked = None;
                return self.say_bye(core, now);
            }
            Phase::Calling(_) | Phase::Called(_) | Phase::Over => return,
        };
        up.unacked = None;
        up.adrift = false;
        if carried {
            // Whatever becomes of the registration: this connection has brought it.
            core.deadlines.clear(Deadline::Detached, &owner);
        }
        let call = self.id.clone();
        if std::mem::take(&mut up.answer_in_ack) {
            match request.sdp() {
                Some(sdp) => {
                    self.heard(&sdp);
                    core.tell(Event::MediaUpdated {
                        call: call.clone(),
                        sdp,
                    });
                }
                None => {
                    let detail = "the far side gave no answer to our offer";
                    return self.fail(Cause::INCOMPATIBLE_DESTINATION, detail, core, now);
                }
            }
        }
        core.tell(Event::Confirmed { call });
        self.next_wish(core, now);
        self.next_candidates(core, now);
    }

    /// 32 s without an ACK: the call is given up with a BYE (13.3.1.4).
    pub(in crate::sip) fn on_no_ack(&mut self, core: &mut Core, now: Instant) {
        let owner = Owner::Call(self.id.clone());
        core.deadlines.clear(Deadline::RepeatAnswer, &owner);
        let carried = self.connection(core).is_some();
        match &mut self.phase {
            // Without a connection no ACK can come, and no BYE go: it is said anew over the next one.
            Phase::Up(_) if !carried => {}
            Phase::Up(up) => {
                up.unacked = None;
                let detail = Some("the caller did not acknowledge our answer".to_owned());
                let cause = Cause::RECOVERY_ON_TIMER_EXPIRE;
                self.close(EndedBy::Timeout, cause, detail, &[], core, now);
            }
            Phase::Leaving(leaving) => {
                // The same, as long as the caller may wait for it: without its answer it would ring on.
                let until = leaving.unacked.as_ref().map(|it| it.until);
                let patience = until.map(|until| until + CALLER_PATIENCE);
                if let Some(patience) = patience.filter(|at| !carried && *at > now) {
                    return core.deadlines.set(Deadline::AnswerAck, owner, patience);
                }
                leaving.unacked = None;
                self.say_bye(core, now);
            }
            Phase::Calling(_) | Phase::Called(_) | Phase::Over => {}
        }
    }
}

/// A response that makes a dialog copies the Record-Routes (12.1.1).
pub(in crate::sip) fn push_record_routes(
    response: &mut OutgoingResponse,
    bare: &crate::sip::message::bare::Bare,
) {
    for route in &bare.record_routes {
        response.content.copy(&HeaderName::RecordRoute, route);
    }
}

//! What the exchange says about a leg, told to its SIP client.

use std::time::Instant;

use offhook_signaling::cause::Cause;
use offhook_signaling::sip::message::outgoing::{Content, OutgoingResponse, Payload};
use offhook_signaling::sip::message::status::reason_phrase;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::sip::call::{CallTimer, LIFE, Outstanding, Purpose, Repeat, T1, T2, TransactionKey};
use crate::sip::invites::push_dialog;
use crate::sip::responses::SUPPORTED;
use crate::sip::server::{Around, Due, Server};
use crate::switch::cause::USER_NOT_REGISTERED;
use crate::switch::leg::{EndedBy, LegEvent, LegId, Party};

impl Server {
    /// Whether a leg is one of ours.
    pub(crate) fn has_leg(&self, leg: LegId) -> bool {
        self.calls.contains_key(&leg)
    }

    /// The exchange says something about a leg of ours.
    pub(crate) fn leg(&mut self, leg: LegId, event: LegEvent, around: &mut Around<'_>) {
        let now = around.now;
        match event {
            LegEvent::Offer {
                endpoint,
                caller,
                callee,
                sdp,
            } => self.ring(leg, endpoint, &caller, &callee, sdp, around),
            LegEvent::Ringing => self.provisional(leg, 180, None, now),
            LegEvent::EarlyMedia { sdp } => self.provisional(leg, 183, Some(sdp), now),
            LegEvent::Answered { sdp } => self.accept(leg, sdp, now),
            LegEvent::AnswerAccepted => self.on_up(leg, around),
            LegEvent::AnswerRefused => {
                self.hang_up_client(leg, &Cause::INCOMPATIBLE_DESTINATION, now);
                around
                    .exchange
                    .hang_up(leg, Cause::INCOMPATIBLE_DESTINATION);
            }
            LegEvent::Described { sdp } => self.acknowledge_late(leg, &sdp, around),
            LegEvent::Updated { sdp } => self.answer_offer(leg, Some(sdp), now),
            LegEvent::UpdateRefused => self.answer_offer(leg, None, now),
            LegEvent::Reoffer { sdp } => self.offer_again(leg, sdp, now),
            LegEvent::Referred { outcome } => self.tell_referrer(leg, &outcome, around),
            LegEvent::Display(party) => self.display(leg, &party, now),
            // Its media was never taken from it.
            LegEvent::Attach { .. } => {}
            LegEvent::Ended { cause, by } => self.end(leg, &cause, by, around),
        }
    }

    /// A provisional answer to the client's INVITE, reliable where that is wanted.
    pub(super) fn provisional(
        &mut self,
        leg: LegId,
        status: u16,
        sdp: Option<String>,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        if call.reliable.wanted {
            call.reliable.waiting.push_back((status, sdp));
            return self.next_reliable(leg, now);
        }
        if sdp.is_some() {
            call.described.clone_from(&sdp);
        }
        // An offer of ours goes where it is answered: into the 2xx.
        let sdp = sdp.filter(|_| !call.late);
        self.send_provisional(leg, status, sdp, None, now);
    }

    /// Sends the next reliable one, when the last was acknowledged (RFC 3262, 3).
    pub(super) fn next_reliable(&mut self, leg: LegId, now: Instant) {
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        if call.reliable.outstanding.is_some() {
            return;
        }
        let Some((status, sdp)) = call.reliable.waiting.pop_front() else {
            if let Some(answer) = call.reliable.answer.take() {
                self.accept(leg, answer, now);
            }
            return;
        };
        call.reliable.rseq += 1;
        let rseq = call.reliable.rseq;
        let has_sdp = sdp.is_some();
        call.reliable.described |= has_sdp;
        let payload = self.send_provisional(leg, status, sdp, Some(rseq), now);
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        call.reliable.outstanding = payload.map(|payload| Outstanding {
            payload,
            has_sdp,
            pause: T1,
            until: now + LIFE,
        });
        self.deadlines
            .set(Due::Call(leg, CallTimer::RepeatReliable), now + T1);
    }

    fn send_provisional(
        &mut self,
        leg: LegId,
        status: u16,
        sdp: Option<String>,
        rseq: Option<u32>,
        now: Instant,
    ) -> Option<Payload> {
        let call = self.calls.get(&leg)?;
        let key = call.invite.clone()?;
        let contact = self.uri_of(&call.far);
        let mut answer = self.answer_invite(&key, leg, status)?;
        let invite = self.invites.get(&key)?;
        push_dialog(&mut answer.content, &invite.request, &contact);
        if let Some(rseq) = rseq {
            answer.content.push(&HeaderName::Require, "100rel");
            answer.content.push(&HeaderName::RSeq, rseq.to_string());
        }
        if let Some(sdp) = sdp {
            answer.content.set_body("application/sdp", sdp);
        }
        Some(self.say(&key, answer, now))
    }

    /// An answer to a client's INVITE with the tag of that call.
    fn answer_invite(
        &self,
        key: &TransactionKey,
        leg: LegId,
        status: u16,
    ) -> Option<OutgoingResponse> {
        let tag = &self.calls.get(&leg)?.dialog.local_tag;
        let invite = self.invites.get(key).filter(|invite| !invite.over)?;
        Some(OutgoingResponse::to(&invite.request, status, tag))
    }

    fn say(&mut self, key: &TransactionKey, answer: OutgoingResponse, now: Instant) -> Payload {
        let payload = self.response(answer);
        let way = self.invites.get_mut(key).map(|invite| {
            invite.last = Some(payload.clone());
            invite.socket
        });
        if let Some(socket) = way {
            self.put(socket, payload.clone().into(), now);
        }
        payload
    }

    /// The client's INVITE is answered.
    pub(super) fn accept(&mut self, leg: LegId, sdp: Option<String>, now: Instant) {
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        let awaited = call.reliable.outstanding.as_ref();
        if awaited.is_some_and(|one| one.has_sdp) || !call.reliable.waiting.is_empty() {
            // Held back until the description is acknowledged (RFC 3262, 5).
            call.reliable.answer = Some(sdp);
            return;
        }
        call.reliable.outstanding = None;
        let Some(key) = call.invite.clone() else {
            return;
        };
        let sdp = match call.reliable.described {
            true => None,
            false => sdp.or_else(|| call.described.take()),
        };
        let session = call.session_answer.clone();
        let (contact, cseq) = (call.far.clone(), call.dialog.remote_cseq);
        let contact = self.uri_of(&contact);
        let Some(mut answer) = self.answer_invite(&key, leg, 200) else {
            // Another fork was first: that is for the client to sort out, which takes several (RFC 3261, 13.2.2.4).
            return self.accept_again(leg, &key, sdp, now);
        };
        let Some(invite) = self.invites.get(&key) else {
            return;
        };
        push_dialog(&mut answer.content, &invite.request, &contact);
        push_accept(&mut answer.content, session.as_deref(), sdp);
        let payload = self.say(&key, answer, now);
        if let Some(invite) = self.invites.get_mut(&key) {
            invite.over = true;
            invite.legs.retain(|known| *known != leg);
        }
        self.deadlines.set(Due::Invite(key), now + LIFE);
        self.await_ack(leg, payload, cseq, now);
    }

    /// One more 2xx to the same INVITE.
    fn accept_again(
        &mut self,
        leg: LegId,
        key: &TransactionKey,
        sdp: Option<String>,
        now: Instant,
    ) {
        let (Some(call), Some(invite)) = (self.calls.get(&leg), self.invites.get(key)) else {
            return;
        };
        let mut answer = OutgoingResponse::to(&invite.request, 200, &call.dialog.local_tag);
        let (contact, cseq) = (self.uri_of(&call.far), call.dialog.remote_cseq);
        push_dialog(&mut answer.content, &invite.request, &contact);
        push_accept(&mut answer.content, call.session_answer.as_deref(), sdp);
        let socket = invite.socket;
        let payload = self.response(answer);
        self.put(socket, payload.clone().into(), now);
        self.await_ack(leg, payload, cseq, now);
    }

    /// Says a 2xx again until its ACK comes.
    pub(super) fn await_ack(&mut self, leg: LegId, payload: Payload, cseq: u32, now: Instant) {
        self.deadlines
            .clear(&Due::Call(leg, CallTimer::RepeatReliable));
        if let Some(call) = self.calls.get_mut(&leg) {
            call.invite = None;
            call.repeat = Some(Repeat {
                payload,
                cseq,
                pause: T1,
                until: now + LIFE,
            });
        }
        self.deadlines
            .set(Due::Call(leg, CallTimer::Repeat), now + T1);
        self.start_session(leg, now);
    }

    pub(super) fn on_call_due(&mut self, leg: LegId, timer: CallTimer, around: &mut Around<'_>) {
        match timer {
            CallTimer::Repeat => self.repeat(leg, around),
            CallTimer::RepeatReliable => self.repeat_reliable(leg, around),
            CallTimer::Refresh => self.refresh(leg, around),
            CallTimer::SessionEnd => {
                tracing::info!(leg = leg.0, "the session was not refreshed");
                around
                    .exchange
                    .end_by_exchange(leg, Cause::RECOVERY_ON_TIMER_EXPIRE);
            }
            CallTimer::Act => self.act(leg, around),
            CallTimer::Glare => self.try_again(leg, around),
            CallTimer::Gone => self.on_gone(leg, around),
        }
    }

    /// A client whose connection was lost has said nothing in this call since.
    fn on_gone(&mut self, leg: LegId, around: &mut Around<'_>) {
        let lost = self.calls.get(&leg).map(|call| call.socket);
        match self.way(leg) {
            None => around
                .exchange
                .end_by_exchange(leg, Cause::NETWORK_OUT_OF_ORDER),
            // The device is back, but is the call? One that is not known there is over.
            Some(way) if Some(way) != lost => {
                let content = Content::default();
                let purpose = Purpose::Refresh(leg);
                self.send_in_call(leg, Method::Options, content, purpose, around.now);
            }
            Some(_) => {}
        }
    }

    fn repeat(&mut self, leg: LegId, around: &mut Around<'_>) {
        let way = self.way(leg);
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        let Some(repeat) = &mut call.repeat else {
            return;
        };
        if around.now >= repeat.until {
            call.repeat = None;
            tracing::info!(leg = leg.0, "no ACK came");
            return around
                .exchange
                .end_by_exchange(leg, Cause::RECOVERY_ON_TIMER_EXPIRE);
        }
        repeat.pause = (repeat.pause * 2).min(T2);
        let (payload, next) = (repeat.payload.clone(), around.now + repeat.pause);
        self.deadlines.set(Due::Call(leg, CallTimer::Repeat), next);
        if let Some(socket) = way {
            self.put(socket, payload.into(), around.now);
        }
    }

    fn repeat_reliable(&mut self, leg: LegId, around: &mut Around<'_>) {
        let way = self.way(leg);
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        let Some(outstanding) = &mut call.reliable.outstanding else {
            return;
        };
        if around.now >= outstanding.until {
            call.reliable.outstanding = None;
            tracing::info!(leg = leg.0, "no PRACK came");
            return around
                .exchange
                .end_by_exchange(leg, Cause::RECOVERY_ON_TIMER_EXPIRE);
        }
        outstanding.pause *= 2;
        let (payload, next) = (outstanding.payload.clone(), around.now + outstanding.pause);
        let timer = Due::Call(leg, CallTimer::RepeatReliable);
        self.deadlines.set(timer, next);
        if let Some(socket) = way {
            self.put(socket, payload.into(), around.now);
        }
    }

    /// A leg has ended: its client is told, where it does not know.
    fn end(&mut self, leg: LegId, cause: &Cause, by: EndedBy, around: &mut Around<'_>) {
        let now = around.now;
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        if by == EndedBy::Client {
            self.forget_call(leg);
            return;
        }
        if call.repeat.is_some() && !call.up {
            // No BYE before the ACK (RFC 3261, 15).
            call.ended = Some(cause.clone());
            return;
        }
        if let Some(ringing) = &call.ringing {
            let branch = ringing.branch.clone();
            self.forget_call(leg);
            return self.cancel(&branch, cancel_reason(cause), now);
        }
        if let Some(key) = call.invite.clone() {
            return self.end_invite(leg, &key, cause, around);
        }
        self.hang_up_client(leg, cause, now);
    }

    /// A call that the client made ends unanswered: the last one of its forks refuses the INVITE.
    fn end_invite(
        &mut self,
        leg: LegId,
        key: &TransactionKey,
        cause: &Cause,
        around: &mut Around<'_>,
    ) {
        let status = match cause.code() {
            USER_NOT_REGISTERED => 480,
            _ => cause.sip().unwrap_or(480),
        };
        let answer = self.answer_invite(key, leg, status);
        self.forget_call(leg);
        let Some(invite) = self.invites.get_mut(key) else {
            return;
        };
        invite.legs.retain(|known| *known != leg);
        if !invite.legs.is_empty() {
            return;
        }
        let Some(mut answer) = answer else { return };
        answer.content.push(&HeaderName::Reason, q850(cause));
        self.finish_invite(key, answer, around);
    }

    /// Ends a call with its client.
    pub(super) fn hang_up_client(&mut self, leg: LegId, cause: &Cause, now: Instant) {
        let mut content = Content::default();
        content.push(&HeaderName::Reason, q850(cause));
        self.send_in_call(leg, Method::Bye, content, Purpose::Bye, now);
        self.forget_call(leg);
    }

    /// Somebody else is at the far end now (RFC 4916, in the words of RFC 3325).
    fn display(&mut self, leg: LegId, party: &Party, now: Instant) {
        let uri = self.uri_of(&party.number);
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        call.far.clone_from(&party.number);
        if !call.up || !call.allows_update || call.ours.is_some() {
            return;
        }
        let mut content = Content::default();
        content.push(&HeaderName::PAssertedIdentity, format!("<{uri}>"));
        content.push(&HeaderName::Supported, SUPPORTED);
        self.push_session(leg, &mut content);
        self.send_in_call(leg, Method::Update, content, Purpose::Refresh(leg), now);
    }

    /// A call is up for its client.
    pub(super) fn on_up(&mut self, leg: LegId, around: &mut Around<'_>) {
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        if std::mem::replace(&mut call.up, true) {
            return;
        }
        self.stirred.push(call.user.clone());
        if let Some(cause) = call.ended.take() {
            return self.hang_up_client(leg, &cause, around.now);
        }
        self.plan_act(leg, around.now);
    }

    pub(super) fn clear_timers(&mut self, leg: LegId) {
        for timer in [
            CallTimer::Repeat,
            CallTimer::RepeatReliable,
            CallTimer::Refresh,
            CallTimer::SessionEnd,
            CallTimer::Act,
            CallTimer::Glare,
            CallTimer::Gone,
        ] {
            self.deadlines.clear(&Due::Call(leg, timer));
        }
    }
}

/// What a 2xx to an INVITE has beside what makes the dialog.
pub(super) fn push_accept(content: &mut Content, session: Option<&str>, sdp: Option<String>) {
    content.push(&HeaderName::Supported, SUPPORTED);
    if let Some(session) = session {
        if session.ends_with("uac") {
            content.push(&HeaderName::Require, "timer");
        }
        content.push(&HeaderName::SessionExpires, session);
    }
    if let Some(sdp) = sdp {
        content.set_body("application/sdp", sdp);
    }
}

/// A cause as a Reason (RFC 3326).
pub(super) fn q850(cause: &Cause) -> String {
    let code = cause.code();
    if code <= 127 {
        return format!("Q.850;cause={code};text=\"{}\"", cause.name());
    }
    let status = cause.sip().unwrap_or(480);
    format!("SIP;cause={status};text=\"{}\"", reason_phrase(status))
}

/// Why a client need not ring any more.
fn cancel_reason(cause: &Cause) -> String {
    if *cause == Cause::LOSE_RACE || *cause == Cause::PICKED_OFF {
        return "SIP;cause=200;text=\"Call completed elsewhere\"".to_owned();
    }
    q850(cause)
}

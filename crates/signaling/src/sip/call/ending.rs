//! The ends of calls: by us, by them, by time (RFC 3261, 9 and 15).

use std::time::{Duration, Instant};

use crate::cause::Cause;
use crate::event::{EndedBy, Event, SipEnd};
use crate::sip::call::reason;
use crate::sip::call::state::{Call, Leaving, Phase, Up};
use crate::sip::deadline::{Deadline, GOODBYE, LONGEST_GOODBYE, TRANSACTION};
use crate::sip::message::outgoing::{Content, OutgoingResponse};
use crate::sip::message::{HeaderName, Method};
use crate::sip::random;
use crate::sip::session::core::Core;
use crate::sip::session::owner::{InCall, Owner};

/// What the last message of a call said.
#[derive(Clone, Debug, Default)]
pub(in crate::sip) struct Over {
    headers: Vec<(String, String)>,
    sip: SipEnd,
}

impl Over {
    pub(in crate::sip) fn by(headers: &crate::sip::message::headers::Headers, sip: SipEnd) -> Self {
        Self {
            headers: headers.others(),
            sip,
        }
    }
}

impl Call {
    /// Tells the end. What is still under way goes on in [`Phase::Leaving`] where the caller put it there before.
    pub(in crate::sip) fn end(
        &mut self,
        by: EndedBy,
        cause: Cause,
        detail: Option<String>,
        over: Over,
        core: &mut Core,
    ) {
        self.tell_end(by, cause, detail, false, over, core);
        self.phase = Phase::Over;
    }

    pub(in crate::sip) fn tell_end(
        &mut self,
        by: EndedBy,
        cause: Cause,
        detail: Option<String>,
        elsewhere: bool,
        over: Over,
        core: &mut Core,
    ) {
        core.deadlines.clear_owner(&Owner::Call(self.id.clone()));
        core.tell(Event::Ended {
            call: self.id.clone(),
            by,
            cause,
            detail,
            elsewhere,
            headers: over.headers,
            client_state: None,
            sip: Box::new(SipEnd {
                call_id: Some(self.sip_call_id.clone()),
                ..over.sip
            }),
        });
    }

    /// The call cannot go on: BYE, and the reason for the user.
    pub(in crate::sip) fn fail(
        &mut self,
        cause: Cause,
        detail: &str,
        core: &mut Core,
        now: Instant,
    ) {
        self.close(
            EndedBy::Server,
            cause,
            Some(detail.to_owned()),
            &[],
            core,
            now,
        );
    }

    /// The user hangs up, cancels or refuses.
    pub(in crate::sip) fn hang_up(
        &mut self,
        cause: Option<Cause>,
        sip_code: Option<u16>,
        headers: &[(String, String)],
        core: &mut Core,
        now: Instant,
    ) {
        let usual = match &self.phase {
            Phase::Calling(_) => Cause::ORIGINATOR_CANCEL,
            Phase::Called(_) => Cause::CALL_REJECTED,
            Phase::Up(_) | Phase::Leaving(_) | Phase::Over => Cause::NORMAL_CLEARING,
        };
        let cause = cause
            .or_else(|| sip_code.and_then(Cause::from_sip))
            .unwrap_or(usual);
        if let (Phase::Called(called), Some(status)) = (&mut self.phase, sip_code) {
            called.refusal = Some(status);
        }
        self.close(EndedBy::Local, cause, None, headers, core, now);
    }

    /// Ends the call from our side, whatever its phase.
    pub(in crate::sip) fn close(
        &mut self,
        by: EndedBy,
        cause: Cause,
        detail: Option<String>,
        headers: &[(String, String)],
        core: &mut Core,
        now: Instant,
    ) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Calling(mut calling) => {
                for fork in &mut calling.forks {
                    fork.refuse_update(core, now);
                    core.ended.note(&fork.dialog, now);
                }
                self.tell_end(by, cause.clone(), detail, false, Over::default(), core);
                let mut leaving = Leaving {
                    invite: Some(calling.branch),
                    reason: reason::write(&cause),
                    ..Leaving::default()
                };
                self.cancel(&mut leaving, core, now);
                // Timer B before the CANCEL and the wait for its final answer are the INVITE's own; nothing stays longer than both.
                let owner = Owner::Call(self.id.clone());
                core.deadlines
                    .set(Deadline::Detached, owner, now + 2 * TRANSACTION);
                self.phase = Phase::Leaving(leaving);
            }
            Phase::Called(called) => {
                core.ended.note(&called.dialog, now);
                self.tell_end(by, cause.clone(), detail, false, Over::default(), core);
                let status = called.refusal.unwrap_or_else(|| reason::status(&cause));
                if let Some(bare) = core
                    .servers
                    .get(&called.key)
                    .map(|served| served.bare.clone())
                {
                    let tag = called.dialog.local_tag().to_owned();
                    let mut response = OutgoingResponse::to(&bare, status, &tag);
                    if let Some(reason) = reason::write(&cause) {
                        response.content.push(&HeaderName::Reason, reason);
                    }
                    push_users(&mut response.content, headers);
                    core.answer(&called.key, response, now);
                }
            }
            Phase::Up(mut up) => {
                self.refuse_their_offer(&mut up, core, now);
                self.tell_end(by, cause.clone(), detail, false, Over::default(), core);
                self.leave(*up, &cause, headers, core, now);
            }
            over @ (Phase::Leaving(_) | Phase::Over) => self.phase = over,
        }
    }

    /// The user knows of the end; now the far side is told, as soon as it may be.
    fn leave(
        &mut self,
        up: Up,
        cause: &Cause,
        headers: &[(String, String)],
        core: &mut Core,
        now: Instant,
    ) {
        core.ended.note(&up.dialog, now);
        if let Some(owed) = &up.owed_ack {
            // The far side's 2xx needs its ACK before the BYE.
            let flow = self.way(core);
            let (cseq, invite) = (owed.cseq, Some(&*owed.invite));
            let ack = super::requests::answer_ack(&up.dialog, cseq, invite, None, flow, core);
            core.send_request(&ack, flow);
            core.clients
                .note_ack(&up.dialog.call_id, cseq, up.dialog.remote_tag(), &ack);
        }
        // What was challenged before and has no answer says nothing about the goodbye.
        self.auth.forget_refusal();
        let mut goodbye = Content::default();
        goodbye.push(&HeaderName::UserAgent, core.config.user_agent.as_str());
        if let Some(reason) = reason::write(cause) {
            goodbye.push(&HeaderName::Reason, reason);
        }
        push_users(&mut goodbye, headers);
        let owner = Owner::Call(self.id.clone());
        let owed_until = now + goodbye_time(up.session.map(|session| session.interval));
        core.deadlines
            .set(Deadline::Detached, owner.clone(), owed_until);
        if let Some(unacked) = &up.unacked {
            // RFC 3261, 15: the callee sends no BYE before the ACK, or its 64 x T1.
            core.deadlines
                .set(Deadline::AnswerAck, owner, unacked.until);
            let pause = unacked.pause;
            self.repeat_answer_after(pause, core, now);
        }
        self.phase = Phase::Leaving(Leaving {
            bye: Some(Box::new(up.dialog)),
            goodbye,
            unacked: up.unacked,
            owed_until: Some(owed_until),
            ..Leaving::default()
        });
        self.say_bye(core, now);
    }

    /// Sends the BYE, if nothing is in its way any more. Without a connection it is owed until [`Leaving::owed_until`].
    pub(in crate::sip) fn say_bye(&mut self, core: &mut Core, now: Instant) {
        let way = self.way(core);
        if !core.flow(way).is_some_and(|flow| flow.is_open()) {
            return;
        }
        let Phase::Leaving(leaving) = &mut self.phase else {
            return;
        };
        if leaving.bye_sent || leaving.unacked.is_some() {
            return;
        }
        let Some(mut dialog) = leaving.bye.take() else {
            return;
        };
        leaving.bye_sent = true;
        let goodbye = leaving.goodbye.clone();
        self.send_in(&mut dialog, Method::Bye, goodbye, InCall::Bye, core, now);
        // After the request's own time, which is as long: that it was not heard is taken note of first.
        let owner = Owner::Call(self.id.clone());
        core.deadlines
            .set(Deadline::Detached, owner, now + TRANSACTION);
        if let Phase::Leaving(leaving) = &mut self.phase {
            leaving.bye = Some(dialog);
        }
    }

    /// Sends the CANCEL, if a provisional answer allows it yet (9.1); else when that comes.
    pub(in crate::sip) fn cancel(&self, leaving: &mut Leaving, core: &mut Core, now: Instant) {
        let Some(branch) = &leaving.invite else {
            return;
        };
        if !leaving.cancelled {
            leaving.cancelled = core.cancel(branch, leaving.reason.as_deref(), now);
        }
    }

    /// The caller cancels.
    pub(in crate::sip) fn on_cancel(
        &mut self,
        headers: &crate::sip::message::headers::Headers,
        core: &mut Core,
        now: Instant,
    ) {
        let Phase::Called(called) = &self.phase else {
            return;
        };
        let (key, tag) = (called.key.clone(), called.dialog.local_tag().to_owned());
        core.ended.note(&called.dialog, now);
        if let Some(bare) = core.servers.get(&key).map(|served| served.bare.clone()) {
            let response = OutgoingResponse::to(&bare, 487, &tag);
            core.answer(&key, response, now);
        }
        let said = reason::read(headers);
        let cause = match said.cause {
            Some(cause) if !said.elsewhere => cause,
            _ if said.elsewhere => Cause::LOSE_RACE,
            _ => Cause::ORIGINATOR_CANCEL,
        };
        self.tell_end(
            EndedBy::Remote,
            cause,
            said.text,
            said.elsewhere,
            Over::default(),
            core,
        );
        self.phase = Phase::Over;
    }

    /// The far side hangs up. The 200 has been sent.
    pub(in crate::sip) fn on_bye(
        &mut self,
        headers: &crate::sip::message::headers::Headers,
        core: &mut Core,
        now: Instant,
    ) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Up(mut up) => {
                core.ended.note(&up.dialog, now);
                self.refuse_their_offer(&mut up, core, now);
                let said = reason::read(headers);
                let cause = said.cause.unwrap_or(Cause::NORMAL_CLEARING);
                self.tell_end(
                    EndedBy::Remote,
                    cause,
                    said.text,
                    said.elsewhere,
                    Over::by(headers, SipEnd::default()),
                    core,
                );
            }
            Phase::Called(called) => {
                // The caller's BYE within an early dialog takes the INVITE with it (15.1.2).
                core.ended.note(&called.dialog, now);
                if let Some(bare) = core
                    .servers
                    .get(&called.key)
                    .map(|served| served.bare.clone())
                {
                    let tag = called.dialog.local_tag().to_owned();
                    core.answer(&called.key, OutgoingResponse::to(&bare, 487, &tag), now);
                }
                let cause = Cause::ORIGINATOR_CANCEL;
                self.tell_end(EndedBy::Remote, cause, None, false, Over::default(), core);
            }
            Phase::Leaving(_) => core.deadlines.clear_owner(&Owner::Call(self.id.clone())),
            calling @ (Phase::Calling(_) | Phase::Over) => self.phase = calling,
        }
    }

    /// An offer of theirs that nobody will answer any more.
    pub(in crate::sip) fn refuse_their_offer(&self, up: &mut Up, core: &mut Core, now: Instant) {
        use crate::sip::call::state::Offer;
        if let Offer::Theirs { key, .. } = std::mem::replace(&mut up.offer, Offer::None)
            && let Some(bare) = core.servers.get(&key).map(|served| served.bare.clone())
        {
            let tag = random::token(&mut core.rng);
            core.answer(&key, OutgoingResponse::to(&bare, 487, &tag), now);
        }
    }
}

/// How long a goodbye is owed to a far side that agreed to that session interval.
pub(in crate::sip) fn goodbye_time(interval: Option<Duration>) -> Duration {
    interval.map_or(GOODBYE, |interval| interval.min(LONGEST_GOODBYE))
}

/// The user's headers of a goodbye; what cannot be sent is left out, since the call ends all the same.
fn push_users(content: &mut Content, headers: &[(String, String)]) {
    for one in headers {
        let _ = super::headers::push_users(content, std::slice::from_ref(one));
    }
}

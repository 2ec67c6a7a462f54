//! What the server says about a call of its own accord.

use crate::cause::Cause;
use crate::deadlines::Deadline;
use crate::event::{EndedBy, Event, Said};
use crate::verto::dialog::endings::Farewell;
use crate::verto::dialog::state::{Dialog, Effect, Effects, Phase, Renewal};
use crate::verto::message::server::{ServerBye, ServerCall};

impl Dialog {
    /// Any message about the call shows that the server still has it.
    pub(crate) fn heard(&mut self, fx: &mut Effects) {
        if self.adrift {
            self.adrift = false;
            fx.push(Effect::Stop(Deadline::AttachDue));
            fx.push(Effect::Stop(Deadline::Detached));
        }
    }

    pub(crate) fn on_ringing(&mut self, said: Box<Said>, fx: &mut Effects) {
        if let Phase::Calling(calling) = &mut self.phase
            && !calling.rang
        {
            calling.rang = true;
            fx.push(Effect::Tell(Event::Ringing {
                call: self.call.clone(),
                said,
            }));
        }
    }

    /// Early media. A repeated one has no SDP with FreeSWITCH; with SDP it is the same call's, which stays as it is.
    pub(crate) fn on_media(&mut self, media: ServerCall, fx: &mut Effects) {
        let said = media.said();
        if let (Phase::Calling(calling), Some(sdp)) = (&mut self.phase, media.sdp)
            && !calling.has_media
        {
            calling.has_media = true;
            fx.push(Effect::Tell(Event::EarlyMedia {
                call: self.call.clone(),
                sdp,
                fork: None,
                said,
            }));
        }
    }

    pub(crate) fn on_answer(&mut self, answer: ServerCall, online: bool, fx: &mut Effects) {
        let Phase::Calling(calling) = &self.phase else {
            return; // it crossed our bye, or the server repeats itself
        };
        let sdp = if calling.has_media {
            None
        } else {
            answer.sdp.clone()
        };
        if sdp.is_none() && !calling.has_media {
            let detail =
                "the server answered without SDP, and no early media brought it before".to_owned();
            return self.leave(
                EndedBy::Server,
                Cause::MANDATORY_IE_MISSING,
                Some(detail),
                online,
                fx,
            );
        }
        self.phase = match calling.renewal {
            Renewal::Settled => Phase::Up,
            Renewal::Offered => Phase::AttachOffered,
            Renewal::Attaching => Phase::Attaching,
        };
        fx.push(Effect::Stop(Deadline::Unanswered));
        fx.push(Effect::Tell(Event::Answered {
            call: self.call.clone(),
            sdp,
            fork: None,
            said: answer.said(),
        }));
    }

    pub(crate) fn on_display(&mut self, display: ServerCall, fx: &mut Effects) {
        let remote = &mut self.sides.remote;
        remote.name = display.display_name.unwrap_or_default();
        remote.number = display.display_number.unwrap_or_default();
        if self.is_live() {
            let remote = self.sides.remote.clone();
            fx.push(Effect::Tell(Event::Display {
                call: self.call.clone(),
                remote,
            }));
        }
    }

    /// New media offered, after a lost socket or by itself. A newer offer replaces an older one. It answers nothing: a call of
    /// ours goes on waiting for its answer, which then needs no media, and one that rings here rings on.
    pub(crate) fn on_attach(&mut self, attach: ServerCall, fx: &mut Effects) {
        let (said, outbound) = (attach.said(), attach.is_outbound());
        let Some(sdp) = attach.sdp.filter(|_| self.is_live()) else {
            return; // nothing to answer; or the bye is under way, or will be after the login
        };
        match &mut self.phase {
            Phase::Calling(calling) => {
                calling.has_media = true;
                calling.renewal = Renewal::Offered;
                fx.push(Effect::Start(Deadline::AttachUntaken));
            }
            Phase::Offered { anew } => *anew = true,
            Phase::Answering(_) | Phase::Up | Phase::AttachOffered | Phase::Attaching => {
                self.phase = Phase::AttachOffered;
                fx.push(Effect::Start(Deadline::AttachUntaken));
            }
            Phase::Leaving(_) | Phase::Over => {}
        }
        let remote = self.sides.remote.clone();
        fx.push(Effect::Tell(Event::Attach {
            call: self.call.clone(),
            sdp,
            known: true,
            outbound,
            remote,
            said,
            ids: self.ids.clone(),
        }));
    }

    /// The server invites us again to a call that rings here: its offer takes the place of the older one.
    pub(crate) fn on_invite(&mut self, invite: ServerCall, fx: &mut Effects) {
        let said = invite.said();
        if let (Phase::Offered { anew }, Some(sdp)) = (&mut self.phase, invite.sdp) {
            *anew = false;
            fx.push(Effect::Tell(Event::Attach {
                call: self.call.clone(),
                sdp,
                known: true,
                outbound: false,
                remote: self.sides.remote.clone(),
                said,
                ids: self.ids.clone(),
            }));
        }
    }

    pub(crate) fn on_bye(&mut self, bye: ServerBye, fx: &mut Effects) {
        let cause = Cause::from_wire(bye.cause.as_deref(), bye.cause_code, bye.sip_code);
        let (headers, client_state) = (
            bye.headers(),
            bye.client_state
                .clone()
                .or_else(|| bye.client_state_too.clone()),
        );
        let farewell = Farewell {
            headers,
            client_state,
            sip: bye.sip(),
        };
        self.end_with(EndedBy::Remote, cause, bye.sip_reason, farewell, fx);
    }
}

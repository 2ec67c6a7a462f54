//! What the server says about a call of its own accord.

use crate::cause::Cause;
use crate::deadlines::Deadline;
use crate::event::{EndedBy, Event, Occasion};
use crate::verto::dialog::state::{Dialog, Effect, Effects, Phase};
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

    pub(super) fn tell_beside(
        &self,
        with: Occasion,
        headers: Vec<(String, String)>,
        fx: &mut Effects,
    ) {
        if !headers.is_empty() {
            let call = self.call.clone();
            fx.push(Effect::Tell(Event::Beside {
                call,
                with,
                headers,
            }));
        }
    }

    pub(crate) fn on_ringing(&mut self, ringing: &ServerCall, fx: &mut Effects) {
        if let Phase::Calling(calling) = &mut self.phase
            && !calling.rang
        {
            calling.rang = true;
            fx.push(Effect::Tell(Event::Ringing {
                call: self.call.clone(),
            }));
            self.tell_beside(Occasion::Ringing, ringing.told(), fx);
        }
    }

    /// Early media. A repeated one has no SDP with FreeSWITCH; with SDP it is the same call's, which stays as it is.
    pub(crate) fn on_media(&mut self, media: ServerCall, fx: &mut Effects) {
        let headers = media.told();
        if let (Phase::Calling(calling), Some(sdp)) = (&mut self.phase, media.sdp)
            && !calling.has_media
        {
            calling.has_media = true;
            fx.push(Effect::Tell(Event::EarlyMedia {
                call: self.call.clone(),
                sdp,
            }));
            self.tell_beside(Occasion::EarlyMedia, headers, fx);
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
        self.phase = Phase::Up;
        fx.push(Effect::Stop(Deadline::Unanswered));
        fx.push(Effect::Tell(Event::Answered {
            call: self.call.clone(),
            sdp,
            headers: answer.headers(),
            client_state: answer.client_state.clone(),
            variables: answer.told_variables(),
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

    /// New media offered, after a lost socket or by itself. A newer offer replaces an older one.
    pub(crate) fn on_attach(
        &mut self,
        sdp: String,
        headers: Vec<(String, String)>,
        fx: &mut Effects,
    ) {
        if !self.is_live() {
            return; // the bye is under way, or will be after the login
        }
        for deadline in [Deadline::Unanswered, Deadline::Untaken] {
            fx.push(Effect::Stop(deadline));
        }
        fx.push(Effect::Start(Deadline::AttachUntaken));
        let remote = self.sides.remote.clone();
        fx.push(Effect::Tell(Event::Attach {
            call: self.call.clone(),
            sdp,
            known: true,
            remote,
        }));
        self.tell_beside(Occasion::Attach, headers, fx);
        self.phase = Phase::AttachOffered;
    }

    pub(crate) fn on_bye(&mut self, bye: ServerBye, fx: &mut Effects) {
        let cause = Cause::from_wire(bye.cause.as_deref(), bye.cause_code, bye.sip_code);
        let (headers, client_state) = (
            bye.headers(),
            bye.client_state
                .clone()
                .or_else(|| bye.client_state_too.clone()),
        );
        let detail = bye.sip_reason;
        self.end_with(EndedBy::Remote, cause, detail, headers, client_state, fx);
    }
}

//! What our user wants of a call.

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::command::InfoItem;
use crate::deadlines::Deadline;
use crate::error::Error;
use crate::event::{EndedBy, Event};
use crate::verto::dialog::state::{Answering, Dialog, Effect, Effects, Phase, Renewal};
use crate::verto::requests::CallRequest;
use crate::verto::wording::{ByeExtras, Extras, Wish};

impl Dialog {
    /// Whether candidates follow our descriptions from now on, where the user says so.
    pub(crate) fn set_trickle(&mut self, wanted: Option<bool>) {
        self.sides.trickle = wanted.or(self.sides.trickle);
    }

    pub(crate) fn answer(&mut self, sdp: String, extras: Extras, fx: &mut Effects) {
        let Phase::Offered { anew } = self.phase else {
            return self.refuse("answer", fx);
        };
        if self.adrift {
            return self.refuse("answer", fx);
        }
        fx.push(Effect::Stop(Deadline::Untaken));
        let otherwise = anew.then(|| (sdp.clone(), extras.clone()));
        fx.push(Effect::Send(if anew {
            Wish::Attach { sdp, extras }
        } else {
            Wish::Answer { sdp, extras }
        }));
        let refused = false;
        self.phase = Phase::Answering(Answering { otherwise, refused });
    }

    pub(crate) fn attach(&mut self, sdp: String, fx: &mut Effects) {
        let extras = Extras::default();
        if self.adrift {
            return self.refuse("attach", fx);
        }
        match &mut self.phase {
            // Our user took it before the server offered it again.
            Phase::Offered { .. } => return self.answer(sdp, extras, fx),
            Phase::AttachOffered => self.phase = Phase::Attaching,
            Phase::Calling(calling) if calling.renewal == Renewal::Offered => {
                calling.renewal = Renewal::Attaching;
            }
            Phase::Calling(_) | Phase::Answering(_) | Phase::Up | Phase::Attaching => {
                return self.refuse("attach", fx);
            }
            Phase::Leaving(_) | Phase::Over => {
                return self.refuse("attach", fx);
            }
        }
        fx.push(Effect::Stop(Deadline::AttachUntaken));
        fx.push(Effect::Send(Wish::Attach { sdp, extras }));
    }

    pub(crate) fn update_media(&mut self, sdp: String, fx: &mut Effects) {
        // With FreeSWITCH the same request on an unanswered call hangs it up.
        if !self.is_up() {
            let request = CallRequest::UpdateMedia;
            let failed = request.failed(self.call.clone(), self.wrong_state(request.name()));
            return fx.push(Effect::Tell(failed));
        }
        fx.push(Effect::Send(Wish::UpdateMedia { sdp }));
    }

    pub(crate) fn hold(&mut self, on: bool, fx: &mut Effects) {
        if !self.is_up() {
            return self.refuse(if on { "hold" } else { "resume" }, fx);
        }
        fx.push(Effect::Send(Wish::Hold { on }));
    }

    pub(crate) fn transfer(&mut self, to: String, fx: &mut Effects) {
        if !self.is_up() {
            return self.refuse("transfer", fx);
        }
        fx.push(Effect::Send(Wish::Transfer { to }));
    }

    pub(crate) fn replace(&mut self, with: CallId, fx: &mut Effects) {
        if !self.is_up() {
            return self.refuse("attended transfer", fx);
        }
        fx.push(Effect::Send(Wish::Replace { with }));
    }

    pub(crate) fn message(&mut self, id: u64, to: String, body: String, fx: &mut Effects) {
        if self.adrift {
            let error = self.wrong_state("message");
            let failed = CallRequest::Message(id).failed(self.call.clone(), error);
            return fx.push(Effect::Tell(failed));
        }
        fx.push(Effect::Send(Wish::Message { id, to, body }));
    }

    pub(crate) fn info(&mut self, item: InfoItem, fx: &mut Effects) {
        if !self.is_up() {
            return self.refuse("info", fx);
        }
        fx.push(Effect::Send(Wish::Info { item }));
    }

    /// A candidate of ours, or with `None` the end of them. Without a connection there is nobody to tell, and the next
    /// offer or answer holds them all.
    pub(crate) fn candidate(&mut self, candidate: Option<String>, fx: &mut Effects) {
        let negotiating = match &self.phase {
            Phase::Offered { .. } | Phase::AttachOffered => false,
            Phase::Calling(calling) => calling.renewal != Renewal::Offered,
            Phase::Answering(_) | Phase::Up | Phase::Attaching => true,
            Phase::Leaving(_) | Phase::Over => true,
        };
        if negotiating && !self.adrift {
            fx.push(Effect::Send(Wish::Candidate { candidate }));
        }
    }

    /// Our user ends it. `online`: a bye can be sent now; else it is owed until the next login.
    pub(crate) fn bye(
        &mut self,
        cause: Option<Cause>,
        extras: ByeExtras,
        online: bool,
        fx: &mut Effects,
    ) {
        let cause = cause.unwrap_or_else(|| self.usual_cause());
        self.sides.bye = extras;
        self.leave(EndedBy::Local, cause, None, online, fx);
    }

    fn usual_cause(&self) -> Cause {
        match &self.phase {
            Phase::Calling(_) => Cause::ORIGINATOR_CANCEL,
            // What both vendors' clients say for a plain reject.
            Phase::Offered { .. } => Cause::USER_BUSY,
            Phase::Answering(_) | Phase::Up | Phase::AttachOffered | Phase::Attaching => {
                Cause::NORMAL_CLEARING
            }
            Phase::Leaving(_) | Phase::Over => Cause::NORMAL_CLEARING,
        }
    }

    pub(super) fn refuse(&self, command: &'static str, fx: &mut Effects) {
        fx.push(Effect::Tell(Event::CommandFailed {
            call: self.call.clone(),
            error: self.wrong_state(command),
        }));
    }

    fn wrong_state(&self, command: &'static str) -> Error {
        Error::WrongState {
            command,
            state: self.state(),
        }
    }
}

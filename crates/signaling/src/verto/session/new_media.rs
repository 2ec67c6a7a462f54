//! New media of ours, kept back until a server that has been silent has answered a probe.

use std::time::Instant;

use crate::call_id::CallId;
use crate::error::Error;
use crate::verto::dialog::state::Dialog;
use crate::verto::requests::CallRequest;
use crate::verto::session::calls::MOST_CALLS;
use crate::verto::session::machine::Session;

impl Session {
    /// New media is of use only with a server that is there. Where that is not known, a probe asks first: a dead socket is
    /// then found in the time of a probe, and not in that of a media update.
    pub(super) fn renew_media(&mut self, call: CallId, sdp: String, now: Instant) {
        let up = self.dialogs.get(&call).is_some_and(Dialog::is_up);
        let doubtful = self.liveness.is_doubtful(&self.config.dialect.probes, now);
        if up && doubtful && self.is_open() && self.unproven.len() < MOST_CALLS {
            self.unproven.push((call, sdp));
            return self.probe_once(now);
        }
        self.update_media(call, sdp, now);
    }

    fn update_media(&mut self, call: CallId, sdp: String, now: Instant) {
        let error = match self.dialogs.get(&call).map(Dialog::is_live) {
            Some(true) if self.is_open() => {
                return self.step(&call, now, |dialog, fx| dialog.update_media(sdp, fx));
            }
            Some(true) => self.not_ready(CallRequest::UpdateMedia.name()),
            Some(false) | None => Error::UnknownCall {
                call: call.to_string(),
            },
        };
        self.tell(CallRequest::UpdateMedia.failed(call, error));
    }

    /// The server answered a probe: it hears what waited for that.
    pub(super) fn on_proof(&mut self, now: Instant) {
        for (call, sdp) in std::mem::take(&mut self.unproven) {
            self.update_media(call, sdp, now);
        }
    }

    /// The socket is gone: it will not hear what waited.
    pub(super) fn on_no_proof(&mut self) {
        for (call, _) in std::mem::take(&mut self.unproven) {
            let error = self.not_ready(CallRequest::UpdateMedia.name());
            self.tell(CallRequest::UpdateMedia.failed(call, error));
        }
    }
}

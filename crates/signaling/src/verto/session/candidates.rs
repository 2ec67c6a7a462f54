//! Trickled candidates of the server, which may even be quicker than the call they belong to.

use std::time::{Duration, Instant};

use crate::call_id::CallId;
use crate::event::Event;
use crate::verto::dialog::state::Dialog;
use crate::verto::message::both::Candidate;
use crate::verto::method::Method;
use crate::verto::rpc::Request;
use crate::verto::session::machine::Session;

/// Candidates kept for calls to come, and for how long.
const MOST_EARLY: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest line of a candidate.
const LONGEST: usize = 1024;

/// A candidate whose call has not come yet; `None` for the end of them.
#[derive(Debug)]
pub(super) struct EarlyCandidate {
    call: CallId,
    candidate: Option<String>,
    until: Instant,
}

impl Session {
    pub(super) fn on_remote_candidate(
        &mut self,
        method: Method,
        mut request: Request,
        now: Instant,
    ) {
        let id = request.id.take();
        let Ok(message) = request.read::<Candidate>() else {
            return;
        };
        let params = message.dialog_params;
        let name = message.call_id.or(params.call_id).or(params.call_id_too);
        let Some(call) = name.as_deref().and_then(CallId::from_wire) else {
            return;
        };
        let line = message.candidate.unwrap_or_default();
        let line = line.trim().trim_start_matches("a=");
        let ended = method == Method::EndOfCandidates || line.is_empty();
        if line.len() > LONGEST {
            return;
        }
        let candidate = (!ended).then(|| line.to_owned());
        if self.dialogs.get(&call).is_some_and(Dialog::is_live) {
            self.acknowledge(method, id);
            self.tell_candidate(call, candidate);
        } else if self.early.len() < MOST_EARLY {
            let until = now + PATIENCE;
            self.early.push_back(EarlyCandidate {
                call,
                candidate,
                until,
            });
        }
    }

    /// The call has come: hand over what came before it.
    pub(super) fn tell_early_candidates(&mut self, call: &CallId, now: Instant) {
        let early = std::mem::take(&mut self.early);
        for candidate in early {
            if candidate.call == *call {
                self.tell_candidate(candidate.call, candidate.candidate);
            } else if candidate.until > now {
                self.early.push_back(candidate);
            }
        }
    }

    fn tell_candidate(&mut self, call: CallId, candidate: Option<String>) {
        self.tell(match candidate {
            Some(candidate) => Event::RemoteCandidate { call, candidate },
            None => Event::RemoteEndOfCandidates { call },
        });
    }
}

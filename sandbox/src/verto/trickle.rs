//! Candidates one by one (Telnyx), where the operator wants them so: the gateway's own, or those that a client has to send.

use std::collections::BTreeMap;
use std::time::Instant;

use offhook_signaling::verto::message::both::Candidate;
use offhook_signaling::verto::message::client::CallResult;
use offhook_signaling::verto::message::dialog_params::DialogParams;
use offhook_signaling::verto::method::Method;
use offhook_signaling::verto::rpc::{Id, Request};
use serde_json::Value;

use crate::fault::gateway::{GatewayFault, Trickle};
use crate::verto::frames::empty;
use crate::verto::gateway::Gateway;
use crate::verto::session::SessionId;
use crate::verto::socket::SocketId;

/// Calls of all clients that wait for candidates.
const MOST_WAITING: usize = 64;
/// Candidates of one of them.
const MOST_CANDIDATES: usize = 64;

/// Calls that wait for the end of their client's candidates.
#[derive(Debug, Default)]
pub(super) struct Awaited(BTreeMap<(SessionId, String), Waiting>);

#[derive(Debug)]
struct Waiting {
    invite: Request,
    candidates: Vec<String>,
}

impl Gateway {
    fn trickles(&self, session: SessionId, wanted: Trickle) -> bool {
        self.sessions.get(&session).is_some_and(|known| {
            let user = known.identity.name();
            let found = self.wishes.look(user, trickle);
            known.face.telnyx_ids && found == Some(wanted)
        })
    }

    /// What the client is told of a description: without candidates, where these go by themselves.
    pub(super) fn cut_off(&self, session: SessionId, sdp: String) -> (String, Vec<String>) {
        if self.trickles(session, Trickle::Own) {
            return split(&sdp);
        }
        (sdp, Vec::new())
    }

    /// What is made of a client's description: where our candidates go by themselves the way has to be found by them.
    pub(super) fn heard_sdp(&self, session: SessionId, sdp: String) -> String {
        self.cut_off(session, sdp).0
    }

    pub(super) fn send_candidates(&mut self, session: SessionId, call: &str, lines: Vec<String>) {
        if lines.is_empty() {
            return;
        }
        let message = |candidate: Option<String>| Candidate {
            call_id: Some(call.to_owned()),
            sdp_mid: candidate.is_some().then(|| "0".to_owned()),
            sdp_mline_index: candidate.is_some().then_some(0),
            end_of_candidates: candidate.is_none().then_some(true),
            candidate,
            sessid: None,
            dialog_params: DialogParams {
                call_id: Some(call.to_owned()),
                ..DialogParams::default()
            },
        };
        for line in lines {
            self.request(session, Method::Candidate, &message(Some(line)));
        }
        self.request(session, Method::EndOfCandidates, &message(None));
    }

    /// Keeps a call until its client has told all candidates; gives it back if it is not to wait.
    pub(super) fn keep_until_complete(
        &mut self,
        socket: SocketId,
        session: SessionId,
        invite: Request,
    ) -> Option<Request> {
        let offer = invite.params.get("sdp").and_then(Value::as_str);
        if offer.is_some_and(|sdp| sdp.contains("a=end-of-candidates")) {
            return Some(invite);
        }
        let trickled = invite.params.get("trickle").and_then(Value::as_bool);
        let call = invite
            .params
            .pointer("/dialogParams/callID")
            .and_then(Value::as_str);
        let Some(call) = call.filter(|_| trickled == Some(true)).map(str::to_owned) else {
            return Some(invite);
        };
        if !self.trickles(session, Trickle::Await) || self.awaited.0.len() >= MOST_WAITING {
            return Some(invite);
        }
        // No client trickles before it knows that the call is there.
        let result = CallResult {
            message: Some("CALL CREATED".to_owned()),
            call_id: Some(call.clone()),
            ..CallResult::default()
        };
        self.reply(socket, invite.id.clone(), &result);
        let waiting = Waiting {
            invite,
            candidates: Vec::new(),
        };
        self.awaited.0.insert((session, call), waiting);
        None
    }

    /// A candidate of a client, or the end of them. Elsewhere checks of the client's addresses find us, and its candidates are
    /// not needed.
    pub(super) fn on_candidate(
        &mut self,
        socket: SocketId,
        session: SessionId,
        request: Request,
        now: Instant,
    ) {
        let ended = request.method.ends_with("endOfCandidates");
        let id: Option<Id> = request.id.clone();
        self.reply(socket, id, &empty());
        let Ok(message) = request.read::<Candidate>() else {
            return;
        };
        let Some(call) = message.call_id.or(message.dialog_params.call_id) else {
            return;
        };
        let key = (session, call);
        if !ended {
            if let (Some(waiting), Some(line)) = (self.awaited.0.get_mut(&key), message.candidate)
                && waiting.candidates.len() < MOST_CANDIDATES
            {
                waiting.candidates.push(line);
            }
            return;
        }
        if let Some(mut waiting) = self.awaited.0.remove(&key) {
            if let Some(sdp) = waiting.invite.params.get_mut("sdp")
                && let Some(offer) = sdp.as_str()
            {
                *sdp = joined(offer, &waiting.candidates).into();
            }
            self.on_invite(socket, session, waiting.invite, now, true);
        }
    }
}

fn trickle(fault: GatewayFault) -> Option<Trickle> {
    if let GatewayFault::Trickle(how) = fault {
        Some(how)
    } else {
        None
    }
}

/// A description without its candidates, and these as they go by themselves.
fn split(sdp: &str) -> (String, Vec<String>) {
    let mut lines = Vec::new();
    let mut rest = String::with_capacity(sdp.len());
    for line in sdp.split_inclusive('\n') {
        let text = line.trim_end();
        if let Some(candidate) = text.strip_prefix("a=candidate:") {
            lines.push(format!("candidate:{candidate}"));
        } else if text != "a=end-of-candidates" {
            rest.push_str(line);
        }
    }
    (rest, lines)
}

/// A description with these candidates and no others.
fn joined(sdp: &str, candidates: &[String]) -> String {
    let (mut sdp, _) = split(sdp);
    for candidate in candidates {
        sdp.push_str("a=");
        sdp.push_str(candidate);
        sdp.push_str("\r\n");
    }
    sdp
}

//! What the exchange says about a leg, told to its client.

use offhook_signaling::cause::Cause;
use offhook_signaling::verto::message::client::CallResult;
use offhook_signaling::verto::message::dialog_params::{DialogParams, Header};
use offhook_signaling::verto::message::server::{ServerBye, ServerCall};
use offhook_signaling::verto::method::Method;
use offhook_signaling::verto::rpc::Id;
use serde_json::{Map, Value};

use crate::face::Face;
use crate::switch::leg::{Direction, EndedBy, EndpointId, LegEvent, LegId, Party};
use crate::verto::calls::modify_result;
use crate::verto::gateway::Gateway;
use crate::verto::session::{Call, SessionId};
use crate::verto::socket::SocketId;

impl Gateway {
    pub(super) fn on_leg_event(&mut self, leg: LegId, event: LegEvent) {
        if let LegEvent::Offer {
            endpoint,
            caller,
            callee,
            sdp,
        } = event
        {
            // Only SIP clients are called without an offer.
            let sdp = sdp.unwrap_or_default();
            self.ring_client(leg, endpoint, caller, callee, sdp);
        } else if let Some((session, name)) = self.legs.get(&leg).cloned() {
            self.tell_client(session, name, leg, event);
        }
    }

    fn ring_client(
        &mut self,
        leg: LegId,
        endpoint: EndpointId,
        caller: Party,
        callee: Party,
        sdp: String,
    ) {
        let session = SessionId(endpoint.0);
        let room = self
            .sessions
            .get(&session)
            .is_some_and(|known| known.calls.len() < self.config.limits.calls_per_session);
        if !room {
            return self.exchange.hang_up(leg, Cause::USER_BUSY);
        }
        let name = self.uuid();
        self.remember_call(
            session,
            name.clone(),
            leg,
            Direction::ToClient,
            caller,
            callee,
        );
        self.report(session, &name, Method::Invite, Some(sdp));
    }

    fn tell_client(&mut self, session: SessionId, name: String, leg: LegId, event: LegEvent) {
        match event {
            LegEvent::Offer { .. }
            | LegEvent::Described { .. }
            | LegEvent::Reoffer { .. }
            | LegEvent::Referred { .. } => {}
            LegEvent::Ringing => {
                let tells = self
                    .sessions
                    .get(&session)
                    .is_some_and(|known| known.face.tells_ringing);
                if tells {
                    self.report(session, &name, Method::Ringing, None);
                }
            }
            LegEvent::EarlyMedia { sdp } => {
                self.report(session, &name, Method::Media, Some(sdp));
            }
            LegEvent::Answered { sdp } => {
                self.report(session, &name, Method::Answer, sdp);
                self.tell_presence(session, "ACTIVE");
                self.ask(session, &name);
                self.enter_conference(session, &name);
            }
            LegEvent::Display(party) => {
                let display = ServerCall {
                    call_id: Some(name),
                    display_name: Some(party.name),
                    display_number: Some(party.number),
                    ..ServerCall::default()
                };
                self.request(session, Method::Display, &display);
            }
            LegEvent::AnswerAccepted => {
                self.tell_presence(session, "ACTIVE");
                if let Some((socket, id)) = self.take_pending(session, &name) {
                    let telnyx = self
                        .sessions
                        .get(&session)
                        .is_some_and(|known| known.face.telnyx_ids);
                    let result = CallResult {
                        call_id: telnyx.then_some(name),
                        ..CallResult::default()
                    };
                    self.reply(socket, id, &result);
                }
            }
            LegEvent::AnswerRefused | LegEvent::UpdateRefused => {
                if let Some((socket, id)) = self.take_pending(session, &name) {
                    self.refuse_call(socket, id, Some(&name), "CODEC ERROR");
                }
            }
            LegEvent::Attach { sdp } => {
                self.offer_again(session, &name, sdp, self.now);
                self.offer_made(session, leg);
            }
            LegEvent::Updated { sdp } => {
                if let Some((socket, id)) = self.take_pending(session, &name) {
                    let held = self.call_mut(session, &name).is_some_and(|call| call.held);
                    let result = modify_result(name, "updateMedia".to_owned(), held, Some(sdp));
                    self.reply(socket, id, &result);
                }
            }
            LegEvent::Ended { cause, by } => self.end_call(session, &name, leg, &cause, by),
        }
    }

    fn end_call(&mut self, session: SessionId, name: &str, leg: LegId, cause: &Cause, by: EndedBy) {
        if let Some((socket, id)) = self.take_pending(session, name) {
            self.refuse_call(socket, id, Some(name), "CALL DOES NOT EXIST");
        }
        if by == EndedBy::Exchange {
            let telnyx = self
                .sessions
                .get(&session)
                .is_some_and(|known| known.face.telnyx_ids);
            let said = self.call_mut(session, name).map(|call| {
                let state = call.said.client_state.clone();
                let farewell = call.said.farewell.take().unwrap_or_default();
                (state, farewell, format!("{}@sandbox", call.telnyx.leg))
            });
            let (client_state, farewell, sip_call_id) = said.unwrap_or_default();
            let sip = farewell.sip_code.or_else(|| cause.sip());
            let sip = sip.filter(|_| telnyx);
            let bye = ServerBye {
                call_id: Some(name.to_owned()),
                cause: Some(cause.name().to_owned()),
                cause_code: Some(cause.code()),
                sip_code: sip,
                sip_reason: sip.map(|code| phrase(code).to_owned()),
                sip_call_id: telnyx.then_some(sip_call_id),
                client_state,
                dialog_params: with_headers(farewell.headers),
                ..ServerBye::default()
            };
            self.request(session, Method::Bye, &bye);
        }
        self.leave_conference(session, name);
        self.legs.remove(&leg);
        if let Some(known) = self.sessions.get_mut(&session) {
            known.calls.remove(name);
            known.reattached.retain(|call| call != name);
        }
        self.tell_presence(session, "HANGUP");
        self.offer_made(session, leg);
        self.forget_if_idle(session);
    }

    /// A call that comes back has its offer, or is gone: perhaps that was the last.
    fn offer_made(&mut self, session: SessionId, leg: LegId) {
        let Some(known) = self.sessions.get_mut(&session) else {
            return;
        };
        let waited = known.offers_before_ready.remove(&leg);
        if waited && known.face.attach_before_ready && known.offers_before_ready.is_empty() {
            self.make_ready(session);
        }
    }

    pub(super) fn report(
        &mut self,
        session: SessionId,
        name: &str,
        method: Method,
        sdp: Option<String>,
    ) {
        let leg = self.call_mut(session, name).map(|call| call.leg);
        let heard = match leg {
            // Headers travel with the invite and with the answer.
            Some(leg) if matches!(method, Method::Invite | Method::Answer) => self.heard(leg),
            Some(_) | None => Vec::new(),
        };
        let (sdp, candidates) = match sdp {
            Some(sdp) => {
                let (sdp, candidates) = self.cut_off(session, sdp);
                (Some(sdp), candidates)
            }
            None => (None, Vec::new()),
        };
        let Some(known) = self.sessions.get(&session) else {
            return;
        };
        let Some(call) = known.calls.get(name) else {
            return;
        };
        let mut params = server_call(known.face, name, call, sdp);
        if known.face.telnyx_ids {
            params.dialog_params = with_headers(heard);
        }
        self.request(session, method, &params);
        self.send_candidates(session, name, candidates);
    }

    fn take_pending(&mut self, session: SessionId, name: &str) -> Option<(SocketId, Option<Id>)> {
        let known = self.sessions.get_mut(&session)?;
        let socket = known.socket?;
        let id = known.calls.get_mut(name)?.pending.take()?;
        Some((socket, id))
    }
}

fn server_call(face: &Face, name: &str, call: &Call, sdp: Option<String>) -> ServerCall {
    // The server's view: a call to the client is an outbound one.
    let direction = match call.direction {
        Direction::FromClient => "inbound",
        Direction::ToClient => "outbound",
    };
    let telnyx = |id: &String| face.telnyx_ids.then(|| id.clone());
    ServerCall {
        call_id: Some(name.to_owned()),
        sdp,
        caller_id_name: Some(call.caller.name.clone()),
        caller_id_number: Some(call.caller.number.clone()),
        callee_id_name: Some(call.callee.name.clone()),
        callee_id_number: Some(call.callee.number.clone()),
        display_direction: Some(direction.to_owned()),
        telnyx_session_id: telnyx(&call.telnyx.session),
        telnyx_leg_id: telnyx(&call.telnyx.leg),
        telnyx_call_control_id: telnyx(&call.telnyx.control),
        client_state: call.said.client_state.clone(),
        variables: (!face.telnyx_ids).then(|| event_headers(name, &call.callee.number)),
        ..ServerCall::default()
    }
}

fn with_headers(headers: Vec<Header>) -> Option<DialogParams> {
    (!headers.is_empty()).then(|| DialogParams {
        custom_headers: Some(headers),
        ..DialogParams::default()
    })
}

/// Headers of the event that mod_verto copies into `variables`: nothing a client should read, but for what the dialplan means
/// for it, here at the tone.
fn event_headers(call: &str, dialled: &str) -> Map<String, Value> {
    let told = (dialled == "9197").then_some(("verto_svar_tone", "1004"));
    let headers = [
        ("Event-Name", "CHANNEL_DATA"),
        ("Core-UUID", call),
        ("FreeSWITCH-Hostname", "sandbox"),
        ("FreeSWITCH-IPv4", "127.0.0.1"),
        ("Event-Calling-File", "mod_verto.c"),
        ("Event-Calling-Function", "verto_set_media_options"),
    ];
    headers
        .into_iter()
        .chain(told)
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

/// The usual phrase of a SIP status.
fn phrase(status: u16) -> &'static str {
    match status {
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        410 => "Gone",
        480 => "Temporarily Unavailable",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => "",
    }
}

//! What logged-in clients ask for: calls, and the small requests beside them.

use std::time::Instant;

use offhook_signaling::cause::Cause;
use offhook_signaling::verto::message::both::Pong;
use offhook_signaling::verto::message::client::{
    CallResult, ClientBye, ClientCall, ClientInfo, Modify, ModifyResult,
};
use offhook_signaling::verto::message::login::{GatewayState, GatewayStateResult};
use offhook_signaling::verto::method::Method;
use offhook_signaling::verto::rpc::{Id, Request};
use serde_json::{Value, json};

use crate::fault::gateway::NoUpdate;
use crate::switch::cause::{SWITCH_CONGESTION, cause};
use crate::switch::exchange::{ClientCall as NewCall, HoldWish};
use crate::switch::leg::{Direction, Endpoint, LegId, Party};
use crate::switch::offered;
use crate::verto::frames::{PERMISSION_DENIED, SESSION_ERROR, empty};
use crate::verto::gateway::{Gateway, cause_of_bye};
use crate::verto::mishaps::{REGISTERED, no_update};
use crate::verto::said::Said;
use crate::verto::session::{Call, SessionId, TelnyxIds};
use crate::verto::socket::SocketId;
use crate::verto::transfers::Wanted;

/// Text for a call that is not there, or not in a state for this.
pub(super) const NO_CALL: &str = "CALL DOES NOT EXIST";
/// Longest name of a call.
const MAX_CALL_ID: usize = 256;

impl Gateway {
    /// A request of a client that is logged in.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what a client may not say is refused, whatever it is"
    )]
    pub(super) fn on_session_request(
        &mut self,
        socket: SocketId,
        session: SessionId,
        method: Method,
        request: Request,
        now: Instant,
    ) {
        let telnyx = self
            .sessions
            .get(&session)
            .is_some_and(|known| known.face.telnyx_ids);
        let id = request.id.clone();
        match method {
            Method::Invite => {
                if let Some(request) = self.keep_until_complete(socket, session, request) {
                    self.on_invite(socket, session, request, now, false);
                }
            }
            Method::Answer => self.on_answer(socket, session, request, false),
            Method::Attach => self.on_answer(socket, session, request, true),
            Method::Bye => self.on_bye(socket, session, request),
            Method::Modify => self.on_modify(socket, session, request, now),
            Method::Info => self.on_info(socket, session, request),
            Method::Ping => {
                let pong = Pong {
                    message: Some("PONG".to_owned()),
                    ..Pong::default()
                };
                self.reply(socket, id, &pong);
            }
            Method::GatewayState if telnyx => {
                let state = self.state_for(session);
                let result = GatewayStateResult {
                    params: Some(GatewayState {
                        state: Some(state.to_owned()),
                        call_report_id: self.call_report_id(session, state),
                    }),
                    sessid: None,
                };
                self.reply(socket, id, &result);
            }
            Method::Candidate | Method::EndOfCandidates if telnyx => {
                self.on_candidate(socket, session, request, now);
            }
            Method::AttachCalls if telnyx => self.on_attach_calls(socket, session, &request, now),
            Method::DisablePushNotification if telnyx => {
                self.on_disable_push(socket, session, &request);
            }
            Method::Conversation if telnyx => self.on_conversation(socket, session, &request),
            Method::Subscribe if !telnyx => self.on_subscribe(socket, session, &request),
            Method::Unsubscribe if !telnyx => self.on_unsubscribe(socket, &request),
            Method::Broadcast if !telnyx => self.on_broadcast(socket, session, &request),
            Method::JsApi if !telnyx => self.on_jsapi(socket, &request),
            Method::FsApi if !telnyx => self.on_fsapi(socket, &request),
            Method::Subscribe => {
                let channels = request.params.get("eventChannel").map(listed);
                self.reply(socket, id, &json!({"subscribedChannels": channels}));
            }
            Method::Unsubscribe => {
                let channels = request.params.get("eventChannel").map(listed);
                self.reply(socket, id, &json!({"unsubscribedChannels": channels}));
            }
            Method::Broadcast => self.reply(socket, id, &json!({"message": "SENT"})),
            Method::Echo if !telnyx => self.reply(socket, id, &request.params),
            _ => self.on_unknown_method(socket, &request),
        }
    }

    /// Under which a registered client may post its call reports, from now to its end.
    fn call_report_id(&mut self, session: SessionId, state: &str) -> Option<String> {
        if state != REGISTERED {
            return None;
        }
        let fresh = self.uuid();
        let known = self.sessions.get_mut(&session)?;
        if known.call_report_id.is_none() {
            let socket = known.socket.and_then(|socket| self.sockets.get(&socket));
            let instance = socket.map(|socket| socket.voice_sdk_id.clone());
            self.call_reports
                .give(fresh.clone(), known.identity.name(), instance);
            known.call_report_id = Some(fresh);
        }
        known.call_report_id.clone()
    }

    /// A method that this server does not have, or not for clients.
    pub(super) fn on_unknown_method(&mut self, socket: SocketId, request: &Request) {
        let id = request.id.clone();
        match request.method.as_str() {
            "jsapi" | "fsapi" => self.refuse(socket, id, PERMISSION_DENIED, "Permission Denied"),
            _ => self.refuse_method(socket, id),
        }
    }

    pub(super) fn on_invite(
        &mut self,
        socket: SocketId,
        session: SessionId,
        request: Request,
        now: Instant,
        acknowledged: bool,
    ) {
        let Some((id, params, call)) = self.read_call(socket, request) else {
            return;
        };
        let Some(offer) = params.sdp else {
            return self.refuse_call(socket, id, Some(&call), "SDP missing");
        };
        let offer = self.heard_sdp(session, offer);
        let Some(known) = self.sessions.get(&session) else {
            return;
        };
        if known.calls.contains_key(&call) || call.len() > MAX_CALL_ID {
            let cause = Cause::DESTINATION_OUT_OF_ORDER;
            return self.refuse_invite(socket, id, &call, "Cannot create channel", &cause);
        }
        if known.calls.len() >= self.config.limits.calls_per_session {
            let cause = cause(SWITCH_CONGESTION);
            return self.refuse_invite(socket, id, &call, "Too many calls", &cause);
        }
        let dialog = params.dialog_params;
        let beside = dialog.clone();
        let user = known.identity.name().to_owned();
        let caller = Party {
            name: dialog.caller_id_name.unwrap_or_else(|| user.clone()),
            number: dialog.caller_id_number.unwrap_or_else(|| user.clone()),
        };
        // mod_verto: no number means the extension "service".
        let dialled = dialog
            .destination_number
            .unwrap_or_else(|| "service".to_owned());
        tracing::info!(socket = socket.0, user, number = %dialled, "call");

        let new = NewCall {
            endpoint: Endpoint {
                id: session.endpoint(),
                face: known.face,
            },
            user,
            caller: caller.clone(),
            dialled: dialled.clone(),
            codecs: offered::codecs(&offer),
            digits: offered::digits(&offer),
            offer: Some(offer),
            script: None,
            only: None,
        };
        let result = CallResult {
            message: Some("CALL CREATED".to_owned()),
            call_id: Some(call.clone()),
            ..CallResult::default()
        };
        if !acknowledged {
            self.reply(socket, id, &result);
        }
        let script = self.assistant_script(session);
        let leg = self.exchange.call(NewCall { script, ..new }, now);
        let callee = Party {
            name: String::new(),
            number: dialled,
        };
        self.remember_call(
            session,
            call.clone(),
            leg,
            Direction::FromClient,
            caller,
            callee,
        );
        self.keep_said(session, &call, &beside);
    }

    /// Ties a leg to the name that its client knows it by.
    pub(super) fn remember_call(
        &mut self,
        session: SessionId,
        name: String,
        leg: LegId,
        direction: Direction,
        caller: Party,
        callee: Party,
    ) {
        let telnyx = TelnyxIds {
            session: self.uuid(),
            leg: self.uuid(),
            control: format!("v3:{}", self.uuid()),
        };
        let call = Call {
            leg,
            direction,
            caller,
            callee,
            pending: None,
            held: false,
            typed: String::new(),
            telnyx,
            said: Said::default(),
        };
        if let Some(known) = self.sessions.get_mut(&session) {
            known.calls.insert(name.clone(), call);
            self.legs.insert(leg, (session, name));
        }
    }

    fn on_answer(&mut self, socket: SocketId, session: SessionId, request: Request, attach: bool) {
        let Some((id, params, name)) = self.read_call(socket, request) else {
            return;
        };
        let Some(sdp) = params.sdp else {
            return self.refuse_call(socket, id, Some(&name), "SDP missing");
        };
        let sdp = self.heard_sdp(session, sdp);
        let Some(call) = self.call_mut(session, &name) else {
            return self.refuse_call(socket, id, Some(&name), NO_CALL);
        };
        let leg = call.leg;
        if !attach {
            self.keep_said(session, &name, &params.dialog_params);
        }
        let taken = if attach {
            self.exchange.attach_answer(leg, sdp)
        } else {
            self.exchange.answer(leg, sdp)
        };
        match (taken, self.call_mut(session, &name)) {
            (Ok(()), Some(call)) => call.pending = Some(id),
            (Ok(()) | Err(_), _) => self.refuse_call(socket, id, Some(&name), NO_CALL),
        }
    }

    fn on_bye(&mut self, socket: SocketId, session: SessionId, request: Request) {
        let id = request.id.clone();
        let Ok(bye) = request.read::<ClientBye>() else {
            return self.refuse_call(socket, id, None, "Dialog data missing");
        };
        let Some(name) = bye.dialog_params.call_id.clone() else {
            return self.refuse_call(socket, id, None, "CallID missing");
        };
        let Some(call) = self.call_mut(session, &name) else {
            return self.refuse_call(socket, id, Some(&name), NO_CALL);
        };
        let leg = call.leg;
        let cause = cause_of_bye(bye.cause.as_deref(), bye.cause_code);
        let result = CallResult {
            message: Some("CALL ENDED".to_owned()),
            call_id: Some(name),
            cause: Some(cause.name().to_owned()),
            cause_code: Some(cause.code()),
            sessid: None,
        };
        self.reply(socket, id, &result);
        self.keep_farewell(session, leg, &bye);
        self.exchange.hang_up(leg, cause);
    }

    fn on_modify(&mut self, socket: SocketId, session: SessionId, request: Request, now: Instant) {
        let id = request.id.clone();
        let Ok(modify) = request.read::<Modify>() else {
            return self.refuse_call(socket, id, None, "Dialog data missing");
        };
        let named = modify.dialog_params.call_id.clone();
        let Some(name) = named.or_else(|| modify.call_id.clone()) else {
            return self.refuse_call(socket, id, None, "CallID missing");
        };
        let Some(action) = modify.action.clone() else {
            return self.refuse_call(socket, id, Some(&name), "action missing");
        };
        let Some(leg) = self.call_mut(session, &name).map(|call| call.leg) else {
            return self.refuse_call(socket, id, Some(&name), NO_CALL);
        };
        if !self.may_modify(session, &action) {
            return self.refuse(socket, id, PERMISSION_DENIED, "Permission Denied");
        }
        let wish = match action.as_str() {
            "hold" => Some(HoldWish::Hold),
            "unhold" => Some(HoldWish::Unhold),
            "toggleHold" => Some(HoldWish::Toggle),
            "updateMedia" => return self.on_update(socket, session, id, name, leg, modify.sdp),
            "transfer" | "replace" => {
                let wanted = Wanted {
                    id,
                    call: name,
                    leg,
                    modify,
                };
                return self.on_transfer(socket, session, wanted, now);
            }
            // mod_verto takes any other action and does nothing.
            _ => None,
        };
        let held = wish.map(|wish| self.exchange.hold(leg, wish));
        let Some(call) = self.call_mut(session, &name) else {
            return;
        };
        call.held = held.unwrap_or(call.held);
        let result = modify_result(name, action, call.held, None);
        self.reply(socket, id, &result);
    }

    fn on_update(
        &mut self,
        socket: SocketId,
        session: SessionId,
        id: Option<Id>,
        name: String,
        leg: LegId,
        sdp: Option<String>,
    ) {
        let Some(sdp) = sdp else {
            return self.refuse_call(socket, id, Some(&name), "SDP missing");
        };
        let known = self.sessions.get(&session);
        let user = known.map(|known| known.identity.name().to_owned());
        match user.and_then(|user| self.wishes.take(&user, no_update)) {
            Some(NoUpdate::Refuse) => {
                return self.refuse_call(socket, id, Some(&name), "CODEC ERROR");
            }
            Some(NoUpdate::Bare) => {
                let result = modify_result(name, "updateMedia".to_owned(), false, None);
                return self.reply(socket, id, &result);
            }
            None => {}
        }
        let taken = self.exchange.update(leg, sdp);
        match (taken, self.call_mut(session, &name)) {
            (Ok(()), Some(call)) => call.pending = Some(id),
            (Ok(()) | Err(_), _) => {
                self.refuse_call(socket, id, Some(&name), "MEDIA ERROR");
                let strict = self
                    .sessions
                    .get(&session)
                    .is_some_and(|known| known.face.answered_means_connected);
                if strict {
                    self.exchange
                        .end_by_exchange(leg, Cause::DESTINATION_OUT_OF_ORDER);
                }
            }
        }
    }

    fn on_info(&mut self, socket: SocketId, session: SessionId, request: Request) {
        let id = request.id.clone();
        let Ok(info) = request.read::<ClientInfo>() else {
            return self.refuse_call(socket, id, None, "Dialog data missing");
        };
        let name = info.dialog_params.call_id.unwrap_or_default();
        if info
            .msg
            .as_ref()
            .is_some_and(|msg| msg.to.is_none() || msg.body.is_none())
        {
            let text = "INVALID MESSAGE to and body params required";
            return self.refuse(socket, id, SESSION_ERROR, text);
        }
        let able = self
            .sessions
            .get(&session)
            .is_some_and(|known| known.face.has_features);
        if let Some(chat) = info.msg.filter(|_| able) {
            self.reply(socket, id, &json!({"message": "SENT"}));
            return self.on_chat(session, &name, chat);
        }
        let Some(leg) = self.call_mut(session, &name).map(|call| call.leg) else {
            // Succeeds all the same, without a message: mod_verto does not look.
            return self.reply(socket, id, &empty());
        };
        if info.dtmf.is_some() && !self.may_send_digits(session) {
            return self.refuse(socket, id, PERMISSION_DENIED, "Permission Denied");
        }
        if let Some(digits) = info.dtmf {
            tracing::info!(socket = socket.0, digits = digits.len(), "DTMF");
            self.on_answer_digits(session, &name, &digits);
            self.exchange.digits(leg, digits);
        }
        // The far ends here say typed text back.
        let types = self.sessions.get(&session);
        if let Some(typed) = info.txt
            && types.is_some_and(|known| !known.face.telnyx_ids)
        {
            self.request(
                session,
                Method::Info,
                &json!({"callID": name, "txt": typed}),
            );
        }
        self.reply(socket, id, &json!({"message": "SENT"}));
    }

    /// Reads a request about a call; refuses one without it.
    fn read_call(
        &mut self,
        socket: SocketId,
        request: Request,
    ) -> Option<(Option<Id>, ClientCall, String)> {
        let id = request.id.clone();
        let has_dialog = request
            .params
            .get("dialogParams")
            .is_some_and(Value::is_object);
        let params = request.read::<ClientCall>().ok().filter(|_| has_dialog);
        let Some(params) = params else {
            self.refuse_call(socket, id, None, "Dialog data missing");
            return None;
        };
        let call = params
            .dialog_params
            .call_id
            .clone()
            .filter(|call| !call.is_empty());
        let Some(call) = call else {
            self.refuse_call(socket, id, None, "CallID missing");
            return None;
        };
        Some((id, params, call))
    }

    pub(super) fn call_mut(&mut self, session: SessionId, name: &str) -> Option<&mut Call> {
        self.sessions.get_mut(&session)?.calls.get_mut(name)
    }
}

/// The reply to a `modify`.
pub(super) fn modify_result(
    call: String,
    action: String,
    held: bool,
    sdp: Option<String>,
) -> ModifyResult {
    ModifyResult {
        call_id: Some(call),
        action: Some(action),
        hold_state: Some(if held { "held" } else { "active" }.to_owned()),
        sdp,
        ..ModifyResult::default()
    }
}

/// One channel or a list of them, as a list.
fn listed(channels: &Value) -> Value {
    match channels {
        Value::Array(_) => channels.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            json!([channels])
        }
    }
}

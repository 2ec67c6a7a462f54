//! What the server says to our requests about a call, or fails to say.

use crate::cause::Cause;
use crate::error::Error;
use crate::event::{EndedBy, Event};
use crate::verto::dialect::refusals::ServerSetting;
use crate::verto::dialog::state::{Dialog, Effect, Effects, Phase, Renewal};
use crate::verto::message::client::ModifyResult;
use crate::verto::requests::CallRequest;
use crate::verto::rpc::ErrorObject;
use crate::verto::wording::Wish;

impl Dialog {
    pub(crate) fn on_done(
        &mut self,
        request: CallRequest,
        result: ModifyResult,
        server: &str,
        fx: &mut Effects,
    ) {
        let call = self.call.clone();
        match request {
            CallRequest::Invite if matches!(self.phase, Phase::Calling(_)) => {
                fx.push(Effect::Tell(Event::Trying { call }));
            }
            CallRequest::Answer | CallRequest::Attach
                if matches!(self.phase, Phase::Answering(_)) =>
            {
                self.up(fx);
            }
            CallRequest::Attach if matches!(self.phase, Phase::Calling(_)) => {
                if let Phase::Calling(calling) = &mut self.phase
                    && calling.renewal == Renewal::Attaching
                {
                    calling.renewal = Renewal::Settled;
                    fx.push(Effect::Tell(Event::Confirmed { call }));
                }
            }
            CallRequest::Attach if matches!(self.phase, Phase::Attaching) => {
                self.up(fx);
                // Nobody says whether hold outlives a lost socket; saying it again does no harm.
                if self.held {
                    fx.push(Effect::Send(Wish::Hold { on: true }));
                }
            }
            CallRequest::Bye => self.phase = Phase::Over,
            // A reply that comes when the call has moved on, or that says nothing new.
            CallRequest::Invite | CallRequest::Answer | CallRequest::Attach => {}
            CallRequest::Info | CallRequest::Candidate => {}
            _ if !self.is_live() => {}
            CallRequest::Message(id) => fx.push(Effect::Tell(Event::MessageAccepted {
                call: Some(call),
                id,
                stored: false,
            })),
            CallRequest::Dtmf => {
                self.digits_settled();
                fx.push(Effect::Tell(Event::DtmfSent { call }));
            }
            CallRequest::UpdateMedia => match result.sdp {
                Some(sdp) => fx.push(Effect::Tell(Event::MediaUpdated { call, sdp })),
                None => self.misread(
                    request,
                    server,
                    "modify",
                    "the reply to updateMedia holds no SDP",
                    fx,
                ),
            },
            CallRequest::Hold => match result.hold_state.as_deref() {
                // Whatever is not active counts as held, as in the browser SDK.
                Some(state) => {
                    self.held = !matches!(state, "active" | "unheld");
                    let held = self.held;
                    fx.push(Effect::Tell(Event::HoldState { call, held }));
                }
                None => self.misread(
                    request,
                    server,
                    "modify",
                    "the reply to hold names no state",
                    fx,
                ),
            },
            CallRequest::Transfer | CallRequest::Replace => {
                fx.push(Effect::Tell(Event::Transferred { call }));
            }
        }
    }

    /// Digits that the server took without a word: it does so when it does not know the call.
    pub(crate) fn on_unsent(&self, server: &str, fx: &mut Effects) {
        if self.is_live() {
            let fault = "the reply to DTMF does not say that it was sent, as when it no longer knows the call";
            self.misread(CallRequest::Dtmf, server, "info", fault, fx);
        }
    }

    fn up(&mut self, fx: &mut Effects) {
        self.phase = Phase::Up;
        fx.push(Effect::Tell(Event::Confirmed {
            call: self.call.clone(),
        }));
    }

    fn misread(
        &self,
        request: CallRequest,
        server: &str,
        method: &'static str,
        fault: &'static str,
        fx: &mut Effects,
    ) {
        let error = Error::PeerMisbehaved {
            server: server.to_owned(),
            method,
            fault,
        };
        fx.push(Effect::Tell(request.failed(self.call.clone(), error)));
    }

    pub(crate) fn on_refused(
        &mut self,
        request: CallRequest,
        error: ErrorObject,
        setting: Option<ServerSetting>,
        server: &str,
        online: bool,
        fx: &mut Effects,
    ) {
        if request == CallRequest::Dtmf {
            self.digits_settled();
        }
        let unknown = error.message.as_deref() == Some("CALL DOES NOT EXIST");
        if let (CallRequest::Attach, Phase::Answering(answering)) = (request, &mut self.phase)
            && !unknown
            && let Some((sdp, extras)) = answering.otherwise.take()
        {
            answering.refused = true;
            return fx.push(Effect::Send(Wish::Answer { sdp, extras }));
        }
        match (request, &self.phase) {
            (CallRequest::Bye, _) => self.phase = Phase::Over,
            (_, Phase::Leaving(_) | Phase::Over) => {}
            (CallRequest::Invite, Phase::Calling(_)) => {
                let cause = said_cause(&error).unwrap_or(Cause::NORMAL_TEMPORARY_FAILURE);
                let detail = advised(error.message, setting);
                self.end(EndedBy::Server, cause, detail, fx);
            }
            // The caller gave up; his bye may still be on its way.
            (CallRequest::Answer | CallRequest::Attach, Phase::Answering(answering))
                if unknown && !answering.refused =>
            {
                self.end(EndedBy::Remote, Cause::ORIGINATOR_CANCEL, error.message, fx);
            }
            (CallRequest::Answer | CallRequest::Attach, _)
                if !unknown && self.is_awaited(request) =>
            {
                let cause = said_cause(&error).unwrap_or(Cause::INCOMPATIBLE_DESTINATION);
                let detail = advised(error.message, setting);
                self.leave(EndedBy::Server, cause, detail, online, fx);
            }
            (CallRequest::Invite | CallRequest::Answer | CallRequest::Attach, _) if !unknown => {}
            // Candidates are a help, never a condition: the descriptions hold what is needed.
            (CallRequest::Candidate, _) => {}
            (_, _) if unknown => {
                let detail = "the server no longer knows the call".to_owned();
                self.end(
                    EndedBy::Server,
                    Cause::INVALID_CALL_REFERENCE,
                    Some(detail),
                    fx,
                );
            }
            (_, _) => {
                let reason = error
                    .message
                    .unwrap_or_else(|| "no reason given".to_owned());
                let error = Error::Refused {
                    server: server.to_owned(),
                    method: request.name(),
                    code: error.code,
                    reason,
                    setting,
                };
                fx.push(Effect::Tell(request.failed(self.call.clone(), error)));
            }
        }
    }

    /// Whether the call cannot go on without this request.
    pub(crate) fn is_awaited(&self, request: CallRequest) -> bool {
        match (request, &self.phase) {
            (CallRequest::Invite, Phase::Calling(_)) => true,
            (CallRequest::Attach, Phase::Calling(calling)) => calling.renewal == Renewal::Attaching,
            (CallRequest::Answer | CallRequest::Attach, Phase::Answering(_)) => true,
            (CallRequest::Attach, Phase::Attaching) => true,
            (_, _) => false,
        }
    }

    /// No reply to a request of ours.
    pub(crate) fn on_silence(
        &mut self,
        request: CallRequest,
        error: Error,
        online: bool,
        fx: &mut Effects,
    ) {
        if request == CallRequest::Dtmf {
            self.digits_settled();
        }
        match (request, &self.phase) {
            (CallRequest::Bye, _) => self.phase = Phase::Over,
            (_, Phase::Leaving(_) | Phase::Over) => {}
            (CallRequest::Invite | CallRequest::Answer | CallRequest::Attach, _)
                if self.is_awaited(request) =>
            {
                let detail = Some(error.to_string());
                self.leave(
                    EndedBy::Timeout,
                    Cause::RECOVERY_ON_TIMER_EXPIRE,
                    detail,
                    online,
                    fx,
                );
            }
            (CallRequest::Invite | CallRequest::Answer | CallRequest::Attach, _) => {}
            (CallRequest::Candidate, _) => {}
            (_, _) => fx.push(Effect::Tell(request.failed(self.call.clone(), error))),
        }
    }
}

/// The server's words with what decides about them: a call that ends has no other place for it.
fn advised(words: Option<String>, setting: Option<ServerSetting>) -> Option<String> {
    match (words, setting) {
        (Some(words), Some(setting)) => Some(format!("{words}: {}", setting.text())),
        (words, _) => words,
    }
}

/// The cause inside a refusal, where there is one.
fn said_cause(error: &ErrorObject) -> Option<Cause> {
    let name = error.fields.get("cause").and_then(|value| value.as_str());
    let code = error
        .fields
        .get("causeCode")
        .and_then(serde_json::Value::as_u64);
    if name.is_none() && code.is_none() {
        return None;
    }
    Some(Cause::from_wire(
        name,
        code.and_then(|code| u16::try_from(code).ok()),
        None,
    ))
}

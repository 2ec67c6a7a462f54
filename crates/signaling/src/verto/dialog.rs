//! One call: an enum of phases, each consumed by the step to the next.

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::deadlines::Deadline;
use crate::error::Error;
use crate::event::{EndedBy, Event};
use crate::verto::message::client::ModifyResult;
use crate::verto::message::server::{ServerBye, ServerCall};
use crate::verto::requests::CallRequest;
use crate::verto::rpc::ErrorObject;
use crate::verto::wording::{Sides, Wish};

/// What a step wants done, in this order.
#[derive(Debug)]
pub(crate) enum Effect {
    Send(Wish),
    Tell(Event),
    Start(Deadline),
    Stop(Deadline),
}

/// Where steps put what they want done.
pub(crate) type Effects = Vec<Effect>;

/// A call of one session.
#[derive(Debug)]
pub(crate) struct Dialog {
    call: CallId,
    pub(crate) sides: Sides,
    phase: Phase,
    /// The socket was lost, and the server has not shown since that it still knows the call.
    adrift: bool,
}

/// `Over` is the only phase without a way out: the session forgets the dialog.
#[derive(Debug)]
enum Phase {
    Calling(Calling),
    /// Incoming, for our user to decide.
    Offered,
    /// Our answer is on its way.
    Answering,
    Up,
    /// The server offered new media; our user has to answer.
    AttachOffered,
    /// That answer is on its way.
    Attaching,
    /// The user has been told that the call ended, by that cause; the server has not yet agreed.
    Leaving(Cause),
    Over,
}

/// Our call, not yet answered.
#[derive(Debug, Default)]
struct Calling {
    has_media: bool,
    rang: bool,
}

impl Dialog {
    /// We call.
    pub(crate) fn outgoing(call: CallId, sides: Sides, sdp: String, fx: &mut Effects) -> Self {
        fx.push(Effect::Send(Wish::Invite { sdp }));
        fx.push(Effect::Start(Deadline::Unanswered));
        Self {
            call,
            sides,
            phase: Phase::Calling(Calling::default()),
            adrift: false,
        }
    }

    /// Somebody calls us.
    pub(crate) fn incoming(call: CallId, invite: ServerCall, fx: &mut Effects) -> Self {
        let (caller, headers) = (invite.remote(), invite.headers());
        let sides = Sides {
            remote: caller.clone(),
            ..Sides::default()
        };
        fx.push(Effect::Start(Deadline::Untaken));
        fx.push(Effect::Tell(Event::Incoming {
            call: call.clone(),
            caller,
            sdp: invite.sdp,
            headers,
            client_state: None,
            variables: Vec::new(),
        }));
        Self {
            call,
            sides,
            phase: Phase::Offered,
            adrift: false,
        }
    }

    /// The server offers a call of an earlier process.
    pub(crate) fn found(call: CallId, attach: ServerCall, sdp: String, fx: &mut Effects) -> Self {
        let remote = attach.remote();
        let sides = Sides {
            remote: remote.clone(),
            ..Sides::default()
        };
        fx.push(Effect::Start(Deadline::AttachUntaken));
        fx.push(Effect::Tell(Event::Attach {
            call: call.clone(),
            sdp,
            known: false,
            remote,
        }));
        Self {
            call,
            sides,
            phase: Phase::AttachOffered,
            adrift: false,
        }
    }

    /// The server offers a call whose end our user has already seen: it is hung up, now or after `clientReady`.
    pub(crate) fn unwanted(call: CallId, online: bool, fx: &mut Effects) -> Self {
        let cause = Cause::NORMAL_CLEARING;
        if online {
            fx.push(Effect::Send(Wish::Bye {
                cause: cause.clone(),
            }));
        }
        let sides = Sides::default();
        Self {
            call,
            sides,
            phase: Phase::Leaving(cause),
            adrift: false,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether the user still believes in the call.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.phase, Phase::Over | Phase::Leaving(_))
    }

    /// In words, for messages to a person.
    pub(crate) fn state(&self) -> &'static str {
        match &self.phase {
            _ if self.adrift => "without a connection",
            Phase::Calling(_) => "not yet answered",
            Phase::Offered => "ringing here",
            Phase::Answering => "being answered",
            Phase::Up => "up",
            Phase::AttachOffered => "offered again",
            Phase::Attaching => "being attached again",
            Phase::Leaving(_) | Phase::Over => "ending",
        }
    }

    // ---- commands ----

    pub(crate) fn answer(&mut self, sdp: String, fx: &mut Effects) {
        if !matches!(self.phase, Phase::Offered) || self.adrift {
            return self.refuse("answer", fx);
        }
        fx.push(Effect::Stop(Deadline::Untaken));
        fx.push(Effect::Send(Wish::Answer { sdp }));
        self.phase = Phase::Answering;
    }

    pub(crate) fn attach(&mut self, sdp: String, fx: &mut Effects) {
        if !matches!(self.phase, Phase::AttachOffered) || self.adrift {
            return self.refuse("attach", fx);
        }
        fx.push(Effect::Stop(Deadline::AttachUntaken));
        fx.push(Effect::Send(Wish::Attach { sdp }));
        self.phase = Phase::Attaching;
    }

    pub(crate) fn dtmf(&mut self, digits: String, fx: &mut Effects) {
        let heard = match &self.phase {
            Phase::Up => true,
            Phase::Calling(calling) => calling.has_media,
            Phase::Offered | Phase::Answering | Phase::AttachOffered | Phase::Attaching => false,
            Phase::Leaving(_) | Phase::Over => false,
        };
        if !heard || self.adrift {
            return self.refuse("DTMF", fx);
        }
        fx.push(Effect::Send(Wish::Dtmf { digits }));
    }

    pub(crate) fn update_media(&mut self, sdp: String, fx: &mut Effects) {
        // With FreeSWITCH the same request on an unanswered call hangs it up.
        if !matches!(self.phase, Phase::Up) || self.adrift {
            return self.refuse("media update", fx);
        }
        fx.push(Effect::Send(Wish::UpdateMedia { sdp }));
    }

    /// Our user ends it. `online`: a bye can be sent now; else it is owed until the next login.
    pub(crate) fn bye(&mut self, cause: Option<Cause>, online: bool, fx: &mut Effects) {
        let cause = cause.unwrap_or_else(|| self.usual_cause());
        self.leave(EndedBy::Local, cause, None, online, fx);
    }

    fn usual_cause(&self) -> Cause {
        match &self.phase {
            Phase::Calling(_) => Cause::ORIGINATOR_CANCEL,
            // What both vendors' clients say for a plain reject.
            Phase::Offered => Cause::USER_BUSY,
            Phase::Answering | Phase::Up | Phase::AttachOffered | Phase::Attaching => {
                Cause::NORMAL_CLEARING
            }
            Phase::Leaving(_) | Phase::Over => Cause::NORMAL_CLEARING,
        }
    }

    fn refuse(&self, command: &'static str, fx: &mut Effects) {
        let error = Error::WrongState {
            command,
            state: self.state(),
        };
        fx.push(Effect::Tell(Event::CommandFailed {
            call: self.call.clone(),
            error,
        }));
    }

    // ---- the server speaks ----

    /// Any message about the call shows that the server still has it.
    pub(crate) fn heard(&mut self, fx: &mut Effects) {
        if self.adrift {
            self.adrift = false;
            fx.push(Effect::Stop(Deadline::AttachDue));
            fx.push(Effect::Stop(Deadline::Detached));
        }
    }

    pub(crate) fn on_ringing(&mut self, fx: &mut Effects) {
        if let Phase::Calling(calling) = &mut self.phase
            && !calling.rang
        {
            calling.rang = true;
            fx.push(Effect::Tell(Event::Ringing {
                call: self.call.clone(),
            }));
        }
    }

    /// Early media. A repeated one has no SDP with FreeSWITCH; with SDP it is the same call's, which stays as it is.
    pub(crate) fn on_media(&mut self, media: ServerCall, fx: &mut Effects) {
        if let (Phase::Calling(calling), Some(sdp)) = (&mut self.phase, media.sdp)
            && !calling.has_media
        {
            calling.has_media = true;
            fx.push(Effect::Tell(Event::EarlyMedia {
                call: self.call.clone(),
                sdp,
            }));
        }
    }

    pub(crate) fn on_answer(&mut self, answer: ServerCall, online: bool, fx: &mut Effects) {
        let Phase::Calling(calling) = &self.phase else {
            return; // it crossed our bye, or the server repeats itself
        };
        let sdp = if calling.has_media { None } else { answer.sdp };
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
            headers: Vec::new(),
            client_state: None,
            variables: Vec::new(),
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
    pub(crate) fn on_attach(&mut self, sdp: String, fx: &mut Effects) {
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
        self.phase = Phase::AttachOffered;
    }

    pub(crate) fn on_bye(&mut self, bye: ServerBye, fx: &mut Effects) {
        let cause = Cause::from_wire(bye.cause.as_deref(), bye.cause_code, bye.sip_code);
        self.end(EndedBy::Remote, cause, bye.sip_reason, fx);
    }

    // ---- replies ----

    pub(crate) fn on_done(
        &mut self,
        request: CallRequest,
        result: ModifyResult,
        server: &str,
        fx: &mut Effects,
    ) {
        let call = self.call.clone();
        match (request, &self.phase) {
            (CallRequest::Invite, Phase::Calling(_)) => {
                fx.push(Effect::Tell(Event::Trying { call }))
            }
            (CallRequest::Answer, Phase::Answering) | (CallRequest::Attach, Phase::Attaching) => {
                self.phase = Phase::Up;
                fx.push(Effect::Tell(Event::Confirmed { call }));
            }
            (CallRequest::Bye, _) => self.phase = Phase::Over,
            (CallRequest::Dtmf, _) if self.is_live() => {
                fx.push(Effect::Tell(Event::DtmfSent { call }))
            }
            (CallRequest::UpdateMedia, _) if self.is_live() => {
                fx.push(Effect::Tell(match result.sdp {
                    Some(sdp) => Event::MediaUpdated { call, sdp },
                    None => Event::CommandFailed {
                        call,
                        error: Error::PeerMisbehaved {
                            server: server.to_owned(),
                            method: "modify",
                            fault: "the reply to updateMedia holds no SDP",
                        },
                    },
                }))
            }
            // A reply that comes when the call has moved on.
            (CallRequest::Invite | CallRequest::Answer | CallRequest::Attach, _) => {}
            (CallRequest::Dtmf | CallRequest::UpdateMedia, _) => {}
        }
    }

    pub(crate) fn on_refused(
        &mut self,
        request: CallRequest,
        error: ErrorObject,
        server: &str,
        online: bool,
        fx: &mut Effects,
    ) {
        let unknown = error.message.as_deref() == Some("CALL DOES NOT EXIST");
        match (request, &self.phase) {
            (CallRequest::Bye, _) => self.phase = Phase::Over,
            (_, Phase::Leaving(_) | Phase::Over) => {}
            (CallRequest::Invite, Phase::Calling(_)) => {
                let cause = said_cause(&error).unwrap_or(Cause::NORMAL_TEMPORARY_FAILURE);
                self.end(EndedBy::Server, cause, error.message, fx);
            }
            // The caller gave up; his bye may still be on its way.
            (CallRequest::Answer, Phase::Answering) if unknown => {
                self.end(EndedBy::Remote, Cause::ORIGINATOR_CANCEL, error.message, fx);
            }
            (CallRequest::Answer, Phase::Answering) | (CallRequest::Attach, Phase::Attaching)
                if !unknown =>
            {
                let cause = said_cause(&error).unwrap_or(Cause::INCOMPATIBLE_DESTINATION);
                self.leave(EndedBy::Server, cause, error.message, online, fx);
            }
            (CallRequest::Invite | CallRequest::Answer | CallRequest::Attach, _) if !unknown => {}
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
                let method = if request == CallRequest::Dtmf {
                    "info"
                } else {
                    "modify"
                };
                let reason = error
                    .message
                    .unwrap_or_else(|| "no reason given".to_owned());
                let error = Error::Refused {
                    server: server.to_owned(),
                    method,
                    code: error.code,
                    reason,
                };
                fx.push(Effect::Tell(Event::CommandFailed {
                    call: self.call.clone(),
                    error,
                }));
            }
        }
    }

    // ---- time ----

    /// No reply to a request of ours.
    pub(crate) fn on_silence(
        &mut self,
        request: CallRequest,
        error: Error,
        online: bool,
        fx: &mut Effects,
    ) {
        match (request, &self.phase) {
            (CallRequest::Bye, _) => self.phase = Phase::Over,
            (_, Phase::Leaving(_) | Phase::Over) => {}
            (CallRequest::Invite, Phase::Calling(_))
            | (CallRequest::Answer, Phase::Answering)
            | (CallRequest::Attach, Phase::Attaching) => {
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
            (CallRequest::Dtmf | CallRequest::UpdateMedia, _) => {
                fx.push(Effect::Tell(Event::CommandFailed {
                    call: self.call.clone(),
                    error,
                }));
            }
        }
    }

    /// A deadline of the call itself.
    pub(crate) fn on_deadline(&mut self, deadline: Deadline, online: bool, fx: &mut Effects) {
        if !self.is_live() {
            // What was owed is owed no longer: by now the server has given the call up.
            if deadline == Deadline::Detached {
                self.phase = Phase::Over;
            }
            return;
        }
        let timer = Cause::RECOVERY_ON_TIMER_EXPIRE;
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the other deadlines are not a call's own"
        )]
        let (by, cause, detail) = match deadline {
            Deadline::Unanswered | Deadline::Untaken => (
                EndedBy::Timeout,
                Cause::NO_ANSWER,
                "nobody answered in time",
            ),
            Deadline::AttachUntaken => (
                EndedBy::Timeout,
                timer,
                "the offer of new media was not answered in time",
            ),
            Deadline::AttachDue => (
                EndedBy::Network,
                timer,
                "the server did not offer the call again after the connection was lost",
            ),
            Deadline::Detached => {
                return self.end(
                    EndedBy::Network,
                    timer,
                    Some("no new connection in time".to_owned()),
                    fx,
                );
            }
            _ => return,
        };
        self.leave(by, cause, Some(detail.to_owned()), online, fx);
    }

    // ---- the socket ----

    /// The socket is gone; requests under way have been told as failed before.
    pub(crate) fn on_socket_lost(&mut self, keeps_unanswered: bool, fx: &mut Effects) {
        if !keeps_unanswered && matches!(self.phase, Phase::Calling(_) | Phase::Offered) {
            let detail = "the connection was lost before the call was answered".to_owned();
            return self.end(
                EndedBy::Network,
                Cause::DESTINATION_OUT_OF_ORDER,
                Some(detail),
                fx,
            );
        }
        fx.push(Effect::Stop(Deadline::AttachUntaken));
        fx.push(Effect::Stop(Deadline::AttachDue));
        if matches!(
            self.phase,
            Phase::Answering | Phase::AttachOffered | Phase::Attaching
        ) {
            // Whether our last word arrived cannot be known; the server offers the call again, or has lost it.
            self.phase = Phase::Up;
        }
        if !self.adrift {
            self.adrift = true;
            fx.push(Effect::Start(Deadline::Detached));
        }
    }

    /// A new socket is logged in and the server has shown which calls it offers again.
    pub(crate) fn on_socket_back(&mut self, fx: &mut Effects) {
        if let Phase::Leaving(cause) = &self.phase {
            fx.push(Effect::Send(Wish::Bye {
                cause: cause.clone(),
            }));
        } else if self.adrift {
            fx.push(Effect::Start(Deadline::AttachDue));
        }
    }

    /// The session was taken over: the call is no longer ours.
    pub(crate) fn on_taken_over(&mut self, fx: &mut Effects) {
        let detail = "another client took the session over".to_owned();
        self.end(EndedBy::Server, Cause::PICKED_OFF, Some(detail), fx);
    }

    // ---- ends ----

    /// The server knows or does not care: nothing is to be sent.
    fn end(&mut self, by: EndedBy, cause: Cause, detail: Option<String>, fx: &mut Effects) {
        if self.is_live() {
            fx.push(Effect::Tell(Event::Ended {
                call: self.call.clone(),
                by,
                cause,
                detail,
                elsewhere: false,
                headers: Vec::new(),
                client_state: None,
            }));
        }
        self.phase = Phase::Over;
    }

    /// The server has to be told.
    fn leave(
        &mut self,
        by: EndedBy,
        cause: Cause,
        detail: Option<String>,
        online: bool,
        fx: &mut Effects,
    ) {
        if !self.is_live() {
            return;
        }
        for deadline in [
            Deadline::Unanswered,
            Deadline::Untaken,
            Deadline::AttachUntaken,
            Deadline::AttachDue,
        ] {
            fx.push(Effect::Stop(deadline));
        }
        if online {
            fx.push(Effect::Send(Wish::Bye {
                cause: cause.clone(),
            }));
        }
        let told = cause.clone();
        fx.push(Effect::Tell(Event::Ended {
            call: self.call.clone(),
            by,
            cause: told,
            detail,
            elsewhere: false,
            headers: Vec::new(),
            client_state: None,
        }));
        self.phase = Phase::Leaving(cause);
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

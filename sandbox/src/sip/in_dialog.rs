//! Requests within calls, and what scripted far ends do there.

use std::time::Instant;

use offhook_signaling::cause::Cause;
use offhook_signaling::sip::message::bare::Bare;
use offhook_signaling::sip::message::outgoing::Content;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::sip::call::{CallTimer, Purpose};
use crate::sip::ringing::cause_of_reason;
use crate::sip::scenes::Act;
use crate::sip::server::{Around, Due, Server};
use crate::switch::leg::LegId;
use crate::verto::socket::SocketId;

/// Longest body of an INFO that is looked into.
const MAX_INFO: usize = 256;

impl Server {
    /// The call that a request is for: by Call-ID and both tags.
    pub(super) fn call_of(&self, request: &Request) -> Option<LegId> {
        let name = (request.ids.call_id.clone(), request.ids.to_tag().to_owned());
        let leg = *self.dialogs.get(&name)?;
        let call = self.calls.get(&leg)?;
        let theirs = &call.dialog.remote_tag;
        (theirs.is_empty() || theirs == request.ids.from_tag()).then_some(leg)
    }

    /// Whether a connection may speak for a call: it is the call's, or the same user's.
    fn may_speak(&self, socket: SocketId, leg: LegId) -> bool {
        let Some(call) = self.calls.get(&leg) else {
            return false;
        };
        let user = self
            .sockets
            .get(&socket)
            .and_then(|socket| socket.user.as_deref());
        call.socket == socket || user == Some(&call.user)
    }

    /// A request within a call.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not known is refused, whatever it is"
    )]
    pub(super) fn on_in_call(
        &mut self,
        socket: SocketId,
        leg: LegId,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        if !self.may_speak(socket, leg) {
            return self.refuse(socket, request, 403, around.now);
        }
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        call.socket = socket;
        if request.ids.cseq <= call.dialog.remote_cseq {
            // Numbers of a dialog go up (RFC 3261, 12.2.2).
            return self.refuse(socket, request, 500, around.now);
        }
        call.dialog.remote_cseq = request.ids.cseq;
        match request.method {
            Method::Bye => self.on_bye(socket, leg, request, around),
            Method::Invite | Method::Update => self.on_offer(socket, leg, request, around),
            Method::Prack => self.on_prack(socket, leg, request, around),
            Method::Info => self.on_info(socket, leg, request, around),
            Method::Options => self.on_options(socket, request, around.now),
            Method::Refer => self.on_refer(socket, leg, request, around),
            Method::Message => self.on_text_in_call(socket, leg, request, around),
            // The progress of what a far end here asked for.
            Method::Notify => self.refuse(socket, request, 200, around.now),
            _ => self.refuse_method(socket, request, around.now),
        }
    }

    /// An ACK: of a 2xx, since those of refusals mean nothing here.
    pub(super) fn on_ack(&mut self, socket: SocketId, request: &Request, around: &mut Around<'_>) {
        let Some(leg) = self.call_of(request) else {
            return;
        };
        if !self.may_speak(socket, leg) {
            return;
        }
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        let awaited = call
            .repeat
            .take_if(|repeat| repeat.cseq == request.ids.cseq);
        if awaited.is_none() {
            return;
        }
        self.deadlines.clear(&Due::Call(leg, CallTimer::Repeat));
        let first = !call.up;
        if first && call.late {
            call.late = false;
            match request.sdp() {
                Some(sdp) => around.exchange.late_answer(leg, sdp),
                None => around
                    .exchange
                    .end_by_exchange(leg, Cause::MANDATORY_IE_MISSING),
            }
        } else if call.late_again {
            call.late_again = false;
            around.exchange.reoffer_answered(leg, request.sdp());
        }
        self.on_up(leg, around);
    }

    fn on_bye(&mut self, socket: SocketId, leg: LegId, request: &Request, around: &mut Around<'_>) {
        self.refuse(socket, request, 200, around.now);
        let reason = request.headers.get(&HeaderName::Reason);
        let cause = reason.and_then(|reason| cause_of_reason(&reason));
        let Some(call) = self.forget_call(leg) else {
            return;
        };
        // The caller may end an early dialog so; its INVITE is answered then.
        if let Some(key) = call.invite {
            let tag = call.dialog.local_tag;
            let bare = self.invites.get(&key).map(|invite| invite.request.clone());
            if let Some(bare) = bare {
                let answer = offhook_signaling::sip::message::outgoing::OutgoingResponse::to(
                    &bare, 487, &tag,
                );
                self.finish_invite(&key, answer, around);
            }
        }
        around
            .exchange
            .hang_up(leg, cause.unwrap_or(Cause::NORMAL_CLEARING));
    }

    fn on_info(
        &mut self,
        socket: SocketId,
        leg: LegId,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        if request.headers.other("Info-Package").is_some() {
            let mut answer = self.answer(request, 469);
            answer.content.push_named("Recv-Info", "");
            return self.respond(socket, answer, around.now);
        }
        let text = String::from_utf8_lossy(request.body.get(..MAX_INFO).unwrap_or(&request.body));
        let digits = match request.content_type().as_deref() {
            Some("application/dtmf-relay") => signal(&text),
            Some("application/dtmf") => text.trim().to_owned(),
            None => String::new(),
            Some(_) => {
                let mut answer = self.answer(request, 415);
                let known = "application/dtmf-relay, application/dtmf";
                answer.content.push(&HeaderName::Accept, known);
                return self.respond(socket, answer, around.now);
            }
        };
        let digits: String = digits
            .to_ascii_uppercase()
            .chars()
            .filter(|digit| matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D'))
            .collect();
        tracing::info!(socket = socket.0, digits = digits.len(), "DTMF");
        self.refuse(socket, request, 200, around.now);
        if !digits.is_empty() {
            around.exchange.digits(leg, digits);
        }
    }

    /// Sets the time of the far end's next act.
    pub(super) fn plan_act(&mut self, leg: LegId, now: Instant) {
        let next = self.calls.get(&leg).and_then(|call| call.acts.front());
        match next {
            None | Some((_, Act::Collide)) => {}
            Some((after, _)) => {
                let at = now + *after;
                self.deadlines.set(Due::Call(leg, CallTimer::Act), at);
            }
        }
    }

    /// The far end does the next thing.
    pub(super) fn act(&mut self, leg: LegId, around: &mut Around<'_>) {
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        let Some((_, act)) = call.acts.pop_front() else {
            return;
        };
        match act {
            // The next act comes behind their answers.
            Act::Reinvite(_) | Act::Update => return self.offer(leg, act, around),
            Act::Collide => {}
            Act::Refer(number) => {
                let to = self.uri_of(number);
                let by = self.calls.get(&leg).map(|call| call.far.clone());
                let by = self.uri_of(&by.unwrap_or_default());
                let mut content = Content::default();
                content.push(&HeaderName::ReferTo, format!("<{to}>"));
                content.push(&HeaderName::ReferredBy, format!("<{by}>"));
                self.send_in_call(leg, Method::Refer, content, Purpose::Plain, around.now);
            }
            Act::Digit(digit) => {
                let mut content = Content::default();
                let body = format!("Signal={digit}\r\nDuration=160\r\n");
                content.set_body("application/dtmf-relay", body);
                self.send_in_call(leg, Method::Info, content, Purpose::Plain, around.now);
            }
        }
        self.plan_act(leg, around.now);
    }

    /// An answer with the tag of a call, for what comes from its dialog.
    pub(super) fn bare(request: &Request) -> Bare {
        Bare::from(request)
    }
}

/// The key of a `Signal=` line.
fn signal(text: &str) -> String {
    let line = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then_some(value)
    });
    line.unwrap_or_default().trim().to_owned()
}

//! Offers within a call, theirs and ours: re-INVITE, UPDATE, PRACK, glare.

use std::time::{Duration, Instant};

use offhook_media::session::config::Hold;
use offhook_signaling::cause::Cause;
use offhook_signaling::sip::message::bare::Bare;
use offhook_signaling::sip::message::outgoing::{Content, OutgoingResponse};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::response::Response;
use offhook_signaling::sip::message::{HeaderName, Method};
use rand::RngExt;

use crate::sip::call::{CallTimer, LIFE, OurOffer, Purpose, TheirOffer};
use crate::sip::invites::push_dialog;
use crate::sip::reports::push_accept;
use crate::sip::responses::{ALLOW, SUPPORTED};
use crate::sip::scenes::{Act, is_wide};
use crate::sip::server::{Around, Due, Server};
use crate::sip::session_timer::LEAST;
use crate::switch::exchange::HoldWish;
use crate::switch::leg::LegId;
use crate::verto::socket::SocketId;

impl Server {
    /// A re-INVITE or UPDATE of the client.
    pub(super) fn on_offer(
        &mut self,
        socket: SocketId,
        leg: LegId,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        let now = around.now;
        let sdp = request.sdp();
        if sdp.is_none() && !request.body.is_empty() {
            let mut answer = self.answer(request, 415);
            answer.content.push(&HeaderName::Accept, "application/sdp");
            return self.respond(socket, answer, now);
        }
        if self.refuses_session(socket, request, LEAST, now) {
            return;
        }
        let is_invite = request.method == Method::Invite;
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        if call.theirs.is_some() || is_invite && call.repeat.is_some() {
            // One after the other (RFC 3261, 14.2; RFC 3311, 5.2).
            let pause = self.rng.random_range(0..=10_u32);
            let mut answer = self.answer(request, 500);
            answer
                .content
                .push(&HeaderName::RetryAfter, pause.to_string());
            return self.respond(socket, answer, now);
        }
        let offers = is_invite || sdp.is_some();
        if offers && call.glares > 0 {
            call.glares -= 1;
            let collides = call
                .acts
                .front()
                .is_some_and(|(_, act)| *act == Act::Collide);
            if collides {
                call.acts.pop_front();
                self.offer(leg, Act::Reinvite(Hold::Off), around);
            }
            return self.refuse(socket, request, 491, now);
        }
        if call.plain && sdp.as_deref().is_some_and(is_wide) {
            return self.refuse(socket, request, 488, now);
        }
        if offers && call.ours.is_some() {
            return self.refuse(socket, request, 491, now);
        }
        call.dialog.refresh_target(&request.headers);
        let mut fresh = std::mem::take(&mut call.session_answer);
        let mut decided = self.calls.remove(&leg);
        if let Some(call) = &mut decided {
            self.agree_session(call, &request.headers, None);
            fresh.clone_from(&call.session_answer);
        }
        if let Some(call) = decided {
            self.calls.insert(leg, call);
        }
        if !offers {
            return self.answer_refresh(socket, leg, request, fresh.as_deref(), now);
        }
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        call.theirs = Some(TheirOffer {
            request: Bare::from(request),
            method: request.method.clone(),
            cseq: request.ids.cseq,
            late: sdp.is_none(),
            session: fresh,
        });
        let taken = match sdp {
            Some(sdp) => {
                let holds = holds(&sdp);
                let was = std::mem::replace(&mut call.held, holds);
                let taken = around.exchange.update(leg, sdp);
                if taken.is_ok() && was != holds {
                    let wish = if holds {
                        HoldWish::Hold
                    } else {
                        HoldWish::Unhold
                    };
                    around.exchange.hold(leg, wish);
                }
                taken
            }
            None => around.exchange.reoffer(leg, Hold::Off),
        };
        if taken.is_err() {
            if let Some(call) = self.calls.get_mut(&leg) {
                call.theirs = None;
            }
            self.refuse(socket, request, 488, now);
        }
    }

    /// An UPDATE without description: a refresh of session or address.
    fn answer_refresh(
        &mut self,
        socket: SocketId,
        leg: LegId,
        request: &Request,
        session: Option<&str>,
        now: Instant,
    ) {
        let Some(call) = self.calls.get(&leg) else {
            return;
        };
        let contact = self.uri_of(&call.far);
        let mut answer = self.answer(request, 200);
        push_dialog(&mut answer.content, &Bare::from(request), &contact);
        push_accept(&mut answer.content, session, None);
        self.respond(socket, answer, now);
        self.start_session(leg, now);
    }

    /// The media side has answered a client's offer, or refused it (`None`).
    pub(super) fn answer_offer(&mut self, leg: LegId, sdp: Option<String>, now: Instant) {
        let way = self.way(leg);
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        let Some(theirs) = call.theirs.take() else {
            return;
        };
        let (tag, contact) = (call.dialog.local_tag.clone(), call.far.clone());
        let socket = way.unwrap_or(call.socket);
        let status = if sdp.is_some() { 200 } else { 488 };
        let contact = self.uri_of(&contact);
        let mut answer = OutgoingResponse::to(&theirs.request, status, &tag);
        if sdp.is_none() {
            return self.respond(socket, answer, now);
        }
        push_dialog(&mut answer.content, &theirs.request, &contact);
        push_accept(&mut answer.content, theirs.session.as_deref(), sdp);
        let payload = self.response(answer);
        self.put(socket, payload.clone().into(), now);
        if theirs.method == Method::Invite {
            if let Some(call) = self.calls.get_mut(&leg) {
                call.late_again = theirs.late;
            }
            self.await_ack(leg, payload, theirs.cseq, now);
        } else {
            self.start_session(leg, now);
        }
    }

    /// An offer of ours is there: for the client that asked for one, or for a request of ours.
    pub(super) fn offer_again(&mut self, leg: LegId, sdp: String, now: Instant) {
        let Some(call) = self.calls.get(&leg) else {
            return;
        };
        if call.theirs.is_some() {
            return self.answer_offer(leg, Some(sdp), now);
        }
        let Some(ours) = call.ours.clone() else {
            return;
        };
        let mut content = Content::default();
        content.push(&HeaderName::Allow, ALLOW);
        content.push(&HeaderName::Supported, SUPPORTED);
        self.push_session(leg, &mut content);
        content.set_body("application/sdp", sdp);
        let branch = self.send_in_call(leg, ours.method, content, Purpose::Reoffer(leg), now);
        if let Some(call) = self.calls.get_mut(&leg)
            && let Some(ours) = &mut call.ours
        {
            ours.branch = branch;
        }
    }

    /// Offers media anew, where nothing stands against it.
    pub(super) fn offer(&mut self, leg: LegId, act: Act, around: &mut Around<'_>) {
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        let (method, hold) = match act {
            Act::Reinvite(hold) => (Method::Invite, hold),
            Act::Update if call.allows_update => (Method::Update, Hold::Off),
            Act::Update | Act::Collide | Act::Refer(_) | Act::Digit(_) => {
                (Method::Invite, Hold::Off)
            }
        };
        let busy = call.ours.is_some() || call.theirs.is_some() || call.repeat.is_some();
        if busy || around.exchange.reoffer(leg, hold).is_err() {
            let soon = around.now + Duration::from_millis(500);
            call.acts.push_front((Duration::ZERO, act));
            return self.deadlines.set(Due::Call(leg, CallTimer::Act), soon);
        }
        call.ours = Some(OurOffer {
            method,
            branch: None,
            act,
        });
    }

    /// A 2xx to a re-INVITE of ours.
    pub(super) fn on_reoffer_taken(
        &mut self,
        leg: LegId,
        branch: &str,
        response: &Response,
        around: &mut Around<'_>,
    ) {
        self.deadlines
            .set(Due::Client(branch.to_owned()), around.now + LIFE);
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        call.dialog.refresh_target(&response.headers);
        let (mut dialog, socket) = (call.dialog.clone(), call.socket);
        let ack = self.acknowledge(socket, &mut dialog, response.ids.cseq, None, around.now);
        if let Some(client) = self.clients.get_mut(branch) {
            client.acks.insert(response.ids.to_tag().to_owned(), ack);
        }
        self.on_reoffer_answered(leg, response.status, Some(response), around);
    }

    /// The final answer to an offer of ours.
    pub(super) fn on_reoffer_answered(
        &mut self,
        leg: LegId,
        status: u16,
        response: Option<&Response>,
        around: &mut Around<'_>,
    ) {
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        let Some(ours) = call.ours.take() else {
            return;
        };
        let sdp = response
            .filter(|it| it.is_success())
            .and_then(Response::sdp);
        around.exchange.reoffer_answered(leg, sdp);
        match (status, response) {
            (200..300, Some(response)) => {
                self.take_session(leg, &response.headers, around.now);
                self.plan_act(leg, around.now);
            }
            (491, _) => {
                // We did not choose the Call-ID where the client called (RFC 3261, 14.1).
                let tens = if call.from_client { 0..=200 } else { 210..=400 };
                let pause = Duration::from_millis(10 * self.rng.random_range(tens));
                call.acts.push_front((Duration::ZERO, ours.act));
                let again = Due::Call(leg, CallTimer::Glare);
                self.deadlines.set(again, around.now + pause);
            }
            (408 | 481, _) => {
                around
                    .exchange
                    .end_by_exchange(leg, Cause::RECOVERY_ON_TIMER_EXPIRE);
            }
            _ => {
                self.start_session(leg, around.now);
                self.plan_act(leg, around.now);
            }
        }
    }

    pub(super) fn try_again(&mut self, leg: LegId, around: &mut Around<'_>) {
        self.act(leg, around);
    }

    /// A PRACK of the client (RFC 3262, 3).
    pub(super) fn on_prack(
        &mut self,
        socket: SocketId,
        leg: LegId,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        let rack = request.headers.get(&HeaderName::RAck).unwrap_or_default();
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        let number = rack
            .split_whitespace()
            .next()
            .and_then(|it| it.parse().ok());
        let waits = call.reliable.outstanding.is_some() && number == Some(call.reliable.rseq);
        if !waits {
            return self.refuse(socket, request, 481, around.now);
        }
        call.reliable.outstanding = None;
        let late = call.late && call.reliable.described;
        if late {
            call.late = false;
        }
        self.deadlines
            .clear(&Due::Call(leg, CallTimer::RepeatReliable));
        match request.sdp() {
            Some(sdp) if late => {
                around.exchange.late_answer(leg, sdp);
                self.refuse(socket, request, 200, around.now);
            }
            // A new offer: answered in the 2xx (5).
            Some(sdp) => {
                if let Some(call) = self.calls.get_mut(&leg) {
                    call.theirs = Some(TheirOffer {
                        request: Bare::from(request),
                        method: Method::Prack,
                        cseq: request.ids.cseq,
                        late: false,
                        session: None,
                    });
                }
                if around.exchange.update(leg, sdp).is_err() {
                    if let Some(call) = self.calls.get_mut(&leg) {
                        call.theirs = None;
                    }
                    self.refuse(socket, request, 488, around.now);
                }
            }
            None => self.refuse(socket, request, 200, around.now),
        }
        self.next_reliable(leg, around.now);
    }
}

/// Whether an offer puts us on hold: its sender takes nothing, or there is no address to send to.
fn holds(sdp: &str) -> bool {
    let mut direction = "sendrecv";
    let mut audio = false;
    let mut own = None;
    let mut nowhere = false;
    for line in sdp.lines() {
        if let Some(kind) = line.strip_prefix("m=") {
            if audio {
                break;
            }
            audio = kind.starts_with("audio ");
        }
        nowhere |= line.starts_with("c=IN IP4 0.0.0.0");
        if let Some(word) = line.strip_prefix("a=")
            && matches!(word, "sendrecv" | "sendonly" | "recvonly" | "inactive")
        {
            if audio {
                own = Some(word);
            } else {
                direction = word;
            }
        }
    }
    // With ICE a default address that is no address only says that there are no candidates yet.
    let nowhere = nowhere && !sdp.contains("a=ice-ufrag:");
    nowhere || matches!(own.unwrap_or(direction), "sendonly" | "inactive")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hold_is_read_from_the_audio_section_or_from_above() {
        let audio = "m=audio 9 X 0\r\n";
        for (sdp, held) in [
            (format!("v=0\r\n{audio}a=sendonly\r\n"), true),
            (format!("v=0\r\na=inactive\r\n{audio}"), true),
            (format!("v=0\r\na=inactive\r\n{audio}a=sendrecv\r\n"), false),
            (
                format!("v=0\r\n{audio}m=video 9 X 0\r\na=sendonly\r\n"),
                false,
            ),
            (format!("v=0\r\nc=IN IP4 0.0.0.0\r\n{audio}"), true),
            (
                format!("v=0\r\nc=IN IP4 0.0.0.0\r\n{audio}a=ice-ufrag:x\r\n"),
                false,
            ),
            (audio.to_owned(), false),
        ] {
            assert_eq!(holds(&sdp), held, "{sdp}");
        }
    }
}

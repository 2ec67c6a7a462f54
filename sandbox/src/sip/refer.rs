//! Transfers: REFER of a client, carried out and reported (RFC 3515, 5589), and INVITE with Replaces (RFC 3891).

use offhook_signaling::cause::Cause;
use offhook_signaling::sip::message::outgoing::{Content, OutgoingResponse};
use offhook_signaling::sip::message::params::Params;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::status::reason_phrase;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::sip::call::{Purpose, Referral, TransactionKey};
use crate::sip::server::{Around, Server};
use crate::switch::cause::USER_NOT_REGISTERED;
use crate::switch::exchange::ClientCall;
use crate::switch::leg::LegId;
use crate::verto::socket::SocketId;

impl Server {
    /// A client wants its far end sent elsewhere.
    pub(super) fn on_refer(
        &mut self,
        socket: SocketId,
        leg: LegId,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        let now = around.now;
        let targets = request.headers.addresses(&HeaderName::ReferTo);
        let target = match targets.unwrap_or_default().as_slice() {
            [one] => one.uri.clone(),
            // Exactly one (RFC 3515, 2.4.1).
            _ => return self.refuse(socket, request, 400, now),
        };
        let method = target.param("method");
        if !target.is_sip() || method.is_some_and(|it| !it.eq_ignore_ascii_case("invite")) {
            return self.refuse(socket, request, 603, now);
        }
        let number = target.user().unwrap_or_default();
        let replaces = target
            .headers()
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("replaces"))
            .map(|(_, value)| value);
        let other = replaces.as_deref().and_then(|value| self.replaced(value));
        if replaces.is_some() && other.is_none_or(|other| other == leg) {
            return self.refuse(socket, request, 603, now);
        }
        let silent = request
            .headers
            .get(&HeaderName::ReferSub)
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        if call.referral.is_some() || !call.up {
            return self.refuse(socket, request, 491, now);
        }
        call.referral = Some(Referral {
            event: format!("refer;id={}", request.ids.cseq),
            told: !silent,
        });
        let contact = self
            .calls
            .get(&leg)
            .map(|call| self.uri_of(&call.far))
            .unwrap_or_default();
        // Not 202, which is no more (RFC 7647, 5).
        let mut answer = self.answer(request, 200);
        answer
            .content
            .push(&HeaderName::Contact, format!("<{contact}>"));
        if silent {
            answer.content.push(&HeaderName::ReferSub, "false");
        }
        self.respond(socket, answer, now);
        tracing::info!(socket = socket.0, %number, attended = other.is_some(), "transfer");
        self.notify_referrer(leg, 100, now);
        let Some(other) = other else {
            if around.exchange.refer(leg, &number, now).is_err() {
                self.tell_referrer(leg, &Err(Cause::NORMAL_TEMPORARY_FAILURE), around);
            }
            return;
        };
        // The NOTIFY goes before the BYEs that follow from it.
        self.notify_referrer(leg, 200, now);
        if around.exchange.join(leg, other).is_err() {
            tracing::warn!("the far ends cannot be joined");
        }
    }

    /// The call that a Replaces names, by Call-ID and tags as we see them.
    pub(super) fn replaced(&self, value: &str) -> Option<LegId> {
        let (call_id, tail) = value.split_once(';')?;
        let params = Params::read(tail);
        let (to, from) = (params.get("to-tag")?, params.get("from-tag")?);
        // A watcher of dialogs has the tags as the watched end sees them.
        [(to, from), (from, to)]
            .into_iter()
            .find_map(|(ours, theirs)| {
                let name = (call_id.trim().to_owned(), ours.to_owned());
                let leg = *self.dialogs.get(&name)?;
                let known = &self.calls.get(&leg)?.dialog.remote_tag;
                (known.is_empty() || known == theirs).then_some(leg)
            })
    }

    /// What came of a transfer.
    pub(super) fn tell_referrer(
        &mut self,
        leg: LegId,
        outcome: &Result<(), Cause>,
        around: &mut Around<'_>,
    ) {
        let status = match outcome {
            Ok(()) => 200,
            Err(cause) if cause.code() == USER_NOT_REGISTERED => 480,
            Err(cause) => cause.sip().unwrap_or(480),
        };
        self.notify_referrer(leg, status, around.now);
        if outcome.is_ok() {
            // The far end is somebody else's now.
            around.exchange.end_by_exchange(leg, Cause::NORMAL_CLEARING);
        }
    }

    /// Tells the client how its transfer stands (RFC 3515, 2.4.5).
    fn notify_referrer(&mut self, leg: LegId, status: u16, now: std::time::Instant) {
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        let Some(referral) = call.referral.clone() else {
            return;
        };
        let state = if status >= 200 {
            call.referral = None;
            "terminated;reason=noresource"
        } else {
            "active;expires=60"
        };
        if !referral.told {
            return;
        }
        let mut content = Content::default();
        content.push(&HeaderName::Event, referral.event);
        content.push(&HeaderName::SubscriptionState, state);
        let body = format!("SIP/2.0 {status} {}\r\n", reason_phrase(status));
        content.set_body("message/sipfrag;version=2.0", body);
        self.send_in_call(leg, Method::Notify, content, Purpose::Plain, now);
    }

    /// A REFER outside a dialog that names one (RFC 4538).
    pub(super) fn on_refer_outside(
        &mut self,
        socket: SocketId,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        let Some(user) = self.sender(socket, request, around) else {
            return;
        };
        let named = request.headers.other("Target-Dialog");
        let leg = named.as_deref().and_then(|value| {
            let (call_id, tail) = value.split_once(';')?;
            let params = Params::read(tail);
            // Tags as the recipient sees them.
            let local = params.get("local-tag")?;
            let name = (call_id.trim().to_owned(), local.to_owned());
            self.dialogs.get(&name).copied()
        });
        let own = leg.filter(|leg| self.calls.get(leg).is_some_and(|call| call.user == user));
        match own {
            Some(leg) => self.on_refer(socket, leg, request, around),
            None => self.refuse(socket, request, 403, around.now),
        }
    }

    /// An INVITE that takes the place of another dialog (RFC 3891, 3).
    pub(super) fn on_replaces(
        &mut self,
        socket: SocketId,
        request: &Request,
        key: TransactionKey,
        call: ClientCall,
        value: &str,
        around: &mut Around<'_>,
    ) {
        let old = self.replaced(value);
        let early_only = value
            .split(';')
            .any(|part| part.trim().eq_ignore_ascii_case("early-only"));
        let up = old.and_then(|leg| self.calls.get(&leg)).map(|call| call.up);
        let from_client = old
            .and_then(|leg| self.calls.get(&leg))
            .is_some_and(|call| call.from_client);
        let status = match up {
            None => 481,
            Some(true) if early_only => 486,
            // An early dialog that we did not begin.
            Some(false) if from_client => 481,
            Some(_) => 200,
        };
        let (user, far) = (call.user.clone(), call.dialled.clone());
        let taken = match old.filter(|_| status == 200) {
            Some(old) => around.exchange.take_over(call, old).map_err(|_| 488),
            None => Err(status),
        };
        match taken {
            Ok(leg) => {
                if let Some(mut call) = self.new_call(socket, request, &key, &user, far) {
                    self.agree_session(&mut call, &request.headers, None);
                    self.add_call(leg, call, &key);
                }
            }
            Err(status) => {
                let tag = crate::sip::names::token(&mut self.rng);
                let answer = OutgoingResponse::to(&Self::bare(request), status, &tag);
                self.finish_invite(&key, answer, around);
            }
        }
    }
}

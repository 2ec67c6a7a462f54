//! Requests of the far side: whose they are, and whether they may be taken (RFC 3261, 8.2 and 12.2.2).

use std::time::Instant;

use crate::call_id::CallId;
use crate::sip::agent::{ACCEPT, ALLOW, ALLOW_EVENTS};
use crate::sip::call::headers::{self, recv_info_name};
use crate::sip::call::identity::is_nobody;
use crate::sip::call::offers::{READABLE, core_answer, core_answer_with};
use crate::sip::call::session_timer::{LEAST, SessionTimer};
use crate::sip::call::state::{Call, Phase, Replaced};
use crate::sip::dialog::Dialog;
use crate::sip::flow_id::FlowId;
use crate::sip::message::outgoing::OutgoingResponse;
use crate::sip::message::request::Request;
use crate::sip::message::{HeaderName, Method};
use crate::sip::random;
use crate::sip::referral::wanted::DialogName;
use crate::sip::session::machine::Session;
use crate::sip::transaction::server::{Arrived, ServerKey};

/// Most calls that may ring here at a time; more are busy.
const MOST_RINGING: usize = 32;

impl Session {
    pub(super) fn on_request(&mut self, flow: FlowId, request: &Request, now: Instant) {
        match self.core.servers.arrive(request) {
            Arrived::RefusalAcked => {
                let key = ServerKey::of(&request.ids, &Method::Invite);
                let owner = super::owner::Owner::Served(key);
                self.core.deadlines.clear_owner(&owner);
                return;
            }
            Arrived::Copy(last) => {
                if let Some(payload) = last {
                    self.core.send(payload, flow);
                }
                return;
            }
            Arrived::Full if self.has_reserve(request) => {}
            Arrived::Full => {
                self.core.count_malformed("too many requests at a time");
                return self.core.answer_bare(flow, &request.into(), 503);
            }
            Arrived::New => {}
        }
        if request.method == Method::Ack {
            if let Some(id) = self.call_of(request) {
                self.with_call(&id, |call, core| call.on_ack(request, core, now));
            }
            return;
        }
        let key = self.core.begin_served(request, flow);
        if request.method == Method::Cancel {
            return self.on_cancel(request, &key, now);
        }
        // 8.2.1 comes before 8.2.2: a method that is not known wants nothing of us but that word.
        let known = is_known(&request.method);
        let unknown: Vec<_> = request
            .headers
            .tokens(&HeaderName::Require)
            .into_iter()
            .filter(|option| !self.can(option))
            .collect();
        if known && !unknown.is_empty() {
            let line = [(HeaderName::Unsupported, unknown.join(", "))];
            let line = [(line[0].0.clone(), line[0].1.as_str())];
            return core_answer_with(&mut self.core, &key, 420, &line, now);
        }
        // RFC 3891, 3: nothing but a call can take another's place.
        if known && request.method != Method::Invite && request.headers.has(&HeaderName::Replaces) {
            return core_answer(&mut self.core, &key, 400, now);
        }
        if request.ids.to_tag().is_empty() {
            self.on_outside(flow, request, key, now);
        } else {
            self.on_inside(request, key, now);
        }
    }

    fn can(&self, option: &str) -> bool {
        headers::supported(&self.core.config)
            .split(", ")
            .any(|known| known.eq_ignore_ascii_case(option))
    }

    /// Whether a request that strangers have left no room for is about a dialog of ours, or an INVITE that waits.
    fn has_reserve(&self, request: &Request) -> bool {
        let ids = &request.ids;
        let servers = &self.core.servers;
        let ours = if request.method == Method::Cancel {
            servers.get(&ServerKey::cancelled(ids)).is_some()
        } else {
            let mut legs = self.subs.legs.values();
            let mut referreds = self.referreds.values();
            self.call_of(request).is_some()
                || legs.any(|leg| leg.dialog.has_request(ids))
                || referreds.any(|referred| referred.dialog.has_request(ids))
        };
        ours && servers.has_reserve(&request.method)
    }

    /// The call whose dialog a request belongs to.
    fn call_of(&self, request: &Request) -> Option<CallId> {
        self.calls
            .values()
            .find(|call| {
                call.dialogs()
                    .any(|dialog| dialog.has_request(&request.ids))
            })
            .map(|call| call.id.clone())
    }

    fn on_cancel(&mut self, request: &Request, key: &ServerKey, now: Instant) {
        let cancelled = ServerKey::cancelled(&request.ids);
        let open = self.core.servers.is_open(&cancelled);
        let known = self.core.servers.get(&cancelled).is_some();
        let rings = self.calls.values().find_map(|call| match &call.phase {
            Phase::Called(called) => (called.key == cancelled)
                .then(|| (call.id.clone(), called.dialog.local_tag().to_owned())),
            Phase::Calling(_) | Phase::Up(_) | Phase::Leaving(_) | Phase::Over => None,
        });
        // 9.2: 200 also when the INVITE has its answer already, with the tag of that; a stranger's CANCEL names no branch of ours.
        let answered = self.core.servers.get(&cancelled);
        let tag = match &rings {
            Some((_, tag)) => Some(tag.clone()),
            None => answered.and_then(|invite| invite.tag.clone()),
        };
        let tag = tag.unwrap_or_else(|| random::token(&mut self.core.rng));
        let status = if known { 200 } else { 481 };
        let response = OutgoingResponse::to(&request.into(), status, &tag);
        self.core.answer(key, response, now);
        if !open {
            return;
        }
        match rings {
            Some((id, _)) => {
                self.with_call(&id, |call, core| {
                    call.on_cancel(&request.headers, core, now)
                });
            }
            // A re-INVITE whose sender thought again: the offer is off.
            None => self.cancel_offer(&cancelled, now),
        }
    }

    fn cancel_offer(&mut self, key: &ServerKey, now: Instant) {
        use crate::sip::call::state::Offer;
        let id = self.calls.values().find_map(|call| match &call.phase {
            Phase::Up(up) => {
                matches!(&up.offer, Offer::Theirs { key: theirs, .. } if theirs == key)
                    .then(|| call.id.clone())
            }
            Phase::Calling(_) | Phase::Called(_) | Phase::Leaving(_) | Phase::Over => None,
        });
        if let Some(id) = id {
            self.with_call(&id, |call, core| call.refuse_offer(487, core, now));
        }
    }

    /// A request within a dialog.
    fn on_inside(&mut self, request: &Request, key: ServerKey, now: Instant) {
        let Some(id) = self.call_of(request) else {
            if request.method == Method::Notify && self.on_notice(request, &key, now) {
                return;
            }
            if request.method == Method::Subscribe && self.on_refer_subscribe(request, &key, now) {
                return;
            }
            // RFC 3261, 12.2.2: also a BYE with a wrong tag, and a NOTIFY that nobody asked for.
            return core_answer(&mut self.core, &key, 481, now);
        };
        let in_order = self.with_call(&id, |call, _| {
            let dialog = match &mut call.phase {
                Phase::Called(called) => Some(&mut called.dialog),
                Phase::Up(up) => Some(&mut up.dialog),
                Phase::Leaving(leaving) => leaving.bye.as_deref_mut(),
                Phase::Calling(calling) => calling
                    .forks
                    .iter_mut()
                    .map(|fork| &mut fork.dialog)
                    .find(|dialog| dialog.has_request(&request.ids)),
                Phase::Over => None,
            };
            dialog.is_some_and(|dialog| dialog.take_request(request).is_ok())
        });
        if in_order != Some(true) {
            self.core.count_malformed("a request whose CSeq goes back");
            return core_answer(&mut self.core, &key, 500, now);
        }
        // Our goodbye is under way: only theirs still counts.
        let over = self.calls.get(&id).is_none_or(|call| !call.is_live());
        if over && request.method != Method::Bye {
            return core_answer(&mut self.core, &key, 481, now);
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "other methods are not for dialogs, or unknown"
        )]
        match &request.method {
            Method::Bye => {
                core_answer(&mut self.core, &key, 200, now);
                self.with_call(&id, |call, core| call.on_bye(&request.headers, core, now));
            }
            Method::Invite | Method::Update => {
                self.with_call(&id, |call, core| {
                    call.on_their_offer(request, key, core, now)
                });
            }
            Method::Prack => {
                let replaced =
                    self.with_call(&id, |call, core| call.on_prack(request, &key, core, now));
                self.end_replaced(replaced.flatten(), now);
            }
            Method::Info => {
                self.with_call(&id, |call, core| call.on_info(request, &key, core, now));
            }
            Method::Message => {
                self.with_call(&id, |call, core| call.on_text(request, &key, core, now));
            }
            Method::Notify => {
                self.with_call(&id, |call, core| call.on_notify(request, &key, core, now));
            }
            Method::Options => self.on_options(&key, 200, now),
            Method::Refer => self.on_refer(Some(id), request, key, now),
            Method::Subscribe => {
                if !self.on_refer_subscribe(request, &key, now) {
                    self.refuse_event(request, &key, now);
                }
            }
            _ => self.on_unknown_method(&key, now),
        }
    }

    /// RFC 6665, 7.2.1: a package that we do not tell about. How a REFER goes is told to who sent it, and to nobody else
    /// (RFC 3515, 2.4.4).
    fn refuse_event(&mut self, request: &Request, key: &ServerKey, now: Instant) {
        let event = request.headers.parametrised(&HeaderName::Event);
        let known = event.is_some_and(|(event, _)| event.eq_ignore_ascii_case(ALLOW_EVENTS));
        let allowed = (HeaderName::AllowEvents, ALLOW_EVENTS);
        let status = if known { 403 } else { 489 };
        core_answer_with(&mut self.core, key, status, &[allowed], now);
    }

    /// A request outside dialogs.
    fn on_outside(&mut self, flow: FlowId, request: &Request, key: ServerKey, now: Instant) {
        if !is_known(&request.method) {
            return self.on_unknown_method(&key, now);
        }
        if !request.uri.is_sip() {
            return core_answer(&mut self.core, &key, 416, now);
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "other methods need a dialog, or are unknown"
        )]
        match &request.method {
            Method::Invite => self.on_invite(flow, request, key, now),
            Method::Options => {
                let status = if self.stopping {
                    480
                } else if self.ringing() >= MOST_RINGING {
                    486
                } else {
                    200
                };
                self.on_options(&key, status, now);
            }
            Method::Message => self.on_message_outside(request, &key, now),
            Method::Notify if self.on_unasked_notice(request, &key, now) => {}
            Method::Bye | Method::Prack | Method::Update | Method::Info | Method::Notify => {
                core_answer(&mut self.core, &key, 481, now);
            }
            Method::Refer => self.on_refer(None, request, key, now),
            Method::Subscribe => self.refuse_event(request, &key, now),
            _ => self.on_unknown_method(&key, now),
        }
    }

    fn on_unknown_method(&mut self, key: &ServerKey, now: Instant) {
        let allow = (HeaderName::Allow, ALLOW);
        core_answer_with(&mut self.core, key, 405, &[allow], now);
    }

    /// Answered as an INVITE would be (11.2): servers use it as a ping.
    fn on_options(&mut self, key: &ServerKey, status: u16, now: Instant) {
        let supported = headers::supported(&self.core.config);
        let packages = headers::recv_info(&self.core.config);
        let lines = [
            (HeaderName::Allow, ALLOW),
            (HeaderName::Accept, ACCEPT),
            (HeaderName::AcceptEncoding, "identity"),
            (HeaderName::AcceptLanguage, "en"),
            (HeaderName::Supported, supported.as_str()),
            (HeaderName::AllowEvents, ALLOW_EVENTS),
            (recv_info_name(), packages.as_str()),
        ];
        core_answer_with(&mut self.core, key, status, &lines, now);
    }

    fn ringing(&self) -> usize {
        self.calls
            .values()
            .filter(|call| matches!(call.phase, Phase::Called(_)))
            .count()
    }

    fn on_invite(&mut self, flow: FlowId, request: &Request, key: ServerKey, now: Instant) {
        let core = &mut self.core;
        if !core.agent.is_named(&request.uri, &core.config) {
            return core_answer(core, &key, 404, now);
        }
        if self.stopping {
            return core_answer(core, &key, 480, now);
        }
        if request.has_foreign_body() {
            return core_answer_with(core, &key, 415, &READABLE, now);
        }
        // An INVITE without an offer gets ours, which it must be able to read (RFC 4475, 3.3.15).
        if !headers::reads_sdp(&request.headers) {
            return core_answer(core, &key, 406, now);
        }
        // The same request by two ways (8.2.2.2).
        if core.servers.is_merged(request, &key) {
            return core_answer(core, &key, 482, now);
        }
        let wanted = core.config.session_expires;
        let Ok(session) = SessionTimer::as_callee(&request.headers, wanted) else {
            let least = LEAST.as_secs().to_string();
            let line = (HeaderName::MinSe, least.as_str());
            return core_answer_with(core, &key, 422, &[line], now);
        };
        let replaces = match self.replaced_by(request, now) {
            Ok(replaces) => replaces,
            Err(status) => return core_answer(&mut self.core, &key, status, now),
        };
        if self.ringing() >= MOST_RINGING {
            return core_answer(&mut self.core, &key, 486, now);
        }
        let call = Call::called(
            request,
            key.clone(),
            flow,
            session,
            replaces,
            &mut self.core,
            now,
        );
        match call {
            Some(call) => {
                self.calls.insert(call.id.clone(), call);
            }
            // No Contact, or Record-Routes that cannot be read: no dialog can be made.
            None => core_answer(&mut self.core, &key, 400, now),
        }
    }

    /// Which call an INVITE wants to take the place of (RFC 3891, 3).
    fn replaced_by(&self, request: &Request, now: Instant) -> Result<Option<Replaced>, u16> {
        let mut lines = request.headers.all(&HeaderName::Replaces);
        let Some(line) = lines.next() else {
            return Ok(None);
        };
        if lines.next().is_some() {
            return Err(400);
        }
        let name = DialogName::read_replaces(&line).ok_or(400_u16)?;
        let found = self.calls.values().find(|call| {
            call.dialogs().any(|dialog| {
                dialog.call_id == name.call_id
                    && dialog.local_tag() == name.to_tag
                    && dialog.remote_tag() == name.from_tag
            })
        });
        let Some(found) = found else {
            let ended = self.core.ended.has(&name, now);
            return Err(if ended { 603 } else { 481 });
        };
        match &found.phase {
            Phase::Up(_) if name.early_only => Err(486),
            // Who proves no right to it, as who was sent by somebody that says so nowhere, rings as any other: our user is asked.
            Phase::Up(up) => Ok(Some(Replaced {
                call: found.id.clone(),
                unasked: may_replace(&up.dialog, request),
                was_up: true,
            })),
            // Whoever picks up a call of ours that rings elsewhere is somebody else by nature: our user is asked.
            Phase::Calling(calling) => {
                let mut forks = calling.forks.iter().map(|fork| &fork.dialog);
                let named = forks.find(|dialog| dialog.remote_tag() == name.from_tag);
                Ok(Some(Replaced {
                    call: found.id.clone(),
                    unasked: named.is_some_and(|dialog| may_replace(dialog, request)),
                    was_up: false,
                }))
            }
            Phase::Called(_) => Err(481),
            Phase::Leaving(_) | Phase::Over => Err(603),
        }
    }
}

/// Whether a method is one of those that Allow names.
fn is_known(method: &Method) -> bool {
    let method = method.to_string();
    ALLOW.split(", ").any(|known| known == method)
}

/// Whether who sent that INVITE may take the place of a dialog's far side (RFC 3891, 3): it is that far side, or sent by it. A
/// stranger who knows three names is neither, and nobody's address proves nothing.
fn may_replace(dialog: &Dialog, request: &Request) -> bool {
    let theirs = &dialog.remote.uri;
    let referred = request.headers.address(&HeaderName::ReferredBy);
    let sent = referred.is_some_and(|by| by.uri.is_same_party(theirs));
    !is_nobody(theirs) && (sent || request.ids.from.uri.is_same_party(theirs))
}

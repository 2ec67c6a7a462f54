//! Calls to clients: INVITE as the calling end.

use std::time::Instant;

use offhook_signaling::cause::Cause;
use offhook_signaling::sip::message::quoted::Quoted;
use offhook_signaling::sip::message::response::Response;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::sip::call::{Call, Purpose, Ringing};
use crate::sip::dialog::Dialog;
use crate::sip::responses::{ALLOW, SUPPORTED};
use crate::sip::server::{Around, Server};
use crate::sip::session_timer::{self, INTERVAL, LEAST};
use crate::switch::cause::{USER_NOT_REGISTERED, cause};
use crate::switch::leg::{EndpointId, LegId, Party};

impl Server {
    /// Calls a client.
    pub(super) fn ring(
        &mut self,
        leg: LegId,
        endpoint: EndpointId,
        caller: &Party,
        callee: &Party,
        sdp: Option<String>,
        around: &mut Around<'_>,
    ) {
        let device = self.location.device(endpoint);
        let Some((device, flow)) = device.and_then(|it| Some((it, it.flows.first()?))) else {
            return around.exchange.hang_up(leg, cause(USER_NOT_REGISTERED));
        };
        let theirs = self.calls.values().filter(|call| call.user == device.user);
        if theirs.count() >= around.limits.calls_per_session {
            return around.exchange.hang_up(leg, Cause::USER_BUSY);
        }
        let (user, instance) = (device.user.clone(), device.instance.clone());
        let (uri, socket, path) = (flow.uri.clone(), flow.socket, flow.path.clone());
        let own = self.uri_of(&caller.number);
        let to = format!("sip:{}@{}", callee.number, device.host);
        let mut request = self.outside(Method::Invite, uri, &own, &to);
        let content = &mut request.content;
        for route in path {
            content.push(&HeaderName::Route, route);
        }
        if !caller.name.is_empty() {
            let from = content.get(&HeaderName::From).unwrap_or_default();
            let from = format!("{} {from}", Quoted(&caller.name));
            content.remove(&HeaderName::From);
            content.push(&HeaderName::From, from);
        }
        content.push(&HeaderName::Contact, format!("<{own}>"));
        content.push(&HeaderName::PAssertedIdentity, format!("<{own}>"));
        content.push(&HeaderName::Allow, ALLOW);
        content.push(&HeaderName::Supported, SUPPORTED);
        content.push(&HeaderName::SessionExpires, INTERVAL.to_string());
        content.push(&HeaderName::MinSe, LEAST.to_string());
        content.push_named("Recv-Info", "");
        if let Some(sdp) = sdp {
            content.set_body("application/sdp", sdp);
        }
        let get = |name| request.content.get(&name).unwrap_or_default().to_owned();
        let dialog = Dialog {
            call_id: get(HeaderName::CallId),
            local: get(HeaderName::From),
            remote: get(HeaderName::To),
            local_tag: tag_of(&get(HeaderName::From)),
            remote_tag: String::new(),
            target: request.uri.clone(),
            routes: Vec::new(),
            local_cseq: 1,
            remote_cseq: 0,
        };
        let late = request.content.body().is_empty();
        let name = (dialog.call_id.clone(), dialog.local_tag.clone());
        self.dialogs.insert(name, leg);
        let branch = self.send(socket, request, Purpose::Invite(leg), around.now);
        let call = Call {
            instance,
            ringing: Some(Ringing {
                branch,
                rseqs: std::collections::BTreeMap::new(),
                answer: None,
            }),
            late,
            ..Call::begun(user, socket, dialog, caller.number.clone())
        };
        let user = call.user.clone();
        self.calls.insert(leg, call);
        self.stirred.push(user);
    }

    /// The client rings, or answers in advance: what is reliable is acknowledged (RFC 3262, 4).
    pub(super) fn on_rings(&mut self, leg: LegId, branch: &str, response: &Response, now: Instant) {
        let tag = response.ids.to_tag().to_owned();
        let reliable = response.headers.lists(&HeaderName::Require, "100rel");
        let rseq = response.headers.number(&HeaderName::RSeq);
        let (Some(rseq), true, true) = (rseq, reliable, response.status > 100) else {
            return;
        };
        let Some(client) = self.clients.get(branch) else {
            return;
        };
        let (socket, dialog) = (client.socket, Dialog::calling(&client.request, response));
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        let Some(ringing) = &mut call.ringing else {
            return;
        };
        let next = ringing.rseqs.get(&tag).map(|last| last.saturating_add(1));
        if next.is_some_and(|next| next != rseq) {
            return;
        }
        ringing.rseqs.insert(tag, rseq);
        if let Some(sdp) = response.sdp() {
            ringing.answer = Some(sdp);
        }
        let Some(mut dialog) = dialog else { return };
        // Numbers of one dialog go up, over all of its PRACKs.
        dialog.local_cseq = call.dialog.local_cseq.max(dialog.local_cseq);
        let mut request = dialog.request(Method::Prack, None);
        call.dialog.local_cseq = dialog.local_cseq;
        let rack = format!("{rseq} {} INVITE", response.ids.cseq);
        request.content.push(&HeaderName::RAck, rack);
        self.send(socket, request, Purpose::Plain, now);
    }

    /// A 2xx to an INVITE of ours, the first or another one.
    pub(super) fn on_invite_taken(
        &mut self,
        branch: &str,
        response: &Response,
        around: &mut Around<'_>,
    ) {
        let now = around.now;
        let Some(client) = self.clients.get_mut(branch) else {
            return;
        };
        let (socket, purpose) = (client.socket, client.purpose.clone());
        let tag = response.ids.to_tag().to_owned();
        if let Some(ack) = client.acks.get(&tag).cloned() {
            return self.put(socket, crate::verto::line::Item::Text(ack), now);
        }
        let first = !std::mem::replace(&mut client.over, true);
        if !first && client.acks.is_empty() {
            // Its ACK waits for the media side.
            return;
        }
        let dialog = Dialog::calling(&client.request, response);
        let leg = match purpose {
            Purpose::Invite(leg) => leg,
            Purpose::Reoffer(leg) => return self.on_reoffer_taken(leg, branch, response, around),
            Purpose::Refresh(_) | Purpose::Bye | Purpose::Notify(_) | Purpose::Plain => return,
        };
        // Its repetitions are acknowledged for so long.
        self.deadlines.set(
            crate::sip::server::Due::Client(branch.to_owned()),
            now + crate::sip::call::LIFE,
        );
        let Some(mut dialog) = dialog else { return };
        let wanted = first
            && self
                .calls
                .get(&leg)
                .is_some_and(|call| call.ringing.is_some());
        if !wanted {
            // Nobody wants it any more.
            let ack = self.acknowledge(socket, &mut dialog, response.ids.cseq, None, now);
            if let Some(client) = self.clients.get_mut(branch) {
                client.acks.insert(tag, ack);
            }
            let bye = dialog.request(Method::Bye, None);
            self.send(socket, bye, Purpose::Bye, now);
            return;
        }
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        let ringing = call.ringing.take();
        dialog.local_cseq = call.dialog.local_cseq.max(dialog.local_cseq);
        call.dialog = dialog;
        call.socket = socket;
        call.allows_update = response.headers.allows(&Method::Update).unwrap_or(false);
        call.session = session_timer::granted(&response.headers);
        let late = call.late;
        let sdp = response.sdp();
        let early = ringing.and_then(|ringing| ringing.answer);
        self.start_session(leg, now);
        if late {
            let taken = sdp.map(|sdp| around.exchange.answer_with_offer(leg, sdp));
            if taken.is_none_or(|taken| taken.is_err()) {
                self.acknowledge_taken(leg, branch, response, None, now);
                self.hang_up_client(leg, &Cause::INCOMPATIBLE_DESTINATION, now);
                around
                    .exchange
                    .hang_up(leg, Cause::INCOMPATIBLE_DESTINATION);
            } else if let Some(call) = self.calls.get_mut(&leg) {
                call.described = Some(branch.to_owned());
            }
            return;
        }
        self.acknowledge_taken(leg, branch, response, None, now);
        let taken = early.or(sdp).map(|sdp| around.exchange.answer(leg, sdp));
        if taken.is_none_or(|taken| taken.is_err()) {
            self.hang_up_client(leg, &Cause::INCOMPATIBLE_DESTINATION, now);
            around
                .exchange
                .hang_up(leg, Cause::INCOMPATIBLE_DESTINATION);
        }
    }

    fn acknowledge_taken(
        &mut self,
        leg: LegId,
        branch: &str,
        response: &Response,
        answer: Option<&str>,
        now: Instant,
    ) {
        let Some(call) = self.calls.get(&leg) else {
            return;
        };
        let (mut dialog, socket) = (call.dialog.clone(), call.socket);
        let ack = self.acknowledge(socket, &mut dialog, response.ids.cseq, answer, now);
        if let Some(client) = self.clients.get_mut(branch) {
            client.acks.insert(response.ids.to_tag().to_owned(), ack);
        }
    }

    /// The answer to the offer in a client's 2xx goes with our ACK.
    pub(super) fn acknowledge_late(&mut self, leg: LegId, sdp: &str, around: &mut Around<'_>) {
        let Some(call) = self.calls.get_mut(&leg) else {
            return;
        };
        let branch = call.described.take().unwrap_or_default();
        call.late = false;
        let (mut dialog, socket) = (call.dialog.clone(), call.socket);
        let tag = dialog.remote_tag.clone();
        // The INVITE was the first request of the dialog.
        let ack = self.acknowledge(socket, &mut dialog, 1, Some(sdp), around.now);
        if let Some(client) = self.clients.get_mut(&branch) {
            client.acks.insert(tag, ack);
        }
    }

    /// A client refuses our call, or says nothing.
    pub(super) fn on_invite_refused(
        &mut self,
        leg: LegId,
        _branch: &str,
        status: u16,
        response: Option<&Response>,
        around: &mut Around<'_>,
    ) {
        if self.forget_call(leg).is_none() {
            return;
        }
        let why = match status {
            300..400 => Cause::CALL_REJECTED,
            _ => Cause::from_sip(status).unwrap_or(Cause::CALL_REJECTED),
        };
        let told = response.and_then(|response| response.headers.get(&HeaderName::Reason));
        let why = told
            .and_then(|reason| cause_of_reason(&reason))
            .unwrap_or(why);
        around.exchange.hang_up(leg, why);
    }
}

/// The cause that a Reason names (RFC 3326).
pub(super) fn cause_of_reason(reason: &str) -> Option<Cause> {
    let code = reason
        .split(';')
        .filter_map(|part| part.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("cause"))?
        .1;
    let code: u16 = code.trim().parse().ok()?;
    let protocol = reason.split(';').next()?.trim();
    if protocol.eq_ignore_ascii_case("q.850") {
        Some(cause(code))
    } else if protocol.eq_ignore_ascii_case("sip") && code >= 300 {
        Cause::from_sip(code)
    } else {
        None
    }
}

fn tag_of(from: &str) -> String {
    from.rsplit_once(";tag=")
        .map_or_else(String::new, |(_, tag)| tag.to_owned())
}

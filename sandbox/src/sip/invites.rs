//! Calls that clients make: INVITE, CANCEL, ACK, BYE as the called end.

use offhook_signaling::cause::Cause;
use offhook_signaling::sip::auth::challenge::Asker;
use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::bare::Bare;
use offhook_signaling::sip::message::outgoing::OutgoingResponse;
use offhook_signaling::sip::message::request::Request;

use crate::face::SIP;
use crate::sip::call::{Call, Invite, LIFE, Reliable, TransactionKey};
use crate::sip::dialog::Dialog;
use crate::sip::names;
use crate::sip::responses::ALLOW;
use crate::sip::scenes::{self, Refusal, Scene, is_wide};
use crate::sip::server::{Around, Due, Server};
use crate::switch::exchange::ClientCall;
use crate::switch::leg::{Endpoint, EndpointId, LegId, Party};
use crate::switch::offered;
use crate::switch::renewal::offered_or_all;
use crate::verto::socket::SocketId;

/// Most INVITEs that are kept in mind.
const MAX_INVITES: usize = 16 * 1024;
/// Who calls without a name.
pub(super) const ANONYMOUS: &str = "anonymous";

/// Who calls, and what for.
struct Wanted {
    user: String,
    caller: Party,
    dialled: String,
    only: Option<EndpointId>,
    offer: Option<String>,
    scene: Option<Scene>,
}

impl Server {
    pub(super) fn on_invite(
        &mut self,
        socket: SocketId,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        let key = TransactionKey::of(request);
        if let Some(known) = self.invites.get(&key) {
            let (last, theirs) = (known.last.clone(), known.socket);
            let user = |id| self.sockets.get(&id).and_then(|it| it.user.as_ref());
            if theirs != socket && (user(theirs).is_none() || user(theirs) != user(socket)) {
                // Somebody else's branch.
                return self.refuse(socket, request, 482, around.now);
            }
            // The same again: the same answer.
            if let Some(payload) = last {
                self.put(socket, payload.into(), around.now);
            }
            return;
        }
        let identity = (request.ids.call_id.clone(), request.ids.cseq);
        // The same request on another way (RFC 3261, 8.2.2.2).
        let from = request.headers.bytes(&HeaderName::From);
        let merged = self.invites.values().any(|known| {
            !known.over && known.identity == identity && Some(&known.request.from) == from.as_ref()
        });
        if merged {
            return self.refuse(socket, request, 482, around.now);
        }
        let Some(user) = self.sender(socket, request, around) else {
            return;
        };
        if self.is_busy(socket, request, &user, around) {
            return;
        }
        let offer = request.sdp();
        if offer.is_none() && !request.body.is_empty() {
            let mut answer = self.answer(request, 415);
            answer.content.push(&HeaderName::Accept, "application/sdp");
            return self.respond(socket, answer, around.now);
        }
        if request.headers.address(&HeaderName::Contact).is_none() {
            return self.refuse(socket, request, 400, around.now);
        }
        let dialled = request.uri.user().unwrap_or_default();
        let scene = scenes::scene(&dialled);
        let least = scene.as_ref().map_or(90, |scene| scene.min_se);
        if self.refuses_session(socket, request, least, around.now) {
            return;
        }
        let theirs = self.calls.values().filter(|call| call.user == user).count();
        if theirs >= around.limits.calls_per_session || self.invites.len() >= MAX_INVITES {
            return self.refuse(socket, request, 503, around.now);
        }
        if scene.as_ref().is_some_and(|scene| scene.mute) {
            return;
        }
        tracing::info!(socket = socket.0, user, number = %dialled, "call");
        let only = self.location.by_gruu(&request.uri);
        let called = only.and_then(|id| self.location.device(id));
        let wanted = Wanted {
            caller: caller(request, &user),
            user,
            dialled: called.map_or(dialled, |device| device.user.clone()),
            only,
            offer,
            scene,
        };
        let invite = Invite {
            request: Bare::from(request),
            socket,
            identity,
            legs: Vec::new(),
            last: None,
            over: false,
        };
        self.invites.insert(key.clone(), invite);
        let trying = OutgoingResponse::to(&Bare::from(request), 100, "");
        self.respond(socket, trying, around.now);
        if let Some(old) = request.headers.get(&HeaderName::Replaces) {
            return self.on_replaces(
                socket,
                request,
                key,
                wanted.into_call(socket, self),
                &old,
                around,
            );
        }
        self.place(socket, request, &key, wanted, around);
    }

    fn place(
        &mut self,
        socket: SocketId,
        request: &Request,
        key: &TransactionKey,
        wanted: Wanted,
        around: &mut Around<'_>,
    ) {
        let mut scene = wanted.scene.clone();
        if let Some(refusal) = scene.as_mut().and_then(|scene| scene.refusal.take()) {
            return self.refuse_invite(key, request, &refusal, around);
        }
        let plain = scene.as_ref().is_some_and(|scene| scene.plain);
        if plain && request.sdp().as_deref().is_some_and(is_wide) {
            let answer = self.answer(request, 488);
            return self.finish_invite(key, answer, around);
        }
        let knows = |option| {
            request.headers.lists(&HeaderName::Supported, option)
                || request.headers.lists(&HeaderName::Require, option)
        };
        let must = scene.as_ref().is_some_and(|scene| scene.reliable);
        if must && !knows("100rel") {
            let mut answer = self.answer(request, 421);
            answer.content.push(&HeaderName::Require, "100rel");
            return self.finish_invite(key, answer, around);
        }
        let scripts = match &scene {
            Some(scene) => scene.forks.iter().cloned().map(Some).collect(),
            None => vec![None],
        };
        for script in scripts {
            let new = ClientCall {
                script,
                ..wanted.new_call(socket, self)
            };
            let leg = around.exchange.call(new, around.now);
            self.remember_invite(socket, request, key, leg, &wanted, scene.as_ref());
        }
    }

    /// Ties a leg to the client's INVITE.
    fn remember_invite(
        &mut self,
        socket: SocketId,
        request: &Request,
        key: &TransactionKey,
        leg: LegId,
        wanted: &Wanted,
        scene: Option<&Scene>,
    ) {
        let far = wanted.dialled.clone();
        let call = self.new_call(socket, request, key, &wanted.user, far);
        let Some(mut call) = call else { return };
        if let Some(scene) = scene {
            call.acts = scene.acts.iter().copied().collect();
            call.glares = scene.glares;
            call.plain = scene.plain;
            call.reliable.wanted |= scene.reliable;
        }
        self.agree_session(
            &mut call,
            &request.headers,
            scene.and_then(|scene| scene.session),
        );
        self.add_call(leg, call, key);
    }

    pub(super) fn add_call(&mut self, leg: LegId, call: Call, key: &TransactionKey) {
        let name = (call.dialog.call_id.clone(), call.dialog.local_tag.clone());
        self.dialogs.insert(name, leg);
        self.stirred.push(call.user.clone());
        self.calls.insert(leg, call);
        if let Some(invite) = self.invites.get_mut(key) {
            invite.legs.push(leg);
        }
    }

    /// A call of a client's INVITE.
    pub(super) fn new_call(
        &mut self,
        socket: SocketId,
        request: &Request,
        key: &TransactionKey,
        user: &str,
        far: String,
    ) -> Option<Call> {
        let tag = names::token(&mut self.rng);
        let dialog = Dialog::called(request, &tag)?;
        let device = self.device_on(socket, user);
        let instance = device.and_then(|id| self.location.device(id)?.instance.clone());
        Some(Call {
            instance,
            from_client: true,
            allows_update: request
                .headers
                .allows(&offhook_signaling::sip::message::Method::Update)
                .unwrap_or(false),
            invite: Some(key.clone()),
            reliable: Reliable {
                wanted: request.headers.lists(&HeaderName::Require, "100rel"),
                rseq: 0,
                ..Reliable::default()
            },
            late: request.sdp().is_none(),
            ..Call::begun(user.to_owned(), socket, dialog, far)
        })
    }

    /// The device of a user that registered over a connection.
    pub(super) fn device_on(&self, socket: SocketId, user: &str) -> Option<EndpointId> {
        self.location.on_socket(socket).into_iter().find(|id| {
            let device = self.location.device(*id);
            device.is_some_and(|device| device.user == user)
        })
    }

    /// Who sends a request outside calls: proved, or nobody in particular where it says so.
    pub(super) fn sender(
        &mut self,
        socket: SocketId,
        request: &Request,
        around: &mut Around<'_>,
    ) -> Option<String> {
        let from = &request.ids.from.uri;
        let user = from.user().unwrap_or_default();
        let hidden =
            user == ANONYMOUS || from.host().is_some_and(|host| host == "anonymous.invalid");
        let known = self
            .sockets
            .get(&socket)
            .and_then(|socket| socket.user.clone());
        if hidden && known.is_none() {
            return Some(ANONYMOUS.to_owned());
        }
        let wanted = (!hidden).then_some(user);
        let known = self.authenticate(socket, request, Asker::Proxy, wanted.as_deref(), around)?;
        Some(known.user)
    }

    fn refuse_invite(
        &mut self,
        key: &TransactionKey,
        request: &Request,
        refusal: &Refusal,
        around: &mut Around<'_>,
    ) {
        let mut answer = self.answer(request, refusal.status);
        let content = &mut answer.content;
        if let Some(seconds) = refusal.retry_after {
            content.push(&HeaderName::RetryAfter, seconds.to_string());
        }
        if let Some(option) = refusal.unsupported {
            content.push(&HeaderName::Unsupported, option);
        }
        if let Some(number) = refusal.contact {
            let host = request.ids.to.uri.host().unwrap_or_default();
            content.push(&HeaderName::Contact, format!("<sip:{number}@{host}>"));
        }
        self.finish_invite(key, answer, around);
    }

    /// The final refusal of a client's INVITE.
    pub(super) fn finish_invite(
        &mut self,
        key: &TransactionKey,
        answer: OutgoingResponse,
        around: &mut Around<'_>,
    ) {
        let payload = self.response(answer);
        let Some(invite) = self.invites.get_mut(key) else {
            return;
        };
        invite.last = Some(payload.clone());
        invite.over = true;
        let socket = invite.socket;
        self.deadlines
            .set(Due::Invite(key.clone()), around.now + LIFE);
        self.put(socket, payload.into(), around.now);
    }

    pub(super) fn on_cancel(
        &mut self,
        socket: SocketId,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        let key = TransactionKey::of(request);
        let known = self.invites.get(&key);
        let same = known.filter(|known| known.identity.0 == request.ids.call_id);
        let Some(invite) = same else {
            return self.refuse(socket, request, 481, around.now);
        };
        let (legs, over, bare) = (invite.legs.clone(), invite.over, invite.request.clone());
        self.refuse(socket, request, 200, around.now);
        if over {
            return;
        }
        let reason = request.headers.get(&HeaderName::Reason);
        tracing::info!(socket = socket.0, ?reason, "cancelled");
        for leg in legs {
            self.forget_call(leg);
            around.exchange.hang_up(leg, Cause::ORIGINATOR_CANCEL);
        }
        let tag = names::token(&mut self.rng);
        let answer = OutgoingResponse::to(&bare, 487, &tag);
        self.finish_invite(&key, answer, around);
    }

    /// A call is not known any more.
    pub(super) fn forget_call(&mut self, leg: LegId) -> Option<Call> {
        let call = self.calls.remove(&leg)?;
        let name = (call.dialog.call_id.clone(), call.dialog.local_tag.clone());
        self.dialogs.remove(&name);
        self.clear_timers(leg);
        self.stirred.push(call.user.clone());
        Some(call)
    }
}

impl Wanted {
    fn new_call(&self, socket: SocketId, server: &Server) -> ClientCall {
        let device = server.device_on(socket, &self.user);
        ClientCall {
            endpoint: Endpoint {
                id: device.unwrap_or(EndpointId(u64::MAX)),
                face: &SIP,
            },
            user: self.user.clone(),
            caller: self.caller.clone(),
            dialled: self.dialled.clone(),
            codecs: offered_or_all(self.offer.as_deref()),
            digits: self.offer.as_deref().is_none_or(offered::digits),
            offer: self.offer.clone(),
            script: None,
            only: self.only,
        }
    }

    fn into_call(self, socket: SocketId, server: &Server) -> ClientCall {
        self.new_call(socket, server)
    }
}

/// Whom the called end sees.
fn caller(request: &Request, user: &str) -> Party {
    let privacy = request.headers.get(&HeaderName::Privacy);
    let hides = privacy.is_some_and(|words| words.contains("id") || words.contains("user"));
    if hides || request.ids.from.uri.user().as_deref() == Some(ANONYMOUS) {
        return Party {
            name: "Anonymous".to_owned(),
            number: ANONYMOUS.to_owned(),
        };
    }
    Party {
        name: request.ids.from.display_name.clone().unwrap_or_default(),
        number: user.to_owned(),
    }
}

/// What every answer that makes a dialog has.
pub(super) fn push_dialog(
    content: &mut offhook_signaling::sip::message::outgoing::Content,
    request: &Bare,
    contact: &str,
) {
    for route in &request.record_routes {
        content.copy(&HeaderName::RecordRoute, route);
    }
    content.push(&HeaderName::Contact, format!("<{contact}>"));
    content.push(&HeaderName::Allow, ALLOW);
}

//! Who watches whom (RFC 6665): presence, dialogs, waiting messages; PUBLISH of presence (RFC 3903).

use std::time::{Duration, Instant};

use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::fault::gateway::GatewayFault;
use crate::sip::call::Purpose;
use crate::sip::dialog::Dialog;
use crate::sip::documents;
use crate::sip::names;
use crate::sip::server::{Around, Due, Server};
use crate::verto::socket::SocketId;

/// Most subscriptions of one user, and of all.
const MAX_OF_USER: usize = 256;
const MAX_OF_ALL: usize = 64 * 1024;
/// Lengths in seconds.
const MAX_EXPIRES: u32 = 3600;
/// Longest document that is published.
const MAX_DOCUMENT: usize = 16 * 1024;

/// Names a subscription: Call-ID and our tag.
pub(super) type Name = (String, String);

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Presence,
    Dialog,
    Mailbox,
}

impl Kind {
    fn read(event: &str) -> Option<Self> {
        let package = event.split(';').next().unwrap_or_default().trim();
        Some(match package {
            "presence" => Self::Presence,
            "dialog" => Self::Dialog,
            "message-summary" => Self::Mailbox,
            _ => return None,
        })
    }
}

/// One watcher's dialog.
#[derive(Debug)]
pub(super) struct Subscription {
    dialog: Dialog,
    socket: SocketId,
    /// Who watches.
    user: String,
    /// Who is watched.
    target: String,
    kind: Kind,
    /// The Event header as the watcher wrote it.
    event: String,
    expires: Instant,
    version: u32,
}

/// What a user published.
#[derive(Debug)]
pub(super) struct Publication {
    tag: String,
    document: String,
}

impl Server {
    pub(super) fn on_subscribe(
        &mut self,
        socket: SocketId,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        let Some(user) = self.sender(socket, request, around) else {
            return;
        };
        if self.is_busy(socket, request, &user, around) {
            return;
        }
        let event = request.headers.get(&HeaderName::Event).unwrap_or_default();
        let Some(kind) = Kind::read(&event) else {
            return self.refuse_event(socket, request, around.now);
        };
        let target = request.uri.user().unwrap_or_default();
        if self.named(&target).is_none() && !around.exchange.is_registered(&target) {
            return self.refuse(socket, request, 404, around.now);
        }
        let theirs = self.subscriptions.values().filter(|it| it.user == user);
        if theirs.count() >= MAX_OF_USER || self.subscriptions.len() >= MAX_OF_ALL {
            return self.refuse(socket, request, 503, around.now);
        }
        let tag = names::token(&mut self.rng);
        let Some(dialog) = Dialog::called(request, &tag) else {
            return self.refuse(socket, request, 400, around.now);
        };
        let name = (dialog.call_id.clone(), tag);
        let subscription = Subscription {
            dialog,
            socket,
            user,
            target,
            kind,
            event,
            expires: around.now,
            version: 0,
        };
        self.subscriptions.insert(name.clone(), subscription);
        self.extend(socket, &name, request, around);
        let end = self.subscriptions.get(&name).and_then(|it| {
            around.wishes.take(&it.user, |fault| {
                if let GatewayFault::SubscriptionEnd(reason) = fault {
                    Some(reason)
                } else {
                    None
                }
            })
        });
        if let Some(reason) = end {
            self.end_subscription(&name, reason, around);
        }
    }

    /// A SUBSCRIBE within a dialog: longer, or no more.
    pub(super) fn on_resubscribe(
        &mut self,
        socket: SocketId,
        name: &Name,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        let user = self.sockets.get(&socket).and_then(|it| it.user.clone());
        let Some(known) = self.subscriptions.get_mut(name) else {
            return;
        };
        if known.socket != socket && user.as_ref() != Some(&known.user) {
            return self.refuse(socket, request, 403, around.now);
        }
        if request.ids.cseq <= known.dialog.remote_cseq {
            return self.refuse(socket, request, 500, around.now);
        }
        known.dialog.remote_cseq = request.ids.cseq;
        known.dialog.refresh_target(&request.headers);
        known.socket = socket;
        self.extend(socket, name, request, around);
    }

    /// Grants what is asked for, and tells how things stand.
    fn extend(
        &mut self,
        socket: SocketId,
        name: &Name,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        let asked = request.headers.number(&HeaderName::Expires);
        let expires = asked.unwrap_or(MAX_EXPIRES).min(MAX_EXPIRES);
        let Some(known) = self.subscriptions.get_mut(name) else {
            return;
        };
        let at = around.now + Duration::from_secs(expires.into());
        known.expires = at;
        let (tag, target) = (name.1.clone(), known.target.clone());
        let contact = self.uri_of(&target);
        let bare = offhook_signaling::sip::message::bare::Bare::from(request);
        let mut answer =
            offhook_signaling::sip::message::outgoing::OutgoingResponse::to(&bare, 200, &tag);
        for route in &bare.record_routes {
            answer.content.copy(&HeaderName::RecordRoute, route);
        }
        let content = &mut answer.content;
        content.push(&HeaderName::Contact, format!("<{contact}>"));
        content.push(&HeaderName::Expires, expires.to_string());
        self.respond(socket, answer, around.now);
        if expires == 0 {
            return self.end_subscription(name, "timeout", around);
        }
        self.deadlines.set(Due::Subscription(name.clone()), at);
        self.notify(name, None, around);
    }

    pub(super) fn on_subscription_due(&mut self, name: &Name, around: &mut Around<'_>) {
        self.end_subscription(name, "timeout", around);
    }

    fn end_subscription(&mut self, name: &Name, reason: &str, around: &mut Around<'_>) {
        self.notify(name, Some(reason), around);
        self.subscriptions.remove(name);
        self.deadlines.clear(&Due::Subscription(name.clone()));
    }

    /// A watcher does not know its subscription any more.
    pub(super) fn on_notified(&mut self, name: &Name, status: u16) {
        if matches!(
            status,
            404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604
        ) {
            self.subscriptions.remove(name);
            self.deadlines.clear(&Due::Subscription(name.clone()));
        }
    }

    /// Tells a watcher how things stand; `ended`: for the last time, and why.
    fn notify(&mut self, name: &Name, ended: Option<&str>, around: &mut Around<'_>) {
        let Some(known) = self.subscriptions.get(name) else {
            return;
        };
        let (target, kind, version) = (known.target.clone(), known.kind, known.version);
        let entity = format!("sip:{target}@{}", self.settings.address);
        let (body_kind, body) = match kind {
            Kind::Presence => {
                let published = self.publications.get(&target).map(|it| it.document.clone());
                let open = around.exchange.is_registered(&target);
                let document = published.unwrap_or_else(|| documents::presence(&entity, open));
                ("application/pidf+xml", document)
            }
            Kind::Dialog => {
                let calls = self.calls.values().filter(|call| call.user == target);
                let document = documents::dialogs(&entity, version, calls);
                ("application/dialog-info+xml", document)
            }
            Kind::Mailbox => {
                let counts = self.mailboxes.get(&target).copied().unwrap_or_default();
                let document = documents::mailbox(&entity, counts);
                ("application/simple-message-summary", document)
            }
        };
        let contact = self.uri_of(&target);
        let way = self.way_to_watcher(name);
        let Some(known) = self.subscriptions.get_mut(name) else {
            return;
        };
        known.version += 1;
        let left = known.expires.saturating_duration_since(around.now);
        let state = match ended {
            Some(reason @ ("giveup" | "probation")) => {
                format!("terminated;reason={reason};retry-after=5")
            }
            Some(reason) => format!("terminated;reason={reason}"),
            None => format!("active;expires={}", left.as_secs()),
        };
        let mut request = known.dialog.request(Method::Notify, None);
        let content = &mut request.content;
        content.push(&HeaderName::Contact, format!("<{contact}>"));
        content.push(&HeaderName::Event, known.event.as_str());
        content.push(&HeaderName::SubscriptionState, state);
        content.set_body(body_kind, body);
        if let Some(socket) = way {
            let purpose = Purpose::Notify(name.clone());
            self.send(socket, request, purpose, around.now);
        }
    }

    fn way_to_watcher(&self, name: &Name) -> Option<SocketId> {
        let known = self.subscriptions.get(name)?;
        let open = |id: &SocketId| self.sockets.get(id).is_some_and(|it| !it.closing);
        if open(&known.socket) {
            return Some(known.socket);
        }
        let devices = self.location.of_user(&known.user);
        devices
            .into_iter()
            .filter_map(|id| self.location.device(id))
            .flat_map(|device| &device.flows)
            .map(|flow| flow.socket)
            .find(open)
    }

    /// Something about a user has changed: whoever watches is told.
    pub(super) fn changed(&mut self, user: &str, kind: Kind, around: &mut Around<'_>) {
        let watchers: Vec<Name> = self
            .subscriptions
            .iter()
            .filter(|(_, it)| it.kind == kind && it.target == user)
            .map(|(name, _)| name.clone())
            .collect();
        for name in watchers {
            self.notify(&name, None, around);
        }
    }

    /// The same, for what happens on Verto's side.
    pub(crate) fn presence_changed(&mut self, user: &str, around: &mut Around<'_>) {
        self.changed(user, Kind::Presence, around);
    }

    pub(super) fn set_mailbox(&mut self, user: &str, counts: (u32, u32), around: &mut Around<'_>) {
        self.mailboxes.insert(user.to_owned(), counts);
        self.changed(user, Kind::Mailbox, around);
    }

    fn refuse_event(&mut self, socket: SocketId, request: &Request, now: Instant) {
        let mut answer = self.answer(request, 489);
        let known = "presence, dialog, message-summary";
        answer.content.push(&HeaderName::AllowEvents, known);
        self.respond(socket, answer, now);
    }

    pub(super) fn on_publish(
        &mut self,
        socket: SocketId,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        let now = around.now;
        let Some(user) = self.sender(socket, request, around) else {
            return;
        };
        let event = request.headers.get(&HeaderName::Event).unwrap_or_default();
        if Kind::read(&event) != Some(Kind::Presence) {
            return self.refuse_event(socket, request, now);
        }
        if request.uri.user().as_deref() != Some(&user) {
            return self.refuse(socket, request, 403, now);
        }
        let known = self.publications.get(&user).map(|it| it.tag.clone());
        let matches = request.headers.get(&HeaderName::SipIfMatch);
        if matches.is_some() && matches.as_deref().map(str::trim) != known.as_deref() {
            return self.refuse(socket, request, 412, now);
        }
        let document = String::from_utf8(request.body.to_vec()).ok();
        let document = document.filter(|text| text.len() <= MAX_DOCUMENT);
        let pidf = request.content_type().as_deref() == Some("application/pidf+xml");
        let expires = request.headers.number(&HeaderName::Expires);
        let expires = expires.unwrap_or(MAX_EXPIRES).min(MAX_EXPIRES);
        match document {
            Some(text) if text.is_empty() && matches.is_some() => {}
            Some(document) if pidf && !document.is_empty() => {
                let tag = String::new();
                let publication = Publication { tag, document };
                self.publications.insert(user.clone(), publication);
            }
            Some(_) | None => {
                let mut answer = self.answer(request, 415);
                let accept = "application/pidf+xml";
                answer.content.push(&HeaderName::Accept, accept);
                return self.respond(socket, answer, now);
            }
        }
        // Each answer has a new one (RFC 3903, 6).
        let tag = names::token(&mut self.rng);
        let due = Due::Publication(user.clone());
        if expires == 0 {
            self.publications.remove(&user);
            self.deadlines.clear(&due);
        } else if let Some(publication) = self.publications.get_mut(&user) {
            publication.tag.clone_from(&tag);
            let at = now + Duration::from_secs(expires.into());
            self.deadlines.set(due, at);
        }
        let mut answer = self.answer(request, 200);
        answer.content.push(&HeaderName::SipETag, tag);
        answer
            .content
            .push(&HeaderName::Expires, expires.to_string());
        self.respond(socket, answer, now);
        self.changed(&user, Kind::Presence, around);
    }

    pub(super) fn on_publication_due(&mut self, user: &str, around: &mut Around<'_>) {
        self.publications.remove(user);
        self.changed(user, Kind::Presence, around);
    }
}

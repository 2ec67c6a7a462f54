//! Requests of ours, and what becomes of them.

use std::collections::BTreeMap;
use std::time::Instant;

use offhook_signaling::sip::message::outgoing::{Content, OutgoingRequest};
use offhook_signaling::sip::message::response::Response;
use offhook_signaling::sip::message::uri::{Uri, escape_user};
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::sip::call::{Client, LIFE, Purpose};
use crate::sip::dialog::Dialog;
use crate::sip::names;
use crate::sip::responses::SERVER;
use crate::sip::server::{Around, Due, Server};
use crate::switch::leg::LegId;
use crate::verto::line::Item;
use crate::verto::socket::SocketId;

/// Most requests of ours that wait for answers.
const MAX_WAITING: usize = 64 * 1024;

impl Server {
    /// Our address, as a URI.
    pub(super) fn uri_of(&self, user: &str) -> String {
        let user = escape_user(user);
        format!("sip:{user}@{};transport=ws", self.settings.address)
    }

    /// The Via of a request of ours.
    fn via(&self, socket: SocketId, branch: &str) -> String {
        let socket = self.sockets.get(&socket);
        let transport = socket.map_or("WS", |socket| socket.transport);
        format!(
            "SIP/2.0/{transport} {};branch={branch}",
            self.settings.address
        )
    }

    /// Sends a request that is complete but for its Via, and waits for the answer; gives back its branch.
    pub(super) fn send(
        &mut self,
        socket: SocketId,
        request: OutgoingRequest,
        purpose: Purpose,
        now: Instant,
    ) -> String {
        let branch = names::branch(&mut self.rng);
        let mut content = Content::default();
        content.push(&HeaderName::Via, self.via(socket, &branch));
        content.push(&HeaderName::UserAgent, SERVER);
        content.append(&request.content);
        let request = OutgoingRequest { content, ..request };
        tracing::debug!(socket = socket.0, method = %request.method, "sent");
        self.put(socket, Item::Text(request.to_text()), now);
        if self.clients.len() < MAX_WAITING {
            let client = Client {
                request,
                socket,
                purpose,
                proceeding: false,
                cancel: None,
                acks: BTreeMap::new(),
                over: false,
            };
            self.clients.insert(branch.clone(), client);
            self.deadlines.set(Due::Client(branch.clone()), now + LIFE);
        }
        branch
    }

    /// Sends a request within a call; `None`: there is no such call.
    pub(super) fn send_in_call(
        &mut self,
        leg: LegId,
        method: Method,
        mut content: Content,
        purpose: Purpose,
        now: Instant,
    ) -> Option<String> {
        let far = self.calls.get(&leg)?.far.clone();
        let contact = format!("<{}>", self.uri_of(&far));
        let socket = self.way(leg);
        let call = self.calls.get_mut(&leg)?;
        let socket = socket.unwrap_or(call.socket);
        let targets = matches!(
            method,
            Method::Invite | Method::Update | Method::Refer | Method::Subscribe | Method::Notify
        );
        let mut request = call.dialog.request(method, None);
        if targets {
            request.content.push(&HeaderName::Contact, contact);
        }
        content.remove(&HeaderName::ContentLength);
        request.content.append(&content);
        Some(self.send(socket, request, purpose, now))
    }

    /// The connection over which the client of a call is reached now.
    pub(super) fn way(&self, leg: LegId) -> Option<SocketId> {
        let call = self.calls.get(&leg)?;
        let open = |id: &SocketId| self.sockets.get(id).is_some_and(|socket| !socket.closing);
        if open(&call.socket) {
            return Some(call.socket);
        }
        // The same device over another flow.
        let devices = self.location.of_user(&call.user);
        devices
            .into_iter()
            .filter_map(|id| self.location.device(id))
            .filter(|device| device.instance == call.instance)
            .flat_map(|device| &device.flows)
            .map(|flow| flow.socket)
            .find(open)
    }

    /// Acknowledges a 2xx to an INVITE of ours; the text is for its repetitions.
    pub(super) fn acknowledge(
        &mut self,
        socket: SocketId,
        dialog: &mut Dialog,
        cseq: u32,
        answer: Option<&str>,
        now: Instant,
    ) -> String {
        let branch = names::branch(&mut self.rng);
        let request = dialog.request(Method::Ack, Some(cseq));
        let mut content = Content::default();
        content.push(&HeaderName::Via, self.via(socket, &branch));
        content.append(&request.content);
        if let Some(sdp) = answer {
            content.set_body("application/sdp", sdp.to_owned());
        }
        let text = OutgoingRequest {
            method: Method::Ack,
            uri: dialog.target.clone(),
            content,
            secure: false,
        }
        .to_text();
        self.put(socket, Item::Text(text.clone()), now);
        text
    }

    /// Acknowledges a refusal of an INVITE of ours (RFC 3261, 17.1.1.3).
    fn acknowledge_refusal(&mut self, branch: &str, response: &Response, now: Instant) {
        let Some(client) = self.clients.get(branch) else {
            return;
        };
        let content = same_transaction(&client.request, Method::Ack, Some(response));
        let text = OutgoingRequest {
            method: Method::Ack,
            uri: client.request.uri.clone(),
            content,
            secure: false,
        }
        .to_text();
        let socket = client.socket;
        self.put(socket, Item::Text(text), now);
    }

    /// Takes an INVITE of ours back, as soon as that is allowed (RFC 3261, 9.1).
    pub(super) fn cancel(&mut self, branch: &str, reason: String, now: Instant) {
        let Some(client) = self.clients.get_mut(branch) else {
            return;
        };
        if client.over || client.cancel.is_some() && !client.proceeding {
            return;
        }
        client.cancel = Some(reason.clone());
        if !client.proceeding {
            return;
        }
        let mut content = same_transaction(&client.request, Method::Cancel, None);
        content.push(&HeaderName::Reason, reason);
        let text = OutgoingRequest {
            method: Method::Cancel,
            uri: client.request.uri.clone(),
            content,
            secure: false,
        }
        .to_text();
        let socket = client.socket;
        self.put(socket, Item::Text(text), now);
        // No final answer for so long: it is over (9.1).
        self.deadlines
            .set(Due::Client(branch.to_owned()), now + LIFE);
    }

    /// An answer to a request of ours.
    pub(super) fn on_response(
        &mut self,
        socket: SocketId,
        response: &Response,
        around: &mut Around<'_>,
    ) {
        tracing::debug!(socket = socket.0, status = response.status, "received");
        let branch = response.ids.via.branch().to_owned();
        let Some(client) = self.clients.get_mut(&branch) else {
            return;
        };
        // The answer to a CANCEL has the branch of its INVITE.
        if client.request.method != response.ids.method {
            return;
        }
        client.socket = socket;
        let is_invite = client.request.method == Method::Invite;
        if response.is_provisional() {
            client.proceeding = true;
            if is_invite {
                self.on_provisional(&branch, response, around);
            }
            return;
        }
        if is_invite && response.is_success() {
            return self.on_invite_taken(&branch, response, around);
        }
        if is_invite {
            self.acknowledge_refusal(&branch, response, around.now);
        }
        let Some(client) = self.clients.get_mut(&branch) else {
            return;
        };
        if std::mem::replace(&mut client.over, true) {
            return;
        }
        let purpose = client.purpose.clone();
        self.clients.remove(&branch);
        self.deadlines.clear(&Due::Client(branch.clone()));
        self.on_final(&branch, purpose, response.status, Some(response), around);
    }

    /// A 1xx to an INVITE.
    fn on_provisional(&mut self, branch: &str, response: &Response, around: &mut Around<'_>) {
        let Some(client) = self.clients.get_mut(branch) else {
            return;
        };
        let (purpose, cancel) = (client.purpose.clone(), client.cancel.clone());
        // How long a client may ring is the exchange's business.
        self.deadlines.clear(&Due::Client(branch.to_owned()));
        if let Some(reason) = cancel {
            return self.cancel(branch, reason, around.now);
        }
        if let Purpose::Invite(leg) = purpose {
            if let Some(call) = self.calls.get_mut(&leg)
                && call.dialog.remote_tag.is_empty()
                && !response.ids.to_tag().is_empty()
            {
                call.dialog.remote_tag = response.ids.to_tag().to_owned();
                self.stirred.push(call.user.clone());
            }
            self.on_rings(leg, branch, response, around.now);
        }
    }

    /// The final answer to a request of ours, or none in time.
    pub(super) fn on_final(
        &mut self,
        branch: &str,
        purpose: Purpose,
        status: u16,
        response: Option<&Response>,
        around: &mut Around<'_>,
    ) {
        match purpose {
            Purpose::Invite(leg) => self.on_invite_refused(leg, branch, status, response, around),
            Purpose::Reoffer(leg) => self.on_reoffer_answered(leg, status, response, around),
            Purpose::Refresh(leg) => self.on_refreshed(leg, status, response, around),
            Purpose::Notify(name) => self.on_notified(&name, status),
            Purpose::Bye | Purpose::Plain => {}
        }
    }

    pub(super) fn on_client_due(&mut self, branch: &str, around: &mut Around<'_>) {
        let Some(client) = self.clients.remove(branch) else {
            return;
        };
        if !client.over {
            self.on_final(branch, client.purpose, 408, None, around);
        }
    }

    /// Asks a client whether it is there, whatever it answers.
    pub(super) fn probe(&mut self, socket: SocketId, now: Instant) {
        let own = self.uri_of("sandbox");
        let Ok(uri) = Uri::parse(&own) else {
            return;
        };
        let request = self.outside(Method::Options, uri, &own, &own);
        self.send(socket, request, Purpose::Plain, now);
    }

    /// A request outside dialogs, complete but for its Via.
    pub(super) fn outside(
        &mut self,
        method: Method,
        uri: Uri,
        from: &str,
        to: &str,
    ) -> OutgoingRequest {
        let (tag, call_id) = (names::token(&mut self.rng), names::token(&mut self.rng));
        let mut content = Content::default();
        content.push(&HeaderName::MaxForwards, "70");
        content.push(&HeaderName::From, format!("<{from}>;tag={tag}"));
        content.push(&HeaderName::To, format!("<{to}>"));
        content.push(&HeaderName::CallId, call_id);
        content.push(&HeaderName::CSeq, format!("1 {method}"));
        OutgoingRequest {
            method,
            uri,
            content,
            secure: false,
        }
    }
}

/// What an ACK to a refusal, or a CANCEL, has in common with its INVITE.
fn same_transaction(
    invite: &OutgoingRequest,
    method: Method,
    response: Option<&Response>,
) -> Content {
    let mut content = Content::default();
    for name in [HeaderName::Via, HeaderName::From, HeaderName::CallId] {
        content.push(&name, invite.content.get(&name).unwrap_or_default());
    }
    let to = response.and_then(|response| response.headers.get(&HeaderName::To));
    let own = invite.content.get(&HeaderName::To).unwrap_or_default();
    content.push(&HeaderName::To, to.unwrap_or_else(|| own.to_owned()));
    for route in invite.content.all(&HeaderName::Route) {
        content.push(&HeaderName::Route, route);
    }
    content.push(&HeaderName::MaxForwards, "70");
    let cseq = invite.content.get(&HeaderName::CSeq).unwrap_or_default();
    let number = cseq.split(' ').next().unwrap_or_default();
    content.push(&HeaderName::CSeq, format!("{number} {method}"));
    content
}

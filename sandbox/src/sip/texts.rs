//! Texts: MESSAGE outside calls and within them (RFC 3428), also from and to Verto's users.

use offhook_signaling::sip::message::outgoing::Content;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::sip::call::Purpose;
use crate::sip::server::{Around, Server};
use crate::switch::leg::LegId;
use crate::verto::socket::SocketId;

/// Longest text that is passed on (RFC 3428, 8, counts the whole message; a WebSocket takes more).
const MAX_TEXT: usize = 16 * 1024;
/// Users that say every text back.
const ECHOES: [&str; 2] = ["echo", "9196"];
/// A text to it, such as `2/8`, sets how many new and old messages its sender has.
const VOICEMAIL: &str = "voicemail";

/// A text for Verto's clients of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) body: String,
}

impl Server {
    /// A text outside calls.
    pub(super) fn on_message(
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
        let Some(body) = self.read_text(socket, request, around) else {
            return;
        };
        let to = request.uri.user().unwrap_or_default();
        tracing::info!(socket = socket.0, from = %user, %to, "text");
        let status = if ECHOES.contains(&to.as_str()) {
            self.text(&to, &user, &body, around);
            200
        } else if to == VOICEMAIL {
            let counts = body.trim().split_once('/');
            let counts = counts.and_then(|(new, old)| Some((new.parse().ok()?, old.parse().ok()?)));
            match counts {
                Some(counts) => {
                    self.set_mailbox(&user, counts, around);
                    200
                }
                None => 400,
            }
        } else if around.exchange.is_registered(&to) {
            self.text(&user, &to, &body, around);
            self.texts.push(Text {
                from: user,
                to,
                body,
            });
            200
        } else if self.named(&to).is_some() {
            480
        } else {
            404
        };
        self.refuse(socket, request, status, around.now);
    }

    fn read_text(
        &mut self,
        socket: SocketId,
        request: &Request,
        around: &mut Around<'_>,
    ) -> Option<String> {
        let kind = request.content_type();
        let plain = kind.is_none_or(|kind| kind == "text/plain");
        let text = String::from_utf8(request.body.to_vec()).ok();
        match text.filter(|text| plain && text.len() <= MAX_TEXT) {
            Some(text) => Some(text),
            None => {
                let mut answer = self.answer(request, 415);
                answer.content.push(&HeaderName::Accept, "text/plain");
                self.respond(socket, answer, around.now);
                None
            }
        }
    }

    /// Sends a text to every device of a user.
    pub(crate) fn text(&mut self, from: &str, to: &str, body: &str, around: &mut Around<'_>) {
        let own = self.uri_of(from);
        for id in self.location.of_user(to) {
            let Some(device) = self.location.device(id) else {
                continue;
            };
            let Some(flow) = device.flows.first() else {
                continue;
            };
            let (uri, socket, path) = (flow.uri.clone(), flow.socket, flow.path.clone());
            let to = format!("sip:{to}@{}", device.host);
            let mut request = self.outside(Method::Message, uri, &own, &to);
            for route in path {
                request.content.push(&HeaderName::Route, route);
            }
            request
                .content
                .set_body("text/plain;charset=UTF-8", body.to_owned());
            self.send(socket, request, Purpose::Plain, around.now);
        }
    }

    /// A text within a call: for its far end, or said back where that is the sandbox.
    pub(super) fn on_text_in_call(
        &mut self,
        socket: SocketId,
        leg: LegId,
        request: &Request,
        around: &mut Around<'_>,
    ) {
        let Some(body) = self.read_text(socket, request, around) else {
            return;
        };
        self.refuse(socket, request, 200, around.now);
        let from = self.calls.get(&leg).map(|call| call.user.clone());
        let from = from.unwrap_or_default();
        let far = around.exchange.tied_to(leg);
        if far.is_empty() {
            return self.text_in_call(leg, body, around);
        }
        for leg in far {
            if self.calls.contains_key(&leg) {
                self.text_in_call(leg, body.clone(), around);
            } else if let Some(to) = around.exchange.user_of(leg) {
                self.texts.push(Text {
                    from: from.clone(),
                    to: to.to_owned(),
                    body: body.clone(),
                });
            }
        }
    }

    fn text_in_call(&mut self, leg: LegId, body: String, around: &mut Around<'_>) {
        let mut content = Content::default();
        content.set_body("text/plain;charset=UTF-8", body);
        self.send_in_call(leg, Method::Message, content, Purpose::Plain, around.now);
    }
}

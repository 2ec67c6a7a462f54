//! How requests are answered.

use std::time::Instant;

use offhook_signaling::sip::message::bare::Bare;
use offhook_signaling::sip::message::outgoing::{OutgoingResponse, Payload};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::{HeaderName, Method};

use crate::sip::names;
use crate::sip::server::Server;
use crate::verto::socket::SocketId;

/// Methods that are answered.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, OPTIONS, INFO, REFER, NOTIFY, MESSAGE, \
     SUBSCRIBE, PUBLISH, REGISTER";
/// Extensions that are known.
pub(super) const SUPPORTED: &str =
    "path, outbound, gruu, replaces, 100rel, timer, tdialog, norefersub, 199";
/// Bodies that are understood.
const ACCEPT: &str = "application/sdp, application/dtmf-relay, application/dtmf, text/plain, \
     application/pidf+xml, message/sipfrag";
/// Name of the program.
pub(super) const SERVER: &str = concat!("offhook-sandbox/", env!("CARGO_PKG_VERSION"));

impl Server {
    /// An answer with a tag of its own.
    pub(super) fn answer(&mut self, request: &Request, status: u16) -> OutgoingResponse {
        let tag = names::token(&mut self.rng);
        OutgoingResponse::to(&Bare::from(request), status, &tag)
    }

    /// Writes an answer.
    pub(super) fn respond(&mut self, socket: SocketId, answer: OutgoingResponse, now: Instant) {
        let payload = self.response(answer);
        self.put(socket, payload.into(), now);
    }

    /// What an answer is on the wire.
    pub(super) fn response(&self, mut answer: OutgoingResponse) -> Payload {
        answer.content.push(&HeaderName::Server, SERVER);
        tracing::debug!(status = answer.status, "answered");
        answer.to_payload()
    }

    /// Refuses a request.
    pub(super) fn refuse(
        &mut self,
        socket: SocketId,
        request: &Request,
        status: u16,
        now: Instant,
    ) {
        let answer = self.answer(request, status);
        self.respond(socket, answer, now);
    }

    /// Refuses a method that is not known, or not here.
    pub(super) fn refuse_method(&mut self, socket: SocketId, request: &Request, now: Instant) {
        let mut answer = self.answer(request, 405);
        answer.content.push(&HeaderName::Allow, ALLOW);
        self.respond(socket, answer, now);
    }

    /// Refuses a request that demands an extension which is not known (RFC 3261, 8.2.2.3).
    pub(super) fn refuses_extension(
        &mut self,
        socket: SocketId,
        request: &Request,
        now: Instant,
    ) -> bool {
        let unknown: Vec<String> = [HeaderName::Require, HeaderName::ProxyRequire]
            .iter()
            .flat_map(|name| request.headers.tokens(name))
            .filter(|option| {
                !SUPPORTED
                    .split(", ")
                    .any(|known| known.eq_ignore_ascii_case(option))
            })
            .collect();
        // A CANCEL demands nothing (9.1).
        if unknown.is_empty() || request.method == Method::Cancel {
            return false;
        }
        let mut answer = self.answer(request, 420);
        answer
            .content
            .push(&HeaderName::Unsupported, unknown.join(", "));
        self.respond(socket, answer, now);
        true
    }

    /// Says what is possible here (RFC 3261, 11.2).
    pub(super) fn on_options(&mut self, socket: SocketId, request: &Request, now: Instant) {
        let mut answer = self.answer(request, 200);
        let content = &mut answer.content;
        content.push(&HeaderName::Allow, ALLOW);
        content.push(&HeaderName::Supported, SUPPORTED);
        content.push(&HeaderName::Accept, ACCEPT);
        content.push(&HeaderName::AcceptEncoding, "identity");
        content.push(&HeaderName::AcceptLanguage, "en");
        content.push(
            &HeaderName::AllowEvents,
            "presence, dialog, message-summary",
        );
        self.respond(socket, answer, now);
    }
}

//! Writes replies, refusals and requests the way each server does.

use offhook_signaling::verto::method::Method;
use offhook_signaling::verto::rpc::{ErrorObject, Frame, Id, Refusal, Reply, Request};
use serde::Serialize;
use serde::ser::SerializeMap;
use serde_json::{Map, Value};

use crate::verto::gateway::Gateway;
use crate::verto::line::Item;
use crate::verto::session::SessionId;
use crate::verto::socket::SocketId;

/// Error code: the frame is no request.
pub(super) const INVALID_REQUEST: i64 = -32600;
/// Error code: no such method, or not for this client.
pub(super) const INVALID_METHOD: i64 = -32601;
/// Error code: the command is not allowed.
pub(super) const PERMISSION_DENIED: i64 = -32602;
/// Error code: something about the call is wrong.
pub(super) const SESSION_ERROR: i64 = -32002;

impl Gateway {
    /// Answers a request. Every result tells the client its session.
    pub(super) fn reply(&mut self, socket: SocketId, id: Option<Id>, result: &impl Serialize) {
        let Ok(mut reply) = Reply::new(id, result) else {
            return;
        };
        let sessid = self
            .session_of(socket)
            .map(|session| session.sessid.clone());
        if let (Value::Object(result), Some(sessid)) = (&mut reply.result, sessid) {
            result
                .entry("sessid")
                .or_insert_with(|| Value::String(sessid));
        }
        reply.voice_sdk_id = self.voice_sdk_id(socket);
        self.send(socket, Frame::Reply(reply).to_text());
    }

    /// Refuses a request.
    pub(super) fn refuse(&mut self, socket: SocketId, id: Option<Id>, code: i64, text: &str) {
        self.refuse_with(socket, id, ErrorObject::new(code, text));
    }

    /// Refuses a request about a call.
    pub(super) fn refuse_call(
        &mut self,
        socket: SocketId,
        id: Option<Id>,
        call: Option<&str>,
        text: &str,
    ) {
        let mut error = ErrorObject::new(SESSION_ERROR, text);
        if let Some(call) = call {
            error.fields.insert("callID".to_owned(), call.into());
        }
        self.refuse_with(socket, id, error);
    }

    fn refuse_with(&mut self, socket: SocketId, id: Option<Id>, error: ErrorObject) {
        let refusal = Refusal {
            id,
            error,
            voice_sdk_id: self.voice_sdk_id(socket),
        };
        self.send(socket, Frame::Refusal(refusal).to_text());
    }

    /// Refuses a call that cannot be created: FreeSWITCH's error holds `message` twice, the reason first.
    pub(super) fn refuse_invite(
        &mut self,
        socket: SocketId,
        id: Option<Id>,
        call: &str,
        reason: &str,
        cause: &offhook_signaling::cause::Cause,
    ) {
        let error = FailedInvite {
            call,
            reason,
            cause: cause.name(),
            code: cause.code(),
        };
        let frame = FailedInviteFrame {
            jsonrpc: "2.0",
            id,
            error,
            voice_sdk_id: self.voice_sdk_id(socket),
        };
        // Text keys into a String: this cannot fail.
        let text = serde_json::to_string(&frame).unwrap_or_default();
        self.send(socket, text);
    }

    /// Asks or tells the client something, in its turn. Without a socket it is dropped, as the servers do.
    pub(super) fn request(&mut self, session: SessionId, method: Method, params: &impl Serialize) {
        let Some(known) = self.sessions.get(&session) else {
            return;
        };
        let face = known.face;
        let Some(socket) = known.socket else { return };
        let id = self.next_request_id();
        let Ok(mut request) = Request::new(Id::from(id), method.on_wire(face.prefix), params)
        else {
            return;
        };
        request.voice_sdk_id = self.voice_sdk_id(socket);
        tracing::debug!(socket = socket.0, method = %request.method, "sent");
        let text = Frame::Request(request).to_text();
        if face.queue_poll.is_none() {
            return self.send(socket, text);
        }
        let now = self.now;
        let full = self
            .sockets
            .get_mut(&socket)
            .is_some_and(|socket| socket.queue(text, now).is_err());
        self.reschedule(socket);
        if full {
            tracing::warn!(socket = socket.0, "closed: too many messages wait");
            self.close(socket, 1008);
        }
    }

    /// Writes what waits for a quiet moment.
    pub(super) fn flush(&mut self, socket: SocketId) {
        let queue = self
            .sockets
            .get_mut(&socket)
            .map(|known| known.take_queue());
        for text in queue.unwrap_or_default() {
            self.send(socket, text);
        }
    }

    pub(super) fn send(&mut self, socket: SocketId, text: String) {
        if self
            .sockets
            .get(&socket)
            .is_some_and(|known| !known.closing)
        {
            self.put(socket, Item::Text(text));
        }
    }

    fn voice_sdk_id(&self, socket: SocketId) -> Option<String> {
        let socket = self.sockets.get(&socket)?;
        let telnyx = socket.face.is_some_and(|face| face.telnyx_ids);
        telnyx.then(|| socket.voice_sdk_id.clone())
    }
}

#[derive(Serialize)]
struct FailedInviteFrame<'a> {
    jsonrpc: &'static str,
    id: Option<Id>,
    error: FailedInvite<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voice_sdk_id: Option<String>,
}

struct FailedInvite<'a> {
    call: &'a str,
    reason: &'a str,
    cause: &'a str,
    code: u16,
}

impl Serialize for FailedInvite<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("message", self.reason)?;
        map.serialize_entry("callID", self.call)?;
        map.serialize_entry("cause", self.cause)?;
        map.serialize_entry("causeCode", &self.code)?;
        map.serialize_entry("code", &SESSION_ERROR)?;
        map.serialize_entry("message", "CALL ERROR")?;
        map.end()
    }
}

/// A result with nothing in it but what every result has.
pub(super) fn empty() -> Map<String, Value> {
    Map::new()
}

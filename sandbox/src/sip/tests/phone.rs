//! A SIP client that keeps its end of dialogs by hand.

use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::response::Response;

use crate::sip::tests::world::{OFFER, World, authorization};
use crate::users::PASSWORD;
use crate::verto::socket::SocketId;

/// A registered user's end.
pub(super) struct Phone {
    pub(super) socket: SocketId,
    pub(super) user: String,
}

/// Its end of one dialog.
#[derive(Debug, Clone)]
pub(super) struct Dialog {
    pub(super) call_id: String,
    /// Ours and theirs, with tags.
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) target: String,
    pub(super) cseq: u32,
    /// The branch of the INVITE.
    branch: String,
}

/// What goes into an INVITE beside the usual.
pub(super) struct Wish<'a> {
    pub(super) headers: &'a str,
    pub(super) sdp: Option<&'a str>,
}

pub(super) const USUAL: Wish<'static> = Wish {
    headers: "Supported: 100rel, timer, replaces\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, REFER, NOTIFY, INFO\r\n",
    sdp: Some(OFFER),
};

impl Phone {
    pub(super) fn new(world: &mut World, user: &str) -> Self {
        Self {
            socket: world.registered(user),
            user: user.to_owned(),
        }
    }

    /// A user whose answer to the login comes later; the answer is passed over.
    pub(super) fn slow(world: &mut World, user: &str) -> SocketId {
        let socket = world.open();
        let text = |authorization: &str, cseq: u32| {
            format!(
                "OPTIONS sip:{user}@sandbox.example SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bKslow{cseq}\r\n\
                 From: <sip:{user}@sandbox.example>;tag=a\r\nTo: <sip:{user}@sandbox.example>\r\nMax-Forwards: 70\r\n\
                 Call-ID: slow\r\nCSeq: {cseq} MESSAGE\r\n{authorization}Content-Length: 0\r\n\r\n"
            )
            .replace("OPTIONS", "MESSAGE")
        };
        world.send(socket, &text("", 1));
        let challenged = world.response(socket);
        let line = authorization(&challenged, &text("", 1), user, PASSWORD);
        world.send(socket, &text(&line, 2));
        world.pass(std::time::Duration::from_secs(5));
        world.response(socket);
        socket
    }

    /// Sends an INVITE, with the answer to its challenge, up to the 100.
    pub(super) fn invite(&self, world: &mut World, number: &str, wish: &Wish<'_>) -> Dialog {
        let uri = format!("sip:{number}@sandbox.example");
        self.invite_at(world, number, &uri, wish)
    }

    /// The same to a Request-URI of its own.
    pub(super) fn invite_uri(&self, world: &mut World, number: &str, uri: &str) -> Dialog {
        self.invite_at(world, number, uri, &USUAL)
    }

    fn invite_at(&self, world: &mut World, number: &str, uri: &str, wish: &Wish<'_>) -> Dialog {
        let id = world.number();
        let user = &self.user;
        let text = |authorization: &str, cseq: u32| {
            let body = wish.sdp.unwrap_or_default();
            let kind = if body.is_empty() {
                ""
            } else {
                "Content-Type: application/sdp\r\n"
            };
            format!(
                "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bKinvite{id}-{cseq}\r\n\
                 Max-Forwards: 70\r\nFrom: \"{user}\" <sip:{user}@sandbox.example>;tag=from{id}\r\n\
                 To: <sip:{number}@sandbox.example>\r\nCall-ID: call-{id}\r\nCSeq: {cseq} INVITE\r\n\
                 Contact: <sip:{user}-device@x.invalid;transport=ws>\r\n{}{authorization}{kind}Content-Length: {}\r\n\r\n{body}",
                wish.headers,
                body.len()
            )
        };
        let anonymous = user == "anonymous";
        let cseq = if anonymous {
            world.send(self.socket, &text("", 1));
            1
        } else {
            world.send(self.socket, &text("", 1));
            let challenged = world.response(self.socket);
            assert_eq!(challenged.status, 407);
            let line = authorization(&challenged, &text("", 1), user, PASSWORD);
            world.send(self.socket, &text(&line, 2));
            2
        };
        Dialog {
            call_id: format!("call-{id}"),
            local: format!("\"{user}\" <sip:{user}@sandbox.example>;tag=from{id}"),
            remote: format!("<sip:{number}@sandbox.example>"),
            target: format!("sip:{number}@sandbox.example"),
            cseq,
            branch: format!("z9hG4bKinvite{id}-{cseq}"),
        }
    }

    /// Sends a request outside calls, with the answer to its challenge.
    pub(super) fn outside(
        &self,
        world: &mut World,
        method: &str,
        to: &str,
        headers: &str,
        body: &str,
    ) -> Response {
        let id = world.number();
        let user = &self.user;
        let text = |authorization: &str, cseq: u32| {
            format!(
                "{method} sip:{to}@sandbox.example SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bKoutside{id}-{cseq}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{user}@sandbox.example>;tag=from{id}\r\nTo: <sip:{to}@sandbox.example>\r\n\
                 Call-ID: outside-{id}\r\nCSeq: {cseq} {method}\r\n{headers}{authorization}Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        world.ask(self.socket, text, user)
    }

    /// Two phones in a call with each other: the dialogs of both.
    pub(super) fn bridge(&self, world: &mut World, other: &Self) -> (Dialog, Dialog) {
        let mut dialog = self.invite(world, &other.user, &USUAL);
        let invite = world.request(other.socket, "INVITE");
        let theirs = other.respond(world, &invite, 200, "", Some("v=0\r\n"));
        world.request(other.socket, "ACK");
        self.answered(world, &mut dialog);
        self.ack(world, &dialog, None);
        (dialog, theirs)
    }

    /// Calls, and acknowledges the answer.
    pub(super) fn call(&self, world: &mut World, number: &str) -> (Dialog, Response) {
        let mut dialog = self.invite(world, number, &USUAL);
        let answer = self.answered(world, &mut dialog);
        self.ack(world, &dialog, None);
        (dialog, answer)
    }

    /// Waits for the final answer.
    pub(super) fn answered(&self, world: &mut World, dialog: &mut Dialog) -> Response {
        loop {
            let response = self.next(world);
            if response.status >= 200 {
                dialog.follow(&response);
                return response;
            }
        }
    }

    /// The next response, in a minute at most.
    pub(super) fn next(&self, world: &mut World) -> Response {
        for _ in 0..600 {
            let texts = &world.clients[&self.socket].texts;
            if texts.iter().any(|text| text.starts_with("SIP/2.0 ")) {
                return world.response(self.socket);
            }
            world.pass(std::time::Duration::from_millis(100));
        }
        panic!("no answer");
    }

    pub(super) fn ack(&self, world: &mut World, dialog: &Dialog, sdp: Option<&str>) {
        let text = dialog.request("ACK", dialog.cseq, "", sdp, world.number());
        world.send(self.socket, &text);
    }

    pub(super) fn cancel(&self, world: &mut World, dialog: &Dialog) {
        let text = format!(
            "CANCEL {} SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch={}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {} CANCEL\r\nContent-Length: 0\r\n\r\n",
            dialog.target, dialog.branch, dialog.local, dialog.remote, dialog.call_id, dialog.cseq
        );
        world.send(self.socket, &text);
    }

    /// Sends a request within the dialog; gives back the answer, which must have come at once.
    pub(super) fn ask(
        &self,
        world: &mut World,
        dialog: &mut Dialog,
        method: &str,
        headers: &str,
        body: Option<&str>,
    ) -> Response {
        dialog.cseq += 1;
        let text = dialog.request(method, dialog.cseq, headers, body, world.number());
        world.send(self.socket, &text);
        world.response(self.socket)
    }

    /// Answers a request of the sandbox; `tag`: it makes a dialog.
    pub(super) fn respond(
        &self,
        world: &mut World,
        request: &Request,
        status: u16,
        headers: &str,
        body: Option<&str>,
    ) -> Dialog {
        let get = |name: HeaderName| request.headers.get(&name).unwrap();
        let to = get(HeaderName::To);
        let to = match to.contains(";tag=") {
            true => to,
            false => format!("{to};tag=to-{}", self.user),
        };
        let body = body.unwrap_or_default();
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let text = format!(
            "SIP/2.0 {status} Words\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: <sip:{}-device@x.invalid;transport=ws>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            get(HeaderName::Via),
            get(HeaderName::From),
            get(HeaderName::CallId),
            get(HeaderName::CSeq),
            self.user,
            body.len()
        );
        world.send(self.socket, &text);
        let target = request.headers.address(&HeaderName::Contact);
        Dialog {
            call_id: get(HeaderName::CallId),
            local: to,
            remote: get(HeaderName::From),
            target: target.map_or_else(String::new, |contact| contact.uri.to_string()),
            cseq: 0,
            branch: String::new(),
        }
    }
}

impl Dialog {
    fn follow(&mut self, response: &Response) {
        self.remote = response.headers.get(&HeaderName::To).unwrap();
        if let Some(contact) = response.headers.address(&HeaderName::Contact) {
            self.target = contact.uri.to_string();
        }
    }

    /// The other end's name of a provisional answer.
    pub(super) fn early(&mut self, response: &Response) {
        self.follow(response);
    }

    pub(super) fn request(
        &self,
        method: &str,
        cseq: u32,
        headers: &str,
        body: Option<&str>,
        serial: u64,
    ) -> String {
        let body = body.unwrap_or_default();
        let kind = match body {
            "" => "",
            _ if headers.contains("Content-Type") => "",
            _ => "Content-Type: application/sdp\r\n",
        };
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bKin{serial}\r\nMax-Forwards: 70\r\nFrom: {}\r\n\
             To: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:device@x.invalid;transport=ws>\r\n\
             {headers}{kind}Content-Length: {}\r\n\r\n{body}",
            self.target,
            self.local,
            self.remote,
            self.call_id,
            body.len()
        )
    }
}

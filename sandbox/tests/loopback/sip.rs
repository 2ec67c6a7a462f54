//! A SIP client that is nothing but texts, and calls between it and Verto's users.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use offhook_media::session::media_session::Renewal;
use offhook_signaling::secret::Secret;
use offhook_signaling::sip::auth::challenge::{Asker, Challenge, challenges};
use offhook_signaling::sip::auth::digest::{self, Subject};
use offhook_signaling::sip::message::HeaderName;
use offhook_signaling::sip::message::read::{self, Incoming};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::response::Response;
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

use crate::client::{Client, Dialect, tcp};
use crate::phone::Phone;
use crate::process::Sandbox;

static PHONES: AtomicU32 = AtomicU32::new(0);

struct SipPhone {
    socket: WebSocket<std::net::TcpStream>,
    user: &'static str,
    serial: u32,
    kept: Vec<Incoming>,
}

impl SipPhone {
    fn ready(sandbox: &Sandbox, user: &'static str) -> Self {
        let url = sandbox.ready["sip"].as_str().unwrap();
        let stream = tcp(url.strip_prefix("ws://").unwrap());
        let mut request = url.into_client_request().unwrap();
        let protocol = "sip".parse().unwrap();
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        let (socket, answer) = client(request, stream).unwrap();
        assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], "sip");
        let mut phone = Self {
            socket,
            user,
            // No two phones may use the same branch.
            serial: PHONES.fetch_add(1000, Ordering::Relaxed),
            kept: Vec::new(),
        };
        let registered = phone.ask(
            "REGISTER",
            "sip:sandbox",
            &format!("sip:{user}@sandbox"),
            None,
        );
        assert_eq!(registered.status, 200);
        phone
    }

    fn send(&mut self, text: String) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// Sends a request that makes a dialog or none, with the answer to its challenge; gives back the final answer.
    fn ask(&mut self, method: &str, uri: &str, to: &str, sdp: Option<&str>) -> Response {
        self.serial += 1;
        let call = self.serial;
        let mut authorization = String::new();
        for cseq in 1..3 {
            let text = self.request(method, uri, to, (call, cseq), &authorization, sdp);
            self.send(text);
            let response = self.response();
            let asker = match response.status {
                401 => Asker::Server,
                407 => Asker::Proxy,
                _ => return response,
            };
            let challenges = challenges(&response.headers, asker);
            let digest = |known: &Challenge| match known {
                Challenge::Digest(digest) => Some(digest.clone()),
                _ => None,
            };
            let challenge = &challenges.iter().find_map(digest).unwrap();
            let password = Secret::new("sandbox");
            let subject = Subject {
                user: self.user,
                password: &password,
                method,
                uri,
                body: "",
                cnonce: "c",
                first_nonce: &challenge.nonce,
                count: 1,
            };
            let line = digest::answer(challenge, &subject);
            authorization = format!("{}: {line}\r\n", asker.answer());
        }
        panic!("refused");
    }

    fn request(
        &self,
        method: &str,
        uri: &str,
        to: &str,
        (call, cseq): (u32, u32),
        more: &str,
        sdp: Option<&str>,
    ) -> String {
        let user = self.user;
        let body = sdp.unwrap_or_default();
        let kind = sdp.map_or("", |_| "Content-Type: application/sdp\r\n");
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK{method}{call}-{cseq}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@sandbox>;tag=from{call}\r\nTo: <{to}>\r\nCall-ID: call-{user}-{call}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{user}@x.invalid;transport=ws>;expires=60\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn response(&mut self) -> Response {
        loop {
            match self.read() {
                Incoming::Response(response) if response.status >= 200 => return *response,
                Incoming::Response(_) => {}
                other => self.kept.push(other),
            }
        }
    }

    fn expect(&mut self, method: &str) -> Request {
        loop {
            let is_it = |kept: &Incoming| matches!(kept, Incoming::Request(it) if it.method.to_string() == method);
            if let Some(at) = self.kept.iter().position(is_it)
                && let Incoming::Request(request) = self.kept.remove(at)
            {
                return *request;
            }
            let next = self.read();
            self.kept.push(next);
        }
    }

    fn read(&mut self) -> Incoming {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                return read::read(text.as_bytes()).unwrap();
            }
        }
    }

    /// Calls; gives back the SDP of the answer.
    fn call(&mut self, number: &str, offer: &str) -> String {
        let uri = format!("sip:{number}@sandbox");
        let answer = self.ask("INVITE", &uri, &uri, Some(offer));
        assert_eq!(answer.status, 200);
        let to = answer.headers.get(&HeaderName::To).unwrap();
        let to = to.trim_start_matches('<').replacen('>', "", 1);
        let to = to.replacen(";tag", ">;tag", 1);
        let contact = answer.headers.address(&HeaderName::Contact).unwrap().uri;
        let text = self.request(
            "ACK",
            &contact.to_string(),
            &to,
            (self.serial, answer.ids.cseq),
            "",
            None,
        );
        self.send(text.replace(&format!("To: <{to}>"), &format!("To: <{to}")));
        answer.sdp().unwrap()
    }

    fn answer(&mut self, request: &Request, status: u16, sdp: Option<&str>) {
        let get = |name| request.headers.get(&name).unwrap();
        let body = sdp.unwrap_or_default();
        let kind = sdp.map_or("", |_| "Content-Type: application/sdp\r\n");
        let tag = if request.ids.to_tag().is_empty() {
            ";tag=to"
        } else {
            ""
        };
        let text = format!(
            "SIP/2.0 {status} OK\r\nVia: {}\r\nFrom: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: <sip:{}@x.invalid;transport=ws>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            get(HeaderName::Via),
            get(HeaderName::From),
            get(HeaderName::To),
            get(HeaderName::CallId),
            get(HeaderName::CSeq),
            self.user,
            body.len()
        );
        self.send(text);
    }
}

#[test]
fn a_sip_user_hears_the_echo() {
    let sandbox = Sandbox::start(&[]);
    let mut client = SipPhone::ready(&sandbox, "demo-1");
    let phone = Phone::new(1);
    let sdp = client.call("9196", &phone.offer());
    phone.take_answer(&sdp);
    phone.connected();
    assert!(phone.echo() < Duration::from_secs(5));
}

#[test]
fn a_sip_user_calls_a_verto_user() {
    let sandbox = Sandbox::start(&[]);
    for dialect in [Dialect::Telnyx, Dialect::FreeSwitch] {
        let mut sip = SipPhone::ready(&sandbox, "demo-1");
        let mut verto = Client::ready(&sandbox.address(), dialect, "demo-2", None);
        let (near, far) = (Phone::new(1), Phone::new(2));
        let offer = near.offer();
        let caller = std::thread::spawn(move || {
            let sdp = sip.call("demo-2", &offer);
            (sip, sdp)
        });
        let invite = verto.expect("invite");
        assert_eq!(invite["caller_id_number"], "demo-1");
        let call = invite["callID"].as_str().unwrap().to_owned();
        let sdp = far.answer(invite["sdp"].as_str().unwrap(), Renewal::Change);
        verto.ask_call("answer", &call, json!({"sdp": sdp}));
        let (mut sip, sdp) = caller.join().unwrap();
        near.take_answer(&sdp);
        near.hears(2);
        far.hears(1);
        verto.ask_call("bye", &call, json!({"cause": "NORMAL_CLEARING"}));
        let bye = sip.expect("BYE");
        sip.answer(&bye, 200, None);
    }
}

#[test]
fn a_verto_user_calls_a_sip_user() {
    let sandbox = Sandbox::start(&[]);
    for dialect in [Dialect::Telnyx, Dialect::FreeSwitch] {
        let mut sip = SipPhone::ready(&sandbox, "demo-1");
        let mut verto = Client::ready(&sandbox.address(), dialect, "demo-2", None);
        let (near, far) = (Phone::new(1), Phone::new(2));
        verto.invite("c-1", "demo-1", &far.offer());
        let invite = sip.expect("INVITE");
        let sdp = near.answer(&invite.sdp().unwrap(), Renewal::Change);
        sip.answer(&invite, 200, Some(&sdp));
        sip.expect("ACK");
        let answer = verto.expect("answer");
        far.take_answer(answer["sdp"].as_str().unwrap());
        near.hears(2);
        far.hears(1);
        verto.ask_call("bye", "c-1", json!({"cause": "NORMAL_CLEARING"}));
        let bye = sip.expect("BYE");
        sip.answer(&bye, 200, None);
    }
}

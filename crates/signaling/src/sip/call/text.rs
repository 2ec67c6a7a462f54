//! Texts within a call (RFC 3428), and how a text of anybody is read.

use std::time::Instant;

use crate::event::Event;
use crate::sip::call::identity;
use crate::sip::call::offers::{core_answer, core_answer_with};
use crate::sip::call::state::Call;
use crate::sip::message::multipart;
use crate::sip::message::outgoing::Content;
use crate::sip::message::params::Params;
use crate::sip::message::request::Request;
use crate::sip::message::{HeaderName, Method};
use crate::sip::session::core::Core;
use crate::sip::session::owner::InCall;
use crate::sip::transaction::server::ServerKey;

/// Type of every text of ours.
pub(in crate::sip) const KIND: &str = "text/plain;charset=UTF-8";
/// Longest text that is passed on.
const LONGEST: usize = 16 * 1024;

impl Call {
    /// A text within the call.
    pub(in crate::sip) fn send_text(
        &mut self,
        id: u64,
        body: String,
        core: &mut Core,
        now: Instant,
    ) {
        let mut content = Content::default();
        content.push(&HeaderName::UserAgent, core.config.user_agent.as_str());
        content.set_body(KIND, body);
        self.in_dialog(Method::Message, content, InCall::Message(id), core, now);
    }

    /// A text of the far side.
    pub(in crate::sip) fn on_text(
        &self,
        request: &Request,
        key: &ServerKey,
        core: &mut Core,
        now: Instant,
    ) {
        let body = match read(request) {
            Ok(body) => body,
            Err(refusal) => return refuse(refusal, key, core, now),
        };
        core_answer(core, key, 200, now);
        core.tell(Event::Message {
            call: Some(self.id.clone()),
            from: identity::caller(&request.headers, &request.ids, &core.config),
            body,
        });
    }
}

/// Why a text is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sip) enum Refusal {
    /// It is no plain text, or in letters that are not known.
    Kind,
    /// It is packed.
    Encoding,
    /// It is too long.
    Long,
}

/// The text of a MESSAGE.
pub(in crate::sip) fn read(request: &Request) -> Result<String, Refusal> {
    if request.body.len() > LONGEST {
        return Err(Refusal::Long);
    }
    let encoding = request.headers.get(&HeaderName::ContentEncoding);
    if encoding.is_some_and(|encoding| !encoding.trim().eq_ignore_ascii_case("identity")) {
        return Err(Refusal::Encoding);
    }
    if request.content_type().as_deref() == Some("text/plain") {
        let params = request.headers.parametrised(&HeaderName::ContentType);
        return letters(&request.body, params.as_ref().map(|(_, params)| params));
    }
    // Of several parts the first one that is for reading (RFC 5621); without any it is no text.
    let parts = multipart::parts(&request.headers, &request.body);
    let part = parts
        .iter()
        .find(|part| part.kind == "text/plain" && !part.packed)
        .ok_or(Refusal::Kind)?;
    letters(part.content, Some(&part.params))
}

fn letters(body: &[u8], params: Option<&Params>) -> Result<String, Refusal> {
    let charset = params
        .and_then(|params| params.get("charset"))
        .unwrap_or("utf-8")
        .to_ascii_lowercase();
    match charset.as_str() {
        "utf-8" | "utf8" | "us-ascii" => Ok(String::from_utf8_lossy(body).into_owned()),
        // Its letters are the first 256 of Unicode.
        "iso-8859-1" | "latin1" => Ok(body.iter().copied().map(char::from).collect()),
        _ => Err(Refusal::Kind),
    }
}

/// Answers a text that is not taken with what would be (RFC 3261, 8.2.3).
pub(in crate::sip) fn refuse(refusal: Refusal, key: &ServerKey, core: &mut Core, now: Instant) {
    let (status, line) = match refusal {
        Refusal::Kind => (415, Some((HeaderName::Accept, "text/plain"))),
        Refusal::Encoding => (415, Some((HeaderName::AcceptEncoding, "identity"))),
        Refusal::Long => (513, None),
    };
    core_answer_with(core, key, status, line.as_slice(), now);
}

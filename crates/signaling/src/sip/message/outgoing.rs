//! Messages of ours, and their text.

use std::fmt::{self, Write as _};

use crate::sip::message::address::NameAddr;
use crate::sip::message::bare::Bare;
use crate::sip::message::status::reason_phrase;
use crate::sip::message::uri::Uri;
use crate::sip::message::{HeaderName, Method};

/// A header that would not stay one line: nothing of it is sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header {name} may not hold {what}")]
pub struct BadHeader {
    /// Its name.
    pub name: String,
    /// What stands in it.
    pub what: &'static str,
}

/// What one WebSocket message holds (RFC 7118, 4.2).
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// For a text message.
    Text(String),
    /// For a binary one: somewhere in it is a byte that is no UTF-8.
    Bytes(Vec<u8>),
}

impl Payload {
    /// What goes over the wire.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// Messages may hold credentials, so only their size is shown.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

/// The header lines and the body of a message of ours: text from the beginning, since nearly all of it is only ever sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// `Name: value`, each with its line end. No value holds one. A NUL says that the character behind it, one of U+0000 to
    /// U+00FF, stands for the byte of its number: what was copied and is no UTF-8, and a NUL.
    head: String,
    body: String,
}

/// Credentials are in some headers, so their values are not shown.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = f.debug_map();
        for (name, value) in self.lines() {
            if name.to_ascii_lowercase().ends_with("authorization") {
                lines.entry(&name, &"(secret)");
            } else {
                lines.entry(&name, &value);
            }
        }
        lines.entry(&"body", &self.body).finish()
    }
}

impl Content {
    /// Puts a header at the end. A line break in the value would begin a header that nobody meant: it becomes a space.
    /// For what comes from a user see [`Content::try_push`], which refuses it.
    pub fn push(&mut self, name: &HeaderName, value: impl AsRef<str>) {
        self.line(&String::from_utf8_lossy(name.canonical()), value.as_ref());
    }

    /// Puts a header that has no name of its own here at the end.
    pub fn push_named(&mut self, name: &'static str, value: &str) {
        self.line(name, value);
    }

    /// Puts a header at the end whose value is copied from a request into its response, byte for byte (RFC 3261, 8.2.6.2).
    pub fn copy(&mut self, name: &HeaderName, value: &[u8]) {
        let mut text = String::with_capacity(value.len());
        for chunk in value.utf8_chunks() {
            for letter in chunk.valid().chars() {
                match letter {
                    '\r' | '\n' => text.push(' '),
                    '\0' => text.push_str("\0\0"),
                    letter => text.push(letter),
                }
            }
            for &byte in chunk.invalid() {
                text.push('\0');
                text.push(byte.into());
            }
        }
        let name = String::from_utf8_lossy(name.canonical());
        push_line(&mut self.head, &name, &text);
    }

    /// Puts a header of the user's at the end, if it is one.
    pub fn try_push(&mut self, name: &str, value: &str) -> Result<(), BadHeader> {
        let bad = |what| BadHeader {
            name: name.escape_debug().to_string(),
            what,
        };
        if name.is_empty() || !name.bytes().all(super::quoted::is_token) {
            return Err(bad("a name that is no token"));
        }
        if value
            .chars()
            .any(|letter| letter.is_control() && letter != '\t')
        {
            return Err(bad("control characters"));
        }
        self.line(name, value);
        Ok(())
    }

    /// Sets the body with its type.
    pub fn set_body(&mut self, kind: &str, body: String) {
        self.push(&HeaderName::ContentType, kind);
        self.body = body;
    }

    /// Puts all of another's headers at the end, and takes its body.
    pub fn append(&mut self, other: &Self) {
        self.head.push_str(&other.head);
        self.body.clone_from(&other.body);
    }

    /// The first value of a header that was not copied.
    pub fn get(&self, name: &HeaderName) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a header that was not copied, in order.
    pub fn all(&self, name: &HeaderName) -> impl Iterator<Item = &str> {
        let name = name.canonical().to_vec();
        self.lines()
            .filter(move |(known, _)| known.as_bytes().eq_ignore_ascii_case(&name))
            .map(|(_, value)| value)
    }

    /// Takes every header of that name away.
    pub fn remove(&mut self, name: &HeaderName) {
        let mut kept = String::with_capacity(self.head.len());
        for (known, value) in self.lines() {
            if !known.as_bytes().eq_ignore_ascii_case(name.canonical()) {
                push_line(&mut kept, known, value);
            }
        }
        self.head = kept;
    }

    /// The body.
    pub fn body(&self) -> &str {
        &self.body
    }

    fn line(&mut self, name: &str, value: &str) {
        const ENDS: [char; 3] = ['\r', '\n', '\0'];
        if value
            .bytes()
            .any(|byte| matches!(byte, b'\r' | b'\n' | b'\0'))
        {
            push_line(&mut self.head, name, &value.replace(ENDS, " "));
        } else {
            push_line(&mut self.head, name, value);
        }
    }

    fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head
            .split_terminator("\r\n")
            .filter_map(|line| line.split_once(": "))
    }

    fn write(&self, text: &mut String) {
        text.push_str(&self.head);
        // Writing to a String cannot fail.
        let _ = write!(text, "Content-Length: {}\r\n\r\n", self.body.len());
        text.push_str(&self.body);
    }

    /// Room for all of it in bytes, and for the first line.
    pub(in crate::sip) fn size(&self) -> usize {
        self.head.len() + self.body.len() + 160
    }
}

fn push_line(head: &mut String, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        head.push_str(part);
    }
}

/// A request of ours.
#[derive(Clone, Debug)]
pub struct OutgoingRequest {
    /// Its method.
    pub method: Method,
    /// The Request-URI.
    pub uri: Uri,
    /// Headers, the Via among them, and body.
    pub content: Content,
    /// It may take a connection with TLS only.
    pub secure: bool,
}

impl OutgoingRequest {
    /// The text for one WebSocket message.
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.content.size());
        let _ = write!(text, "{} {} SIP/2.0\r\n", self.method, self.uri);
        self.content.write(&mut text);
        text
    }
}

/// A response of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingResponse {
    /// Its code.
    pub status: u16,
    /// The words behind it.
    pub reason: String,
    /// Headers and body.
    pub content: Content,
}

impl OutgoingResponse {
    /// An answer with all that it must copy from its request (RFC 3261, 8.2.6.2). The tag goes into To when the request
    /// had none there; a 100 has none (8.2.6.1).
    pub fn to(request: &Bare, status: u16, tag: &str) -> Self {
        let mut content = Content::default();
        for via in &request.vias {
            content.copy(&HeaderName::Via, via);
        }
        content.copy(&HeaderName::From, &request.from);
        let mut to = request.to.to_vec();
        if status > 100 && !request.has_to_tag() {
            // Without angle brackets the tag would become the URI's (20.10); that form has no parameters of its own.
            to.extend_from_slice(b";tag=");
            to.extend_from_slice(tag.as_bytes());
        }
        content.copy(&HeaderName::To, &to);
        content.copy(&HeaderName::CallId, &request.call_id);
        content.copy(&HeaderName::CSeq, &request.cseq);
        if status == 100
            && let Some(timestamp) = &request.timestamp
        {
            content.copy(&HeaderName::Timestamp, timestamp);
        }
        Self {
            status,
            reason: reason_phrase(status).to_owned(),
            content,
        }
    }

    /// The tag of To.
    pub fn to_tag(&self) -> Option<String> {
        let to = as_it_came(self.content.get(&HeaderName::To)?);
        let to = NameAddr::parse(&String::from_utf8_lossy(&to)).ok()?;
        to.tag().map(str::to_owned)
    }

    /// What goes into one WebSocket message.
    pub fn to_payload(&self) -> Payload {
        let text = self.marked();
        // The body may hold any character.
        if !self.content.head.contains('\0') {
            return Payload::Text(text);
        }
        let (head, body) = text.split_at(text.len() - self.content.body.len());
        let mut bytes = as_it_came(head);
        bytes.extend_from_slice(body.as_bytes());
        String::from_utf8(bytes)
            .map_or_else(|error| Payload::Bytes(error.into_bytes()), Payload::Text)
    }

    /// The same to be looked at: what is no UTF-8 becomes replacement characters.
    pub fn to_text(&self) -> String {
        match self.to_payload() {
            Payload::Text(text) => text,
            Payload::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    fn marked(&self) -> String {
        let mut text = String::with_capacity(self.content.size());
        let reason = self.reason.replace(['\r', '\n', '\0'], " ");
        let _ = write!(text, "SIP/2.0 {} {reason}\r\n", self.status);
        self.content.write(&mut text);
        text
    }
}

/// The bytes of what stands in a [`Content`]'s head.
fn as_it_came(marked: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(marked.len());
    let mut letters = marked.chars();
    while let Some(letter) = letters.next() {
        if letter == '\0' {
            // A byte stands behind every mark.
            bytes.extend(letters.next().and_then(|byte| u8::try_from(byte).ok()));
        } else {
            bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    bytes
}

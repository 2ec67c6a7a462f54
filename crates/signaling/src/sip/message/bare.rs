//! What is left of a request that cannot be taken: just enough to answer it (RFC 3261, 8.2.6).

use bytes::Bytes;
use sipx_sip as sipx;

use crate::sip::message::headers::Headers;
use crate::sip::message::request::Request;
use crate::sip::message::{HeaderName, Method};

/// The lines that an answer copies: the very bytes that came, whatever they stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bare {
    /// Method of the request, as far as it can be told.
    pub method: Method,
    /// Via lines, in order.
    pub vias: Vec<Bytes>,
    /// From.
    pub from: Bytes,
    /// To.
    pub to: Bytes,
    /// Call-ID.
    pub call_id: Bytes,
    /// CSeq.
    pub cseq: Bytes,
    /// Timestamp, which a 100 copies (RFC 3261, 8.2.6.1).
    pub timestamp: Option<Bytes>,
    /// Record-Route lines, in order: those of a response that makes a dialog.
    pub record_routes: Vec<Bytes>,
}

impl From<&Request> for Bare {
    fn from(request: &Request) -> Self {
        Self::from_headers(request.method.clone(), &request.headers)
    }
}

impl Bare {
    fn from_headers(method: Method, headers: &Headers) -> Self {
        let one = |name: &HeaderName| headers.bytes(name).unwrap_or_default();
        Self {
            method,
            vias: headers.all_bytes(&HeaderName::Via).collect(),
            from: one(&HeaderName::From),
            to: one(&HeaderName::To),
            call_id: one(&HeaderName::CallId),
            cseq: one(&HeaderName::CSeq),
            timestamp: headers.bytes(&HeaderName::Timestamp),
            record_routes: headers.all_bytes(&HeaderName::RecordRoute).collect(),
        }
    }

    /// Whether To has a tag already.
    pub fn has_to_tag(&self) -> bool {
        let lower = self.to.to_ascii_lowercase();
        let behind = lower.rsplit(|&byte| byte == b'>').next();
        behind
            .unwrap_or(&lower)
            .split(|&byte| byte == b';')
            .any(|part| part.trim_ascii_start().starts_with(b"tag="))
    }
}

/// The bare lines of a parsed request, when all that an answer must copy are there.
pub(super) fn of_request(request: &sipx::Request) -> Option<Bare> {
    let headers = Headers(request.headers.clone());
    let bare = Bare::from_headers(request.method.clone(), &headers);
    bare.is_answerable().then_some(bare)
}

impl Bare {
    /// An ACK is never answered (RFC 3261, 17.1.1.3), nor what has no way back.
    pub(super) fn is_answerable(&self) -> bool {
        self.method != Method::Ack
            && !self.vias.is_empty()
            && [&self.from, &self.to, &self.call_id, &self.cseq]
                .iter()
                .all(|line| !line.is_empty())
    }
}

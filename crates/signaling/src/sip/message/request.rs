//! A request that was read.

use bytes::Bytes;
use sipx_sip as sipx;

use crate::sip::message::headers::Headers;
use crate::sip::message::ids::{Ids, Unusable};
use crate::sip::message::multipart;
use crate::sip::message::uri::Uri;
use crate::sip::message::{HeaderName, Method};

/// A request with everything that RFC 3261, 8.1.1 demands, apart from Max-Forwards, which only proxies need.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Where it was sent to.
    pub uri: Uri,
    /// Transaction and dialog.
    pub ids: Ids,
    /// All of its headers.
    pub headers: Headers,
    /// Its body, perhaps empty.
    pub body: Bytes,
}

impl Request {
    pub(super) fn from_parser(
        request: sipx::Request,
    ) -> Result<Self, Box<(Unusable, sipx::Request)>> {
        let ids = match Ids::of(&request.headers) {
            Ok(ids) => ids,
            Err(unusable) => return Err(Box::new((unusable, request))),
        };
        if let Err(unusable) = check(&request, &ids) {
            return Err(Box::new((unusable, request)));
        }
        Ok(Self {
            method: request.method.clone(),
            uri: Uri::from_parser(request.uri.clone()),
            ids,
            body: request.body().clone(),
            headers: Headers(request.headers),
        })
    }

    /// The type of the body in small letters, without parameters; `None` when there is no body.
    pub fn content_type(&self) -> Option<String> {
        content_type(&self.headers, &self.body)
    }

    /// Whether there is a body that is no description, and that whoever sent it wants to be understood (RFC 3261, 8.2.3 and
    /// 20.11).
    pub fn has_foreign_body(&self) -> bool {
        let disposition = self.headers.parametrised(&HeaderName::ContentDisposition);
        let optional = disposition.is_some_and(|(_, params)| {
            let handling = params.get("handling");
            handling.is_some_and(|value| value.eq_ignore_ascii_case("optional"))
        });
        !self.body.is_empty() && self.sdp().is_none() && !optional
    }

    /// The body as SDP, when it is one.
    pub fn sdp(&self) -> Option<String> {
        sdp(&self.headers, &self.body)
    }
}

/// What must hold of a request beside its [`Ids`]. A missing Max-Forwards is no harm here.
fn check(request: &sipx::Request, ids: &Ids) -> Result<(), Unusable> {
    let bad = |reason: &str| {
        Err(Unusable {
            reason: reason.to_owned(),
            status: 400,
        })
    };
    Ids::check(&request.version, &request.headers)?;
    if request.uri.has_headers() {
        return bad("its Request-URI has headers");
    }
    if let Some(Err(_)) = request.headers.typed::<sipx::headers::MaxForwards>() {
        return bad("its Max-Forwards cannot be read");
    }
    if ids.method != request.method {
        return bad("its first line and its CSeq name different methods");
    }
    Ok(())
}

pub(super) fn content_type(headers: &Headers, body: &Bytes) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    let (kind, _) = headers.parametrised(&HeaderName::ContentType)?;
    Some(
        kind.split_whitespace()
            .collect::<String>()
            .to_ascii_lowercase(),
    )
}

/// Letters that are no UTF-8, as old servers write them into names (`s=`, `o=`, `i=`), become replacement characters: nothing that
/// counts in a description is written in them. What is no text at all is none.
fn letters(body: &[u8]) -> Option<String> {
    (!body.contains(&0)).then(|| String::from_utf8_lossy(body).into_owned())
}

pub(super) fn sdp(headers: &Headers, body: &Bytes) -> Option<String> {
    let kind = content_type(headers, body)?;
    let encoding = headers.get(&HeaderName::ContentEncoding);
    if encoding.is_some_and(|encoding| !encoding.trim().eq_ignore_ascii_case("identity")) {
        return None;
    }
    if kind == "application/sdp" {
        return letters(body);
    }
    // A multipart body may carry the SDP beside others (RFC 5621): the first part of that kind counts.
    let parts = multipart::parts(headers, body);
    let part = parts
        .iter()
        .find(|part| part.kind == "application/sdp" && !part.packed)?;
    let mut text = letters(part.content)?;
    if !text.ends_with('\n') {
        // The line end belonged to the delimiter.
        text.push_str("\r\n");
    }
    Some(text)
}

//! A request that was read.

use bytes::Bytes;
use sipx_sip as sipx;

use crate::sip::message::headers::Headers;
use crate::sip::message::ids::{Ids, Unusable};
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
        let finding = sipx::validate_request(&request)
            .into_iter()
            .find(|finding| !finding.is_repairable());
        if let Some(finding) = finding {
            let unusable = Unusable {
                status: finding.status(),
                reason: format!("{finding:?}"),
            };
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

    /// The body as SDP, when it is one.
    pub fn sdp(&self) -> Option<String> {
        sdp(&self.headers, &self.body)
    }
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

pub(super) fn sdp(headers: &Headers, body: &Bytes) -> Option<String> {
    let kind = content_type(headers, body)?;
    if kind == "application/sdp" {
        return String::from_utf8(body.to_vec()).ok();
    }
    // A multipart body may carry the SDP beside others (RFC 5621): the first part of that kind counts.
    let (_, params) = headers.parametrised(&HeaderName::ContentType)?;
    let boundary = params
        .get("boundary")
        .filter(|_| kind.starts_with("multipart/"))?;
    let text = std::str::from_utf8(body).ok()?;
    part(text, boundary, "application/sdp").map(str::to_owned)
}

/// The first part of a multipart body that has the type. Parts within parts are not looked into.
fn part<'a>(body: &'a str, boundary: &str, wanted: &str) -> Option<&'a str> {
    if boundary.is_empty() || boundary.len() > 70 {
        return None;
    }
    let delimiter = format!("--{boundary}");
    for section in body.split(delimiter.as_str()).skip(1).take(8) {
        let Some((head, content)) = section.split_once("\r\n\r\n") else {
            continue;
        };
        let is_wanted = head.lines().any(|line| {
            line.split_once(':').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("content-type")
                    && value.trim().to_ascii_lowercase().starts_with(wanted)
            })
        });
        if is_wanted {
            return Some(content);
        }
    }
    None
}

//! A response that was read.

use bytes::Bytes;
use sipx_sip as sipx;

use crate::sip::message::headers::Headers;
use crate::sip::message::ids::{Ids, Unusable};
use crate::sip::message::request;

/// A response with everything that tells its transaction.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its code, 100 to 699.
    pub status: u16,
    /// The words behind it.
    pub reason: String,
    /// Transaction and dialog.
    pub ids: Ids,
    /// All of its headers.
    pub headers: Headers,
    /// Its body, perhaps empty.
    pub body: Bytes,
}

impl Response {
    pub(super) fn from_parser(response: sipx::Response) -> Result<Self, Unusable> {
        Ids::check(&response.version, &response.headers)?;
        Ok(Self {
            status: response.status.code(),
            reason: String::from_utf8_lossy(&response.reason).into_owned(),
            ids: Ids::of(&response.headers)?,
            body: response.body().clone(),
            headers: Headers(response.headers),
        })
    }

    /// 100 to 199.
    pub fn is_provisional(&self) -> bool {
        self.status < 200
    }

    /// 200 to 299.
    pub fn is_success(&self) -> bool {
        self.status / 100 == 2
    }

    /// The body as SDP, when it is one.
    pub fn sdp(&self) -> Option<String> {
        request::sdp(&self.headers, &self.body)
    }

    /// The type of the body in small letters, without parameters; `None` when there is no body.
    pub fn content_type(&self) -> Option<String> {
        request::content_type(&self.headers, &self.body)
    }
}

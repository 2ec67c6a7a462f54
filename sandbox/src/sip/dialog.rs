//! A dialog as one end keeps it (RFC 3261, 12).

use offhook_signaling::sip::message::address::NameAddr;
use offhook_signaling::sip::message::outgoing::{Content, OutgoingRequest};
use offhook_signaling::sip::message::request::Request;
use offhook_signaling::sip::message::response::Response;
use offhook_signaling::sip::message::uri::Uri;
use offhook_signaling::sip::message::{HeaderName, Method};

/// Both ends' names and numbers.
#[derive(Debug, Clone)]
pub(super) struct Dialog {
    pub(super) call_id: String,
    /// Our From in requests, with the tag.
    pub(super) local: String,
    /// Our To in requests, with the tag where there is one.
    pub(super) remote: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
    pub(super) target: Uri,
    pub(super) routes: Vec<String>,
    pub(super) local_cseq: u32,
    pub(super) remote_cseq: u32,
}

impl Dialog {
    /// The called end's, of the request that makes it.
    pub(super) fn called(request: &Request, tag: &str) -> Option<Self> {
        let headers = &request.headers;
        let target = headers.address(&HeaderName::Contact)?.uri;
        let to = headers.get(&HeaderName::To)?;
        Some(Self {
            call_id: request.ids.call_id.clone(),
            local: format!("{to};tag={tag}"),
            remote: headers.get(&HeaderName::From)?,
            local_tag: tag.to_owned(),
            remote_tag: request.ids.from_tag().to_owned(),
            target,
            routes: headers.all(&HeaderName::RecordRoute).collect(),
            local_cseq: 0,
            remote_cseq: request.ids.cseq,
        })
    }

    /// The calling end's, of the answer that makes it.
    pub(super) fn calling(request: &OutgoingRequest, response: &Response) -> Option<Self> {
        let headers = &response.headers;
        let content = &request.content;
        let mut routes: Vec<String> = headers
            .addresses(&HeaderName::RecordRoute)
            .unwrap_or_default()
            .iter()
            .map(NameAddr::to_string)
            .collect();
        routes.reverse();
        let target = headers.address(&HeaderName::Contact).map(|it| it.uri);
        Some(Self {
            call_id: content.get(&HeaderName::CallId)?.to_owned(),
            local: content.get(&HeaderName::From)?.to_owned(),
            remote: headers.get(&HeaderName::To)?,
            local_tag: response.ids.from_tag().to_owned(),
            remote_tag: response.ids.to_tag().to_owned(),
            target: target.unwrap_or_else(|| request.uri.clone()),
            routes,
            local_cseq: response.ids.cseq,
            remote_cseq: 0,
        })
    }

    /// A request within it, complete but for Via and Contact. An ACK has the number of its INVITE.
    pub(super) fn request(&mut self, method: Method, cseq: Option<u32>) -> OutgoingRequest {
        let cseq = cseq.unwrap_or_else(|| {
            self.local_cseq += 1;
            self.local_cseq
        });
        let mut content = Content::default();
        content.push(&HeaderName::MaxForwards, "70");
        for route in &self.routes {
            content.push(&HeaderName::Route, route.as_str());
        }
        content.push(&HeaderName::From, self.local.as_str());
        content.push(&HeaderName::To, self.remote.as_str());
        content.push(&HeaderName::CallId, self.call_id.as_str());
        content.push(&HeaderName::CSeq, format!("{cseq} {method}"));
        OutgoingRequest {
            method,
            uri: self.target.clone(),
            content,
            secure: false,
        }
    }

    /// The far end's new address.
    pub(super) fn refresh_target(
        &mut self,
        headers: &offhook_signaling::sip::message::headers::Headers,
    ) {
        if let Some(contact) = headers.address(&HeaderName::Contact) {
            self.target = contact.uri;
        }
    }
}

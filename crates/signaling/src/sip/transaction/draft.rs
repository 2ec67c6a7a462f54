//! What stays of a request from one try to the next: all but Via, CSeq and credentials.

use crate::sip::dialog::edge::{Edge, Way, routes_over};
use crate::sip::message::address::NameAddr;
use crate::sip::message::outgoing::{Content, OutgoingRequest};
use crate::sip::message::uri::Uri;
use crate::sip::message::{HeaderName, Method};

/// A request to be sent, perhaps more than once: with credentials after a challenge, amended after a refusal.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its method.
    pub method: Method,
    /// Where it goes to.
    pub uri: Uri,
    /// Route values, in order.
    pub routes: Vec<String>,
    /// From with our tag.
    pub from: String,
    /// To, with the far side's tag within a dialog.
    pub to: String,
    /// Call-ID.
    pub call_id: String,
    /// Further headers, and the body.
    pub content: Content,
    /// The connections that its routes and its answers belong to.
    pub way: Way,
}

/// The hop that a request begins at: us, on one connection.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// `WS` or `WSS` (RFC 7118, 5.1).
    pub transport: &'a str,
    /// Our name, a random label under `.invalid` (RFC 7118, appendix B.1).
    pub sent_by: &'a str,
    /// Offers the keep-alive of RFC 6223.
    pub keep: bool,
    /// That connection.
    pub edge: Option<Edge>,
    /// URL of its server.
    pub url: &'a str,
}

impl Draft {
    /// The far side's tag, within a dialog.
    pub fn to_tag(&self) -> Option<String> {
        let to = NameAddr::parse(&self.to).ok()?;
        to.tag().map(str::to_owned)
    }

    /// The request with that branch and number. Credentials come last, when all that they cover is there.
    pub fn request(&self, hop: Hop<'_>, branch: &str, cseq: u32) -> OutgoingRequest {
        let mut content = Content::default();
        let keep = if hop.keep { ";keep" } else { "" };
        content.push(
            &HeaderName::Via,
            format!(
                "SIP/2.0/{} {};branch={branch}{keep}",
                hop.transport, hop.sent_by
            ),
        );
        content.push(&HeaderName::MaxForwards, "70");
        let routes = match self.way.learnt.zip(hop.edge) {
            Some((learnt, now)) => routes_over(&self.routes, learnt, now, hop.url),
            None => self.routes.clone(),
        };
        for route in routes {
            content.push(&HeaderName::Route, route);
        }
        content.push(&HeaderName::From, self.from.as_str());
        content.push(&HeaderName::To, self.to.as_str());
        content.push(&HeaderName::CallId, self.call_id.as_str());
        content.push(&HeaderName::CSeq, format!("{cseq} {}", self.method));
        content.append(&self.content);
        OutgoingRequest {
            method: self.method.clone(),
            uri: self.uri.clone(),
            content,
            secure: self.way.secure,
        }
    }
}

/// The ACK of a refusal: part of the INVITE's transaction, so with its branch (RFC 3261, 17.1.1.3). `to` is that of the
/// response.
pub fn refusal_ack(invite: &OutgoingRequest, to: &str) -> OutgoingRequest {
    let mut content = echo(invite, &Method::Ack);
    content.remove(&HeaderName::To);
    content.push(&HeaderName::To, to);
    // RFC 3261, 22.1: the credentials of the INVITE go with its ACK.
    for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
        for value in invite.content.all(&name) {
            content.push(&name, value);
        }
    }
    OutgoingRequest {
        method: Method::Ack,
        uri: invite.uri.clone(),
        content,
        secure: invite.secure,
    }
}

/// The CANCEL of an INVITE (RFC 3261, 9.1): no tag added, no Require, the same branch and number.
pub fn cancel(invite: &OutgoingRequest, reason: Option<&str>) -> OutgoingRequest {
    let mut content = echo(invite, &Method::Cancel);
    if let Some(reason) = reason {
        content.push(&HeaderName::Reason, reason);
    }
    OutgoingRequest {
        method: Method::Cancel,
        uri: invite.uri.clone(),
        content,
        secure: invite.secure,
    }
}

fn echo(invite: &OutgoingRequest, method: &Method) -> Content {
    let mut content = Content::default();
    if let Some(via) = invite.content.get(&HeaderName::Via) {
        content.push(&HeaderName::Via, via);
    }
    content.push(&HeaderName::MaxForwards, "70");
    for name in [
        HeaderName::Route,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
    ] {
        for value in invite.content.all(&name) {
            content.push(&name, value);
        }
    }
    let cseq = invite.content.get(&HeaderName::CSeq).unwrap_or_default();
    let number = cseq.split(' ').next().unwrap_or_default();
    content.push(&HeaderName::CSeq, format!("{number} {method}"));
    content
}

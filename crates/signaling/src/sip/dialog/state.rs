//! One dialog: its name, its numbers, its route and its target (RFC 3261, 12).

use crate::sip::dialog::edge::{Edge, Way};
use crate::sip::dialog::peer::Peer;
use crate::sip::message::address::NameAddr;
use crate::sip::message::headers::Headers;
use crate::sip::message::ids::Ids;
use crate::sip::message::outgoing::Content;
use crate::sip::message::request::Request;
use crate::sip::message::response::Response;
use crate::sip::message::uri::Uri;
use crate::sip::message::{HeaderName, Method};
use crate::sip::transaction::draft::Draft;

/// A dialog, early or confirmed.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: String,
    /// We, with our tag.
    pub local: NameAddr,
    /// The far side, with its tag; peers older than RFC 3261 have none.
    pub remote: NameAddr,
    /// Number of our last request.
    pub local_cseq: u32,
    /// Number of the far side's last request.
    pub remote_cseq: Option<u32>,
    /// Where requests go to. Never resolved: they take the connection that is there.
    pub target: Uri,
    /// Route values, the nearest first.
    pub routes: Vec<NameAddr>,
    /// The connection that the route was learnt over.
    pub edge: Option<Edge>,
    /// What the far side can do.
    pub peer: Peer,
    /// The request that made it asked for `sips:`, and came or went over TLS: so does all that follows (12.1.1, 12.1.2).
    pub secure: bool,
}

/// A request that the dialog cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfOrder;

impl Dialog {
    /// The dialog that an answer to our request makes (12.1.2). `None`: it names no target and there is none to fall back
    /// to, so it makes none.
    pub fn of_answer(draft: &Draft, cseq: u32, response: &Response) -> Option<Self> {
        let routes = response.headers.addresses(&HeaderName::RecordRoute).ok()?;
        Self::of_routed_answer(draft, cseq, response, routes)
    }

    /// The dialog that an answer would have made whose route set cannot be read: it goes by what can be read of it, and is good
    /// for nothing but a goodbye.
    pub fn of_astray_answer(draft: &Draft, cseq: u32, response: &Response) -> Option<Self> {
        let lines = response.headers.all(&HeaderName::RecordRoute);
        let legible = lines.filter_map(|line| NameAddr::parse_list(&line).ok());
        Self::of_routed_answer(draft, cseq, response, legible.flatten().collect())
    }

    fn of_routed_answer(
        draft: &Draft,
        cseq: u32,
        response: &Response,
        mut routes: Vec<NameAddr>,
    ) -> Option<Self> {
        let target = response
            .headers
            .address(&HeaderName::Contact)
            .map_or_else(|| draft.uri.clone(), |contact| contact.uri);
        routes.reverse();
        let mut peer = Peer::default();
        peer.learn(&response.headers);
        Some(Self {
            call_id: response.ids.call_id.clone(),
            local: NameAddr::parse(&draft.from).ok()?,
            remote: response.ids.to.clone(),
            local_cseq: cseq,
            remote_cseq: None,
            target,
            routes,
            edge: draft.way.sent,
            peer,
            secure: draft.way.secure,
        })
    }

    /// The dialog that the far side's request makes, once it is answered with that tag (12.1.1). It came over that
    /// connection.
    pub fn of_request(request: &Request, tag: &str, edge: Option<Edge>) -> Option<Self> {
        // A peer of RFC 2543 may leave its Contact out, and is reached at its From (RFC 4475, 3.4.1).
        let target = match request.headers.address(&HeaderName::Contact) {
            Some(contact) => contact.uri,
            None if request.ids.via.branch().is_empty() => request.ids.from.uri.clone(),
            None => return None,
        };
        let routes = request.headers.addresses(&HeaderName::RecordRoute).ok()?;
        // What is no UTF-8 could not be said again: nobody would take our requests for those of this dialog, or they would get nowhere.
        let spoilt = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
        let ids = &request.ids;
        if spoilt(&ids.call_id)
            || spoilt(ids.from_tag())
            || spoilt(&target.to_string())
            || routes.iter().any(|route| spoilt(&route.uri.to_string()))
        {
            return None;
        }
        let mut peer = Peer::default();
        peer.learn(&request.headers);
        let local = if request.ids.to.tag().is_some() {
            request.ids.to.clone()
        } else {
            request.ids.to.clone().with_tag(tag)
        };
        Some(Self {
            call_id: request.ids.call_id.clone(),
            local,
            remote: request.ids.from.clone(),
            local_cseq: 0,
            remote_cseq: Some(request.ids.cseq),
            target,
            routes,
            edge,
            peer,
            secure: false,
        })
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        self.local.tag().unwrap_or_default()
    }

    /// The far side's tag.
    pub fn remote_tag(&self) -> &str {
        self.remote.tag().unwrap_or_default()
    }

    /// Whether that is its Call-ID.
    pub fn has_call_id(&self, call_id: &str) -> bool {
        self.call_id == call_id
    }

    /// Whether it is the same one, perhaps with other numbers.
    pub fn has_names_of(&self, other: &Self) -> bool {
        self.call_id == other.call_id
            && self.local_tag() == other.local_tag()
            && self.remote_tag() == other.remote_tag()
    }

    /// Whether a request of the far side belongs here (12.2.2).
    pub fn has_request(&self, ids: &Ids) -> bool {
        self.call_id == ids.call_id
            && self.local_tag() == ids.to_tag()
            && self.remote_tag() == ids.from_tag()
    }

    /// Whether an answer to our request belongs here.
    pub fn has_answer(&self, ids: &Ids) -> bool {
        self.call_id == ids.call_id
            && self.local_tag() == ids.from_tag()
            && self.remote_tag() == ids.to_tag()
    }

    /// Whether a request of ours was drafted within it, and not for another fork.
    pub fn is_named_by(&self, draft: &Draft) -> bool {
        self.call_id == draft.call_id && draft.to_tag().as_deref() == self.remote.tag()
    }

    /// Notes the number of a request of the far side (12.2.2: one that goes back is answered with 500).
    pub fn take_request(&mut self, request: &Request) -> Result<(), OutOfOrder> {
        if request.method == Method::Ack {
            return Ok(());
        }
        if self
            .remote_cseq
            .is_some_and(|last| request.ids.cseq <= last && request.method != Method::Cancel)
        {
            return Err(OutOfOrder);
        }
        self.remote_cseq = Some(request.ids.cseq);
        self.peer.learn(&request.headers);
        Ok(())
    }

    /// A target refresh request or its answer brings a new target (12.2). The route set stays.
    pub fn refresh_target(&mut self, headers: &Headers) {
        if let Some(contact) = headers.address(&HeaderName::Contact) {
            self.target = contact.uri;
        }
        self.peer.learn(headers);
    }

    /// The number of the next request of ours.
    pub fn next_cseq(&mut self) -> u32 {
        // Below 2^31 (8.1.1.5): a dialog that sent that many requests is not of this world.
        self.local_cseq = (self.local_cseq + 1) & 0x7fff_ffff;
        self.local_cseq
    }

    /// A request of ours within the dialog (12.2.1.1).
    pub fn draft(&self, method: Method, content: Content) -> Draft {
        let (uri, routes) = self.way();
        Draft {
            method,
            uri,
            routes,
            from: self.local.to_string(),
            to: self.remote.to_string(),
            call_id: self.call_id.clone(),
            content,
            way: Way {
                learnt: self.edge,
                sent: None,
                secure: self.secure,
            },
        }
    }

    /// Request-URI and Route. A first hop without `lr` is a strict router of RFC 2543: it wants to be the Request-URI, and
    /// the target comes last.
    fn way(&self) -> (Uri, Vec<String>) {
        match self.routes.split_first() {
            Some((first, rest)) if first.uri.param("lr").is_none() => {
                let mut routes: Vec<_> = rest.iter().map(ToString::to_string).collect();
                routes.push(format!("<{}>", self.target));
                (first.uri.clone().without_headers(), routes)
            }
            _ => (
                self.target.clone().without_headers(),
                self.routes.iter().map(ToString::to_string).collect(),
            ),
        }
    }
}

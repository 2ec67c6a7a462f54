//! Texts outside of calls (RFC 3428): one at a time to each address, and each with its final answer.

use std::collections::VecDeque;
use std::time::Instant;

use crate::error::Error;
use crate::event::Event;
use crate::sip::auth::authorization::Authorization;
use crate::sip::call::amending::quality;
use crate::sip::call::calling::{may_carry, routes, target};
use crate::sip::call::headers;
use crate::sip::call::identity::{caller, own};
use crate::sip::call::offers::{core_answer, core_answer_with};
use crate::sip::call::text;
use crate::sip::dialog::edge::Way;
use crate::sip::flow_id::FlowId;
use crate::sip::message::address::NameAddr;
use crate::sip::message::outgoing::Content;
use crate::sip::message::request::Request;
use crate::sip::message::response::Response;
use crate::sip::message::uri::Uri;
use crate::sip::message::{HeaderName, Method};
use crate::sip::random;
use crate::sip::session::core::{Core, identity};
use crate::sip::session::flow::Flow;
use crate::sip::session::machine::Session;
use crate::sip::session::owner::Purpose;
use crate::sip::transaction::client::ClientTransaction;
use crate::sip::transaction::draft::Draft;
use crate::sip::transaction::server::ServerKey;

const NAME: &str = "message";
/// Most texts that wait.
const MOST: usize = 64;

/// Texts that have no final answer.
#[derive(Debug, Default)]
pub(super) struct Texts {
    out: Vec<Text>,
    waiting: VecDeque<Waiting>,
}

/// One that waits until the one before it to the same address has its answer.
#[derive(Debug)]
struct Waiting {
    id: u64,
    to: Uri,
    body: String,
}

/// One that is out.
#[derive(Debug)]
struct Text {
    /// As its command names it.
    id: u64,
    call_id: String,
    to: Uri,
    cseq: u32,
    auth: Authorization,
    /// Connections that could not carry it.
    tried: Vec<FlowId>,
    /// It went to another address than at first.
    redirected: bool,
}

impl Text {
    /// Another try that a refusal makes sensible: with credentials, over each other connection, or once to where it points.
    fn another(
        &mut self,
        transaction: &ClientTransaction<Purpose>,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) -> Option<(Draft, FlowId)> {
        let mut draft = transaction.draft.clone();
        if matches!(response.status, 401 | 407) {
            let answered = self.auth.on_challenge(response, &identity(&core.config));
            return answered.is_ok().then_some((draft, transaction.flow));
        }
        self.auth.on_accepted(response);
        self.tried.push(transaction.flow);
        let other = core.flow_after(&self.tried, transaction, response, now);
        if let Some(flow) = other.filter(|flow| may_carry(core, *flow, &draft.uri)) {
            draft.routes = routes(core, flow);
            return Some((draft, flow));
        }
        let target = redirection(transaction, response, core)?;
        if self.redirected {
            return None;
        }
        self.redirected = true;
        draft.uri = target;
        Some((draft, transaction.flow))
    }
}

/// The best address of SIP that a redirection names (RFC 3261, 8.1.3.4), of those that the flow may carry. What was for `sips:` goes
/// to no address that is less.
pub(super) fn redirection(
    transaction: &ClientTransaction<Purpose>,
    response: &Response,
    core: &Core,
) -> Option<Uri> {
    if !(300..=305).contains(&response.status) {
        return None;
    }
    let (flow, before) = (transaction.flow, &transaction.draft.uri);
    let fits = |uri: &Uri| may_carry(core, flow, uri) && (uri.is_sips() || !before.is_sips());
    let contacts = response.headers.addresses(&HeaderName::Contact).ok()?;
    let known = contacts
        .into_iter()
        .filter(|contact| contact.uri.is_sip() && fits(&contact.uri));
    // The first of those that are equal.
    let best = known.min_by_key(|contact| std::cmp::Reverse(quality(contact)))?;
    Some(best.uri.without_headers())
}

impl Session {
    pub(super) fn on_text_command(&mut self, id: u64, to: &str, body: String, now: Instant) {
        match self.queue_text(id, to, body) {
            Ok(()) => self.next_texts(now),
            Err(error) => self.tell_failed_text(id, error),
        }
    }

    fn tell_failed_text(&mut self, id: u64, error: Error) {
        let call = None;
        self.core.tell(Event::MessageFailed { call, id, error });
    }

    fn queue_text(&mut self, id: u64, to: &str, body: String) -> Result<(), Error> {
        let unsayable = |fault| Error::Unsayable {
            command: NAME,
            fault,
        };
        let core = &self.core;
        let to = target(to, &core.config)
            .ok_or_else(|| unsayable("the address cannot be written as one of SIP"))?
            .without_headers();
        if to.is_sips() && !core.flows.iter().any(Flow::is_secure) {
            return Err(unsayable(
                "a sips: address is reached over a server at wss:// only",
            ));
        }
        // 3428, 8: what is longer may get stuck where a way has UDP in it.
        if body.len() > self.core.config.longest_message {
            return Err(unsayable("the text is too long for a message of its own"));
        }
        if self.texts.out.len() + self.texts.waiting.len() >= MOST {
            return Err(unsayable("too many texts wait already"));
        }
        if self.stopping || self.core.ready_flow().is_none() {
            return Err(Error::NotReady {
                server: self.core.server_name(FlowId(0)),
                command: NAME,
            });
        }
        self.texts.waiting.push_back(Waiting { id, to, body });
        Ok(())
    }

    /// Sends every text whose address has none out.
    fn next_texts(&mut self, now: Instant) {
        for waiting in std::mem::take(&mut self.texts.waiting) {
            let to = &waiting.to;
            let busy = self.texts.out.iter().any(|text| text.to.is_same(to));
            let core = &self.core;
            let fits = |flow: &FlowId| may_carry(core, *flow, to);
            let flow = core.flow_at_any_rate(&Method::Message, now).filter(fits);
            let flow = flow.or_else(|| core.ready_flows_for(&Method::Message, now).find(fits));
            match flow.filter(|_| !busy) {
                Some(flow) => self.send_message(waiting, flow, now),
                None if busy => self.texts.waiting.push_back(waiting),
                None => self.tell_lost_text(waiting.id),
            }
        }
    }

    fn send_message(&mut self, text: Waiting, flow: FlowId, now: Instant) {
        let Waiting { id, to, body } = text;
        let core = &mut self.core;
        let mut content = Content::default();
        // RFC 4028, 7.1.
        content.push(&HeaderName::Supported, headers::supported(&core.config));
        content.push(&HeaderName::UserAgent, core.config.user_agent.as_str());
        content.set_body(text::KIND, body);
        let draft = Draft {
            method: Method::Message,
            uri: to.clone(),
            routes: routes(core, flow),
            from: own(&core.config)
                .with_tag(&random::token(&mut core.rng))
                .to_string(),
            to: NameAddr::new(to.clone()).to_string(),
            call_id: random::token(&mut core.rng),
            content,
            way: Way::default(),
        };
        let mut text = Text {
            id,
            call_id: draft.call_id.clone(),
            to,
            cseq: 1,
            auth: Authorization::default(),
            tried: Vec::new(),
            redirected: false,
        };
        core.request(draft, 1, Some(&mut text.auth), flow, Purpose::Text, now);
        self.texts.out.push(text);
    }

    fn tell_lost_text(&mut self, id: u64) {
        let error = Error::NotReady {
            server: self.core.server_name(FlowId(0)),
            command: NAME,
        };
        self.tell_failed_text(id, error);
    }

    /// The text that has its last word by that transaction.
    fn take_text(&mut self, transaction: &ClientTransaction<Purpose>) -> Option<u64> {
        let call_id = &transaction.draft.call_id;
        let mut out = self.texts.out.iter();
        let at = out.position(|text| text.call_id == *call_id)?;
        Some(self.texts.out.remove(at).id)
    }

    pub(super) fn on_text_answer(
        &mut self,
        transaction: &ClientTransaction<Purpose>,
        response: &Response,
        now: Instant,
    ) {
        let call_id = &transaction.draft.call_id;
        let mut out = self.texts.out.iter_mut();
        if let Some(text) = out.find(|text| text.call_id == *call_id)
            && let Some((draft, flow)) = text.another(transaction, response, &mut self.core, now)
        {
            text.cseq += 1;
            let (cseq, auth) = (text.cseq, Some(&mut text.auth));
            self.core
                .request(draft, cseq, auth, flow, Purpose::Text, now);
            return;
        }
        let Some(id) = self.take_text(transaction) else {
            return;
        };
        if response.is_success() {
            self.core.tell(Event::MessageAccepted {
                call: None,
                id,
                stored: response.status == 202,
            });
        } else {
            let error = Error::Refused {
                server: self.core.server_name(transaction.flow),
                setting: None,
                method: "MESSAGE",
                code: Some(response.status.into()),
                reason: response.reason.clone(),
            };
            self.tell_failed_text(id, error);
        }
        self.next_texts(now);
    }

    pub(super) fn on_no_text_answer(
        &mut self,
        transaction: &ClientTransaction<Purpose>,
        lost: bool,
        now: Instant,
    ) {
        let Some(id) = self.take_text(transaction) else {
            return;
        };
        if lost {
            self.tell_lost_text(id);
        } else {
            let error = Error::Refused {
                server: self.core.server_name(transaction.flow),
                setting: None,
                method: "MESSAGE",
                code: None,
                reason: "no answer came".to_owned(),
            };
            self.tell_failed_text(id, error);
        }
        self.next_texts(now);
    }

    /// A text of anybody.
    pub(super) fn on_message_outside(&mut self, request: &Request, key: &ServerKey, now: Instant) {
        let core = &mut self.core;
        if !core.agent.is_named(&request.uri, &core.config) {
            return core_answer(core, key, 404, now);
        }
        let body = match text::read(request) {
            Ok(body) => body,
            Err(refusal) => return text::refuse(refusal, key, core, now),
        };
        if !self.subs.unasked.take(now) {
            let later = (HeaderName::RetryAfter, "5");
            return core_answer_with(core, key, 480, &[later], now);
        }
        core_answer(core, key, 200, now);
        let from = caller(&request.headers, &request.ids, &core.config);
        core.tell(Event::Message {
            call: None,
            from,
            body,
        });
    }
}

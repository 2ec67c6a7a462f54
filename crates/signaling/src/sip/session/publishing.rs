//! Showing others whether we can be reached (RFC 3903).

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::event::Event;
use crate::sip::call::calling::routes;
use crate::sip::call::headers;
use crate::sip::call::identity::own;
use crate::sip::deadline::Deadline;
use crate::sip::dialog::edge::Way;
use crate::sip::flow_id::FlowId;
use crate::sip::message::address::NameAddr;
use crate::sip::message::outgoing::Content;
use crate::sip::message::response::Response;
use crate::sip::message::{HeaderName, Method};
use crate::sip::publication::machine::{Outcome, Request, Shown};
use crate::sip::registration::schedule;
use crate::sip::session::core::identity;
use crate::sip::session::machine::Session;
use crate::sip::session::owner::{Owner, Purpose};
use crate::sip::transaction::client::ClientTransaction;
use crate::sip::transaction::draft::Draft;

/// Longest words that are shown.
const LONGEST_NOTE: usize = 1024;
/// It is refreshed no more often.
const SHORTEST: Duration = Duration::from_secs(5);
const NAME: &str = "presence";

impl Session {
    pub(super) fn on_publish_command(&mut self, open: bool, note: Option<String>, now: Instant) {
        let fault = if note.as_ref().is_some_and(|note| note.len() > LONGEST_NOTE) {
            Some("the words have more than 1024 bytes")
        } else if headers::is_anonymous(&self.core.config) {
            Some("an anonymous user has no presence")
        } else {
            None
        };
        if let Some(fault) = fault {
            let command = NAME;
            let error = Error::Unsayable { command, fault };
            return self
                .core
                .tell(Event::SessionCommandFailed { command, error });
        }
        let rng = &mut self.core.rng;
        self.publication.want(Shown { open, note }, rng);
        let owner = Owner::Publication;
        self.core.deadlines.clear(Deadline::PublishAgain, &owner);
        self.publish(now);
    }

    /// Sends what is to be said; without a connection it waits for one.
    pub(super) fn publish(&mut self, now: Instant) {
        let flow = self.core.flow_at_any_rate(&Method::Publish, now);
        let Some(flow) = flow.filter(|_| !self.stopping) else {
            return;
        };
        self.publish_over(flow, now);
    }

    fn publish_over(&mut self, flow: FlowId, now: Instant) {
        if let Some(request) = self.publication.next(&self.core.config) {
            self.send_publish(request, flow, now);
        }
    }

    /// Takes back what the server has.
    pub(super) fn unpublish(&mut self, now: Instant) {
        let Some(flow) = self.core.ready_flow() else {
            return;
        };
        self.core.deadlines.clear_owner(&Owner::Publication);
        if let Some(request) = self.publication.remove() {
            self.send_publish(request, flow, now);
        }
    }

    fn send_publish(&mut self, request: Request, flow: FlowId, now: Instant) {
        let core = &mut self.core;
        let mut content = Content::default();
        content.push(&HeaderName::Event, "presence");
        let seconds = request.expires.as_secs().to_string();
        content.push(&HeaderName::Expires, seconds);
        if let Some(etag) = request.if_match {
            content.push(&HeaderName::SipIfMatch, etag);
        }
        // RFC 4028, 7.1.
        content.push(&HeaderName::Supported, headers::supported(&core.config));
        content.push(&HeaderName::UserAgent, core.config.user_agent.as_str());
        if let Some(body) = request.body {
            content.set_body("application/pidf+xml", body);
        }
        let aor = core.config.aor.clone();
        let draft = Draft {
            method: Method::Publish,
            uri: aor.clone(),
            routes: routes(core, flow),
            from: own(&core.config)
                .with_tag(&self.publication.tag)
                .to_string(),
            to: NameAddr::new(aor).to_string(),
            call_id: self.publication.call_id.clone(),
            content,
            way: Way::default(),
        };
        let auth = Some(&mut self.publication.auth);
        core.request(draft, request.cseq, auth, flow, Purpose::Publish, now);
    }

    pub(super) fn on_publish_answer(
        &mut self,
        transaction: &ClientTransaction<Purpose>,
        response: &Response,
        now: Instant,
    ) {
        self.publication.tried.push(transaction.flow);
        let tried = &self.publication.tried;
        let other = self.core.flow_after(tried, transaction, response, now);
        if let Some(other) = other.filter(|_| self.publication.is_out_to_stay()) {
            return self.publish_elsewhere(other, now);
        }
        let identity = identity(&self.core.config);
        let outcome = self.publication.on_answer(response, &identity);
        self.on_publish_outcome(outcome, transaction.flow, Some(response), now);
    }

    /// The same over another connection (RFC 3263, 4.3).
    fn publish_elsewhere(&mut self, flow: FlowId, now: Instant) {
        self.publication.take_back();
        self.publish_over(flow, now);
    }

    pub(super) fn on_no_publish_answer(
        &mut self,
        transaction: &ClientTransaction<Purpose>,
        lost: bool,
        now: Instant,
    ) {
        self.publication.tried.push(transaction.flow);
        let tried = &self.publication.tried;
        // As good as 408 (RFC 3261, 8.1.3.1).
        let other = self.core.flow_beside(tried, &Method::Publish, false, now);
        if let Some(other) = other.filter(|_| !lost && self.publication.is_out_to_stay()) {
            return self.publish_elsewhere(other, now);
        }
        if lost {
            // What was challenged and has no answer now says nothing about what follows over the next one.
            self.publication.auth.forget_refusal();
        }
        let outcome = self.publication.on_silence();
        // Where the connection is lost it goes out over the next one.
        if !lost || self.core.ready_flow().is_some() {
            self.on_publish_outcome(outcome, transaction.flow, None, now);
        }
    }

    fn on_publish_outcome(
        &mut self,
        outcome: Outcome,
        flow: FlowId,
        response: Option<&Response>,
        now: Instant,
    ) {
        let owner = Owner::Publication;
        let error = |session: &Self| Error::Refused {
            server: session.core.server_name(FlowId(0)),
            setting: None,
            method: "PUBLISH",
            code: response.map(|response| response.status.into()),
            reason: response.map_or_else(
                || "it does not answer".to_owned(),
                |response| response.reason.clone(),
            ),
        };
        match outcome {
            Outcome::Holds { expires, told } => {
                let expires = expires.clamp(SHORTEST, schedule::LONGEST_WAIT);
                let refresh = schedule::refresh_after(expires, &mut self.core.rng).max(SHORTEST);
                let deadlines = &mut self.core.deadlines;
                deadlines.set(Deadline::PublishRefresh, owner.clone(), now + refresh);
                deadlines.set(Deadline::PublishExpiry, owner, now + expires);
                if let Some(Shown { open, note }) = told {
                    self.core.tell(Event::Published { open, note });
                }
                // The user may have thought of something else meanwhile.
                if self.publication.is_due() {
                    self.publish(now);
                }
            }
            Outcome::Again if self.stopping => {}
            Outcome::Again => self.publish_over(flow, now),
            Outcome::Later { least, first } => {
                let core = &mut self.core;
                let failures = self.publication.failures();
                let pause =
                    schedule::back_off(&core.config.backoff, failures, false, &mut core.rng);
                let least = least.unwrap_or_default().min(schedule::LONGEST_WAIT);
                // What another connection's server said of itself counts while there is no better one.
                let pause = pause
                    .max(least)
                    .max(core.unwanted_for(&Method::Publish, now));
                core.deadlines.clear(Deadline::PublishRefresh, &owner);
                core.deadlines
                    .set(Deadline::PublishAgain, owner, now + pause);
                if first {
                    let error = error(self);
                    self.core.tell(Event::Postponed(error));
                }
            }
            Outcome::Refused => {
                self.core.deadlines.clear_owner(&owner);
                let error = error(self);
                let command = NAME;
                self.core
                    .tell(Event::SessionCommandFailed { command, error });
            }
            Outcome::Nothing => {}
        }
    }

    /// A connection is there again.
    pub(super) fn publication_back(&mut self, now: Instant) {
        let waits = self
            .core
            .deadlines
            .is_set(Deadline::PublishAgain, &Owner::Publication);
        if self.publication.is_due() && !waits {
            self.publish(now);
        }
    }

    pub(super) fn on_publish_deadline(&mut self, deadline: Deadline, now: Instant) {
        if deadline == Deadline::PublishExpiry {
            self.publication.on_expiry();
            return self.publication_back(now);
        }
        self.publish(now);
    }
}

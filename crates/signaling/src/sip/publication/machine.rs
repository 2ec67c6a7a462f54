//! Our presence at the server, from the first PUBLISH to the last (RFC 3903, 4).

use std::time::Duration;

use rand::Rng;

use crate::sip::auth::authorization::{Authorization, Identity};
use crate::sip::config::Config;
use crate::sip::flow_id::FlowId;
use crate::sip::message::HeaderName;
use crate::sip::message::response::Response;
use crate::sip::random;
use crate::sip::subscription::presence;
use crate::sip::subscription::state::may_pass;

/// What the user wants others to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sip) struct Shown {
    pub(in crate::sip) open: bool,
    pub(in crate::sip) note: Option<String>,
}

/// One publication. Its Call-ID lives as long as the user agent, so that challenges are answered once.
#[derive(Debug)]
pub(in crate::sip) struct Publication {
    pub(in crate::sip) call_id: String,
    pub(in crate::sip) tag: String,
    cseq: u32,
    pub(in crate::sip) auth: Authorization,
    wanted: Option<Shown>,
    /// The server's name for what it has.
    etag: Option<String>,
    /// The server has something else than what is wanted.
    dirty: bool,
    /// The user waits for an answer.
    untold: bool,
    /// A PUBLISH is out.
    out: Option<Sent>,
    /// Connections that could not carry it.
    pub(in crate::sip) tried: Vec<FlowId>,
    expires: Duration,
    /// Refusals that were amended since the last success.
    amended: Vec<u16>,
    failures: u32,
}

/// What a PUBLISH says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    /// Something new.
    State(Shown),
    /// The same for longer.
    Refresh,
    /// Nothing any more.
    Removal,
}

/// What is to be written into a PUBLISH.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sip) struct Request {
    pub(in crate::sip) cseq: u32,
    pub(in crate::sip) if_match: Option<String>,
    pub(in crate::sip) expires: Duration,
    pub(in crate::sip) body: Option<String>,
}

/// What an answer led to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sip) enum Outcome {
    /// It holds that long; `told`: what the user is to hear.
    Holds {
        expires: Duration,
        told: Option<Shown>,
    },
    /// Send the next one at once.
    Again,
    /// Try again after a pause, not before this time; `first`: the user is to hear of it.
    Later {
        least: Option<Duration>,
        first: bool,
    },
    /// The last word: nothing is published.
    Refused,
    /// Nothing is to be done.
    Nothing,
}

impl Publication {
    pub(in crate::sip) fn new(config: &Config) -> Self {
        Self {
            call_id: String::new(),
            tag: String::new(),
            cseq: 0,
            auth: Authorization::default(),
            wanted: None,
            etag: None,
            dirty: false,
            untold: false,
            out: None,
            tried: Vec::new(),
            expires: config.publish_expires,
            amended: Vec::new(),
            failures: 0,
        }
    }

    /// The user wants something else to be seen.
    pub(in crate::sip) fn want(&mut self, shown: Shown, rng: &mut impl Rng) {
        if self.call_id.is_empty() {
            self.call_id = random::token(rng);
            self.tag = random::token(rng);
        }
        self.wanted = Some(shown);
        self.dirty = true;
        self.untold = true;
        self.amended.clear();
        self.auth.forget_refusal();
    }

    /// Failures since the last success.
    pub(in crate::sip) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether something is to be said that has not been said.
    pub(in crate::sip) fn is_due(&self) -> bool {
        self.dirty && self.wanted.is_some() && self.out.is_none()
    }

    /// The next PUBLISH: what changed, or the refresh. `None`: one is out, or nothing is wanted.
    pub(in crate::sip) fn next(&mut self, config: &Config) -> Option<Request> {
        if self.out.is_some() {
            return None;
        }
        let shown = self.wanted.clone()?;
        let body = (self.dirty || self.etag.is_none()).then(|| {
            let entity = config.aor.to_string();
            presence::write(&entity, &entity, shown.open, shown.note.as_deref())
        });
        self.out = Some(match body {
            Some(_) => Sent::State(shown),
            None => Sent::Refresh,
        });
        self.dirty = false;
        self.cseq += 1;
        Some(Request {
            cseq: self.cseq,
            if_match: self.etag.clone(),
            expires: self.expires,
            body,
        })
    }

    /// Whether what is out says something, and nothing was asked for instead.
    pub(in crate::sip) fn is_out_to_stay(&self) -> bool {
        matches!(self.out, Some(Sent::State(_) | Sent::Refresh)) && self.wanted.is_some()
    }

    /// What is out did not arrive: the next PUBLISH says it, or what is wanted by then.
    pub(in crate::sip) fn take_back(&mut self) {
        if let Some(sent) = self.out.take() {
            self.say_again(&sent);
        }
    }

    /// The last PUBLISH: takes back what the server has (4.5). `None`: it has nothing.
    pub(in crate::sip) fn remove(&mut self) -> Option<Request> {
        self.wanted = None;
        self.dirty = false;
        let etag = self.etag.take()?;
        self.out = Some(Sent::Removal);
        self.cseq += 1;
        Some(Request {
            cseq: self.cseq,
            if_match: Some(etag),
            expires: Duration::ZERO,
            body: None,
        })
    }

    /// What was published has ended at the server.
    pub(in crate::sip) fn on_expiry(&mut self) {
        self.etag = None;
        self.dirty |= self.wanted.is_some();
    }

    /// Nothing came back. It is not known whether the server has it: the next one says so.
    pub(in crate::sip) fn on_silence(&mut self) -> Outcome {
        self.tried.clear();
        match self.out.take() {
            Some(Sent::State(_) | Sent::Refresh) => self.dirty = true,
            Some(Sent::Removal) | None => return Outcome::Nothing,
        }
        self.later(None)
    }

    pub(in crate::sip) fn on_answer(
        &mut self,
        response: &Response,
        identity: &Identity<'_>,
    ) -> Outcome {
        self.tried.clear();
        let Some(sent) = self.out.take() else {
            return Outcome::Nothing;
        };
        let status = response.status;
        if matches!(status, 401 | 407) {
            return match self.auth.on_challenge(response, identity) {
                Ok(()) => self.again(&sent),
                Err(_) => self.refused(),
            };
        }
        self.auth.on_accepted(response);
        if sent == Sent::Removal {
            return Outcome::Nothing;
        }
        if response.is_success() {
            return self.on_taken(sent, response);
        }
        let once = !self.amended.contains(&status);
        match status {
            // It does not know what we mean: all of it anew (4.1).
            412 if self.etag.is_some() => {
                self.etag = None;
                self.again(&sent)
            }
            423 if once => {
                self.amended.push(status);
                let least = response.headers.number(&HeaderName::MinExpires);
                let least = Duration::from_secs(least.unwrap_or_default().into());
                if least <= self.expires {
                    return self.refused();
                }
                self.expires = least;
                self.again(&sent)
            }
            status if may_pass(status) => {
                self.dirty = true;
                self.later(response.headers.retry_after())
            }
            _ => self.refused(),
        }
    }

    fn on_taken(&mut self, sent: Sent, response: &Response) -> Outcome {
        self.failures = 0;
        self.amended.clear();
        // A server that names nothing cannot be told to refresh it; then all of it is said again.
        self.etag = response.headers.get(&HeaderName::SipETag);
        let said = response.headers.number(&HeaderName::Expires);
        let expires = said.map_or(self.expires, |said| {
            Duration::from_secs(said.into()).min(self.expires)
        });
        if expires.is_zero() {
            return self.refused();
        }
        let told = match sent {
            Sent::State(shown) if self.wanted.as_ref() == Some(&shown) => {
                std::mem::take(&mut self.untold).then_some(shown)
            }
            Sent::State(_) | Sent::Refresh | Sent::Removal => None,
        };
        Outcome::Holds { expires, told }
    }

    /// Room for the same thing with what was learned.
    fn again(&mut self, sent: &Sent) -> Outcome {
        self.say_again(sent);
        Outcome::Again
    }

    fn say_again(&mut self, sent: &Sent) {
        self.dirty |= matches!(sent, Sent::State(_)) || self.etag.is_none();
    }

    fn later(&mut self, least: Option<Duration>) -> Outcome {
        let first = self.failures == 0;
        self.failures = self.failures.saturating_add(1);
        Outcome::Later { least, first }
    }

    fn refused(&mut self) -> Outcome {
        self.wanted = None;
        self.etag = None;
        self.dirty = false;
        self.untold = false;
        Outcome::Refused
    }
}

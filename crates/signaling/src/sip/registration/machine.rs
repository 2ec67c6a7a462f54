//! The registration of one flow, from the first REGISTER to the last.

use std::time::Duration;

use rand::Rng;

use crate::sip::agent::{self, Agent};
use crate::sip::auth::authorization::{Authorization, Identity, Unanswerable};
use crate::sip::config::Config;
use crate::sip::dialog::edge::Way;
use crate::sip::flow_id::FlowId;
use crate::sip::message::address::NameAddr;
use crate::sip::message::outgoing::Content;
use crate::sip::message::response::Response;
use crate::sip::message::uri::Uri;
use crate::sip::message::{HeaderName, Method};
use crate::sip::random;
use crate::sip::registration::granted::Granted;
use crate::sip::transaction::draft::Draft;

/// One flow's registration. Its Call-ID lives as long as the user agent (RFC 5626, 4.2.1).
#[derive(Clone, Debug)]
pub struct Registration {
    flow: FlowId,
    call_id: String,
    tag: String,
    cseq: u32,
    /// Challenges of the registrar.
    pub auth: Authorization,
    state: State,
    /// What holds at present.
    pub granted: Option<Granted>,
    /// What is asked for: more than the configuration says when the registrar wants more.
    expires: Duration,
    /// The first hop refused outbound (439).
    without_outbound: bool,
    /// Option tags that the registrar refused (420).
    refused: Vec<String>,
    /// The registrar knows no push service of ours (555).
    without_push: bool,
    /// Extensions that it demands and we have (421).
    required: Vec<String>,
    /// Where it sent us within its own domain (RFC 3261, 8.1.3.4).
    redirected: Option<Uri>,
    /// This REGISTER was amended already after that code.
    amended: Vec<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing is under way.
    Idle,
    /// A REGISTER is out: no other may go before its answer (RFC 3261, 10.2).
    Asking,
    /// The last REGISTER is out.
    Leaving,
}

/// What an answer to a REGISTER leads to.
#[derive(Debug)]
pub enum Outcome {
    /// It holds; see [`Registration::granted`].
    Registered {
        /// It did not before.
        new: bool,
    },
    /// It is gone, as we asked.
    Left,
    /// Send this at once.
    Again(Box<Draft>),
    /// The credentials are not taken: no use in trying without a change. What was granted to others before holds on at the
    /// registrar.
    Unauthorized(Unanswerable),
    /// The registrar will not have us: no use in trying without a change.
    Refused,
    /// Try again after a while, not before this time is over.
    Later(Option<Duration>),
    /// The way to the registrar is broken: try a new connection, not before this time is over.
    FlowFailed(Option<Duration>),
}

impl Registration {
    /// A registration that has not been asked for.
    pub fn new(flow: FlowId, config: &Config, rng: &mut impl Rng) -> Self {
        Self {
            flow,
            call_id: random::token(rng),
            tag: random::token(rng),
            cseq: 0,
            auth: Authorization::default(),
            state: State::Idle,
            granted: None,
            expires: config.expires,
            without_outbound: false,
            refused: Vec::new(),
            without_push: false,
            required: Vec::new(),
            redirected: None,
            amended: Vec::new(),
        }
    }

    /// Whether a REGISTER is out.
    pub fn is_asking(&self) -> bool {
        self.state != State::Idle
    }

    /// Whether outbound was refused (439).
    pub fn is_without_outbound(&self) -> bool {
        self.without_outbound
    }

    /// Whether the last REGISTER is out.
    pub fn is_leaving(&self) -> bool {
        self.state == State::Leaving
    }

    /// The next number.
    pub fn next_cseq(&mut self) -> u32 {
        self.cseq += 1;
        self.cseq
    }

    /// A new REGISTER. `None`: one is out, or our address cannot be written.
    pub fn register(&mut self, agent: &Agent, config: &Config) -> Option<Draft> {
        if self.is_asking() {
            return None;
        }
        self.amended.clear();
        // The server's user base may have changed since: this one is judged by itself.
        self.auth.forget_refusal();
        let draft = self.draft(agent, config, self.expires)?;
        self.state = State::Asking;
        Some(draft)
    }

    /// The last REGISTER: takes our Contact away (RFC 3261, 10.2.2). `None`: there is nothing to take away, or one is out.
    pub fn unregister(&mut self, agent: &Agent, config: &Config) -> Option<Draft> {
        if self.is_asking() || self.granted.is_none() {
            return None;
        }
        let draft = self.draft(agent, config, Duration::ZERO)?;
        self.state = State::Leaving;
        Some(draft)
    }

    /// The last REGISTER in the place of what an answer to one before leads to: `again` where that one would be said once more, so
    /// that what an earlier connection left at the registrar is taken away too. `None`: there is nothing to take away.
    pub fn leave_instead(&mut self, again: bool, agent: &Agent, config: &Config) -> Option<Draft> {
        self.state = State::Idle;
        if self.granted.is_none() && !again {
            return None;
        }
        let draft = self.draft(agent, config, Duration::ZERO)?;
        self.state = State::Leaving;
        Some(draft)
    }

    fn draft(&self, agent: &Agent, config: &Config, expires: Duration) -> Option<Draft> {
        let outbound = !self.without_outbound;
        let push = config.push.as_ref().filter(|_| !self.without_push);
        let seconds = expires.as_secs();
        let contact = agent.registered_contact(config, self.flow, outbound, push, seconds)?;
        let mut content = Content::default();
        content.push(&HeaderName::Contact, contact.to_string());
        content.push(&HeaderName::Expires, expires.as_secs().to_string());
        let supported: Vec<_> = agent::SUPPORTED
            .split(", ")
            .filter(|option| outbound || *option != "outbound")
            .filter(|option| !self.refused.iter().any(|known| known == option))
            .collect();
        content.push(&HeaderName::Supported, supported.join(", "));
        if !self.required.is_empty() {
            content.push(&HeaderName::Require, self.required.join(", "));
        }
        content.push(&HeaderName::Allow, agent::ALLOW);
        content.push(&HeaderName::UserAgent, config.user_agent.as_str());
        let own = NameAddr {
            display_name: config.display_name.clone(),
            ..NameAddr::new(config.aor.clone())
        };
        Some(Draft {
            method: Method::Register,
            uri: self.redirected.clone().or_else(|| registrar(config))?,
            routes: config
                .routes
                .iter()
                .map(|route| format!("<{route}>"))
                .collect(),
            from: own.clone().with_tag(&self.tag).to_string(),
            to: own.to_string(),
            call_id: self.call_id.clone(),
            content,
            way: Way::default(),
        })
    }

    /// The connection is gone, and with it the answer that may be under way. What was granted may hold at the registrar,
    /// but reaches us no more.
    pub fn lose(&mut self) {
        self.state = State::Idle;
        self.granted = None;
        self.redirected = None;
    }

    /// No answer came in time: RFC 3261, 10.2.7 forbids another try at once.
    pub fn on_silence(&mut self) -> Outcome {
        let leaving = self.is_leaving();
        self.lose();
        if leaving {
            Outcome::Left
        } else {
            Outcome::FlowFailed(None)
        }
    }

    /// Takes a final answer to a REGISTER that went to that URI.
    pub fn on_answer(
        &mut self,
        response: &Response,
        uri: &Uri,
        agent: &Agent,
        config: &Config,
        identity: &Identity<'_>,
    ) -> Outcome {
        let was = std::mem::replace(&mut self.state, State::Idle);
        let wanted = match was {
            State::Leaving => Duration::ZERO,
            State::Idle | State::Asking => self.expires,
        };
        match response.status {
            401 | 407 => {
                return match self.auth.on_challenge(response, identity) {
                    Ok(()) => self.again(was, agent, config, wanted),
                    Err(_) if was == State::Leaving => self.left(),
                    Err(reason) => Outcome::Unauthorized(reason),
                };
            }
            200..=299 if self.auth.is_forged(response, &uri.to_string(), identity) => {
                return self.failed(Outcome::Unauthorized(Unanswerable::Forged));
            }
            _ => self.auth.on_accepted(response),
        }
        if was == State::Leaving {
            return self.left();
        }
        let retry_after = response.headers.retry_after();
        match response.status {
            200..=299 => self.on_registered(response, agent, config),
            423 if self.amend_once(423) => {
                let least = response.headers.number(&HeaderName::MinExpires);
                let least = Duration::from_secs(least.unwrap_or_default().into());
                if least <= self.expires {
                    return Outcome::Refused;
                }
                self.expires = least;
                self.again(was, agent, config, least)
            }
            439 if !self.without_outbound => {
                self.without_outbound = true;
                self.again(was, agent, config, wanted)
            }
            420 if self.amend_once(420) => {
                self.refused = response.headers.tokens(&HeaderName::Unsupported);
                self.without_outbound |= self.refused.iter().any(|known| known == "outbound");
                self.again(was, agent, config, wanted)
            }
            421 if self.amend_once(421) => {
                let required = response.headers.tokens(&HeaderName::Require);
                let can =
                    |option: &String| agent::SUPPORTED.split(", ").any(|known| known == option);
                if required.is_empty() || !required.iter().all(can) {
                    return self.failed(Outcome::Refused);
                }
                self.required = required;
                self.again(was, agent, config, wanted)
            }
            // RFC 8599, 8.1: calls still reach us as long as the connection lives.
            555 if config.push.is_some() && !self.without_push => {
                self.without_push = true;
                self.again(was, agent, config, wanted)
            }
            301 | 302 | 305 if self.amend_once(302) => {
                match redirection(response, config) {
                    Some(uri) => {
                        self.redirected = Some(uri);
                        self.again(was, agent, config, wanted)
                    }
                    // Another server's registrar is not ours without consent (8.1.3.4).
                    None => Outcome::Later(retry_after),
                }
            }
            300..=399 => Outcome::Later(retry_after),
            // The first hop cannot reach the registrar for now; the way from it to us is as it was.
            408 | 504 if self.granted.is_some() => Outcome::Later(retry_after),
            // The first hop cannot reach the registrar over this connection.
            408 | 504 => self.failed(Outcome::FlowFailed(retry_after)),
            604 | 606..=608 => self.failed(Outcome::Refused),
            // What was granted before holds on.
            413 | 480 | 486 | 487 | 491 | 500..=699 => Outcome::Later(retry_after),
            404 if retry_after.is_some() => Outcome::Later(retry_after),
            // 430 is between proxies, and for us as good as 400 (RFC 5626, 11.5).
            _ => self.failed(Outcome::Refused),
        }
    }

    fn on_registered(&mut self, response: &Response, agent: &Agent, config: &Config) -> Outcome {
        let granted = Granted::read(response, agent, config, self.flow, self.expires);
        let Some(granted) = granted.filter(|granted| !granted.expires.is_zero()) else {
            // The registrar says yes and has us not.
            return self.failed(Outcome::Later(None));
        };
        let new = self.granted.replace(granted).is_none();
        Outcome::Registered { new }
    }

    fn failed(&mut self, outcome: Outcome) -> Outcome {
        self.granted = None;
        outcome
    }

    fn left(&mut self) -> Outcome {
        self.granted = None;
        Outcome::Left
    }

    fn again(&mut self, was: State, agent: &Agent, config: &Config, expires: Duration) -> Outcome {
        match self.draft(agent, config, expires) {
            Some(draft) => {
                self.state = was;
                Outcome::Again(Box::new(draft))
            }
            None => Outcome::Refused,
        }
    }

    fn amend_once(&mut self, code: u16) -> bool {
        if self.amended.contains(&code) {
            return false;
        }
        self.amended.push(code);
        true
    }
}

/// Where a registrar sends us, if that is within the domain of our address of record.
fn redirection(response: &Response, config: &Config) -> Option<Uri> {
    let own = config.aor.host()?.to_ascii_lowercase();
    let contacts = response.headers.addresses(&HeaderName::Contact).ok()?;
    let within = |uri: &Uri| {
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        uri.is_sip() && (host == own || host.ends_with(&format!(".{own}")))
    };
    contacts
        .into_iter()
        .map(|contact| contact.uri.without_headers())
        .find(within)
}

/// Request-URI of a REGISTER: the domain of the address of record, without a user (RFC 3261, 10.2).
fn registrar(config: &Config) -> Option<Uri> {
    let host = config.aor.host()?;
    let port = config.aor.port().map(|port| format!(":{port}"));
    let scheme = config.aor.scheme();
    Uri::parse(&format!("{scheme}:{host}{}", port.unwrap_or_default())).ok()
}

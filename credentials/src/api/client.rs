//! The client: one method a call of the API.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use url::{Host, Url};

use crate::api::error::Error;
use crate::api::list::Page;
use crate::api::pace::Pace;
use crate::api::reply;
use crate::api::retry::{self, Outcome, Repeat, Tries, Verdict};
use crate::api::wire::{HttpReply, HttpRequest, Wire, WireFault};
use crate::secret::Secret;

/// Base URL of the real service.
pub const TELNYX: &str = "https://api.telnyx.com/v2";
/// How long a new credential, or its token, may be refused by the gateway, as documented.
pub const FRESHNESS: Duration = Duration::from_secs(5);
/// Longest wait for a rate limit that the client takes upon itself.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Most pages of a list: 10,000 pages of 250.
const MOST_PAGES: u64 = 10_000;
/// Times that something is asked for whose making gets no answer.
const MAKINGS: u32 = 4;
/// What is asked for; the server may give less.
const PAGE_SIZE: &str = "250";

/// A client of the API. All methods may be called from several threads at once; they share the rate limits.
pub struct Client {
    wire: Box<dyn Wire>,
    base: Url,
    server: String,
    key: Secret,
    pace: Mutex<Pace>,
    freshness: Duration,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

/// A request on its way into the world.
pub(super) struct Call<'a> {
    pub(super) method: &'static str,
    /// Below the base URL.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<Value>,
    pub(super) accept: &'static str,
    /// The name under which the server counts it.
    pub(super) endpoint: &'static str,
    pub(super) repeat: Repeat,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: &'static str, endpoint: &'static str, path: &'a [&'a str]) -> Self {
        Self {
            method,
            path,
            query: &[],
            body: None,
            accept: "application/json",
            endpoint,
            repeat: Repeat::Freely,
        }
    }

    fn what(&self) -> String {
        format!("{} /{}", self.method, self.path.join("/"))
    }
}

/// How a request failed.
pub(super) enum Failure {
    /// For good.
    Final(Error),
    /// It may have been carried out.
    Uncertain(String),
}

impl Client {
    /// A client of the API at `base`, such as [`TELNYX`].
    ///
    /// # Errors
    /// The URL is none, or would carry the key in clear over a network.
    pub fn new(base: &str, key: Secret, wire: impl Wire + 'static) -> Result<Self, Error> {
        let fault = |why| Error::Url {
            url: base.to_owned(),
            why,
        };
        let url = Url::parse(base).map_err(|_| fault("it is no URL; write https://HOST/v2"))?;
        let local = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(fault("it names no host")),
        };
        match url.scheme() {
            "https" => {}
            "http" if local => {}
            "http" => return Err(fault("the key would travel in clear; use https")),
            _ => return Err(fault("only https is spoken")),
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return Err(fault("it must hold neither a login nor a query"));
        }
        let host = url.host_str().unwrap_or_default();
        let server = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok(Self {
            wire: Box::new(wire),
            base: url,
            server,
            key,
            pace: Mutex::new(Pace::default()),
            freshness: FRESHNESS,
        })
    }

    /// The same for a server whose lists show what is new after this time, in place of [`FRESHNESS`].
    #[must_use]
    pub fn with_freshness(mut self, freshness: Duration) -> Self {
        self.freshness = freshness;
        self
    }

    /// Host, and port if it is not the usual one.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Waits as the wire waits.
    pub fn pause(&self, time: Duration) {
        self.wire.pause(time);
    }

    /// Time since some fixed moment.
    pub fn now(&self) -> Duration {
        self.wire.now()
    }

    /// Makes something that must not be made twice: after a request whose answer did not come, `look` says whether it is there,
    /// before it is asked for again.
    pub(super) fn make<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        look: impl Fn() -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let mut failures = 0;
        loop {
            let why = match self.carry_out(call) {
                Ok(answer) => {
                    return reply::data(&answer.body).map_err(|why| self.unreadable(call, why));
                }
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Uncertain(why)) => why,
            };
            failures += 1;
            if let Some(made) = self.look_until_settled(&look)? {
                tracing::info!(what = call.what(), "made without an answer; found");
                return Ok(made);
            }
            if failures >= MAKINGS {
                return Err(self.uncertain(call, why));
            }
        }
    }

    /// Looks for what may have been made just now, for as long as a list may not show it yet.
    fn look_until_settled<T>(
        &self,
        look: impl Fn() -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        let settled = self.wire.now() + self.freshness;
        for looks in 1.. {
            let pause = retry::pause(looks, self.wire.chance());
            let left = settled.saturating_sub(self.wire.now());
            let last = left <= pause;
            self.wire
                .pause(if looks > 1 && last { left } else { pause });
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            if last {
                break;
            }
        }
        Ok(None)
    }

    /// Carries a request out, repeated where that is right; the answer has a status of success.
    pub(super) fn carry_out(&self, call: &Call<'_>) -> Result<HttpReply, Failure> {
        let mut tries = Tries::default();
        loop {
            self.wait_for_pace(call)?;
            let sent = self.wire.send(&self.request(call));
            let outcome = match &sent {
                Ok(reply) => {
                    let (now, chance) = (self.wire.now(), self.wire.chance());
                    self.pace().note(call.endpoint, reply, now, chance);
                    if (200..300).contains(&reply.status) {
                        return sent.map_err(|fault| self.unreachable(call, fault));
                    }
                    Outcome::Reply(reply)
                }
                Err(fault) => Outcome::Fault(fault),
            };
            match tries.judge(outcome, call.repeat, self.wire.chance()) {
                Verdict::Again(pause) => {
                    tracing::debug!(what = call.what(), ?pause, "request failed; again");
                    self.wire.pause(pause);
                }
                Verdict::WhenAllowed => {
                    tracing::debug!(what = call.what(), "refused for the rate; again");
                }
                Verdict::Uncertain => {
                    let why = match sent {
                        Ok(reply) => format!("status {}", reply.status),
                        Err(fault) => fault.text,
                    };
                    return Err(Failure::Uncertain(why));
                }
                Verdict::Done => {
                    return Err(match sent {
                        Ok(reply) => self.refused(call, &reply),
                        Err(fault) => self.unreachable(call, fault),
                    });
                }
            }
        }
    }

    /// A call that may be repeated freely.
    pub(super) fn simply(&self, call: &Call<'_>) -> Result<HttpReply, Error> {
        self.carry_out(call).map_err(|failure| match failure {
            Failure::Final(error) => error,
            Failure::Uncertain(why) => self.uncertain(call, why),
        })
    }

    /// A call whose answer is `{"data": ...}`.
    pub(super) fn data<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, Error> {
        let answer = self.simply(call)?;
        reply::data(&answer.body).map_err(|why| self.unreadable(call, why))
    }

    /// A `DELETE`: gone is gone, whoever did it.
    pub(super) fn delete(&self, call: &Call<'_>) -> Result<bool, Error> {
        match self.simply(call) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All pages of a list.
    pub(super) fn all<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        path: &[&str],
        filters: &[(&str, &str)],
    ) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        for number in 1..=MOST_PAGES {
            let number = number.to_string();
            let mut query = filters.to_vec();
            query.push(("page[number]", &number));
            query.push(("page[size]", PAGE_SIZE));
            let call = Call {
                query: &query,
                ..Call::new("GET", endpoint, path)
            };
            let answer = self.simply(&call)?;
            let page: Page<T> = serde_json::from_slice(&answer.body)
                .map_err(|_| self.unreadable(&call, "no list with its figures".to_owned()))?;
            let last = page.is_last();
            all.extend(page.data);
            if last {
                break;
            }
        }
        Ok(all)
    }

    fn wait_for_pace(&self, call: &Call<'_>) -> Result<(), Failure> {
        loop {
            let wait = self.pace().wait(call.endpoint, self.wire.now());
            let Some(wait) = wait else { return Ok(()) };
            if wait > LONGEST_WAIT {
                return Err(Failure::Final(Error::RateLimited {
                    server: self.server.clone(),
                    what: call.what(),
                    wait,
                }));
            }
            tracing::debug!(what = call.what(), ?wait, "the rate limit is reached");
            self.wire.pause(wait);
        }
    }

    fn request(&self, call: &Call<'_>) -> HttpRequest {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        HttpRequest {
            method: call.method,
            url: url.into(),
            accept: call.accept,
            key: self.key.clone(),
            body: call.body.as_ref().map(|body| body.to_string().into_bytes()),
        }
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, call: &Call<'_>, reply: &HttpReply) -> Failure {
        Failure::Final(Error::Refused {
            server: self.server.clone(),
            what: call.what(),
            status: reply.status,
            problems: reply::problems(&reply.body),
            request_id: reply.header("x-request-id").map(str::to_owned),
        })
    }

    fn unreachable(&self, call: &Call<'_>, fault: WireFault) -> Failure {
        Failure::Final(Error::Unreachable {
            server: self.server.clone(),
            what: call.what(),
            fault,
        })
    }

    fn uncertain(&self, call: &Call<'_>, why: String) -> Error {
        Error::Uncertain {
            server: self.server.clone(),
            what: call.what(),
            why,
        }
    }

    pub(super) fn unreadable(&self, call: &Call<'_>, why: String) -> Error {
        Error::Unreadable {
            server: self.server.clone(),
            what: call.what(),
            why,
        }
    }
}

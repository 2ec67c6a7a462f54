//! One request: who asks, what for, what is answered, and its line in the log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY};
use hyper::{Method, Request};

use crate::serve::answer::{self, Answer, Refusal};
use crate::serve::desk::Desk;
use crate::serve::metrics::count;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) desk: Arc<Desk>,
    /// Origins of web pages that may ask.
    pub(super) origins: Vec<String>,
}

/// What is known about a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) remote: SocketAddr,
    /// The caller whose certificate it showed.
    pub(super) certified: Option<usize>,
}

impl Endpoint {
    /// Answers and logs.
    pub(super) async fn answer<B>(&self, request: &Request<B>, peer: Peer) -> Answer {
        let began = Instant::now();
        // Only these words go into the log: a query, or a wrong path, may hold a secret.
        let path = match request.uri().path() {
            "/token" => "/token",
            "/healthz" => "/healthz",
            "/metrics" => "/metrics",
            _ => "(other)",
        };
        let method = match *request.method() {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::OPTIONS => "OPTIONS",
            _ => "(other)",
        };
        let caller = self.caller(request.headers(), peer);
        let mut answer = match (path, request.method()) {
            ("/token", &Method::POST) => self.token(request.headers(), caller).await,
            ("/token", &Method::OPTIONS) => answer::preflight(),
            ("/healthz", &Method::GET) => answer::text("ok\n".to_owned()),
            ("/metrics", &Method::GET) => {
                let callers = self.desk.callers.all().len();
                answer::text(self.desk.metrics.text(callers))
            }
            ("(other)", _) => answer::refusal(Refusal::NotFound),
            _ => answer::refusal(Refusal::Method),
        };
        self.allow_origin(request.headers(), &mut answer);
        let name = caller.and_then(|caller| self.desk.callers.all().get(caller));
        tracing::info!(
            remote = %peer.remote,
            caller = name.map_or("-", |caller| &caller.name),
            method,
            path,
            status = answer.status().as_u16(),
            ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "request"
        );
        answer
    }

    async fn token(&self, headers: &HeaderMap, caller: Option<usize>) -> Answer {
        let Some(caller) = caller else {
            count(&self.desk.metrics.unauthorized);
            return answer::refusal(Refusal::Unauthorized);
        };
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        let as_text = accept.is_some_and(|accept| accept.trim().starts_with("text/plain"));
        match self.desk.token(caller).await {
            Ok(held) => answer::token(&held, as_text),
            Err(refusal) => answer::refusal(refusal),
        }
    }

    fn caller(&self, headers: &HeaderMap, peer: Peer) -> Option<usize> {
        if peer.certified.is_some() {
            return peer.certified;
        }
        let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, secret) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| self.desk.callers.with_secret(secret.trim()))?
    }

    fn allow_origin(&self, headers: &HeaderMap, answer: &mut Answer) {
        let origin = headers.get(ORIGIN).and_then(|value| value.to_str().ok());
        let known = origin.filter(|origin| self.origins.iter().any(|known| known == origin));
        if let Some(value) = known.and_then(|known| HeaderValue::from_str(known).ok()) {
            let name = HeaderName::from_static("access-control-allow-origin");
            answer.headers_mut().insert(name, value);
            answer
                .headers_mut()
                .insert(VARY, HeaderValue::from_static("origin"));
        }
    }
}

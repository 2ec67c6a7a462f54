//! What the server says about a call is acknowledged: at once, or as soon as the server hears us again.

use offhook_signaling::event::{EndedBy, Event};
use offhook_signaling::verto::dialect::differences::Dialect;
use serde_json::Value;

/// Acknowledgements of the present socket.
#[derive(Debug)]
pub(super) struct Acks {
    dialect: Dialect,
    /// The request that is being heard, if it wants one.
    heard: Option<String>,
    /// Requests whose news were told to the user, and that want one.
    owed: Vec<String>,
    given: Vec<String>,
}

impl Acks {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            heard: None,
            owed: Vec::new(),
            given: Vec::new(),
        }
    }

    /// The server says this now.
    pub(super) fn said(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        let method = frame["method"].as_str();
        let method = method.and_then(|method| self.dialect.read_method(method));
        let wanted = method.is_some_and(|method| self.dialect.acked.contains(&method));
        self.heard = wanted.then(|| frame["id"].to_string());
    }

    /// The client says this.
    pub(super) fn sent(&mut self, text: &str) {
        if text.contains("\"result\"") {
            let frame: Value = serde_json::from_str(text).unwrap_or_default();
            self.given.push(frame["id"].to_string());
        }
    }

    /// The user was told this.
    pub(super) fn told(&mut self, event: &Event) {
        let of_the_server = matches!(
            event,
            Event::Incoming { .. }
                | Event::Ringing { .. }
                | Event::EarlyMedia { .. }
                | Event::Answered { .. }
                | Event::Attach { .. }
                | Event::Display { .. }
                | Event::Ended {
                    by: EndedBy::Remote,
                    ..
                }
        );
        if of_the_server {
            self.owed.extend(self.heard.take());
        }
    }

    /// All that was said is done. `hushed`: the client may not say anything yet.
    pub(super) fn check(&mut self, hushed: bool) -> Result<(), String> {
        self.heard = None;
        if hushed {
            return Ok(());
        }
        let missing = self.owed.drain(..).find(|id| !self.given.contains(id));
        self.given.clear();
        missing.map_or(Ok(()), |id| {
            Err(format!("request {id} of the server was not acknowledged"))
        })
    }

    /// A new socket.
    pub(super) fn forget(&mut self) {
        self.heard = None;
        self.owed.clear();
        self.given.clear();
    }
}

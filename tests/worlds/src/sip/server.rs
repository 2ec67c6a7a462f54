//! The model's server: edges, a registrar, and a proxy without state (RFC 3261, 16.11) between user agents and the far end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::sip::message::{Message, Text};
use crate::sip::network::{Happening, Way};
use crate::sip::registrar::{Policy, Registrar};

/// Users of the server, by the number of their user agent.
pub(super) const USERS: [&str; 2] = ["alice", "bob"];

const PROXY: &str = "SIP/2.0/TCP proxy.example.com;branch=";

/// The server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) registrar: Registrar,
    /// The newest socket of each flow, as far as the server knows.
    edges: BTreeMap<(usize, u8), Way>,
    /// Calls between two user agents of ours.
    bridged: BTreeSet<String>,
    /// Where requests came from, by branch.
    came: BTreeMap<String, Way>,
    sides: usize,
    /// Transactions may overtake each other behind it.
    reorders: bool,
    /// The last arrival of each transaction, or of all for a user agent.
    last: BTreeMap<(usize, String), Instant>,
    /// Nothing goes wrong any more.
    pub(super) calm: bool,
    pub(super) plans: Vec<(Duration, Happening)>,
    rng: StdRng,
    pub(super) fault: Option<String>,
}

impl Server {
    pub(super) fn new(sides: usize, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            registrar: Registrar::new(Policy::draw(&mut rng)),
            edges: BTreeMap::new(),
            bridged: BTreeSet::new(),
            came: BTreeMap::new(),
            sides,
            reorders: rng.random_range(0..4) == 0,
            last: BTreeMap::new(),
            calm: false,
            plans: Vec::new(),
            rng,
            fault: None,
        }
    }

    fn odds(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    pub(super) fn blame(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    /// The connection is gone, by the server's knowledge.
    pub(super) fn client_gone(&mut self, way: Way) {
        if self.edges.get(&(way.side, way.flow)) == Some(&way) {
            self.edges.remove(&(way.side, way.flow));
            self.registrar.forget(way.side, way.flow);
        }
    }

    /// The connection for a request to that user agent.
    pub(super) fn pick(&mut self, side: usize, now: Instant) -> Option<Way> {
        let ways: Vec<Way> = self
            .edges
            .iter()
            .filter(|((of, flow), _)| *of == side && self.registrar.is_bound(side, *flow, now))
            .map(|(_, way)| *way)
            .collect();
        (!ways.is_empty()).then(|| ways[self.rng.random_range(0..ways.len())])
    }

    /// Takes what a client said. What is for the far end comes back.
    pub(super) fn receive(
        &mut self,
        way: Way,
        text: String,
        now: Instant,
    ) -> Option<(Way, String)> {
        let edge = self.edges.entry((way.side, way.flow)).or_insert(way);
        if edge.socket > way.socket {
            // Said before the newer one was opened.
            return None;
        }
        *edge = way;
        if text == "\r\n\r\n" {
            self.plans
                .push((Duration::ZERO, Happening::PassBack(way, "\r\n".to_owned())));
            return None;
        }
        let message = Message::read(&text)?;
        if message.status().is_some() {
            return self.on_answer(way, &message, &text, now);
        }
        if message.method() == "REGISTER" {
            self.on_register(way, &message, now);
            return None;
        }
        let asks = self.registrar.policy.asks_always;
        if asks && !matches!(message.method(), "ACK" | "CANCEL") {
            match self.registrar.challenge(way, &message) {
                Ok(None) => {}
                Ok(Some(challenge)) => {
                    self.pass_back(way, message.branch(), challenge, now);
                    return None;
                }
                Err(fault) => self.blame(fault),
            }
        }
        if matches!(message.method(), "INVITE" | "REFER") && message.to_tag().is_empty() {
            self.note_bridge(way, &message);
        }
        if self.bridged.contains(message.call_id()) {
            self.bridge(way, &message, &text, now);
            return None;
        }
        Some((way, text))
    }

    fn on_register(&mut self, way: Way, message: &Message<'_>, now: Instant) {
        if !self.calm && self.odds(1) {
            return;
        }
        if !self.calm && self.odds(1) {
            self.registrar.refusals += 1;
        }
        let rng = &mut self.rng;
        match self.registrar.register(way, message, rng, now) {
            Ok(answer) => self.pass_back(way, message.branch(), answer, now),
            Err(fault) => self.blame(fault),
        }
    }

    fn note_bridge(&mut self, way: Way, message: &Message<'_>) {
        let user = message.uri().trim_start_matches("sip:");
        let user = user.split('@').next().unwrap_or_default();
        let named = USERS.iter().take(self.sides).position(|name| *name == user);
        if named.is_some_and(|side| side != way.side) {
            self.bridged.insert(message.call_id().to_owned());
        }
    }

    /// Passes a request on to the other user agent.
    fn bridge(&mut self, way: Way, message: &Message<'_>, text: &str, now: Instant) {
        let branch = format!("{}-p", message.branch());
        if message.method() == "INVITE" && self.odds(90) {
            let trying = Text::answer(message, 100, "").end();
            self.pass_back(way, message.branch(), trying, now);
        }
        self.came.insert(message.branch().to_owned(), way);
        let (line, rest) = text.split_once("\r\n").unwrap_or_default();
        let passed = format!("{line}\r\nVia: {PROXY}{branch}\r\n{rest}");
        self.pass_on(1 - way.side, &branch, passed, now);
    }

    /// A request for a user agent, in its order or out of it.
    pub(super) fn pass_on(&mut self, side: usize, branch: &str, text: String, now: Instant) {
        let delay = self.turn(side, branch, now);
        self.plans.push((delay, Happening::PassOn(side, text)));
    }

    /// The same for an answer, where its request came from.
    pub(super) fn pass_back(&mut self, way: Way, branch: &str, text: String, now: Instant) {
        let delay = self.turn(way.side, branch, now);
        self.plans.push((delay, Happening::PassBack(way, text)));
    }

    /// What belongs to one transaction stays in order, and all else where the way behind the server does.
    fn turn(&mut self, side: usize, branch: &str, now: Instant) -> Duration {
        let delay = Duration::from_millis(self.rng.random_range(1..=150));
        let key = if self.reorders { branch } else { "" };
        let last = self.last.entry((side, key.to_owned())).or_insert(now);
        *last = (*last).max(now + delay);
        *last - now
    }

    /// Nobody is there: the proxy answers itself.
    pub(super) fn unreachable(&mut self, text: &str) -> Option<String> {
        let message = Message::read(text)?;
        let method = message.method();
        if method == "ACK" {
            return None;
        }
        Some(Text::answer(&message, 480, "proxy").end())
    }

    /// The proxy's own answer, on its way.
    pub(super) fn on_own_answer(
        &mut self,
        way: Way,
        text: &str,
        now: Instant,
    ) -> Option<(Way, String)> {
        let message = Message::read(text)?;
        self.on_answer(way, &message, text, now)
    }

    /// An answer of a user agent, or the proxy's own: back by where its request came from. What is for the far end comes back.
    pub(super) fn on_answer(
        &mut self,
        way: Way,
        message: &Message<'_>,
        text: &str,
        now: Instant,
    ) -> Option<(Way, String)> {
        let via = message.get("Via");
        if !via.starts_with(PROXY) {
            return Some((way, text.to_owned()));
        }
        let stripped = text.replacen(&format!("Via: {via}\r\n"), "", 1);
        let branch = message.branch().trim_end_matches("-p").to_owned();
        if let Some(came) = self.came.get(&branch) {
            let came = *came;
            self.pass_back(came, &branch, stripped, now);
        }
        None
    }
}

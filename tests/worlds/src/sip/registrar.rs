//! The model's registrar: bindings by flow, digest with nonces that go stale, grants of its own mind (RFC 3261, 10.3; RFC 7616).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use crate::sip::message::{Message, Text, param};
use crate::sip::network::Way;
use crate::sip::server::USERS;

/// How a world's registrar is.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// Registrations need the password.
    pub(super) digest: bool,
    /// Calls and what is within them need it too.
    pub(super) asks_always: bool,
    /// How often a nonce may be used.
    pub(super) nonce_uses: u32,
    /// It tells the next nonce with each 200.
    pub(super) next_nonce: bool,
    /// What it grants, and the least that it takes, in seconds.
    pub(super) grant: u64,
    pub(super) least: u64,
    pub(super) outbound: bool,
    pub(super) flow_timer: Option<u32>,
    /// It gives every user agent an address of its own (RFC 5627).
    pub(super) gruu: bool,
}

impl Policy {
    pub(super) fn draw(rng: &mut StdRng) -> Self {
        const GRANTS: [u64; 8] = [20, 60, 120, 120, 300, 600, 600, 3600];
        let grant = GRANTS[rng.random_range(0..GRANTS.len())];
        Self {
            digest: rng.random_range(0..10) < 8,
            asks_always: rng.random_range(0..10) < 3,
            nonce_uses: [1, 2, 10, u32::MAX][rng.random_range(0..4)],
            next_nonce: rng.random_range(0..10) < 3,
            grant,
            least: if rng.random_range(0..10) < 3 { 900 } else { 0 },
            outbound: rng.random_range(0..2) == 0,
            flow_timer: (rng.random_range(0..2) == 0).then_some(60),
            gruu: rng.random_range(0..3) == 0,
        }
    }
}

/// A nonce of one Call-ID.
#[derive(Debug)]
struct Nonce {
    value: String,
    /// Counts that were seen, each with the socket that it came by: one keeps the order of what it carries, two do not.
    seen: BTreeMap<u32, Way>,
}

impl Nonce {
    /// How often it was used; what was lost on the way has used it too.
    fn uses(&self) -> u32 {
        self.seen.last_key_value().map_or(0, |(count, _)| *count)
    }

    /// Takes a use. `false`: that count was there already, or has come too late by this socket.
    fn take(&mut self, count: u32, way: Way) -> bool {
        let later = |(known, by): (&u32, &Way)| *known >= count && *by == way;
        let fresh = !self.seen.contains_key(&count) && !self.seen.iter().any(later);
        if fresh {
            self.seen.insert(count, way);
        }
        fresh
    }
}

/// What it knows.
#[derive(Debug)]
pub(super) struct Registrar {
    pub(super) policy: Policy,
    nonces: BTreeMap<(usize, String), Vec<Nonce>>,
    serial: u64,
    /// Until when each flow of each user agent is bound.
    bound: BTreeMap<(usize, u8), Instant>,
    /// Answers of 503 that are to come.
    pub(super) refusals: u32,
}

impl Registrar {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            nonces: BTreeMap::new(),
            serial: 0,
            bound: BTreeMap::new(),
            refusals: 0,
        }
    }

    pub(super) fn is_bound(&self, side: usize, flow: u8, now: Instant) -> bool {
        self.bound
            .get(&(side, flow))
            .is_some_and(|until| *until >= now)
    }

    pub(super) fn forget(&mut self, side: usize, flow: u8) {
        self.bound.remove(&(side, flow));
    }

    /// A challenge, where credentials are missing or their nonce is used up.
    ///
    /// # Errors
    /// The credentials are wrong in themselves.
    pub(super) fn challenge(
        &mut self,
        way: Way,
        request: &Message<'_>,
    ) -> Result<Option<String>, String> {
        let side = way.side;
        let (status, asks, answers) = if request.method() == "REGISTER" {
            (401, "WWW-Authenticate", "Authorization")
        } else {
            (407, "Proxy-Authenticate", "Proxy-Authorization")
        };
        let credentials = request.get(answers);
        let mut stale = false;
        if !credentials.is_empty() {
            let quoted = |name: &str| {
                let rest = credentials.split_once(&format!("{name}=\""));
                rest.and_then(|(_, rest)| rest.split('"').next())
                    .unwrap_or("")
            };
            if quoted("username") != "user" || quoted("response").len() != 32 {
                return Err("credentials that cannot be".to_owned());
            }
            if quoted("uri") != request.uri() {
                return Err("credentials for another address".to_owned());
            }
            if let Some(nonces) = self.nonces.get_mut(&(side, request.call_id().to_owned())) {
                let given = quoted("nonce");
                let known = nonces.iter_mut().find(|nonce| nonce.value == given);
                if let Some(nonce) = known.filter(|it| it.uses() < self.policy.nonce_uses) {
                    let count = credentials.split_once("nc=").map(|(_, rest)| rest);
                    let count = count.and_then(|rest| u32::from_str_radix(rest.get(..8)?, 16).ok());
                    let count = count.ok_or("credentials without a count")?;
                    return match nonce.take(count, way) {
                        true => Ok(None),
                        false => Err("a nonce whose count does not go up".to_owned()),
                    };
                }
                stale = true;
            }
        }
        let value = self.fresh(side, request.call_id());
        let line = format!(
            "Digest realm=\"example.com\", nonce=\"{value}\", qop=\"auth\", algorithm=MD5{}",
            if stale { ", stale=true" } else { "" }
        );
        let text = Text::answer(request, status, "server").line(asks, &line);
        Ok(Some(text.end()))
    }

    fn fresh(&mut self, side: usize, call_id: &str) -> String {
        self.serial += 1;
        let value = format!("n{}", self.serial);
        let nonce = Nonce {
            value: value.clone(),
            seen: BTreeMap::new(),
        };
        let nonces = self.nonces.entry((side, call_id.to_owned())).or_default();
        nonces.push(nonce);
        if nonces.len() > 6 {
            nonces.remove(0);
        }
        value
    }

    /// The answer to a REGISTER.
    ///
    /// # Errors
    /// What the user agent did wrong.
    pub(super) fn register(
        &mut self,
        way: Way,
        request: &Message<'_>,
        rng: &mut StdRng,
        now: Instant,
    ) -> Result<String, String> {
        let Way { side, flow, .. } = way;
        if self.refusals > 0 {
            self.refusals -= 1;
            let text = Text::answer(request, 503, "server");
            let wanted = rng.random_range(0..2) == 0;
            let pause = rng.random_range(0..=20).to_string();
            return Ok(text.line_if(wanted, "Retry-After", &pause).end());
        }
        if self.policy.digest
            && let Some(challenge) = self.challenge(way, request)?
        {
            return Ok(challenge);
        }
        let asked = request.number("Expires").unwrap_or(0);
        if asked == 0 {
            self.forget(side, flow);
            return Ok(Text::answer(request, 200, "server").end());
        }
        if u64::from(asked) < self.policy.least {
            let least = self.policy.least.to_string();
            let text = Text::answer(request, 423, "server");
            return Ok(text.line("Min-Expires", &least).end());
        }
        let contact = request.get("Contact");
        let reg_id = (u32::from(flow) + 1).to_string();
        if self.policy.outbound && param(contact, "reg-id") != reg_id {
            return Err("a registration without the number of its flow".to_owned());
        }
        let granted = self.policy.grant.max(self.policy.least);
        self.bound
            .insert((side, flow), now + Duration::from_secs(granted));
        let bare = contact.split(";expires=").next().unwrap_or_default();
        let mut line = format!("{bare};expires={granted}");
        if self.policy.gruu {
            line += &format!(";pub-gruu=\"sip:{}@example.com;gr=it\"", USERS[side]);
        }
        let mut text = Text::answer(request, 200, "server")
            .line("Contact", &line)
            .line_if(self.policy.outbound, "Require", "outbound");
        if let Some(timer) = self.policy.flow_timer.filter(|_| self.policy.outbound) {
            text = text.line("Flow-Timer", &timer.to_string());
        }
        if self.policy.next_nonce && request.has("Authorization") {
            let nonce = self.fresh(side, request.call_id());
            text = text.line("Authentication-Info", &format!("nextnonce=\"{nonce}\""));
        }
        Ok(text.end())
    }
}

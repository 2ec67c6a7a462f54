//! The far end of calls: a user agent written from the RFCs alone, which does at random whatever they allow.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::sip::asked::Asked;
use crate::sip::legs::{Leg, SDP, Stage};
use crate::sip::message::{Message, Text};
use crate::sip::network::{Happening, Way};
use crate::sip::server::USERS;

/// What the far end does in a dialog.
#[derive(Clone, Debug)]
pub(super) enum Act {
    ReInvite(bool),
    Update(bool),
    /// A refresh, if nothing was agreed since.
    Refresh(u32),
    Bye,
    Cancel(String),
    /// The 2xx once more.
    Repeat(u32),
    /// The acknowledgement of their 2xx: its number, and whether it holds the answer to an offer.
    Ack(u32, bool),
    /// The answer to their offer.
    TakeOffer,
    /// One of their reliable provisional answers acknowledged, perhaps with the answer to the offer in it.
    Prack(u32, u32, bool),
    Refer,
    /// Word to them about their REFER.
    Notify(u16),
    Info,
    /// The same request once more.
    Again(String, String),
    /// No answer to a request of ours.
    Silence(String),
}

/// What it does about an INVITE that has no final answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A provisional answer of a fork: its status, with a description, reliably.
    Say(usize, u16, bool, bool),
    /// The same reliable answer again while it has no PRACK, after that pause.
    SayAgain(usize, u32, u32),
    /// A number is skipped.
    Skip(usize),
    Answer(usize),
    Refuse(u16),
}

/// Where something goes.
#[derive(Debug)]
pub(super) enum Plan {
    /// To a user agent: branch and text.
    Request(usize, String, String),
    /// Back where its request came from.
    Answer(Way, String, String),
    Later(Duration, Happening),
}

/// A request of ours without a final answer.
#[derive(Clone, Debug)]
pub(super) struct Out {
    pub(super) leg: usize,
    pub(super) method: &'static str,
    pub(super) cseq: u32,
    pub(super) offer: bool,
    pub(super) cancelled: bool,
    initial: bool,
    pub(super) given_up: bool,
    pub(super) final_at: Option<Instant>,
    /// A 2xx has come, perhaps behind a refusal by somebody on the way.
    pub(super) accepted: bool,
}

/// The far end.
#[derive(Debug)]
pub(super) struct Far {
    pub(super) legs: Vec<Leg>,
    by_call: BTreeMap<String, Vec<usize>>,
    pub(super) asked: Vec<Asked>,
    pub(super) outs: BTreeMap<String, Out>,
    serial: u64,
    pub(super) rng: StdRng,
    /// Nobody begins anything any more.
    pub(super) calm: bool,
    pub(super) plans: Vec<Plan>,
    pub(super) fault: Option<String>,
}

impl Far {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            legs: Vec::new(),
            by_call: BTreeMap::new(),
            asked: Vec::new(),
            outs: BTreeMap::new(),
            serial: 0,
            rng: StdRng::seed_from_u64(seed),
            calm: false,
            plans: Vec::new(),
            fault: None,
        }
    }

    pub(super) fn odds(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    pub(super) fn span(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from_ms..=to_ms))
    }

    pub(super) fn blame(&mut self, fault: impl FnOnce() -> String) {
        self.fault.get_or_insert_with(fault);
    }

    pub(super) fn fresh(&mut self) -> String {
        self.serial += 1;
        format!("z9hG4bKf{}", self.serial)
    }

    pub(super) fn later(&mut self, pause: Duration, leg: usize, act: Act) {
        self.plans
            .push(Plan::Later(pause, Happening::Far(leg, act)));
    }

    pub(super) fn add(&mut self, leg: Leg) -> usize {
        let at = self.legs.len();
        self.by_call
            .entry(leg.call_id.clone())
            .or_default()
            .push(at);
        self.legs.push(leg);
        at
    }

    pub(super) fn find(&self, request: &Message<'_>) -> Option<usize> {
        let known = self.by_call.get(request.call_id())?;
        known
            .iter()
            .copied()
            .find(|at| self.legs[*at].takes(request))
    }

    pub(super) fn answer(&mut self, way: Way, request: &Message<'_>, text: String) {
        let branch = request.branch().to_owned();
        self.plans.push(Plan::Answer(way, branch, text));
    }

    pub(super) fn refuse(&mut self, way: Way, request: &Message<'_>, status: u16) {
        let tag = self.fresh();
        let text = Text::answer(request, status, &tag[7..]);
        let pause = self.rng.random_range(0..=5).to_string();
        let text = text.line_if(status == 500, "Retry-After", &pause).end();
        self.answer(way, request, text);
    }

    /// A request within a dialog, with the next number.
    pub(super) fn ask(
        &mut self,
        at: usize,
        method: &'static str,
        more: impl FnOnce(Text) -> Text,
        sdp: Option<&str>,
    ) -> String {
        let branch = self.fresh();
        let leg = &mut self.legs[at];
        leg.cseq += 1;
        let text = more(leg.request(method, &branch, leg.cseq)).sdp(sdp);
        self.send(at, method, branch.clone(), text, sdp.is_some());
        branch
    }

    /// Sends a request that is written already, with its transaction.
    pub(super) fn send(
        &mut self,
        at: usize,
        method: &'static str,
        branch: String,
        text: String,
        offer: bool,
    ) {
        let (side, cseq) = (self.legs[at].side, self.legs[at].cseq);
        let early = method == "INVITE" && self.legs[at].stage == Stage::Early;
        let out = Out {
            leg: at,
            method,
            cseq,
            offer,
            cancelled: false,
            initial: early,
            given_up: false,
            final_at: None,
            accepted: false,
        };
        self.outs.insert(branch.clone(), out);
        let patience = Duration::from_secs(if early { 100 } else { 32 });
        self.later(patience, at, Act::Silence(branch.clone()));
        if self.odds(3) {
            // Said twice, which is one request.
            let pause = self.span(1, 900);
            let act = Act::Again(branch.clone(), text.clone());
            self.later(pause, at, act);
        }
        self.plans.push(Plan::Request(side, branch, text));
    }

    /// Whether a call of that name is up.
    pub(super) fn is_up(&self, name: &str) -> bool {
        self.talks().any(|leg| leg.name == name)
    }

    /// Whether a goodbye of ours in a call of that name has no answer: they may still have it, and nothing tells them.
    pub(super) fn parts_in_vain(&self, name: &str) -> bool {
        let mut legs = self.legs.iter().filter(|leg| leg.name == name);
        legs.any(|leg| leg.stage == Stage::Over && leg.unparted)
    }

    /// Dialogs that are up.
    pub(super) fn talks(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(|leg| leg.stage == Stage::Up)
    }

    // ---- calls of ours ----

    pub(super) fn calls(&mut self, side: usize) {
        let branch = self.fresh();
        let name = format!("far-{}", &branch[8..]);
        let tag = format!("t{}", &branch[8..]);
        let at = self.add(Leg::of_ours(side, USERS[side], name, &tag));
        self.legs[at].mute = self.odds(2);
        self.invite(at, branch, 0);
    }

    /// The INVITE, or once more after a refusal that told how.
    fn invite(&mut self, at: usize, branch: String, least: u32) {
        let reliable = self.odds(40);
        let timer = self.odds(60);
        let seconds = if least > 0 {
            least
        } else if self.odds(10) {
            60
        } else {
            self.rng.random_range(90..=400)
        };
        let mut line = seconds.to_string();
        match self.rng.random_range(0..3) {
            0 => line.push_str(";refresher=uac"),
            1 => line.push_str(";refresher=uas"),
            _ => {}
        }
        let offers = self.odds(85);
        let leg = &mut self.legs[at];
        leg.cseq += 1;
        let text = leg
            .request("INVITE", &branch, leg.cseq)
            .line("X-World", &leg.name)
            .line_if(reliable, "Require", "100rel")
            .line_if(timer, "Session-Expires", &line)
            .line_if(least > 0, "Min-SE", &least.to_string())
            .sdp(offers.then_some(SDP));
        self.send(at, "INVITE", branch.clone(), text, offers);
        if self.odds(15) {
            let pause = self.span(1, 20_000);
            self.later(pause, at, Act::Cancel(branch));
        }
    }

    // ---- what user agents say ----

    pub(super) fn receive(&mut self, way: Way, text: &str, now: Instant) {
        let Some(message) = Message::read(text) else {
            return;
        };
        if let Some(status) = message.status() {
            return self.on_answer(&message, status, now);
        }
        match message.method() {
            "INVITE" if message.to_tag().is_empty() => self.on_invite(way, &message, text),
            "CANCEL" => self.on_cancel(way, &message),
            method => match self.find(&message) {
                Some(at) => self.within(at, way, &message, text, now),
                None if method == "ACK" => {}
                None => self.refuse(way, &message, 481),
            },
        }
    }

    fn on_answer(&mut self, message: &Message<'_>, status: u16, now: Instant) {
        let branch = message.branch();
        let Some(out) = self.outs.get_mut(branch) else {
            return self.blame(|| format!("{status} to nothing"));
        };
        let (at, method, cseq, offer) = (out.leg, out.method, out.cseq, out.offer);
        if message.method() == "CANCEL" {
            return;
        }
        if status < 200 {
            if method == "INVITE" {
                self.on_provisional(at, message, offer);
            }
            return;
        }
        let first = out.final_at.is_none();
        out.final_at = Some(now);
        if !first && method != "INVITE" {
            return;
        }
        let leg = &mut self.legs[at];
        if leg.ours.as_deref() == Some(branch) {
            leg.ours = None;
        }
        match method {
            "INVITE" if status < 300 => self.on_accepted(at, message, cseq, offer, first),
            "INVITE" => {
                let ack = self.legs[at].request("ACK", branch, cseq);
                let ack = ack.end().replacen(
                    &format!("To: {}\r\n", self.legs[at].near),
                    &format!("To: {}\r\n", message.get("To")),
                    1,
                );
                let side = self.legs[at].side;
                self.plans.push(Plan::Request(side, branch.to_owned(), ack));
                if first {
                    self.on_refused(at, message, status, offer);
                }
            }
            "UPDATE" if status < 300 => {
                self.legs[at].agree(message, true);
                self.plan_refresh(at);
            }
            "UPDATE" => self.on_refused(at, message, status, offer),
            "REFER" if status >= 300 => self.legs[at].refers = false,
            // The subscription is unknown there, and ends alone (RFC 5057, 5.1).
            "NOTIFY" if status == 481 => self.legs[at].refer = None,
            "BYE" => self.legs[at].unparted &= status >= 300 && status != 481,
            _ if status == 481 => self.legs[at].stage = Stage::Over,
            _ => {}
        }
    }

    fn on_provisional(&mut self, at: usize, message: &Message<'_>, offer: bool) {
        let leg = &mut self.legs[at];
        if leg.stage != Stage::Early || message.to_tag().is_empty() {
            return;
        }
        leg.near_tag = message.to_tag().to_owned();
        leg.near = message.get("To").to_owned();
        if message.has("Contact") {
            leg.target = message.address("Contact").to_owned();
        }
        let Some(rseq) = message.number("RSeq") else {
            return;
        };
        if leg.heard_rseq.is_none_or(|last| rseq == last + 1) {
            leg.heard_rseq = Some(rseq);
            let cseq = message.cseq();
            let offered = message.has_sdp();
            let again = leg.offered;
            leg.offered |= offered;
            if offered && (offer || again) {
                self.blame(|| "a provisional answer with an offer beside another".to_owned());
            }
            // Some never acknowledge, and one in a while forgets what it is for.
            if !self.odds(4) {
                let pause = self.span(0, 1_500);
                let answers = offered && !self.odds(3);
                self.later(pause, at, Act::Prack(rseq, cseq, answers));
            }
        }
    }

    /// A 2xx to our INVITE, or a copy of one.
    fn on_accepted(
        &mut self,
        at: usize,
        message: &Message<'_>,
        cseq: u32,
        offer: bool,
        first: bool,
    ) {
        let out = self.outs.get_mut(message.branch());
        let (cancelled, initial, copy) = out.map_or((false, false, true), |out| {
            let copy = std::mem::replace(&mut out.accepted, true);
            (out.cancelled, out.initial, copy)
        });
        let leg = &mut self.legs[at];
        // What the provisional answers agreed on needs no more words.
        let agreed = initial && leg.exchanged;
        if first && agreed && message.has_sdp() {
            self.blame(|| "a 2xx with a description behind what was agreed".to_owned());
        }
        let offer = offer || agreed;
        let leg = &mut self.legs[at];
        if leg.stage == Stage::Over && leg.unparted && !leg.mute {
            return self.part_again(at, cseq, offer, first);
        }
        let given_up = !copy && initial && leg.stage == Stage::Over;
        let begins = leg.stage == Stage::Early || given_up;
        if begins {
            leg.near_tag = message.to_tag().to_owned();
            leg.near = message.get("To").to_owned();
            leg.stage = Stage::Up;
        }
        if message.has("Contact") {
            leg.target = message.address("Contact").to_owned();
        }
        if first || given_up {
            leg.agree(message, true);
            self.plan_refresh(at);
        }
        // Some are lost on the way, some late, and one in a while never comes.
        if self.legs[at].mute {
            return;
        }
        if !(first && self.odds(5)) {
            let pause = if self.odds(90) {
                self.span(0, 300)
            } else {
                self.span(0, 6_000)
            };
            self.later(pause, at, Act::Ack(cseq, !offer));
        }
        if begins && (cancelled || given_up) {
            self.later(Duration::from_secs(7), at, Act::Bye);
        } else if begins {
            self.plan_talk(at);
        }
    }

    fn on_refused(&mut self, at: usize, message: &Message<'_>, status: u16, offer: bool) {
        let early = self.legs[at].stage == Stage::Early;
        match status {
            422 if early => {
                let least = message.number("Min-SE").unwrap_or(90);
                let branch = self.fresh();
                self.invite(at, branch, least.max(90));
            }
            _ if early => self.legs[at].stage = Stage::Over,
            491 if self.legs[at].stage == Stage::Up && message.method() == "INVITE" => {
                let pause = self.span(0, 4_000);
                self.later(pause, at, Act::ReInvite(offer));
            }
            408 | 481 => {
                // The far side does not know it any more, or cannot be reached.
                self.bye(at);
            }
            _ => {}
        }
    }
}

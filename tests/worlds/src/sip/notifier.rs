//! Who tells user agents of what they listen to: a notifier written from RFC 6665 alone (4.2), which refuses, forgets and ends at
//! random.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::sip::far::Plan;
use crate::sip::message::{Message, Text};
use crate::sip::network::{Happening, Way};

/// What it does about one subscription.
#[derive(Clone, Debug)]
pub(super) enum Word {
    /// Its state, as it is.
    State,
    /// There is news.
    News,
    /// It ends it, for that reason.
    End(&'static str),
    /// Its time is over, unless it was refreshed since.
    Expiry(u32),
    /// No answer to a NOTIFY.
    Silence,
}

/// One dialog with a user agent.
#[derive(Debug)]
struct Listener {
    side: usize,
    call_id: String,
    event: String,
    /// From and To of our requests.
    far: String,
    near: String,
    far_tag: String,
    near_tag: String,
    target: String,
    cseq: u32,
    /// The last of our requests that it took.
    taken: u32,
    near_cseq: u32,
    ends: Instant,
    refreshes: u32,
    over: bool,
}

/// A NOTIFY without answer: whose it is, its number, and how often that was refreshed before.
#[derive(Clone, Copy, Debug)]
struct Out {
    at: usize,
    cseq: u32,
    refreshes: u32,
}

/// The notifier of a world.
#[derive(Debug)]
pub(super) struct Notifier {
    listeners: Vec<Listener>,
    /// What there is to tell of each event, by user agent.
    news: BTreeMap<(usize, String), u32>,
    /// What it grants and the least that it takes, in seconds.
    grant: u64,
    least: u64,
    /// NOTIFYs without answer, by branch.
    outs: BTreeMap<String, Out>,
    serial: u64,
    rng: StdRng,
    /// Nothing goes wrong any more, and there are no news.
    pub(super) calm: bool,
    pub(super) plans: Vec<Plan>,
}

impl Notifier {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            listeners: Vec::new(),
            news: BTreeMap::new(),
            grant: [20, 40, 60, 120, 600, 3600][rng.random_range(0..6)],
            least: [0, 0, 0, 200][rng.random_range(0..4)],
            outs: BTreeMap::new(),
            serial: 0,
            rng,
            calm: false,
            plans: Vec::new(),
        }
    }

    fn odds(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn span(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from_ms..=to_ms))
    }

    fn later(&mut self, pause: Duration, at: usize, word: Word) {
        self.plans
            .push(Plan::Later(pause, Happening::Notify(at, word)));
    }

    /// What there is to tell that user agent of an event; `None`: it does not listen.
    pub(super) fn tells(&self, side: usize, event: &str, now: Instant) -> Option<String> {
        let mut all = self.listeners.iter();
        all.find(|it| it.side == side && it.event == event && !it.over && it.ends > now)?;
        Some(self.state(side, event))
    }

    fn state(&self, side: usize, event: &str) -> String {
        let news = self.news.get(&(side, event.to_owned()));
        format!("{event} {}", news.copied().unwrap_or_default())
    }

    /// Takes what is for it. `false`: it is not.
    pub(super) fn receive(&mut self, way: Way, text: &str, now: Instant) -> bool {
        let Some(message) = Message::read(text) else {
            return false;
        };
        match (message.method(), message.status()) {
            ("SUBSCRIBE", None) => self.on_subscribe(way, &message, now),
            ("NOTIFY", Some(status)) if status >= 200 => {
                let Some(out) = self.outs.remove(message.branch()) else {
                    return false;
                };
                // 4.2.2: whoever is not known or not reached has none any more, unless a refresh has crossed that.
                let listener = &mut self.listeners[out.at];
                let is_last = out.refreshes == listener.refreshes;
                listener.over |= matches!(status, 480 | 481) && is_last;
                if status < 300 {
                    listener.taken = listener.taken.max(out.cseq);
                }
            }
            _ => return false,
        }
        true
    }

    fn answer(&mut self, way: Way, request: &Message<'_>, text: String) {
        let branch = request.branch().to_owned();
        self.plans.push(Plan::Answer(way, branch, text));
    }

    fn refuse(&mut self, way: Way, request: &Message<'_>, status: u16) {
        self.serial += 1;
        let text = Text::answer(request, status, &format!("r{}", self.serial));
        let wanted = matches!(status, 500 | 503) && self.odds(50);
        let pause = self.rng.random_range(0..=8).to_string();
        let text = text
            .line_if(wanted, "Retry-After", &pause)
            .line_if(status == 423, "Min-Expires", &self.least.to_string())
            .end();
        self.answer(way, request, text);
    }

    fn on_subscribe(&mut self, way: Way, message: &Message<'_>, now: Instant) {
        let asked = u64::from(message.number("Expires").unwrap_or(0));
        let at = if message.to_tag().is_empty() {
            match self.rng.random_range(0..100) {
                0 if !self.calm => return,
                1..=4 if !self.calm => {
                    let status = [408, 480, 500, 503][self.rng.random_range(0..4)];
                    return self.refuse(way, message, status);
                }
                5 if !self.calm => {
                    let status = [403, 404, 489][self.rng.random_range(0..3)];
                    return self.refuse(way, message, status);
                }
                _ if asked < self.least => return self.refuse(way, message, 423),
                _ => {}
            }
            self.begin(way, message, now)
        } else {
            let mut all = self.listeners.iter();
            let found = all.position(|it| !it.over && it.takes(message));
            let Some(at) = found else {
                return self.refuse(way, message, 481);
            };
            // Behind a way that reorders, a number may go back without anybody's fault.
            if message.cseq() <= self.listeners[at].near_cseq {
                return self.refuse(way, message, 500);
            }
            self.listeners[at].near_cseq = message.cseq();
            match self.rng.random_range(0..100) {
                0 if !self.calm => return,
                1..=3 if !self.calm => {
                    self.listeners[at].over = true;
                    return self.refuse(way, message, 481);
                }
                4 | 5 if !self.calm && asked > 0 => return self.refuse(way, message, 500),
                _ if asked > 0 && asked < self.least => return self.refuse(way, message, 423),
                _ => {}
            }
            at
        };
        let granted = asked.min(self.grant.max(self.least));
        let listener = &mut self.listeners[at];
        listener.target = message.address("Contact").to_owned();
        listener.ends = now + Duration::from_secs(granted);
        listener.refreshes += 1;
        let refreshes = listener.refreshes;
        let text = Text::answer(message, 200, &listener.far_tag)
            .line("Contact", "<sip:notifier@far.example.com>")
            .line("Expires", &granted.to_string())
            .end();
        let word = if asked == 0 {
            Word::End("timeout")
        } else {
            Word::State
        };
        // The first word may come before the answer; one in a while never comes.
        if self.odds(20) {
            self.say(at, &word, now);
            self.answer(way, message, text);
        } else {
            self.answer(way, message, text);
            let pause = self.span(0, 1_500);
            if self.calm || !self.odds(2) {
                self.later(pause, at, word);
            }
        }
        if asked > 0 {
            self.later(Duration::from_secs(granted), at, Word::Expiry(refreshes));
        }
    }

    fn begin(&mut self, way: Way, message: &Message<'_>, now: Instant) -> usize {
        self.serial += 1;
        let at = self.listeners.len();
        let far_tag = format!("w{}", self.serial);
        self.listeners.push(Listener {
            side: way.side,
            call_id: message.call_id().to_owned(),
            event: message.get("Event").to_owned(),
            far: format!("{};tag={far_tag}", message.get("To")),
            near: message.get("From").to_owned(),
            far_tag,
            near_tag: message.tag_of_from().to_owned(),
            target: String::new(),
            cseq: 0,
            taken: 0,
            near_cseq: message.cseq(),
            ends: now,
            refreshes: 0,
            over: false,
        });
        for _ in 0..self.rng.random_range(0..=4) {
            let pause = self.span(500, 120_000);
            self.later(pause, at, Word::News);
        }
        if self.odds(15) {
            const REASONS: [&str; 7] = [
                "deactivated",
                "timeout",
                "probation;retry-after=5",
                "giveup",
                "rejected",
                "noresource",
                "",
            ];
            let reason = REASONS[self.rng.random_range(0..REASONS.len())];
            let pause = self.span(100, 100_000);
            self.later(pause, at, Word::End(reason));
        }
        at
    }

    /// What is due about a subscription.
    pub(super) fn go_on(&mut self, at: usize, word: &Word, now: Instant) {
        let listener = &self.listeners[at];
        let calm = self.calm && listener.ends > now;
        match word {
            _ if listener.over => {}
            Word::News | Word::End(_) if calm => {}
            Word::News => {
                let (side, event) = (listener.side, listener.event.clone());
                *self.news.entry((side, event.clone())).or_default() += 1;
                for at in 0..self.listeners.len() {
                    let it = &self.listeners[at];
                    if it.side == side && it.event == event && !it.over {
                        self.say(at, &Word::State, now);
                    }
                }
            }
            Word::Expiry(refreshes) if *refreshes != listener.refreshes => {}
            // RFC 6665, 4.2.2: who does not answer may have gone.
            Word::Silence => self.listeners[at].over |= self.odds(30),
            Word::State | Word::End(_) | Word::Expiry(_) => self.say(at, word, now),
        }
    }

    /// The NOTIFY that it takes.
    fn say(&mut self, at: usize, word: &Word, now: Instant) {
        self.serial += 1;
        let branch = format!("z9hG4bKn{}", self.serial);
        let body = self.state(self.listeners[at].side, &self.listeners[at].event);
        let listener = &mut self.listeners[at];
        if listener.over {
            return;
        }
        let left = listener.ends.saturating_duration_since(now).as_secs();
        let state = match word {
            Word::End("") => "terminated".to_owned(),
            Word::End(reason) => format!("terminated;reason={reason}"),
            Word::Expiry(_) => "terminated;reason=timeout".to_owned(),
            Word::State | Word::News | Word::Silence => format!("active;expires={left}"),
        };
        listener.over = state.starts_with("terminated");
        listener.cseq += 1;
        let text = Text::request("NOTIFY", &listener.target)
            .line(
                "Via",
                &format!("SIP/2.0/TCP far.example.com;branch={branch}"),
            )
            .line("Max-Forwards", "70")
            .line("From", &listener.far)
            .line("To", &listener.near)
            .line("Call-ID", &listener.call_id)
            .line("CSeq", &format!("{} NOTIFY", listener.cseq))
            .line("Contact", "<sip:notifier@far.example.com>")
            .line("Event", &listener.event)
            .line("Subscription-State", &state)
            .body("text/plain", &body);
        let side = listener.side;
        let out = Out {
            at,
            cseq: listener.cseq,
            refreshes: listener.refreshes,
        };
        self.outs.insert(branch.clone(), out);
        let silence = Happening::Unnotified(branch.clone());
        self.plans
            .push(Plan::Later(Duration::from_secs(32), silence));
        self.plans.push(Plan::Request(side, branch, text));
    }

    /// A NOTIFY has had the time for its answer. One that went down with a connection, while later ones were taken, says nothing of the
    /// listener: it learns of nothing that was lost, and would be told nothing more until its next refresh.
    pub(super) fn silence(&mut self, branch: &str, now: Instant) {
        let Some(out) = self.outs.remove(branch) else {
            return;
        };
        let listener = &self.listeners[out.at];
        if out.refreshes == listener.refreshes && listener.taken < out.cseq {
            self.go_on(out.at, &Word::Silence, now);
        }
    }
}

impl Listener {
    fn takes(&self, request: &Message<'_>) -> bool {
        self.call_id == request.call_id()
            && self.far_tag == request.to_tag()
            && self.near_tag == request.tag_of_from()
    }
}

/// What user agents listen to.
pub(super) const CHANNELS: [&str; 3] = ["one:far", "two:far", "own"];

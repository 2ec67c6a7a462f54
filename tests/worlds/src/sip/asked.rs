//! Calls to the far end until their answer: forks, reliable and other provisional answers, several 2xx, refusals, cancellation.

use std::time::{Duration, Instant};

use rand::RngExt;

use crate::sip::far::{Act, Far, Plan, Step};
use crate::sip::legs::{Leg, Open, SDP, Stage, Unacked};
use crate::sip::message::{Message, Text};
use crate::sip::network::{Happening, Way};

/// An INVITE of a user agent.
#[derive(Debug)]
pub(super) struct Asked {
    open: Open,
    branch: String,
    /// The dialogs of its forks.
    legs: Vec<usize>,
    offer: bool,
    /// It has a 2xx or a refusal.
    accepted: bool,
    refused: bool,
    cancelled: bool,
}

impl Far {
    pub(super) fn on_invite(&mut self, way: Way, message: &Message<'_>, text: &str) {
        if self.asked.iter().any(|it| it.branch == message.branch()) {
            return self.blame(|| "the same INVITE came twice".to_owned());
        }
        let chance = self.rng.random_range(0..100);
        let calm = self.calm;
        match chance {
            0 if !calm => return,
            1 => {
                let at_once = self.odds(50);
                let text = Text::answer(message, 503, "far");
                let pause = if at_once { "0" } else { "5" };
                return self.answer(way, message, text.line("Retry-After", pause).end());
            }
            2..=4 if message.number("Min-SE").is_none() && message.has("Session-Expires") => {
                let text = Text::answer(message, 422, "far").line("Min-SE", "400");
                return self.answer(way, message, text.end());
            }
            5 if !message.uri().contains("moved") => {
                let text = Text::answer(message, 302, "far");
                let text = text.line("Contact", "<sip:moved@example.com>");
                return self.answer(way, message, text.end());
            }
            _ => {}
        }
        let forks = [1, 1, 1, 2, 2, 3][self.rng.random_range(0..6)];
        let legs: Vec<usize> = (0..forks)
            .map(|_| {
                let tag = format!("t{}", &self.fresh()[8..]);
                self.add(Leg::of_invite(way, message, &tag))
            })
            .collect();
        let at = self.asked.len();
        self.asked.push(Asked {
            open: Open {
                way,
                text: text.to_owned(),
            },
            branch: message.branch().to_owned(),
            legs,
            offer: message.has_sdp(),
            accepted: false,
            refused: false,
            cancelled: false,
        });
        if self.odds(90) {
            self.answer(way, message, Text::answer(message, 100, "").end());
        }
        self.plan_answers(at, forks, message.lists("Supported", "100rel"));
    }

    fn plan_answers(&mut self, at: usize, forks: usize, reliable: bool) {
        let mut end = Duration::ZERO;
        for fork in 0..forks {
            let mut when = self.span(10, 2_000);
            let reliably = reliable && self.odds(50);
            for _ in 0..self.rng.random_range(0..=3) {
                let status = [180, 180, 183, 183, 181, 182][self.rng.random_range(0..6)];
                let sdp = self.odds(40);
                if reliably && self.odds(4) {
                    self.step(when, at, Step::Skip(fork));
                }
                self.step(when, at, Step::Say(fork, status, sdp, reliably));
                when += self.span(1, 4_000);
            }
            end = end.max(when);
        }
        end += self.span(0, 8_000);
        let chance = self.rng.random_range(0..100);
        match chance {
            0..75 => {
                let first = self.rng.random_range(0..forks);
                self.step(end, at, Step::Answer(first));
                for fork in (0..forks).filter(|fork| *fork != first) {
                    if self.odds(60) {
                        let more = self.span(0, 25_000);
                        self.step(end + more, at, Step::Answer(fork));
                    }
                }
            }
            75..95 => {
                let status = [486, 404, 480, 603, 487, 500, 408][self.rng.random_range(0..7)];
                self.step(end, at, Step::Refuse(status));
            }
            _ => {}
        }
    }

    fn step(&mut self, when: Duration, at: usize, step: Step) {
        self.plans
            .push(Plan::Later(when, Happening::Asked(at, step)));
    }

    pub(super) fn on_cancel(&mut self, way: Way, message: &Message<'_>) {
        let at = self
            .asked
            .iter()
            .position(|it| it.branch == message.branch());
        let Some(at) = at else {
            return self.refuse(way, message, 481);
        };
        self.answer(way, message, Text::answer(message, 200, "far").end());
        let asked = &mut self.asked[at];
        if asked.accepted || asked.refused {
            return;
        }
        asked.cancelled = true;
        // Some answers are on their way already, and some never come.
        match self.rng.random_range(0..10) {
            0 => {}
            1 => {
                let fork = self.rng.random_range(0..self.asked[at].legs.len());
                let pause = self.span(0, 2_000);
                self.step(pause, at, Step::Answer(fork));
            }
            _ => {
                let pause = self.span(0, 300);
                self.step(pause, at, Step::Refuse(487));
            }
        }
    }

    /// The next thing about an INVITE is due.
    pub(super) fn go_on(&mut self, at: usize, step: Step, now: Instant) {
        let asked = &self.asked[at];
        if asked.refused {
            return;
        }
        let (way, text) = (asked.open.way, asked.open.text.clone());
        let Some(invite) = Message::read(&text) else {
            return;
        };
        match step {
            Step::Say(fork, status, sdp, reliably) if !asked.accepted => {
                self.say(at, fork, (status, sdp, reliably), &invite);
            }
            Step::SayAgain(fork, rseq, pause) if !asked.accepted => {
                self.say_again(at, fork, rseq, pause, &invite);
            }
            Step::Skip(fork) => {
                let leg = self.asked[at].legs[fork];
                self.legs[leg].rseq += 1;
            }
            Step::Answer(fork) => self.accept(at, fork, &invite, now),
            Step::Refuse(status) if !asked.accepted => {
                self.asked[at].refused = true;
                for leg in self.asked[at].legs.clone() {
                    self.legs[leg].stage = Stage::Over;
                }
                self.refuse(way, &invite, status);
            }
            Step::Say(..) | Step::SayAgain(..) | Step::Refuse(_) => {}
        }
    }

    fn say(&mut self, at: usize, fork: usize, what: (u16, bool, bool), invite: &Message<'_>) {
        let (status, sdp, reliably) = what;
        let (way, offer) = (self.asked[at].open.way, self.asked[at].offer);
        let leg = &mut self.legs[self.asked[at].legs[fork]];
        if reliably && !leg.pracked {
            // RFC 3262, 3: no second one before the first has its PRACK. That comes, or the call is refused.
            let pause = Duration::from_millis(700);
            return self.step(pause, at, Step::Say(fork, status, sdp, reliably));
        }
        // An offer of ours goes reliably, and once.
        let sdp = sdp && (offer || (reliably && !leg.exchanged));
        let sdp = sdp && !(leg.exchanged && reliably);
        let mut text = Text::answer(invite, status, &leg.far_tag)
            .line("Contact", "<sip:far@far.example.com>")
            .line(
                "Allow",
                "INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, REFER, NOTIFY",
            );
        let mut rseq = 0;
        if reliably {
            leg.rseq = if leg.rseq == 0 { 7_000 } else { leg.rseq + 1 };
            leg.pracked = false;
            leg.exchanged |= sdp;
            rseq = leg.rseq;
            text = text
                .line("Require", "100rel")
                .line("RSeq", &rseq.to_string());
        }
        let text = text.sdp(sdp.then_some(SDP));
        self.answer(way, invite, text);
        if reliably {
            let pause = Duration::from_millis(500);
            self.step(pause, at, Step::SayAgain(fork, rseq, 500));
        }
    }

    /// A copy has to say the same: only those without a description are said again here.
    fn say_again(&mut self, at: usize, fork: usize, rseq: u32, pause: u32, invite: &Message<'_>) {
        let way = self.asked[at].open.way;
        let leg = &self.legs[self.asked[at].legs[fork]];
        if leg.pracked || leg.rseq != rseq || pause > 20_000 {
            if !leg.pracked && leg.rseq == rseq {
                self.step(Duration::ZERO, at, Step::Refuse(504));
            }
            return;
        }
        let text = Text::answer(invite, 180, &leg.far_tag)
            .line("Contact", "<sip:far@far.example.com>")
            .line("Require", "100rel")
            .line("RSeq", &rseq.to_string())
            .end();
        self.answer(way, invite, text);
        let more = Duration::from_millis(u64::from(pause) * 2);
        self.step(more, at, Step::SayAgain(fork, rseq, pause * 2));
    }

    fn accept(&mut self, at: usize, fork: usize, invite: &Message<'_>, now: Instant) {
        let (way, offer) = (self.asked[at].open.way, self.asked[at].offer);
        let index = self.asked[at].legs[fork];
        if !self.legs[index].pracked {
            // RFC 3262, 5: not while an offer or answer waits for its PRACK.
            let pause = Duration::from_millis(700);
            return self.step(pause, at, Step::Answer(fork));
        }
        self.asked[at].accepted = true;
        let session = self.answered_timer(invite);
        let quiet = self.odds(50);
        let leg = &mut self.legs[index];
        if leg.stage != Stage::Early {
            return;
        }
        leg.stage = Stage::Up;
        let sdp = !leg.exchanged || (offer && !quiet);
        let text = Text::answer(invite, 200, &leg.far_tag)
            .line("Contact", "<sip:far@far.example.com>")
            .line("Supported", "timer, replaces")
            .line(
                "Allow",
                "INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, REFER, NOTIFY",
            );
        let text = leg.answer_timer(text, session);
        let text = text.sdp(sdp.then_some(SDP));
        let unacked = Unacked {
            way,
            branch: invite.branch().to_owned(),
            text: text.clone(),
            cseq: invite.cseq(),
            pause: Duration::from_millis(500),
            since: now,
            offered: sdp && !offer,
        };
        self.expect_ack(index, unacked);
        self.answer(way, invite, text);
        self.plan_refresh(index);
        self.plan_talk(index);
    }

    /// The 2xx is said again until its ACK comes.
    pub(super) fn expect_ack(&mut self, at: usize, unacked: Unacked) {
        let cseq = unacked.cseq;
        self.legs[at].unacked = Some(unacked);
        self.later(Duration::from_millis(500), at, Act::Repeat(cseq));
    }

    /// What we agree to of a session timer that was asked for.
    pub(super) fn answered_timer(&mut self, request: &Message<'_>) -> Option<(u64, bool)> {
        let line = request.get("Session-Expires");
        let asked: u64 = line.split(';').next()?.parse().ok()?;
        let least: u64 = request.number("Min-SE").unwrap_or(90).into();
        let seconds = if self.odds(50) { asked } else { least.max(90) };
        let named = crate::sip::message::param(line, "refresher");
        let ours = match named {
            "uac" => false,
            "uas" => true,
            _ => self.odds(50),
        };
        (!named.is_empty() || self.odds(80)).then_some((seconds.min(asked.max(90)), ours))
    }
}

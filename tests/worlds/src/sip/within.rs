//! What a user agent says within a dialog with the far end, and the far end's answers.

use std::time::{Duration, Instant};

use rand::RngExt;

use crate::sip::far::{Act, Far};
use crate::sip::legs::{Open, SDP, Stage, Unacked};
use crate::sip::message::{Message, Text};
use crate::sip::network::Way;

impl Far {
    pub(super) fn within(
        &mut self,
        at: usize,
        way: Way,
        message: &Message<'_>,
        text: &str,
        now: Instant,
    ) {
        let method = message.method();
        if method == "ACK" {
            return self.on_ack(at, message);
        }
        let leg = &mut self.legs[at];
        if leg.stage == Stage::Over {
            return self.refuse(way, message, 481);
        }
        // Behind a way that reorders, a number may go back without anybody's fault.
        if message.cseq() <= leg.near_cseq && method != "BYE" {
            return self.refuse(way, message, 500);
        }
        leg.near_cseq = leg.near_cseq.max(message.cseq());
        if message.has("Contact") {
            leg.target = message.address("Contact").to_owned();
        }
        match method {
            "BYE" => {
                leg.stage = Stage::Over;
                leg.unacked = None;
                if !self.calm && self.odds(2) {
                    return;
                }
                self.answer(way, message, Text::answer(message, 200, "").end());
            }
            "PRACK" => {
                let rack = message.get("RAck");
                let rseq = rack.split(' ').next().and_then(|text| text.parse().ok());
                if leg.pracked || rseq != Some(leg.rseq) {
                    return self.refuse(way, message, 481);
                }
                leg.pracked = true;
                self.answer(way, message, Text::answer(message, 200, "").end());
            }
            "INVITE" | "UPDATE" => self.on_offer(at, way, message, text, now),
            "REFER" => self.on_refer(at, way, message),
            "NOTIFY" => {
                let over = message.get("Subscription-State").starts_with("terminated");
                self.legs[at].refers &= !over;
                self.answer(way, message, Text::answer(message, 200, "").end());
            }
            _ => self.answer(way, message, Text::answer(message, 200, "").end()),
        }
    }

    fn on_ack(&mut self, at: usize, message: &Message<'_>) {
        let leg = &mut self.legs[at];
        let Some(unacked) = leg.unacked.take_if(|it| it.cseq == message.cseq()) else {
            return;
        };
        let over = leg.stage == Stage::Over;
        if message.has_sdp() != unacked.offered && !over && message.has_sdp() {
            self.blame(|| "an ACK with an answer to no offer".to_owned());
        }
    }

    fn on_offer(&mut self, at: usize, way: Way, message: &Message<'_>, text: &str, now: Instant) {
        let invite = message.method() == "INVITE";
        let offers = invite || message.has_sdp();
        let leg = &self.legs[at];
        if offers && leg.ours.is_some() {
            return self.refuse(way, message, 491);
        }
        if offers && (leg.theirs.is_some() || leg.unacked.is_some() || leg.stage == Stage::Early) {
            return self.refuse(way, message, 500);
        }
        match self.rng.random_range(0..100) {
            0 if !self.calm => return,
            1..=4 if offers => return self.refuse(way, message, 491),
            5 if message.has_sdp() => return self.refuse(way, message, 488),
            6 if message.number("Min-SE").is_none() && message.has("Session-Expires") => {
                let text = Text::answer(message, 422, "far").line("Min-SE", "500");
                return self.answer(way, message, text.end());
            }
            7 if !self.calm => {
                self.legs[at].stage = Stage::Over;
                return self.refuse(way, message, 481);
            }
            8..=11 if invite => {
                self.answer(way, message, Text::answer(message, 100, "").end());
            }
            _ => {}
        }
        self.legs[at].theirs = Some(Open {
            way,
            text: text.to_owned(),
        });
        if offers && self.odds(40) {
            let pause = self.span(1, 3_000);
            return self.later(pause, at, Act::TakeOffer);
        }
        self.take_offer(at, now);
    }

    /// Our answer to their re-INVITE or UPDATE.
    pub(super) fn take_offer(&mut self, at: usize, now: Instant) {
        let Some(open) = self.legs[at].theirs.take() else {
            return;
        };
        let Some(message) = Message::read(&open.text) else {
            return;
        };
        if self.legs[at].stage != Stage::Up {
            return self.refuse(open.way, &message, 487);
        }
        let session = self.answered_timer(&message);
        let invite = message.method() == "INVITE";
        let sdp = (invite || message.has_sdp()).then_some(SDP);
        let text = Text::answer(&message, 200, "")
            .line("Contact", "<sip:far@far.example.com>")
            .line("Supported", "timer, replaces");
        let text = self.legs[at].answer_timer(text, session).sdp(sdp);
        if invite {
            let unacked = Unacked {
                way: open.way,
                branch: message.branch().to_owned(),
                text: text.clone(),
                cseq: message.cseq(),
                pause: Duration::from_millis(500),
                since: now,
                offered: !message.has_sdp(),
            };
            self.expect_ack(at, unacked);
        }
        self.answer(open.way, &message, text);
        self.plan_refresh(at);
    }

    fn on_refer(&mut self, at: usize, way: Way, message: &Message<'_>) {
        let chance = self.rng.random_range(0..10);
        if chance == 0 {
            return self.refuse(way, message, 603);
        }
        self.legs[at].refer = Some(message.cseq().to_string());
        // The first word may come before the answer.
        if chance < 3 {
            self.later(Duration::ZERO, at, Act::Notify(100));
        }
        let status = if chance < 6 { 200 } else { 202 };
        let text = Text::answer(message, status, "");
        let text = text.line("Contact", "<sip:far@far.example.com>").end();
        self.answer(way, message, text);
        let mut when = self.span(1, 1_000);
        self.later(when, at, Act::Notify(100));
        when += self.span(100, 5_000);
        if self.odds(50) {
            self.later(when, at, Act::Notify(180));
        }
        when += self.span(100, 8_000);
        match self.rng.random_range(0..10) {
            0..6 => self.later(when, at, Act::Notify(200)),
            6..9 => self.later(when, at, Act::Notify(486)),
            _ => {}
        }
    }
}

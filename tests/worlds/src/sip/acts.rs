//! What the far end does in a dialog of its own mind.

use std::time::{Duration, Instant};

use rand::RngExt;

use crate::sip::far::{Act, Far, Out, Plan};
use crate::sip::legs::{SDP, Stage};

/// 64 x T1, and the longest pause between two copies.
const TRANSACTION: Duration = Duration::from_secs(32);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

impl Far {
    /// What will happen in a dialog that is up.
    pub(super) fn plan_talk(&mut self, at: usize) {
        let acts: [(u32, u64, Act); 8] = [
            (55, 100_000, Act::Bye),
            (25, 40_000, Act::ReInvite(true)),
            (20, 80_000, Act::ReInvite(true)),
            (10, 60_000, Act::ReInvite(false)),
            (15, 60_000, Act::Update(true)),
            (8, 60_000, Act::Update(false)),
            (8, 60_000, Act::Refer),
            (8, 60_000, Act::Info),
        ];
        for (percent, most, act) in acts {
            if self.odds(percent) {
                let pause = self.span(500, most);
                self.later(pause, at, act);
            }
        }
    }

    /// Half of the agreed time, where the refresh is ours.
    pub(super) fn plan_refresh(&mut self, at: usize) {
        let leg = &self.legs[at];
        if let Some((seconds, true)) = leg.timer {
            let serial = leg.agreements;
            self.later(Duration::from_secs(seconds / 2), at, Act::Refresh(serial));
        }
    }

    pub(super) fn act(&mut self, at: usize, act: Act, now: Instant) {
        let leg = &self.legs[at];
        let up = leg.stage == Stage::Up;
        let free = up && leg.ours.is_none() && leg.theirs.is_none() && leg.unacked.is_none();
        let side = leg.side;
        match act {
            Act::ReInvite(offers) => {
                if free && !self.invites_open(at) && !self.calm {
                    self.re_invite(at, offers);
                }
            }
            Act::Update(offers) if free && !self.invites_open(at) && !self.calm => {
                let branch = self.offer(at, "UPDATE", offers);
                self.legs[at].ours = offers.then_some(branch);
            }
            Act::Update(_) => {}
            Act::Refresh(serial) if up && serial == self.legs[at].agreements => {
                if !free || self.invites_open(at) {
                    self.later(Duration::from_secs(2), at, Act::Refresh(serial));
                } else if self.odds(60) {
                    self.offer(at, "UPDATE", false);
                } else {
                    self.re_invite(at, true);
                }
            }
            Act::Refresh(_) => {}
            Act::Bye => {
                if up && self.legs[at].unacked.is_some() {
                    self.later(Duration::from_secs(1), at, Act::Bye);
                } else if up {
                    self.bye(at);
                }
            }
            Act::Cancel(branch) => self.cancel(at, &branch),
            Act::Repeat(cseq) => self.repeat(at, cseq, now),
            Act::Ack(cseq, answers) => {
                let branch = self.fresh();
                let text = self.legs[at].request("ACK", &branch, cseq);
                let text = text.sdp(answers.then_some(SDP));
                self.plans.push(Plan::Request(side, branch, text));
            }
            Act::TakeOffer => self.take_offer(at, now),
            Act::Prack(rseq, cseq, answers) => {
                if self.legs[at].stage == Stage::Early {
                    self.legs[at].exchanged |= answers;
                    let rack = format!("{rseq} {cseq} INVITE");
                    let sdp = answers.then_some(SDP);
                    self.ask(at, "PRACK", |text| text.line("RAck", &rack), sdp);
                }
            }
            Act::Refer => {
                if up && !self.calm && !self.legs[at].refers {
                    self.legs[at].refers = true;
                    let silent = self.odds(20);
                    self.ask(
                        at,
                        "REFER",
                        |text| {
                            text.line("Refer-To", "<sip:third@example.com>").line_if(
                                silent,
                                "Refer-Sub",
                                "false",
                            )
                        },
                        None,
                    );
                }
            }
            Act::Notify(status) => self.notify(at, status),
            Act::Info => {
                if up && !self.calm {
                    let kind = ["INFO", "OPTIONS"][self.rng.random_range(0..2)];
                    self.ask(at, kind, |text| text, None);
                }
            }
            Act::Again(branch, text) => self.plans.push(Plan::Request(side, branch, text)),
            Act::Silence(branch) => self.silence(at, &branch),
        }
    }

    /// An INVITE of ours in that dialog has no final answer.
    fn invites_open(&self, at: usize) -> bool {
        self.outs.values().any(|out| {
            out.leg == at
                && out.final_at.is_none()
                && !out.given_up
                && matches!(out.method, "INVITE" | "UPDATE")
        })
    }

    fn re_invite(&mut self, at: usize, offers: bool) {
        let branch = self.offer(at, "INVITE", offers);
        self.legs[at].ours = Some(branch);
    }

    fn offer(&mut self, at: usize, method: &'static str, offers: bool) -> String {
        let timer = self.legs[at].timer;
        self.ask(
            at,
            method,
            |text| match timer {
                Some((seconds, ours)) => {
                    let refresher = if ours { "uac" } else { "uas" };
                    let line = format!("{seconds};refresher={refresher}");
                    text.line("Session-Expires", &line)
                }
                None => text,
            },
            offers.then_some(SDP),
        )
    }

    pub(super) fn bye(&mut self, at: usize) {
        if self.legs[at].stage == Stage::Up {
            self.legs[at].stage = Stage::Over;
            self.legs[at].unacked = None;
            self.legs[at].unparted = true;
            self.ask(at, "BYE", |text| text, None);
        }
    }

    /// Whoever answers an INVITE of ours anew has heard no goodbye: the 2xx needs its ACK, and another BYE (RFC 3261, 13.2.2.4).
    pub(super) fn part_again(&mut self, at: usize, cseq: u32, offer: bool, first: bool) {
        let branch = self.fresh();
        let text = self.legs[at].request("ACK", &branch, cseq);
        let text = text.sdp((!offer).then_some(SDP));
        self.plans
            .push(Plan::Request(self.legs[at].side, branch, text));
        let open = |out: &Out| {
            out.leg == at && out.method == "BYE" && out.final_at.is_none() && !out.given_up
        };
        if first || !self.outs.values().any(open) {
            self.ask(at, "BYE", |text| text, None);
        }
    }

    fn cancel(&mut self, at: usize, branch: &str) {
        let early = self.legs[at].stage == Stage::Early;
        let Some(out) = self.outs.get_mut(branch) else {
            return;
        };
        // RFC 3261, 9.1: not before a provisional answer.
        if !early || out.final_at.is_some() || self.legs[at].near_tag.is_empty() {
            return;
        }
        out.cancelled = true;
        let cseq = out.cseq;
        let leg = &self.legs[at];
        let text = leg
            .request("CANCEL", branch, cseq)
            .line("Reason", "SIP;cause=487")
            .end();
        // It repeats the To of its INVITE, and the address that was called.
        let called = crate::sip::server::USERS[leg.side];
        let text = text
            .replacen(
                &format!("CANCEL {} ", leg.target),
                &format!("CANCEL sip:{called}@example.com "),
                1,
            )
            .replacen(
                &format!("To: {}\r\n", leg.near),
                &format!("To: <sip:{called}@example.com>\r\n"),
                1,
            );
        let side = leg.side;
        self.plans
            .push(Plan::Request(side, branch.to_owned(), text));
    }

    /// No answer came in a transaction's time (RFC 3261, 12.2.1.2).
    fn silence(&mut self, at: usize, branch: &str) {
        let Some(out) = self
            .outs
            .get_mut(branch)
            .filter(|out| out.final_at.is_none())
        else {
            return;
        };
        let method = out.method;
        out.given_up = true;
        let leg = &mut self.legs[at];
        if leg.ours.as_deref() == Some(branch) {
            leg.ours = None;
        }
        match leg.stage {
            Stage::Early if method == "INVITE" => leg.stage = Stage::Over,
            Stage::Up => self.bye(at),
            Stage::Early | Stage::Over => {}
        }
    }

    fn repeat(&mut self, at: usize, cseq: u32, now: Instant) {
        let leg = &mut self.legs[at];
        let Some(unacked) = leg.unacked.as_mut().filter(|it| it.cseq == cseq) else {
            return;
        };
        if now >= unacked.since + TRANSACTION {
            leg.unacked = None;
            return self.bye(at);
        }
        unacked.pause = (unacked.pause * 2).min(LONGEST_PAUSE);
        let pause = unacked.pause;
        let (way, branch, text) = (unacked.way, unacked.branch.clone(), unacked.text.clone());
        self.plans.push(Plan::Answer(way, branch, text));
        self.later(pause, at, Act::Repeat(cseq));
    }

    fn notify(&mut self, at: usize, status: u16) {
        let leg = &mut self.legs[at];
        if leg.stage != Stage::Up || leg.refer.is_none() {
            return;
        }
        let over = status >= 200;
        let state = if over {
            leg.refer = None;
            "terminated;reason=noresource"
        } else {
            "active;expires=60"
        };
        let branch = self.fresh();
        let leg = &mut self.legs[at];
        leg.cseq += 1;
        let text = leg
            .request("NOTIFY", &branch, leg.cseq)
            .line("Event", "refer")
            .line("Subscription-State", state)
            .body("message/sipfrag", &format!("SIP/2.0 {status} Said"));
        self.send(at, "NOTIFY", branch, text, false);
    }
}

//! What comes between our INVITE and its answer: ringing, early dialogs, early media, reliable answers and offers in them
//! (RFC 3261, 13.2.2.1; RFC 3262).

use std::time::Instant;

use crate::cause::Cause;
use crate::event::{EndedBy, Event, Said};
use crate::sip::call::identity;
use crate::sip::call::offers::core_answer;
use crate::sip::call::reason;
use crate::sip::call::state::{Call, Calling, Fork, Phase};
use crate::sip::deadline::Deadline;
use crate::sip::dialog::Dialog;
use crate::sip::message::outgoing::Content;
use crate::sip::message::response::Response;
use crate::sip::message::{HeaderName, Method};
use crate::sip::session::core::Core;
use crate::sip::session::owner::{InCall, Owner};

/// Says whether the network lets early media through (RFC 5009).
pub(super) const EARLY_MEDIA: &str = "P-Early-Media";

/// What the network says of early media towards us; the last word of the header counts. `None`: nothing.
fn early_media(response: &Response) -> Option<bool> {
    let line = response.headers.other(EARLY_MEDIA)?;
    let word = |word: &str| match word.trim().to_ascii_lowercase().as_str() {
        "sendrecv" | "sendonly" => Some(true),
        "recvonly" | "inactive" => Some(false),
        // "gated" and what is not known says nothing about the direction.
        _ => None,
    };
    line.split(',').rev().find_map(word)
}

/// Most early dialogs of one INVITE; what further ones say is not heard.
const MOST_FORKS: usize = 32;

/// RSeq of an answer that came reliably.
fn reliable_number(response: &Response) -> Option<u32> {
    response
        .headers
        .number(&HeaderName::RSeq)
        .filter(|_| response.headers.lists(&HeaderName::Require, "100rel"))
}

impl Calling {
    /// The early dialog that a provisional answer makes.
    fn fork_of(&self, response: &Response, core: &Core) -> Option<Fork> {
        let transaction = core.clients.get(&self.branch, &Method::Invite)?;
        Some(Fork {
            dialog: Dialog::of_answer(&transaction.draft, self.cseq, response)?,
            rseq: None,
            lost_prack: false,
            answer: None,
            reliable: false,
            owed_prack: None,
            owed_update: None,
            local: None,
            barred: false,
        })
    }
}

impl Call {
    pub(in crate::sip) fn on_provisional(
        &mut self,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) {
        if !matches!(self.phase, Phase::Calling(_)) {
            return;
        }
        let call = self.id.clone();
        if response.status == 100 {
            core.tell(Event::Trying { call });
            return;
        }
        self.show_asserted(&response.headers, core);
        let Phase::Calling(calling) = &mut self.phase else {
            return;
        };
        let tag = response.ids.to_tag();
        if response.status == 199 {
            if !self.acknowledge_end(response, core, now) {
                return;
            }
            let Phase::Calling(calling) = &mut self.phase else {
                return;
            };
            let gone = calling
                .forks
                .extract_if(.., |fork| fork.dialog.remote_tag() == tag);
            for mut fork in gone {
                fork.refuse_update(core, now);
                if reliable_number(response).is_some() {
                    calling.gone.push(fork);
                }
            }
            if calling.heard.as_deref() == Some(tag) {
                let said = identity::said(&response.headers, &core.config);
                self.hear_another(said, core);
            }
            return self.on_ringing(response, core);
        }
        if tag.is_empty() {
            return self.on_ringing(response, core);
        }
        let known = calling
            .forks
            .iter()
            .position(|fork| fork.dialog.remote_tag() == tag);
        let at = match known {
            Some(at) => at,
            None => {
                // A server that forks without end gets no memory for it.
                if calling.forks.len() + calling.gone.len() >= MOST_FORKS {
                    return;
                }
                let Some(fork) = calling.fork_of(response, core) else {
                    return core.count_malformed("a provisional answer that makes no dialog");
                };
                calling.forks.push(fork);
                calling.forks.len() - 1
            }
        };
        let mut fork = calling.forks.remove(at);
        let taken = self.take_provisional(&mut fork, response, core, now);
        if let Phase::Calling(calling) = &mut self.phase {
            calling.forks.insert(at, fork);
        }
        if taken {
            self.on_ringing(response, core);
        }
    }

    /// `false`: a reliable answer out of turn, which is not looked at (RFC 3262, 4).
    fn take_provisional(
        &mut self,
        fork: &mut Fork,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) -> bool {
        let Phase::Calling(calling) = &self.phase else {
            return false;
        };
        let offerless = calling.offerless;
        fork.dialog.peer.learn(&response.headers);
        let rseq = reliable_number(response);
        if let Some(rseq) = rseq {
            if fork.rseq == Some(rseq) && std::mem::take(&mut fork.lost_prack) {
                // Where that answer held no offer, an answer of ours would be one.
                let asked = offerless && response.sdp().is_some();
                let answer = fork.local.clone().filter(|_| asked);
                self.prack(fork, rseq, answer, core, now);
                return false;
            }
            if fork.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
                return false;
            }
            if core.clients.is_flooded(&self.sip_call_id) {
                core.count_malformed("too many provisional answers to one INVITE");
                return false;
            }
            fork.rseq = Some(rseq);
            if let Some(sdp) = response.sdp().filter(|_| offerless && !fork.reliable) {
                // The offer of a call that we placed without one: the PRACK brings our answer (RFC 3262, 5).
                fork.reliable = true;
                fork.owed_prack = Some(rseq);
                fork.answer = Some(sdp.clone());
                self.heard(&sdp);
                core.tell(Event::Offer {
                    call: self.id.clone(),
                    sdp: Some(sdp),
                });
                self.await_user(core, now);
                return true;
            }
            self.prack(fork, rseq, None, core, now);
        }
        let allowed = early_media(response).filter(|_| core.config.early_media);
        let freed = allowed == Some(true) && fork.barred;
        fork.barred = allowed.map_or(fork.barred, |allowed| !allowed);
        let said = response.sdp().filter(|_| !offerless && !fork.reliable);
        let news = said.clone().filter(|sdp| fork.answer.as_ref() != Some(sdp));
        if said.is_some() {
            fork.reliable = rseq.is_some();
        }
        if let Some(sdp) = &news {
            fork.answer = Some(sdp.clone());
        }
        // What is barred is told as soon as the network lets it through, or with the answer.
        let old = fork.answer.clone().filter(|_| freed);
        if let Some(sdp) = news.or(old).filter(|_| !fork.barred) {
            self.heard(&sdp);
            self.tell_heard(&fork.dialog);
            core.tell(Event::EarlyMedia {
                call: self.id.clone(),
                sdp,
                fork: Some(fork.dialog.remote_tag().to_owned()),
                said: identity::said(&response.headers, &core.config),
            });
        }
        true
    }

    /// A 199 that came reliably has its PRACK as any other (RFC 6228, 4), in the dialog that ends with it. `false`: out of turn, or a
    /// copy.
    fn acknowledge_end(&mut self, response: &Response, core: &mut Core, now: Instant) -> bool {
        let Phase::Calling(calling) = &mut self.phase else {
            return false;
        };
        let tag = response.ids.to_tag();
        let Some(rseq) = reliable_number(response).filter(|_| !tag.is_empty()) else {
            return true;
        };
        let known = |fork: &Fork| fork.dialog.remote_tag() == tag;
        if let Some(at) = calling.gone.iter().position(known) {
            let fork = &calling.gone[at];
            if fork.rseq == Some(rseq) && fork.lost_prack {
                let mut fork = calling.gone.swap_remove(at);
                self.prack(&mut fork, rseq, None, core, now);
                if let Phase::Calling(calling) = &mut self.phase {
                    calling.gone.push(fork);
                }
            }
            return false;
        }
        if calling.forks.len() + calling.gone.len() >= MOST_FORKS
            && !calling.forks.iter().any(known)
        {
            return true;
        }
        let at = calling.forks.iter().position(known);
        let mut fork = match at {
            Some(at) => calling.forks.remove(at),
            None => match calling.fork_of(response, core) {
                Some(fork) => fork,
                None => return true,
            },
        };
        let in_turn = fork.rseq.is_none_or(|last| rseq == last.wrapping_add(1));
        let flooded = core.clients.is_flooded(&self.sip_call_id);
        if flooded {
            core.count_malformed("too many provisional answers to one INVITE");
        }
        let taken = in_turn && !flooded;
        if taken {
            fork.rseq = Some(rseq);
            self.prack(&mut fork, rseq, None, core, now);
        }
        if let Phase::Calling(calling) = &mut self.phase {
            let at = at.unwrap_or(calling.forks.len());
            calling.forks.insert(at, fork);
        }
        taken
    }

    fn prack(
        &mut self,
        fork: &mut Fork,
        rseq: u32,
        sdp: Option<String>,
        core: &mut Core,
        now: Instant,
    ) {
        let Phase::Calling(calling) = &self.phase else {
            return;
        };
        let mut content = Content::default();
        let cseq = calling.cseq;
        content.push(&HeaderName::RAck, format!("{rseq} {cseq} INVITE"));
        if let Some(sdp) = sdp {
            content.set_body("application/sdp", sdp);
        }
        fork.lost_prack = false;
        let prack = InCall::Prack;
        self.send_in(&mut fork.dialog, Method::Prack, content, prack, core, now);
    }

    fn tell_heard(&mut self, dialog: &Dialog) {
        if let Phase::Calling(calling) = &mut self.phase {
            calling.heard = Some(dialog.remote_tag().to_owned());
        }
    }

    /// The fork whose early media is heard has given up: the one before it is heard again (RFC 6228, 6).
    pub(super) fn hear_another(&mut self, said: Box<Said>, core: &mut Core) {
        let Phase::Calling(calling) = &mut self.phase else {
            return;
        };
        let offered = calling.offerless;
        let shown = |fork: &&Fork| fork.answer.is_some() && !fork.barred && !offered;
        let Some(fork) = calling.forks.iter().rev().find(shown) else {
            calling.heard = None;
            return;
        };
        let tag = fork.dialog.remote_tag().to_owned();
        let Some(sdp) = fork.answer.clone() else {
            return;
        };
        calling.heard = Some(tag.clone());
        self.heard(&sdp);
        core.tell(Event::EarlyMedia {
            call: self.id.clone(),
            sdp,
            fork: Some(tag),
            said,
        });
    }

    /// Only 180 rings (RFC 3960, 3.2). Other words are told as they are, each once in a row.
    fn on_ringing(&mut self, response: &Response, core: &mut Core) {
        let Phase::Calling(calling) = &mut self.phase else {
            return;
        };
        if response.status == 180 {
            if !std::mem::replace(&mut calling.rang, true) {
                core.tell(Event::Ringing {
                    call: self.id.clone(),
                    said: identity::said(&response.headers, &core.config),
                });
            }
            return;
        }
        let last = std::mem::replace(&mut calling.progress, response.status);
        if last != response.status && response.sdp().is_none() {
            core.tell(Event::Progress {
                call: self.id.clone(),
                status: response.status,
                reason: reason::words(response),
                said: identity::said(&response.headers, &core.config),
            });
        }
    }

    /// The user's answer to an offer that a provisional answer brought, or an UPDATE after that. `false`: there is none that waits.
    pub(in crate::sip) fn answer_early_offer(
        &mut self,
        sdp: String,
        core: &mut Core,
        now: Instant,
    ) -> bool {
        let Phase::Calling(calling) = &mut self.phase else {
            return false;
        };
        let waits = Fork::waits_for_user;
        let Some(at) = calling.forks.iter().position(waits) else {
            return false;
        };
        let mut fork = calling.forks.remove(at);
        if let Some(key) = fork.owed_update.take() {
            self.answer_update(&fork, &key, sdp.clone(), core, now);
            fork.local = Some(sdp);
        } else if let Some(rseq) = fork.owed_prack.take() {
            fork.local = Some(sdp.clone());
            self.prack(&mut fork, rseq, Some(sdp), core, now);
        }
        let owner = Owner::Call(self.id.clone());
        if let Phase::Calling(calling) = &mut self.phase {
            calling.forks.insert(at, fork);
            if !calling.forks.iter().any(waits) {
                core.deadlines.clear(Deadline::OfferUntaken, &owner);
            }
        }
        true
    }

    /// Nobody here answers it. Where it is the call's first, there will be no call; a further one leaves what was agreed
    /// (RFC 3311, 5.2).
    pub(in crate::sip) fn refuse_early_offer(
        &mut self,
        status: u16,
        core: &mut Core,
        now: Instant,
    ) -> bool {
        if let Phase::Calling(calling) = &mut self.phase
            && let Some(key) = calling
                .forks
                .iter_mut()
                .find_map(|it| it.owed_update.take())
        {
            // A user has no time in an UPDATE.
            let status = if status == 500 { 504 } else { status };
            core_answer(core, &key, status, now);
            return true;
        }
        let waits = |fork: &Fork| fork.owed_prack.is_some();
        let owes =
            matches!(&self.phase, Phase::Calling(calling) if calling.forks.iter().any(waits));
        if owes {
            let detail = Some("nobody here answered the far side's offer".to_owned());
            let cause = Cause::INCOMPATIBLE_DESTINATION;
            self.close(EndedBy::Local, cause, detail, &[], core, now);
        }
        owes
    }
}

impl Fork {
    /// Whether an offer of theirs waits for our user.
    const fn waits_for_user(&self) -> bool {
        self.owed_prack.is_some() || self.owed_update.is_some()
    }

    /// This dialog is no more: nobody answers the offer in it (RFC 3261, 15.1.2).
    pub(in crate::sip) fn refuse_update(&mut self, core: &mut Core, now: Instant) {
        if let Some(key) = self.owed_update.take() {
            core_answer(core, &key, 487, now);
        }
    }
}

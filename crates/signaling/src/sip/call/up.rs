//! Answers to what is said within a call, and its life without a connection.

use std::time::Instant;

use crate::cause::Cause;
use crate::error::Error;
use crate::event::{EndedBy, Event};
use crate::sip::call::offers::ends_dialog;
use crate::sip::call::requests::note_missed;
use crate::sip::call::state::{Call, Fork, Phase};
use crate::sip::deadline::{Deadline, TRANSACTION};
use crate::sip::dialog::edge::hangs_on_edge;
use crate::sip::flow_id::FlowId;
use crate::sip::message::Method;
use crate::sip::message::outgoing::Content;
use crate::sip::message::response::Response;
use crate::sip::session::core::{Core, identity};
use crate::sip::session::owner::{InCall, Owner, Purpose};
use crate::sip::transaction::client::ClientTransaction;

const SILENT: &str = "the far side does not answer any more";

fn unknown(status: u16) -> String {
    format!("the far side does not know the call any more ({status})")
}

impl Call {
    pub(in crate::sip) fn in_dialog(
        &mut self,
        method: Method,
        content: Content,
        what: InCall,
        core: &mut Core,
        now: Instant,
    ) {
        let Phase::Up(up) = &self.phase else {
            return;
        };
        let mut dialog = up.dialog.clone();
        self.send_in(&mut dialog, method, content, what, core, now);
        if let Phase::Up(up) = &mut self.phase {
            up.dialog = dialog;
        }
    }

    /// A final answer to something within the call that is no offer.
    pub(in crate::sip) fn on_in_call_answer(
        &mut self,
        what: InCall,
        transaction: &ClientTransaction<Purpose>,
        response: &Response,
        core: &mut Core,
        now: Instant,
    ) {
        if !self.is_live() && what != InCall::Bye {
            // The user knows of the end, and nothing follows it.
            return;
        }
        if what == InCall::Refer {
            return self.on_refer_answer(transaction, response, core, now);
        }
        if matches!(response.status, 401 | 407) {
            let others = core.clients.count_of(&self.sip_call_id);
            let identity = identity(&core.config);
            let known = self.auth.on_challenge_beside(response, &identity, others);
            if known.is_ok() && self.send_again(what, transaction, core, now) {
                return;
            }
        } else {
            self.auth.on_accepted(response);
        }
        if what == InCall::Bye {
            if !response.is_success() && response.status != 481 {
                note_missed(transaction, core);
            }
            return self.on_bye_answered(core);
        }
        let refused = !response.is_success();
        if what == InCall::Prack {
            if refused && ends_dialog(response.status) {
                self.on_prack_in_vain(transaction, Some(response.status), core, now);
            }
            return;
        }
        if let InCall::Message(id) = what {
            core.tell(if refused {
                Event::MessageFailed {
                    call: Some(self.id.clone()),
                    id,
                    error: self.refused_in_call("MESSAGE", response, core),
                }
            } else {
                Event::MessageAccepted {
                    call: Some(self.id.clone()),
                    id,
                    stored: response.status == 202,
                }
            });
        }
        if refused && ends_dialog(response.status) {
            let detail = unknown(response.status);
            let cause = Cause::NORMAL_TEMPORARY_FAILURE;
            return self.close(EndedBy::Server, cause, Some(detail), &[], core, now);
        }
        let failed = |core: &Core, call: &Self, method| Event::CommandFailed {
            call: call.id.clone(),
            error: call.refused_in_call(method, response, core),
        };
        if what == InCall::Digit && self.change_digit_kind(response, core, now) {
            return;
        }
        match what {
            InCall::Digit => {
                if let Phase::Up(up) = &mut self.phase {
                    up.digit_out = None;
                    if refused {
                        up.digits.clear();
                    }
                }
                core.tell(if refused {
                    failed(core, self, "INFO")
                } else {
                    Event::DtmfSent {
                        call: self.id.clone(),
                    }
                });
                self.next_digit(core, now);
            }
            InCall::Trickle => {
                if refused {
                    core.tell(failed(core, self, "INFO"));
                }
                self.on_candidates_answered(!refused, core, now);
            }
            InCall::Info if refused => core.tell(failed(core, self, "INFO")),
            InCall::Message(_)
            | InCall::Info
            | InCall::Prack
            | InCall::Bye
            | InCall::Offer
            | InCall::Refer => {}
        }
    }

    fn refused_in_call(&self, method: &'static str, response: &Response, core: &Core) -> Error {
        Error::Refused {
            server: core.server_name(self.flow),
            setting: None,
            method,
            code: Some(response.status.into()),
            reason: response.reason.clone(),
        }
    }

    /// The same request once more, with the next number. `false`: the call has no dialog for it any more.
    pub(in crate::sip) fn send_again(
        &mut self,
        what: InCall,
        transaction: &ClientTransaction<Purpose>,
        core: &mut Core,
        now: Instant,
    ) -> bool {
        let flow = self.way(core);
        let dialog = match &mut self.phase {
            // A fork that did not get the call has numbers of its own, and is over for us.
            Phase::Up(up) if !up.dialog.is_named_by(&transaction.draft) => return false,
            Phase::Up(up) => &mut up.dialog,
            Phase::Leaving(leaving) => match &mut leaving.bye {
                Some(dialog) => {
                    let owner = Owner::Call(self.id.clone());
                    core.deadlines
                        .set(Deadline::Detached, owner, now + TRANSACTION);
                    dialog
                }
                None => return false,
            },
            Phase::Calling(calling) => {
                let own = |fork: &&mut Fork| fork.dialog.is_named_by(&transaction.draft);
                let mut all = calling.forks.iter_mut().chain(&mut calling.gone);
                match all.find(own) {
                    Some(fork) => &mut fork.dialog,
                    None => return false,
                }
            }
            Phase::Called(_) | Phase::Over => return false,
        };
        let cseq = dialog.next_cseq();
        let purpose = Purpose::InCall(self.id.clone(), what);
        let draft = transaction.draft.clone();
        core.request(draft, cseq, Some(&mut self.auth), flow, purpose, now);
        true
    }

    /// No answer to something within the call that is no offer.
    pub(in crate::sip) fn on_no_in_call_answer(
        &mut self,
        what: InCall,
        transaction: &ClientTransaction<Purpose>,
        lost: bool,
        core: &mut Core,
        now: Instant,
    ) {
        match what {
            InCall::Refer => self.on_no_refer_answer(lost, core, now),
            InCall::Bye if lost => {
                // It is said again over the next connection.
                if let Phase::Leaving(leaving) = &mut self.phase {
                    leaving.bye_sent = false;
                    if let Some(until) = leaving.owed_until {
                        let owner = Owner::Call(self.id.clone());
                        core.deadlines.set(Deadline::Detached, owner, until);
                    }
                }
            }
            InCall::Bye => {
                note_missed(transaction, core);
                self.on_bye_answered(core);
            }
            InCall::Trickle if lost => self.on_candidates_lost(),
            InCall::Digit if lost => {
                // It is said again over the next connection, and those that wait follow.
                if let Phase::Up(up) = &mut self.phase
                    && let Some(digit) = up.digit_out.take()
                {
                    up.digits.push_front(digit);
                }
            }
            InCall::Message(id) if lost => {
                if self.is_live() {
                    let (server, command) = (core.server_name(self.flow), "message");
                    core.tell(Event::MessageFailed {
                        call: Some(self.id.clone()),
                        id,
                        error: Error::NotReady { server, command },
                    });
                }
            }
            InCall::Info if lost => self.tell_lost("info", core),
            InCall::Prack if lost => {
                if let Phase::Calling(calling) = &mut self.phase {
                    let own = |fork: &&mut Fork| fork.dialog.is_named_by(&transaction.draft);
                    let mut all = calling.forks.iter_mut().chain(&mut calling.gone);
                    if let Some(fork) = all.find(own) {
                        fork.lost_prack = true;
                    }
                }
            }
            InCall::Offer if lost => {}
            InCall::Prack => self.on_prack_in_vain(transaction, None, core, now),
            InCall::Digit | InCall::Info | InCall::Message(_) | InCall::Offer | InCall::Trickle => {
                if let InCall::Message(id) = what
                    && self.is_live()
                {
                    core.tell(Event::MessageFailed {
                        call: Some(self.id.clone()),
                        id,
                        error: Error::Refused {
                            server: core.server_name(self.flow),
                            setting: None,
                            method: "MESSAGE",
                            code: None,
                            reason: "no answer came".to_owned(),
                        },
                    });
                }
                let cause = Cause::RECOVERY_ON_TIMER_EXPIRE;
                let detail = Some(SILENT.to_owned());
                self.close(EndedBy::Timeout, cause, detail, &[], core, now);
            }
        }
    }

    /// What went down with its connection and does not go again.
    fn tell_lost(&self, command: &'static str, core: &mut Core) {
        if self.is_live() {
            let server = core.server_name(self.flow);
            core.tell(Event::CommandFailed {
                call: self.id.clone(),
                error: Error::NotReady { server, command },
            });
        }
    }

    /// A PRACK shows that its early dialog is no more, by a refusal or by silence, which is that fork's end and nobody else's: the
    /// call ends with the last of them, or with the one that answered it.
    fn on_prack_in_vain(
        &mut self,
        transaction: &ClientTransaction<Purpose>,
        status: Option<u16>,
        core: &mut Core,
        now: Instant,
    ) {
        let left = match &mut self.phase {
            Phase::Calling(calling) => {
                let own = |fork: &Fork| fork.dialog.is_named_by(&transaction.draft);
                let Some(at) = calling.forks.iter().position(own) else {
                    return;
                };
                let mut gone = calling.forks.remove(at);
                gone.refuse_update(core, now);
                if calling.heard.as_deref() == Some(gone.dialog.remote_tag()) {
                    self.hear_another(Box::default(), core);
                }
                matches!(&self.phase, Phase::Calling(calling) if !calling.forks.is_empty())
            }
            // RFC 3262, 3: 481 says as well that its answer waits for no PRACK any more; the 2xx has shown that the dialog is there.
            Phase::Up(up) => status == Some(481) || !up.dialog.is_named_by(&transaction.draft),
            Phase::Called(_) | Phase::Leaving(_) | Phase::Over => true,
        };
        if left {
            return;
        }
        let (by, cause, detail) = match status {
            Some(status) => (
                EndedBy::Server,
                Cause::NORMAL_TEMPORARY_FAILURE,
                unknown(status),
            ),
            None => (
                EndedBy::Timeout,
                Cause::RECOVERY_ON_TIMER_EXPIRE,
                SILENT.to_owned(),
            ),
        };
        self.close(by, cause, Some(detail), &[], core, now);
    }

    pub(in crate::sip) fn on_bye_answered(&mut self, core: &mut Core) {
        if let Phase::Leaving(leaving) = &mut self.phase {
            leaving.bye = None;
            if leaving.invite.is_none() {
                core.deadlines.clear_owner(&Owner::Call(self.id.clone()));
                self.phase = Phase::Over;
            }
        }
    }

    /// A connection is lost. Calls live on, as long as the far side's may.
    pub(in crate::sip) fn on_flow_lost(&mut self, core: &mut Core, now: Instant) {
        let limit = core.config.timers.detached;
        // What was challenged and has no answer now says nothing about what follows over the next one.
        self.auth.forget_refusal();
        let before = self.flow;
        let way = self.way(core);
        if core.flow(way).is_some_and(|flow| flow.is_open()) {
            if way != before {
                // Another one carries it: what was on the way is said again there, and the far side hears where we are now.
                self.on_flow_back(core, now);
            } else {
                // The far side knows that; but the lost one may have carried words from before.
                self.say_bye(core, now);
                self.next_wish(core, now);
                self.next_digit(core, now);
                self.next_candidates(core, now);
            }
            return;
        }
        if let Phase::Up(up) = &mut self.phase {
            up.adrift = true;
            let owner = Owner::Call(self.id.clone());
            if !core.deadlines.is_set(Deadline::Detached, &owner) {
                core.deadlines.set(Deadline::Detached, owner, now + limit);
            }
        }
    }

    /// A flow is ready: calls that have no other, or whose own it is, go on over it. So do those whose far side may have taken
    /// that flow to us, and lost its words with it.
    pub(in crate::sip) fn on_flow_ready(&mut self, flow: FlowId, core: &mut Core, now: Instant) {
        let anew = core.flow(flow).is_some_and(|flow| flow.connection > 1);
        let pinned = match &self.phase {
            Phase::Up(up) => hangs_on_edge(&up.dialog.routes),
            Phase::Leaving(_) | Phase::Called(_) | Phase::Calling(_) | Phase::Over => true,
        };
        if self.way(core) == flow || (anew && !pinned) {
            self.on_flow_back(core, now);
        }
    }

    /// A connection is there again: what waits is said, and a call that is up shows that it lives, with its new target
    /// (RFC 3261, 12.2.1).
    pub(in crate::sip) fn on_flow_back(&mut self, core: &mut Core, now: Instant) {
        let flow = self.way(core);
        if !core
            .flow(flow)
            .is_some_and(|flow| flow.is_ready(&core.config))
        {
            return;
        }
        let owner = Owner::Call(self.id.clone());
        match &mut self.phase {
            Phase::Up(up) => {
                core.deadlines.clear(Deadline::Detached, &owner);
                if up.unacked.is_some() {
                    return self.answer_again(core, now);
                }
                self.refresh_session(core, now);
                self.next_digit(core, now);
                self.next_candidates(core, now);
            }
            Phase::Leaving(leaving) if leaving.unacked.is_some() => self.answer_again(core, now),
            Phase::Leaving(_) => self.say_bye(core, now),
            Phase::Called(_) => self.provisional_again(core),
            Phase::Calling(_) | Phase::Over => {}
        }
    }

    /// No connection came in time. The far side may have the call for longer: its goodbye is owed still.
    pub(in crate::sip) fn on_detached(&mut self, core: &mut Core, now: Instant) {
        match &mut self.phase {
            Phase::Up(_) => {
                let detail = Some("no connection came back in time".to_owned());
                let cause = Cause::NETWORK_OUT_OF_ORDER;
                self.close(EndedBy::Network, cause, detail, &[], core, now);
            }
            Phase::Leaving(leaving) => {
                // An answer that only this connection carried has no more time for its ACK: the goodbye goes without.
                let waited = leaving.unacked.take().is_some();
                core.deadlines.clear_owner(&Owner::Call(self.id.clone()));
                if waited {
                    self.say_bye(core, now);
                }
                if !matches!(&self.phase, Phase::Leaving(leaving) if waited && leaving.bye_sent) {
                    self.phase = Phase::Over;
                }
            }
            Phase::Calling(_) | Phase::Called(_) | Phase::Over => {}
        }
    }
}

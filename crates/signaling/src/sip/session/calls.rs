//! Commands about calls, and what becomes of their requests.

use std::time::Instant;

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::command::Command;
use crate::dtmf::{check_digits, check_length};
use crate::error::Error;
use crate::event::{EndedBy, Event};
use crate::sip::auth::authorization::Unanswerable;
use crate::sip::auth::proof;
use crate::sip::call::state::{Call, Phase, Replaced};
use crate::sip::call::stray;
use crate::sip::deadline::{Deadline, TRANSACTION};
use crate::sip::flow_id::FlowId;
use crate::sip::message::outgoing::OutgoingRequest;
use crate::sip::message::response::Response;
use crate::sip::message::{HeaderName, Method};
use crate::sip::session::core::{Core, identity};
use crate::sip::session::machine::Session;
use crate::sip::session::owner::{InCall, Owner, Purpose};
use crate::sip::transaction::client::{Answered, ClientTransaction};

/// Goodbyes to far sides that no call has, which are said again over the next connection; of more only the first word is said.
const MOST_LEAVING: usize = 128;

impl Session {
    /// Lets a call do something, and forgets it when it is over.
    pub(in crate::sip) fn with_call<T>(
        &mut self,
        id: &CallId,
        act: impl FnOnce(&mut Call, &mut Core) -> T,
    ) -> Option<T> {
        let call = self.calls.get_mut(id)?;
        let outcome = act(call, &mut self.core);
        if !call.is_live()
            && let Some(refer) = call.refer.take()
        {
            self.carried.push((refer, call.verdict.unwrap_or(487)));
        }
        if matches!(call.phase, Phase::Over) {
            self.calls.remove(id);
            self.core.deadlines.clear_owner(&Owner::Call(id.clone()));
            self.stop_when_quiet();
        }
        self.follow_call(id);
        Some(outcome)
    }

    pub(super) fn on_call_command(&mut self, command: Command, now: Instant) {
        if matches!(command, Command::Invite { .. }) {
            return self.on_invite_command(command, now);
        }
        let Some(id) = command.call().cloned() else {
            return self.refuse_session_command(command.name());
        };
        if let Command::RefuseRefer { status, .. } = command {
            if let Err(error) = self.refuse_refer(&id, status, now) {
                self.refuse_command(id, error);
            }
            return;
        }
        let text = command.message_id();
        let state = match self.calls.get(&id) {
            Some(call) if call.is_live() => call.state_word(),
            // Its call came to nothing: that was told already.
            _ if matches!(command, Command::ReserveOffer { .. }) => return,
            _ => {
                let error = Error::UnknownCall {
                    call: id.to_string(),
                };
                return self.refuse_about(id, text, error);
            }
        };
        if let Err(error) = self.carry_out(&id, command, state, now) {
            self.refuse_about(id, text, error);
        }
    }

    fn carry_out(
        &mut self,
        id: &CallId,
        command: Command,
        state: &'static str,
        now: Instant,
    ) -> Result<(), Error> {
        let name = command.name();
        let wrong = || Error::WrongState {
            command: name,
            state,
        };
        let is_up = self
            .calls
            .get(id)
            .is_some_and(|call| matches!(call.phase, Phase::Up(_)));
        let rings = self.calls.get(id).is_some_and(Call::rings_here);
        let has_way = self.with_call(id, |call, core| call.has_way(core));
        if is_up && has_way == Some(false) && said_at_once(&command) {
            let server = self.core.server_name(FlowId(0));
            let command = name;
            return Err(Error::NotReady { server, command });
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "what SIP has no word for is refused below"
        )]
        match command {
            Command::Bye {
                cause,
                sip_code,
                headers,
                ..
            } => {
                let status = sip_code.filter(|code| (400..700).contains(code));
                self.with_call(id, |call, core| {
                    call.hang_up(cause, status, &headers, core, now);
                });
            }
            Command::Candidate { candidate, .. } if self.core.config.trickle => {
                let candidate = Some(candidate);
                let said = self.with_call(id, |call, core| call.trickle_out(candidate, core, now));
                said.unwrap_or(Ok(()))?;
            }
            Command::EndOfCandidates { .. } if self.core.config.trickle => {
                let said = self.with_call(id, |call, core| call.trickle_out(None, core, now));
                said.unwrap_or(Ok(()))?;
            }
            Command::Answer { sdp, headers, .. } if rings => {
                let replaced =
                    self.with_call(id, |call, core| call.answer(sdp, &headers, core, now));
                self.end_replaced(replaced.flatten(), now);
            }
            Command::UpdateMedia { sdp, .. } if is_up => {
                self.with_call(id, |call, core| call.offer(sdp, core, now));
            }
            Command::ReserveOffer { sdp, .. } => {
                self.with_call(id, |call, _| call.reserve = Some(sdp));
            }
            Command::Attach { sdp, .. } if !is_up => {
                let taken = self.with_call(id, |call, core| {
                    if matches!(call.phase, Phase::Called(_)) {
                        call.ring_with(sdp, core, now)
                    } else {
                        call.answer_early_offer(sdp, core, now)
                    }
                });
                if taken != Some(true) {
                    return Err(wrong());
                }
            }
            Command::RefuseOffer { status, .. } if !is_up => {
                let taken = self.with_call(id, |call, core| {
                    call.ring_without() || call.refuse_early_offer(status, core, now)
                });
                if taken != Some(true) {
                    return Err(wrong());
                }
            }
            Command::Attach { sdp, .. } if is_up => {
                self.with_call(id, |call, core| call.answer_offer(sdp, core, now));
            }
            Command::RefuseOffer { status, .. } if is_up => {
                self.with_call(id, |call, core| call.refuse_offer(status, core, now));
            }
            Command::Dtmf { digits, .. } if is_up => {
                check_length(&digits)?;
                check_digits(&digits, false)?;
                let sent = self.with_call(id, |call, core| call.send_digits(&digits, core, now));
                sent.unwrap_or(Ok(()))?;
            }
            Command::Info { item, .. } if is_up => {
                let sent = self.with_call(id, |call, core| call.send_info(item, core, now));
                sent.unwrap_or(Ok(()))?;
            }
            Command::Message {
                id: number, body, ..
            } if is_up => {
                self.with_call(id, |call, core| call.send_text(number, body, core, now));
            }
            Command::Transfer { to, .. } if is_up => {
                let to = Call::refer_target(&to, &self.core)?;
                let asked = self.with_call(id, |call, core| call.refer(to, core, now));
                asked.unwrap_or(Ok(()))?;
            }
            Command::Replace { with, .. } if is_up => {
                // Only one wish at a time.
                self.joins.retain(|(call, _)| call != id);
                if !self.join(id, &with, now)? {
                    self.joins.push((id.clone(), with));
                }
            }
            Command::Answer { .. }
            | Command::UpdateMedia { .. }
            | Command::Attach { .. }
            | Command::RefuseOffer { .. }
            | Command::Dtmf { .. }
            | Command::Info { .. }
            | Command::Message { .. }
            | Command::Transfer { .. }
            | Command::Replace { .. } => return Err(wrong()),
            _ => {
                return Err(Error::NotInDialect {
                    dialect: "SIP",
                    command: name,
                });
            }
        }
        Ok(())
    }

    /// The same; `text`: of the command to send that one.
    fn refuse_about(&mut self, call: CallId, text: Option<u64>, error: Error) {
        match text {
            Some(id) => self.core.tell(Event::MessageFailed {
                call: Some(call),
                id,
                error,
            }),
            None => self.refuse_command(call, error),
        }
    }

    /// Another call has taken the place of that one (RFC 3891, 3).
    pub(super) fn end_replaced(&mut self, replaced: Option<Replaced>, now: Instant) {
        let replaced = replaced.filter(|it| {
            // Whoever picked up what rang has no right to what was answered since.
            let rings = self.calls.get(&it.call).is_some_and(Call::is_calling);
            it.unasked || it.was_up || rings
        });
        if let Some(replaced) = replaced {
            self.with_call(&replaced.call, |call, core| {
                let detail = Some("replaced by another call".to_owned());
                let cause = Cause::NORMAL_CLEARING;
                call.close(EndedBy::Remote, cause, detail, &[], core, now);
            });
        }
    }

    pub(super) fn refuse_command(&mut self, call: CallId, error: Error) {
        self.core.tell(Event::CommandFailed { call, error });
    }

    /// A command about no call that SIP has no word for.
    fn refuse_session_command(&mut self, command: &'static str) {
        let error = Error::NotInDialect {
            dialect: "SIP",
            command,
        };
        self.core
            .tell(Event::SessionCommandFailed { command, error });
    }

    /// An answer to a request of ours.
    pub(super) fn on_response(&mut self, flow: FlowId, response: &Response, now: Instant) {
        // A Via that is not ours: the answer went astray (RFC 3261, 18.1.2).
        if response.ids.via.sent_by != self.core.agent.host {
            return self
                .core
                .count_malformed("an answer to somebody else's request");
        }
        // A second Via is another's, who is not behind us (8.1.3.3).
        if response.headers.tokens(&HeaderName::Via).len() > 1 {
            return self
                .core
                .count_malformed("an answer that is to go on to somebody else");
        }
        let method = response.ids.method.to_string();
        let owner = Owner::Request(response.ids.via.branch().to_owned(), method);
        match self.core.clients.on_response(response) {
            Answered::Unknown => {}
            Answered::Provisional { owner: purpose } => {
                // Timer B ends with the first provisional answer; timer F does not (17.1.1.2, 17.1.2.2).
                if response.ids.method == Method::Invite {
                    self.core.deadlines.clear(Deadline::Response, &owner);
                    if matches!(purpose, Purpose::InCall(..))
                        && !self.core.deadlines.is_set(Deadline::Unanswered, &owner)
                    {
                        // A proxy's 100 and then nothing: the call would wait for its offer for ever.
                        let limit = self.core.config.timers.unanswered;
                        let at = now + limit;
                        self.core.deadlines.set(Deadline::Unanswered, owner, at);
                    }
                }
                if let Purpose::Invite(id) = purpose {
                    self.note_carried(&id, response.status, &response.reason, now);
                    self.with_call(&id, |call, core| {
                        if let Phase::Leaving(leaving) = &mut call.phase {
                            let mut leaving = leaving.clone();
                            call.cancel(&mut leaving, core, now);
                            call.phase = Phase::Leaving(leaving);
                        } else {
                            call.on_provisional(response, core, now);
                        }
                    });
                }
            }
            Answered::Accepted {
                owner: purpose,
                first,
            } => {
                if first {
                    let branch = response.ids.via.branch();
                    if let Some(transaction) = self.core.clients.get(branch, &Method::Invite) {
                        let request = transaction.request.clone();
                        self.doubt(&request, response, flow);
                    }
                    self.core.deadlines.clear_owner(&owner);
                    self.core
                        .deadlines
                        .set(Deadline::FurtherAnswers, owner, now + TRANSACTION);
                }
                self.on_invite_accepted(purpose, response, first, flow, now);
            }
            Answered::Final { transaction, ack } => {
                self.core.deadlines.clear_owner(&owner);
                if let Some(ack) = ack {
                    self.core.send_request(&ack, flow);
                }
                // A registration judges for itself, and believes none of it.
                if response.is_success() && response.ids.method != Method::Register {
                    self.doubt(&transaction.request, response, flow);
                }
                self.on_final(&transaction, response, now);
            }
        }
    }

    /// Tells once for each connection that whoever answers there does not know the password. Calls and all else go on: the answer
    /// is as good as one without a proof.
    fn doubt(&mut self, request: &OutgoingRequest, response: &Response, flow: FlowId) {
        if !proof::is_wrong(request, response, &identity(&self.core.config)) {
            return;
        }
        let told = self
            .core
            .flow_mut(flow)
            .is_none_or(|flow| std::mem::replace(&mut flow.doubted, true));
        if !told {
            let reason = Unanswerable::Forged.to_string();
            let error = self.rejected(flow, reason, Some(response.status));
            self.core.tell(Event::LoginFailed(error));
        }
    }

    fn on_invite_accepted(
        &mut self,
        purpose: Purpose,
        response: &Response,
        first: bool,
        flow: FlowId,
        now: Instant,
    ) {
        if let Some(ack) = self.core.clients.ack_of(response) {
            // Said again, since our ACK was not there yet.
            self.core.send_request(&ack, flow);
            return self.part_again(response, flow, now);
        }
        let branch = response.ids.via.branch();
        let request = self
            .core
            .clients
            .get(branch, &Method::Invite)
            .map(|transaction| transaction.request.clone());
        match purpose {
            Purpose::Invite(id) if first && self.calls.get(&id).is_some_and(Call::is_calling) => {
                self.with_call(&id, |call, core| call.on_accepted(response, core, now));
                self.note_carried(&id, response.status, &response.reason, now);
            }
            Purpose::InCall(id, InCall::Offer)
                if first && self.calls.get(&id).is_some_and(Call::is_live) =>
            {
                self.with_call(&id, |call, core| {
                    if let Some(request) = &request {
                        call.on_offer_accepted(request, response, core, now);
                    }
                });
            }
            // Our goodbye is under way, or said: nothing more is owed than the ACK.
            Purpose::InCall(_, InCall::Offer) => {
                stray::acknowledge(response, flow, &mut self.core);
                self.part_again(response, flow, now);
            }
            Purpose::Invite(id) | Purpose::InCall(id, _) => {
                let parted = self.with_call(&id, |call, core| {
                    call.on_unwanted_answer(response, first, flow, core, now)
                });
                let parted = match parted {
                    Some(parted) => parted,
                    None => Call::part(response, None, flow, &mut self.core, now),
                };
                self.see_off(parted);
            }
            Purpose::Register(_)
            | Purpose::Subscribe(_)
            | Purpose::Refresh(_)
            | Purpose::Publish
            | Purpose::Text
            | Purpose::ReferNotice(_)
            | Purpose::Nobody => {}
        }
    }

    /// Whoever answers an INVITE of ours after our goodbye went nowhere still has the call.
    fn part_again(&mut self, response: &Response, flow: FlowId, now: Instant) {
        if let Some(bye) = self.core.clients.take_missed(response) {
            let parted = Call::part_again(response, bye, flow, &mut self.core, now);
            self.see_off(parted);
        }
    }

    /// A goodbye to a far side that no call has is under way: it is said until it is heard, as those of calls are.
    fn see_off(&mut self, stray: Option<Call>) {
        let Some(stray) = stray else {
            return;
        };
        let leaving = |call: &&Call| !call.is_live();
        if self.calls.values().filter(leaving).count() < MOST_LEAVING {
            self.calls.insert(stray.id.clone(), stray);
        } else {
            self.core.deadlines.clear_owner(&Owner::Call(stray.id));
        }
    }

    fn on_final(
        &mut self,
        transaction: &ClientTransaction<Purpose>,
        response: &Response,
        now: Instant,
    ) {
        match &transaction.owner {
            Purpose::Register(id) => {
                self.on_register_answer(*id, response, &transaction.request.uri, now);
            }
            Purpose::Invite(id) => {
                self.with_call(id, |call, core| {
                    call.on_refused(transaction, response, core, now);
                });
            }
            Purpose::InCall(id, InCall::Offer) => {
                self.with_call(id, |call, core| {
                    if response.is_success() {
                        call.on_offer_accepted(&transaction.request, response, core, now);
                    } else {
                        call.on_offer_refused(transaction, response, core, now);
                    }
                });
            }
            Purpose::InCall(id, what) => {
                self.with_call(id, |call, core| {
                    call.on_in_call_answer(*what, transaction, response, core, now);
                });
            }
            Purpose::Subscribe(name) => self.on_subscribe_answer(name, transaction, response, now),
            Purpose::Refresh(id) => self.on_refresh_answer(*id, response, now),
            Purpose::Publish => self.on_publish_answer(transaction, response, now),
            Purpose::Text => self.on_text_answer(transaction, response, now),
            Purpose::ReferNotice(name) => self.on_refer_notice_answer(name, response, now),
            Purpose::Nobody => {}
        }
    }

    /// A request of ours has no answer: its time is over, or its connection is gone.
    pub(super) fn on_unanswered(
        &mut self,
        transaction: &ClientTransaction<Purpose>,
        lost: bool,
        now: Instant,
    ) {
        match &transaction.owner {
            Purpose::Register(id) => {
                if !lost {
                    self.on_register_silence(*id, now);
                }
            }
            Purpose::Invite(id) => {
                self.with_call(id, |call, core| {
                    call.on_no_invite_answer(transaction, lost, core, now)
                });
            }
            Purpose::InCall(id, InCall::Offer) => {
                let request = &transaction.request;
                self.with_call(id, |call, core| {
                    call.on_no_offer_answer(request, lost, core, now);
                });
            }
            Purpose::InCall(id, what) => {
                let what = *what;
                self.with_call(id, |call, core| {
                    call.on_no_in_call_answer(what, transaction, lost, core, now);
                });
            }
            Purpose::Subscribe(name) => self.on_no_subscribe_answer(name, transaction, lost, now),
            Purpose::Refresh(id) => self.on_no_refresh_answer(*id, lost, now),
            Purpose::Publish => self.on_no_publish_answer(transaction, lost, now),
            Purpose::Text => self.on_no_text_answer(transaction, lost, now),
            Purpose::ReferNotice(name) => self.on_no_refer_notice_answer(name, lost, now),
            Purpose::Nobody => {}
        }
    }

    /// Sends the far side of a call to that of another one. `false`: that one is not answered yet, and is waited for
    /// (RFC 5589, 7.6: to replace an early dialog, or to end it and start anew, are races).
    fn join(&mut self, id: &CallId, with: &CallId, now: Instant) -> Result<bool, Error> {
        let other = self.calls.get(with).filter(|_| id != with);
        if other.is_some_and(|call| matches!(call.phase, Phase::Calling(_))) {
            return Ok(false);
        }
        let to = other.and_then(Call::replaced_target);
        let to = to.ok_or_else(|| Error::UnknownCall {
            call: with.to_string(),
        })?;
        let asked = self.with_call(id, |call, core| call.refer(to, core, now));
        asked.unwrap_or(Ok(()))?;
        Ok(true)
    }

    /// What follows from what calls did: word to those who referred us, transfers that waited for an answer; and word of
    /// what is listened to.
    pub(super) fn follow_up(&mut self, now: Instant) {
        self.tell_channels();
        for (id, with) in std::mem::take(&mut self.joins) {
            if !self.calls.get(&id).is_some_and(Call::is_live) {
                continue;
            }
            match self.join(&id, &with, now) {
                Ok(true) => {}
                Ok(false) => self.joins.push((id, with)),
                Err(error) => self.refuse_command(id, error),
            }
        }
        for (refer, status) in std::mem::take(&mut self.carried) {
            self.note_refer(&refer, status, "", now);
        }
    }

    pub(super) fn on_call_deadline(&mut self, id: &CallId, deadline: Deadline, now: Instant) {
        self.with_call(id, |call, core| {
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "the other deadlines belong to flows and requests"
            )]
            match deadline {
                Deadline::Unanswered => {
                    let detail = Some("nobody answered".to_owned());
                    call.close(EndedBy::Timeout, Cause::NO_ANSWER, detail, &[], core, now);
                }
                Deadline::Untaken => {
                    let detail = Some("nobody here took the call".to_owned());
                    call.close(EndedBy::Timeout, Cause::NO_ANSWER, detail, &[], core, now);
                }
                Deadline::RingAgain => call.ring(core, now),
                Deadline::RepeatProvisional => call.repeat_provisional(core, now),
                Deadline::ProvisionalAck => call.on_no_prack(core, now),
                Deadline::RepeatAnswer => call.repeat_answer(core, now),
                Deadline::AnswerAck => call.on_no_ack(core, now),
                Deadline::DigitPause => call.next_digit(core, now),
                Deadline::GlareOver => call.on_glare_over(core, now),
                Deadline::OfferUntaken => call.refuse_offer(500, core, now),
                Deadline::SessionRefresh => call.refresh_session(core, now),
                Deadline::SessionExpiry => call.on_session_expiry(core, now),
                Deadline::Detached => call.on_detached(core, now),
                Deadline::FirstNotice | Deadline::TransferExpiry => call.on_transfer_silence(core),
                _ => {}
            }
        });
    }
}

/// Wishes that do not wait for a connection: they are met now or not at all.
fn said_at_once(command: &Command) -> bool {
    matches!(
        command,
        Command::Info { .. }
            | Command::Message { .. }
            | Command::Transfer { .. }
            | Command::Replace { .. }
    )
}

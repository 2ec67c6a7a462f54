//! Commands about calls, and what becomes of their requests.

use std::time::Instant;

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::command::Command;
use crate::dtmf::{check_digits, check_length};
use crate::error::Error;
use crate::event::{EndedBy, Event};
use crate::sip::call::calling::{Placing, end_stray};
use crate::sip::call::state::{Call, Phase};
use crate::sip::deadline::{Deadline, TRANSACTION};
use crate::sip::flow_id::FlowId;
use crate::sip::message::Method;
use crate::sip::message::response::Response;
use crate::sip::session::core::Core;
use crate::sip::session::machine::Session;
use crate::sip::session::owner::{InCall, Owner, Purpose};
use crate::sip::transaction::client::{Answered, ClientTransaction};

impl Session {
    /// Lets a call do something, and forgets it when it is over.
    pub(in crate::sip) fn with_call<T>(
        &mut self,
        id: &CallId,
        act: impl FnOnce(&mut Call, &mut Core) -> T,
    ) -> Option<T> {
        let call = self.calls.get_mut(id)?;
        let outcome = act(call, &mut self.core);
        if matches!(call.phase, Phase::Over) {
            self.calls.remove(id);
            self.core.deadlines.clear_owner(&Owner::Call(id.clone()));
            self.stop_when_quiet();
        }
        Some(outcome)
    }

    pub(super) fn on_call_command(&mut self, command: Command, now: Instant) {
        if matches!(command, Command::Invite { .. }) {
            return self.on_invite_command(command, now);
        }
        let Some(id) = command.call().cloned() else {
            return self.refuse_command(
                None,
                Error::NotInDialect {
                    dialect: "SIP",
                    command: command.name(),
                },
            );
        };
        let state = match self.calls.get(&id) {
            Some(call) if call.is_live() => call.state_word(),
            _ => {
                let error = Error::UnknownCall {
                    call: id.to_string(),
                };
                return self.refuse_command(Some(id), error);
            }
        };
        if let Err(error) = self.carry_out(&id, command, state, now) {
            self.refuse_command(Some(id), error);
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
        let rings = self
            .calls
            .get(id)
            .is_some_and(|call| matches!(call.phase, Phase::Called(_)));
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
            Command::Answer { sdp, headers, .. } if rings => {
                let replaced = self
                    .with_call(id, |call, core| call.answer(sdp, &headers, core, now))
                    .flatten();
                if let Some(replaced) = replaced {
                    self.with_call(&replaced, |call, core| {
                        let detail = Some("replaced by another call".to_owned());
                        let cause = Cause::NORMAL_CLEARING;
                        call.close(EndedBy::Remote, cause, detail, &[], core, now);
                    });
                }
            }
            Command::UpdateMedia { sdp, .. } if is_up => {
                self.with_call(id, |call, core| call.offer(sdp, core, now));
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
                self.with_call(id, |call, core| call.send_digits(&digits, core, now));
            }
            Command::Message { body, .. } if is_up => {
                self.with_call(id, |call, core| call.send_text(body, core, now));
            }
            Command::Transfer { to, .. } if is_up => {
                let to = Call::refer_target(&to, &self.core)?;
                self.with_call(id, |call, core| call.refer(to, core, now));
            }
            Command::Replace { with, .. } if is_up => {
                let to = self.calls.get(&with).and_then(Call::replaced_target);
                let to = to.ok_or_else(|| Error::UnknownCall {
                    call: with.to_string(),
                })?;
                self.with_call(id, |call, core| call.refer(to, core, now));
            }
            Command::Answer { .. }
            | Command::UpdateMedia { .. }
            | Command::Attach { .. }
            | Command::RefuseOffer { .. }
            | Command::Dtmf { .. }
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

    fn on_invite_command(&mut self, command: Command, now: Instant) {
        let Command::Invite {
            call,
            to,
            sdp,
            caller_name,
            caller_number,
            headers,
            ..
        } = command
        else {
            return;
        };
        let placed = if self.calls.contains_key(&call) {
            let error = Error::CallExists {
                call: call.to_string(),
            };
            return self.refuse_command(Some(call), error);
        } else if let Some(flow) = self.core.ready_flow().filter(|_| !self.stopping) {
            let wish = Placing {
                id: call.clone(),
                to,
                sdp,
                caller_name,
                caller_number,
                headers,
            };
            Call::place(wish, flow, &mut self.core, now)
        } else {
            Err(Error::NotReady {
                server: self.core.server_name(FlowId(0)),
                command: "call",
            })
        };
        match placed {
            Ok(placed) => {
                self.calls.insert(call, placed);
            }
            Err(error) => self.core.tell(Event::Ended {
                call,
                by: EndedBy::Local,
                cause: Cause::NORMAL_TEMPORARY_FAILURE,
                detail: Some(error.to_string()),
                elsewhere: false,
                headers: Vec::new(),
                client_state: None,
                sip: Box::default(),
            }),
        }
    }

    fn refuse_command(&mut self, call: Option<CallId>, error: Error) {
        self.core.tell(match call {
            Some(call) => Event::CommandFailed { call, error },
            None => Event::SessionCommandFailed {
                command: "command",
                error,
            },
        });
    }

    /// An answer to a request of ours.
    pub(super) fn on_response(&mut self, flow: FlowId, response: &Response, now: Instant) {
        // A Via that is not ours: the answer went astray (RFC 3261, 18.1.2).
        if response.ids.via.sent_by != self.core.agent.host {
            return self
                .core
                .count_malformed("an answer to somebody else's request");
        }
        let method = response.ids.method.to_string();
        let owner = Owner::Request(response.ids.via.branch().to_owned(), method);
        match self.core.clients.on_response(response) {
            Answered::Unknown => {}
            Answered::Provisional { owner: purpose } => {
                // Timer B ends with the first provisional answer; timer F does not (17.1.1.2, 17.1.2.2).
                if response.ids.method == Method::Invite {
                    self.core.deadlines.clear(Deadline::Response, &owner);
                }
                if let Purpose::Invite(id) = purpose {
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
                self.on_final(&transaction, response, now);
            }
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
        let branch = response.ids.via.branch();
        let request = self
            .core
            .clients
            .get(branch, &Method::Invite)
            .map(|transaction| transaction.request.clone());
        let known = match purpose {
            Purpose::Invite(id) if first => {
                self.with_call(&id, |call, core| call.on_accepted(response, core, now))
            }
            Purpose::InCall(id, InCall::Offer) if first => self.with_call(&id, |call, core| {
                if let Some(request) = &request {
                    call.on_offer_accepted(request, response, core, now);
                }
            }),
            Purpose::Invite(id) | Purpose::InCall(id, _) => self.with_call(&id, |call, core| {
                call.on_further_answer(response, core, now)
            }),
            Purpose::Register(_) | Purpose::Nobody => None,
        };
        if known.is_none() {
            end_stray(response, None, flow, &mut self.core, now);
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
                self.with_call(id, |call, core| call.on_no_invite_answer(lost, core));
            }
            Purpose::InCall(id, InCall::Offer) => {
                self.with_call(id, |call, core| call.on_no_offer_answer(lost, core, now));
            }
            Purpose::InCall(id, what) => {
                let what = *what;
                self.with_call(id, |call, core| {
                    call.on_no_in_call_answer(what, lost, core, now);
                });
            }
            Purpose::Nobody => {}
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
                Deadline::GlareOver => call.on_glare_over(core, now),
                Deadline::OfferUntaken => call.refuse_offer(500, core, now),
                Deadline::SessionRefresh => call.refresh_session(core, now),
                Deadline::SessionExpiry => call.on_session_expiry(core, now),
                Deadline::Detached => call.on_detached(core),
                _ => {}
            }
        });
    }
}

//! The session's calls: commands and messages handed to their dialogs, and what these want done.

use std::time::Instant;

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::command::Command;
use crate::deadlines::{Deadline, Owner};
use crate::error::Error;
use crate::event::{EndedBy, Event, Party};
use crate::verto::dialog::{Dialog, Effect, Effects};
use crate::verto::message::server::{ServerBye, ServerCall};
use crate::verto::method::Method;
use crate::verto::requests::{CallRequest, Pending, Purpose};
use crate::verto::rpc::Request;
use crate::verto::session::machine::{Session, State};
use crate::verto::wording::{Sides, Wish};

/// Calls that one session may have; more incoming ones are turned away as a switch under overload would.
const MOST_CALLS: usize = 256;
/// Ended calls that are remembered.
const MOST_ENDED: usize = 64;
/// Digits in one command.
const MOST_DIGITS: usize = 64;

impl Session {
    // ---- commands ----

    pub(super) fn on_call_command(&mut self, command: Command, now: Instant) {
        let online = self.is_open();
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the others are about no call"
        )]
        match command {
            Command::Invite {
                call,
                to,
                sdp,
                caller_name,
                caller_number,
                headers,
                ..
            } => {
                let remote = Party {
                    name: String::new(),
                    number: to.clone(),
                };
                let (own_name, own_number) = (caller_name, caller_number);
                let sides = Sides {
                    destination: Some(to),
                    own_name,
                    own_number,
                    headers,
                    remote,
                };
                self.invite(call, sides, sdp, now);
            }
            Command::Bye { call, cause, .. } => {
                self.command(&call, "hang up", now, |dialog, fx| {
                    dialog.bye(cause, online, fx)
                });
            }
            Command::Attach { .. } if matches!(self.state, State::AwaitingReady(_)) => {
                self.hold(command)
            }
            Command::Attach { call, sdp } => {
                self.command(&call, "attach", now, |dialog, fx| dialog.attach(sdp, fx))
            }
            Command::Answer { call, sdp, .. } => {
                self.command(&call, "answer", now, |dialog, fx| dialog.answer(sdp, fx))
            }
            Command::UpdateMedia { call, sdp } => {
                self.command(&call, "media update", now, |dialog, fx| {
                    dialog.update_media(sdp, fx)
                });
            }
            Command::Dtmf { call, digits } => match check_digits(&digits) {
                Ok(()) => self.command(&call, "DTMF", now, |dialog, fx| dialog.dtmf(digits, fx)),
                Err(error) => self.tell(Event::CommandFailed { call, error }),
            },
            _ => {}
        }
    }

    fn invite(&mut self, call: CallId, sides: Sides, sdp: String, now: Instant) {
        if self.dialogs.contains_key(&call) {
            let error = Error::CallExists {
                call: call.to_string(),
            };
            return self.tell(Event::CommandFailed { call, error });
        }
        let ready = matches!(self.state, State::Ready | State::Doubting(_));
        if !ready || self.dialogs.len() >= MOST_CALLS {
            let cause = if ready {
                Cause::NORMAL_TEMPORARY_FAILURE
            } else {
                Cause::NETWORK_OUT_OF_ORDER
            };
            let error = Error::NotReady {
                server: self.server.clone(),
                command: "call",
            };
            let detail = if ready {
                format!("already {MOST_CALLS} calls")
            } else {
                error.to_string()
            };
            return self.tell(Event::Ended {
                call,
                by: EndedBy::Local,
                cause,
                detail: Some(detail),
                elsewhere: false,
                headers: Vec::new(),
                client_state: None,
            });
        }
        let mut fx = Effects::new();
        let dialog = Dialog::outgoing(call.clone(), sides, sdp, &mut fx);
        self.settle(call, dialog, fx, now);
    }

    fn command(
        &mut self,
        call: &CallId,
        name: &'static str,
        now: Instant,
        step: impl FnOnce(&mut Dialog, &mut Effects),
    ) {
        let online = self.is_open();
        let error = match self.dialogs.get(call).map(Dialog::is_live) {
            // A bye counts at once, also without a connection: it is owed to the server.
            Some(true) if online || name == "hang up" => return self.step(call, now, step),
            Some(true) => Error::NotReady {
                server: self.server.clone(),
                command: name,
            },
            Some(false) | None => Error::UnknownCall {
                call: call.to_string(),
            },
        };
        self.tell(Event::CommandFailed {
            call: call.clone(),
            error,
        });
    }

    fn hold(&mut self, command: Command) {
        if let State::AwaitingReady(awaiting) = &mut self.state
            && awaiting.commands.len() < MOST_CALLS
        {
            awaiting.commands.push(command);
        }
    }

    // ---- messages of the server ----

    pub(super) fn on_call_request(&mut self, method: Method, mut request: Request, now: Instant) {
        let id = request.id.take();
        // A message without a usable call is nothing to us, whatever it is.
        if method == Method::Bye {
            let Ok(bye) = request.read::<ServerBye>() else {
                return;
            };
            let Some(call) = bye.call_id.as_deref().and_then(CallId::from_wire) else {
                return;
            };
            if self.dialogs.contains_key(&call) {
                self.acknowledge(method, id);
                self.step(&call, now, |dialog, fx| dialog.on_bye(bye, fx));
            }
            return;
        }
        let Ok(message) = request.read::<ServerCall>() else {
            return;
        };
        let Some(call) = message.call_id.as_deref().and_then(CallId::from_wire) else {
            return;
        };
        if !self.dialogs.contains_key(&call) {
            return self.on_new_call(method, id, call, message, now);
        }
        self.acknowledge(method, id);
        let online = self.is_open();
        self.step(&call, now, |dialog, fx| {
            dialog.heard(fx);
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "the rest is acknowledged and otherwise ignored"
            )]
            match method {
                Method::Ringing => dialog.on_ringing(fx),
                Method::Media => dialog.on_media(message, fx),
                Method::Answer => dialog.on_answer(message, online, fx),
                Method::Display => dialog.on_display(message, fx),
                Method::Attach => {
                    if let Some(sdp) = message.sdp {
                        dialog.on_attach(sdp, fx);
                    }
                }
                _ => {}
            }
        });
    }

    fn on_new_call(
        &mut self,
        method: Method,
        id: Option<crate::verto::rpc::Id>,
        call: CallId,
        message: ServerCall,
        now: Instant,
    ) {
        if self.state == State::Stopping || !matches!(method, Method::Invite | Method::Attach) {
            return;
        }
        self.acknowledge(method, id);
        let mut fx = Effects::new();
        if self.dialogs.len() >= MOST_CALLS {
            if self.is_open() {
                let cause = Cause::NORMAL_TEMPORARY_FAILURE;
                self.wish(&call, &Sides::default(), Wish::Bye { cause }, now);
            }
            return;
        }
        if self.ended.contains(&call) {
            let dialog = Dialog::unwanted(call.clone(), self.is_open(), &mut fx);
            return self.settle(call, dialog, fx, now);
        }
        let dialog = match (method, message.sdp.clone()) {
            (Method::Attach, Some(sdp)) => Dialog::found(call.clone(), message, sdp, &mut fx),
            (Method::Attach, None) => return,
            (_, _) => Dialog::incoming(call.clone(), message, &mut fx),
        };
        self.settle(call, dialog, fx, now);
    }

    pub(super) fn on_call_deadline(&mut self, call: &CallId, deadline: Deadline, now: Instant) {
        let online = self.is_open();
        self.step(call, now, |dialog, fx| {
            dialog.on_deadline(deadline, online, fx)
        });
    }

    // ---- steps ----

    /// One step of one call; nothing when there is no such call any more.
    pub(super) fn step(
        &mut self,
        call: &CallId,
        now: Instant,
        step: impl FnOnce(&mut Dialog, &mut Effects),
    ) {
        if let Some((call, mut dialog)) = self.dialogs.remove_entry(call) {
            let mut fx = Effects::new();
            step(&mut dialog, &mut fx);
            self.settle(call, dialog, fx, now);
        }
    }

    /// The same step for every call, in the order of their names.
    pub(super) fn step_all(
        &mut self,
        now: Instant,
        mut step: impl FnMut(&mut Dialog, &mut Effects),
    ) {
        let calls: Vec<CallId> = self.dialogs.keys().cloned().collect();
        for call in calls {
            self.step(&call, now, &mut step);
        }
    }

    /// Does what a step wants, and keeps the dialog unless it is over.
    fn settle(&mut self, call: CallId, dialog: Dialog, fx: Effects, now: Instant) {
        for effect in fx {
            match effect {
                Effect::Send(wish) => self.wish(&call, &dialog.sides, wish, now),
                Effect::Tell(event) => {
                    if matches!(event, Event::Ended { .. }) {
                        self.ended.truncate(MOST_ENDED - 1);
                        self.ended.push_front(call.clone());
                    }
                    self.tell(event);
                }
                Effect::Start(deadline) => {
                    let at = now + self.limit(deadline);
                    self.deadlines.set(deadline, Owner::Call(call.clone()), at);
                }
                Effect::Stop(deadline) => {
                    self.deadlines.clear(deadline, &Owner::Call(call.clone()))
                }
            }
        }
        if dialog.is_over() {
            self.deadlines.clear_owner(&Owner::Call(call.clone()));
            for id in self.requests.forget_call(&call) {
                self.deadlines.clear_owner(&Owner::Request(id));
            }
            self.unheard.retain(
                |pending| !matches!(&pending.purpose, Purpose::Call(whose, _) if *whose == call),
            );
        } else {
            self.dialogs.insert(call, dialog);
        }
    }

    fn wish(&mut self, call: &CallId, sides: &Sides, wish: Wish, now: Instant) {
        let request = match &wish {
            Wish::Invite { .. } => CallRequest::Invite,
            Wish::Answer { .. } => CallRequest::Answer,
            Wish::Attach { .. } => CallRequest::Attach,
            Wish::Bye { .. } => CallRequest::Bye,
            Wish::Dtmf { .. } => CallRequest::Dtmf,
            Wish::UpdateMedia { .. } => CallRequest::UpdateMedia,
        };
        let (method, params) = self.speaker().about_call(call, sides, wish);
        let within = self.limit(request.deadline());
        let purpose = Purpose::Call(call.clone(), request);
        let pending = Pending {
            purpose,
            method,
            params: params.clone(),
            repeats: 0,
        };
        self.ask(pending, params, within, now);
    }
}

fn check_digits(digits: &str) -> Result<(), Error> {
    let count = digits.chars().count();
    if count == 0 || count > MOST_DIGITS {
        return Err(Error::DtmfLength(count));
    }
    let is_digit =
        |digit: &char| matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d' | 'w' | 'W');
    digits
        .chars()
        .find(|digit| !is_digit(digit))
        .map_or(Ok(()), |digit| Err(Error::NotDtmf(digit)))
}

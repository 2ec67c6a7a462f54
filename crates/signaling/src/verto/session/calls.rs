//! The session's calls: commands and messages handed to their dialogs, and what these want done.

use std::time::Instant;

use serde_json::Value;

use crate::call_id::CallId;
use crate::cause::Cause;
use crate::command::Command;
use crate::deadlines::{Deadline, Owner};
use crate::error::Error;
use crate::event::{EndedBy, Event, Party};
use crate::verto::dialog::state::{Dialog, Effect, Effects};
use crate::verto::message::both::Chat;
use crate::verto::message::server::{ServerBye, ServerCall};
use crate::verto::method::Method;
use crate::verto::requests::{CallRequest, Pending, Purpose};
use crate::verto::rpc::Request;
use crate::verto::session::errands::check_message;
use crate::verto::session::machine::{Session, State};
use crate::verto::wording::{ByeExtras, Extras, Sides, Wish};

/// Calls that one session may have; more incoming ones are turned away as a switch under overload would.
pub(super) const MOST_CALLS: usize = 256;
/// Ended calls that are remembered.
const MOST_ENDED: usize = 64;
/// Longest number to transfer to.
const LONGEST_NUMBER: usize = 256;

impl Session {
    // ---- commands ----

    pub(super) fn on_call_command(&mut self, command: Command, now: Instant) {
        let (online, name) = (self.is_open(), command.name());
        if let Some(error) = self.config.dialect.cannot_carry(&command) {
            return self.refuse_command(command, error);
        }
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
                client_state,
                codecs,
                user_variables,
                refer: _,
                replaces: _,
                trickle,
            } => {
                let remote = Party {
                    name: String::new(),
                    number: to.clone(),
                };
                let extras = Extras {
                    headers,
                    client_state,
                    codecs,
                    variables: user_variables,
                };
                let sides = Sides {
                    destination: Some(to).filter(|to| !to.is_empty()),
                    own_name: caller_name,
                    own_number: caller_number,
                    extras,
                    trickle,
                    remote,
                    ..Sides::default()
                };
                self.invite(call, sides, sdp, now);
            }
            Command::Bye {
                call,
                cause,
                sip_code,
                headers,
            } => {
                let extras = ByeExtras { headers, sip_code };
                self.command(&call, name, now, |dialog, fx| {
                    dialog.bye(cause, extras, online, fx)
                });
            }
            Command::Answer { call, .. } if self.is_anonymous() => {
                let error = Error::NotWithAnonymous {
                    command: name,
                    said: None,
                };
                self.tell(Event::CommandFailed { call, error });
            }
            // The server may offer calls again before it hears us.
            Command::Attach { .. } | Command::Answer { .. }
                if matches!(self.state, State::AwaitingReady(_)) =>
            {
                self.hold(command, name)
            }
            Command::Attach { call, sdp } => {
                self.command(&call, name, now, |dialog, fx| dialog.attach(sdp, fx))
            }
            Command::Answer {
                call,
                sdp,
                headers,
                client_state,
                trickle,
            } => {
                let extras = Extras {
                    headers,
                    client_state,
                    ..Extras::default()
                };
                self.command(&call, name, now, |dialog, fx| {
                    dialog.set_trickle(trickle);
                    dialog.answer(sdp, extras, fx);
                });
            }
            Command::UpdateMedia { call, sdp } => self.renew_media(call, sdp, now),
            Command::Dtmf { call, digits } => match self.check_digits(&digits) {
                Ok(()) => self.command(&call, name, now, |dialog, fx| {
                    dialog.dtmf(digits, online, fx)
                }),
                Err(error) => self.tell(Event::CommandFailed { call, error }),
            },
            Command::Hold { call, on } => {
                self.command(&call, name, now, |dialog, fx| dialog.hold(on, fx))
            }
            Command::Transfer { call, to } => {
                if to.is_empty() || to.len() > LONGEST_NUMBER {
                    let fault = "it needs a number of at most 256 bytes";
                    let command = name;
                    let error = Error::Unsayable { command, fault };
                    return self.tell(Event::CommandFailed { call, error });
                }
                self.command(&call, name, now, |dialog, fx| dialog.transfer(to, fx));
            }
            Command::Replace { call, with } => self.replace(call, with, name, now),
            Command::Message {
                id,
                call: Some(call),
                to,
                body,
            } => {
                let fit = check_message(name, &to, &body);
                match fit.and_then(|()| self.may_command(&call, name)) {
                    Ok(()) => self.step(&call, now, |dialog, fx| dialog.message(id, to, body, fx)),
                    Err(error) => self.tell(CallRequest::Message(id).failed(call, error)),
                }
            }
            Command::Info { call, item } => match self.check_info(name, &item) {
                Ok(()) => self.command(&call, name, now, |dialog, fx| dialog.info(item, fx)),
                Err(error) => self.tell(Event::CommandFailed { call, error }),
            },
            Command::Candidate { call, candidate } => {
                self.candidate(call, Some(candidate), name, now)
            }
            Command::EndOfCandidates { call } => self.candidate(call, None, name, now),
            _ => {}
        }
    }

    /// Nothing of a command that says what the dialect cannot carry is done.
    fn refuse_command(&mut self, command: Command, error: Error) {
        let Some(call) = command.call().cloned() else {
            return;
        };
        if !matches!(command, Command::Invite { .. }) || self.dialogs.contains_key(&call) {
            return self.tell(Event::CommandFailed { call, error });
        }
        self.tell(Event::Ended {
            call,
            by: EndedBy::Local,
            cause: Cause::FACILITY_NOT_IMPLEMENTED,
            detail: Some(error.to_string()),
            elsewhere: false,
            headers: Vec::new(),
            client_state: None,
            sip: Box::default(),
        });
    }

    fn replace(&mut self, call: CallId, with: CallId, name: &'static str, now: Instant) {
        // With FreeSWITCH a name that is not ours could be anybody's call.
        let fits = call != with && self.dialogs.get(&with).is_some_and(Dialog::is_up);
        if !fits {
            let error = Error::Unsayable {
                command: name,
                fault: "the other call has to be another one of this account that is up",
            };
            return self.tell(Event::CommandFailed { call, error });
        }
        self.command(&call, name, now, |dialog, fx| dialog.replace(with, fx));
    }

    fn candidate(
        &mut self,
        call: CallId,
        candidate: Option<String>,
        name: &'static str,
        now: Instant,
    ) {
        if self.config.dialect.trickle {
            return self.command(&call, name, now, |dialog, fx| {
                dialog.candidate(candidate, fx)
            });
        }
        let error = Error::NotInDialect {
            dialect: self.config.dialect.name,
            command: name,
        };
        self.tell(Event::CommandFailed { call, error });
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
                sip: Box::default(),
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
        match self.may_command(call, name) {
            Ok(()) => self.step(call, now, step),
            Err(error) => self.tell(Event::CommandFailed {
                call: call.clone(),
                error,
            }),
        }
    }

    /// Whether there is a call for a command of that name, and a connection.
    fn may_command(&self, call: &CallId, name: &'static str) -> Result<(), Error> {
        match self.dialogs.get(call).map(Dialog::is_live) {
            // A bye counts at once, also without a connection: it is owed to the server. Digits wait for it.
            Some(true) if self.is_open() || matches!(name, "hang up" | "DTMF") => Ok(()),
            Some(true) => Err(self.not_ready(name)),
            Some(false) | None => Err(Error::UnknownCall {
                call: call.to_string(),
            }),
        }
    }

    pub(super) fn not_ready(&self, command: &'static str) -> Error {
        Error::NotReady {
            server: self.server.clone(),
            command,
        }
    }

    /// Keeps the word that takes a call until it may be said. A second one for the same call fails here: a connection that
    /// is lost before takes what is kept along, and the server offers the call again.
    fn hold(&mut self, command: Command, name: &'static str) {
        let State::AwaitingReady(awaiting) = &mut self.state else {
            return;
        };
        let taken = |held: &Command| held.call() == command.call();
        if awaiting.commands.len() < MOST_CALLS && !awaiting.commands.iter().any(taken) {
            return awaiting.commands.push(command);
        }
        let Some(call) = command.call().cloned() else {
            return;
        };
        let error = Error::WrongState {
            command: name,
            state: "being answered",
        };
        self.tell(Event::CommandFailed { call, error });
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
        let params = std::mem::take(&mut request.params);
        let Ok(mut message) = serde_json::from_value::<ServerCall>(params.clone()) else {
            return;
        };
        message.keep_beside(&params);
        if method == Method::Info {
            match message.msg.take() {
                Some(chat) => self.on_chat(message.call_id.as_deref(), chat),
                None => self.on_info(params),
            }
        }
        let Some(call) = message.call_id.as_deref().and_then(CallId::from_wire) else {
            return;
        };
        if !self.dialogs.contains_key(&call) {
            return self.on_new_call(method, id, call, message, now);
        }
        self.acknowledge(method, id);
        let online = self.is_open();
        self.step(&call, now, |dialog, fx| {
            // An attach that offers nothing brings nothing back.
            if method != Method::Attach || message.sdp.is_some() {
                dialog.heard(fx);
            }
            dialog.on_ids(&message, fx);
            #[expect(
                clippy::wildcard_enum_match_arm,
                reason = "the rest is acknowledged and otherwise ignored"
            )]
            match method {
                Method::Ringing => dialog.on_ringing(message.said(), fx),
                Method::Media => dialog.on_media(message, fx),
                Method::Answer => dialog.on_answer(message, online, fx),
                Method::Display => dialog.on_display(message, fx),
                Method::Attach => dialog.on_attach(message, fx),
                Method::Invite => dialog.on_invite(message, fx),
                _ => {}
            }
        });
    }

    fn on_chat(&mut self, call: Option<&str>, chat: Chat) {
        let call = call.and_then(CallId::from_wire);
        let call = call.filter(|call| self.dialogs.get(call).is_some_and(Dialog::is_live));
        let Some(body) = chat.body else {
            return;
        };
        let number = chat.from.or(chat.from_msg_number).unwrap_or_default();
        let name = chat.from_msg_name.unwrap_or_default();
        let from = Party { name, number };
        self.tell(Event::Message { call, from, body });
    }

    fn on_info(&mut self, data: Value) {
        let named = data.get("callID").filter(|named| !named.is_null());
        let call = named
            .and_then(Value::as_str)
            .and_then(CallId::from_wire)
            .filter(|call| self.dialogs.get(call).is_some_and(Dialog::is_live));
        // One about a call that is not ours is nothing to us.
        if call.is_some() || named.is_none() {
            self.tell(Event::Info { call, data });
        }
    }

    fn on_new_call(
        &mut self,
        method: Method,
        id: Option<crate::verto::rpc::Id>,
        call: CallId,
        message: ServerCall,
        now: Instant,
    ) {
        // The server still has a call whose end our user has seen: say it again.
        let forgotten = method == Method::Answer && self.ended.contains(&call);
        let new = matches!(method, Method::Invite | Method::Attach);
        if self.state == State::Stopping || !(new || forgotten) {
            return;
        }
        self.acknowledge(method, id);
        let mut fx = Effects::new();
        if self.dialogs.len() >= MOST_CALLS {
            if self.is_open() {
                let cause = Cause::NORMAL_TEMPORARY_FAILURE;
                let extras = ByeExtras::default();
                self.wish(&call, &Sides::default(), Wish::Bye { cause, extras }, now);
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
        self.settle(call.clone(), dialog, fx, now);
        self.tell_early_candidates(&call, now);
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
            dialog.send_digits(self.is_open(), &mut fx);
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
                        if let Some(left) = self.conferences.remove(&call) {
                            self.channels.forget(&left.channels());
                        }
                        self.unproven.retain(|(waiting, _)| *waiting != call);
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
            self.remember_calls(now);
        }
    }

    fn wish(&mut self, call: &CallId, sides: &Sides, wish: Wish, now: Instant) {
        let request = wish.request();
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

//! What is asked of the server beside calls: channels, commands, chat, assistants.

use std::time::Instant;

use serde_json::{Value, json};

use crate::call_id::{CallId, uuid_v4};
use crate::command::{Command, ConversationItem};
use crate::error::Error;
use crate::event::{Event, RefusedChannel};
use crate::session::Output;
use crate::verto::assistant::{failure, say};
use crate::verto::channels::Lists;
use crate::verto::dialog::state::Dialog;
use crate::verto::method::Method;
use crate::verto::requests::{Errand, Pending, Purpose};
use crate::verto::rpc::{ErrorObject, Frame, Request};
use crate::verto::session::machine::Session;

/// Longest text or JSON in one command; FreeSWITCH closes the socket at a megabyte.
const LONGEST: usize = 256 * 1024;
/// Levels of JSON that mod_verto reads; what is deeper it answers with an error that names nothing.
const DEEPEST: usize = 64;
/// Levels that are ours: the request, its `params`, and the member of a call's command.
const WRAPPED: usize = 4;

/// mod_verto names the channels and says no more.
fn denied(lists: &Lists) -> Vec<RefusedChannel> {
    let denied = lists.denied.iter();
    let refused = denied.map(|channel| RefusedChannel {
        channel: channel.clone(),
        code: None,
        reason: "the server's operator does not allow it (`jsonrpc-allowed-event-channels`)"
            .to_owned(),
    });
    refused.collect()
}

impl Session {
    pub(super) fn on_errand(&mut self, command: Command, now: Instant) {
        let name = command.name();
        if let Err(error) = self.try_errand(command.clone(), now) {
            self.fail_command(&command, name, error);
        }
    }

    fn fail_command(&mut self, command: &Command, name: &'static str, error: Error) {
        self.tell(match (command, command.call().cloned()) {
            (
                Command::JsApi { id, .. }
                | Command::FsApi { id, .. }
                | Command::Echo { id, .. }
                | Command::AttachCalls { id, .. }
                | Command::DisablePush { id },
                _,
            ) => Event::ApiReply {
                id: *id,
                result: Err(error),
            },
            (Command::Message { id, .. }, call) => Event::MessageFailed {
                call,
                id: *id,
                error,
            },
            (_, Some(call)) => Event::CommandFailed { call, error },
            (_, None) => Event::SessionCommandFailed {
                command: name,
                error,
            },
        });
    }

    fn try_errand(&mut self, command: Command, now: Instant) -> Result<(), Error> {
        let name = command.name();
        #[expect(clippy::wildcard_enum_match_arm, reason = "the others are no errands")]
        match command {
            Command::Subscribe { channels } => {
                if !self.channels.want(&channels) {
                    let fault = "name 1 to 256 channels of at most 256 bytes each";
                    return Err(Error::Unsayable {
                        command: name,
                        fault,
                    });
                }
                // Without a connection they are asked for once there is one.
                if self.is_open() {
                    self.subscribe(channels, true, now);
                }
            }
            Command::Unsubscribe { channels } => {
                self.channels.unwant(&channels);
                if self.is_open() && !channels.is_empty() {
                    let params = self.with_sessid(json!({"eventChannel": channels}));
                    self.run(Errand::Unsubscribe, Method::Unsubscribe, params, now);
                }
            }
            Command::Broadcast { channel, data } => {
                self.check_open(name)?;
                check_data(name, &data, channel.len())?;
                // Without it mod_verto passes the data on to other modules only, not to its other clients.
                let params = self.with_sessid(
                    json!({"eventChannel": channel, "data": data, "localBroadcast": true}),
                );
                self.run(
                    Errand::Broadcast(name, None),
                    Method::Broadcast,
                    params,
                    now,
                );
            }
            Command::Echo { id, data } => {
                self.check_commands(name)?;
                check_data(name, &data, 0)?;
                let params = if data.is_null() { json!({}) } else { data };
                if !params.is_object() {
                    let fault = "it has to be an object, such as {\"n\": 1}";
                    return Err(Error::Unsayable {
                        command: name,
                        fault,
                    });
                }
                self.run(Errand::Question(id, name), Method::Echo, params, now);
            }
            Command::AttachCalls { id, call } => {
                self.check_push(name)?;
                let params = self.speaker().attach_calls(call.as_ref());
                self.run(Errand::Question(id, name), Method::AttachCalls, params, now);
            }
            Command::DisablePush { id } => {
                self.check_push(name)?;
                if self.speaker().device().is_none() {
                    let fault = "the login's variables name no device (`push_device_token`)";
                    return Err(Error::Unsayable {
                        command: name,
                        fault,
                    });
                }
                let purpose = Purpose::Errand(Errand::DisablePush(id));
                let within = self.limit(purpose.deadline());
                let pending = Pending {
                    purpose,
                    method: Method::DisablePushNotification,
                    params: Value::Null,
                    repeats: 0,
                };
                let params = self.params_of(&pending);
                self.ask(pending, params, within, now);
            }
            Command::JsApi { id, command, data } => {
                self.check_commands(name)?;
                check_data(name, &data, command.len())?;
                // Some servers die of a command without an object of data.
                let data = if data.is_null() { json!({}) } else { data };
                let params = json!({"command": command, "data": data});
                self.run(Errand::Api(id), Method::JsApi, params, now);
            }
            Command::FsApi {
                id,
                command,
                arguments,
            } => {
                self.check_commands(name)?;
                check_size(name, arguments.len() + command.len())?;
                let params = json!({"cmd": command, "arg": arguments});
                self.run(Errand::Api(id), Method::FsApi, params, now);
            }
            Command::Message {
                id,
                call: None,
                to,
                body,
            } => {
                self.check_open(name)?;
                check_message(name, &to, &body)?;
                let params = self.speaker().message(None, to, body);
                self.run(Errand::Message(id), Method::Info, params, now);
            }
            Command::Converse { call, item } => self.converse(call, item, now)?,
            Command::Moderate {
                call,
                command,
                member,
                value,
            } => self.moderate(&call, command, member, value, now)?,
            Command::ConferenceChat { call, text } => self.chat_to_all(&call, text, now)?,
            _ => {}
        }
        Ok(())
    }

    fn converse(
        &mut self,
        call: Option<CallId>,
        item: ConversationItem,
        now: Instant,
    ) -> Result<(), Error> {
        let command = "conversation";
        if !self.config.dialect.assistants {
            let dialect = self.config.dialect.name;
            return Err(Error::NotInDialect { dialect, command });
        }
        let size = match &item {
            ConversationItem::Text { text, images } => {
                text.len() + images.iter().map(String::len).sum::<usize>()
            }
            ConversationItem::ToolOutput { tool_call, output } => tool_call.len() + output.len(),
            ConversationItem::SubscribeAudio => 0,
        };
        check_size(command, size)?;
        let call = match (call, &item) {
            (Some(call), _) => Some(call),
            // It names its question, and no call; any call that is up keeps the assistant there.
            (None, ConversationItem::ToolOutput { .. }) => self.any_call(),
            (None, ConversationItem::Text { .. } | ConversationItem::SubscribeAudio) => {
                self.only_call()
            }
        };
        let call = call.ok_or(Error::Unsayable {
            command,
            fault: "there is no call with an assistant, or more than one: name it",
        })?;
        if !self.dialogs.get(&call).is_some_and(Dialog::is_live) {
            let call = call.to_string();
            return Err(Error::UnknownCall { call });
        }
        self.check_open(command)?;
        let id = uuid_v4(&mut self.rng);
        let (params, answered) = say(item, &id);
        if answered {
            self.run(Errand::Converse(call), Method::Conversation, params, now);
        } else {
            let method = self.config.dialect.spell(Method::Conversation);
            let request = Request {
                id: None,
                method,
                params,
                voice_sdk_id: None,
            };
            let text = Frame::Request(request).to_text();
            self.outbox.push_back(Output::Send(text));
        }
        Ok(())
    }

    fn any_call(&self) -> Option<CallId> {
        let mut live = self.dialogs.iter().filter(|(_, dialog)| dialog.is_live());
        live.next().map(|(call, _)| call.clone())
    }

    /// The call that is meant when none is named.
    pub(super) fn only_call(&self) -> Option<CallId> {
        let mut live = self.dialogs.iter().filter(|(_, dialog)| dialog.is_live());
        let (call, _) = live.next()?;
        live.next().is_none().then(|| call.clone())
    }

    // ---- saying it ----

    pub(super) fn run(&mut self, errand: Errand, method: Method, params: Value, now: Instant) {
        let purpose = Purpose::Errand(errand);
        let within = self.limit(purpose.deadline());
        let pending = Pending {
            purpose,
            method,
            params: params.clone(),
            repeats: 0,
        };
        self.ask(pending, params, within, now);
    }

    pub(super) fn subscribe(&mut self, channels: Vec<String>, user: bool, now: Instant) {
        let params = self.with_sessid(json!({"eventChannel": channels}));
        self.run(Errand::Subscribe { user }, Method::Subscribe, params, now);
    }

    /// Tells a module of the server, such as the conference behind a channel.
    pub(super) fn broadcast(&mut self, errand: Errand, channel: &str, data: Value, now: Instant) {
        let params = self.with_sessid(json!({"eventChannel": channel, "data": data}));
        self.run(errand, Method::Broadcast, params, now);
    }

    pub(super) fn with_sessid(&self, mut params: Value) -> Value {
        if let Some(sessid) = &self.memory.sessid {
            params["sessid"] = sessid.clone().into();
        }
        params
    }

    pub(super) fn check_open(&self, command: &'static str) -> Result<(), Error> {
        if self.is_open() {
            return Ok(());
        }
        Err(Error::NotReady {
            server: self.server.clone(),
            command,
        })
    }

    fn check_commands(&self, command: &'static str) -> Result<(), Error> {
        if !self.config.dialect.commands {
            let dialect = self.config.dialect.name;
            return Err(Error::NotInDialect { dialect, command });
        }
        self.check_open(command)
    }

    /// Push messages are for those who have an identity at a gateway.
    fn check_push(&self, command: &'static str) -> Result<(), Error> {
        if !self.config.dialect.gateway_fields {
            let dialect = self.config.dialect.name;
            return Err(Error::NotInDialect { dialect, command });
        }
        if self.is_anonymous() {
            let said = None;
            return Err(Error::NotWithAnonymous { command, said });
        }
        self.check_open(command)
    }

    /// What a request says now. One that names our login is not kept, and another login may be in force since.
    pub(super) fn params_of(&self, pending: &Pending) -> Value {
        if matches!(pending.purpose, Purpose::Errand(Errand::DisablePush(_))) {
            return self.speaker().disable_push(&self.config.login);
        }
        pending.params.clone()
    }

    // ---- its answer ----

    pub(super) fn on_errand_done(
        &mut self,
        errand: Errand,
        method: Method,
        result: Value,
        now: Instant,
    ) {
        match errand {
            Errand::Subscribe { user: true } | Errand::Unsubscribe => {
                let lists = Lists::read(&result);
                self.channels.on_lists(&lists);
                self.tell(Event::Channels {
                    subscribed: self.channels.granted(),
                    refused: denied(&lists),
                });
                // Requests that had to be said again after a login may have overtaken each other.
                let (missing, spare) = self.channels.amiss(&lists);
                if !missing.is_empty() {
                    self.subscribe(missing, true, now);
                }
                if !spare.is_empty() {
                    let params = self.with_sessid(json!({"eventChannel": spare}));
                    self.run(Errand::Unsubscribe, Method::Unsubscribe, params, now);
                }
            }
            Errand::Api(id) | Errand::Question(id, _) | Errand::DisablePush(id) => {
                let result = self.api_result(method, result);
                self.tell(Event::ApiReply { id, result });
            }
            // A broadcast that failed says so inside its result.
            Errand::Broadcast(..) if result.get("code").is_some() => {
                let error = ErrorObject {
                    code: result["code"].as_i64(),
                    message: result["message"].as_str().map(str::to_owned),
                    ..ErrorObject::default()
                };
                self.on_errand_refused(errand, error);
            }
            Errand::Subscribe { user: false } => {
                self.channels.on_conference_lists(&Lists::read(&result));
            }
            Errand::Bootstrap(_) | Errand::Broadcast(..) => {}
            Errand::Message(id) => self.tell(Event::MessageAccepted {
                call: None,
                id,
                stored: false,
            }),
            Errand::Converse(_) => {}
        }
    }

    fn api_result(&self, method: Method, mut result: Value) -> Result<Value, Error> {
        if method != Method::FsApi {
            // The server adds it to everything.
            if let Some(result) = result.as_object_mut() {
                result.remove("sessid");
            }
            return Ok(result);
        }
        match result.get_mut("message").map(Value::take) {
            Some(Value::String(text)) if text == "INVALID CALL" => Err(Error::Refused {
                server: self.server.clone(),
                method: method.name(),
                code: None,
                setting: self.config.dialect.setting(None, &text),
                reason: text,
            }),
            text => Ok(text.unwrap_or(Value::Null)),
        }
    }

    pub(super) fn on_errand_refused(&mut self, errand: Errand, error: ErrorObject) {
        let lists = Lists::read(&Value::Object(error.fields));
        let listed = !lists.denied.is_empty() || !lists.unsubscribed.is_empty();
        let ours = matches!(
            errand,
            Errand::Subscribe { user: true } | Errand::Unsubscribe
        );
        if ours && (listed || error.message.is_none()) {
            self.channels.on_lists(&lists);
            return self.tell(Event::Channels {
                subscribed: self.channels.granted(),
                refused: denied(&lists),
            });
        }
        let reason = error
            .message
            .unwrap_or_else(|| "no reason given".to_owned());
        let error = if matches!(errand, Errand::Converse(_)) {
            failure(&self.server, error.code, &reason)
        } else {
            Error::Refused {
                server: self.server.clone(),
                method: errand.name(),
                code: error.code,
                setting: self.config.dialect.setting(error.code, &reason),
                reason,
            }
        };
        self.on_errand_failed(errand, error);
    }

    /// The socket took the answer with it.
    pub(super) fn on_errand_lost(&mut self, errand: Errand) {
        // Asked for again on the next socket.
        if matches!(errand, Errand::Subscribe { .. } | Errand::Unsubscribe) {
            return;
        }
        let error = Error::NotReady {
            server: self.server.clone(),
            command: errand.name(),
        };
        self.on_errand_failed(errand, error);
    }

    pub(super) fn on_errand_failed(&mut self, errand: Errand, error: Error) {
        let command = errand.name();
        match errand {
            Errand::Api(id) | Errand::Question(id, _) | Errand::DisablePush(id) => {
                self.tell(Event::ApiReply {
                    id,
                    result: Err(error),
                });
            }
            Errand::Subscribe { user: false } | Errand::Bootstrap(_) => {}
            Errand::Broadcast(_, Some(call)) | Errand::Converse(call) => {
                if self.dialogs.get(&call).is_some_and(Dialog::is_live) {
                    self.tell(Event::CommandFailed { call, error });
                }
            }
            Errand::Broadcast(_, None) | Errand::Subscribe { user: true } => {
                self.tell(Event::SessionCommandFailed { command, error });
            }
            Errand::Message(id) => {
                let call = None;
                self.tell(Event::MessageFailed { call, id, error });
            }
            Errand::Unsubscribe => {
                self.tell(Event::SessionCommandFailed { command, error });
            }
        }
    }
}

pub(super) fn check_size(command: &'static str, size: usize) -> Result<(), Error> {
    let fault = "more than 256 KiB at once";
    if size > LONGEST {
        return Err(Error::Unsayable { command, fault });
    }
    Ok(())
}

/// JSON of our user's, which stands two levels deep in what we send; `beside`: bytes that go with it.
pub(super) fn check_data(command: &'static str, data: &Value, beside: usize) -> Result<(), Error> {
    if is_deeper(data, DEEPEST - WRAPPED) {
        let fault = "JSON that is nested deeper than 60 levels, and a server reads 64 in all";
        return Err(Error::Unsayable { command, fault });
    }
    check_size(command, data.to_string().len() + beside)
}

/// Whether arrays and objects stand within each other deeper than that.
fn is_deeper(data: &Value, levels: usize) -> bool {
    let mut row = vec![data];
    for _ in 0..levels {
        row = row.into_iter().flat_map(within).collect();
        if row.is_empty() {
            return false;
        }
    }
    true
}

/// What stands within an array or an object that is one itself.
fn within(data: &Value) -> Vec<&Value> {
    let nested = |value: &&Value| value.is_array() || value.is_object();
    match data {
        Value::Array(items) => items.iter().filter(nested).collect(),
        Value::Object(members) => members.values().filter(nested).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// A chat message needs an addressee and words; the server does not say which is missing.
pub(super) fn check_message(command: &'static str, to: &str, body: &str) -> Result<(), Error> {
    if to.is_empty() || body.is_empty() {
        let fault = "it needs an addressee and a text";
        return Err(Error::Unsayable { command, fault });
    }
    check_size(command, to.len() + body.len())
}

//! Puts what we want into Verto's messages: as little as the server needs, in the words of its dialect.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::auth::login::Login;
use crate::call_id::CallId;
use crate::cause::Cause;
use crate::command::{InfoItem, PreferredCodec};
use crate::event::Party;
use crate::variable::Variable;
use crate::verto::dialect::differences::Dialect;
use crate::verto::message::both::{Candidate, Chat};
use crate::verto::message::client::{ClientBye, ClientCall, ClientInfo, Modify};
use crate::verto::message::dialog_params::{CodecPreference, DialogParams, Header};
use crate::verto::message::login::{
    AnonymousLoginParams, AttachCalls, DisablePush, LoginParams, UserAgent,
};
use crate::verto::method::Method;
use crate::verto::requests::CallRequest;

/// The variables of a login that say where push messages go.
const PUSH: [&str; 3] = [
    "push_device_token",
    "push_notification_provider",
    "push_notification_environment",
];

/// What every message of a session repeats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speaker<'a> {
    pub(crate) dialect: &'a Dialect,
    pub(crate) sessid: Option<&'a str>,
    pub(crate) user_agent: &'a str,
    /// Candidates follow our descriptions, where a call does not say otherwise.
    pub(crate) trickle: bool,
    /// Ourselves as callers that we answer are to see us.
    pub(crate) own_name: Option<&'a str>,
    pub(crate) own_number: Option<&'a str>,
    /// Who texts come from, where that is known.
    pub(crate) caller: Option<&'a str>,
    /// Of each call of the session.
    pub(crate) user_variables: &'a BTreeMap<String, Variable>,
    pub(crate) login_params: &'a BTreeMap<String, Variable>,
}

/// What a login says beside the credentials.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoginFacts {
    /// Whether to name the session.
    pub(crate) name_session: bool,
    /// Whether the server may remember us.
    pub(crate) reconnection: bool,
}

/// What we know of the two sides of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sides {
    /// Number we called.
    pub(crate) destination: Option<String>,
    /// Ourselves as the far side should see us.
    pub(crate) own_name: Option<String>,
    pub(crate) own_number: Option<String>,
    /// What goes with our offer.
    pub(crate) extras: Extras,
    pub(crate) bye: ByeExtras,
    /// Whether candidates follow our descriptions; `None`: as the session has it.
    pub(crate) trickle: Option<bool>,
    pub(crate) remote: Party,
}

/// What an application says beside a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) client_state: Option<String>,
    pub(crate) codecs: Vec<PreferredCodec>,
    pub(crate) variables: Vec<(String, Variable)>,
}

/// What an application says beside the cause of an end.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByeExtras {
    pub(crate) headers: Vec<(String, String)>,
    /// In place of the cause's usual one.
    pub(crate) sip_code: Option<u16>,
}

/// A wish about a call.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Invite {
        sdp: String,
        extras: Extras,
    },
    Answer {
        sdp: String,
        extras: Extras,
    },
    Attach {
        sdp: String,
        extras: Extras,
    },
    Bye {
        cause: Cause,
        extras: ByeExtras,
    },
    Dtmf {
        digits: String,
    },
    UpdateMedia {
        sdp: String,
    },
    Hold {
        on: bool,
    },
    Transfer {
        to: String,
    },
    Replace {
        with: CallId,
    },
    Message {
        id: u64,
        to: String,
        body: String,
    },
    Info {
        item: InfoItem,
    },
    /// `None`: no more follow.
    Candidate {
        candidate: Option<String>,
    },
}

impl Wish {
    pub(crate) fn request(&self) -> CallRequest {
        match self {
            Self::Invite { .. } => CallRequest::Invite,
            Self::Answer { .. } => CallRequest::Answer,
            Self::Attach { .. } => CallRequest::Attach,
            Self::Bye { .. } => CallRequest::Bye,
            Self::Dtmf { .. } => CallRequest::Dtmf,
            Self::UpdateMedia { .. } => CallRequest::UpdateMedia,
            Self::Hold { .. } => CallRequest::Hold,
            Self::Transfer { .. } => CallRequest::Transfer,
            Self::Replace { .. } => CallRequest::Replace,
            Self::Message { id, .. } => CallRequest::Message(*id),
            Self::Info { .. } => CallRequest::Info,
            Self::Candidate { .. } => CallRequest::Candidate,
        }
    }
}

impl Speaker<'_> {
    pub(crate) fn login(&self, login: &Login, facts: LoginFacts) -> (Method, Value) {
        let sessid = self
            .sessid
            .filter(|_| facts.name_session)
            .map(str::to_owned);
        let reconnection = self.dialect.gateway_fields.then_some(facts.reconnection);
        let user_agent = self.dialect.gateway_fields.then(|| UserAgent::Described {
            sdk_version: env!("CARGO_PKG_VERSION").to_owned(),
            data: self.user_agent.to_owned(),
        });
        // The gateway's readers expect these maps, also empty ones.
        let map = |of: &BTreeMap<String, Variable>| {
            let wanted = self.dialect.gateway_fields || !of.is_empty();
            wanted.then(|| variables(of.iter()))
        };
        let mut params = LoginParams {
            sessid: sessid.clone(),
            reconnection,
            user_agent: user_agent.clone(),
            ..LoginParams::default()
        };
        match login {
            Login::Password { user, password } => {
                params.login = Some(user.clone());
                params.passwd = Some(password.clone());
            }
            Login::Token { token } => params.login_token = Some(token.clone()),
            Login::Anonymous {
                target_type,
                target_id,
                target_version,
                target_params,
            } => {
                let params = AnonymousLoginParams {
                    target_type: Some(target_type.clone()),
                    target_id: Some(target_id.clone()),
                    target_version_id: target_version.clone(),
                    target_params: (!target_params.is_empty()).then(|| target_params.clone()),
                    sessid,
                    reconnection,
                    user_variables: map(self.user_variables),
                    user_agent,
                };
                return (Method::AnonymousLogin, write(&params));
            }
        }
        params.login_params = map(self.login_params);
        params.user_variables = map(self.user_variables);
        (Method::Login, write(&params))
    }

    /// Asks for the calls that wait for us, or for one of them.
    pub(crate) fn attach_calls(&self, call: Option<&CallId>) -> Value {
        write(&AttachCalls {
            call_id: call.map(|call| call.as_str().to_owned()),
            user_variables: variables(self.user_variables.iter()),
            login_params: Map::new(),
        })
    }

    /// Where push messages go.
    pub(crate) fn device(&self) -> Option<&str> {
        match self.user_variables.get(PUSH[0]) {
            Some(Variable::Text(token)) if self.dialect.gateway_fields => Some(token),
            Some(_) | None => None,
        }
    }

    pub(crate) fn disable_push(&self, login: &Login) -> Value {
        let mut params = DisablePush {
            push: variables(
                self.user_variables
                    .iter()
                    .filter(|(name, _)| PUSH.contains(&name.as_str())),
            ),
            ..DisablePush::default()
        };
        match login {
            Login::Password { user, .. } => params.user = Some(user.clone()),
            Login::Token { token } => params.login_token = Some(token.clone()),
            Login::Anonymous { .. } => {}
        }
        write(&params)
    }

    pub(crate) fn about_call(&self, call: &CallId, sides: &Sides, wish: Wish) -> (Method, Value) {
        let sessid = self.sessid.map(str::to_owned);
        match wish {
            Wish::Invite { sdp, extras } => (
                Method::Invite,
                write(&self.with_sdp(sdp, self.full(call, sides, extras), sides)),
            ),
            Wish::Answer { sdp, extras } => {
                let shown = |text: Option<&str>| {
                    text.filter(|_| self.dialect.shows_callee)
                        .map(str::to_owned)
                };
                let dialog_params = DialogParams {
                    callee_id_name: shown(self.own_name),
                    callee_id_number: shown(self.own_number),
                    ..self.full(call, sides, extras)
                };
                let answer = ClientCall {
                    answered_device_token: self.device().map(str::to_owned),
                    ..self.with_sdp(sdp, dialog_params, sides)
                };
                (Method::Answer, write(&answer))
            }
            Wish::Attach { sdp, extras } => {
                let dialog_params = DialogParams {
                    attach: self.dialect.gateway_fields.then_some(true),
                    ..self.full(call, sides, extras)
                };
                (
                    Method::Attach,
                    write(&self.with_sdp(sdp, dialog_params, sides)),
                )
            }
            Wish::Bye { cause, extras } => {
                let dialog_params = DialogParams {
                    custom_headers: self.headers(extras.headers),
                    ..only(call)
                };
                let bye = ClientBye {
                    sessid,
                    cause: Some(cause.name().to_owned()),
                    cause_code: Some(cause.code()),
                    sip_code: extras
                        .sip_code
                        .or_else(|| cause.sip())
                        .filter(|_| self.dialect.gateway_fields),
                    dialog_params,
                };
                (Method::Bye, write(&bye))
            }
            Wish::Dtmf { digits } => {
                let info = ClientInfo {
                    sessid,
                    dtmf: Some(digits),
                    dialog_params: only(call),
                    ..ClientInfo::default()
                };
                (Method::Info, write(&info))
            }
            Wish::Info { item } => {
                let mut info = ClientInfo {
                    sessid,
                    dialog_params: only(call),
                    ..ClientInfo::default()
                };
                match item {
                    InfoItem::Text(chars) => info.txt = Some(json!({"chars": chars})),
                    InfoItem::Command(data) => info.command = Some(data),
                    // Refused before it comes here.
                    InfoItem::Package { .. } => {}
                }
                (Method::Info, write(&info))
            }
            Wish::Message { to, body, .. } => (Method::Info, self.message(Some(call), to, body)),
            Wish::UpdateMedia { sdp } => {
                let sdp = Some(sdp);
                let trickle = self.trickles(sides);
                let modify = Modify {
                    sdp,
                    trickle,
                    ..self.modify(call, "updateMedia")
                };
                (Method::Modify, write(&modify))
            }
            Wish::Hold { on } => {
                let action = if on { "hold" } else { "unhold" };
                (Method::Modify, write(&self.modify(call, action)))
            }
            Wish::Transfer { to } => {
                let modify = Modify {
                    destination: Some(to),
                    ..self.modify(call, "transfer")
                };
                (Method::Modify, write(&modify))
            }
            Wish::Replace { with } => {
                let modify = Modify {
                    replace_call_id: Some(with.as_str().to_owned()),
                    ..self.modify(call, "replace")
                };
                (Method::Modify, write(&modify))
            }
            Wish::Candidate { candidate } => {
                let ended = candidate.is_none();
                let method = if ended {
                    Method::EndOfCandidates
                } else {
                    Method::Candidate
                };
                let message = Candidate {
                    call_id: Some(call.as_str().to_owned()),
                    sdp_mid: candidate.is_some().then(|| "0".to_owned()),
                    sdp_mline_index: candidate.is_some().then_some(0),
                    candidate,
                    end_of_candidates: ended.then_some(true),
                    sessid,
                    dialog_params: only(call),
                };
                (method, write(&message))
            }
        }
    }

    /// A chat message, within a call or not.
    pub(crate) fn message(&self, call: Option<&CallId>, to: String, body: String) -> Value {
        let chat = Chat {
            // FreeSWITCH knows and sets it.
            from: self
                .caller
                .filter(|_| self.dialect.gateway_fields)
                .map(str::to_owned),
            to: Some(to),
            body: Some(body),
            in_dialog: call.map(|_| true),
            ..Chat::default()
        };
        write(&ClientInfo {
            sessid: self.sessid.map(str::to_owned),
            msg: Some(chat),
            dialog_params: call.map_or_else(DialogParams::default, only),
            ..ClientInfo::default()
        })
    }

    fn modify(&self, call: &CallId, action: &str) -> Modify {
        Modify {
            sessid: self.sessid.map(str::to_owned),
            action: Some(action.to_owned()),
            call_id: Some(call.as_str().to_owned()),
            dialog_params: only(call),
            ..Modify::default()
        }
    }

    /// What is said only where it is so.
    fn trickles(&self, sides: &Sides) -> Option<bool> {
        let wanted = sides.trickle.unwrap_or(self.trickle);
        (wanted && self.dialect.trickle).then_some(true)
    }

    fn with_sdp(&self, sdp: String, dialog_params: DialogParams, sides: &Sides) -> ClientCall {
        let user_agent = self
            .dialect
            .gateway_fields
            .then(|| UserAgent::Text(self.user_agent.to_owned()));
        let sessid = self.sessid.map(str::to_owned);
        ClientCall {
            sessid,
            sdp: Some(sdp),
            dialog_params,
            user_agent,
            trickle: self.trickles(sides),
            answered_device_token: None,
        }
    }

    fn headers(&self, headers: Vec<(String, String)>) -> Option<Vec<Header>> {
        let headers = headers
            .into_iter()
            .map(|(name, value)| Header { name, value });
        Some(headers.collect::<Vec<Header>>())
            .filter(|headers| self.dialect.headers && !headers.is_empty())
    }

    fn full(&self, call: &CallId, sides: &Sides, extras: Extras) -> DialogParams {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let codecs: Vec<CodecPreference> = extras.codecs.iter().map(Into::into).collect();
        let of_call = extras.variables.iter().map(|(name, value)| (name, value));
        let user_variables = variables(of_call);
        DialogParams {
            destination_number: sides.destination.clone(),
            caller_id_name: sides.own_name.clone(),
            caller_id_number: sides.own_number.clone(),
            remote_caller_id_name: said(&sides.remote.name),
            remote_caller_id_number: said(&sides.remote.number),
            custom_headers: self.headers(extras.headers),
            client_state: extras.client_state.filter(|_| self.dialect.headers),
            preferred_codecs: Some(codecs)
                .filter(|codecs| self.dialect.headers && !codecs.is_empty()),
            user_variables: (!user_variables.is_empty()).then_some(user_variables),
            ..only(call)
        }
    }
}

fn only(call: &CallId) -> DialogParams {
    DialogParams {
        call_id: Some(call.as_str().to_owned()),
        ..DialogParams::default()
    }
}

fn variables<'a>(of: impl Iterator<Item = (&'a String, &'a Variable)>) -> Map<String, Value> {
    of.map(|(name, value)| (name.clone(), value.clone().into()))
        .collect()
}

/// Messages are plain structs with text keys; writing them cannot fail.
pub(crate) fn write(message: &impl serde::Serialize) -> Value {
    serde_json::to_value(message).unwrap_or(Value::Null)
}

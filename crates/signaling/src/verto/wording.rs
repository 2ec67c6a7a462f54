//! Puts what we want into Verto's messages: as little as the server needs, in the words of its dialect.

use serde_json::{Map, Value};

use crate::auth::login::Login;
use crate::call_id::CallId;
use crate::cause::Cause;
use crate::event::Party;
use crate::verto::dialect::differences::Dialect;
use crate::verto::message::client::{ClientBye, ClientCall, ClientInfo, Modify};
use crate::verto::message::dialog_params::{DialogParams, Header};
use crate::verto::message::login::{AnonymousLoginParams, LoginParams, UserAgent};
use crate::verto::method::Method;

/// What every message of a session repeats.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speaker<'a> {
    pub(crate) dialect: &'a Dialect,
    pub(crate) sessid: Option<&'a str>,
    pub(crate) user_agent: &'a str,
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
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) remote: Party,
}

/// A wish about a call.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Invite { sdp: String },
    Answer { sdp: String },
    Attach { sdp: String },
    Bye { cause: Cause },
    Dtmf { digits: String },
    UpdateMedia { sdp: String },
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
        // The gateway's readers expect these maps; FreeSWITCH has no use for them.
        let map = || self.dialect.gateway_fields.then(Map::new);
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
                let extra = target_params
                    .iter()
                    .map(|(name, value)| (name.clone(), value.clone().into()));
                let params = AnonymousLoginParams {
                    target_type: Some(target_type.clone()),
                    target_id: Some(target_id.clone()),
                    target_version_id: target_version.clone(),
                    target_params: (!target_params.is_empty()).then(|| extra.collect()),
                    sessid,
                    reconnection,
                    user_variables: map(),
                    user_agent,
                };
                return (Method::AnonymousLogin, write(&params));
            }
        }
        params.login_params = map();
        params.user_variables = map();
        (Method::Login, write(&params))
    }

    pub(crate) fn about_call(&self, call: &CallId, sides: &Sides, wish: Wish) -> (Method, Value) {
        let sessid = self.sessid.map(str::to_owned);
        let only_call = || DialogParams {
            call_id: Some(call.as_str().to_owned()),
            ..DialogParams::default()
        };
        match wish {
            Wish::Invite { sdp } => (Method::Invite, self.with_sdp(sdp, self.full(call, sides))),
            Wish::Answer { sdp } => (Method::Answer, self.with_sdp(sdp, self.full(call, sides))),
            Wish::Attach { sdp } => {
                let attach = self.dialect.gateway_fields.then_some(true);
                let dialog_params = DialogParams {
                    attach,
                    ..self.full(call, sides)
                };
                (Method::Attach, self.with_sdp(sdp, dialog_params))
            }
            Wish::Bye { cause } => {
                let bye = ClientBye {
                    sessid,
                    cause: Some(cause.name().to_owned()),
                    cause_code: Some(cause.code()),
                    sip_code: cause.sip().filter(|_| self.dialect.gateway_fields),
                    dialog_params: only_call(),
                };
                (Method::Bye, write(&bye))
            }
            Wish::Dtmf { digits } => {
                let info = ClientInfo {
                    sessid,
                    dtmf: Some(digits),
                    msg: None,
                    dialog_params: only_call(),
                };
                (Method::Info, write(&info))
            }
            Wish::UpdateMedia { sdp } => {
                let modify = Modify {
                    sessid,
                    action: Some("updateMedia".to_owned()),
                    call_id: Some(call.as_str().to_owned()),
                    sdp: Some(sdp),
                    dialog_params: only_call(),
                    ..Modify::default()
                };
                (Method::Modify, write(&modify))
            }
        }
    }

    fn with_sdp(&self, sdp: String, dialog_params: DialogParams) -> Value {
        let user_agent = self
            .dialect
            .gateway_fields
            .then(|| UserAgent::Text(self.user_agent.to_owned()));
        let sessid = self.sessid.map(str::to_owned);
        write(&ClientCall {
            sessid,
            sdp: Some(sdp),
            dialog_params,
            user_agent,
            trickle: None,
        })
    }

    fn full(&self, call: &CallId, sides: &Sides) -> DialogParams {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let headers = sides.headers.iter().map(|(name, value)| Header {
            name: name.clone(),
            value: value.clone(),
        });
        DialogParams {
            call_id: Some(call.as_str().to_owned()),
            destination_number: sides.destination.clone(),
            caller_id_name: sides.own_name.clone(),
            caller_id_number: sides.own_number.clone(),
            remote_caller_id_name: said(&sides.remote.name),
            remote_caller_id_number: said(&sides.remote.number),
            custom_headers: (self.dialect.headers && !sides.headers.is_empty())
                .then(|| headers.collect()),
            ..DialogParams::default()
        }
    }
}

/// Messages are plain structs with text keys; writing them cannot fail.
pub(crate) fn write(message: &impl serde::Serialize) -> Value {
    serde_json::to_value(message).unwrap_or(Value::Null)
}

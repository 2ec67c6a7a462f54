//! Messages about calls from server to client.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::{Party, PlatformIds, Said, SipEnd};
use crate::verto::lenient;
use crate::verto::message::both::Chat;
use crate::verto::message::dialog_params::DialogParams;

/// Headers or variables kept of one message.
const MOST: usize = 128;

/// `invite`, `attach`, `ringing`, `media`, `answer` and `display`, server to client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerCall {
    /// The call.
    #[serde(
        rename = "callID",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub call_id: Option<String>,
    /// Offer (invite, attach) or answer (media, answer).
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sdp: Option<String>,
    /// Caller's name.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub caller_id_name: Option<String>,
    /// Caller's number.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub caller_id_number: Option<String>,
    /// Called party's name.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub callee_id_name: Option<String>,
    /// Called party's number.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub callee_id_number: Option<String>,
    /// The server's view: `outbound` is a call to the client, whose far side is the caller.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub display_direction: Option<String>,
    /// Name to show from now on (`display`).
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub display_name: Option<String>,
    /// Number to show from now on (`display`).
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub display_number: Option<String>,
    /// Telnyx's name of the session of call legs.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub telnyx_session_id: Option<String>,
    /// Telnyx's name of this leg.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub telnyx_leg_id: Option<String>,
    /// Telnyx's handle for its Call Control interface.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub telnyx_call_control_id: Option<String>,
    /// Opaque state of the application, base64 (Telnyx).
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub client_state: Option<String>,
    /// Channel variables.
    #[serde(
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub variables: Option<Map<String, Value>>,
    /// Extra headers (Telnyx).
    #[serde(
        rename = "dialogParams",
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub dialog_params: Option<DialogParams>,
    /// A chat message (`info`).
    #[serde(
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub msg: Option<Chat>,
    /// The `verto_h_` members beside the call, which carry a SIP leg's headers (FreeSWITCH).
    #[serde(skip)]
    pub beside: Vec<(String, String)>,
}

/// What the dialplan puts before the names of variables that are meant for the client.
const TOLD: &str = "verto_svar_";
/// What stands before the names of headers beside a call.
const HEADER: &str = "verto_h_";

impl ServerCall {
    /// Keeps the headers that stand beside the call.
    pub fn keep_beside(&mut self, params: &Value) {
        let members = params.as_object().into_iter().flatten();
        self.beside = members
            .filter_map(|(name, value)| {
                Some((
                    name.strip_prefix(HEADER)?.to_owned(),
                    value.as_str()?.to_owned(),
                ))
            })
            .take(MOST)
            .collect();
    }

    /// The variables that are meant for the client; the server mixes them with its own.
    pub fn told_variables(&self) -> Vec<(String, String)> {
        let all = self.variables.iter().flatten();
        all.filter_map(|(name, value)| {
            Some((
                name.strip_prefix(TOLD)?.to_owned(),
                value.as_str()?.to_owned(),
            ))
        })
        .take(MOST)
        .collect()
    }

    /// Whether the client placed the call: `display_direction` is the server's view, to which it came in.
    pub fn is_outbound(&self) -> bool {
        self.display_direction.as_deref() == Some("inbound")
    }

    /// The far side, by the rule of `display_direction`.
    pub fn remote(&self) -> Party {
        let (name, number) = if self.is_outbound() {
            (&self.callee_id_name, &self.callee_id_number)
        } else {
            (&self.caller_id_name, &self.caller_id_number)
        };
        Party {
            name: name.clone().unwrap_or_default(),
            number: number.clone().unwrap_or_default(),
        }
    }

    /// What the message says beside its purpose.
    pub fn said(&self) -> Box<Said> {
        Box::new(Said {
            headers: self.headers(),
            client_state: self.client_state.clone(),
            variables: self.told_variables(),
        })
    }

    /// How the platform names the call, as far as this message says.
    pub fn ids(&self) -> Box<PlatformIds> {
        Box::new(PlatformIds {
            session: self.telnyx_session_id.clone(),
            leg: self.telnyx_leg_id.clone(),
            call_control: self.telnyx_call_control_id.clone(),
        })
    }

    /// The extra headers as pairs.
    pub fn headers(&self) -> Vec<(String, String)> {
        let headers = self
            .dialog_params
            .as_ref()
            .and_then(|params| params.custom_headers.as_ref());
        headers
            .into_iter()
            .flatten()
            .map(|header| (header.name.clone(), header.value.clone()))
            .chain(self.beside.iter().cloned())
            .take(MOST)
            .collect()
    }
}

/// `bye`, server to client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerBye {
    /// The call.
    #[serde(
        rename = "callID",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub call_id: Option<String>,
    /// Name of the cause.
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub cause: Option<String>,
    /// Number of the cause.
    #[serde(
        rename = "causeCode",
        deserialize_with = "lenient::code",
        skip_serializing_if = "Option::is_none"
    )]
    pub cause_code: Option<u16>,
    /// SIP status (Telnyx).
    #[serde(
        rename = "sipCode",
        deserialize_with = "lenient::code",
        skip_serializing_if = "Option::is_none"
    )]
    pub sip_code: Option<u16>,
    /// SIP reason phrase (Telnyx).
    #[serde(
        rename = "sipReason",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sip_reason: Option<String>,
    /// SIP `Call-ID` of the leg behind the gateway (Telnyx).
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub sip_call_id: Option<String>,
    /// Opaque state of the application, base64 (Telnyx).
    #[serde(
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub client_state: Option<String>,
    /// The same under its other name.
    #[serde(
        rename = "clientState",
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub client_state_too: Option<String>,
    /// Extra headers (Telnyx).
    #[serde(
        rename = "dialogParams",
        deserialize_with = "lenient::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub dialog_params: Option<DialogParams>,
}

impl ServerBye {
    /// How the SIP leg behind the gateway ended.
    pub fn sip(&self) -> Box<SipEnd> {
        Box::new(SipEnd {
            code: self.sip_code,
            reason: self.sip_reason.clone(),
            call_id: self.sip_call_id.clone(),
        })
    }

    /// The extra headers as pairs.
    pub fn headers(&self) -> Vec<(String, String)> {
        let params = self.dialog_params.as_ref();
        let headers = params.and_then(|params| params.custom_headers.as_ref());
        headers
            .into_iter()
            .flatten()
            .map(|header| (header.name.clone(), header.value.clone()))
            .take(MOST)
            .collect()
    }
}

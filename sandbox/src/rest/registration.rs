//! Both calls that ask whether somebody is registered; the gateway knows.

use serde_json::{Value, json};

use crate::rest::account::Account;
use crate::rest::message::{Registrations, Request, Response};
use crate::rest::refusal;
use crate::rest::timestamp;

/// How long a registration lasts, for show.
const EXPIRES: u32 = 3600;

impl Account {
    pub(super) fn connection_status(
        &self,
        id: &str,
        registrations: &impl Registrations,
    ) -> Response {
        let Some((_, known)) = self.connection(id) else {
            return refusal::not_found();
        };
        let name = known.text("user_name");
        let last = self.last_login(name);
        let status = match registrations.is_registered(name) {
            true => "Registered",
            false if last.is_null() => "Not Registered",
            false => "Unregistered",
        };
        Response::data(
            200,
            json!({
                "record_type": "registration_status",
                "status": status,
                "sip_username": name,
                "ip_address": null,
                "port": null,
                "transport": "TLS",
                "user_agent": null,
                "last_registration": last,
            }),
        )
    }

    pub(super) fn sip_status(
        &self,
        request: &Request,
        registrations: &impl Registrations,
    ) -> Response {
        let kind = request.parameter("credential_type").unwrap_or_default();
        let name = request.parameter("username").unwrap_or_default();
        let connection = match kind {
            "telephony_credential" => {
                if name.is_empty() {
                    return refusal::bad_parameter("username", "username is required");
                }
                let credential = self.named(name);
                credential.map(|known| self.connection(&known.connection).map(|found| found.1))
            }
            "sip_credential_connection" => {
                if name.is_empty() {
                    return refusal::bad_parameter("username", "username is required");
                }
                self.connection_named(name).map(Some)
            }
            "uac_external_credential" => {
                if request.parameter("connection_id").is_none() {
                    return refusal::bad_parameter("connection_id", "connection_id is required");
                }
                return refusal::not_found();
            }
            _ => {
                let detail = "credential_type is telephony_credential, \
                              sip_credential_connection or uac_external_credential";
                return refusal::bad_parameter("credential_type", detail);
            }
        };
        let Some(connection) = connection else {
            return refusal::not_found();
        };
        let registered = registrations.is_registered(name);
        let last = self.last_login(name);
        let status = match connection {
            Some(connection) if !connection.is_active() => "connection_disabled",
            _ if registered => "registered",
            _ => "unknown",
        };
        let response = if last.is_null() {
            Value::Null
        } else {
            json!("200 OK")
        };
        Response::json(
            200,
            json!({
                "credential_type": kind,
                "credential_username": name,
                "registered": registered,
                "sip_registration_status": status,
                "last_registration_response": response,
                "connection_id": connection.map(|known| known.id.as_str()),
                "connection_name": connection.map(|known| known.text("connection_name")),
                "sip_registration_details": registered.then(|| json!({
                    "expires": EXPIRES, "transport": "TLS", "ua_ip": null, "ua_port": null,
                    "last_modified": last,
                })),
            }),
        )
    }

    fn last_login(&self, name: &str) -> Value {
        let at = self.logins.get(name).copied().map(timestamp::full);
        at.map_or(Value::Null, Value::String)
    }
}

//! `/credential_connections`.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::rest::account::{Account, Connection};
use crate::rest::fields;
use crate::rest::message::{Request, Response};
use crate::rest::page::Page;
use crate::rest::refusal;
use crate::rest::timestamp;

/// Most connections of an account, as documented.
const MOST: usize = 10_000;
/// Default length of a page.
const PAGE: usize = 250;

impl Account {
    pub(super) fn list_connections(&self, request: &Request) -> Response {
        let page = match Page::read(request, PAGE, self.settings.choices.cap_page_size) {
            Ok(page) => page,
            Err(refused) => return refused,
        };
        let name = "filter[connection_name][contains]";
        let wanted = request.parameter(name).map(str::to_lowercase);
        if wanted.as_ref().is_some_and(|text| text.chars().count() < 3) {
            return refusal::bad_parameter(name, "the filter needs at least 3 characters");
        }
        let profile = request.parameter("filter[outbound_voice_profile_id]");
        let mut found: Vec<&Connection> = self
            .connections
            .values()
            .rev()
            .filter(|known| {
                let name = known.text("connection_name").to_lowercase();
                let outbound = known
                    .fields
                    .get("outbound")
                    .and_then(|part| part.get("outbound_voice_profile_id"));
                wanted.as_ref().is_none_or(|text| name.contains(text))
                    && profile.is_none_or(|id| outbound.and_then(Value::as_str) == Some(id))
                    && request.parameter("filter[fqdn]").is_none()
            })
            .collect();
        match request.parameter("sort") {
            None | Some("-created_at") => {}
            Some("created_at") => found.reverse(),
            Some("connection_name") => found.sort_by_key(|known| known.text("connection_name")),
            Some("-connection_name") => {
                found.sort_by_key(|known| std::cmp::Reverse(known.text("connection_name")));
            }
            Some("active") => found.sort_by_key(|known| known.is_active()),
            Some("-active") => found.sort_by_key(|known| !known.is_active()),
            Some(_) => {
                let detail = "sort is created_at, connection_name or active";
                return refusal::bad_parameter("sort", detail);
            }
        }
        let found: Vec<Value> = found.into_iter().map(render).collect();
        page.of(&found)
    }

    pub(super) fn create_connection(&mut self, body: &[u8], wall: SystemTime) -> Response {
        let given = match object(body) {
            Ok(given) => given,
            Err(refused) => return refused,
        };
        let mut faults = Vec::new();
        let made = fields::create(&given, &mut faults);
        if !faults.is_empty() {
            return refusal::wrong_fields(&faults);
        }
        let name = made.get("user_name").and_then(Value::as_str);
        if name.is_some_and(|name| self.connection_named(name).is_some()) {
            return refusal::unprocessable("10012", "/user_name", "user_name is already in use");
        }
        if self.connections.len() >= MOST {
            return refusal::unprocessable("10027", "/", "too many connections");
        }
        let connection = Connection {
            id: self.decimal_id(),
            fields: made,
            created: wall,
            updated: wall,
        };
        let answer = Response::data(201, render(&connection));
        let serial = self.next_serial();
        self.connections.insert(serial, connection);
        answer
    }

    pub(super) fn show_connection(&self, id: &str) -> Response {
        match self.connection(id) {
            Some((_, known)) => Response::data(200, render(known)),
            None => refusal::not_found(),
        }
    }

    pub(super) fn change_connection(
        &mut self,
        id: &str,
        body: &[u8],
        wall: SystemTime,
    ) -> Response {
        let Some((serial, known)) = self.connection(id) else {
            return refusal::not_found();
        };
        let given = match object(body) {
            Ok(given) => given,
            Err(refused) => return refused,
        };
        let mut faults = Vec::new();
        let made = fields::update(&known.fields, &given, &mut faults);
        if !faults.is_empty() {
            return refusal::wrong_fields(&faults);
        }
        let Some(known) = self.connections.get_mut(&serial) else {
            return refusal::not_found();
        };
        known.fields = made;
        known.updated = wall;
        Response::data(200, render(known))
    }

    pub(super) fn delete_connection(&mut self, id: &str, wall: SystemTime) -> Response {
        let Some((serial, _)) = self.connection(id) else {
            return refusal::not_found();
        };
        let of_it = |(serial, known): (&u64, &super::account::Credential)| {
            (known.connection == id).then_some((*serial, known.has_expired(wall)))
        };
        let credentials: Vec<(u64, bool)> = self.credentials.iter().filter_map(of_it).collect();
        let live = credentials.iter().any(|(_, expired)| !expired);
        if live && self.settings.choices.connection_in_use_refused {
            let detail = "the connection has telephony credentials; delete them first";
            return refusal::unprocessable("10021", "/", detail);
        }
        for (serial, _) in credentials {
            self.forget_credential(serial);
        }
        match self.connections.remove(&serial) {
            Some(gone) => Response::data(200, render(&gone)),
            None => refusal::not_found(),
        }
    }
}

fn render(connection: &Connection) -> Value {
    let mut fields = connection.fields.clone();
    let mut put = |name: &str, value: String| {
        fields.insert(name.to_owned(), Value::String(value));
    };
    put("id", connection.id.clone());
    put("record_type", "credential_connection".to_owned());
    put("created_at", timestamp::full(connection.created));
    put("updated_at", timestamp::full(connection.updated));
    Value::Object(fields)
}

/// The JSON object in a body; an empty body is an empty object.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Response> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(given)) => Ok(given),
        Ok(_) => Err(refusal::bad_request("/", "the body must be a JSON object")),
        Err(_) => Err(refusal::bad_request("/", "the body is no valid JSON")),
    }
}

/// Text of a field, or nothing.
pub(super) fn text_of(given: &Map<String, Value>, name: &str) -> Result<Option<String>, Response> {
    match given.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= 255 => Ok(Some(text.clone())),
        Some(_) => Err(Response::json(
            422,
            json!({ "errors": [{
                "code": "10015", "title": "Bad Request",
                "detail": format!("{name} must be text of at most 255 characters"),
                "source": { "pointer": format!("/{name}") },
            }]}),
        )),
    }
}

//! `/telephony_credentials`.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
use serde_json::{Map, Value, json};

use crate::rest::account::{Account, Credential};
use crate::rest::connections::{object, text_of};
use crate::rest::message::{Request, Response};
use crate::rest::page::Page;
use crate::rest::refusal;
use crate::rest::timestamp;
use crate::rest::token::Claims;

/// Most credentials that the sandbox keeps.
const MOST: usize = 50_000;
/// Default length of a page.
const PAGE: usize = 50;
/// Life of a credential that nobody limits: two years.
const LIFE: Duration = Duration::from_secs(2 * 365 * 86_400);
/// What the id of a connection has before it in `resource_id`.
const RESOURCE_PREFIX: &str = "connection:";

impl Account {
    pub(super) fn list_credentials(&self, request: &Request, wall: SystemTime) -> Response {
        let choices = self.settings.choices;
        let page = match Page::read(request, PAGE, choices.cap_page_size) {
            Ok(page) => page,
            Err(refused) => return refused,
        };
        let [name, tag, status, sip_username, resource] =
            ["name", "tag", "status", "sip_username", "resource_id"]
                .map(|name| request.parameter(&format!("filter[{name}]")))
                .map(|filter| filter.filter(|_| !choices.filters_dropped));
        let same = |filter: Option<&str>, value: &str| filter.is_none_or(|text| text == value);
        let found: Vec<Value> = self
            .credentials
            .values()
            .rev()
            .filter(|known| {
                let state = if known.has_expired(wall) {
                    "expired"
                } else {
                    "active"
                };
                known.created + choices.list_lag <= wall
                    && same(name, &known.name)
                    && tag.is_none_or(|tag| known.tag.as_deref() == Some(tag))
                    && same(status, state)
                    && same(sip_username, &known.sip_username)
                    && resource.is_none_or(|text| {
                        text.strip_prefix(RESOURCE_PREFIX) == Some(known.connection.as_str())
                    })
            })
            .map(|known| render(known, wall))
            .collect();
        page.of(&found)
    }

    pub(super) fn create_credential(&mut self, body: &[u8], wall: SystemTime) -> Response {
        let given = match object(body) {
            Ok(given) => given,
            Err(refused) => return refused,
        };
        let wishes = match self.wishes(&given, wall) {
            Ok(wishes) => wishes,
            Err(refused) => return refused,
        };
        let Some(connection) = wishes.connection else {
            let detail = "connection_id is required";
            return refusal::unprocessable("10015", "/connection_id", detail);
        };
        if let Some(tag) = &wishes.tag
            && self.count_of_tag(tag) >= self.settings.choices.tag_limit
        {
            let detail = format!(
                "a tag has at most {} credentials",
                self.settings.choices.tag_limit
            );
            return refusal::unprocessable("10015", "/tag", &detail);
        }
        if self.credentials.len() >= MOST {
            return refusal::unprocessable("10027", "/", "the sandbox keeps no more credentials");
        }
        let credential = Credential {
            id: self.uuid(),
            name: wishes.name.unwrap_or_else(|| timestamp::bare(wall)),
            tag: wishes.tag,
            connection,
            sip_username: format!("gencred{}", self.letters(42)),
            sip_password: hex(&self.random::<16>()),
            tel_token: BASE64_URL_SAFE.encode(self.random::<94>()),
            expires: wishes.expires.unwrap_or(wall + LIFE),
            created: wall,
            updated: wall,
        };
        let mut data = render(&credential, wall);
        if self.settings.choices.token_material
            && let Value::Object(data) = &mut data
        {
            data.extend(self.signer.material(&credential.tel_token));
        }
        let serial = self.next_serial();
        self.by_id.insert(credential.id.clone(), serial);
        self.by_username
            .insert(credential.sip_username.clone(), serial);
        self.credentials.insert(serial, credential);
        Response::data(201, data)
    }

    pub(super) fn show_credential(&self, id: &str, wall: SystemTime) -> Response {
        match self.credential(id) {
            Some(known) => Response::data(200, render(known, wall)),
            None => refusal::not_found(),
        }
    }

    pub(super) fn change_credential(
        &mut self,
        id: &str,
        body: &[u8],
        wall: SystemTime,
    ) -> Response {
        let Some(known) = self.credential(id) else {
            return refusal::not_found();
        };
        if known.has_expired(wall) {
            return refusal::expired(self.settings.choices.expired_status);
        }
        let wishes = match object(body).and_then(|given| self.wishes(&given, wall)) {
            Ok(wishes) => wishes,
            Err(refused) => return refused,
        };
        let serial = self.by_id.get(id).copied().unwrap_or_default();
        let Some(known) = self.credentials.get_mut(&serial) else {
            return refusal::not_found();
        };
        if let Some(name) = wishes.name {
            known.name = name;
        }
        if let Some(tag) = wishes.tag {
            known.tag = Some(tag);
        }
        if let Some(connection) = wishes.connection {
            known.connection = connection;
        }
        if let Some(expires) = wishes.expires {
            known.expires = expires;
        }
        known.updated = wall;
        Response::data(200, render(known, wall))
    }

    pub(super) fn delete_credential(&mut self, id: &str, wall: SystemTime) -> Response {
        let serial = self.by_id.get(id).copied();
        match serial.and_then(|serial| self.forget_credential(serial)) {
            Some(gone) => Response::data(200, render(&gone, wall)),
            None => refusal::not_found(),
        }
    }

    pub(super) fn create_token(&mut self, id: &str, wall: SystemTime) -> Response {
        let jti = self.uuid();
        let Some(known) = self.credential(id) else {
            return refusal::not_found();
        };
        if known.has_expired(wall) {
            return refusal::expired(self.settings.choices.expired_status);
        }
        // The credential's end is the token's end too.
        let expires = known.expires.min(wall + self.settings.token_life);
        let claims = Claims::new(known, &jti, wall, expires);
        let token = self.signer.sign(&claims);
        let delay = self.settings.fresh_delay;
        self.issued.note(jti, wall, delay);
        Response::text(201, token)
    }

    pub(super) fn token_material(&self, id: &str) -> Response {
        match self.credential(id) {
            Some(known) if self.settings.choices.token_material => Response::data(
                200,
                Value::Object(self.signer.material(&known.tel_token).collect()),
            ),
            _ => refusal::not_found(),
        }
    }

    fn count_of_tag(&self, tag: &str) -> usize {
        let of_it = |known: &&Credential| known.tag.as_deref() == Some(tag);
        self.credentials.values().filter(of_it).count()
    }

    fn wishes(&self, given: &Map<String, Value>, wall: SystemTime) -> Result<Wishes, Response> {
        let connection = text_of(given, "connection_id")?;
        let refused = self.settings.choices.unknown_connection_refused;
        if let Some(id) = &connection
            && refused
            && self.connection(id).is_none()
        {
            let detail = "connection_id names no connection of this account";
            return Err(refusal::unprocessable("10015", "/connection_id", detail));
        }
        let expires = match text_of(given, "expires_at")? {
            None => None,
            Some(text) => {
                let at = timestamp::parse(&text).ok_or_else(|| {
                    refusal::unprocessable("10015", "/expires_at", "expires_at is no time")
                })?;
                if at <= wall && self.settings.choices.past_expiry_refused {
                    let detail = "expires_at must not be in the past";
                    return Err(refusal::unprocessable("10015", "/expires_at", detail));
                }
                Some(at)
            }
        };
        Ok(Wishes {
            connection,
            name: text_of(given, "name")?,
            tag: text_of(given, "tag")?,
            expires,
        })
    }
}

/// What a client may set.
struct Wishes {
    connection: Option<String>,
    name: Option<String>,
    tag: Option<String>,
    expires: Option<SystemTime>,
}

fn render(known: &Credential, wall: SystemTime) -> Value {
    json!({
        "id": known.id,
        "record_type": "credential",
        "name": known.name,
        "user_id": "00000000-0000-4000-8000-0000005a4d42",
        "expired": known.has_expired(wall),
        "resource_id": format!("{RESOURCE_PREFIX}{}", known.connection),
        "sip_username": known.sip_username,
        "sip_password": known.sip_password,
        "created_at": timestamp::bare(known.created),
        "updated_at": timestamp::full(known.updated),
        "expires_at": timestamp::bare(known.expires),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

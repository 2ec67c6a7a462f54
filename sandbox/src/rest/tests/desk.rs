//! An account with a clock and one registered name.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::rest::account::Account;
use crate::rest::message::{Answer, Body, Registrations, Request, Response};
use crate::rest::settings::RestSettings;

pub(super) struct Desk {
    pub(super) account: Account,
    pub(super) wall: SystemTime,
    pub(super) registered: Option<String>,
    pub(super) key: String,
}

struct Only(Option<String>);

impl Registrations for Only {
    fn is_registered(&self, name: &str) -> bool {
        self.0.as_deref() == Some(name)
    }
}

impl Desk {
    pub(super) fn new(settings: RestSettings) -> Self {
        Self {
            key: settings.key.clone(),
            account: Account::new(settings, [3; 32]),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_600_800),
            registered: None,
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.wall += time;
    }

    pub(super) fn raw(&mut self, method: &str, url: &str, body: &str) -> Answer {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let query = url::form_urlencoded::parse(query.as_bytes());
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.map(|(a, b)| (a.into(), b.into())).collect(),
            authorization: Some(format!("Bearer {}", self.key)),
            body: body.as_bytes().to_vec(),
        };
        let registered = Only(self.registered.clone());
        self.account.answer(&request, &registered, self.wall)
    }

    pub(super) fn ask(&mut self, method: &str, url: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let response = self.raw(method, url, &body).response.expect("an answer");
        let body = match response.body {
            Body::Json(body) => body,
            Body::Text(text) => Value::String(text),
            Body::Empty => Value::Null,
        };
        (response.status, body)
    }

    pub(super) fn get(&mut self, url: &str) -> (u16, Value) {
        self.ask("GET", url, Value::Null)
    }

    /// A connection's id.
    pub(super) fn connection(&mut self) -> String {
        let body = serde_json::json!({
            "connection_name": "desk", "user_name": "deskUser1", "password": "long-enough",
        });
        let (status, body) = self.ask("POST", "/credential_connections", body);
        assert_eq!(status, 201, "{body}");
        body["data"]["id"].as_str().unwrap().to_owned()
    }

    /// A credential as it was answered.
    pub(super) fn credential(&mut self, connection: &str, name: &str, tag: &str) -> Value {
        let body = serde_json::json!({ "connection_id": connection, "name": name, "tag": tag });
        let (status, body) = self.ask("POST", "/telephony_credentials", body);
        assert_eq!(status, 201, "{body}");
        body["data"].clone()
    }
}

pub(super) fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let found = response.headers.iter().find(|(known, _)| *known == name);
    &found.unwrap_or_else(|| panic!("no {name}")).1
}

//! A user of the sandbox's REST API who makes one credential and asks for nothing else.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

/// A telephony credential.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Its id.
    pub id: String,
    /// The user that it logs in.
    pub sip_username: String,
}

/// Makes a connection and a credential of it.
///
/// # Panics
/// When the API refuses.
pub fn credential(api: &str) -> Credential {
    let connection = connection(api);
    let made = post(
        api,
        "/telephony_credentials",
        &json!({ "connection_id": connection, "name": "kiosk" }),
    );
    Credential {
        id: text(&made, "/data/id"),
        sip_username: text(&made, "/data/sip_username"),
    }
}

/// Makes a connection; its id.
///
/// # Panics
/// When the API refuses.
pub fn connection(api: &str) -> String {
    let made = post(
        api,
        "/credential_connections",
        &json!({ "connection_name": "kiosks", "user_name": "kiosks1", "password": "a-long-password" }),
    );
    text(&made, "/data/id")
}

/// A token of a credential.
///
/// # Panics
/// When the API refuses.
pub fn token(api: &str, credential: &Credential) -> String {
    let path = format!("/telephony_credentials/{}/token", credential.id);
    ask(api, &path, &json!({}))
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer} in {value}"))
        .to_owned()
}

fn post(api: &str, path: &str, body: &Value) -> Value {
    let answer = ask(api, path, body);
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{answer}: {error}"))
}

fn ask(api: &str, path: &str, body: &Value) -> String {
    let rest = api.strip_prefix("http://").expect("plain HTTP");
    let (host, base) = rest.split_once('/').expect("a base path");
    let body = body.to_string();
    let mut stream = TcpStream::connect(host).expect("the REST API listens");
    write!(
        stream,
        "POST /{base}{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer sandbox\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .expect("the REST API reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the REST API answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 201"), "{answer}");
    body.to_owned()
}

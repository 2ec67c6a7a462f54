//! The client against a scripted server, in a time that passes only when it waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::client::Client;
use crate::api::credential::{CredentialFilter, NewCredential};
use crate::api::error::Error;
use crate::api::wire::{Arrived, HttpReply, HttpRequest, Wire, WireFault};
use crate::secret::Secret;

type Answer = Result<HttpReply, WireFault>;

#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    asked: Vec<String>,
    bodies: Vec<Option<Value>>,
    now: Duration,
}

#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

impl Wire for Scripted {
    fn send(&self, request: &HttpRequest) -> Answer {
        let mut script = self.0.lock().unwrap();
        let path = request.url.strip_prefix("https://api.example/v2").unwrap();
        script.asked.push(format!("{} {path}", request.method));
        let body = request.body.as_ref();
        script
            .bodies
            .push(body.map(|body| serde_json::from_slice(body).unwrap()));
        assert_eq!(request.key.expose(), "KEY-1");
        script.answers.pop_front().expect("an answer for it")
    }

    fn now(&self) -> Duration {
        self.0.lock().unwrap().now
    }

    fn pause(&self, time: Duration) {
        self.0.lock().unwrap().now += time;
    }

    fn chance(&self) -> f64 {
        0.0
    }
}

fn reply(status: u16, body: &str) -> Answer {
    with_headers(status, &[], body)
}

fn with_headers(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
    Ok(HttpReply {
        status,
        headers: headers.collect(),
        body: body.as_bytes().to_vec(),
    })
}

fn lost() -> Answer {
    Err(WireFault {
        arrived: Arrived::Perhaps,
        may_pass: true,
        text: "the connection broke".to_owned(),
    })
}

fn client(answers: Vec<Answer>) -> (Client, Scripted) {
    let wire = Scripted::default();
    wire.0.lock().unwrap().answers = answers.into();
    let key = Secret::new("KEY-1");
    let client = Client::new("https://api.example/v2", key, wire.clone()).unwrap();
    (client, wire)
}

fn asked(wire: &Scripted) -> Vec<String> {
    let script = wire.0.lock().unwrap();
    assert!(script.answers.is_empty(), "more was to be asked");
    script.asked.clone()
}

fn credential(id: &str) -> Value {
    json!({
        "id": id, "name": "user-1", "resource_id": "connection:15", "sip_username": "gencred1",
        "sip_password": "secret-password", "expires_at": "2030-01-01T00:00:00", "new_field": {},
    })
}

fn one(id: &str) -> String {
    json!({ "data": credential(id) }).to_string()
}

fn list(ids: &[&str], page: u32, pages: u32) -> String {
    let data: Vec<Value> = ids.iter().map(|id| credential(id)).collect();
    json!({ "data": data, "meta": { "page_number": page, "total_pages": pages } }).to_string()
}

fn wanted() -> NewCredential {
    NewCredential {
        connection_id: "15".to_owned(),
        name: "user-1".to_owned(),
        tag: "run-1".to_owned(),
        expires_at: None,
    }
}

const POST: &str = "POST /telephony_credentials";
const LOOK: &str = "GET /telephony_credentials?filter%5Bname%5D=user-1&filter%5Btag%5D=run-1\
                    &page%5Bnumber%5D=1&page%5Bsize%5D=250";

#[test]
fn a_creation_without_an_answer_is_looked_up_and_found() {
    let (client, wire) = client(vec![
        lost(),
        reply(200, &list(&["a"], 1, 1)),
        reply(200, &one("a")),
    ]);
    assert_eq!(client.create_credential(&wanted()).unwrap().id, "a");
    assert_eq!(asked(&wire), [POST, LOOK, "GET /telephony_credentials/a"]);
}

#[test]
fn a_creation_that_did_not_happen_is_asked_for_again() {
    let empty = || reply(200, &list(&[], 1, 0));
    let answers = vec![
        reply(500, ""),
        empty(),
        empty(),
        empty(),
        empty(),
        reply(201, &one("b")),
    ];
    let (client, wire) = client(answers);
    assert_eq!(client.create_credential(&wanted()).unwrap().id, "b");
    assert_eq!(asked(&wire), [POST, LOOK, LOOK, LOOK, LOOK, POST]);
    assert_eq!(wire.now(), Duration::from_secs(5), "until lists are fresh");
}

#[test]
fn a_creation_that_the_list_shows_late_is_not_made_twice() {
    let (client, wire) = client(vec![
        lost(),
        reply(200, &list(&[], 1, 0)),
        reply(200, &list(&[], 1, 0)),
        reply(200, &list(&["a"], 1, 1)),
        reply(200, &one("a")),
    ]);
    assert_eq!(client.create_credential(&wanted()).unwrap().id, "a");
    let asked = asked(&wire);
    assert_eq!(asked.iter().filter(|line| *line == POST).count(), 1);
}

#[test]
fn a_creation_that_stays_unknown_ends_with_a_sentence() {
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.extend([lost(), reply(200, &list(&[], 1, 0))]);
    }
    let (client, _) = client(answers);
    let client = client.with_freshness(Duration::ZERO);
    let error = client.create_credential(&wanted()).unwrap_err();
    assert!(matches!(error, Error::Uncertain { .. }), "{error}");
}

#[test]
fn a_refusal_for_the_rate_is_waited_for_and_a_creation_then_repeated() {
    let limited = with_headers(429, &[("x-ratelimit-reset", "30")], "");
    let (client, wire) = client(vec![limited, reply(201, &one("a"))]);
    client.create_credential(&wanted()).unwrap();
    assert_eq!(asked(&wire), [POST, POST]);
    assert_eq!(wire.now(), Duration::from_secs(30));
}

#[test]
fn all_pages_are_read_and_the_filters_are_on_each() {
    let answers = vec![
        reply(200, &list(&["a", "b"], 1, 2)),
        reply(200, &list(&["c"], 2, 2)),
    ];
    let (client, wire) = client(answers);
    let filter = CredentialFilter {
        connection_id: Some("15".to_owned()),
        status: Some("active".to_owned()),
        ..CredentialFilter::default()
    };
    let found = client.credentials(&filter).unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found[0].connection_id(), "15");
    for (number, line) in asked(&wire).iter().enumerate() {
        assert!(
            line.contains("filter%5Bresource_id%5D=connection%3A15"),
            "{line}"
        );
        assert!(
            line.contains(&format!("page%5Bnumber%5D={}", number + 1)),
            "{line}"
        );
    }
}

#[test]
fn a_token_is_bare_text_and_asked_for_again_after_an_empty_500() {
    let (client, _) = client(vec![reply(500, ""), reply(201, "aaa.bbb.ccc\n")]);
    assert_eq!(client.token("x").unwrap().expose(), "aaa.bbb.ccc");
}

#[test]
fn refusals_say_what_where_and_what_to_do_without_secrets() {
    let body =
        r#"{"errors":[{"code":"10015","detail":"too short","source":{"pointer":"/password"}}]}"#;
    let (client_, _) = client(vec![reply(422, body)]);
    let error = client_
        .create_credential(&wanted())
        .unwrap_err()
        .to_string();
    for word in [
        "api.example",
        "POST /telephony_credentials",
        "422",
        "/password",
        "10015",
    ] {
        assert!(error.contains(word), "{error}");
    }
    let broken = one("a").replace("\"gencred1\"", "7");
    let (client_, _) = client(vec![reply(200, &broken)]);
    let error = client_.credential("a").unwrap_err().to_string();
    assert!(!error.contains("secret-password"), "{error}");
    let (client_, _) = client(vec![reply(401, "")]);
    let error = client_.token("a").unwrap_err();
    assert!(error.to_string().contains("API key"), "{error}");
    assert!(!format!("{error:?} {client_:?}").contains("KEY-1"));
}

#[test]
fn deleting_what_is_gone_is_no_error() {
    let (client, _) = client(vec![reply(404, ""), lost(), reply(404, ""), reply(204, "")]);
    assert!(!client.delete_credential("a").unwrap());
    assert!(!client.delete_credential("b").unwrap());
    assert!(client.delete_credential("c").unwrap());
}

#[test]
fn the_key_never_travels_in_clear_over_a_network() {
    for (url, good) in [
        ("https://api.telnyx.eu/v2", true),
        ("http://127.0.0.1:8080/v2", true),
        ("http://[::1]:8080/v2/", true),
        ("http://localhost/v2", true),
        ("http://api.telnyx.com/v2", false),
        ("http://127.0.0.1.example/v2", false),
        ("ftp://api.telnyx.com", false),
        ("https://user:word@api.telnyx.com/v2", false),
        ("nonsense", false),
    ] {
        let made = Client::new(url, Secret::new("k"), Scripted::default());
        assert_eq!(made.is_ok(), good, "{url}");
    }
}

#[test]
fn a_broken_path_cannot_leave_its_place() {
    let (client, wire) = client(vec![reply(404, "")]);
    let _ = client.credential("../credential_connections?x=1");
    assert_eq!(
        asked(&wire),
        ["GET /telephony_credentials/..%2Fcredential_connections%3Fx=1"]
    );
}

//! What the REST API makes works at the gateway: logins, calls, registration status.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{Kind, World};
use crate::fault::order::Order;
use crate::rest::message::{Body, Request};
use crate::verto::gateway::Input;
use crate::verto::socket::SocketId;

fn rest(world: &mut World, method: &str, path: &str, body: &Value) -> Value {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let query = url::form_urlencoded::parse(query.as_bytes());
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.map(|(a, b)| (a.into(), b.into())).collect(),
        authorization: Some("Bearer sandbox".to_owned()),
        body: body.to_string().into_bytes(),
    };
    let answer = world.gateway.rest(&request, world.now);
    match answer.response.expect("an answer").body {
        Body::Json(body) => body,
        Body::Text(text) => Value::String(text),
        Body::Empty => Value::Null,
    }
}

#[test]
fn faults_of_the_api_come_and_go_while_it_runs() {
    let mut world = World::new();
    let order = |world: &mut World, fault| {
        let order = Order::read(fault, None).unwrap();
        world.input(Input::Order(order));
    };
    let list = |world: &mut World| rest(world, "GET", "/telephony_credentials", &json!({}));
    assert!(list(&mut world)["data"].is_array());
    order(&mut world, "rest-500=1");
    assert_eq!(list(&mut world), Value::Null);
    order(&mut world, "none");
    assert!(list(&mut world)["data"].is_array());
}

/// Id, SIP user name and password of a new credential.
fn credential(world: &mut World, user: &str) -> [String; 3] {
    let connection = json!({
        "connection_name": user, "user_name": user, "password": "long-enough",
    });
    let made = rest(world, "POST", "/credential_connections", &connection);
    let body = json!({ "connection_id": made["data"]["id"] });
    let made = rest(world, "POST", "/telephony_credentials", &body);
    ["id", "sip_username", "sip_password"]
        .map(|name| made["data"][name].as_str().unwrap().to_owned())
}

fn token(world: &mut World, id: &str) -> Value {
    let path = format!("/telephony_credentials/{id}/token");
    rest(world, "POST", &path, &json!({}))
}

fn login(world: &mut World, params: Value) -> (SocketId, Value) {
    let socket = world.open();
    let reply = world.ask(socket, "login", params);
    (socket, reply)
}

#[test]
fn a_credential_logs_in_by_password_and_token_once_it_is_known() {
    let mut world = World::new();
    let [id, username, password] = credential(&mut world, "desk1");
    let by_password = Kind::Telnyx.login(&username, &password);
    let (_, early) = login(&mut world, by_password.clone());
    assert_eq!(early["error"]["code"], -32001, "{early}");
    world.pass(Duration::from_secs(5));
    let (_, late) = login(&mut world, by_password);
    assert_eq!(late["result"]["message"], "logged in");

    let by_token = json!({ "login_token": token(&mut world, &id) });
    let (_, early) = login(&mut world, by_token.clone());
    assert_eq!(early["error"]["code"], -32001, "{early}");
    world.pass(Duration::from_secs(5));
    let (_, late) = login(&mut world, by_token.clone());
    assert_eq!(late["result"]["message"], "logged in");

    world.pass(Duration::from_secs(86_400));
    let (_, expired) = login(&mut world, by_token);
    assert_eq!(expired["error"]["code"], -32001);

    let by_token = json!({ "login_token": token(&mut world, &id) });
    rest(
        &mut world,
        "DELETE",
        &format!("/telephony_credentials/{id}"),
        &json!({}),
    );
    world.pass(Duration::from_secs(5));
    let (_, deleted) = login(&mut world, by_token);
    assert_eq!(deleted["error"]["code"], -32001);
}

#[test]
fn a_call_to_the_name_of_a_registered_credential_reaches_it_and_its_status_says_so() {
    let mut world = World::new();
    let [id, username, _] = credential(&mut world, "desk2");
    let by_token = json!({ "login_token": token(&mut world, &id) });
    world.pass(Duration::from_secs(5));
    let status = format!(
        "/sip_registration_status?credential_type=telephony_credential&username={username}"
    );
    assert_eq!(
        rest(&mut world, "GET", &status, &json!({}))["registered"],
        false
    );
    let caller = world.ready(Kind::Telnyx, "demo-1");
    let failed = world.call(Kind::Telnyx, caller, "early", &username);
    assert!(failed.get("error").is_none(), "{failed}");
    let bye = world.expect(caller, "telnyx_rtc.bye");
    assert_eq!(bye["params"]["callID"], "early", "{bye}");

    let (callee, reply) = login(&mut world, by_token);
    assert_eq!(reply["result"]["message"], "logged in");
    assert_eq!(
        rest(&mut world, "GET", &status, &json!({}))["registered"],
        true
    );
    world.call(
        Kind::Telnyx,
        caller,
        "late",
        &format!("{username}@sip.telnyx.com"),
    );
    let invite = world.expect(callee, "telnyx_rtc.invite");
    assert_eq!(invite["params"]["callee_id_number"], username);
}

#[test]
fn the_connections_own_login_works_and_is_called_by_its_name() {
    let mut world = World::new();
    credential(&mut world, "deskThree");
    let (callee, reply) = login(&mut world, Kind::Telnyx.login("deskThree", "long-enough"));
    assert_eq!(reply["result"]["message"], "logged in");
    let caller = world.ready(Kind::Telnyx, "demo-1");
    world.call(Kind::Telnyx, caller, "call", "sip:deskThree@sip.telnyx.com");
    world.expect(callee, "telnyx_rtc.invite");
}

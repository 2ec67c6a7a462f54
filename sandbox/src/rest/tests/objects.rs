//! Connections, credentials and tokens: made, shown, changed, deleted, expired.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::desk::Desk;
use crate::rest::login::NotLetIn;
use crate::rest::settings::RestSettings;

fn desk() -> Desk {
    Desk::new(RestSettings::default())
}

#[test]
fn a_connection_has_its_defaults_and_drops_what_nobody_knows() {
    let mut desk = desk();
    let body = json!({
        "connection_name": "desk", "user_name": "deskUser1", "password": "long-enough",
        "webrtc_enabled": true, "inbound": { "timeout_1xx_secs": 9, "sip_subdomain": "x" },
    });
    let (status, made) = desk.ask("POST", "/credential_connections", body);
    assert_eq!(status, 201);
    let data = &made["data"];
    assert_eq!(data["record_type"], "credential_connection");
    assert_eq!(data["sip_uri_calling_preference"], "disabled");
    assert_eq!(data["inbound"]["timeout_1xx_secs"], 9);
    assert_eq!(data["inbound"]["timeout_2xx_secs"], 90);
    assert!(data.get("webrtc_enabled").is_none());
    assert!(data["inbound"].get("sip_subdomain").is_none());
    assert!(data["id"].as_str().unwrap().parse::<i64>().is_ok());

    let url = format!("/credential_connections/{}", data["id"].as_str().unwrap());
    let change = json!({ "inbound": { "prack_enabled": true } });
    let (status, changed) = desk.ask("PATCH", &url, change);
    assert_eq!(status, 200);
    assert_eq!(changed["data"]["inbound"]["prack_enabled"], true);
    assert_eq!(changed["data"]["inbound"]["timeout_1xx_secs"], 9);
    assert_eq!(desk.ask("DELETE", &url, Value::Null).0, 200);
    let (status, gone) = desk.ask("DELETE", &url, Value::Null);
    assert_eq!((status, &gone["errors"][0]["code"]), (404, &json!("10005")));
}

#[test]
fn wrong_fields_of_a_connection_are_each_named() {
    let mut desk = desk();
    let body = json!({
        "user_name": "1234567", "password": "short", "sip_uri_calling_preference": "enabled",
        "inbound": { "timeout_1xx_secs": 0, "dnis_number_format": "E.164" },
    });
    let (status, answer) = desk.ask("POST", "/credential_connections", body);
    assert_eq!(status, 422);
    let mut pointers: Vec<&str> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["source"]["pointer"].as_str().unwrap())
        .collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/connection_name",
            "/inbound/dnis_number_format",
            "/inbound/timeout_1xx_secs",
            "/password",
            "/sip_uri_calling_preference",
            "/user_name"
        ]
    );
}

#[test]
fn a_connection_in_use_stays() {
    let mut desk = desk();
    let connection = desk.connection();
    let credential = desk.credential(&connection, "a", "t");
    let url = format!("/credential_connections/{connection}");
    assert_eq!(desk.ask("DELETE", &url, Value::Null).0, 422);
    let id = credential["id"].as_str().unwrap();
    let (status, _) = desk.ask(
        "DELETE",
        &format!("/telephony_credentials/{id}"),
        Value::Null,
    );
    assert_eq!(status, 200);
    assert_eq!(desk.ask("DELETE", &url, Value::Null).0, 200);
}

#[test]
fn a_credential_has_names_of_the_seen_form_and_needs_its_connection() {
    let mut desk = desk();
    let connection = desk.connection();
    let made = desk.credential(&connection, "user-1", "team");
    let username = made["sip_username"].as_str().unwrap();
    assert!(
        username.starts_with("gencred") && username.len() == 7 + 42,
        "{username}"
    );
    assert_eq!(made["sip_password"].as_str().unwrap().len(), 32);
    assert_eq!(made["resource_id"], format!("connection:{connection}"));
    assert_eq!(made["created_at"], "2026-11-25T10:00:00");
    assert_eq!(made["updated_at"], "2026-11-25T10:00:00.000Z");
    assert!(
        made.get("tag").is_none(),
        "the answer does not show the tag"
    );

    for (body, pointer) in [
        (json!({}), "/connection_id"),
        (json!({ "connection_id": "1" }), "/connection_id"),
        (
            json!({ "connection_id": connection, "expires_at": "soon" }),
            "/expires_at",
        ),
        (
            json!({ "connection_id": connection, "expires_at": "2020-01-01T00:00:00Z" }),
            "/expires_at",
        ),
        (json!({ "connection_id": connection, "name": 7 }), "/name"),
    ] {
        let (status, answer) = desk.ask("POST", "/telephony_credentials", body);
        assert_eq!(status, 422);
        assert_eq!(answer["errors"][0]["source"]["pointer"], pointer);
    }
    let broken = desk.raw("POST", "/telephony_credentials", "{").response;
    assert_eq!(broken.unwrap().status, 400);
}

#[test]
fn a_token_has_the_documented_form_and_ends_with_its_credential() {
    let mut desk = desk();
    let connection = desk.connection();
    let body = json!({ "connection_id": connection, "expires_at": "2026-11-25T11:00:00" });
    let (_, made) = desk.ask("POST", "/telephony_credentials", body);
    let id = made["data"]["id"].as_str().unwrap().to_owned();
    let url = format!("/telephony_credentials/{id}/token");
    let (status, token) = desk.ask("POST", &url, Value::Null);
    assert_eq!(status, 201);
    let token = token.as_str().unwrap().to_owned();
    let parts: Vec<Vec<u8>> = token
        .split('.')
        .map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap())
        .collect();
    let [header, claims, signature] = parts.as_slice() else {
        panic!("three parts");
    };
    assert_eq!(header, br#"{"alg":"HS512","typ":"JWT"}"#);
    assert_eq!(signature.len(), 64);
    let claims: Value = serde_json::from_slice(claims).unwrap();
    assert_eq!(claims["aud"], "telnyx_telephony");
    assert_eq!(claims["typ"], "access");
    assert_eq!(claims["sub"], id);
    let [iat, nbf, exp] = ["iat", "nbf", "exp"].map(|name| claims[name].as_u64().unwrap());
    assert_eq!(
        (nbf, exp),
        (iat - 1, iat + 3600),
        "cut to the credential's end"
    );

    desk.pass(Duration::from_secs(3600));
    let (status, answer) = desk.ask("POST", &url, Value::Null);
    assert_eq!(status, 422);
    assert!(answer["errors"]["status"].is_string(), "{answer}");
    let change = json!({ "name": "again" });
    let (status, _) = desk.ask("PATCH", &format!("/telephony_credentials/{id}"), change);
    assert_eq!(status, 422);
    let (_, shown) = desk.get(&format!("/telephony_credentials/{id}"));
    assert_eq!(shown["data"]["expired"], true);
    assert_eq!(
        desk.account.let_in_by_token(&token, desk.wall),
        Some(Err(NotLetIn::Expired))
    );
}

#[test]
fn what_is_fresh_is_not_let_in_and_then_is_until_it_is_deleted() {
    let mut desk = desk();
    let connection = desk.connection();
    let made = desk.credential(&connection, "a", "t");
    let [id, username, password] =
        ["id", "sip_username", "sip_password"].map(|name| made[name].as_str().unwrap().to_owned());
    let enter = |desk: &Desk| {
        let right = |known: &str| known == password;
        desk.account.let_in_by_password(&username, right, desk.wall)
    };
    assert_eq!(enter(&desk), Some(Err(NotLetIn::Fresh)));
    desk.pass(Duration::from_secs(5));
    assert_eq!(enter(&desk), Some(Ok(username.clone())));

    let url = format!("/telephony_credentials/{id}/token");
    let (_, token) = desk.ask("POST", &url, Value::Null);
    let token = token.as_str().unwrap().to_owned();
    let by_token = |desk: &Desk, token: &str| desk.account.let_in_by_token(token, desk.wall);
    assert_eq!(by_token(&desk, &token), Some(Err(NotLetIn::Fresh)));
    desk.pass(Duration::from_secs(5));
    assert_eq!(by_token(&desk, &token), Some(Ok(username.clone())));

    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{other}{}", &signature[1..]);
    assert_eq!(by_token(&desk, &forged), Some(Err(NotLetIn::Signature)));
    assert_eq!(by_token(&desk, "e30.e30.c2ln"), None);

    desk.ask(
        "DELETE",
        &format!("/telephony_credentials/{id}"),
        Value::Null,
    );
    assert_eq!(by_token(&desk, &token), Some(Err(NotLetIn::Deleted)));
    assert_eq!(enter(&desk), None);
}

#[test]
fn tokens_from_elsewhere_can_be_refused() {
    let mut desk = Desk::new(RestSettings {
        signed_tokens_only: true,
        ..RestSettings::default()
    });
    desk.connection();
    assert_eq!(
        desk.account.let_in_by_token("e30.e30.c2ln", desk.wall),
        Some(Err(NotLetIn::Signature))
    );
}

#[test]
fn the_status_of_a_name_comes_from_the_gateway() {
    let mut desk = desk();
    let connection = desk.connection();
    let made = desk.credential(&connection, "a", "t");
    let username = made["sip_username"].as_str().unwrap().to_owned();
    let url = format!(
        "/sip_registration_status?credential_type=telephony_credential&username={username}"
    );
    let (status, before) = desk.get(&url);
    assert_eq!((status, &before["registered"]), (200, &json!(false)));
    assert!(before.get("data").is_none(), "a bare object");
    desk.registered = Some(username);
    let (_, after) = desk.get(&url);
    assert_eq!(after["sip_registration_status"], "registered");
    assert_eq!(after["connection_id"], connection);

    let check = format!("/credential_connections/{connection}/actions/check_registration_status");
    let (status, answer) = desk.ask("POST", &check, Value::Null);
    assert_eq!(
        (status, &answer["data"]["status"]),
        (200, &json!("Not Registered"))
    );
    desk.registered = Some("deskUser1".to_owned());
    let (_, answer) = desk.ask("POST", &check, Value::Null);
    assert_eq!(answer["data"]["status"], "Registered");

    for (url, status) in [
        ("/sip_registration_status", 400),
        (
            "/sip_registration_status?credential_type=telephony_credential",
            400,
        ),
        (
            "/sip_registration_status?credential_type=telephony_credential&username=x",
            404,
        ),
    ] {
        assert_eq!(desk.get(url).0, status, "{url}");
    }
}

#[test]
fn token_material_is_there_for_a_known_credential() {
    let mut desk = desk();
    let connection = desk.connection();
    let made = desk.credential(&connection, "a", "t");
    let url = format!(
        "/telephony_credentials/{}/token_material",
        made["id"].as_str().unwrap()
    );
    let (status, material) = desk.get(&url);
    assert_eq!(status, 200);
    for name in ["kid", "tel_token", "signing_secret"] {
        assert_eq!(material["data"][name], made[name], "{name}");
        assert!(made[name].is_string());
    }
    assert_eq!(desk.get("/telephony_credentials/x/token_material").0, 404);
}

//! Who gets in, how the servers say so, and what becomes of a socket that does not.

use std::time::Duration;

use serde_json::json;

use super::world::{BOTH, Kind, World};
use crate::call_report::post::Report;
use crate::limits::Limits;
use crate::verto::credentials::tests::token;
use crate::verto::gateway::Input;

#[test]
fn a_telnyx_client_is_ready_after_client_ready_and_reged() {
    let mut world = World::new();
    let socket = world.open();
    let reply = world.ask(socket, "login", Kind::Telnyx.login("demo-1", "sandbox"));
    let sessid = reply["result"]["sessid"].as_str().unwrap().to_owned();
    assert_eq!(reply["result"]["message"], "logged in");
    let token = reply["voice_sdk_id"].as_str().unwrap().to_owned();
    let ready = world
        .within(socket, "telnyx_rtc.clientReady", Duration::ZERO)
        .expect("ready at once");
    assert_eq!(ready["voice_sdk_id"], token.as_str());
    let state = world.ask(socket, "telnyx_rtc.gatewayState", json!({}));
    assert_eq!(state["result"]["params"]["state"], "REGED");
    assert_eq!(state["result"]["sessid"], sessid.as_str());
}

#[test]
fn a_registered_telnyx_client_has_one_id_for_its_call_reports() {
    let mut world = World::with_faults(&["gateway-state=TRYING:1"]);
    let socket = world.ready(Kind::Telnyx, "demo-1");
    let id = |world: &mut World| {
        let state = world.ask(socket, "telnyx_rtc.gatewayState", json!({}));
        let id = state["result"]["params"].get("call_report_id");
        id.map(|id| id.as_str().unwrap().to_owned())
    };
    assert_eq!(id(&mut world), None, "not registered yet");
    let first = id(&mut world).expect("an id");
    assert_eq!(id(&mut world).as_ref(), Some(&first));
    world.close(socket);
    let report = |id: &str| Report {
        id: id.to_owned(),
        call: "c-1".to_owned(),
        instance: None,
        body: json!({"summary": {"callId": "c-1"}}),
    };
    assert_eq!(world.gateway.call_report(&report(&first)), 200);
    assert_eq!(world.gateway.call_report(&report("guessed")), 404);
}

#[test]
fn a_freeswitch_client_is_told_within_one_poll_and_after_the_reply() {
    let mut world = World::new();
    let socket = world.open();
    let mut params = Kind::FreeSwitch.login("demo-1@pbx.example", "sandbox");
    params["sessid"] = json!("kiosk-7");
    let reply = world.ask(socket, "login", params);
    assert_eq!(reply["result"]["sessid"], "kiosk-7");
    assert!(reply.get("voice_sdk_id").is_none());
    assert_eq!(world.methods(socket), Vec::<&str>::new());
    let ready = world.within(socket, "verto.clientReady", Duration::from_millis(50));
    assert_eq!(ready.unwrap()["params"]["reattached_sessions"], json!([]));
    let unknown = world.ask(socket, "verto.gatewayState", json!({}));
    assert_eq!(unknown["error"]["code"], -32601);
}

#[test]
fn a_client_that_keeps_a_freeswitch_busy_starves_its_own_messages() {
    let mut world = World::new();
    let socket = world.open();
    world.ask(socket, "login", Kind::FreeSwitch.login("demo-1", "sandbox"));
    for _ in 0..10 {
        world.pass(Duration::from_millis(30));
        world.ask(socket, "verto.ping", json!({}));
        assert_eq!(world.methods(socket), Vec::<&str>::new());
    }
    world.pass(Duration::from_millis(50));
    assert_eq!(world.methods(socket), ["verto.clientReady"]);
}

#[test]
fn tokens_and_anonymous_logins_are_telnyx() {
    let mut world = World::new();
    let good = token(r#"{"sub":"demo-2","exp":2000000100}"#);
    let old = token(r#"{"sub":"demo-2","exp":1999999999}"#);
    for (token, code) in [
        (good.as_str(), None),
        (&old, Some(-32001)),
        ("x.y", Some(-32001)),
    ] {
        let socket = world.open();
        let reply = world.ask(
            socket,
            "login",
            json!({"login_token": token, "reconnection": false}),
        );
        assert_eq!(reply["error"]["code"].as_i64(), code, "{reply}");
    }
    let socket = world.open();
    let params = json!({"target_type": "ai_assistant", "target_id": "a-1"});
    let reply = world.ask(socket, "anonymous_login", params);
    assert_eq!(reply["result"]["message"], "logged in");
    let reply = world.call(Kind::Telnyx, socket, "c-1", "9196");
    assert_eq!(reply["result"]["message"], "CALL CREATED");
}

#[test]
fn a_wrong_password_is_refused_in_each_servers_words_and_too_many_cost_the_socket() {
    for (kind, text) in [
        (Kind::Telnyx, "Login Incorrect"),
        (Kind::FreeSwitch, "Authentication Failure"),
    ] {
        let mut world = World::new();
        let socket = world.open();
        for _ in 0..Limits::default().login_tries {
            assert_eq!(world.client(socket).closed, None);
            let reply = world.ask(socket, "login", kind.login("demo-1", "wrong"));
            assert_eq!(reply["error"]["code"], -32001);
            assert_eq!(reply["error"]["message"], text);
        }
        assert!(world.client(socket).closed.is_some());
    }
}

#[test]
fn before_the_login_nothing_else_is_done() {
    let mut world = World::new();
    let socket = world.open();
    let reply = world.ask(socket, "verto.ping", json!({}));
    assert_eq!(reply["error"]["code"], -32000);
    assert_eq!(reply["error"]["message"], "Authentication Required");
    world.pass(Limits::default().login_within);
    assert!(world.client(socket).closed.is_some());
}

#[test]
fn a_freeswitch_takes_the_login_from_any_first_request() {
    let mut world = World::new();
    let socket = world.open();
    let mut params = Kind::FreeSwitch.login("demo-1", "sandbox");
    params["eventChannel"] = json!("demo.x");
    let reply = world.ask(socket, "verto.subscribe", params);
    assert_eq!(reply["result"]["subscribedChannels"], json!(["demo.x"]));
    world.expect(socket, "verto.clientReady");
}

#[test]
fn a_fresh_token_keeps_the_session_and_the_list_names_the_live_calls() {
    let mut world = World::new();
    let socket = world.open();
    let params = json!({"login_token": token(r#"{"sub":"demo-1"}"#), "reconnection": false});
    let first = world.ask(socket, "login", params.clone());
    world.expect(socket, "telnyx_rtc.clientReady");
    world.call(Kind::Telnyx, socket, "c-1", "9196");
    let second = world.ask(socket, "login", params);
    assert_eq!(first["result"]["sessid"], second["result"]["sessid"]);
    let ready = world.expect(socket, "telnyx_rtc.clientReady");
    assert_eq!(ready["params"]["reattached_sessions"], json!(["c-1"]));
    let other = json!({"login_token": token(r#"{"sub":"demo-2"}"#)});
    assert_eq!(world.ask(socket, "login", other)["error"]["code"], -32001);
}

#[test]
fn pings_come_as_each_server_sends_them() {
    let mut world = World::new();
    let telnyx = world.ready(Kind::Telnyx, "demo-1");
    let freeswitch = world.ready(Kind::FreeSwitch, "demo-2");
    for _ in 0..4 {
        world.pass(Duration::from_secs(20));
        for (kind, socket) in [(Kind::Telnyx, telnyx), (Kind::FreeSwitch, freeswitch)] {
            let pong = world.ask(socket, &kind.method("ping"), json!({}));
            assert_eq!(pong["result"]["message"], "PONG");
        }
    }
    // Telnyx: each 30 s. FreeSWITCH: only after 30 s of silence.
    assert_eq!(world.methods(telnyx), ["telnyx_rtc.ping"; 2]);
    assert_eq!(world.methods(freeswitch), Vec::<&str>::new());
    world.pass(Duration::from_secs(31));
    assert_eq!(world.methods(freeswitch), ["verto.ping"]);
    world.pass(Duration::from_secs(30));
    assert!(world.client(telnyx).closed.is_some(), "silent for 60 s");
    assert_eq!(world.client(freeswitch).closed, None);
}

#[test]
fn websocket_pings_are_answered_by_telnyx_and_misread_by_freeswitch() {
    let mut world = World::new();
    let telnyx = world.ready(Kind::Telnyx, "demo-1");
    let freeswitch = world.ready(Kind::FreeSwitch, "demo-2");
    for socket in [telnyx, freeswitch] {
        world.input(Input::Ping(socket, b""));
    }
    assert_eq!(world.client(telnyx).pongs, 1);
    assert_eq!(world.client(freeswitch).pongs, 0);
    world.input(Input::Ping(freeswitch, b"hello"));
    assert_eq!(world.client(freeswitch).pongs, 0);
    let error = world.refusal(freeswitch);
    assert_eq!(
        (&error["id"], &error["error"]["code"]),
        (&json!(null), &json!(-32600))
    );
}

#[test]
fn nonsense_is_answered_and_survived() {
    for kind in BOTH {
        let mut world = World::new();
        let socket = world.ready(kind, "demo-1");
        for (text, code) in [
            ("", -32600),
            ("{", -32600),
            ("[1]", -32600),
            (r#"{"id":1}"#, -32601),
            (r#"{"id":1,"method":"verto.nothing","params":{}}"#, -32601),
            (r#"{"id":1,"method":"jsapi"}"#, -32602),
        ] {
            world.text(socket, text);
            assert_eq!(world.refusal(socket)["error"]["code"], code, "{text}");
        }
        // An acknowledgement is not looked at.
        world.text(
            socket,
            r#"{"jsonrpc":"2.0","id":1,"result":{"method":"x"}}"#,
        );
        assert_eq!(world.unread(socket), 0);
        for method in ["invite", "answer", "attach", "bye", "modify", "info"] {
            for params in [
                json!(null),
                json!([]),
                json!({}),
                json!({"dialogParams": 3}),
                json!({"dialogParams": {"callID": "no"}}),
            ] {
                let method = kind.method(method);
                let id = world.send(socket, &method, params.clone());
                assert!(world.reply_to(socket, &id).is_some(), "{method} {params}");
            }
        }
    }
}

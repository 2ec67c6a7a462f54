//! Clients without credentials, who talk to an assistant.

use serde_json::{Value, json};

use super::world::{Kind, World};
use crate::assistant::settings::{AssistantSettings, Denied, RefusesAt};
use crate::switch::media::Sound;
use crate::verto::socket::SocketId;

fn login(world: &mut World, params: Value) -> (SocketId, Value) {
    let socket = world.open();
    let mut all = json!({"target_type": "ai_assistant", "target_id": "a-1"});
    for (name, value) in params.as_object().unwrap() {
        all[name] = value.clone();
    }
    let reply = world.ask(socket, "anonymous_login", all);
    (socket, reply)
}

fn in_call(world: &mut World, params: Value) -> SocketId {
    let (socket, reply) = login(world, params);
    assert_eq!(reply["result"]["message"], "logged in", "{reply}");
    world.call(Kind::Telnyx, socket, "c-1", "whoever");
    world.expect(socket, "telnyx_rtc.answer");
    socket
}

fn create(item: Value) -> Value {
    json!({"type": "conversation.item.create", "previous_item_id": null, "item": item})
}

/// Says a text; gives back what the assistant has said in the end.
fn say(world: &mut World, socket: SocketId, text: &str) -> String {
    let item = json!({"id": "u-1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]});
    let reply = world.ask(socket, "ai_conversation", create(item));
    assert!(reply.get("result").is_some(), "{reply}");
    heard(world, socket)
}

fn heard(world: &mut World, socket: SocketId) -> String {
    loop {
        let event = world.expect(socket, "ai_conversation");
        if event["params"]["item"]["role"] == "assistant" {
            let text = &event["params"]["item"]["content"][0]["text"];
            return text.as_str().unwrap().to_owned();
        }
    }
}

#[test]
fn every_call_goes_to_the_assistant_which_speaks_and_shows_itself_once() {
    let mut world = World::new();
    let socket = in_call(&mut world, json!({"target_version_id": "v2"}));
    assert_eq!(world.playing.values().next(), Some(&Sound::Speech));
    let settings = world.expect(socket, "ai_conversation");
    assert_eq!(settings["params"]["type"], "widget_settings");
    world.call(Kind::Telnyx, socket, "c-2", "demo-2");
    world.expect(socket, "telnyx_rtc.answer");
    // Neither after another login nor on another socket.
    let again =
        json!({"target_type": "ai_assistant", "target_id": "a-1", "target_version_id": "v2"});
    let reply = world.ask(socket, "anonymous_login", again);
    let sessid = reply["result"]["sessid"].clone();
    assert!(!world.methods(socket).contains(&"ai_conversation"));
    world.close(socket);
    let params = json!({"target_version_id": "v2", "sessid": sessid});
    let (socket, reply) = login(&mut world, params);
    assert_eq!(reply["result"]["sessid"], sessid);
    world.expect(socket, "telnyx_rtc.attach");
    assert!(!world.methods(socket).contains(&"ai_conversation"));
}

#[test]
fn a_conversation_is_resumed_by_its_name_and_only_by_its_own_assistant() {
    let mut world = World::new();
    let socket = in_call(&mut world, json!({}));
    say(&mut world, socket, "blue");
    let told = say(&mut world, socket, "conversation");
    let name = told.strip_prefix("This is conversation ").unwrap();
    // In both places in which clients put it.
    for params in [
        json!({"target_params": {"conversation_id": name}}),
        json!({"conversation_id": name}),
    ] {
        let socket = in_call(&mut world, params);
        let told = say(&mut world, socket, "remember");
        assert!(told.starts_with("Before, you said: blue"), "{told}");
    }
    for params in [
        json!({"conversation_id": "unknown"}),
        json!({"conversation_id": 7}),
        json!({"conversation_id": name, "target_id": "a-2"}),
    ] {
        let (_, reply) = login(&mut world, params);
        assert_eq!(reply["error"]["code"], 10007, "{reply}");
    }
    for params in [json!({"target_id": ""}), json!({"target_type": "queue"})] {
        let (_, reply) = login(&mut world, params);
        assert_eq!(reply["error"]["code"], -32001, "{reply}");
    }
}

#[test]
fn a_conversation_may_also_be_refused_in_the_call() {
    let mut world = World::with_assistant(AssistantSettings {
        refuses_at: RefusesAt::Call,
        ..AssistantSettings::default()
    });
    let (socket, reply) = login(&mut world, json!({"conversation_id": "unknown"}));
    assert_eq!(reply["result"]["message"], "logged in");
    world.expect(socket, "ai_conversation");
    world.call(Kind::Telnyx, socket, "c-1", "9196");
    let event = world.expect(socket, "ai_conversation");
    assert_eq!(event["params"]["error"]["code"], 10007);
    world.expect(socket, "telnyx_rtc.bye");
}

#[test]
fn what_is_denied_is_selected() {
    for (denies, denied) in [
        (vec![Denied::Hold, Denied::Transfer], ["hold", "transfer"]),
        (vec![Denied::Dtmf, Denied::Media], ["dtmf", "updateMedia"]),
        (vec![Denied::Nothing], ["", ""]),
    ] {
        let mut world = World::with_assistant(AssistantSettings {
            denies,
            ..AssistantSettings::default()
        });
        let socket = in_call(&mut world, json!({}));
        let user = world.ready(Kind::Telnyx, "demo-1");
        world.call(Kind::Telnyx, user, "c-1", "9196");
        for action in ["hold", "transfer", "dtmf", "updateMedia"] {
            let dialog = json!({"callID": "c-1"});
            let (method, params) = match action {
                "dtmf" => (
                    "telnyx_rtc.info",
                    json!({"dtmf": "1", "dialogParams": dialog}),
                ),
                action => (
                    "telnyx_rtc.modify",
                    json!({"action": action, "sdp": "v=0", "destination": "1", "dialogParams": dialog}),
                ),
            };
            let reply = world.ask(socket, method, params.clone());
            let refused = reply["error"]["message"] == "Permission Denied";
            assert_eq!(refused, denied.contains(&action), "{action}: {reply}");
            let reply = world.ask(user, method, params);
            assert_ne!(reply["error"]["message"], "Permission Denied", "{reply}");
        }
    }
}

#[test]
fn tools_answer_by_notification_and_texts_need_a_call() {
    let mut world = World::new();
    let (socket, _) = login(&mut world, json!({}));
    let item = json!({"id": "u-1", "type": "message", "content": [{"type": "input_text", "text": "tool door {}"}]});
    let reply = world.ask(socket, "ai_conversation", create(item.clone()));
    assert_eq!(reply["error"]["message"], "CALL DOES NOT EXIST");
    world.call(Kind::Telnyx, socket, "c-1", "");
    world.ask(socket, "ai_conversation", create(item));
    let call_id = loop {
        let event = world.expect(socket, "ai_conversation");
        if event["params"]["item"]["type"] == "function_call" {
            break event["params"]["item"]["call_id"].clone();
        }
    };
    let output = json!({"type": "function_call_output", "call_id": call_id, "output": "open"});
    let frame = json!({"jsonrpc": "2.0", "method": "ai_conversation", "params": create(output)});
    world.text(socket, &frame.to_string());
    assert_eq!(heard(&mut world, socket), "door says: open");
    let reply = world.ask(socket, "ai_conversation", json!({"type": "nonsense"}));
    assert_eq!(reply["error"]["code"], -32600);
    // Whoever has an identity has no assistant.
    let user = world.ready(Kind::Telnyx, "demo-1");
    let reply = world.ask(user, "ai_conversation", json!({}));
    assert_eq!(reply["error"]["code"], -32601);
}

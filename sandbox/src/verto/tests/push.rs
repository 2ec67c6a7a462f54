//! Calls to clients that are away and can be woken.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{Kind, World};
use crate::verto::socket::SocketId;

/// A client that names a device at its login.
fn phone(world: &mut World, user: &str) -> SocketId {
    let socket = world.open();
    let mut login = Kind::Telnyx.login(user, "sandbox");
    login["userVariables"] = json!({"push_device_token": "d-1"});
    world.ask(socket, "login", login);
    world.expect(socket, "telnyx_rtc.clientReady");
    socket
}

fn attach_calls(world: &mut World, socket: SocketId) -> Value {
    let params = json!({"userVariables": {}, "loginParams": {}});
    world.ask(socket, "telnyx_rtc.attachCalls", params)
}

#[test]
fn a_call_to_a_client_that_is_away_waits_until_it_asks_for_it() {
    let mut world = World::new();
    let asleep = phone(&mut world, "demo-1");
    world.close(asleep);
    let caller = world.ready(Kind::FreeSwitch, "demo-2");
    world.call(Kind::FreeSwitch, caller, "c-1", "demo-1");
    let awake = world.ready(Kind::Telnyx, "demo-1");
    world.pass(Duration::from_secs(5));
    assert!(world.methods(awake).is_empty(), "it has not asked yet");
    let reply = attach_calls(&mut world, awake);
    assert!(reply.get("result").is_some(), "{reply}");
    let invite = world.expect(awake, "telnyx_rtc.invite");
    let name = invite["params"]["callID"].as_str().unwrap().to_owned();
    let answer = json!({"sdp": super::world::OFFER, "dialogParams": {"callID": name}});
    world.ask(awake, "telnyx_rtc.answer", answer);
    world.expect(caller, "verto.answer");
    // It was offered once, and is no longer given up because nobody answers.
    let reply = attach_calls(&mut world, awake);
    assert_eq!(reply["error"]["message"], "CALL DOES NOT EXIST");
    world.pass(Duration::from_secs(120));
    assert!(!world.methods(caller).contains(&"verto.bye"));
}

#[test]
fn a_caller_that_gives_up_or_waits_too_long_leaves_nothing_to_ask_for() {
    let mut world = World::new();
    let asleep = phone(&mut world, "demo-1");
    world.close(asleep);
    let caller = world.ready(Kind::Telnyx, "demo-2");
    world.call(Kind::Telnyx, caller, "c-1", "demo-1");
    world.ask(
        caller,
        "telnyx_rtc.bye",
        json!({"dialogParams": {"callID": "c-1"}}),
    );
    let awake = world.ready(Kind::Telnyx, "demo-1");
    let reply = attach_calls(&mut world, awake);
    assert_eq!(reply["error"]["code"], -32002);
    world.close(awake);

    world.call(Kind::Telnyx, caller, "c-2", "demo-1");
    world.pass(Duration::from_secs(30));
    world.ask(caller, "telnyx_rtc.ping", json!({}));
    let bye = world.expect(caller, "telnyx_rtc.bye");
    assert_eq!(bye["params"]["cause"], "NO_ANSWER");
}

#[test]
fn without_a_device_or_after_its_end_nobody_is_woken() {
    let mut world = World::new();
    let caller = world.ready(Kind::Telnyx, "demo-2");
    let refused = |world: &mut World, name: &str| {
        world.call(Kind::Telnyx, caller, name, "demo-1");
        let bye = world.expect(caller, "telnyx_rtc.bye");
        bye["params"]["cause"].as_str().unwrap().to_owned()
    };
    assert_eq!(refused(&mut world, "c-1"), "USER_NOT_REGISTERED");
    let phone = phone(&mut world, "demo-1");
    let bare = json!({"user": "demo-1", "User-Agent": {}});
    let reply = world.ask(phone, "telnyx_rtc.disable_push_notification", bare);
    assert!(reply.get("error").is_some(), "{reply}");
    let named = json!({"user": "demo-1", "User-Agent": {"push_device_token": "d-1"}});
    let reply = world.ask(phone, "telnyx_rtc.disable_push_notification", named);
    assert!(reply["result"]["message"].is_string(), "{reply}");
    world.close(phone);
    assert_eq!(refused(&mut world, "c-2"), "USER_NOT_REGISTERED");
}

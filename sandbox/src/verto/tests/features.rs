//! What a FreeSWITCH has beside calls, as its clients see it on the wire.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{Kind, World};
use crate::verto::socket::SocketId;

fn modify(world: &mut World, socket: SocketId, call: &str, action: &str, more: Value) -> Value {
    let mut params = json!({"action": action, "dialogParams": {"callID": call}});
    if let (Some(params), Some(more)) = (params.as_object_mut(), more.as_object()) {
        params.extend(more.clone());
    }
    world.ask(socket, "verto.modify", params)
}

/// A client calls a user, whose client answers; yields the name that the called one has for it.
fn bridge(world: &mut World, one: SocketId, name: &str, other: SocketId, user: &str) -> String {
    world.call(Kind::FreeSwitch, one, name, user);
    let invite = world.expect(other, "verto.invite");
    let theirs = invite["params"]["callID"].as_str().unwrap().to_owned();
    let params = json!({"sdp": "answer", "dialogParams": {"callID": theirs}});
    world.send(other, "verto.answer", params);
    world.expect(one, "verto.answer");
    theirs
}

#[test]
fn a_transfer_says_what_is_missing_and_who_is_not_there() {
    let mut world = World::new();
    let one = world.ready(Kind::FreeSwitch, "demo-1");
    let other = world.ready(Kind::FreeSwitch, "demo-2");
    world.call(Kind::FreeSwitch, one, "echo", "9196");
    world.expect(one, "verto.answer");
    let theirs = bridge(&mut world, one, "call", other, "demo-2");
    for (call, action, more, text) in [
        (
            "echo",
            "transfer",
            json!({"destination": "9197"}),
            "call is not bridged",
        ),
        ("call", "transfer", json!({}), "destination missing"),
        ("call", "replace", json!({}), "replaceCallID missing"),
        (
            "call",
            "replace",
            json!({"replaceCallID": "echo"}),
            "invalid transfer leg",
        ),
        (
            "call",
            "replace",
            json!({"replaceCallID": "nobody"}),
            "invalid transfer leg",
        ),
        (
            "call",
            "replace",
            json!({"replaceCallID": "call"}),
            "invalid transfer leg",
        ),
    ] {
        let reply = modify(&mut world, one, call, action, more);
        assert_eq!(reply["error"]["message"], text, "{reply}");
        assert_eq!(reply["error"]["callID"], call);
    }
    let reply = modify(
        &mut world,
        one,
        "call",
        "transfer",
        json!({"destination": "9197"}),
    );
    assert_eq!(reply["result"]["message"], "CALL TRANSFERRED");
    assert_eq!(reply["result"].get("holdState"), None);
    assert_eq!(world.expect(one, "verto.bye")["params"]["callID"], "call");
    let display = world.expect(other, "verto.display");
    assert_eq!(display["params"]["display_number"], "9197");
    assert_eq!(display["params"]["callID"], theirs.as_str());
}

#[test]
fn whoever_was_transferred_and_hangs_up_stops_the_ringing() {
    let mut world = World::new();
    let one = world.ready(Kind::FreeSwitch, "demo-1");
    let other = world.ready(Kind::FreeSwitch, "demo-2");
    let third = world.ready(Kind::FreeSwitch, "demo-3");
    let theirs = bridge(&mut world, one, "call", other, "demo-2");
    modify(
        &mut world,
        one,
        "call",
        "transfer",
        json!({"destination": "demo-3"}),
    );
    world.expect(third, "verto.invite");
    world.ask(
        other,
        "verto.bye",
        json!({"dialogParams": {"callID": theirs}}),
    );
    world.expect(third, "verto.bye");
    // Nobody answers: whoever was transferred is not left alone for ever.
    let theirs = bridge(&mut world, one, "again", other, "demo-2");
    modify(
        &mut world,
        one,
        "again",
        "transfer",
        json!({"destination": "demo-3"}),
    );
    world.pass(Duration::from_secs(70));
    let mut byes = Vec::new();
    while let Some(bye) = world.within(other, "verto.bye", Duration::ZERO) {
        byes.push(bye["params"].clone());
    }
    assert!(
        byes.iter()
            .any(|bye| bye["callID"] == theirs.as_str() && bye["cause"] == "NO_ANSWER"),
        "{byes:?}"
    );
}

#[test]
fn what_nobody_may_listen_to_stands_in_an_error_of_lists() {
    let mut world = World::new();
    let socket = world.ready(Kind::FreeSwitch, "demo-1");
    let channels = json!({"eventChannel": ["secret", "demo", "demo"]});
    let reply = world.ask(socket, "verto.subscribe", channels);
    assert_eq!(reply["result"]["subscribedChannels"], json!(["demo"]));
    assert_eq!(
        reply["result"]["alreadySubscribedChannels"],
        json!(["demo"])
    );
    assert_eq!(reply["result"]["unauthorizedChannels"], json!(["secret"]));
    let reply = world.ask(socket, "verto.subscribe", json!({"eventChannel": "secret"}));
    assert_eq!(reply["error"], json!({"unauthorizedChannels": ["secret"]}));
    let reply = world.ask(socket, "verto.unsubscribe", json!({"eventChannel": "x"}));
    assert_eq!(reply["error"], json!({"notSubscribedChannels": ["x"]}));
}

#[test]
fn changes_of_a_conference_are_counted_and_one_can_be_lost() {
    let mut world = World::new();
    let host = world.ready(Kind::FreeSwitch, "demo-1");
    world.call(Kind::FreeSwitch, host, "host", "3001");
    let told = world.expect(host, "verto.event")["params"].clone();
    assert_eq!(told["eventType"], "channelPvtData");
    assert_eq!(told["pvtData"]["role"], "moderator");
    let rows = told["pvtData"]["laChannel"].clone();
    world.ask(
        host,
        "verto.subscribe",
        json!({"eventChannel": [rows, told["pvtData"]["modChannel"]]}),
    );
    let mut serials = Vec::new();
    for (user, call) in [("demo-2", "two"), ("demo-3", "three")] {
        let guest = world.ready(Kind::FreeSwitch, user);
        world.call(Kind::FreeSwitch, guest, call, "3001");
        let event = world.expect(host, "verto.event")["params"].clone();
        assert_eq!(event["data"]["action"], "add");
        assert_eq!(event["data"]["hashKey"], call);
        serials.push((
            event["eventSerno"].clone(),
            event["data"]["wireSerno"].clone(),
        ));
    }
    assert_eq!(serials, [(json!(0), json!(1)), (json!(1), json!(2))]);
    // A member who is no moderator does not learn of the channel of moderators.
    let guest = world.ready(Kind::FreeSwitch, "demo-4");
    world.call(Kind::FreeSwitch, guest, "four", "3001");
    let told = world.expect(guest, "verto.event")["params"].clone();
    assert_eq!(told["pvtData"].get("modChannel"), None);
}

#[test]
fn telnyx_clients_have_none_of_it() {
    let mut world = World::new();
    let one = world.ready(Kind::Telnyx, "demo-1");
    let reply = world.ask(one, "jsapi", json!({"command": "status", "data": {}}));
    assert!(reply.get("error").is_some(), "{reply}");
    world.call(Kind::Telnyx, one, "room", "3001");
    world.expect(one, "telnyx_rtc.answer");
    assert!(!world.methods(one).contains(&"telnyx_rtc.event"));
}

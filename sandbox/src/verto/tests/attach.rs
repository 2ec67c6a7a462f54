//! Lost sockets and how calls come back.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{BOTH, Kind, World};
use crate::fault::order::Order;
use crate::limits::Limits;
use crate::switch::media::Sound;
use crate::verto::gateway::Input;
use crate::verto::socket::SocketId;

/// A session with an answered echo call; its name on the wire.
fn in_call(world: &mut World, kind: Kind) -> (SocketId, String) {
    let socket = world.open();
    let reply = world.ask(socket, "login", kind.login("demo-1", "sandbox"));
    let sessid = reply["result"]["sessid"].as_str().unwrap().to_owned();
    world.expect(socket, &kind.method("clientReady"));
    world.call(kind, socket, "c-1", "9196");
    world.expect(socket, &kind.method("answer"));
    (socket, sessid)
}

fn come_back(world: &mut World, kind: Kind, sessid: &str) -> (SocketId, Value) {
    let socket = world.open();
    let mut params = kind.login("demo-1", "sandbox");
    params["sessid"] = json!(sessid);
    let reply = world.ask(socket, "login", params);
    (socket, reply)
}

#[test]
fn the_far_end_is_told_when_nobody_comes_back_in_the_time_that_was_set() {
    for kind in BOTH {
        let limits = Limits {
            detached_for: Some(Duration::from_secs(2)),
            ..Limits::default()
        };
        let mut world = World::with_limits(limits);
        let caller = world.ready(kind, "demo-1");
        let callee = world.ready(kind, "demo-2");
        world.call(kind, caller, "c-1", "demo-2");
        let invite = world.expect(callee, &kind.method("invite"));
        let answer = json!({"sdp": "v=0", "dialogParams": {"callID": invite["params"]["callID"]}});
        world.ask(callee, &kind.method("answer"), answer);
        world.expect(caller, &kind.method("answer"));
        world.close(caller);
        let bye = kind.method("bye");
        let soon = world.within(callee, &bye, Duration::from_millis(1900));
        assert!(soon.is_none(), "{soon:?}");
        let bye = world.within(callee, &bye, Duration::from_millis(200));
        assert!(bye.is_some(), "told in time");
    }
}

#[test]
fn a_call_survives_its_socket_and_is_offered_again() {
    for kind in BOTH {
        let mut world = World::new();
        let (socket, sessid) = in_call(&mut world, kind);
        world.close(socket);
        assert!(world.playing.is_empty(), "the media stops at once");
        world.pass(Duration::from_secs(30));

        let (socket, reply) = come_back(&mut world, kind, &sessid);
        assert_eq!(reply["result"]["sessid"], sessid.as_str());
        let ready = world.expect(socket, &kind.method("clientReady"));
        assert_eq!(ready["params"]["reattached_sessions"], json!(["c-1"]));
        let attach = world.expect(socket, &kind.method("attach"));
        assert_eq!(attach["params"]["callID"], "c-1");
        assert_eq!(attach["params"]["sdp"], "offer");
        // The remote party of a call that the client made.
        assert_eq!(attach["params"]["display_direction"], "inbound");
        assert_eq!(attach["params"]["callee_id_number"], "9196");

        let params = json!({"sdp": "v=0", "dialogParams": {"callID": "c-1"}});
        let reply = world.ask(socket, &kind.method("attach"), params);
        assert!(reply.get("result").is_some(), "{reply}");
        let echo = Sound::Echo {
            delay: Duration::ZERO,
        };
        assert_eq!(world.playing.values().collect::<Vec<_>>(), [&echo]);
        // It is a call like before: it no longer ends by itself.
        assert!(
            world
                .within(socket, &kind.method("bye"), Duration::from_secs(30))
                .is_none()
        );
    }
}

#[test]
fn freeswitch_offers_the_calls_before_it_says_ready() {
    let mut world = World::new();
    let (socket, sessid) = in_call(&mut world, Kind::FreeSwitch);
    world.close(socket);
    let (socket, _) = come_back(&mut world, Kind::FreeSwitch, &sessid);
    world.pass(Duration::from_millis(50));
    assert_eq!(world.methods(socket), ["verto.attach", "verto.clientReady"]);
}

#[test]
fn a_call_whose_client_stays_away_ends_after_the_servers_patience() {
    for (kind, patience) in [(Kind::Telnyx, 90), (Kind::FreeSwitch, 120)] {
        let mut world = World::new();
        let (socket, sessid) = in_call(&mut world, kind);
        world.close(socket);
        world.pass(Duration::from_secs(patience + 1));
        let (socket, reply) = come_back(&mut world, kind, &sessid);
        assert_eq!(reply["result"]["message"], "logged in");
        let ready = world.expect(socket, &kind.method("clientReady"));
        assert_eq!(ready["params"]["reattached_sessions"], json!([]));
    }
}

#[test]
fn a_second_socket_with_the_same_name_takes_over_and_the_first_is_punted() {
    let kind = Kind::FreeSwitch;
    let mut world = World::new();
    let (first, sessid) = in_call(&mut world, kind);
    let (second, _) = come_back(&mut world, kind, &sessid);
    assert_eq!(world.methods(first), ["verto.punt"]);
    assert_eq!(world.client(first).closed, Some(1000));
    world.expect(second, "verto.attach");
    world.expect(second, "verto.clientReady");

    // Somebody else's name is refused and the newcomer closed.
    let stranger = world.open();
    let mut params = kind.login("demo-2", "sandbox");
    params["sessid"] = json!(sessid);
    let reply = world.ask(stranger, "login", params);
    assert_eq!(reply["error"]["message"], "Session in use");
    assert!(world.client(stranger).closed.is_some());
    assert_eq!(world.client(second).closed, None);
}

#[test]
fn a_freeswitch_call_that_is_not_connected_yet_ends_with_its_socket() {
    let mut world = World::new();
    world.connects = false;
    let (socket, sessid) = in_call(&mut world, Kind::FreeSwitch);
    world.close(socket);
    let (socket, _) = come_back(&mut world, Kind::FreeSwitch, &sessid);
    let ready = world.expect(socket, "verto.clientReady");
    assert_eq!(ready["params"]["reattached_sessions"], json!([]));
}

#[test]
fn a_bridged_partner_waits_in_silence_and_is_joined_again() {
    for kind in BOTH {
        let mut world = World::new();
        let one = world.open();
        let reply = world.ask(one, "login", kind.login("demo-1", "sandbox"));
        let sessid = reply["result"]["sessid"].as_str().unwrap().to_owned();
        world.expect(one, &kind.method("clientReady"));
        let two = world.ready(kind, "demo-2");
        world.call(kind, one, "c-1", "demo-2");
        let call = world.expect(two, &kind.method("invite"))["params"]["callID"].clone();
        let params = json!({"sdp": "v=0", "dialogParams": {"callID": call}});
        world.ask(two, &kind.method("answer"), params);
        world.expect(one, &kind.method("answer"));

        world.close(one);
        assert_eq!(
            world.playing.values().collect::<Vec<_>>(),
            [&Sound::Nothing]
        );
        let (one, _) = come_back(&mut world, kind, &sessid);
        world.expect(one, &kind.method("attach"));
        let params = json!({"sdp": "v=0", "dialogParams": {"callID": "c-1"}});
        world.ask(one, &kind.method("attach"), params);
        assert_eq!(world.playing.len(), 2);
        assert!(
            world
                .playing
                .values()
                .all(|sound| matches!(sound, Sound::Bridge(_)))
        );

        // While one is away, the other may hang up; then nothing comes back.
        world.close(one);
        let params = json!({"dialogParams": {"callID": call}});
        world.ask(two, &kind.method("bye"), params);
        let (one, _) = come_back(&mut world, kind, &sessid);
        let ready = world.expect(one, &kind.method("clientReady"));
        assert_eq!(ready["params"]["reattached_sessions"], json!([]));
    }
}

#[test]
fn a_refused_answer_to_an_attach_costs_the_call() {
    for kind in BOTH {
        let mut world = World::new();
        let (socket, sessid) = in_call(&mut world, kind);
        world.close(socket);
        let (socket, _) = come_back(&mut world, kind, &sessid);
        world.expect(socket, &kind.method("attach"));
        world.refuse_next = true;
        let params = json!({"sdp": "v=0", "dialogParams": {"callID": "c-1"}});
        let reply = world.ask(socket, &kind.method("attach"), params);
        assert_eq!(reply["error"]["message"], "CODEC ERROR");
        let bye = world.expect(socket, &kind.method("bye"));
        assert_eq!(bye["params"]["causeCode"], 58);
    }
}

#[test]
fn a_call_that_rings_is_kept_on_request_and_offered_to_who_comes_back() {
    for kind in BOTH {
        let mut world = World::with_faults(&["unanswered=keep"]);
        let one = world.ready(kind, "demo-1");
        let two = world.open();
        let reply = world.ask(two, "login", kind.login("demo-2", "sandbox"));
        let sessid = reply["result"]["sessid"].as_str().unwrap().to_owned();
        world.call(kind, one, "c-1", "demo-2");
        let call = world.expect(two, &kind.method("invite"))["params"]["callID"].clone();
        world.close(two);
        assert!(
            world
                .within(one, &kind.method("bye"), Duration::from_secs(20))
                .is_none()
        );

        let two = world.open();
        let mut params = kind.login("demo-2", "sandbox");
        params["sessid"] = json!(sessid);
        world.ask(two, "login", params);
        let attach = world.expect(two, &kind.method("attach"));
        assert_eq!(attach["params"]["callID"], call);
        assert_eq!(attach["params"]["display_direction"], "outbound");
        // It still rings: nobody is told of an answer before there is one.
        assert!(
            world
                .within(one, &kind.method("answer"), Duration::from_secs(5))
                .is_none()
        );
        let params = json!({"sdp": "v=0", "dialogParams": {"callID": call}});
        let reply = world.ask(two, &kind.method("attach"), params);
        assert!(reply.get("result").is_some(), "{reply}");
        world.expect(one, &kind.method("answer"));
        let bridged = |sound: &Sound| matches!(sound, Sound::Bridge(_));
        assert!(world.playing.len() == 2 && world.playing.values().all(bridged));
    }
}

#[test]
fn a_caller_that_went_away_while_it_rang_hears_the_answer_once_it_has_media() {
    for (kind, answered_meanwhile) in [
        (Kind::Telnyx, false),
        (Kind::Telnyx, true),
        (Kind::FreeSwitch, false),
        (Kind::FreeSwitch, true),
    ] {
        let mut world = World::with_faults(&["unanswered=keep"]);
        let one = world.open();
        let reply = world.ask(one, "login", kind.login("demo-1", "sandbox"));
        let sessid = reply["result"]["sessid"].as_str().unwrap().to_owned();
        let two = world.ready(kind, "demo-2");
        world.call(kind, one, "c-1", "demo-2");
        let call = world.expect(two, &kind.method("invite"))["params"]["callID"].clone();
        let answer = json!({"sdp": "v=0", "dialogParams": {"callID": call}});
        world.close(one);
        if answered_meanwhile {
            world.ask(two, &kind.method("answer"), answer.clone());
        }
        let (one, _) = come_back(&mut world, kind, &sessid);
        let attach = world.expect(one, &kind.method("attach"));
        assert_eq!(attach["params"]["callID"], "c-1");
        assert!(
            world
                .within(one, &kind.method("answer"), Duration::from_secs(1))
                .is_none()
        );
        let params = json!({"sdp": "v=0", "dialogParams": {"callID": "c-1"}});
        world.ask(one, &kind.method("attach"), params);
        if !answered_meanwhile {
            world.pass(Duration::from_secs(1));
            world.ask(two, &kind.method("answer"), answer);
        }
        let answer = world.expect(one, &kind.method("answer"));
        assert!(answer["params"].get("sdp").is_none(), "it has media");
        let bridged = |sound: &Sound| matches!(sound, Sound::Bridge(_));
        assert!(world.playing.len() == 2 && world.playing.values().all(bridged));
    }
}

#[test]
fn an_operator_may_offer_new_media_to_a_client_that_lost_nothing() {
    for kind in BOTH {
        let mut world = World::new();
        let (socket, _) = in_call(&mut world, kind);
        let before: Vec<_> = world.playing.keys().copied().collect();
        let order = Order::read("attach", Some("demo-1".to_owned())).unwrap();
        world.input(Input::Order(order));
        let attach = world.expect(socket, &kind.method("attach"));
        assert_eq!(attach["params"]["callID"], "c-1");
        let params = json!({"sdp": "v=0", "dialogParams": {"callID": "c-1"}});
        let reply = world.ask(socket, &kind.method("attach"), params);
        assert!(reply.get("result").is_some(), "{reply}");
        let after: Vec<_> = world.playing.keys().copied().collect();
        assert!(after.len() == 1 && after != before, "another session");
        let bye = world.within(socket, &kind.method("bye"), Duration::from_secs(200));
        assert!(bye.is_none(), "{bye:?}");
    }
}

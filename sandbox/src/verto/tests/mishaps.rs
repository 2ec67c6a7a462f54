//! What goes wrong because the operator wants it, each thing once.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{BOTH, Kind, World};
use crate::fault::gateway::STATES;
use crate::fault::order::Order;
use crate::limits::Limits;
use crate::switch::media::Sound;
use crate::verto::gateway::Input;
use crate::verto::second_login::SecondLogin;
use crate::verto::socket::SocketId;

fn order(world: &mut World, fault: &str, user: Option<&str>) {
    let order = Order::read(fault, user.map(str::to_owned)).unwrap();
    world.input(Input::Order(order));
}

fn log_in(world: &mut World, kind: Kind, user: &str, sessid: Option<&str>) -> (SocketId, Value) {
    let socket = world.open();
    let mut params = kind.login(user, "sandbox");
    if let Some(sessid) = sessid {
        params["sessid"] = json!(sessid);
    }
    let id = world.send(socket, "login", params);
    let reply = world.reply_to(socket, &id).unwrap_or_default();
    (socket, reply)
}

/// A session with answered calls of these names.
fn with_calls(world: &mut World, kind: Kind, calls: &[&str]) -> (SocketId, String) {
    let (socket, reply) = log_in(world, kind, "demo-1", None);
    world.expect(socket, &kind.method("clientReady"));
    for call in calls {
        world.call(kind, socket, call, "9196");
        world.expect(socket, &kind.method("answer"));
    }
    let sessid = reply["result"]["sessid"].as_str().unwrap();
    (socket, sessid.to_owned())
}

/// The calls that the gateway says it has kept, and those that it offers within ten seconds, in their order.
fn come_back(world: &mut World, kind: Kind, sessid: &str) -> (Value, Vec<String>) {
    let (socket, _) = log_in(world, kind, "demo-1", Some(sessid));
    let ready = world.expect(socket, &kind.method("clientReady"));
    let mut offered = Vec::new();
    let attach = kind.method("attach");
    while let Some(frame) = world.within(socket, &attach, Duration::from_secs(10)) {
        offered.push(frame["params"]["callID"].as_str().unwrap().to_owned());
    }
    (ready["params"]["reattached_sessions"].clone(), offered)
}

#[test]
fn a_socket_is_cut_by_the_clock_once_and_for_one_user() {
    for kind in BOTH {
        let mut world = World::with_faults(&["drop-after=2:1@demo-1"]);
        let other = world.ready(kind, "demo-2");
        let socket = world.ready(kind, "demo-1");
        world.pass(Duration::from_millis(1900));
        assert_eq!(world.client(socket).cut, None);
        world.pass(Duration::from_secs(1));
        assert_eq!(world.client(socket).cut, Some(false));
        assert_eq!(world.client(socket).closed, None, "no goodbye");
        let again = world.ready(kind, "demo-1");
        world.pass(Duration::from_secs(5));
        assert_eq!(world.client(again).cut, None);
        assert_eq!(world.client(other).cut, None);
    }
}

#[test]
fn a_socket_is_cut_behind_or_inside_a_message() {
    for (fault, read, inside) in [
        ("drop-after-messages=1", 1, false),
        ("cut-frame=2", 1, true),
    ] {
        for kind in BOTH {
            let mut world = World::with_faults(&[fault]);
            let (socket, reply) = log_in(&mut world, kind, "demo-1", None);
            world.pass(Duration::from_secs(1));
            let replies = usize::from(!reply.is_null());
            assert_eq!(world.unread(socket) + replies, read, "{fault}");
            assert_eq!(world.client(socket).cut, Some(inside), "{fault}");
        }
    }
}

#[test]
fn a_silent_socket_is_read_and_a_deaf_one_is_not() {
    let mut world = World::with_faults(&["silent-after=1@demo-1", "deaf-after=1@demo-2"]);
    let silent = world.ready(Kind::Telnyx, "demo-1");
    let deaf = world.ready(Kind::Telnyx, "demo-2");
    world.pass(Duration::from_secs(2));
    let id = world.send(silent, "telnyx_rtc.ping", json!({}));
    assert_eq!(world.reply_to(silent, &id), None);
    assert!(!world.client(silent).unheard);
    assert!(world.client(deaf).unheard);
    world.pass(Duration::from_secs(30));
    assert_eq!(world.unread(silent), 0);
    assert_eq!(world.methods(deaf), ["telnyx_rtc.ping"], "it still writes");
}

#[test]
fn messages_stall_behind_each_other() {
    let mut world = World::with_faults(&["stall=300"]);
    let (socket, reply) = log_in(&mut world, Kind::Telnyx, "demo-1", None);
    assert!(reply.is_null(), "{reply}");
    world.pass(Duration::from_millis(300));
    assert_eq!(world.unread(socket), 1);
    assert_eq!(world.methods(socket), Vec::<&str>::new());
    world.pass(Duration::from_millis(300));
    assert_eq!(world.methods(socket), ["telnyx_rtc.clientReady"]);
    order(&mut world, "punt", None);
    world.pass(Duration::from_millis(500));
    assert_eq!(world.client(socket).closed, None);
    world.pass(Duration::from_millis(100));
    assert_eq!(world.client(socket).closed, Some(1000));
}

#[test]
fn a_good_login_is_refused_with_any_code_so_often() {
    for kind in BOTH {
        for code in [-32000, -32001, -32002, -32603] {
            let mut world = World::with_faults(&[&format!("refuse-login={code}:2@demo-1")]);
            world.ready(kind, "demo-2");
            for expected in [Some(code), Some(code), None] {
                let (_, reply) = log_in(&mut world, kind, "demo-1", None);
                assert_eq!(reply["error"]["code"].as_i64(), expected, "{reply}");
            }
        }
    }
}

#[test]
fn calls_are_offered_late_or_never_or_forgotten() {
    let both = json!(["c-1", "c-2"]);
    for kind in BOTH {
        for (fault, kept, offered) in [
            ("attach-late=3000", &both, vec!["c-1", "c-2"]),
            ("attach-late=never", &both, vec![]),
            ("list-calls=none", &json!([]), vec!["c-1", "c-2"]),
            ("forget-calls=all", &json!([]), vec![]),
            ("forget-calls=one", &json!(["c-2"]), vec!["c-2"]),
        ] {
            let mut world = World::with_faults(&[fault]);
            let (socket, sessid) = with_calls(&mut world, kind, &["c-1", "c-2"]);
            world.close(socket);
            let begun = world.now;
            let seen = come_back(&mut world, kind, &sessid);
            assert_eq!(
                seen,
                (
                    kept.clone(),
                    offered.iter().map(|&call| call.to_owned()).collect()
                ),
                "{fault}"
            );
            let waited = world.now - begun;
            let late = Duration::from_secs(if fault == "attach-late=3000" { 13 } else { 10 });
            assert!(
                waited >= late && waited < late + Duration::from_secs(1),
                "{fault}: {waited:?}"
            );
        }
    }
}

#[test]
fn a_late_offer_is_not_made_to_a_later_socket() {
    let mut world = World::with_faults(&["attach-late=5000:1"]);
    let (socket, sessid) = with_calls(&mut world, Kind::Telnyx, &["c-1"]);
    world.close(socket);
    let (socket, _) = log_in(&mut world, Kind::Telnyx, "demo-1", Some(&sessid));
    world.close(socket);
    let (kept, offered) = come_back(&mut world, Kind::Telnyx, &sessid);
    assert_eq!((kept, offered), (json!(["c-1"]), vec!["c-1".to_owned()]));
}

#[test]
fn every_gateway_state_is_told_asked_and_unasked() {
    for state in STATES {
        let mut world = World::with_faults(&[&format!("gateway-state={state}:1")]);
        let socket = world.ready(Kind::Telnyx, "demo-1");
        for expected in [state, "REGED"] {
            let reply = world.ask(socket, "telnyx_rtc.gatewayState", json!({}));
            assert_eq!(reply["result"]["params"]["state"], expected);
        }
        let (state, user) = (state.parse().unwrap(), Some("demo-1".to_owned()));
        world.input(Input::Order(Order::Tell { state, user }));
        let told = world.within(socket, "telnyx_rtc.gatewayState", Duration::ZERO);
        assert_eq!(told.unwrap()["params"]["state"], state.name());
    }
}

#[test]
fn an_order_comes_at_once_and_a_wish_counts_from_then_on() {
    for kind in BOTH {
        let mut world = World::new();
        let one = world.ready(kind, "demo-1");
        let two = world.ready(kind, "demo-2");
        order(&mut world, "punt", Some("demo-1"));
        assert_eq!(world.methods(one), [kind.method("punt")]);
        assert_eq!(world.client(one).closed, Some(1000));
        order(&mut world, "cut-frame", None);
        assert_eq!(world.client(two).cut, Some(true));
        order(&mut world, "refuse-login=-32001", Some("demo-1"));
        let (_, reply) = log_in(&mut world, kind, "demo-1", None);
        assert_eq!(reply["error"]["code"], -32001);
        order(&mut world, "refuse-login=-32001", Some("demo-2"));
        order(&mut world, "none", Some("demo-1"));
        world.ready(kind, "demo-1");
        let (_, reply) = log_in(&mut world, kind, "demo-2", None);
        assert_eq!(reply["error"]["code"], -32001);
        order(&mut world, "none", None);
        world.ready(kind, "demo-2");
    }
}

#[test]
fn a_second_login_does_to_the_first_what_was_chosen() {
    let with = |choice| World::with(Limits::default(), Default::default(), choice);
    for kind in BOTH {
        let mut world = with(SecondLogin::Punt);
        let first = world.ready(kind, "demo-1");
        let stranger = world.ready(kind, "demo-2");
        let second = world.ready(kind, "demo-1");
        assert_eq!(world.methods(first), [kind.method("punt")]);
        assert!(world.client(first).closed.is_some());
        assert!(world.client(second).closed.is_none() && world.client(stranger).closed.is_none());

        let mut world = with(SecondLogin::Silent);
        let first = world.ready(kind, "demo-1");
        let second = world.ready(kind, "demo-1");
        let caller = world.ready(kind, "demo-2");
        world.call(kind, caller, "c-1", "demo-1");
        world.expect(second, &kind.method("invite"));
        assert_eq!(world.methods(first), Vec::<&str>::new());
    }
    let mut world = with(SecondLogin::Unreged);
    let first = world.ready(Kind::Telnyx, "demo-1");
    let second = world.ready(Kind::Telnyx, "demo-1");
    let told = world.expect(first, "telnyx_rtc.gatewayState");
    assert_eq!(told["params"]["state"], "UNREGED");
    for (socket, state) in [(first, "UNREGED"), (second, "REGED")] {
        let reply = world.ask(socket, "telnyx_rtc.gatewayState", json!({}));
        assert_eq!(reply["result"]["params"]["state"], state);
    }
}

#[test]
fn a_call_that_comes_back_stays_silent_until_its_remedy() {
    let echo = Sound::Echo {
        delay: Duration::ZERO,
    };
    for kind in BOTH {
        for (remedy, healed) in [("update", echo), ("socket", Sound::Nothing)] {
            let mut world = World::with_faults(&[&format!("attach-silent={remedy}:1")]);
            let (socket, sessid) = with_calls(&mut world, kind, &["c-1"]);
            world.close(socket);
            let params = json!({"sdp": "v=0", "dialogParams": {"callID": "c-1"}});
            let attach = |world: &mut World| {
                let (socket, _) = log_in(world, kind, "demo-1", Some(&sessid));
                world.expect(socket, &kind.method("attach"));
                let reply = world.ask(socket, &kind.method("attach"), params.clone());
                assert!(reply.get("result").is_some(), "{reply}");
                socket
            };
            let socket = attach(&mut world);
            assert_eq!(
                world.playing.values().collect::<Vec<_>>(),
                [&Sound::Nothing]
            );
            let mut update = params.clone();
            update["action"] = json!("updateMedia");
            let reply = world.ask(socket, &kind.method("modify"), update);
            assert!(reply["result"]["sdp"].is_string(), "{reply}");
            assert_eq!(world.playing.values().collect::<Vec<_>>(), [&healed]);
            world.close(socket);
            attach(&mut world);
            assert_eq!(world.playing.values().collect::<Vec<_>>(), [&echo]);
        }
    }
}

#[test]
fn new_media_of_a_client_is_refused_or_answered_without_any() {
    for kind in BOTH {
        let faults = ["update-media=refuse:1", "update-media=bare:1"];
        let mut world = World::with_faults(&faults);
        let (socket, _) = with_calls(&mut world, kind, &["c-1"]);
        let update =
            json!({"sdp": "v=0", "action": "updateMedia", "dialogParams": {"callID": "c-1"}});
        let modify = kind.method("modify");
        let mut ask = || world.ask(socket, &modify, update.clone());
        assert_eq!(ask()["error"]["message"], "CODEC ERROR");
        let bare = ask();
        assert!(bare["result"]["holdState"].is_string(), "{bare}");
        assert_eq!(bare["result"]["sdp"], json!(null));
        assert!(ask()["result"]["sdp"].is_string());
    }
}

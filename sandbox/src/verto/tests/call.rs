//! Calls to the numbers and between users.

use std::time::Duration;

use offhook_media::program::AudioCodec;
use offhook_media::sdp::codec::ALL;
use serde_json::json;

use super::world::{BOTH, Kind, OFFER, World};
use crate::limits::Limits;
use crate::switch::exchange::OwnCall;
use crate::switch::leg::Party;
use crate::switch::media::Sound;
use crate::verto::gateway::Input;

const ECHO: Sound = Sound::Echo {
    delay: Duration::ZERO,
};

fn own_call() -> OwnCall {
    OwnCall {
        caller: Party {
            name: "Front door".to_owned(),
            number: "77".to_owned(),
        },
        sound: ECHO,
        codecs: ALL.to_vec(),
        late: false,
    }
}

#[test]
fn the_echo_rings_only_for_telnyx_and_answers_with_sdp() {
    for kind in BOTH {
        let mut world = World::new();
        let socket = world.ready(kind, "demo-1");
        let created = world.call(kind, socket, "c-1", "9196");
        assert_eq!(created["result"]["message"], "CALL CREATED");
        assert_eq!(created["result"]["callID"], "c-1");
        let answer = world.expect(socket, &kind.method("answer"));
        assert_eq!(answer["params"]["callID"], "c-1");
        assert_eq!(answer["params"]["sdp"], "answer");
        let telnyx = kind == Kind::Telnyx;
        assert_eq!(answer["params"].get("telnyx_leg_id").is_some(), telnyx);
        let rang = world.methods(socket).contains(&"telnyx_rtc.ringing");
        assert_eq!(rang, telnyx);
        let playing: Vec<Sound> = world.playing.values().copied().collect();
        assert_eq!(playing, [ECHO]);
    }
}

#[test]
fn numbers_fail_with_their_cause() {
    for kind in BOTH {
        let unknown = if kind == Kind::Telnyx { 1 } else { 3 };
        for (number, code, name) in [
            ("99017", 17, "USER_BUSY"),
            ("99041", 41, "NORMAL_TEMPORARY_FAILURE"),
            ("9404", 1, "UNALLOCATED_NUMBER"),
            ("555", unknown, ""),
            ("demo-9", 806, "USER_NOT_REGISTERED"),
        ] {
            let mut world = World::new();
            let socket = world.ready(kind, "demo-1");
            let created = world.call(kind, socket, "c-1", number);
            assert_eq!(created["result"]["message"], "CALL CREATED");
            let bye = world.expect(socket, &kind.method("bye"));
            assert_eq!(bye["params"]["causeCode"], code, "{number}");
            if !name.is_empty() {
                assert_eq!(bye["params"]["cause"], name);
            }
            let sip = bye["params"].get("sipCode").is_some();
            assert_eq!(sip, kind == Kind::Telnyx && code != 806, "{bye}");
            assert!(world.playing.is_empty());
        }
    }
}

#[test]
fn early_media_then_busy_and_early_media_then_answer() {
    for kind in BOTH {
        let mut world = World::new();
        let socket = world.ready(kind, "demo-1");
        world.call(kind, socket, "busy", "9189");
        let early = world.expect(socket, &kind.method("media"));
        assert_eq!(early["params"]["sdp"], "answer");
        let bye = world.expect(socket, &kind.method("bye"));
        assert_eq!(bye["params"]["cause"], "USER_BUSY");

        world.call(kind, socket, "later", "9100");
        world.expect(socket, &kind.method("media"));
        let answer = world.expect(socket, &kind.method("answer"));
        assert!(
            answer["params"].get("sdp").is_none(),
            "early media brought it"
        );
        assert_eq!(world.playing.values().next(), Some(&ECHO));
    }
}

#[test]
fn numbers_take_their_time() {
    for kind in BOTH {
        let mut world = World::new();
        let socket = world.ready(kind, "demo-1");
        world.call(kind, socket, "late", "9181");
        let answer = kind.method("answer");
        let early = world.within(socket, &answer, Duration::from_millis(499));
        assert!(early.is_none());
        assert!(
            world
                .within(socket, &answer, Duration::from_millis(60))
                .is_some()
        );

        world.call(kind, socket, "short", "9185");
        world.expect(socket, &answer);
        let before = world.now;
        let bye = world.expect(socket, &kind.method("bye"));
        assert_eq!(bye["params"]["cause"], "NORMAL_CLEARING");
        assert!((1950..=2050).contains(&(world.now - before).as_millis()));

        world.call(kind, socket, "never", "9180");
        assert!(
            world
                .within(socket, &answer, Duration::from_secs(50))
                .is_none()
        );
        let reply = world.ask(
            socket,
            &kind.method("bye"),
            json!({"cause": "ORIGINATOR_CANCEL", "dialogParams": {"callID": "never"}}),
        );
        assert_eq!(reply["result"]["causeCode"], 487);
        assert_eq!(reply["result"]["message"], "CALL ENDED");
    }
}

#[test]
fn a_number_calls_back_and_the_answered_call_is_an_echo() {
    for kind in BOTH {
        let mut world = World::new();
        let socket = world.ready(kind, "demo-1");
        world.call(kind, socket, "c-1", "9173");
        world.expect(socket, &kind.method("bye"));
        let ended = world.now;
        let invite = world.expect(socket, &kind.method("invite"));
        assert!((2900..=3100).contains(&(world.now - ended).as_millis()));
        assert_eq!(invite["params"]["caller_id_number"], "9173");
        answer(&mut world, kind, socket, &invite["params"]["callID"]);
        assert_eq!(world.playing.values().next(), Some(&ECHO));
    }
}

#[test]
fn the_operator_calls_a_user_who_may_refuse_or_not_answer() {
    for kind in BOTH {
        let mut world = World::new();
        let socket = world.ready(kind, "demo-1");
        world.input(Input::CallUser("demo-1", &own_call()));
        let invite = world.expect(socket, &kind.method("invite"));
        assert_eq!(invite["params"]["caller_id_name"], "Front door");
        assert_eq!(invite["params"]["display_direction"], "outbound");
        assert_eq!(invite["params"]["sdp"], "offer");
        let call = invite["params"]["callID"].clone();
        let params = json!({"cause": "USER_BUSY", "dialogParams": {"callID": call}});
        let reply = world.ask(socket, &kind.method("bye"), params);
        assert_eq!(reply["result"]["cause"], "USER_BUSY");
        assert!(world.playing.is_empty());

        world.input(Input::CallUser("demo-1", &own_call()));
        world.expect(socket, &kind.method("invite"));
        world.pass(Duration::from_secs(40));
        world.ask(socket, &kind.method("ping"), json!({}));
        let bye = world
            .within(socket, &kind.method("bye"), Duration::from_secs(21))
            .expect("an end");
        assert_eq!(bye["params"]["cause"], "NO_ANSWER");
    }
}

/// Answers an incoming call; it is accepted.
fn answer(
    world: &mut World,
    kind: Kind,
    socket: crate::verto::socket::SocketId,
    call: &serde_json::Value,
) {
    let params = json!({"sdp": "v=0", "dialogParams": {"callID": call}});
    let reply = world.ask(socket, &kind.method("answer"), params);
    assert!(reply.get("result").is_some(), "{reply}");
}

#[test]
fn two_users_are_joined_in_a_codec_that_both_speak() {
    for (caller, callee) in [
        (Kind::Telnyx, Kind::FreeSwitch),
        (Kind::FreeSwitch, Kind::Telnyx),
    ] {
        let mut world = World::new();
        let one = world.ready(caller, "demo-1");
        let two = world.ready(callee, "demo-2");
        world.call(caller, one, "c-1", "demo-2");
        let invite = world.expect(two, &callee.method("invite"));
        assert_eq!(invite["params"]["caller_id_number"], "demo-1");
        let offered: Vec<_> = world.codecs.values().cloned().collect();
        assert_eq!(offered, [vec![AudioCodec::Opus, AudioCodec::Pcmu]]);
        answer(&mut world, callee, two, &invite["params"]["callID"]);
        world.expect(one, &caller.method("answer"));
        assert_eq!(world.codecs.values().nth(1), Some(&vec![AudioCodec::Opus]));

        let joined: Vec<_> = world.playing.clone().into_iter().collect();
        let [(a, Sound::Bridge(to_b)), (b, Sound::Bridge(to_a))] = joined[..] else {
            panic!("{joined:?}");
        };
        assert_eq!((to_a, to_b), (a, b));

        let params = json!({"dialogParams": {"callID": "c-1"}});
        world.ask(one, &caller.method("bye"), params);
        let bye = world.expect(two, &callee.method("bye"));
        assert_eq!(bye["params"]["cause"], "NORMAL_CLEARING");
        assert!(world.playing.is_empty());
    }
}

#[test]
fn all_clients_of_a_freeswitch_user_ring_and_the_first_answer_wins() {
    let kind = Kind::FreeSwitch;
    let mut world = World::new();
    let caller = world.ready(kind, "demo-1");
    let one = world.ready(kind, "demo-2");
    let two = world.ready(kind, "demo-2");
    world.call(kind, caller, "c-1", "demo-2");
    world.expect(one, "verto.invite");
    let invite = world.expect(two, "verto.invite");
    answer(&mut world, kind, two, &invite["params"]["callID"]);
    assert_eq!(
        world.expect(one, "verto.bye")["params"]["cause"],
        "LOSE_RACE"
    );
    world.expect(caller, "verto.answer");
    assert_eq!(world.playing.len(), 2);

    // One refuses, the other still rings; both refuse, and the caller hears of it.
    let third = world.ready(kind, "demo-3");
    world.call(kind, third, "c-2", "demo-2");
    for (socket, last) in [(one, false), (two, true)] {
        let call = world.expect(socket, "verto.invite")["params"]["callID"].clone();
        let params = json!({"cause": "CALL_REJECTED", "dialogParams": {"callID": call}});
        world.ask(socket, "verto.bye", params);
        let told = world.within(third, "verto.bye", Duration::from_millis(100));
        assert_eq!(told.is_some(), last);
    }
}

#[test]
fn the_last_telnyx_login_of_a_user_gets_the_calls() {
    let kind = Kind::Telnyx;
    let mut world = World::new();
    let one = world.ready(kind, "demo-2");
    let two = world.ready(kind, "demo-2");
    world.input(Input::CallUser("demo-2", &own_call()));
    world.expect(two, "telnyx_rtc.invite");
    assert!(!world.methods(one).contains(&"telnyx_rtc.invite"));
}

#[test]
fn a_caller_who_gives_up_stops_the_ringing() {
    for kind in BOTH {
        let mut world = World::new();
        let one = world.ready(kind, "demo-1");
        let two = world.ready(kind, "demo-2");
        world.call(kind, one, "c-1", "demo-2");
        world.expect(two, &kind.method("invite"));
        world.close(one);
        let bye = world.expect(two, &kind.method("bye"));
        assert_eq!(bye["params"]["cause"], "ORIGINATOR_CANCEL");
        assert!(world.playing.is_empty());
    }
}

#[test]
fn sdp_with_nothing_in_common_ends_with_88_and_an_answer_with_it_rings_on() {
    for kind in BOTH {
        let mut world = World::new();
        let socket = world.ready(kind, "demo-1");
        world.refuse_next = true;
        world.call(kind, socket, "c-1", "9196");
        let bye = world.expect(socket, &kind.method("bye"));
        assert_eq!(bye["params"]["causeCode"], 88);

        world.input(Input::CallUser("demo-1", &own_call()));
        let call = world.expect(socket, &kind.method("invite"))["params"]["callID"].clone();
        world.refuse_next = true;
        let params = json!({"sdp": "v=0", "dialogParams": {"callID": call}});
        let reply = world.ask(socket, &kind.method("answer"), params);
        assert_eq!(reply["error"]["message"], "CODEC ERROR");
        answer(&mut world, kind, socket, &call);
    }
}

#[test]
fn a_call_is_held_and_its_partner_hears_something() {
    for kind in BOTH {
        let mut world = World::new();
        let one = world.ready(kind, "demo-1");
        let two = world.ready(kind, "demo-2");
        world.call(kind, one, "c-1", "demo-2");
        let invite = world.expect(two, &kind.method("invite"));
        answer(&mut world, kind, two, &invite["params"]["callID"]);
        world.expect(one, &kind.method("answer"));
        let modify = |world: &mut World, action: &str| {
            let params = json!({"action": action, "dialogParams": {"callID": "c-1"}});
            world.ask(one, &kind.method("modify"), params)["result"]["holdState"].clone()
        };
        assert_eq!(modify(&mut world, "hold"), "held");
        let sounds: Vec<Sound> = world.playing.values().copied().collect();
        assert_eq!(sounds, [Sound::Speech, Sound::Nothing]);
        assert_eq!(modify(&mut world, "toggleHold"), "active");
        assert!(
            world
                .playing
                .values()
                .all(|sound| matches!(sound, Sound::Bridge(_)))
        );
    }
}

#[test]
fn new_media_within_a_call_is_answered_in_the_reply() {
    for kind in BOTH {
        let mut world = World::new();
        let socket = world.ready(kind, "demo-1");
        world.call(kind, socket, "c-1", "9196");
        world.expect(socket, &kind.method("answer"));
        let params =
            json!({"action": "updateMedia", "sdp": OFFER, "dialogParams": {"callID": "c-1"}});
        let reply = world.ask(socket, &kind.method("modify"), params.clone());
        assert_eq!(reply["result"]["sdp"], "answer");
        assert_eq!(reply["result"]["action"], "updateMedia");

        world.call(kind, socket, "c-2", "9180");
        let mut early = params;
        early["dialogParams"]["callID"] = json!("c-2");
        let reply = world.ask(socket, &kind.method("modify"), early);
        assert!(reply.get("error").is_some());
        let bye = world.within(socket, &kind.method("bye"), Duration::from_secs(1));
        assert_eq!(
            bye.is_some(),
            kind == Kind::FreeSwitch,
            "27 on a call not answered"
        );
    }
}

#[test]
fn a_failed_invite_says_its_reason_first_and_call_error_last() {
    for kind in BOTH {
        let limits = Limits {
            calls_per_session: 2,
            ..Limits::default()
        };
        let mut world = World::with_limits(limits);
        let socket = world.ready(kind, "demo-1");
        world.call(kind, socket, "c-1", "9180");
        let twice = world.call(kind, socket, "c-1", "9180");
        assert_eq!(twice["error"]["causeCode"], 27);
        // This reader keeps the last of two members of one name.
        assert_eq!(twice["error"]["message"], "CALL ERROR");
        world.call(kind, socket, "c-2", "9180");
        let third = world.call(kind, socket, "c-3", "9180");
        assert_eq!(third["error"]["cause"], "SWITCH_CONGESTION");
        // The limit also holds for calls to the client.
        world.input(Input::CallUser("demo-1", &own_call()));
        assert!(
            world
                .within(socket, &kind.method("invite"), Duration::from_secs(1))
                .is_none()
        );
    }
}

#[test]
fn digits_are_taken_also_for_a_call_that_is_not_there() {
    for kind in BOTH {
        let mut world = World::new();
        let socket = world.ready(kind, "demo-1");
        world.call(kind, socket, "c-1", "9196");
        for (call, sent) in [("c-1", json!("SENT")), ("nowhere", json!(null))] {
            let params = json!({"dtmf": "12#", "dialogParams": {"callID": call}});
            let reply = world.ask(socket, &kind.method("info"), params);
            assert_eq!(reply["result"]["message"], sent);
        }
    }
}

#[test]
fn digits_go_on_to_whoever_the_call_is_bridged_to() {
    for kind in BOTH {
        let mut world = World::new();
        let caller = world.ready(kind, "demo-1");
        let callee = world.ready(kind, "demo-2");
        world.call(kind, caller, "c-1", "demo-2");
        let digits = json!({"dtmf": "12#", "dialogParams": {"callID": "c-1"}});
        world.ask(caller, &kind.method("info"), digits.clone());
        assert_eq!(world.digits, [], "nobody has answered");
        let invite = world.expect(callee, &kind.method("invite"));
        let answer = json!({"sdp": "v=0", "dialogParams": {"callID": invite["params"]["callID"]}});
        world.ask(callee, &kind.method("answer"), answer);
        world.expect(caller, &kind.method("answer"));
        world.ask(caller, &kind.method("info"), digits);
        let [(media, passed)] = world.digits.as_slice() else {
            panic!("{:?}", world.digits);
        };
        assert_eq!(passed, "12#");
        let Sound::Bridge(far) = world.playing[media] else {
            panic!("the caller's media passes on what arrives");
        };
        assert_eq!(world.playing[&far], Sound::Bridge(*media));
    }
}

#[test]
fn at_the_end_every_call_gets_its_bye_and_every_socket_is_closed() {
    for kind in BOTH {
        let mut world = World::new();
        let socket = world.ready(kind, "demo-1");
        world.call(kind, socket, "c-1", "9196");
        world.expect(socket, &kind.method("answer"));
        world.input(Input::Shutdown);
        let methods = world.methods(socket);
        assert!(
            methods.contains(&kind.method("bye").as_str()),
            "{methods:?}"
        );
        assert_eq!(world.client(socket).closed, Some(1001));
        assert!(world.playing.is_empty());
    }
}

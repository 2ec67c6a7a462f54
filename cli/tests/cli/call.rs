//! `call`, with and without `--wait`.

use crate::scripted::{Peer, Ran, against, call as call_status, subscribed};
use offhook_control::{
    error::{Code, RpcError},
    notice::{Ended, EndedBy, Event, Said},
    reply::{CallPlaced, CallState, CallStatus, Calls},
    request::{Call, Header, IceServer, PickUp, Relay, Request},
    rpc::write_result,
};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

fn placed() -> CallPlaced {
    CallPlaced {
        call: "c-1".to_owned(),
    }
}

fn wish(number: &str) -> Request {
    Request::Call(Call {
        number: number.to_owned(),
        ..Call::default()
    })
}

fn busy() -> Ended {
    Ended {
        by: EndedBy::Remote,
        cause: "USER_BUSY".to_owned(),
        code: 17,
        reason: "9189 is busy".to_owned(),
        remedy: Some("call again later".to_owned()),
        answered: false,
        answered_elsewhere: false,
        headers: Vec::new(),
        client_state: None,
        sip_code: Some(486),
        sip_reason: Some("Busy Here".to_owned()),
        sip_call_id: None,
        talk_ms: 0,
        quality: None,
    }
}

/// Waits for a call to 9196 while the daemon does this after it was placed.
fn waiting(arguments: &[&str], then: impl FnOnce(&mut Peer) + Send + 'static) -> Ran {
    let arguments = [&["call", "9196", "--wait"], arguments].concat();
    against(
        |peer| {
            peer.answer(&Request::Subscribe, &subscribed());
            peer.answer(&wish("9196"), &placed());
            then(peer);
        },
        &arguments,
    )
}

#[test]
fn without_wait_it_returns_when_the_call_is_placed() {
    let ran = against(
        |peer| peer.answer(&wish("9196"), &placed()),
        &["call", "9196"],
    );
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "calling 9196 as call c-1\n")
    );
    let ran = against(
        |peer| peer.answer(&wish("9196"), &placed()),
        &["call", "9196", "--json"],
    );
    assert_eq!(ran.json(), [json!({ "call": "c-1" })]);
}

#[test]
fn a_call_without_a_number_is_one_to_an_assistant() {
    let wanted = Request::Call(Call::default());
    let ran = against(move |peer| peer.answer(&wanted, &placed()), &["call"]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "calling the assistant as call c-1\n")
    );
}

#[test]
fn account_and_caller_are_passed_on() {
    let wanted = Request::Call(Call {
        account: Some("desk".to_owned()),
        number: "+4930123456".to_owned(),
        caller_name: Some("Front door".to_owned()),
        caller_number: Some("1001".to_owned()),
        headers: vec![Header {
            name: "X-Site".to_owned(),
            value: "north:1".to_owned(),
        }],
        client_state: Some("ticket 7".to_owned()),
        id: Some("0b5d7a1e-3f7c-4a58-9d59-6f2f7f2f3c11".to_owned()),
        user_variables: [
            ("room".to_owned(), json!("7b")),
            ("floor".to_owned(), json!(3)),
            ("vip".to_owned(), json!(true)),
            ("tag".to_owned(), json!("3")),
        ]
        .into(),
        codecs: vec!["pcma".to_owned(), "opus".to_owned()],
        muted: Some(true),
        late_offer: true,
        pick_up: Some(PickUp {
            to: None,
            call_id: "a84b4c76e66710".to_owned(),
            to_tag: "314159".to_owned(),
            from_tag: "1928301774".to_owned(),
            early_only: true,
        }),
        relay_only: true,
        ice_servers: Some(vec![
            IceServer::Url("stun:one.example".to_owned()),
            IceServer::Url("stun:two.example:3479".to_owned()),
        ]),
        trickle: Some(true),
    });
    let arguments = [
        "call",
        "+4930123456",
        "--account",
        "desk",
        "--caller-name",
        "Front door",
        "--caller-number",
        "1001",
        "--header",
        "X-Site: north:1",
        "--client-state",
        "ticket 7",
        "--late-offer",
        "--pick-up",
        "a84b4c76e66710;to-tag=314159;from-tag=1928301774;early-only",
        "--id",
        "0b5d7a1e-3f7c-4a58-9d59-6f2f7f2f3c11",
        "--user-variable",
        "room=7b",
        "--user-variable",
        "floor=3",
        "--user-variable",
        "vip=true",
        "--user-variable",
        "tag=\"3\"",
        "--codec",
        "pcma",
        "--codec",
        "opus",
        "--muted",
        "--relay-only",
        "--ice-server",
        "stun:one.example",
        "--ice-server",
        "stun:two.example:3479",
        "--trickle",
    ];
    let ran = against(move |peer| peer.answer(&wanted, &placed()), &arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn servers_with_passwords_come_from_a_file_that_not_everybody_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("servers.json");
    let file = file.to_str().unwrap();
    let write = |content: &str, mode: u32| {
        fs::write(file, content).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    };
    let relay = r#"["stun:one.example", {"url": "turn:two.example", "username": "kiosk", "password": "hunter2"}]"#;
    let wanted = |servers| {
        Request::Call(Call {
            number: "9196".to_owned(),
            ice_servers: Some(servers),
            ..Call::default()
        })
    };
    let both = wanted(vec![
        IceServer::Url("stun:one.example".to_owned()),
        IceServer::Relay(Relay {
            url: "turn:two.example".to_owned(),
            username: Some("kiosk".to_owned()),
            password: Some("hunter2".to_owned()),
        }),
    ]);
    let arguments = ["call", "9196", "--ice-servers", file];
    for (content, mode, request) in [
        (relay, 0o640, both),
        // None at all, where the account has some; and without a password anybody may read it.
        ("[]", 0o644, wanted(Vec::new())),
    ] {
        write(content, mode);
        let ran = against(move |peer| peer.answer(&request, &placed()), &arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    for (content, mode, why) in [
        (relay, 0o644, "everybody may read it"),
        (
            r#"[{"url": "turn:two.example", "password": 77777777}]"#,
            0o600,
            "no JSON list",
        ),
        (
            r#"[{"url": "turn:two.example", "pasword": "hunter2"}]"#,
            0o600,
            "no JSON list",
        ),
        ("hunter2", 0o600, "no JSON list"),
    ] {
        write(content, mode);
        let ran = against(|_| {}, &arguments);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert!(!ran.stderr.contains("hunter2") && !ran.stderr.contains("7777"));
    }
    fs::remove_file(file).unwrap();
    assert!(against(|_| {}, &arguments).stderr.contains(file));
}

#[test]
fn wait_returns_0_when_the_call_is_answered() {
    let story = |peer: &mut Peer| {
        peer.notice(Some("c-1"), Event::Ringing(Said::default()));
        peer.notice(Some("another"), Event::Ended(busy()));
        peer.notice(Some("c-1"), Event::Answered(Said::default()));
    };
    let ran = waiting(&[], story);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "9196 answered: call c-1\n"),
        "{}",
        ran.stderr
    );
    let ran = waiting(&["--json"], story);
    assert_eq!(
        ran.json(),
        [json!({ "call": "c-1", "outcome": "answered" })]
    );
}

#[test]
fn wait_returns_1_with_cause_and_remedy_when_the_call_fails() {
    let ran = waiting(&[], |peer| peer.notice(Some("c-1"), Event::Ended(busy())));
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.stderr,
        "offhook: the call c-1 failed with USER_BUSY (17): 9189 is busy\n  what to do: call again later\n"
    );
    assert_eq!(ran.stdout, "");

    let ran = waiting(&["--json"], |peer| {
        peer.notice(Some("c-1"), Event::Ended(busy()))
    });
    assert_eq!(ran.code, Some(1));
    let values = ran.json();
    assert_eq!(values[0]["outcome"], "ended");
    assert_eq!(values[0]["cause"], "USER_BUSY");
    assert_eq!(values[0]["code"], 17);
    assert!(
        ran.stderr.contains("\"kind\":\"call_failed\""),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_happens_before_the_reply_is_not_missed() {
    let ran = against(
        |peer| {
            peer.answer(&Request::Subscribe, &subscribed());
            let (id, _) = peer.asked();
            peer.notice(Some("c-1"), Event::Answered(Said::default()));
            peer.write(&write_result(&id, &placed()));
        },
        &["call", "9196", "--wait"],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn a_refused_call_is_told() {
    let refusal = RpcError::new(Code::NotReady, "the account desk is not ready")
        .with_remedy("see `offhook status`");
    let ran = against(move |peer| peer.refuse(&refusal), &["call", "9196"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.stderr,
        "offhook: the account desk is not ready\n  what to do: see `offhook status`\n"
    );
}

#[test]
fn lost_notices_are_made_up_for_by_asking() {
    for (state, code) in [(Some(CallState::Active), 0), (None, 1)] {
        let ran = waiting(&[], move |peer| {
            peer.notice(None, Event::Overflow { lost: 40 });
            let calls = state
                .map(|state| CallStatus {
                    state,
                    ..call_status()
                })
                .into_iter()
                .collect();
            peer.answer(&Request::Calls, &Calls { calls });
        });
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    }
}

#[test]
fn a_daemon_that_vanishes_while_waiting_is_told() {
    let ran = waiting(&[], |peer| {
        peer.notice(Some("c-1"), Event::Ringing(Said::default()))
    });
    assert_eq!(ran.code, Some(3));
    assert_eq!(
        ran.stderr,
        "offhook: the daemon has ended\n  what to do: see the daemon's log, and start it again\n"
    );
}

/// What the notice says is given back as it came, and says whom to call.
#[test]
fn a_call_is_picked_up_by_the_words_of_the_lamp() {
    let shown = r#"{"to":"sip:alice@pc.example","call_id":"a","to_tag":"b","from_tag":"c","early_only":true}"#;
    let request = Request::Call(Call {
        pick_up: Some(PickUp {
            to: Some("sip:alice@pc.example".to_owned()),
            call_id: "a".to_owned(),
            to_tag: "b".to_owned(),
            from_tag: "c".to_owned(),
            early_only: true,
        }),
        ..Call::default()
    });
    let placed = CallPlaced {
        call: "c-1".to_owned(),
    };
    let ran = against(
        move |peer| peer.answer(&request, &placed),
        &["call", "--pick-up", shown],
    );
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stdout, "calling sip:alice@pc.example as call c-1\n");
}

//! Options of one call: its name, codecs, silence from the beginning, relays only; by control socket and command line.

use std::time::Duration;

use offhook_control::notice::Event;
use offhook_control::request::{Call, Request};
use offhook_tests::daemon::Config;
use offhook_tests::sandbox::Sandbox;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(20);
const ID: &str = "0b5d7a1e-3f7c-4a58-9d59-6f2f7f2f3c11";

#[test]
fn one_call_has_a_name_a_codec_and_silence_of_its_own() {
    for dialect in ["telnyx", "freeswitch"] {
        let sandbox = Sandbox::start(&[]);
        let daemon = Config::new()
            .account("kiosk", dialect, &sandbox.ready.verto, "demo-1", "sandbox")
            .launch();
        let mut control = daemon.ready();
        let (code, said, complained) = daemon.cli(&[
            "--json",
            "call",
            "9196",
            "--wait",
            "--id",
            ID,
            "--codec",
            "pcma",
            "--muted",
            "--user-variable",
            "room=lobby",
            "--user-variable",
            "vip=true",
        ]);
        assert_eq!(code, Some(0), "{said}{complained}");
        let said: Value = serde_json::from_str(&said).expect("JSON for scripts");
        assert_eq!(
            (&said["call"], &said["outcome"]),
            (&json!(ID), &json!("answered"))
        );
        assert_eq!(said["ids"].is_object(), dialect == "telnyx", "{said}");
        control.wait("media", PATIENCE, |notice| {
            matches!(notice.event, Event::FirstRtpReceived).then_some(())
        });
        let call = control.status().calls.remove(0);
        assert_eq!(call.call, ID);
        assert_eq!(call.codec.as_deref(), Some("PCMA"));
        assert!(call.muted);
        // The name is taken, and what is no UUID is none.
        let named = |id: &str| {
            Request::Call(Call {
                number: "9196".to_owned(),
                id: Some(id.to_owned()),
                ..Call::default()
            })
        };
        for (id, what) in [(ID, "already"), ("call-7", "no UUID")] {
            let error = control.try_ask::<Value>(&named(id)).unwrap_err();
            assert_eq!(error.code, -32602, "{}", error.message);
            assert!(error.message.contains(what), "{}", error.message);
        }
        // Another call is as the account has it.
        let other = control.call("9196");
        control.wait("the other's media", PATIENCE, |notice| {
            let its = notice.call.as_deref() == Some(&other);
            (its && matches!(notice.event, Event::FirstRtpReceived)).then_some(())
        });
        let calls = control.status().calls;
        let other = calls.iter().find(|call| call.call == other).unwrap();
        assert!(!other.muted);
        assert_ne!(other.codec.as_deref(), Some("PCMA"));
    }
}

#[test]
fn options_that_make_no_sense_are_named() {
    let sandbox = Sandbox::start(&[]);
    let daemon = Config::new()
        .account("kiosk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox")
        .launch();
    let mut control = daemon.ready();
    for (params, what) in [
        (json!({"user_variables": {"a": [1]}}), "user_variables.a"),
        (json!({"user_variables": {"a b": "1"}}), "a b"),
        (json!({"codecs": ["speex"]}), "speex"),
        (json!({"client_state": "a\nb"}), "client state"),
    ] {
        let mut call = params;
        call["number"] = json!("9196");
        let request = Request::Call(serde_json::from_value(call).expect("params"));
        let error = control.try_ask::<Value>(&request).unwrap_err();
        assert_eq!(error.code, -32602, "{}", error.message);
        assert!(error.message.contains(what), "{}", error.message);
    }
    assert_eq!(control.status().calls, []);
}

#[test]
fn a_call_by_relays_only_offers_no_address_of_ours() {
    let sandbox = Sandbox::start(&[]);
    let daemon = Config::new()
        .account("kiosk", "telnyx", &sandbox.ready.verto, "demo-1", "sandbox")
        .launch();
    let mut control = daemon.ready();
    let request = Request::Call(Call {
        number: "9196".to_owned(),
        relay_only: true,
        ..Call::default()
    });
    // There is no relay here, and so no way for media: the server sees no address of ours to send to.
    control.ask::<Value>(&request);
    control.wait("the invitation or the end", PATIENCE, |notice| {
        matches!(notice.event, Event::Invite { .. } | Event::Ended(_)).then_some(())
    });
    let call = control.call("9196");
    control.wait("the ordinary call's way", PATIENCE, |notice| {
        if let Event::Ice { .. } = notice.event {
            assert_eq!(notice.call.as_deref(), Some(call.as_str()));
            return Some(());
        }
        None
    });
}

//! `answer`, `hangup`, `dtmf`, `mute`, `deaf`, `log-level`: what is asked, and what is printed.

use crate::scripted::{against, program, run};
use offhook_control::{
    error::{Code, RpcError},
    reply::{Done, ServerAnswer},
    request::{
        Answer, Broadcast, Deaf, Dtmf, Fsapi, Hangup, Header, IceServer, Level, LogLevel, METHODS,
        Message, Moderate, Mute, OfAccount, OfCall, Reject, Request, ToolAnswer, Transfer,
    },
};
use serde_json::json;
use std::path::Path;

#[test]
fn each_request_is_a_command_of_the_same_name() {
    for method in METHODS {
        let command = method.replace('_', "-");
        let help = program().args([&command, "--help"]).output();
        let help = help.expect("it runs");
        assert!(help.status.success(), "no `offhook {command}`");
    }
}

fn check(arguments: &[&str], request: Request, text: &str) {
    let done = || Done {
        call: Some("c-1".to_owned()),
        message: None,
    };
    let wanted = request.clone();
    let ran = against(move |peer| peer.answer(&wanted, &done()), arguments);
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (Some(0), text, ""),
        "{arguments:?}"
    );
    let for_scripts = [&["--json"], arguments].concat();
    let ran = against(move |peer| peer.answer(&request, &done()), &for_scripts);
    assert_eq!(ran.json(), [json!({ "call": "c-1" })], "{arguments:?}");
}

#[test]
fn the_orders_of_calls_texts_and_conferences_are_asked_as_they_were_typed() {
    let call = || Some("c-1".to_owned());
    let of_call = || OfCall { call: call() };
    check(
        &["reject"],
        Request::Reject(Reject::default()),
        "refusing call c-1\n",
    );
    check(
        &["hold", "c-1"],
        Request::Hold(of_call()),
        "putting call c-1 on hold\n",
    );
    check(
        &["resume", "c-1"],
        Request::Resume(of_call()),
        "taking call c-1 back from hold\n",
    );
    check(
        &["restart-ice", "c-1"],
        Request::RestartIce(of_call()),
        "looking for a new path for call c-1\n",
    );
    check(
        &["switch", "c-1"],
        Request::Switch(Answer {
            call: call(),
            ..Answer::default()
        }),
        "switching to call c-1\n",
    );
    check(
        &["transfer", "c-1", "--to", "1002"],
        Request::Transfer(Transfer {
            call: call(),
            to: Some("1002".to_owned()),
            with: None,
        }),
        "transferring call c-1\n",
    );
    check(
        &["transfer", "c-1", "--with", "c-2"],
        Request::Transfer(Transfer {
            call: call(),
            to: None,
            with: Some("c-2".to_owned()),
        }),
        "transferring call c-1\n",
    );
    check(
        &["message", "hello", "--image", "https://x.example/a.png"],
        Request::Message(Message {
            text: "hello".to_owned(),
            images: vec!["https://x.example/a.png".to_owned()],
            ..Message::default()
        }),
        "sending the text\n",
    );
    check(
        &["message", "hello", "--to", "1002"],
        Request::Message(Message {
            to: Some("1002".to_owned()),
            text: "hello".to_owned(),
            ..Message::default()
        }),
        "sending the text\n",
    );
    check(
        &["tool-answer", "t-1", "{\"ok\":true}"],
        Request::ToolAnswer(ToolAnswer {
            account: None,
            tool_call: "t-1".to_owned(),
            output: "{\"ok\":true}".to_owned(),
        }),
        "answering the tool call\n",
    );
    check(
        &["retry", "--account", "desk"],
        Request::Retry(OfAccount {
            account: Some("desk".to_owned()),
        }),
        "trying again\n",
    );
    check(
        &["broadcast", "chat", "{\"a\":1}"],
        Request::Broadcast(Broadcast {
            account: None,
            channel: "chat".to_owned(),
            data: json!({ "a": 1 }),
        }),
        "sending into chat\n",
    );
    check(
        &["moderate", "volume_in", "12", "--value", "2"],
        Request::Moderate(Moderate {
            call: None,
            command: "volume_in".to_owned(),
            member: Some("12".to_owned()),
            value: Some(json!(2)),
        }),
        "asking for volume_in\n",
    );
}

#[test]
fn a_server_command_prints_what_the_server_answered() {
    let wanted = Request::Fsapi(Fsapi {
        account: None,
        command: "show".to_owned(),
        arguments: "channels count".to_owned(),
    });
    let answer = ServerAnswer {
        answer: json!("0 total.\nbye"),
    };
    let ran = against(
        move |peer| peer.answer(&wanted, &answer),
        &["fsapi", "show", "channels", "count"],
    );
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (Some(0), "0 total.\nbye\n")
    );
}

#[test]
fn a_transfer_needs_to_know_where_to() {
    for arguments in [
        &["transfer", "c-1"] as &[&str],
        &["transfer", "--to", "1", "--with", "c-2"],
        &["broadcast", "chat", "{"],
        &["call", "1", "--header", "X-Site"],
    ] {
        let ran = run(Path::new("/nonexistent"), arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn each_order_is_asked_as_it_was_typed() {
    let call = || Some("c-1".to_owned());
    check(
        &["answer"],
        Request::Answer(Answer::default()),
        "answering call c-1\n",
    );
    check(
        &["answer", "c-1"],
        Request::Answer(Answer {
            call: call(),
            ..Answer::default()
        }),
        "answering call c-1\n",
    );
    let headers = || {
        vec![Header {
            name: "X-Desk".to_owned(),
            value: "7".to_owned(),
        }]
    };
    let along = [
        "c-1",
        "--header",
        "X-Desk: 7",
        "--client-state",
        "YQ==",
        "--muted=false",
        "--ice-server",
        "stun:one.example",
        "--trickle=false",
    ];
    let answer = Answer {
        call: call(),
        headers: headers(),
        client_state: Some("YQ==".to_owned()),
        muted: Some(false),
        ice_servers: Some(vec![IceServer::Url("stun:one.example".to_owned())]),
        trickle: Some(false),
    };
    check(
        &[&["answer"], &along[..]].concat(),
        Request::Answer(answer.clone()),
        "answering call c-1\n",
    );
    check(
        &[&["switch"], &along[..]].concat(),
        Request::Switch(answer),
        "switching to call c-1\n",
    );
    let end = ["c-1", "--sip-code", "486", "--header", "X-Desk:7"];
    check(
        &[&["reject"], &end[..]].concat(),
        Request::Reject(Reject {
            call: call(),
            cause: None,
            sip_code: Some(486),
            headers: headers(),
        }),
        "refusing call c-1\n",
    );
    check(
        &[&["hangup"], &end[..]].concat(),
        Request::Hangup(Hangup {
            call: call(),
            cause: None,
            sip_code: Some(486),
            headers: headers(),
        }),
        "hanging up call c-1\n",
    );
    check(
        &["hangup"],
        Request::Hangup(Hangup {
            call: None,
            cause: None,
            sip_code: None,
            headers: Vec::new(),
        }),
        "hanging up call c-1\n",
    );
    check(
        &["hangup", "c-1", "--cause", "USER_BUSY"],
        Request::Hangup(Hangup {
            call: call(),
            cause: Some("USER_BUSY".to_owned()),
            sip_code: None,
            headers: Vec::new(),
        }),
        "hanging up call c-1\n",
    );
    check(
        &["dtmf", "c-1", "12w*#"],
        Request::Dtmf(Dtmf {
            call: "c-1".to_owned(),
            digits: "12w*#".to_owned(),
        }),
        "sending 12w*# in call c-1\n",
    );
    check(
        &["mute", "c-1", "on"],
        Request::Mute(Mute {
            call: "c-1".to_owned(),
            on: true,
        }),
        "muting call c-1\n",
    );
    check(
        &["mute", "c-1", "off"],
        Request::Mute(Mute {
            call: "c-1".to_owned(),
            on: false,
        }),
        "unmuting call c-1\n",
    );
    check(
        &["deaf", "c-1", "on"],
        Request::Deaf(Deaf {
            call: "c-1".to_owned(),
            on: true,
        }),
        "no longer listening to call c-1\n",
    );
    check(
        &["deaf", "c-1", "off"],
        Request::Deaf(Deaf {
            call: "c-1".to_owned(),
            on: false,
        }),
        "listening again to call c-1\n",
    );
    check(
        &["log-level", "debug"],
        Request::LogLevel(LogLevel {
            level: Level::Debug,
        }),
        "log level changed\n",
    );
}

#[test]
fn a_refusal_is_told_with_its_remedy_and_exit_code_1() {
    let refusal =
        || RpcError::new(Code::NoSuchCall, "no call rings").with_remedy("see `offhook calls`");
    let ran = against(move |peer| peer.refuse(&refusal()), &["answer"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.stderr,
        "offhook: no call rings\n  what to do: see `offhook calls`\n"
    );
    assert_eq!(ran.stdout, "");

    let ran = against(move |peer| peer.refuse(&refusal()), &["--json", "answer"]);
    assert_eq!(ran.code, Some(1));
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(
        error,
        json!({ "error": {
            "kind": "refused", "code": -32011, "message": "no call rings", "remedy": "see `offhook calls`",
        } })
    );
}

#[test]
fn wrong_usage_is_exit_code_2_and_asks_nobody() {
    let nowhere = Path::new("/nonexistent/control.sock");
    for arguments in [
        &["mute", "c-1", "perhaps"][..],
        &["dtmf", "c-1"],
        &["call", "9196", "now"],
        &["statsu"],
        &[],
    ] {
        let ran = run(nowhere, arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
    }
    assert!(run(nowhere, &["statsu"]).stderr.contains("'status'"));
}

//! `answer`, `hangup`, `dtmf`, `mute`, `log-level`: what is asked, and what is printed.

use crate::scripted::{against, run};
use offhook_control::{
    error::{Code, RpcError},
    reply::Done,
    request::{Answer, Dtmf, Hangup, Level, LogLevel, Mute, Request},
};
use serde_json::json;
use std::path::Path;

fn check(arguments: &[&str], request: Request, text: &str) {
    let done = || Done {
        call: Some("c-1".to_owned()),
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
fn each_order_is_asked_as_it_was_typed() {
    let call = || Some("c-1".to_owned());
    check(
        &["answer"],
        Request::Answer(Answer { call: None }),
        "answering call c-1\n",
    );
    check(
        &["answer", "c-1"],
        Request::Answer(Answer { call: call() }),
        "answering call c-1\n",
    );
    check(
        &["hangup"],
        Request::Hangup(Hangup {
            call: None,
            cause: None,
        }),
        "hanging up call c-1\n",
    );
    check(
        &["hangup", "c-1", "--cause", "USER_BUSY"],
        Request::Hangup(Hangup {
            call: call(),
            cause: Some("USER_BUSY".to_owned()),
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
        &["call"],
        &["statsu"],
        &[],
    ] {
        let ran = run(nowhere, arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
    }
    assert!(run(nowhere, &["statsu"]).stderr.contains("'status'"));
}

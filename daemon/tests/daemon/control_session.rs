//! A session over the real socket, with a server that cannot be reached.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::process::Folder;

fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_default()
}

#[test]
fn hello_comes_first_and_status_tells_why_the_account_is_not_ready() {
    let folder = Folder::new();
    let running = folder.start();
    let mode = std::fs::metadata(folder.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let mut client = running.client();
    let hello = client.line().unwrap();
    assert_eq!(hello["method"], "hello");
    assert_eq!(hello["params"]["protocol"], "offhook-control");
    assert!(
        hello["params"]["capabilities"]
            .as_array()
            .unwrap()
            .contains(&json!("call"))
    );

    client.ask("subscribe", json!({}));
    loop {
        let status = client.ask("status", json!({}))["result"].clone();
        assert_eq!(status["instance"], hello["params"]["instance"]);
        let account = &status["accounts"][0];
        assert_eq!(account["name"], "desk");
        if account["state"] == "waiting" {
            assert!(
                account["reason"]
                    .as_str()
                    .unwrap()
                    .contains("refuses connections"),
                "{account}"
            );
            assert!(
                account["remedy"].is_string() && account["retry_in_ms"].is_u64(),
                "{account}"
            );
            break;
        }
        client.notice("account");
    }
    let refused = client.ask("call", json!({ "number": "9196" }));
    assert_eq!(code(&refused), -32012);
    assert!(refused["error"]["data"]["remedy"].is_string());
}

#[test]
fn a_broken_or_too_long_line_gets_its_error_and_the_session_goes_on() {
    let folder = Folder::new();
    let running = folder.start();
    let mut client = running.client();
    client.line();
    client.send(b"nonsense\n");
    assert_eq!(code(&client.line().unwrap()), -32700);
    client.send(b"\xff\xfe\n");
    assert_eq!(code(&client.line().unwrap()), -32700);
    client.send(&vec![b'x'; 200_000]);
    client.send(b"\n");
    let refused = client.line().unwrap();
    assert_eq!((code(&refused), &refused["id"]), (-32600, &Value::Null));
    assert_eq!(code(&client.ask("teleport", json!({}))), -32601);
    assert_eq!(code(&client.ask("call", json!({}))), -32602);
    assert_eq!(
        code(&client.ask("hangup", json!({ "call": "no such" }))),
        -32011
    );
    assert_eq!(code(&client.ask("hangup", json!({}))), -32011);
    assert_eq!(code(&client.ask("answer", json!({}))), -32011);
    assert_eq!(client.ask("calls", json!({}))["result"]["calls"], json!([]));
}

#[test]
fn notices_are_numbered_on_from_the_snapshot_for_each_client() {
    let folder = Folder::new();
    let running = folder.start();
    let mut clients = [running.client(), running.client()];
    for client in &mut clients {
        let mut seq = client.ask("subscribe", json!({}))["result"]["seq"]
            .as_u64()
            .unwrap();
        for _ in 0..3 {
            let notice = client.line().unwrap()["params"].clone();
            seq += 1;
            assert_eq!(notice["seq"].as_u64(), Some(seq), "{notice}");
            assert!(notice["time_ms"].as_u64().unwrap() > 0);
            assert_eq!(notice["account"], "desk");
        }
    }
}

#[test]
fn the_log_level_changes_while_the_daemon_runs() {
    let folder = Folder::new();
    let running = folder.start();
    let mut client = running.client();
    assert!(client.ask("log_level", json!({ "level": "trace" }))["result"].is_object());
    assert_eq!(
        code(&client.ask("log_level", json!({ "level": "loud" }))),
        -32602
    );
    client.ask("subscribe", json!({}));
    client.notice("account");
    running.signal(nix::sys::signal::Signal::SIGTERM);
    let (_, _, log) = running.wait();
    assert!(
        log.contains("TRACE") && log.contains("log level changed"),
        "{log}"
    );
    assert!(!log.contains("hunter2") && !log.contains('\u{1b}'), "{log}");
}

#[test]
fn a_client_beyond_the_limit_is_told_so() {
    let folder = Folder::new();
    let running = folder.start();
    let mut admitted = Vec::new();
    let refusal = loop {
        let mut client = running.client();
        assert_eq!(client.line().unwrap()["method"], "hello");
        // One that is refused may be closed already.
        client.try_send(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n");
        let answer = client.line().unwrap();
        if answer["error"].is_object() {
            break answer;
        }
        admitted.push(client);
    };
    assert_eq!(code(&refusal), -32014);
    // The client that saw the daemon start may have had the last place.
    assert!((63..=64).contains(&admitted.len()), "{}", admitted.len());
}

//! No daemon, one that is not ours, one that hangs, one that goes.

use crate::scripted::{against, against_raw, hello, program, run};
use offhook_control::{hello::VERSION, request::Request};
use std::{fs, os::unix::net::UnixListener, path::Path};

const START: &str = "start one with `offhookd --config FILE`, or name the socket of one that runs with --socket PATH";

#[test]
fn without_a_socket_it_says_how_to_start_a_daemon() {
    let nowhere = Path::new("/nonexistent/control.sock");
    let ran = run(nowhere, &["status"]);
    assert_eq!(ran.code, Some(3));
    assert_eq!(
        ran.stderr,
        format!(
            "offhook: no daemon runs here: there is no socket /nonexistent/control.sock\n  what to do: {START}\n"
        )
    );
    let ran = run(nowhere, &["--json", "status"]);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(
        (ran.code, &error["error"]["kind"]),
        (Some(3), &"no_daemon".into())
    );
}

#[test]
fn a_socket_that_a_dead_daemon_left_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let ran = run(&socket, &["status"]);
    assert_eq!(ran.code, Some(3));
    assert!(
        ran.stderr.starts_with(&format!(
            "offhook: no daemon runs here: nobody answers on the socket {}\n  what to do: {START}",
            socket.display()
        )),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_environment_says_where_the_socket_is() {
    let ran = program()
        .env("OFFHOOK_SOCKET", "/nonexistent/named.sock")
        .arg("status")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&ran.stderr).contains("/nonexistent/named.sock"));

    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("offhook/control.sock");
    fs::create_dir(folder.path().join("offhook")).unwrap();
    drop(UnixListener::bind(&socket).unwrap());
    let ran = program()
        .env("XDG_RUNTIME_DIR", folder.path())
        .arg("status")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&ran.stderr).contains(&*socket.to_string_lossy()));

    let ran = program().arg("status").output().unwrap();
    assert!(String::from_utf8_lossy(&ran.stderr).contains("/run/offhook/control.sock"));
}

#[test]
fn something_else_on_the_socket_is_told() {
    for greeting in [
        "220 smtp ready\n",
        "{\"jsonrpc\":\"2.0\",\"method\":\"notice\",\"params\":{}}\n",
    ] {
        let ran = against_raw(|peer| peer.write(greeting), &["status"]);
        assert_eq!(ran.code, Some(3));
        assert!(
            ran.stderr
                .contains("is not offhookd\n  what to do: name the daemon's socket"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn a_newer_protocol_is_told() {
    let ran = against_raw(|peer| peer.write(&hello(VERSION + 1)), &["status"]);
    assert_eq!(ran.code, Some(3));
    assert!(ran.stderr.contains(
        "the daemon speaks version 2 of the control protocol, and this offhook version 1"
    ));
}

#[test]
fn a_daemon_that_goes_before_it_answers_is_told() {
    let ran = against(
        |peer| {
            peer.asked();
        },
        &["status"],
    );
    assert_eq!(ran.code, Some(3));
    assert!(
        ran.stderr.starts_with("offhook: the daemon has ended\n"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_answer_of_another_shape_is_told() {
    let ran = against(|peer| peer.answer(&Request::Status, &["what"]), &["status"]);
    assert_eq!(ran.code, Some(3));
    assert!(
        ran.stderr
            .starts_with("offhook: the daemon's answer cannot be read: "),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_daemon_that_hangs_is_given_up() {
    let ran = against(
        |peer| {
            peer.asked();
            peer.wait_for_end();
        },
        &["--reply-limit", "0.2", "status"],
    );
    assert_eq!(ran.code, Some(3));
    assert_eq!(
        ran.stderr,
        "offhook: the daemon does not answer within 0.2 s\n  what to do: see the daemon's log, and restart it if it hangs\n"
    );
}

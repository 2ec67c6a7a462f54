//! `events`: lines for people, JSON for scripts, and its ends.

use crate::scripted::{against, hello, program, subscribed};
use offhook_control::{
    hello::VERSION,
    notice::{Event, Said},
    reply::Quality,
    request::Request,
};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixListener,
    process::Stdio,
};

#[test]
fn a_person_reads_a_line_an_event() {
    let ran = against(
        |peer| {
            peer.answer(&Request::Subscribe, &subscribed());
            peer.notice(None, Event::Ready);
            let name = Some("Eve\u{1b}[1A".to_owned());
            peer.notice(
                Some("c-2"),
                Event::Incoming {
                    number: "1002".to_owned(),
                    name,
                    headers: Vec::new(),
                    client_state: None,
                    replaces: None,
                },
            );
            let quality = Quality {
                packets_received: 50,
                jitter_ms: 1.25,
                mos: Some(4.4),
                ..Quality::default()
            };
            peer.notice(Some("c-2"), Event::Quality(quality));
            peer.write("{\"jsonrpc\":\"2.0\",\"method\":\"notice\",\"params\":{\"seq\":9,\"time_ms\":1,\"event\":\"teleported\"}}\n");
        },
        &["events"],
    );
    assert_eq!(
        ran.stdout,
        "following offhookd 0.1.0: accounts: 2, calls: 1\n\
         10:04:05.123Z  desk  +120 ms  ready for calls\n\
         10:04:05.123Z  desk  c-2  +120 ms  Eve\u{fffd}[1A (1002) calls\n\
         10:04:05.123Z  desk  c-2  +120 ms  quality: sent 0, received 50, lost 0, jitter 1.2 ms, MOS 4.4\n\
         an event that this offhook does not know: teleported\n"
    );
    assert_eq!(ran.code, Some(3), "the daemon ended, and that is told");
    assert!(
        ran.stderr.starts_with("offhook: the daemon has ended"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_script_gets_the_snapshot_and_then_each_notice_as_it_came() {
    let ran = against(
        |peer| {
            peer.answer(&Request::Subscribe, &subscribed());
            peer.notice(Some("c-2"), Event::Ringing(Said::default()));
            peer.write("{\"jsonrpc\":\"2.0\",\"method\":\"notice\",\"params\":{\"seq\":9,\"event\":\"teleported\",\"to\":\"Mars\"}}\n");
        },
        &["events", "--json"],
    );
    let values = ran.json();
    assert_eq!(values[0], serde_json::to_value(subscribed()).unwrap());
    assert_eq!(
        (&values[1]["event"], &values[1]["call"]),
        (&"ringing".into(), &"c-2".into())
    );
    assert_eq!(values[2]["to"], "Mars");
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut child = program()
        .arg("--socket")
        .arg(&socket)
        .arg("events")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(hello(VERSION).as_bytes()).unwrap();
    let reply = offhook_control::rpc::write_result(
        &offhook_control::rpc::RequestId::Number(1),
        &subscribed(),
    );
    stream.write_all(reply.as_bytes()).unwrap();
    // The reader takes the first line and goes.
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let notice = "{\"jsonrpc\":\"2.0\",\"method\":\"notice\",\"params\":{\"seq\":9,\"time_ms\":1,\"event\":\"ready\"}}\n";
    while stream.write_all(notice.as_bytes()).is_ok() {}
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
}

//! Call reports, posted to the address of the gateway.

use std::io::{Read, Write};

use serde_json::json;

use crate::client::{Client, Dialect, tcp};
use crate::process::Sandbox;

/// Posts a report; what came back.
fn post(address: &str, id: &str, body: &str) -> String {
    let mut stream = tcp(address);
    let head = format!(
        "POST /call_report HTTP/1.1\r\nHost: {address}\r\nOrigin: http://page.example\r\nx-call-report-id: {id}\r\n\
         x-call-id: c-1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // As from a slow line: head and body in pieces.
    for part in body.as_bytes().chunks(100_000) {
        stream.write_all(part).unwrap();
        stream.flush().unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_report_is_taken_under_the_id_that_came_with_the_registration() {
    let sandbox = Sandbox::start(&[]);
    let address = sandbox.address();
    let mut client = Client::ready(&address, Dialect::Telnyx, "demo-1", None);
    let state = client.ask("telnyx_rtc.gatewayState", json!({}));
    let id = state["result"]["params"]["call_report_id"]
        .as_str()
        .unwrap();
    let long = json!({"summary": {"callId": "c-1"}, "logs": ["x".repeat(500_000)]}).to_string();
    for (id, body, status) in [
        (id, long.as_str(), "200"),
        (id, r#"{"summary":{"callId":"c-2"}}"#, "400"),
        (id, "nonsense", "400"),
        ("guessed", long.as_str(), "404"),
    ] {
        let answer = post(&address, id, body);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(
            answer.contains("Access-Control-Allow-Origin: *"),
            "{answer}"
        );
    }
    // The WebSocket beside it goes on.
    let state = client.ask("telnyx_rtc.gatewayState", json!({}));
    assert_eq!(state["result"]["params"]["call_report_id"], id);
}

//! The end: within 5 s, with the socket gone, also while a server stays silent.

use std::net::TcpListener;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::process::Folder;

#[test]
fn either_signal_ends_the_daemon_and_removes_its_socket() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = Folder::new();
        let running = folder.start();
        let mut client = running.client();
        client.ask("subscribe", json!({}));
        running.signal(signal);
        assert_eq!(client.notice("account")["account"], "desk");
        while client.line().is_some() {}
        let (code, took, _) = running.wait();
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(!folder.socket().exists());
    }
}

#[test]
fn a_server_that_stays_silent_does_not_hold_up_the_end() {
    let folder = Folder::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    folder.configure(&format!("ws://{}", silent.local_addr().unwrap()), "");
    let running = folder.start();
    let _connected = silent.accept().unwrap();
    running.signal(Signal::SIGTERM);
    let (code, took, _) = running.wait();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_closed_terminal_does_not_end_the_daemon() {
    let folder = Folder::new();
    let running = folder.start();
    let mut client = running.client();
    running.signal(Signal::SIGHUP);
    assert!(client.ask("status", json!({}))["result"].is_object());
}

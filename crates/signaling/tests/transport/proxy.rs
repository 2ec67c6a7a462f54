//! Through an HTTP proxy: the tunnel, its credentials, its refusals, and the servers that are excepted.

use crate::server::{Ca, Years, answering, echo, listen, read_head, silent, text, tls_echo};
use offhook_signaling::transport::{
    ConnectError, ConnectOptions, Stage, connect, no_proxy::NoProxy, proxy::Proxy, tls::Trust,
};
use std::{
    fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::PathBuf, sync::mpsc, time::Duration,
};
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
};

/// A proxy that leads everything to `server`, whatever name it is asked for, and reports the requests.
async fn leading_to(server: SocketAddr) -> (SocketAddr, mpsc::Receiver<String>) {
    let (sender, receiver) = mpsc::channel();
    let address = listen(move |mut stream| {
        let sender = sender.clone();
        async move {
            let _ = sender.send(read_head(&mut stream).await);
            let mut onward = TcpStream::connect(server).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
                .await
                .unwrap();
            let _ = copy_bidirectional(&mut stream, &mut onward).await;
        }
    })
    .await;
    (address, receiver)
}

fn through(proxy: SocketAddr, credentials: Option<PathBuf>, exceptions: &str) -> ConnectOptions {
    let proxy = Proxy::new(
        &format!("http://{proxy}"),
        credentials,
        NoProxy::parse(exceptions).unwrap(),
    )
    .unwrap();
    ConnectOptions {
        proxy: Some(proxy),
        ..ConnectOptions::default()
    }
}

async fn refused(options: &ConnectOptions) -> ConnectError {
    connect("ws://pbx.test:8081/", options)
        .await
        .expect_err("connected")
}

fn credentials(content: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy-credentials");
    fs::write(&file, content).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    (folder, file)
}

#[tokio::test]
async fn the_proxy_resolves_the_name_and_tls_goes_through_to_the_server() {
    let ca = Ca::new();
    let server = tls_echo(ca.sign("pbx.test", Years(2020, 2120))).await;
    let (proxy, requests) = leading_to(server).await;
    let options = ConnectOptions {
        trust: Trust::with_ca_file(ca.file.clone()),
        ..through(proxy, None, "")
    };
    let (mut connection, timings) = connect("wss://pbx.test:8082/", &options).await.unwrap();
    assert!(timings.proxy.is_some() && timings.tls.is_some());
    assert_eq!(connection.peer_address(), proxy);
    assert_eq!(
        requests.recv().unwrap(),
        "CONNECT pbx.test:8082 HTTP/1.1\r\nHost: pbx.test:8082\r\n\r\n"
    );
    connection.send("through".to_owned()).unwrap();
    assert_eq!(text(&mut connection).await, "through");
}

#[tokio::test]
async fn credentials_come_from_their_file_and_show_nowhere() {
    let (_folder, file) = credentials("kiosk:pass:word\n", 0o640);
    let (proxy, requests) = leading_to(echo().await).await;
    let options = through(proxy, Some(file), "");
    connect("ws://pbx.test:8081/", &options).await.unwrap();
    // base64 of "kiosk:pass:word"
    assert!(
        requests
            .recv()
            .unwrap()
            .contains("\r\nProxy-Authorization: Basic a2lvc2s6cGFzczp3b3Jk\r\n")
    );
    let shown = format!("{options:?}");
    assert!(
        !shown.contains("pass") && !shown.contains("a2lvc2s6"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_proxy_that_wants_credentials_is_told() {
    let proxy = answering("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let error = refused(&through(proxy, None, "")).await;
    assert_eq!(error.stage, Stage::Proxy);
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to pbx.test:8081 through the proxy {proxy}: the proxy wants a user name and a password (407) \
             (stage: proxy); name a file with user:password as its credentials file"
        )
    );
}

#[tokio::test]
async fn wrong_credentials_name_the_file_and_not_its_content() {
    let (_folder, file) = credentials("kiosk:wrong", 0o600);
    let proxy = answering("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let error = refused(&through(proxy, Some(file.clone()), "")).await;
    let text = error.to_string();
    assert!(
        text.contains(&format!(
            "the proxy refused the user name and password from {} (407)",
            file.display()
        )),
        "{text}"
    );
    assert!(!text.contains("wrong") && !format!("{error:?}").contains("wrong"));
}

#[tokio::test]
async fn a_credentials_file_that_cannot_be_used_is_told_before_anything_is_sent() {
    let nowhere: SocketAddr = "127.0.0.1:9".parse().unwrap();
    for (content, mode, wanted) in [
        (
            "kiosk:secret",
            0o644,
            "can be read by everybody (mode 0644) (stage: setup); take the rights of others away",
        ),
        (
            "kiosksecret",
            0o600,
            "does not hold one line of the form user:password",
        ),
        (
            "",
            0o600,
            "does not hold one line of the form user:password",
        ),
    ] {
        let (_folder, file) = credentials(content, mode);
        let error = refused(&through(nowhere, Some(file), "")).await;
        assert_eq!(error.stage, Stage::Setup);
        assert!(
            error.to_string().contains(wanted) && !error.to_string().contains("secret"),
            "{error}"
        );
    }
    let error = refused(&through(nowhere, Some("/nonexistent/file".into()), "")).await;
    assert!(
        error
            .to_string()
            .contains("the proxy credentials file /nonexistent/file cannot be read"),
        "{error}"
    );
}

#[tokio::test]
async fn a_refused_tunnel_is_told() {
    let proxy = answering("HTTP/1.1 403 Forbidden by policy\r\n\r\n").await;
    let error = refused(&through(proxy, None, "")).await;
    assert!(
        error.to_string().ends_with(
            "the proxy refused the tunnel with 403 Forbidden by policy (stage: proxy); ask for this host and port to be allowed \
             on the proxy, or add it to no_proxy"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_silent_proxy_is_given_up() {
    let mut options = through(silent().await, None, "");
    options.limits.proxy = Duration::from_millis(100);
    let error = refused(&options).await;
    assert_eq!(error.stage, Stage::Proxy);
    assert!(
        error
            .to_string()
            .contains("no answer within 0.1 s (stage: proxy); check that this is an HTTP proxy"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_proxy_is_told() {
    for answer in ["220 smtp ready\r\n", "HTTP/1.1 200 OK\r\n\r\n<html>"] {
        let error = refused(&through(answering(answer).await, None, "")).await;
        assert!(
            error
                .to_string()
                .contains("what answers at the proxy's address does not speak HTTP"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_excepted_server_is_reached_directly() {
    let server = echo().await;
    let nowhere: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let options = through(nowhere, None, "lan, 127.0.0.0/8");
    let (connection, timings) = connect(&format!("ws://{server}/"), &options).await.unwrap();
    assert_eq!(connection.peer_address(), server);
    assert!(timings.proxy.is_none());
}

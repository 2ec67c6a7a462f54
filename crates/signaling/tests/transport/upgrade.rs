//! The upgrade: what is sent, what is accepted, and the word for each refusal.

use crate::server::{answering, echo, listen, read_head, text, wait_for_end};
use offhook_signaling::transport::{ConnectOptions, Stage, connect, error::Fault};
use std::{sync::mpsc, time::Duration};
use tokio::io::AsyncWriteExt;

/// The whole sentence of a server that answers like this.
async fn sentence(answer: &str) -> String {
    let address = answering(answer).await;
    let url = format!("ws://{address}/verto?token=hidden");
    let error = connect(&url, &ConnectOptions::default())
        .await
        .expect_err("connected");
    assert_eq!(error.stage, Stage::Upgrade);
    let text = error.to_string();
    assert!(!text.contains("hidden"), "{text}");
    text.strip_prefix(&format!("cannot connect to {address}: "))
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_web_server_without_websocket_is_told() {
    assert_eq!(
        sentence("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await,
        "there is no WebSocket at /verto: it answered 200 OK (stage: WebSocket upgrade); check path and port of the URL"
    );
    assert_eq!(
        sentence("HTTP/1.1 404 Not Found\r\n\r\n").await,
        "there is no WebSocket at /verto: it answered 404 Not Found (stage: WebSocket upgrade); check path and port of the URL"
    );
}

#[tokio::test]
async fn a_refusal_is_told() {
    assert_eq!(
        sentence("HTTP/1.1 403 Forbidden\r\n\r\n").await,
        "it refused the WebSocket with 403 Forbidden (stage: WebSocket upgrade); check that the server lets this client in \
         (address lists, Origin, path)"
    );
}

#[tokio::test]
async fn a_redirection_is_told_without_its_query() {
    assert_eq!(
        sentence("HTTP/1.1 302 Found\r\nLocation: https://login.example.com/?t=hidden\r\n\r\n")
            .await,
        "it redirects to https://login.example.com/ (302 Found) (stage: WebSocket upgrade); put the address that it names into \
         the URL"
    );
}

#[tokio::test]
async fn a_busy_server_says_when_to_come_back() {
    let address = answering("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 17\r\n\r\n").await;
    let error = connect(&format!("ws://{address}/"), &ConnectOptions::default())
        .await
        .expect_err("connected");
    assert!(
        error
            .to_string()
            .contains("it has no room for us now (503 Service Unavailable)"),
        "{error}"
    );
    let Fault::Busy { retry_after, .. } = error.fault else {
        panic!("{error}")
    };
    assert_eq!(retry_after, Some(Duration::from_secs(17)));
    // By a date, which is one of its own clock.
    let address = answering(
        "HTTP/1.1 429 Too Many Requests\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:51:37 GMT\r\n\r\n",
    )
    .await;
    let error = connect(&format!("ws://{address}/"), &ConnectOptions::default())
        .await
        .expect_err("connected");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
}

#[tokio::test]
async fn what_is_not_http_is_told() {
    assert!(
        sentence("SSH-2.0-OpenSSH_9.9\r\n")
            .await
            .starts_with("it answered with something that is not HTTP")
    );
    assert!(
        sentence("HTTP/1.1 banana\r\n\r\n")
            .await
            .starts_with("it answered with something that is not HTTP")
    );
}

#[tokio::test]
async fn an_upgrade_that_is_none_is_told() {
    let start = "HTTP/1.1 101 Switching Protocols\r\n";
    for (headers, wanted) in [
        (
            "Connection: Upgrade\r\n",
            "no \"Upgrade: websocket\" in its answer",
        ),
        (
            "Upgrade: websocket\r\n",
            "no \"Connection: upgrade\" in its answer",
        ),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n",
            "Sec-WebSocket-Accept does not fit our key",
        ),
    ] {
        let text = sentence(&format!("{start}{headers}\r\n")).await;
        assert!(
            text.starts_with(&format!("it broke the WebSocket upgrade: {wanted}")),
            "{text}"
        );
    }
}

/// A server that grants the upgrade with these further headers and first bytes, and reports the request.
async fn granting(headers: &'static str, first: &'static [u8]) -> (String, mpsc::Receiver<String>) {
    let (sender, receiver) = mpsc::channel();
    let address = listen(move |mut stream| {
        let sender = sender.clone();
        async move {
            let request = read_head(&mut stream).await;
            let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
            let answer = format!(
                "HTTP/1.1 101 OK\r\nupgrade: WebSocket\r\nconnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
            );
            let _ = sender.send(request);
            stream.write_all(&[answer.as_bytes(), first].concat()).await.unwrap();
            wait_for_end(&mut stream).await;
        }
    })
    .await;
    (format!("ws://{address}/"), receiver)
}

#[tokio::test]
async fn an_echo_of_a_sub_protocol_nobody_offered_is_let_by() {
    let (url, _) = granting("Sec-WebSocket-Protocol: verto\r\n", b"").await;
    connect(&url, &ConnectOptions::default()).await.unwrap();
}

#[tokio::test]
async fn an_offered_sub_protocol_must_be_agreed_to() {
    let options = ConnectOptions {
        sub_protocol: Some("sip".to_owned()),
        ..ConnectOptions::default()
    };
    let (url, requests) = granting("Sec-WebSocket-Protocol: sip\r\n", b"").await;
    connect(&url, &options).await.unwrap();
    assert!(
        requests
            .recv()
            .unwrap()
            .contains("\r\nSec-WebSocket-Protocol: sip\r\n")
    );
    for headers in ["", "Sec-WebSocket-Protocol: chat\r\n"] {
        let (url, _) = granting(headers, b"").await;
        let error = connect(&url, &options).await.expect_err("connected");
        assert!(
            error
                .to_string()
                .contains("it did not agree to the sub-protocol that was offered"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_extension_nobody_offered_is_refused() {
    let (url, _) = granting("Sec-WebSocket-Extensions: permessage-deflate\r\n", b"").await;
    let error = connect(&url, &ConnectOptions::default())
        .await
        .expect_err("connected");
    assert!(
        error
            .to_string()
            .contains("it switched on an extension that was not offered"),
        "{error}"
    );
}

#[tokio::test]
async fn a_message_in_the_same_packet_as_the_answer_is_not_lost() {
    let (url, _) = granting("", b"\x81\x05hello").await;
    let (mut connection, _) = connect(&url, &ConnectOptions::default()).await.unwrap();
    assert_eq!(text(&mut connection).await, "hello");
}

#[tokio::test]
async fn the_request_carries_what_was_asked_for_and_offers_no_extension() {
    let options = ConnectOptions {
        origin: Some("https://kiosk.example.com".to_owned()),
        headers: vec![("X-Site".to_owned(), "lobby".to_owned())],
        ..ConnectOptions::default()
    };
    let (url, requests) = granting("", b"").await;
    connect(&format!("{url}path?a=b"), &options).await.unwrap();
    let request = requests.recv().unwrap();
    assert!(
        request.starts_with("GET /path?a=b HTTP/1.1\r\nHost: 127.0.0.1:"),
        "{request}"
    );
    assert!(
        request.contains("\r\nOrigin: https://kiosk.example.com\r\n"),
        "{request}"
    );
    assert!(request.contains("\r\nX-Site: lobby\r\n"), "{request}");
    assert!(request.contains("\r\nUser-Agent: offhook/"), "{request}");
    assert!(
        !request.contains("Extensions") && !request.contains("Protocol:"),
        "{request}"
    );
}

#[tokio::test]
async fn a_strict_server_takes_the_request() {
    let address = echo().await;
    let (mut connection, _) = connect(&format!("ws://{address}"), &ConnectOptions::default())
        .await
        .unwrap();
    connection.send("{}".to_owned()).unwrap();
    assert_eq!(text(&mut connection).await, "{}");
}

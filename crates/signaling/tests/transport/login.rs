//! Servers that want to know who opens a WebSocket (HTTP 401): what they are told, once, and what they are never told.

use crate::server::{listen, read_head, wait_for_end};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::Md5;
use offhook_signaling::session::SocketLogin;
use offhook_signaling::transport::{ConnectError, ConnectOptions, connect, error::Fault};
use sha2::{Digest, Sha256};
use std::sync::mpsc;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

const PASSWORD: &str = "secret of alice";

fn options() -> ConnectOptions {
    ConnectOptions {
        login: Some(SocketLogin {
            user: "alice".to_owned(),
            password: PASSWORD.to_owned().into(),
        }),
        ..ConnectOptions::default()
    }
}

/// A server that answers so as long as a request does not hold this, and opens the WebSocket then. Gives back every request.
async fn asking(answer: &'static str, wanted: &'static str) -> (String, mpsc::Receiver<String>) {
    let (sender, requests) = mpsc::channel();
    let address = listen(move |mut stream| {
        let sender = sender.clone();
        async move {
            let request = read_head(&mut stream).await;
            let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
            let accept = derive_accept_key(key.unwrap().as_bytes());
            let granted = format!(
                "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            let let_in = request.contains(wanted);
            let _ = sender.send(request);
            let text = if let_in { granted.as_str() } else { answer };
            let _ = stream.write_all(text.as_bytes()).await;
            // As many do with whom they refuse.
            if let_in {
                wait_for_end(&mut stream).await;
            }
        }
    })
    .await;
    (format!("ws://{address}/sip?room=7"), requests)
}

async fn refusal(url: &str, options: &ConnectOptions) -> ConnectError {
    let error = connect(url, options).await.expect_err("connected");
    assert!(matches!(error.fault, Fault::Refused { .. }), "{error}");
    assert!(!format!("{error} {error:?} {options:?}").contains(PASSWORD));
    error
}

#[tokio::test]
async fn basic_is_answered_within_this_machine_and_cookies_are_kept() {
    let (url, requests) = asking(
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"calls\"\r\nSet-Cookie: session=a1; Path=/; HttpOnly\r\n\
         Set-Cookie: lane=2\r\nContent-Length: 2\r\n\r\nno",
        "Authorization: Basic ",
    )
    .await;
    let mut own = options();
    own.headers.push(("Cookie".to_owned(), "mine=3".to_owned()));
    connect(&url, &own).await.unwrap();
    let first = requests.recv().unwrap();
    assert!(!first.contains("Authorization"), "{first}");
    assert!(first.contains("\r\nCookie: mine=3\r\n"), "{first}");
    let second = requests.recv().unwrap();
    let pair = STANDARD.encode(format!("alice:{PASSWORD}"));
    assert!(
        second.contains(&format!("\r\nAuthorization: Basic {pair}\r\n")),
        "{second}"
    );
    assert!(
        second.contains("\r\nCookie: mine=3; session=a1; lane=2\r\n"),
        "{second}"
    );
    assert!(requests.try_recv().is_err(), "a third request");
}

fn hex<D: Digest>(text: &str) -> String {
    let sum = D::digest(text.as_bytes());
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn digest_is_answered_and_preferred() {
    let md5 = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a\", Digest realm=\"calls, all\", nonce=\"n1\", \
               qop=\"auth,auth-int\", algorithm=MD5, opaque=\"o\"\r\n\r\n";
    let sha = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a\"\r\n\
               WWW-Authenticate: Digest realm=\"calls, all\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256, opaque=\"o\"\r\n\
               WWW-Authenticate: Digest realm=\"calls, all\", nonce=\"n2\", qop=\"auth\", algorithm=MD5\r\n\r\n";
    for (answer, sum) in [
        (md5, hex::<Md5> as fn(&str) -> String),
        (sha, hex::<Sha256>),
    ] {
        let (url, requests) = asking(answer, "Authorization: Digest ").await;
        connect(&url, &options()).await.unwrap();
        requests.recv().unwrap();
        let second = requests.recv().unwrap();
        let line = second
            .lines()
            .find_map(|line| line.strip_prefix("Authorization: Digest "))
            .unwrap();
        let cnonce = line.split("cnonce=\"").nth(1).unwrap();
        let cnonce = cnonce.split('"').next().unwrap();
        let key = sum(&format!("alice:calls, all:{PASSWORD}"));
        let asked = sum("GET:/sip?room=7");
        let proof = sum(&format!("{key}:n1:00000001:{cnonce}:auth:{asked}"));
        for part in [
            "username=\"alice\"",
            "realm=\"calls, all\"",
            "nonce=\"n1\"",
            "uri=\"/sip?room=7\"",
            "opaque=\"o\"",
            "qop=auth",
            "nc=00000001",
            &format!("response=\"{proof}\""),
        ] {
            assert!(line.contains(part), "no {part} in {line}");
        }
    }
}

#[tokio::test]
async fn who_is_refused_again_stays_refused() {
    let basic = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"calls\"\r\n\r\n";
    let digest = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"b\", stale=true\r\n\r\n";
    let none = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\n\r\n";
    let forbidden = "HTTP/1.1 403 Forbidden\r\nWWW-Authenticate: Basic realm=\"calls\"\r\n\r\n";
    let own_word = ConnectOptions {
        headers: vec![("authorization".to_owned(), "Bearer t".to_owned())],
        ..options()
    };
    for (answer, options, requested) in [
        (basic, options(), 2),
        (digest, options(), 2),
        (none, options(), 1),
        (forbidden, options(), 1),
        (basic, ConnectOptions::default(), 1),
        (basic, own_word, 1),
    ] {
        let (url, requests) = asking(answer, "never").await;
        refusal(&url, &options).await;
        assert_eq!(requests.try_iter().count(), requested, "{answer}");
    }
}

//! An open connection: what it reads and writes, and how it says that it ended.

use crate::server::{echo, end, listen, read_head, text, upgraded, wait_for_end};
use futures_util::{FutureExt, SinkExt, StreamExt, stream::SelectAll};
use offhook_signaling::transport::{
    ConnectOptions, Connection, Incoming, connect, options::Buffers, websocket::Closed,
};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, mpsc},
};
use tokio_tungstenite::tungstenite::{
    Bytes, Message,
    handshake::derive_accept_key,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

async fn open_with(address: SocketAddr, options: &ConnectOptions) -> Connection {
    connect(&format!("ws://{address}/"), options)
        .await
        .unwrap()
        .0
}

async fn open(address: SocketAddr) -> Connection {
    open_with(address, &ConnectOptions::default()).await
}

/// Upgrades by hand, for servers that are to break the protocol.
async fn grant(stream: &mut TcpStream) {
    let request = read_head(stream).await;
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .unwrap();
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\
         Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}

/// A server that grants the upgrade, writes these bytes and closes TCP when `hang_up`, else reads on.
async fn raw(bytes: &'static [u8], hang_up: bool) -> SocketAddr {
    listen(move |mut stream| async move {
        grant(&mut stream).await;
        stream.write_all(bytes).await.unwrap();
        if !hang_up {
            wait_for_end(&mut stream).await;
        }
    })
    .await
}

#[tokio::test]
async fn many_messages_come_back_in_order() {
    let mut connection = open(echo().await).await;
    for round in 0..20 {
        for number in 0..50 {
            connection.send(format!("{round}.{number}")).unwrap();
        }
        for number in 0..50 {
            assert_eq!(text(&mut connection).await, format!("{round}.{number}"));
        }
    }
}

/// In their order among texts, each in one frame, and counted as they are.
#[tokio::test]
async fn bytes_go_as_binary_messages() {
    let (told, mut seen) = mpsc::unbounded_channel();
    let address = listen(move |mut stream| {
        let told = told.clone();
        async move {
            grant(&mut stream).await;
            // First byte, length and mask; the payload is masked.
            for length in [2, 3, 2] {
                let mut frame = vec![0; 6 + length];
                stream.read_exact(&mut frame).await.unwrap();
                let (header, payload) = frame.split_at(6);
                let mask = header[2..].iter().cycle();
                let payload: Vec<_> = payload
                    .iter()
                    .zip(mask)
                    .map(|(byte, mask)| byte ^ mask)
                    .collect();
                told.send((header[0], header[1], payload)).unwrap();
            }
            wait_for_end(&mut stream).await;
        }
    })
    .await;
    let mut options = ConnectOptions::default();
    options.buffers.outbox = 7;
    let mut connection = open_with(address, &options).await;
    connection.send("hi".to_owned()).unwrap();
    connection.send_bytes(b"J\xe9r".to_vec()).unwrap();
    let full = connection.send_bytes(b"\xff\xff\xff".to_vec()).unwrap_err();
    assert_eq!(full.waiting, 5);
    connection.send("ho".to_owned()).unwrap();
    for wanted in [
        (0x81, 0x82, b"hi".to_vec()),
        (0x82, 0x83, b"J\xe9r".to_vec()),
        (0x81, 0x82, b"ho".to_vec()),
    ] {
        tokio::select! {
            frame = seen.recv() => assert_eq!(frame, Some(wanted)),
            incoming = connection.next() => panic!("{incoming:?}"),
        }
    }
    connection.send_bytes(b"1234567".to_vec()).unwrap();
}

#[tokio::test]
async fn one_task_drives_many_connections_and_speaks_through_their_outboxes() {
    let address = echo().await;
    let mut all = SelectAll::new();
    let mut outboxes = Vec::new();
    for _ in 0..100 {
        let connection = open(address).await;
        outboxes.push(connection.outbox());
        all.push(connection);
    }
    // The collection sleeps on all of them before anything is sent: each send must wake its connection.
    assert!(all.next().now_or_never().is_none());
    for (number, outbox) in outboxes.iter().enumerate() {
        outbox.send(number.to_string()).unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 100 {
        match all.next().await {
            Some(Incoming::Text(text)) => seen.push(text.parse::<usize>().unwrap()),
            other => panic!("{other:?}"),
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_binary_message_with_text_is_text_and_without_it_ends_the_connection() {
    let address = upgraded(|mut socket| async move {
        let _ = socket
            .send(Message::Binary(Bytes::from_static(b"{\"a\":1}")))
            .await;
        let _ = socket
            .send(Message::Binary(Bytes::from_static(b"\xff\xfe")))
            .await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let mut connection = open(address).await;
    assert_eq!(text(&mut connection).await, "{\"a\":1}");
    let closed = end(&mut connection).await;
    assert_eq!(
        closed.to_string(),
        "the server sent a message that is not text; the connection was closed"
    );
}

#[tokio::test]
async fn a_ping_is_empty_and_a_ping_of_the_server_is_answered() {
    let (report, mut reported) = mpsc::channel(1);
    let address = upgraded(move |mut socket| {
        let report = report.clone();
        async move {
            let mut heard = Vec::new();
            let _ = socket
                .send(Message::Ping(Bytes::from_static(b"you there?")))
                .await;
            while heard.len() < 2 {
                match socket.next().await {
                    Some(Ok(message)) => heard.push(message),
                    _ => break,
                }
            }
            let _ = report.send(heard).await;
            let _ = socket.send(Message::text("done")).await;
        }
    })
    .await;
    let mut connection = open(address).await;
    connection.ping();
    assert_eq!(text(&mut connection).await, "done");
    let heard = reported.recv().await.unwrap();
    assert!(heard.contains(&Message::Ping(Bytes::new())), "{heard:?}");
    assert!(
        heard.contains(&Message::Pong(Bytes::from_static(b"you there?"))),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_message_beyond_the_limit_ends_the_connection_with_1009() {
    let (report, mut reported) = mpsc::channel(1);
    let address = upgraded(move |mut socket| {
        let report = report.clone();
        async move {
            let _ = socket.send(Message::text("a".repeat(2000))).await;
            let _ = report.send(socket.next().await).await;
        }
    })
    .await;
    let mut options = ConnectOptions::default();
    options.buffers.max_message = 1000;
    let mut connection = open_with(address, &options).await;
    let closed = end(&mut connection).await;
    assert_eq!(
        closed.to_string(),
        "the server sent a message of 2000 bytes where 1000 are allowed; the connection was closed"
    );
    match reported.recv().await.unwrap() {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(frame.code, CloseCode::Size),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_message_in_many_fragments_is_limited_as_well() {
    // Fragments of 4 bytes: start of a text, then a continuation.
    let address = raw(b"\x01\x04abcd\x00\x04efgh\x00\x04ijkl", false).await;
    let mut options = ConnectOptions::default();
    options.buffers.max_message = 10;
    let closed = end(&mut open_with(address, &options).await).await;
    assert!(
        matches!(
            closed,
            Closed::TooLong {
                size: 12,
                limit: 10
            }
        ),
        "{closed:?}"
    );
}

/// Servers lose a message in several frames, or one whose head comes by itself.
#[tokio::test]
async fn a_message_is_one_frame_in_one_write() {
    let (report, mut reported) = mpsc::channel(1);
    let address = listen(move |mut stream| {
        let report = report.clone();
        async move {
            grant(&mut stream).await;
            let mut bytes = vec![0; 16 * 1024];
            let length = stream.read(&mut bytes).await.unwrap();
            bytes.truncate(length);
            report.send(bytes).await.unwrap();
            wait_for_end(&mut stream).await;
        }
    })
    .await;
    let mut connection = open(address).await;
    connection.send("i".repeat(12_000)).unwrap();
    let bytes = tokio::select! {
        bytes = reported.recv() => bytes.unwrap(),
        incoming = connection.next() => panic!("{incoming:?}"),
    };
    // RFC 6455, 5.2: the last fragment of a text, masked, its length in two bytes, and four of the mask.
    assert_eq!(bytes[..4], [0x81, 0x80 | 126, 0x2e, 0xe0]);
    assert_eq!(bytes.len(), 8 + 12_000);
}

#[tokio::test]
async fn a_message_longer_than_every_buffer_arrives_whole() {
    let mut options = ConnectOptions::default();
    options.buffers.read = 256;
    options.buffers.write = 0;
    let mut connection = open_with(echo().await, &options).await;
    let long = "0123456789".repeat(50_000);
    connection.send(long.clone()).unwrap();
    assert!(text(&mut connection).await == long);
}

#[tokio::test]
async fn a_server_that_does_not_read_fills_the_outbox_and_a_late_reader_gets_everything() {
    let go = Arc::new(Notify::new());
    let (report, mut reported) = mpsc::channel(1);
    let gate = Arc::clone(&go);
    let address = upgraded(move |mut socket| {
        let (gate, report) = (Arc::clone(&gate), report.clone());
        async move {
            gate.notified().await;
            let mut received = 0;
            while let Some(Ok(message)) = socket.next().await {
                received += usize::from(message.is_text());
            }
            let _ = report.send(received).await;
        }
    })
    .await;
    let mut options = ConnectOptions::default();
    options.buffers.outbox = 1024 * 1024;
    let mut connection = open_with(address, &options).await;
    let mut sent = 0;
    let full = loop {
        // The socket takes what fits into it before the queue counts as full.
        assert!(
            connection.next().now_or_never().is_none(),
            "the server said something"
        );
        match connection.send("x".repeat(256 * 1024)) {
            Ok(()) => sent += 1,
            Err(full) => break full,
        }
        assert!(sent < 1000, "the outbox never fills");
    };
    assert_eq!(
        full.to_string(),
        "1048576 bytes wait for the server to read and no more fit; close the connection"
    );
    // A full outbox stops neither a ping nor a close, and the close comes after all messages.
    connection.ping();
    connection.close();
    go.notify_one();
    let closed = end(&mut connection).await;
    assert!(
        matches!(closed, Closed::ByUs { answered: true }),
        "{closed:?}"
    );
    assert_eq!(reported.recv().await.unwrap(), sent);
}

#[tokio::test]
async fn the_servers_close_code_and_reason_are_told() {
    let address = upgraded(|mut socket| async move {
        let frame = CloseFrame {
            code: CloseCode::Policy,
            reason: "kicked\nby admin".into(),
        };
        let _ = socket.close(Some(frame)).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let closed = end(&mut open(address).await).await;
    assert_eq!(
        closed.to_string(),
        "the server closed the connection (1008: kickedby admin)"
    );
    assert!(matches!(
        closed,
        Closed::ByServer {
            code: Some(1008),
            ..
        }
    ));
}

#[tokio::test]
async fn after_both_have_closed_it_is_for_the_server_to_end_tcp() {
    let go = Arc::new(Notify::new());
    let gate = Arc::clone(&go);
    let address = listen(move |mut stream| {
        let gate = Arc::clone(&gate);
        async move {
            grant(&mut stream).await;
            stream.write_all(b"\x88\x02\x03\xe8").await.unwrap();
            // Header, mask, code.
            let mut frame = [0; 8];
            stream.read_exact(&mut frame).await.unwrap();
            assert_eq!(frame[..2], [0x88, 0x82]);
            gate.notified().await;
            // Nothing more has come from the client, not even its end.
            let mut more = [0];
            let ended = stream.try_read(&mut more);
            assert!(ended.is_err_and(|why| why.kind() == std::io::ErrorKind::WouldBlock));
        }
    })
    .await;
    let mut connection = open(address).await;
    let closed = connection.next().await;
    assert!(
        matches!(
            closed,
            Some(Incoming::Closed(Closed::ByServer {
                code: Some(1000),
                ..
            }))
        ),
        "{closed:?}"
    );
    assert!(
        connection.next().now_or_never().is_none(),
        "TCP is ended by the client"
    );
    go.notify_one();
    assert!(connection.next().await.is_none());
    // A server that does not end it is not waited for long.
    assert_eq!(Buffers::default().close_limit, Duration::from_secs(2));
    let mut options = ConnectOptions::default();
    options.buffers.close_limit = Duration::from_millis(50);
    let mut connection = open_with(raw(b"\x88\x00", false).await, &options).await;
    end(&mut connection).await;
}

#[tokio::test]
async fn a_close_without_a_code_and_a_bare_end_of_tcp_are_told_apart() {
    let closed = end(&mut open(raw(b"\x88\x00", true).await).await).await;
    assert_eq!(closed.to_string(), "the server closed the connection");
    let closed = end(&mut open(raw(b"\x81\x02hi", true).await).await).await;
    assert_eq!(
        closed.to_string(),
        "the connection to the server was lost: it ended without a WebSocket close"
    );
}

#[tokio::test]
async fn an_end_in_the_middle_of_a_frame_is_a_loss_and_not_half_a_message() {
    let mut connection = open(raw(b"\x81\x7e\x01\x00half", true).await).await;
    match connection.next().await {
        Some(Incoming::Closed(Closed::Lost { .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_broken_frame_is_told() {
    let closed = end(&mut open(raw(b"\xf1\x00", false).await).await).await;
    assert_eq!(
        closed.to_string(),
        "the server broke the WebSocket protocol (WebSocket protocol error: Reserved bits are non-zero); the connection was \
         closed"
    );
}

#[tokio::test]
async fn our_close_says_1000_and_waits_for_the_answer() {
    let address = listen(|mut stream| async move {
        grant(&mut stream).await;
        // Header, mask, code.
        let mut frame = [0; 8];
        stream.read_exact(&mut frame).await.unwrap();
        let code = [frame[6] ^ frame[2], frame[7] ^ frame[3]];
        stream
            .write_all(&[0x88, 2, code[0], code[1]])
            .await
            .unwrap();
        assert_eq!(u16::from_be_bytes(code), 1000);
    })
    .await;
    let mut connection = open(address).await;
    connection.close();
    let closed = end(&mut connection).await;
    assert!(
        matches!(closed, Closed::ByUs { answered: true }),
        "{closed:?}"
    );
}

#[tokio::test]
async fn a_close_from_beside_wakes_a_connection_that_sleeps() {
    let mut connection = open(echo().await).await;
    let outbox = connection.outbox();
    // Polled in this order: the connection sleeps before it is told.
    let (closed, ()) = tokio::join!(end(&mut connection), async { outbox.close() });
    assert!(
        matches!(closed, Closed::ByUs { answered: true }),
        "{closed:?}"
    );
}

#[tokio::test]
async fn a_server_that_ignores_our_close_does_not_hold_us() {
    let mut options = ConnectOptions::default();
    options.buffers.close_limit = Duration::from_millis(50);
    let mut connection = open_with(raw(b"", false).await, &options).await;
    connection.close();
    let closed = end(&mut connection).await;
    assert_eq!(
        closed.to_string(),
        "we closed the connection and the server did not answer that"
    );
}

#[tokio::test]
async fn a_server_that_talks_on_after_our_close_does_not_hold_us_either() {
    let address = listen(|mut stream| async move {
        grant(&mut stream).await;
        while stream.write_all(b"\x81\x02hi").await.is_ok() {}
    })
    .await;
    let mut options = ConnectOptions::default();
    options.buffers.close_limit = Duration::from_millis(50);
    let mut connection = open_with(address, &options).await;
    connection.close();
    let closed = end(&mut connection).await;
    assert!(
        matches!(closed, Closed::ByUs { answered: false }),
        "{closed:?}"
    );
}

#[tokio::test]
async fn the_clock_of_the_server_is_handed_over_where_it_shows_one() {
    let url = format!("ws://{}/", raw(b"", false).await);
    let (connection, _) = connect(&url, &ConnectOptions::default()).await.unwrap();
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    assert_eq!(connection.server_date(), Some(date));
    let url = format!("ws://{}/", echo().await);
    let (connection, _) = connect(&url, &ConnectOptions::default()).await.unwrap();
    assert_eq!(connection.server_date(), None);
}

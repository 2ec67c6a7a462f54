//! Servers that are wrong in one way.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

/// A server that answers each connection with these bytes and closes it.
pub(crate) fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(bytes);
        }
    });
    format!("ws://{address}/")
}

/// A port of loopback at which nobody listens.
pub(crate) fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    format!("ws://{}", listener.local_addr().expect("its address"))
}

/// The server at `url`, whose answer to the upgrade shows this `Date`.
pub(crate) fn dated(url: &str, date: &'static str) -> String {
    let server = url.trim_start_matches("ws://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(upstream) = TcpStream::connect(&server) else {
                continue;
            };
            let (from_client, to_client) = (client.try_clone().expect("a socket"), client);
            let (from_server, to_server) = (upstream.try_clone().expect("a socket"), upstream);
            std::thread::spawn(move || copy(from_client, to_server, None));
            std::thread::spawn(move || copy(from_server, to_client, Some(date)));
        }
    });
    format!("ws://{address}")
}

/// Passes bytes on; the first line is followed by the date.
fn copy(mut from: TcpStream, mut to: TcpStream, mut date: Option<&str>) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        let mut passed = bytes[..length].to_vec();
        if let Some(date) = date.take() {
            let line = passed.iter().position(|byte| *byte == b'\n').unwrap_or(0) + 1;
            passed.splice(line..line, format!("Date: {date}\r\n").into_bytes());
        }
        if to.write_all(&passed).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

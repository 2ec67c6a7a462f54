//! An HTTP client of a few lines, so that nothing stands between the test and the wire.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// The token in it.
    pub(crate) fn token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["token"].as_str().expect("a token").to_owned()
    }
}

/// One request on a connection that is closed then.
pub(crate) fn ask(mut stream: impl Read + Write, line: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = format!("{line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("content-length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut bytes = Vec::new();
    // A server that closes TLS without a word has still said everything.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    Reply {
        status: head
            .get(9..12)
            .and_then(|code| code.parse().ok())
            .expect("a status"),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

/// The same without TLS.
pub(crate) fn plain(address: &str, line: &str, headers: &[(&str, &str)]) -> Reply {
    ask(
        TcpStream::connect(address).expect("a connection"),
        line,
        headers,
    )
}

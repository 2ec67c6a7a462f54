//! Reads the head of one HTTP/1.1 answer, for the proxy and for the upgrade.

use crate::transport::error::HttpStatus;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest head that is read. Load balancers with many cookies stay far below.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// Status and headers of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: HttpStatus,
    headers: Vec<(String, String)>,
    /// What came behind the head in the same packets.
    pub(super) rest: Vec<u8>,
}

/// Why there is no head.
#[derive(Debug)]
pub(super) enum HeadFault {
    Broken(io::Error),
    ClosedEarly,
    NotHttp,
}

impl Head {
    /// Reads up to the blank line and not further than what is there already.
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, HeadFault> {
        let mut bytes = Vec::with_capacity(1024);
        loop {
            match stream.read_buf(&mut bytes).await {
                Ok(0) if bytes.is_empty() => return Err(HeadFault::ClosedEarly),
                Ok(0) => return Err(HeadFault::NotHttp),
                Ok(_) => {}
                Err(error) => return Err(HeadFault::Broken(error)),
            }
            let known = bytes.len().min(HTTP.len());
            if bytes.get(..known) != HTTP.get(..known) {
                return Err(HeadFault::NotHttp);
            }
            if let Some(end) = end_of_head(&bytes) {
                return Self::parse(&bytes, end).ok_or(HeadFault::NotHttp);
            }
            if bytes.len() >= MAX_HEAD {
                return Err(HeadFault::NotHttp);
            }
        }
    }

    fn parse(bytes: &[u8], end: usize) -> Option<Self> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        response.parse(bytes.get(..end)?).ok()?;
        Some(Self {
            status: HttpStatus {
                code: response.code?,
                reason: clean(response.reason.unwrap_or_default()),
            },
            headers: response
                .headers
                .iter()
                .map(|header| {
                    (
                        header.name.to_owned(),
                        String::from_utf8_lossy(header.value).trim().to_owned(),
                    )
                })
                .collect(),
            rest: bytes.get(end..)?.to_vec(),
        })
    }

    /// First value of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Every line of a header, as it came.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether a comma-separated header holds `token`, in any of its lines.
    pub(super) fn has_token(&self, name: &str, token: &str) -> bool {
        self.headers
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .flat_map(|(_, value)| value.split(','))
            .any(|found| found.trim().eq_ignore_ascii_case(token))
    }
}

const HTTP: &[u8] = b"HTTP/1.";

/// Index behind the blank line that ends a head.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|start| start + 4)
}

/// Makes a text from outside fit for a log line: no control characters, not long.
pub(super) fn clean(text: &str) -> String {
    const MAX: usize = 120;
    text.chars()
        .filter(|character| !character.is_control())
        .take(MAX)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// Whether a header's name and value may stand in a request (RFC 9110, section 5).
pub(super) fn is_header_allowed(name: &str, value: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name.bytes().all(token)
        && value
            .bytes()
            .all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    async fn read(bytes: &[u8]) -> Result<Head, HeadFault> {
        let mut bytes = bytes;
        Head::read(&mut bytes).await
    }

    #[tokio::test]
    async fn the_head_ends_at_the_blank_line_and_the_rest_is_kept() {
        let head = read(b"HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, Upgrade\r\n\r\n\x81\x02hi").await;
        let head = head.unwrap();
        assert_eq!(head.status.to_string(), "101 Switching Protocols");
        assert!(head.has_token("connection", "upgrade"));
        assert_eq!(head.header("CONNECTION"), Some("keep-alive, Upgrade"));
        assert_eq!(head.rest, b"\x81\x02hi");
    }

    #[tokio::test]
    async fn what_is_not_http_is_told_at_its_first_byte() {
        assert!(matches!(
            read(b"\x15\x03\x03").await,
            Err(HeadFault::NotHttp)
        ));
        assert!(matches!(
            read(b"SSH-2.0-OpenSSH").await,
            Err(HeadFault::NotHttp)
        ));
        assert!(matches!(read(b"").await, Err(HeadFault::ClosedEarly)));
    }

    #[tokio::test]
    async fn an_endless_head_is_cut() {
        // It never ends, so only the limit does.
        let mut endless = b"HTTP/1.1 200 OK\r\nX: ".chain(tokio::io::repeat(b'a'));
        assert!(matches!(
            Head::read(&mut endless).await,
            Err(HeadFault::NotHttp)
        ));
    }

    #[test]
    fn headers_that_could_smuggle_lines_are_not_allowed() {
        assert!(is_header_allowed("X-Account", "kiosk 1"));
        assert!(!is_header_allowed("X-Account", "a\r\nHost: evil"));
        assert!(!is_header_allowed("X Account", "a"));
        assert!(!is_header_allowed("", "a"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), valid in any::<bool>()) {
            if valid { bytes.splice(0..0, b"HTTP/1.1 ".iter().copied()); bytes.extend_from_slice(b"\r\n\r\n"); }
            if let Some(end) = end_of_head(&bytes) { let _ = Head::parse(&bytes, end); }
        }
    }
}

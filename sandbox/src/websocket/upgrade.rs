//! Answers the HTTP request that opens a WebSocket.

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Largest request head, in bytes.
pub(crate) const MAX_HEAD: usize = 8 * 1024;
/// Most header fields in it.
const MAX_FIELDS: usize = 64;

/// The answer to whoever comes when there is no room.
pub(crate) const NO_ROOM: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Whether a request head has come to its end, or grown too large for one.
pub(crate) fn is_complete(bytes: &[u8]) -> bool {
    bytes.len() >= MAX_HEAD || bytes.windows(4).any(|end| end == b"\r\n\r\n")
}

/// What to do with the bytes read so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Upgrade {
    /// The head is not complete.
    ReadOn,
    /// Send this; frames follow the first `head` bytes.
    Accept { response: Vec<u8>, head: usize },
    /// Send this and close.
    Refuse { response: Vec<u8> },
}

/// Looks at a request head. Path and query may be anything: clients of either kind put their own there.
/// `protocol`: the one sub-protocol that is spoken; who does not offer it is refused.
pub(crate) fn answer(bytes: &[u8], protocol: Option<&str>) -> Upgrade {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let head = match request.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Upgrade::ReadOn,
        Ok(httparse::Status::Partial) => return refuse("431 Request Header Fields Too Large"),
        Err(_) => return refuse("400 Bad Request"),
    };
    let field = |name: &str| {
        request
            .headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    };
    let (Some("GET"), Some(key)) = (request.method, field("Sec-WebSocket-Key")) else {
        return refuse("400 Bad Request");
    };
    let mut response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n",
        derive_accept_key(key)
    )
    .into_bytes();
    // A client that offers sub-protocols wants one of them back; which means nothing here.
    let mut offers = request
        .headers
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("Sec-WebSocket-Protocol"))
        .flat_map(|field| field.value.split(|byte| *byte == b','));
    let chosen = match protocol {
        None => offers.next(),
        Some(wanted) => {
            let chosen =
                offers.find(|one| one.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()));
            if chosen.is_none() {
                return refuse("400 Bad Request");
            }
            chosen
        }
    };
    if let Some(protocol) = chosen {
        response.extend_from_slice(b"Sec-WebSocket-Protocol: ");
        response.extend_from_slice(protocol.trim_ascii());
        response.extend_from_slice(b"\r\n");
    }
    response.extend_from_slice(b"\r\n");
    Upgrade::Accept { response, head }
}

fn refuse(status: &str) -> Upgrade {
    let response =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").into_bytes();
    Upgrade::Refuse { response }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "GET /any?voice_sdk_id=x HTTP/1.1\r\nHost: h\r\nupgrade: websocket\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: one, two\r\n\r\n";

    #[test]
    fn the_sample_of_the_rfc_is_accepted() {
        let Upgrade::Accept { response, head } = answer(format!("{REQUEST}rest").as_bytes(), None)
        else {
            panic!("refused");
        };
        let response = String::from_utf8(response).unwrap();
        assert!(response.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(response.contains("Sec-WebSocket-Protocol: one\r\n\r\n"));
        assert_eq!(head, REQUEST.len());
    }

    #[test]
    fn a_sub_protocol_that_is_spoken_is_chosen_and_another_refused() {
        let Upgrade::Accept { response, .. } = answer(REQUEST.as_bytes(), Some("two")) else {
            panic!("refused");
        };
        let response = String::from_utf8(response).unwrap();
        assert!(response.contains("Sec-WebSocket-Protocol: two\r\n\r\n"));
        let refused = answer(REQUEST.as_bytes(), Some("sip"));
        assert!(matches!(refused, Upgrade::Refuse { .. }));
    }

    #[test]
    fn half_a_head_waits_and_an_endless_one_is_refused() {
        assert_eq!(answer(&REQUEST.as_bytes()[..40], None), Upgrade::ReadOn);
        let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(MAX_HEAD));
        assert!(matches!(
            answer(endless.as_bytes(), None),
            Upgrade::Refuse { .. }
        ));
    }

    #[test]
    fn plain_http_and_nonsense_get_400() {
        for wrong in [
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "POST / HTTP/1.1\r\nSec-WebSocket-Key: x\r\n\r\n",
            "\0\0\r\n\r\n",
        ] {
            let Upgrade::Refuse { response } = answer(wrong.as_bytes(), None) else {
                panic!("{wrong:?} accepted");
            };
            assert!(response.starts_with(b"HTTP/1.1 400 "));
        }
    }
}

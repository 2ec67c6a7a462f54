//! The HTTP of call reports: `POST /call_report` in place of a WebSocket, also from pages of other origins.

use serde_json::Value;

use crate::websocket::upgrade::MAX_HEAD;

/// Where reports go.
const PATH: &str = "/call_report";
/// Largest report, in bytes: clients split theirs to stay below.
const MAX_BODY: usize = 2 * 1024 * 1024;
/// Most header fields of a request.
const MAX_FIELDS: usize = 64;

/// What a page of another origin must be told before it may post, and with every answer.
const CROSS_ORIGIN: &str = "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: POST\r\n\
     Access-Control-Allow-Headers: content-type, x-call-report-id, x-call-id, x-voice-sdk-id\r\n";

/// A report as it was posted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    /// The id that the gateway gave; empty when there was none.
    pub(crate) id: String,
    /// The call that it is about.
    pub(crate) call: String,
    /// The instance of the gateway that the client says it spoke with.
    pub(crate) instance: Option<String>,
    /// Its text, read as JSON.
    pub(crate) body: Value,
}

/// What the bytes of a new connection hold so far.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Post {
    /// Something else.
    Other,
    /// A report that is not complete.
    ReadOn,
    /// Send this and close.
    Answer(Vec<u8>),
    /// A report.
    Report(Report),
}

/// Looks at the bytes of a connection.
pub(crate) fn read(bytes: &[u8]) -> Post {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let Ok(status) = request.parse(bytes) else {
        return Post::Other;
    };
    let path = request.path.and_then(|path| path.split('?').next());
    if path != Some(PATH) {
        return Post::Other;
    }
    let httparse::Status::Complete(head) = status else {
        return match bytes.len() < MAX_HEAD {
            true => Post::ReadOn,
            false => Post::Other,
        };
    };
    let field = |name: &str| {
        let field = request
            .headers
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(field.value).ok()
    };
    match request.method {
        Some("OPTIONS") => return Post::Answer(answer(204)),
        Some("POST") => {}
        _ => return Post::Answer(answer(405)),
    }
    let Some(length) = field("content-length").and_then(|length| length.parse::<usize>().ok())
    else {
        return Post::Answer(answer(411));
    };
    if length > MAX_BODY {
        return Post::Answer(answer(413));
    }
    let Some(body) = bytes.get(head..head.saturating_add(length)) else {
        return Post::ReadOn;
    };
    let Ok(body) = serde_json::from_slice(body) else {
        return Post::Answer(answer(400));
    };
    Post::Report(Report {
        id: field("x-call-report-id").unwrap_or_default().to_owned(),
        call: field("x-call-id").unwrap_or_default().to_owned(),
        instance: field("x-voice-sdk-id").map(str::to_owned),
        body,
    })
}

/// An answer with nothing in it.
pub(crate) fn answer(status: u16) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        500 => "Internal Server Error",
        _ => "",
    };
    let length = if status == 204 {
        ""
    } else {
        "Content-Length: 0\r\n"
    };
    format!("HTTP/1.1 {status} {reason}\r\n{CROSS_ORIGIN}{length}Connection: close\r\n\r\n")
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(length: usize, body: &str) -> Vec<u8> {
        format!(
            "POST /call_report HTTP/1.1\r\nHost: h\r\nX-Call-Report-Id: r-1\r\nx-call-id: c-1\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    #[test]
    fn a_report_is_read_once_it_is_whole() {
        let body = r#"{"summary":{}}"#;
        let whole = post(body.len(), body);
        for part in [0, 10, whole.len() - 1] {
            let read = read(&whole[..part]);
            assert!(matches!(read, Post::ReadOn | Post::Other), "{read:?}");
        }
        assert_eq!(read(&whole[..whole.len() - 1]), Post::ReadOn);
        let Post::Report(report) = read(&whole) else {
            panic!("a report");
        };
        assert_eq!((report.id.as_str(), report.call.as_str()), ("r-1", "c-1"));
        assert!(report.body["summary"].is_object());
    }

    #[test]
    fn a_page_may_ask_first_and_what_is_no_report_is_refused() {
        let asked = read(b"OPTIONS /call_report HTTP/1.1\r\nOrigin: http://page\r\n\r\n");
        let Post::Answer(answer) = asked else {
            panic!("{asked:?}");
        };
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 204 ") && answer.contains("x-call-report-id"));
        for (bytes, status) in [
            (post(3_000_000, ""), "413"),
            (post(3, "{{{"), "400"),
            (
                b"GET /call_report HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
                "405",
            ),
            (
                b"POST /call_report HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
                "411",
            ),
        ] {
            let Post::Answer(answer) = read(&bytes) else {
                panic!("{status}");
            };
            assert!(String::from_utf8(answer).unwrap().contains(status));
        }
        for other in ["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "\0\0"] {
            assert_eq!(read(other.as_bytes()), Post::Other);
        }
    }
}

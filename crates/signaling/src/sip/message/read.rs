//! From one WebSocket message to one SIP message (RFC 7118, 5), within limits.

use bytes::Bytes;
use sipx_sip as sipx;

use crate::sip::message::bare::{self, Bare};
use crate::sip::message::request::Request;
use crate::sip::message::response::Response;
use crate::sip::message::salvage;

/// Longest message that is read, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Most header lines of a message.
pub const MAX_HEADERS: usize = 256;
/// Longest header line, in bytes, continuation lines included.
pub const MAX_LINE: usize = 8 * 1024;

/// What one WebSocket message held.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Incoming {
    /// CRLF CRLF: answer with one CRLF (RFC 5626, 3.5.1).
    Ping,
    /// CRLF: the answer to ours.
    Pong,
    /// A request.
    Request(Box<Request>),
    /// A response.
    Response(Box<Response>),
}

/// A message that cannot be taken. The connection goes on.
#[derive(Clone, Debug)]
pub struct Malformed {
    /// What is wrong with it.
    pub reason: String,
    /// The answer, when it was a request that is whole enough for one: its status goes to who sent it.
    pub answer: Option<(u16, Box<Bare>)>,
}

/// Reads one WebSocket message, text or binary.
pub fn read(message: &[u8]) -> Result<Incoming, Malformed> {
    match message {
        b"\r\n\r\n" => return Ok(Incoming::Ping),
        b"\r\n" => return Ok(Incoming::Pong),
        _ => {}
    }
    // Some servers put an empty line in front (RFC 3261, 7.5).
    let message = trim_empty_lines(message);
    let head = head_within_limits(message)?;
    let limits = sipx::Limits {
        max_message_bytes: MAX_MESSAGE,
        max_body_bytes: MAX_MESSAGE,
        max_headers: MAX_HEADERS,
        max_header_bytes: MAX_LINE,
        max_folding_lines: 64,
    };
    let parsed =
        sipx::parse_datagram(Bytes::copy_from_slice(message), &limits).map_err(|error| {
            Malformed {
                reason: error.to_string(),
                answer: salvage::request(message)
                    .map(|bare| (salvage::status(&error), Box::new(bare))),
            }
        })?;
    holds_one(
        message
            .get(head + parsed.body().len()..)
            .unwrap_or_default(),
    )?;
    match parsed {
        sipx::Message::Request(request) => match Request::from_parser(request) {
            Ok(request) => Ok(Incoming::Request(Box::new(request))),
            Err(refused) => {
                let (unusable, request) = *refused;
                Err(Malformed {
                    reason: unusable.reason,
                    answer: bare::of_request(&request)
                        .map(|bare| (unusable.status, Box::new(bare))),
                })
            }
        },
        sipx::Message::Response(response) => Response::from_parser(response)
            .map(|response| Incoming::Response(Box::new(response)))
            .map_err(|unusable| Malformed {
                reason: unusable.reason,
                answer: None,
            }),
    }
}

fn trim_empty_lines(mut message: &[u8]) -> &[u8] {
    while let Some(rest) = message.strip_prefix(b"\r\n") {
        message = rest;
    }
    message
}

/// Counts before anything is copied or kept. Says how long the head is, with the empty line behind it.
fn head_within_limits(message: &[u8]) -> Result<usize, Malformed> {
    let refused = |reason| Malformed {
        reason,
        answer: None,
    };
    if message.len() > MAX_MESSAGE {
        return Err(refused(format!(
            "it has {} bytes; the limit is {MAX_MESSAGE}",
            message.len()
        )));
    }
    let (mut lines, mut length, mut head) = (0_usize, 0_usize, 0_usize);
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        head += line.len();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if matches!(line, b"\r" | b"") {
            break;
        }
        let continues = line
            .first()
            .is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        length = if continues {
            length + line.len()
        } else {
            line.len()
        };
        lines += usize::from(!continues);
        // Only a quoted pair may hold one (RFC 3261, 25.1): what is echoed of such a line would be read by nobody.
        if line.contains(&0) && !is_quoted_nul(line) {
            return Err(refused("a header line holds a NUL".to_owned()));
        }
        if length > MAX_LINE {
            return Err(refused(format!(
                "a header line has more than {MAX_LINE} bytes"
            )));
        }
        // The first line is the request or status line.
        if lines > MAX_HEADERS + 1 {
            return Err(refused(format!("it has more than {MAX_HEADERS} headers")));
        }
    }
    Ok(head)
}

/// Whether every NUL of a line stands behind a backslash.
fn is_quoted_nul(line: &[u8]) -> bool {
    let mut before = 0;
    line.iter().all(|&byte| {
        let quoted = byte != 0 || before == b'\\';
        before = byte;
        quoted
    })
}

/// What is left behind the body is noise that is cut (RFC 3261, 18.3), unless it is another message: then the sender
/// and we disagree about where messages end, and neither is taken.
fn holds_one(rest: &[u8]) -> Result<(), Malformed> {
    let line = trim_empty_lines(rest)
        .split(|&byte| byte == b'\r')
        .next()
        .unwrap_or_default();
    let starts_another = line.starts_with(b"SIP/2.0 ") || line.ends_with(b" SIP/2.0");
    if starts_another {
        return Err(Malformed {
            reason: "two messages came in one WebSocket message".to_owned(),
            answer: None,
        });
    }
    Ok(())
}

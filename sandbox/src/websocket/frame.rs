//! Reads WebSocket frames of a client into whole messages, and writes those of the server.

/// Largest payload of a control frame (RFC 6455 section 5.5).
const MAX_CONTROL: usize = 125;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// A whole message, or a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// A text message, put together from its fragments.
    Text(String),
    /// A binary message, where the protocol has any.
    Binary(Vec<u8>),
    /// A ping with its payload.
    Ping(Vec<u8>),
    /// A pong; what it holds means nothing to us.
    Pong,
    /// The client closes.
    Close,
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a message is longer than the limit of {limit} bytes")]
    TooBig { limit: usize },
    #[error("a text message is no UTF-8")]
    NotUtf8,
    #[error("a binary message: the protocols spoken here are text")]
    Binary,
    #[error("a frame breaks RFC 6455: {0}")]
    Broken(&'static str),
}

impl FrameError {
    /// The close code that says so (RFC 6455 section 7.4.1).
    pub(crate) fn close_code(self) -> u16 {
        match self {
            Self::TooBig { .. } => 1009,
            Self::NotUtf8 => 1007,
            Self::Binary => 1003,
            Self::Broken(_) => 1002,
        }
    }
}

/// Turns the bytes of one client into messages. Holds at most two messages' worth of bytes.
#[derive(Debug)]
pub(crate) struct Decoder {
    bytes: Vec<u8>,
    /// How much of `bytes` was used up.
    read: usize,
    /// Bytes of a message whose last fragment is not there yet.
    fragments: Option<Vec<u8>>,
    /// The message whose fragments these are is binary.
    binary: bool,
    takes_binary: bool,
    limit: usize,
}

impl Decoder {
    /// A decoder that refuses messages of more than `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            read: 0,
            fragments: None,
            binary: false,
            takes_binary: false,
            limit,
        }
    }

    /// The same, for a protocol that has binary messages too.
    pub(crate) fn with_binary(mut self) -> Self {
        self.takes_binary = true;
        self
    }

    /// Takes bytes from the socket.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, if a whole one is there.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, FrameError> {
        loop {
            let unread = self.bytes.get(self.read..).unwrap_or_default();
            let Some(header) = Header::parse(unread)? else {
                return Ok(None);
            };
            let gathered = self.fragments.as_ref().map_or(0, Vec::len);
            if header.length > self.limit.saturating_sub(gathered) && !header.is_control() {
                return Err(FrameError::TooBig { limit: self.limit });
            }
            let end = header.size + header.length;
            let Some(masked) = unread.get(header.size..end) else {
                return Ok(None);
            };
            let payload: Vec<u8> = masked
                .iter()
                .zip(header.mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask)
                .collect();
            self.read += end;
            if let Some(message) = self.take(&header, payload)? {
                return Ok(Some(message));
            }
        }
    }

    fn take(&mut self, header: &Header, payload: Vec<u8>) -> Result<Option<Message>, FrameError> {
        match header.opcode {
            PING => return Ok(Some(Message::Ping(payload))),
            PONG => return Ok(Some(Message::Pong)),
            CLOSE => return Ok(Some(Message::Close)),
            BINARY if !self.takes_binary => return Err(FrameError::Binary),
            TEXT | BINARY if self.fragments.is_some() => {
                return Err(FrameError::Broken("a message began within another"));
            }
            TEXT | BINARY => {
                self.binary = header.opcode == BINARY;
                self.fragments = Some(payload);
            }
            CONTINUATION => self
                .fragments
                .as_mut()
                .ok_or(FrameError::Broken("a fragment without a beginning"))?
                .extend_from_slice(&payload),
            _ => return Err(FrameError::Broken("an unknown kind of frame")),
        }
        if !header.last {
            return Ok(None);
        }
        let text = self.fragments.take().unwrap_or_default();
        if self.binary {
            return Ok(Some(Message::Binary(text)));
        }
        String::from_utf8(text)
            .map(|text| Some(Message::Text(text)))
            .map_err(|_| FrameError::NotUtf8)
    }
}

struct Header {
    last: bool,
    opcode: u8,
    mask: [u8; 4],
    /// Bytes of the header itself.
    size: usize,
    /// Bytes of the payload.
    length: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(FrameError::Broken("reserved bits are set"));
        }
        if second & 0x80 == 0 {
            return Err(FrameError::Broken("a client's frame is not masked"));
        }
        let (length, rest) = match (second & 0x7f, rest) {
            (126, &[a, b, ref rest @ ..]) => (u64::from(u16::from_be_bytes([a, b])), rest),
            (127, &[a, b, c, d, e, f, g, h, ref rest @ ..]) => {
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]), rest)
            }
            (126 | 127, _) => return Ok(None),
            (short, rest) => (u64::from(short), rest),
        };
        let &[a, b, c, d, ref rest @ ..] = rest else {
            return Ok(None);
        };
        let header = Self {
            last: first & 0x80 != 0,
            opcode: first & 0x0f,
            mask: [a, b, c, d],
            size: bytes.len() - rest.len(),
            length: usize::try_from(length).unwrap_or(usize::MAX),
        };
        if header.is_control() && (!header.last || header.length > MAX_CONTROL) {
            return Err(FrameError::Broken(
                "a control frame is too long or in pieces",
            ));
        }
        Ok(Some(header))
    }

    fn is_control(&self) -> bool {
        self.opcode & 0x8 != 0
    }
}

/// Writes a text message as one frame.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    write(TEXT, text.as_bytes(), out);
}

/// Writes a binary message as one frame.
pub(crate) fn write_binary(bytes: &[u8], out: &mut Vec<u8>) {
    write(BINARY, bytes, out);
}

/// Writes the answer to a ping.
pub(crate) fn write_pong(payload: &[u8], out: &mut Vec<u8>) {
    write(PONG, payload, out);
}

/// Writes a close frame.
pub(crate) fn write_close(code: u16, out: &mut Vec<u8>) {
    write(CLOSE, &code.to_be_bytes(), out);
}

fn write(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..=125), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame: what `write` makes, masked.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        write(0, payload, &mut plain);
        let header = plain.len() - payload.len();
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first, plain[1] | 0x80];
        frame.extend_from_slice(&plain[2..header]);
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        frame
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Message>, FrameError> {
        let mut decoder = Decoder::new(100_000);
        let mut messages = Vec::new();
        // Byte by byte: every place to be cut at.
        for byte in bytes {
            decoder.push(&[*byte]);
            while let Some(message) = decoder.next()? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    #[test]
    fn messages_of_every_length_come_through() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let text = "x".repeat(length);
            assert_eq!(
                decode(&masked(0x81, text.as_bytes())),
                Ok(vec![Message::Text(text)])
            );
        }
    }

    #[test]
    fn fragments_are_joined_and_a_ping_may_come_between() {
        let bytes = [
            masked(0x01, "gr\u{fc}".as_bytes()[..3].as_ref()),
            masked(0x89, b"hi"),
            masked(0x80, "gr\u{fc}n".as_bytes()[3..].as_ref()),
        ]
        .concat();
        assert_eq!(
            decode(&bytes),
            Ok(vec![
                Message::Ping(b"hi".to_vec()),
                Message::Text("gr\u{fc}n".to_owned())
            ])
        );
    }

    #[test]
    fn binary_messages_are_for_protocols_that_have_them() {
        let mut decoder = Decoder::new(10).with_binary();
        decoder.push(&masked(0x02, b"\xff"));
        decoder.push(&masked(0x80, b"\xfe"));
        assert_eq!(
            decoder.next(),
            Ok(Some(Message::Binary(b"\xff\xfe".to_vec())))
        );
        decoder.push(&masked(0x81, b"x"));
        assert_eq!(decoder.next(), Ok(Some(Message::Text("x".to_owned()))));
    }

    #[test]
    fn what_is_no_text_goes_out_as_binary() {
        let mut frames = Vec::new();
        write_text("J\u{e9}", &mut frames);
        write_binary(b"J\xe9", &mut frames);
        assert_eq!(frames, b"\x81\x03J\xc3\xa9\x82\x02J\xe9");
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        let mut unmasked = Vec::new();
        write_text("x", &mut unmasked);
        let cases: [(&[u8], u16); 7] = [
            (&unmasked, 1002),
            (&masked(0xc1, b"x"), 1002),
            (&masked(0x80, b"x"), 1002),
            (&masked(0x83, b"x"), 1002),
            (&masked(0x09, b"x"), 1002),
            (&masked(0x82, b"x"), 1003),
            (&masked(0x81, b"\xff"), 1007),
        ];
        for (bytes, code) in cases {
            assert_eq!(decode(bytes).unwrap_err().close_code(), code, "{bytes:?}");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_the_payload_comes() {
        let mut decoder = Decoder::new(10);
        decoder.push(&[
            0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
        ]);
        assert_eq!(decoder.next(), Err(FrameError::TooBig { limit: 10 }));

        let mut decoder = Decoder::new(10);
        decoder.push(&masked(0x01, b"123456"));
        decoder.push(&masked(0x80, b"78901"));
        assert_eq!(decoder.next(), Err(FrameError::TooBig { limit: 10 }));
    }
}

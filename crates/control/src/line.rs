//! Cuts a byte stream into lines of bounded length; a line that is too long costs only itself.

/// Longest line of a client, without its newline, in bytes.
pub const MAX_LINE: usize = 64 * 1024;
/// Longest line of the daemon: the status of thousands of accounts is one line.
pub const MAX_REPLY: usize = 16 * 1024 * 1024;

/// A line that could not be taken. The connection lives on: the next line is read as usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// More bytes than the limit without a newline.
    #[error("the line is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("the line is not UTF-8")]
    NotUtf8,
}

/// Collects bytes and yields whole lines, without their newline (`\n` or `\r\n`).
#[derive(Debug)]
pub struct LineDecoder {
    limit: usize,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were searched for a newline already.
    searched: usize,
    /// The rest of a line that was refused is still to come.
    skipping: bool,
}

impl LineDecoder {
    /// For lines of a client: [`MAX_LINE`].
    pub fn new() -> Self {
        Self::with_limit(MAX_LINE)
    }

    /// For lines of the daemon: [`MAX_REPLY`].
    pub fn of_daemon() -> Self {
        Self::with_limit(MAX_REPLY)
    }

    fn with_limit(limit: usize) -> Self {
        Self {
            limit,
            buffer: Vec::new(),
            searched: 0,
            skipping: false,
        }
    }

    /// Takes what was read from the socket. Call [`LineDecoder::next_line`] until it yields `None` before the next push: the
    /// buffer then never holds more than one line and one read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line; empty lines are passed over.
    pub fn next_line(&mut self) -> Option<Result<String, LineError>> {
        loop {
            let Some(end) = self.find_newline() else {
                return self.refuse_overlong();
            };
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            self.searched = 0;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() > self.limit {
                return Some(Err(LineError::TooLong { limit: self.limit }));
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return Some(
                std::str::from_utf8(line)
                    .map(str::to_owned)
                    .map_err(|_| LineError::NotUtf8),
            );
        }
    }

    fn find_newline(&mut self) -> Option<usize> {
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        let found = unsearched
            .iter()
            .position(|&byte| byte == b'\n')
            .map(|at| self.searched + at);
        if found.is_none() {
            self.searched = self.buffer.len();
        }
        found
    }

    fn refuse_overlong(&mut self) -> Option<Result<String, LineError>> {
        if !self.skipping && self.buffer.len() <= self.limit + 1 {
            return None;
        }
        self.buffer.clear();
        self.searched = 0;
        let told = std::mem::replace(&mut self.skipping, true);
        (!told).then_some(Err(LineError::TooLong { limit: self.limit }))
    }
}

impl Default for LineDecoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(decoder: &mut LineDecoder) -> Vec<Result<String, LineError>> {
        std::iter::from_fn(|| decoder.next_line()).collect()
    }

    #[test]
    fn a_line_may_come_in_pieces_and_several_at_once() {
        let mut decoder = LineDecoder::new();
        decoder.push(b"{\"a\"");
        assert_eq!(lines(&mut decoder), []);
        decoder.push(b":1}\r\n\n  \n{}\nrest");
        assert_eq!(
            lines(&mut decoder),
            [Ok("{\"a\":1}".to_owned()), Ok("{}".to_owned())]
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_once_and_the_next_one_is_read() {
        let mut decoder = LineDecoder::new();
        for _ in 0..40 {
            decoder.push(&[b'x'; 4096]);
            let seen = lines(&mut decoder);
            assert!(seen.is_empty() || seen == [Err(LineError::TooLong { limit: MAX_LINE })]);
        }
        decoder.push(b"\n{}\n");
        assert_eq!(lines(&mut decoder), [Ok("{}".to_owned())]);
    }

    #[test]
    fn the_longest_line_passes_and_one_byte_more_does_not() {
        let mut decoder = LineDecoder::new();
        decoder.push(&vec![b'x'; MAX_LINE]);
        decoder.push(b"\r\n");
        assert_eq!(lines(&mut decoder).len(), 1);
        decoder.push(&vec![b'x'; MAX_LINE + 1]);
        decoder.push(b"\n{}\n");
        assert_eq!(
            lines(&mut decoder),
            [
                Err(LineError::TooLong { limit: MAX_LINE }),
                Ok("{}".to_owned())
            ]
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_cost_one_line() {
        let mut decoder = LineDecoder::new();
        decoder.push(b"\xff\xfe\nok\n");
        assert_eq!(
            lines(&mut decoder),
            [Err(LineError::NotUtf8), Ok("ok".to_owned())]
        );
    }

    proptest! {
        #[test]
        fn the_cut_of_the_stream_does_not_change_the_lines(
            text in proptest::collection::vec("[a-z]{0,20}", 0..20), cuts in proptest::collection::vec(1usize..7, 0..60),
        ) {
            let stream = text.iter().map(|line| format!("{line}\n")).collect::<String>();
            let mut whole = LineDecoder::new();
            whole.push(stream.as_bytes());
            let expected = lines(&mut whole);
            let mut pieces = LineDecoder::new();
            let mut seen = Vec::new();
            let mut rest = stream.as_bytes();
            for cut in cuts.into_iter().chain(std::iter::repeat(3)) {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                seen.extend(lines(&mut pieces));
                rest = after;
            }
            prop_assert_eq!(seen, expected);
        }
    }
}

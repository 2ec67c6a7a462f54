//! The control socket, from the daemon's side and from the client's.

use offhook_control::line::{LineDecoder, MAX_LINE};
use offhook_control::rpc::{read_from_server, read_request, write_error, write_request};

/// The data is what comes in, in reads of as many bytes as its first byte says.
///
/// # Panics
/// When a line is longer than allowed, or what we write is no line.
pub fn run(data: &[u8]) {
    let Some((&step, data)) = data.split_first() else {
        return;
    };
    let mut decoder = LineDecoder::new();
    for read in data.chunks(usize::from(step).max(1)) {
        decoder.push(read);
        while let Some(line) = decoder.next_line() {
            let Ok(line) = line else { continue };
            assert!(line.len() <= MAX_LINE);
            let _ = read_from_server(&line);
            let written = match read_request(&line) {
                Ok(incoming) => write_request(&incoming.id, &incoming.request),
                Err((id, error)) => write_error(&id, &error),
            };
            assert!(!written.trim_end().contains('\n'), "one object a line");
        }
    }
}

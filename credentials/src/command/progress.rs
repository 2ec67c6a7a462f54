//! How far the work is: a bar on a terminal, a plain line now and then elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two changes of the bar.
const REDRAW: Duration = Duration::from_millis(100);
/// Between two plain lines.
const LINE: Duration = Duration::from_secs(5);
/// Width of the bar.
const WIDTH: usize = 40;

/// The one who tells.
#[derive(Debug)]
pub(super) struct Progress {
    verb: &'static str,
    terminal: bool,
    last: Mutex<Option<Instant>>,
}

impl Progress {
    pub(super) fn new(verb: &'static str) -> Self {
        Self {
            verb,
            terminal: io::stderr().is_terminal(),
            last: Mutex::new(None),
        }
    }

    /// So many are done.
    pub(super) fn tell(&self, done: usize, of: usize) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let every = if self.terminal { REDRAW } else { LINE };
        let due = last.is_none_or(|last| last.elapsed() >= every);
        if !due && done < of {
            return;
        }
        *last = Some(Instant::now());
        let text = match (self.terminal, done < of) {
            (true, true) => format!("\r{}", bar(self.verb, done, of)),
            (true, false) => format!("\r{}\n", bar(self.verb, done, of)),
            (false, _) => format!("{} {done}/{of}\n", self.verb),
        };
        let mut output = io::stderr().lock();
        let _ = output.write_all(text.as_bytes());
        let _ = output.flush();
    }
}

fn bar(verb: &str, done: usize, of: usize) -> String {
    let filled = (done * WIDTH).checked_div(of).unwrap_or(WIDTH).min(WIDTH);
    let (full, empty) = ("#".repeat(filled), " ".repeat(WIDTH - filled));
    format!("{verb} [{full}{empty}] {done}/{of}")
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn a_bar_fills_up() {
        assert!(bar("made", 0, 10).contains(&format!("[{}]", " ".repeat(40))));
        assert!(bar("made", 5, 10).contains("# "));
        assert!(bar("made", 10, 10).contains("#] 10/10"));
        assert!(bar("made", 0, 0).contains("0/0"));
    }
}

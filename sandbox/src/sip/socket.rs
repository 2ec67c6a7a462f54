//! One SIP client's connection.

use std::time::Instant;

use crate::fault::gateway::Mishap;
use crate::verto::line::Line;

#[derive(Debug, Default)]
pub(super) struct Socket {
    /// `WS` or `WSS`.
    pub(super) transport: &'static str,
    pub(super) line: Line,
    /// Who last proved on it who they are.
    pub(super) user: Option<String>,
    /// What the fault plan wants was decided.
    pub(super) armed: bool,
    /// What is to happen to it, and when.
    pub(super) mishaps: Vec<(Instant, Mishap)>,
    /// Requests whose proof was wrong.
    pub(super) failed_logins: u32,
    /// No more is read, and nothing more put on the line.
    pub(super) closing: bool,
}

impl Socket {
    /// When it has to be looked at.
    pub(super) fn due(&self) -> Option<Instant> {
        let mishap = self.mishaps.iter().map(|(at, _)| *at).min();
        [self.line.due(), mishap.filter(|_| !self.closing)]
            .into_iter()
            .flatten()
            .min()
    }
}

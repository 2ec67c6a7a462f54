//! What is done for a few accounts at a time. Connections to one server: ten thousand accounts that come back together open theirs in
//! turn, and a server that does not answer keeps nobody from another one. Questions to token sources: each is a program, or a thread.

use std::collections::HashMap;
use std::sync::Arc;

use offhook_signaling::server_name::server_name;
use tokio::sync::Semaphore;

use crate::token_source::TokenSource;

/// Attempts under way at one server. What an attempt holds is many times what its connection will.
const AT_A_TIME: usize = 256;

/// The turns at every server, by its host and port. There are as many servers as the configuration names.
#[derive(Debug, Default)]
pub(crate) struct Turns(HashMap<String, Arc<Semaphore>>);

impl Turns {
    /// The turns at the server of this URL.
    pub(crate) fn at(&mut self, url: &str) -> Arc<Semaphore> {
        let server = server_name(url).to_owned();
        let turns = self
            .0
            .entry(server)
            .or_insert_with(|| Arc::new(Semaphore::new(AT_A_TIME)));
        Arc::clone(turns)
    }
}

/// Programs that are asked for tokens at a time.
const PROGRAMS_AT_A_TIME: usize = 16;

/// Files that are read and web services that are asked for tokens at a time. A service may keep each back until its token is good.
const OTHERS_AT_A_TIME: usize = 256;

/// The turns at token sources.
#[derive(Debug)]
pub(crate) struct SourceTurns {
    programs: Arc<Semaphore>,
    others: Arc<Semaphore>,
}

impl Default for SourceTurns {
    fn default() -> Self {
        Self {
            programs: Arc::new(Semaphore::new(PROGRAMS_AT_A_TIME)),
            others: Arc::new(Semaphore::new(OTHERS_AT_A_TIME)),
        }
    }
}

impl SourceTurns {
    /// The turns at a source like this.
    pub(crate) fn at(&self, source: &TokenSource) -> Arc<Semaphore> {
        Arc::clone(match source {
            TokenSource::Command(_) => &self.programs,
            TokenSource::File(_) | TokenSource::Endpoint(_) => &self.others,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{AT_A_TIME, Turns};

    #[test]
    fn a_server_that_is_taken_up_keeps_nobody_from_another() {
        let mut turns = Turns::default();
        let busy = turns.at("wss://one.example/sip?token=a");
        let taken: Vec<_> = (0..AT_A_TIME)
            .map(|_| busy.clone().try_acquire_owned().unwrap())
            .collect();
        let same = turns.at("wss://one.example/sip?token=b");
        assert!(same.clone().try_acquire_owned().is_err());
        assert!(
            turns
                .at("wss://two.example/sip")
                .try_acquire_owned()
                .is_ok()
        );
        drop(taken);
        assert!(same.try_acquire_owned().is_ok());
    }
}

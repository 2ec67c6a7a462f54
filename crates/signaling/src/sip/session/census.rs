//! How much a session has under way, in numbers: for whoever wants to know that nothing is left behind.

use crate::sip::session::machine::Session;
use crate::sip::session::owner::Owner;

/// What is under way at one moment. In a quiet session with a registration alone everything is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Requests of ours that wait: for an answer, or for further 2xx of an INVITE.
    pub requests: usize,
    /// Requests of the far side that have no final answer, or whose ACK is due.
    pub served: usize,
    /// Calls that have not ended, and those whose end the far side has not agreed to.
    pub calls: usize,
    /// REFERs of the far side that are being carried out or told about.
    pub referrals: usize,
    /// Deadlines of all of these.
    pub deadlines: usize,
}

impl Session {
    /// What is under way.
    pub fn census(&self) -> Census {
        let passing = |owner: &Owner| match owner {
            Owner::Request(..) | Owner::Served(_) | Owner::Call(_) | Owner::Refer(_) => true,
            Owner::Session
            | Owner::Credential
            | Owner::Flow(_)
            | Owner::Channel(_)
            | Owner::Publication
            | Owner::Leg(_) => false,
        };
        Census {
            requests: self.core.clients.count(),
            served: self.core.servers.count(),
            calls: self.calls.len(),
            referrals: self.referreds.len(),
            deadlines: self.core.deadlines.count(|_, owner| passing(owner)),
        }
    }
}

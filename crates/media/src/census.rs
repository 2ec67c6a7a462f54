//! How much agents, transports and sessions hold, in numbers: for whoever wants to know that nothing grows.

use std::iter::Sum;
use std::ops::Add;

/// What is held at one moment. Of a session: by all its transports, that of the call, those of forks that are not heard, that of RTCP
/// apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Transports.
    pub transports: usize,
    /// Their ICE agents: one each, and while restarts are under way up to three.
    pub agents: usize,
    /// Our candidates, those that checks found among them.
    pub local_candidates: usize,
    /// The far end's candidates, likewise, and those that wait for its description.
    pub remote_candidates: usize,
    /// Checks without an answer, answers that are remembered, and addresses that answers and checks came from.
    pub checks: usize,
    /// DTLS associations, or keys in their place.
    pub associations: usize,
    /// Datagrams that wait: for a check that vouches for them, or to be sent. Events that were not fetched count too.
    pub waiting: usize,
}

impl Add for Census {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            transports: self.transports + other.transports,
            agents: self.agents + other.agents,
            local_candidates: self.local_candidates + other.local_candidates,
            remote_candidates: self.remote_candidates + other.remote_candidates,
            checks: self.checks + other.checks,
            associations: self.associations + other.associations,
            waiting: self.waiting + other.waiting,
        }
    }
}

impl Sum for Census {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::add)
    }
}

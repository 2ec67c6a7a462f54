//! A call's ICE agents over its restarts: the generation before a restart goes on until the new one has a path.
//!
//! A restart is begun because something is wrong, and its offer is under way for as long as nothing gets through. The path of
//! before may be there again long before the answer, and media goes by it until a new one is selected (RFC 8445, section 9). So it
//! is checked all that time, and consent to it asked for and lost as ever (RFC 7675).

use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::census::Census;
use crate::ice::agent::{Agent, AgentEvent, Pair, StunRefused};
use crate::ice::candidate::{Candidate, LocalCandidate};
use crate::ice::credentials::IceCredentials;

/// The agents of a call, two while a restart is under way. Feed them, then drain `poll_transmit` and `poll_event`.
#[derive(Debug)]
pub(crate) struct Generations {
    tie_breaker: u64,
    current: Agent,
    /// The one before, until the current one has selected a pair.
    former: Option<Box<Agent>>,
    /// While nobody has answered the current one: the one whose credentials are agreed on.
    agreed: Option<Agreed>,
}

/// Where the generation is that a restart without an answer gives way to.
#[derive(Debug)]
enum Agreed {
    /// It has a path, and goes on as the former one.
    Former,
    /// It has none.
    Apart(Box<Agent>),
}

impl Generations {
    pub(crate) fn new(credentials: &IceCredentials, tie_breaker: u64, controlling: bool) -> Self {
        Self {
            tie_breaker,
            current: Agent::new(credentials, tie_breaker, controlling),
            former: None,
            agreed: None,
        }
    }

    /// The one whose path media goes by.
    fn carrier(&self) -> &Agent {
        self.former.as_deref().unwrap_or(&self.current)
    }

    /// Both, the former first.
    fn all(&mut self) -> impl Iterator<Item = &mut Agent> {
        let former = self.former.as_deref_mut();
        former.into_iter().chain([&mut self.current])
    }

    /// What all of them hold.
    pub(crate) fn census(&self) -> Census {
        let apart = match &self.agreed {
            Some(Agreed::Apart(agent)) => Some(agent.as_ref()),
            Some(Agreed::Former) | None => None,
        };
        let all = self.former.as_deref().into_iter().chain(apart);
        all.chain([&self.current]).map(Agent::census).sum()
    }

    /// Whether a pair works now.
    pub(crate) fn is_up(&self) -> bool {
        self.carrier().is_up()
    }

    /// When a check of the pair in use was answered last.
    pub(crate) fn answered(&self) -> Option<Instant> {
        self.carrier().answered()
    }

    /// Whether a pair works now, and nothing was said against it.
    pub(crate) fn is_well(&self) -> bool {
        self.carrier().is_well()
    }

    /// Whether a restart is under way, and the agent before it still checks its pairs.
    pub(crate) const fn has_former(&self) -> bool {
        self.former.is_some()
    }

    /// Whether the far end answered the restart, and no new pair is selected yet.
    pub(crate) fn is_between(&self) -> bool {
        self.former.is_some() && self.current.is_running()
    }

    pub(crate) fn is_controlling(&self) -> bool {
        self.current.is_controlling()
    }

    pub(crate) fn set_controlling(&mut self) {
        self.current.set_controlling();
    }

    /// Adds it to both: an address that is new may be the way back for the former one too.
    pub(crate) fn add_local(
        &mut self,
        candidate: LocalCandidate,
        now: Instant,
    ) -> Option<Candidate> {
        if let Some(former) = &mut self.former {
            let _ = former.add_local(candidate, now);
        }
        if let Some(Agreed::Apart(agent)) = &mut self.agreed {
            let _ = agent.add_local(candidate, now);
        }
        self.current.add_local(candidate, now)
    }

    /// Gives up everything but these addresses of ours.
    pub(crate) fn keep(&mut self, addresses: &[SocketAddr], now: Instant) {
        self.all().for_each(|agent| agent.keep(addresses, now));
        if let Some(Agreed::Apart(agent)) = &mut self.agreed {
            agent.keep(addresses, now);
        }
    }

    pub(crate) fn local_candidates(&self) -> Vec<Candidate> {
        self.current.local_candidates()
    }

    /// Our candidates as they were added.
    pub(crate) fn own_candidates(&self) -> impl Iterator<Item = LocalCandidate> {
        self.current.own_candidates()
    }

    /// The pair in use, while it works.
    pub(crate) fn selected(&self) -> Option<Pair> {
        self.carrier().selected()
    }

    /// Whether the far end has a candidate of this address, told or found.
    pub(crate) fn has_remote(&self, remote: SocketAddr) -> bool {
        let former = self.former.as_deref();
        former.is_some_and(|it| it.has_remote(remote)) || self.current.has_remote(remote)
    }

    /// Whether this candidate of the far end's is known to the agent that `add_remote` is for.
    pub(crate) fn was_told(&self, candidate: &Candidate) -> bool {
        self.current.was_told(candidate)
    }

    pub(crate) fn remote_candidates(&self) -> usize {
        self.current.remote_candidates()
    }

    /// Takes the far end's credentials and begins the checks.
    pub(crate) fn start(&mut self, remote: &IceCredentials, now: Instant) {
        self.agreed = None;
        self.current.start(remote, now);
    }

    pub(crate) fn add_remote(&mut self, candidate: &Candidate, now: Instant) {
        self.current.add_remote(candidate, now);
    }

    /// New credentials of ours; nothing is known of the far end's until `start`.
    pub(crate) fn restart(&mut self, credentials: &IceCredentials, now: Instant) {
        let mut fresh = Agent::new(credentials, self.tie_breaker, self.is_controlling());
        for candidate in self.current.own_candidates() {
            let _ = fresh.add_local(candidate, now);
        }
        let before = Box::new(mem::replace(&mut self.current, fresh));
        if self.agreed.is_some() {
            // Another restart that nobody has answered.
            return;
        }
        // One that never found a path leaves it to the one before it.
        if before.is_running() && before.has_found() {
            self.former = Some(before);
            self.agreed = Some(Agreed::Former);
        } else {
            self.agreed = Some(Agreed::Apart(before));
        }
    }

    /// Takes back a restart that nobody has answered.
    pub(crate) fn withdraw_restart(&mut self) {
        let agreed = match self.agreed.take() {
            Some(Agreed::Former) => self.former.take(),
            Some(Agreed::Apart(agent)) => Some(agent),
            None => None,
        };
        if let Some(agreed) = agreed {
            self.current = *agreed;
        }
    }

    /// An address of ours is gone.
    pub(crate) fn forsake(&mut self, address: IpAddr) {
        self.all().for_each(|agent| agent.forsake(address));
        if let Some(Agreed::Apart(agent)) = &mut self.agreed {
            agent.forsake(address);
        }
    }

    /// Something has changed around us; `true` when there is something to send.
    pub(crate) fn look_again(&mut self, now: Instant) -> bool {
        self.all()
            .fold(false, |any, agent| agent.look_again(now) | any)
    }

    /// No more checks of ours: the call is given up.
    pub(crate) fn stop(&mut self) {
        self.former = None;
        self.agreed = None;
        self.current.stop();
    }

    /// No new path was found in time; `true` when there is that of before, which goes on.
    pub(crate) fn falls_back(&mut self) -> bool {
        let falls_back = self.former.as_deref().is_some_and(Agent::is_up);
        if falls_back {
            self.current.stop();
        }
        falls_back
    }

    /// Whether an authenticated check came from this address.
    pub(crate) fn vouches_for(&self, remote: SocketAddr) -> bool {
        let former = self.former.as_deref();
        former.is_some_and(|it| it.vouches_for(remote)) || self.current.vouches_for(remote)
    }

    pub(crate) fn handle_stun(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> Result<(), StunRefused> {
        let former = self.former.as_deref_mut();
        match former.filter(|former| former.is_meant(datagram)) {
            Some(former) => former.handle_stun(local, remote, datagram, now),
            None => self.current.handle_stun(local, remote, datagram, now),
        }
    }

    /// Verified media came by this pair; `true` when there is something to send or to tell.
    pub(crate) fn hear(&mut self, local: SocketAddr, remote: SocketAddr, now: Instant) -> bool {
        let former = self.former.as_deref_mut();
        former.unwrap_or(&mut self.current).hear(local, remote, now)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        // One that is woken early would check faster than its pacing.
        self.all()
            .filter_map(|agent| agent.deadline().map(|due| (agent, due)))
            .filter(|(_, due)| now >= *due)
            .for_each(|(agent, _)| agent.handle_timeout(now));
    }

    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        self.all().filter_map(Agent::deadline).min()
    }

    /// The next datagram to send: from, to, bytes.
    pub(crate) fn poll_transmit(&mut self) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        self.all().find_map(Agent::poll_transmit)
    }

    pub(crate) fn poll_event(&mut self, now: Instant) -> Option<AgentEvent> {
        let of_former = self.former.as_deref_mut().and_then(|it| it.poll_event(now));
        if let Some(event) = of_former {
            if event != AgentEvent::ConsentExpired {
                return Some(event);
            }
            let former = self.former.take();
            if matches!(self.agreed, Some(Agreed::Former)) {
                self.agreed = former.map(Agreed::Apart);
            }
            if !self.current.is_running() {
                return Some(event);
            }
            // Nobody is without hope yet: that consent is in doubt was told, and what is checked has a time limit of its own.
        }
        let event = self.current.poll_event(now);
        if let Some(AgentEvent::Selected(_)) = event
            && let Some(former) = self.former.take()
        {
            self.current.inherit(&former);
        }
        event
    }
}

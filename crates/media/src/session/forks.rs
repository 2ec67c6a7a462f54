//! Several far ends that answer one offer (RFC 3261, section 13.2.2.4): each has a transport of its own, one is heard.
//!
//! An INVITE that a proxy forked may bring early media of several forks, and the final answer of any of them. A fork
//! whose early media gave way to that of another keeps its ICE agent and its DTLS association, so that sound is there at
//! once when it is the one that answers: its far end will not shake hands a second time.

use std::collections::VecDeque;
use std::mem;
use std::net::SocketAddr;
use std::time::Instant;

use rand::RngExt;

use crate::census::Census;
use crate::ice::agent::asking_ufrag;
use crate::media_transport::deadline::Deadline as TransportDeadline;
use crate::media_transport::event::{Event, Output, Route};
use crate::media_transport::transport::MediaTransport;
use crate::sdp::negotiation::{self, Negotiated};
use crate::sdp::write::LocalDescription;
use crate::session::error::{MediaError, Refusal};
use crate::session::media_session::MediaSession;
use crate::session::silence::Silence;

/// Forks beside the one that is heard. Of more, the one that was silent longest is forgotten.
const MAX_PARKED: usize = 8;

/// Whether more answers to the same offer may follow (RFC 8829, section 4.1.10.1, calls the first kind provisional).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// Early media: this fork is heard until another answer comes.
    Provisional,
    /// This fork has the call; all others are left.
    Final,
}

/// What one fork of a call answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkAnswer {
    /// Which one, in SIP by its To tag.
    pub fork: String,
    /// Its answer.
    pub sdp: String,
    /// Whether it has the call by that.
    pub kind: AnswerKind,
}

/// The forks of one offer.
#[derive(Debug, Default)]
pub(super) struct Forks {
    /// Name of the fork that the session's own transport belongs to.
    heard: Option<String>,
    parked: Vec<Parked>,
    /// Goodbyes of forks that were left.
    parting: VecDeque<(Route, Vec<u8>)>,
    /// Why the fork that is heard has no media, while another one may still answer.
    failure: Option<MediaError>,
}

/// A fork that is not heard now.
#[derive(Debug)]
struct Parked {
    name: String,
    transport: MediaTransport,
    failed: bool,
    stirred: bool,
    wait: Option<(Instant, TransportDeadline)>,
}

impl Forks {
    /// What they hold that are not heard.
    pub(super) fn census(&self) -> Census {
        let parked = self.parked.iter().map(|it| it.transport.census());
        let parting = Census {
            waiting: self.parting.len(),
            ..Census::default()
        };
        parked.sum::<Census>() + parting
    }

    /// The next datagram of a fork that is not heard.
    pub(super) fn next_control(&mut self) -> Option<(Route, Vec<u8>)> {
        for parked in &mut self.parked {
            while parked.stirred {
                match parked.transport.poll() {
                    Output::Transmit { route, bytes } => return Some((route, bytes)),
                    Output::Event(Event::IceFailed(_) | Event::DtlsFailed(_)) => {
                        parked.failed = true;
                    }
                    Output::Event(_) => {}
                    Output::Wait(wait) => {
                        parked.stirred = false;
                        parked.wait = wait;
                    }
                }
            }
        }
        // One that is out of reach begins anew should it answer yet.
        self.parked.retain(|parked| !parked.failed);
        self.parting.pop_front()
    }

    pub(super) fn next_deadline(&self) -> Option<(Instant, TransportDeadline)> {
        let waits = self.parked.iter().filter_map(|parked| parked.wait);
        waits.min_by_key(|(at, _)| *at)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for parked in &mut self.parked {
            if parked.wait.is_some_and(|(at, _)| at <= now) {
                parked.transport.handle_timeout(now);
                parked.stirred = true;
            }
        }
    }

    /// Gives a datagram to the fork that it belongs to. `false`: to none of these.
    pub(super) fn handle_datagram(
        &mut self,
        heard: Option<&MediaTransport>,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &mut [u8],
        now: Instant,
    ) -> bool {
        // A check names whom it comes from; all else is known by where it comes from.
        let ufrag = asking_ufrag(datagram);
        let owner = |transport: &MediaTransport| match &ufrag {
            Some(ufrag) => transport.is_with(ufrag),
            None => transport.knows(remote),
        };
        if heard.is_some_and(owner) {
            return false;
        }
        let Some(at) = self.parked.iter().position(|it| owner(&it.transport)) else {
            return false;
        };
        let parked = &mut self.parked[at];
        // Its sound is not heard now.
        let _ = parked
            .transport
            .handle_datagram(local, remote, datagram, now);
        parked.stirred = true;
        true
    }

    /// Every fork's transport but the one that is heard, to be told of a change of ours.
    pub(super) fn each(&mut self, mut change: impl FnMut(&mut MediaTransport)) {
        for parked in &mut self.parked {
            change(&mut parked.transport);
            parked.stirred = true;
        }
    }

    /// Leaves all forks but the one that is heard, each with a goodbye.
    pub(super) fn leave_others(&mut self, now: Instant) {
        for parked in mem::take(&mut self.parked) {
            self.leave(parked.transport, now);
        }
    }

    fn leave(&mut self, mut transport: MediaTransport, now: Instant) {
        transport.close(now);
        loop {
            match transport.poll() {
                Output::Transmit { route, bytes } => self.parting.push_back((route, bytes)),
                Output::Event(_) => {}
                Output::Wait(_) => return,
            }
        }
    }

    fn park(&mut self, name: String, transport: MediaTransport, now: Instant) {
        if self.parked.len() == MAX_PARKED {
            let oldest = self.parked.remove(0);
            self.leave(oldest.transport, now);
        }
        self.parked.push(Parked {
            name,
            transport,
            failed: false,
            stirred: true,
            wait: None,
        });
    }

    /// Whether another fork may still have the call.
    pub(super) const fn has_others(&self) -> bool {
        !self.parked.is_empty()
    }

    /// The fork that is heard has no media; what becomes of that is told by the final answer.
    pub(super) fn failed(&mut self, error: MediaError) {
        self.failure = Some(error);
    }
}

impl MediaSession {
    /// Takes the answer of one fork of the call to our last offer. It is heard from now on, by a transport of its own.
    ///
    /// # Errors
    /// [`Refusal`]; what was agreed before stays in force, and whoever was heard is heard.
    pub fn accept_fork_answer(&mut self, answer: &ForkAnswer, now: Instant) -> Result<(), Refusal> {
        let ForkAnswer { fork, sdp, kind } = answer;
        let other = self.forks.heard.clone().filter(|heard| heard != fork);
        match other {
            Some(heard) if self.has_answer() => self.change_fork(heard, fork, sdp, now)?,
            _ => self.accept_answer(sdp, now)?,
        }
        self.forks.heard = Some(fork.clone());
        if *kind == AnswerKind::Final {
            self.forks.leave_others(now);
            if let Some(error) = self.forks.failure.take() {
                self.fail(error);
            }
        }
        Ok(())
    }

    fn change_fork(
        &mut self,
        heard: String,
        fork: &str,
        sdp: &str,
        now: Instant,
    ) -> Result<(), Refusal> {
        self.now = now;
        self.check_open()?;
        let (Some(before), Some(direction)) = (&self.transport, self.offered) else {
            return Err(Refusal::NoOffer);
        };
        let local = LocalDescription {
            direction,
            ..self.describe(before)
        };
        let negotiated = negotiation::accept_answer(sdp, &local)?;
        let credentials = &negotiated.remote.credentials;
        if credentials
            .as_ref()
            .is_some_and(|it| before.is_with(&it.ufrag))
        {
            // A server between us has changed the name: it is the far end that we hear.
            return self.accept_answer(sdp, now);
        }
        let known = |parked: &Parked| parked.name == fork;
        let known = self.forks.parked.iter().position(known);
        let mut transport = match known {
            Some(at) => self.forks.parked.remove(at).transport,
            None => before.sibling(self.rng.random(), now),
        };
        if let Err(refused) = transport.set_remote(negotiated.remote.clone(), now) {
            if known.is_some() {
                self.forks.park(fork.to_owned(), transport, now);
            }
            return Err(refused.into());
        }
        let parked = self.forks.parked.iter().map(|it| &it.transport);
        for other in parked.chain(&self.transport) {
            transport.goes_on_after(other);
        }
        self.forks.failure = None;
        // Whoever is heard now has been silent for no time yet.
        self.silence = Silence::new(self.config.no_media_after, self.config.media_timeout);
        transport.tell_again();
        if let Some(before) = self.transport.replace(transport) {
            self.forks.park(heard, before, now);
        }
        self.take_answer(sdp, negotiated);
        Ok(())
    }

    /// From now on this answer is the one in force.
    pub(super) fn take_answer(&mut self, sdp: &str, negotiated: Negotiated) {
        self.answer_taken = Some(super::media_session::hash_of(sdp));
        self.adopt(negotiated);
    }
}

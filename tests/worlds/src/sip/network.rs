//! The ways between user agents and their server: one WebSocket for each flow, which keeps order, breaks and falls silent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use offhook_signaling::call_id::CallId;

use crate::sip::far::{Act, Step};
use crate::sip::notifier::Word;

/// One socket of one flow of one user agent; a new number for each attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    pub(super) side: usize,
    pub(super) flow: u8,
    pub(super) socket: u32,
}

/// What happens at an instant.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    Opened(Way),
    Refused(Way),
    ToClient(Way, String),
    ToServer(Way, String),
    Pong(Way),
    /// The client learns that its socket is gone.
    ClientSeesEnd(Way),
    /// The server learns that the client is gone.
    ServerSeesEnd(Way),
    /// The server passes this on to that user agent, after its own delay.
    PassOn(usize, String),
    /// The server passes an answer back where its request came from.
    PassBack(Way, String),
    /// The far end does something in a dialog.
    Far(usize, Act),
    /// The far end goes on with a call of ours to it.
    Asked(usize, Step),
    /// The notifier says something about a subscription.
    Notify(usize, Word),
    /// A NOTIFY has had the time for its answer.
    Unnotified(String),
    SomebodyCalls(usize),
    User(usize),
    UserDecides(usize, CallId),
    UserTakesOffer(usize, CallId),
    UserRefers(usize, CallId),
    UserHangsUp(usize, CallId),
    /// By now the client must have found out that its socket is dead.
    Unheard(Way),
    Fault,
}

/// Everything that will happen, in order of time, then of planning.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    planned: BTreeMap<(Instant, u64), Happening>,
    serial: u64,
}

impl Agenda {
    pub(super) fn plan(&mut self, at: Instant, happening: Happening) {
        self.serial += 1;
        self.planned.insert((at, self.serial), happening);
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        self.planned.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn take(&mut self) -> Option<Happening> {
        self.planned.pop_first().map(|(_, happening)| happening)
    }
}

/// The present socket of a flow, as the client has it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) way: Way,
    open: bool,
    /// Nothing passes any more, and nobody is told.
    pub(super) silent: bool,
    /// Nothing of the client arrives; what the server says does.
    pub(super) deaf: bool,
    /// Last arrivals, so that messages never overtake each other.
    last_to_client: Instant,
    last_to_server: Instant,
}

impl Link {
    pub(super) fn new(side: usize, flow: u8, now: Instant) -> Self {
        Self {
            way: Way {
                side,
                flow,
                socket: 0,
            },
            open: false,
            silent: false,
            deaf: false,
            last_to_client: now,
            last_to_server: now,
        }
    }

    /// A new attempt; whatever was open before is gone for the client.
    pub(super) fn dial(&mut self, now: Instant) -> Way {
        self.way.socket += 1;
        self.open = false;
        self.silent = false;
        self.deaf = false;
        self.last_to_client = now;
        self.last_to_server = now;
        self.way
    }

    pub(super) fn open(&mut self) {
        self.open = true;
    }

    pub(super) fn close(&mut self) {
        self.open = false;
    }

    pub(super) fn is_open(&self, way: Way) -> bool {
        self.open && self.way == way
    }

    /// Whether what is said now is heard both ways.
    pub(super) fn is_sound(&self) -> bool {
        self.open && !self.silent && !self.deaf
    }

    /// When a message sent now arrives; `None` when it never does.
    pub(super) fn reach_server(&mut self, delay: Duration, now: Instant) -> Option<Instant> {
        if !self.is_sound() {
            return None;
        }
        self.last_to_server = self.last_to_server.max(now + delay);
        Some(self.last_to_server)
    }

    /// The same the other way.
    pub(super) fn reach_client(
        &mut self,
        way: Way,
        delay: Duration,
        now: Instant,
    ) -> Option<Instant> {
        if !self.is_open(way) || self.silent {
            return None;
        }
        self.last_to_client = self.last_to_client.max(now + delay);
        Some(self.last_to_client)
    }
}

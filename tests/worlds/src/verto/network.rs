//! The way between client and gateway: delay in order, sockets that die with or without a word.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Names a socket; a new one for each connection attempt.
pub(crate) type Socket = u32;

/// What happens at an instant.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Opened(Socket),
    Refused(Socket),
    ToClient(Socket, String),
    ToGateway(Socket, String),
    /// The client learns that its socket is gone.
    ClientSeesEnd(Socket),
    /// The gateway learns that the client is gone.
    GatewaySeesEnd(Socket),
    /// The gateway, or whoever is behind it, does something about a call.
    FarSide(String, Act),
    GatewayPing(Socket),
    GatewayReply(Socket, String),
    SomebodyCalls,
    /// Something is said on an event channel.
    ChannelTalk(Socket),
    /// The source of tokens answers: with a token, or not.
    TokenSource(bool),
    User,
    UserAnswers(String),
    UserAttaches(String),
    Fault,
}

/// What a far side does about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Ring,
    Media,
    Answer,
    Display,
    Renegotiate,
    Offer,
    HangUp,
}

/// Everything that will happen, in order of time, then of planning.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    planned: BTreeMap<(Instant, u64), Happening>,
    serial: u64,
}

impl Agenda {
    pub(crate) fn plan(&mut self, at: Instant, happening: Happening) {
        self.serial += 1;
        self.planned.insert((at, self.serial), happening);
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.planned.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn take(&mut self) -> Option<(Instant, Happening)> {
        self.planned
            .pop_first()
            .map(|((at, _), happening)| (at, happening))
    }
}

/// The one link that a client has at a time.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) socket: Socket,
    open: bool,
    /// Frames vanish both ways, and nobody is told.
    pub(crate) silent: bool,
    /// Frames of the client vanish, those of the gateway arrive.
    pub(crate) deaf: bool,
    /// Last arrivals, so that frames never overtake each other.
    last_to_client: Instant,
    last_to_gateway: Instant,
}

impl Link {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            socket: 0,
            open: false,
            silent: false,
            deaf: false,
            last_to_client: now,
            last_to_gateway: now,
        }
    }

    /// A new attempt; whatever was open before is gone for the client.
    pub(crate) fn dial(&mut self, now: Instant) -> Socket {
        self.socket += 1;
        self.open = false;
        self.silent = false;
        self.deaf = false;
        self.last_to_client = now;
        self.last_to_gateway = now;
        self.socket
    }

    pub(crate) fn open(&mut self) {
        self.open = true;
    }

    pub(crate) fn close(&mut self) {
        self.open = false;
    }

    /// Nothing passes for this long, either way; then all of it does.
    pub(crate) fn stall(&mut self, span: Duration, now: Instant) {
        self.last_to_client = self.last_to_client.max(now + span);
        self.last_to_gateway = self.last_to_gateway.max(now + span);
    }

    pub(crate) fn is_open(&self, socket: Socket) -> bool {
        self.open && self.socket == socket
    }

    /// When a frame sent now arrives; `None` when it never does.
    pub(crate) fn reach_gateway(&mut self, delay: Duration, now: Instant) -> Option<Instant> {
        if !self.open || self.silent || self.deaf {
            return None;
        }
        self.last_to_gateway = self.last_to_gateway.max(now + delay);
        Some(self.last_to_gateway)
    }

    /// The same the other way.
    pub(crate) fn reach_client(
        &mut self,
        socket: Socket,
        delay: Duration,
        now: Instant,
    ) -> Option<Instant> {
        if !self.is_open(socket) || self.silent {
            return None;
        }
        self.last_to_client = self.last_to_client.max(now + delay);
        Some(self.last_to_client)
    }
}

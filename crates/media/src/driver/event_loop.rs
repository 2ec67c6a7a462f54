//! The worker's loop: waits, reads sockets, carries out commands, fires timers, and hands out what the sessions say.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use slab::Slab;

use crate::driver::bind::{Bind, BindError, Ports};
use crate::driver::event::{CallEvent, EventSink, OpenError};
use crate::driver::gathering::{Connection, Gathering, Pending, STREAMS};
use crate::driver::guard::unwinding;
use crate::driver::handle::Command;
use crate::driver::hearing::Hearing;
use crate::driver::interfaces::Addresses;
use crate::driver::leaving::{Leaving, send};
use crate::driver::receive::{Room, tell_drops};
use crate::driver::timers::Timers;
use crate::driver::worker::WorkerConfig;
use crate::ice::candidate::LocalCandidate;
use crate::ice::gathering::gatherer::Inbound;
use crate::program::{CallKey, Destination, Numbering, Outgoing, Program, SLOT};
use crate::session::config::SessionConfig;
use crate::session::error::MediaError;
use crate::session::event::MediaEvent;
use crate::session::forks::AnswerKind;
use crate::session::media_session::{MediaSession, Output, Renewal};

/// Token of the wake-up by commands; sockets count from zero.
pub(crate) const WAKER: Token = Token(usize::MAX);

/// Datagrams read from one socket before the next one has its turn.
const SOCKET_BUDGET: usize = 16;
/// Commands carried out before sockets and timers have their turn.
const COMMAND_BUDGET: usize = 16;
/// Kernel events taken at once.
const EVENT_BUDGET: usize = 1024;

/// A worker's whole state; lives on its thread.
pub(crate) struct EventLoop {
    config: WorkerConfig,
    pub(super) poll: Poll,
    commands: Receiver<Command>,
    stopping: Arc<AtomicBool>,
    pub(super) sink: Box<dyn EventSink>,
    pub(super) calls: Slab<Box<Call>>,
    keys: HashMap<CallKey, usize>,
    pub(super) sockets: Slab<Socket>,
    /// Connections to TURN servers.
    pub(super) connections: Slab<Connection>,
    /// Sockets that may have more to read.
    ready: VecDeque<usize>,
    timers: Timers,
    pub(super) addresses: Addresses,
    ports: Ports,
    rng: StdRng,
    /// The slots of all calls are counted from here, each with its own phase.
    epoch: Instant,
    room: Room,
    /// Packets on their way from one call to another.
    crossing: Outgoing,
    /// A packet on its way to a relay.
    relayed: Vec<u8>,
}

pub(super) struct Call {
    pub(super) key: CallKey,
    pub(super) session: MediaSession,
    pub(super) sockets: Vec<usize>,
    /// Hears what is said to all of its links, while it asks for names.
    pub(super) hearing: Hearing,
    pub(super) gathering: Gathering,
    /// Where its sockets belong.
    pub(super) bind: Bind,
}

pub(super) struct Socket {
    pub(super) socket: UdpSocket,
    pub(super) local: SocketAddr,
    pub(super) call: usize,
    /// It stands in the queue of those to be read.
    queued: bool,
    /// Datagrams that the kernel dropped, as it said last.
    dropped: u32,
}

impl Socket {
    /// How many were dropped since the kernel last said so.
    const fn dropped_since(&mut self, told: Option<u32>) -> u64 {
        let Some(told) = told else { return 0 };
        let more = told.wrapping_sub(self.dropped);
        self.dropped = told;
        more as u64
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    Empty,
    MayHoldMore,
    Disconnected,
}

impl EventLoop {
    pub(crate) fn new(
        config: WorkerConfig,
        poll: Poll,
        commands: Receiver<Command>,
        stopping: Arc<AtomicBool>,
        sink: Box<dyn EventSink>,
    ) -> io::Result<Self> {
        Ok(Self {
            ports: Ports::new(config.ports.clone()),
            config,
            poll,
            commands,
            stopping,
            sink,
            calls: Slab::new(),
            keys: HashMap::new(),
            sockets: Slab::new(),
            connections: Slab::new(),
            ready: VecDeque::new(),
            timers: Timers::default(),
            addresses: Addresses::default(),
            rng: StdRng::from_seed(seed()?),
            epoch: now(),
            room: Room::default(),
            crossing: Outgoing::new(),
            relayed: Vec::new(),
        })
    }

    /// Runs until stopped, or until the last handle is gone.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENT_BUDGET);
        let mut queue = Queue::Empty;
        while queue != Queue::Disconnected && !self.stopping.load(Ordering::Acquire) {
            if let Err(error) = self.poll.poll(&mut events, self.timeout(queue))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "a media worker cannot wait for its sockets and ends its calls");
                break;
            }
            for event in &events {
                match event.token() {
                    WAKER => queue = Queue::MayHoldMore,
                    Token(stream) if stream >= STREAMS => {
                        let place = stream - STREAMS;
                        if let Some(index) = self.connections.get(place).map(|it| it.call) {
                            self.guarded(index, |it| it.on_stream(place));
                        }
                    }
                    Token(socket) => self.enqueue(socket),
                }
            }
            self.fire_timers();
            self.read_sockets();
            if queue == Queue::MayHoldMore {
                queue = self.run_commands();
            }
        }
        let open: Vec<usize> = self.calls.iter().map(|(index, _)| index).collect();
        for index in open {
            self.guarded(index, |it| it.close(index));
        }
    }

    /// How long to wait; `None`: until something comes. The system rounds up to whole milliseconds, so that slots which
    /// are due close together share one wake-up.
    fn timeout(&self, queue: Queue) -> Option<Duration> {
        if queue == Queue::MayHoldMore || !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        self.timers
            .next()
            .map(|at| at.saturating_duration_since(now()))
    }

    fn enqueue(&mut self, index: usize) {
        // A socket that was closed while its event waited is no longer there.
        if let Some(socket) = self.sockets.get_mut(index)
            && !socket.queued
        {
            socket.queued = true;
            self.ready.push_back(index);
        }
    }

    /// One turn for each socket that had something at the start; who has more waits for the next round. Slots that come
    /// due meanwhile go first.
    fn read_sockets(&mut self) {
        for _ in 0..self.ready.len() {
            let Some(index) = self.ready.pop_front() else {
                break;
            };
            self.read_socket(index);
            self.fire_timers();
        }
    }

    fn read_socket(&mut self, index: usize) {
        for _ in 0..SOCKET_BUDGET {
            let Some(socket) = self.sockets.get_mut(index) else {
                return;
            };
            socket.queued = false;
            match self.room.receive(&socket.socket) {
                Ok(arrival) => {
                    let dropped = socket.dropped_since(arrival.dropped);
                    let (local, call_index) = (socket.local, socket.call);
                    if let Some(call) = self.calls.get_mut(call_index)
                        && let Some(datagram) = self.room.datagram(arrival)
                    {
                        let received = unwinding(|| {
                            call.session.receive_dropped(dropped);
                            call.receive(local, arrival.remote, datagram, now());
                        });
                        match received {
                            Some(()) => self.guarded(call_index, |it| it.drain(call_index)),
                            None => self.give_up(call_index),
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An interruption, or an error that an earlier datagram brought back; what is behind it can be read.
                Err(_) => {}
            }
        }
        self.enqueue(index);
    }

    /// Wakes every call whose time has come, each once or a few times at most, so that none holds up the sockets.
    fn fire_timers(&mut self) {
        for _ in 0..self.calls.len() + 1 {
            let now = now();
            let Some(index) = self.timers.pop(now) else {
                return;
            };
            self.guarded(index, |it| {
                if let Some(call) = it.calls.get_mut(index) {
                    call.session.handle_timeout(now);
                    if let Some(gatherer) = call.gathering.gatherer.as_deref_mut() {
                        gatherer.handle_timeout(now);
                    }
                    it.drain(index);
                }
            });
        }
    }

    fn run_commands(&mut self) -> Queue {
        for _ in 0..COMMAND_BUDGET {
            match self.commands.try_recv() {
                Ok(command) => self.carry_out_guarded(command),
                Err(TryRecvError::Empty) => return Queue::Empty,
                Err(TryRecvError::Disconnected) => return Queue::Disconnected,
            }
            self.fire_timers();
        }
        Queue::MayHoldMore
    }

    pub(super) fn carry_out(&mut self, command: Command) {
        let now = now();
        match command {
            Command::Open {
                call,
                config,
                program,
                bind,
            } => {
                if let Err(error) = self.open(call, *config, program, &bind, now) {
                    self.sink.event(call, CallEvent::OpenFailed(error));
                }
            }
            Command::CreateOffer(key) => self.describe(key, Pending::Offer),
            Command::AcceptOffer(key, offer, renewal) => {
                if renewal == Renewal::Afresh {
                    self.rebind(key);
                }
                self.describe(key, Pending::Answer { offer, renewal });
            }
            Command::AddRemoteCandidate(key, candidate) => {
                self.add_remote_candidate(key, &candidate);
            }
            Command::AcceptAnswer(key, sdp) => self.with_call(key, |session| {
                Some(match session.accept_answer(&sdp, now) {
                    Ok(()) => CallEvent::AnswerAccepted,
                    Err(refusal) => CallEvent::Refused(refusal),
                })
            }),
            Command::AcceptForkAnswer(key, answer) => self.with_call(key, |session| {
                match session.accept_fork_answer(&answer, now) {
                    Ok(()) => Some(CallEvent::AnswerAccepted),
                    // Another fork may have what this one has not.
                    Err(refusal) if answer.kind == AnswerKind::Provisional => {
                        tracing::info!(call = key.0, %refusal, "early media that cannot be heard");
                        None
                    }
                    Err(refusal) => Some(CallEvent::Refused(refusal)),
                }
            }),
            Command::Program(key, command) => self.with_call(key, |session| {
                session.program(command, now);
                None
            }),
            Command::ReplaceProgram(key, program) => self.with_call(key, |session| {
                session.replace_program(program, now);
                None
            }),
            Command::Hold(key, hold) => self.with_call(key, |session| {
                session.hold(hold, now);
                None
            }),
            Command::RestartIce(key) => {
                self.with_call(key, |session| {
                    session.restart_ice(now);
                    None
                });
                self.rebind(key);
                self.describe(key, Pending::Offer);
            }
            Command::WithdrawRestart(key) => self.with_call(key, |session| {
                session.withdraw_restart(now);
                None
            }),
            Command::SurroundingsChanged => self.look_around(now),
            Command::Close(key) => {
                if let Some(index) = self.keys.get(&key).copied() {
                    self.close(index);
                }
            }
        }
    }

    /// Does something with a call that is open, tells what came of it, and then what the session has to say.
    pub(super) fn with_call(
        &mut self,
        key: CallKey,
        action: impl FnOnce(&mut MediaSession) -> Option<CallEvent>,
    ) {
        let Some(index) = self.keys.get(&key).copied() else {
            return;
        };
        let Some(call) = self.calls.get_mut(index) else {
            return;
        };
        if let Some(event) = action(&mut call.session) {
            self.sink.event(key, event);
        }
        self.drain(index);
    }

    /// Addresses, links or routes have changed: a path in doubt may be there again, and one by an address that is gone is not, before
    /// its checks would find out.
    fn look_around(&mut self, now: Instant) {
        self.addresses.forget();
        let all: Vec<usize> = self.calls.iter().map(|(index, _)| index).collect();
        for index in all {
            self.guarded(index, |it| {
                it.leave_what_is_gone(index, now);
                if let Some(call) = it.calls.get_mut(index) {
                    let gatherer = call.gathering.gatherer.as_deref_mut();
                    let asks = gatherer.is_some_and(|gatherer| gatherer.look_again(now));
                    if call.session.look_again(now) || asks {
                        it.drain(index);
                    }
                }
            });
        }
    }

    pub(super) fn index_of(&self, key: CallKey) -> Option<usize> {
        self.keys.get(&key).copied()
    }

    pub(super) fn call_of(&mut self, key: CallKey) -> Option<&mut Call> {
        let index = self.keys.get(&key).copied()?;
        self.calls.get_mut(index).map(|call| &mut **call)
    }

    fn open(
        &mut self,
        key: CallKey,
        config: SessionConfig,
        program: Box<dyn Program>,
        bind: &Bind,
        now: Instant,
    ) -> Result<(), OpenError> {
        if self.keys.contains_key(&key) {
            return Err(OpenError::KeyInUse(key));
        }
        if self.calls.len() >= self.config.max_calls {
            return Err(OpenError::Full {
                limit: self.config.max_calls,
            });
        }
        let addresses = self.addresses.of(bind, now)?;
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let gathering = config.gathering.clone();
        let mut session = MediaSession::new(config, program, seed, now);
        let index = self.calls.vacant_key();
        session.set_phase(self.epoch + phase(index));
        let mut call = Call {
            key,
            session,
            sockets: Vec::with_capacity(addresses.len()),
            hearing: Hearing::default(),
            gathering: Gathering::default(),
            bind: bind.clone(),
        };
        let mut failed = None;
        let mut bases = Vec::with_capacity(addresses.len());
        for address in addresses {
            match self.open_socket(address, index) {
                Ok((socket, local)) => {
                    call.sockets.push(socket);
                    bases.push(local);
                }
                // One address of several may be unusable (an interface that just went); the others will do.
                Err(error) => failed = Some(error),
            }
        }
        if let (true, Some(error)) = (call.sockets.is_empty(), failed) {
            return Err(error.into());
        }
        call.gathering = Gathering::begin(gathering, &bases, &mut call.session, now);
        if !call.gathering.hides_hosts() {
            for base in bases {
                call.session
                    .add_local_candidate(LocalCandidate::host(base), now);
            }
        }
        self.calls.insert(Box::new(call));
        self.keys.insert(key, index);
        self.drain(index);
        Ok(())
    }

    pub(super) fn open_socket(
        &mut self,
        address: IpAddr,
        call: usize,
    ) -> Result<(usize, SocketAddr), BindError> {
        let (socket, local) =
            self.ports
                .bind(address, self.config.receive_buffer, self.config.send_buffer)?;
        tell_drops(&socket);
        let index = self.watch_socket(socket, local, call)?;
        Ok((index, local))
    }

    /// Has the kernel tell when a socket of a call may be read.
    pub(super) fn watch_socket(
        &mut self,
        mut socket: UdpSocket,
        local: SocketAddr,
        call: usize,
    ) -> Result<usize, BindError> {
        let entry = self.sockets.vacant_entry();
        let index = entry.key();
        self.poll
            .registry()
            .register(&mut socket, Token(index), Interest::READABLE)
            .map_err(|source| BindError::Watch {
                address: local,
                source,
            })?;
        entry.insert(Socket {
            socket,
            local,
            call,
            queued: false,
            dropped: 0,
        });
        Ok(index)
    }

    /// Carries out all that a call wants after an input, and sets its timer.
    pub(super) fn drain(&mut self, index: usize) {
        self.hear_names(index);
        loop {
            let Some(wait) = self.drain_session(index) else {
                return;
            };
            // Most calls have no gatherer, or none any more.
            let (gathers_at, stirred) = self.gather(index);
            if !stirred {
                let wait = wait.into_iter().chain(gathers_at).min();
                return self.timers.set(index, wait);
            }
        }
    }

    /// Carries out all that the session wants, and says when it wants to be woken; `None` once the call is gone.
    fn drain_session(&mut self, index: usize) -> Option<Option<Instant>> {
        let mut over = None;
        let wait = loop {
            let call = self.calls.get_mut(index)?;
            match call.session.poll() {
                Output::Transmit {
                    local,
                    remote,
                    bytes,
                } => {
                    let leaving = match send(&self.sockets, &call.sockets, local, remote, bytes) {
                        Some(leaving) => leaving,
                        None => {
                            let mut packet = std::mem::take(&mut self.relayed);
                            packet.clear();
                            packet.extend_from_slice(bytes);
                            let leaving = self.send_by_relay(index, local, remote, &packet);
                            self.relayed = packet;
                            leaving
                        }
                    };
                    if leaving == Leaving::NoRoom
                        && let Some(call) = self.calls.get_mut(index)
                    {
                        call.session.send_failed();
                    }
                }
                Output::Forward { to, packet } => {
                    self.crossing.forward(Destination::Call(to), &packet)
                }
                Output::Event(event) => {
                    if let MediaEvent::Failed(error) = &event {
                        over = Some(error.clone());
                    }
                    if let (MediaEvent::IcePair { .. }, Some(gatherer)) =
                        (&event, call.gathering.gatherer.as_deref_mut())
                    {
                        gatherer.path_found();
                    }
                    self.sink.event(call.key, CallEvent::Media(event));
                }
                Output::Wait(wait) => break wait,
            }
        };
        if let Some(error) = over {
            self.end(index, Some(error));
        }
        if !self.crossing.is_empty() {
            self.carry_across();
        }
        self.calls.contains(index).then(|| wait.map(|(at, _)| at))
    }

    /// Hands the packets that calls forwarded to the calls they are for. Those send them on at once and forward nothing
    /// themselves, so this ends.
    fn carry_across(&mut self) {
        let mut crossing = std::mem::take(&mut self.crossing);
        for packet in crossing.packets() {
            let Numbering::Forwarded {
                to: Destination::Call(to),
                ..
            } = packet.numbering
            else {
                continue;
            };
            if let Some(packet) = packet.as_received()
                && let Some(index) = self.keys.get(&to).copied()
            {
                self.guarded(index, |it| {
                    if let Some(call) = it.calls.get_mut(index) {
                        call.session.relay(&packet, now());
                        it.drain(index);
                    }
                });
            }
        }
        crossing.begin(0);
        self.crossing = crossing;
    }

    /// Ends a call that cannot go on.
    pub(super) fn fail(&mut self, key: CallKey, error: MediaError) {
        if let Some(index) = self.keys.get(&key).copied() {
            self.end(index, Some(error));
        }
    }

    /// Ends a call in order.
    fn close(&mut self, index: usize) {
        if let Some(call) = self.calls.get_mut(index) {
            call.session.close(now());
            self.drain(index);
            self.end(index, None);
        }
    }

    /// Gives back what servers hold for a call, and forgets it.
    fn end(&mut self, index: usize, error: Option<MediaError>) {
        self.release_relays(index, now());
        self.remove(index, error);
    }

    pub(super) fn close_socket(&mut self, index: usize) {
        if let Some(mut socket) = self.sockets.try_remove(index) {
            // Closing would do as well; a failure here has no consequence.
            let _ = self.poll.registry().deregister(&mut socket.socket);
        }
    }

    /// Forgets a call and closes its sockets.
    pub(super) fn remove(&mut self, index: usize, error: Option<MediaError>) {
        let Some(call) = self.calls.try_remove(index) else {
            return;
        };
        for (_, place) in &call.gathering.connections {
            self.close_connection(*place);
        }
        self.keys.remove(&call.key);
        self.timers.set(index, None);
        for socket in call.sockets.iter().chain(call.hearing.socket()) {
            self.close_socket(*socket);
        }
        let key = call.key;
        // What a panic left of a call may panic again, when it is asked for its figures or dropped.
        let statistics = unwinding(|| Box::new(call.session.statistics(now())));
        let _ = unwinding(|| drop(call));
        let statistics = statistics.unwrap_or_default();
        self.sink
            .event(key, CallEvent::Closed { error, statistics });
    }
}

impl Call {
    /// Takes a datagram, from the far end or from one of the call's servers.
    fn receive(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &mut [u8],
        now: Instant,
    ) {
        let inbound = match self.gathering.gatherer.as_deref_mut() {
            Some(gatherer) => gatherer.handle_datagram(local, remote, datagram, now),
            None => Inbound::Stranger,
        };
        match inbound {
            Inbound::Stranger => self.session.handle_datagram(local, remote, datagram, now),
            Inbound::Taken => {}
            Inbound::Peer {
                relayed,
                peer,
                range,
            } => {
                if let Some(datagram) = datagram.get_mut(range) {
                    self.session.handle_datagram(relayed, peer, datagram, now);
                }
            }
        }
    }
}

/// Where the slots of a call lie within the 20 ms: by the golden ratio, so that any number of calls spreads evenly.
fn phase(index: usize) -> Duration {
    let slot = u64::try_from(SLOT.as_micros()).unwrap_or(1);
    Duration::from_micros((index as u64 % slot) * 12_361 % slot)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the driver is where chance comes from the system"
)]
fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the driver is where the clock is read"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

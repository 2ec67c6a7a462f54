//! The one task behind many accounts: takes whatever comes next, hands it to core or session, does what they say.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable, BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, SelectAll};
use offhook_media::device::disk::Disk;
use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::CallEvent;
use offhook_media::driver::worker::Workers;
use offhook_media::dtls::certificate::Certificate;
use offhook_media::program::CallKey;
use offhook_media::quality::statistics::Statistics;
use offhook_media::session::config::SessionConfig;
use offhook_signaling::session::{Input, Output as SessionOutput};
use offhook_signaling::transport::connect::{ConnectTimings, connect};
use offhook_signaling::transport::error::ConnectError;
use offhook_signaling::transport::websocket::{Connection, Incoming};
use tokio::sync::{broadcast, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::{sleep_until, timeout};

use crate::account::Stages;
use crate::config::{AudioConfig, MediaConfig};
use crate::core::Core;
use crate::driver::clock::{self, now};
use crate::driver::events::{Events, Notice, Subscription};
use crate::driver::line::{Keyed, Line, SocketKey, close_reason, failure};
use crate::driver::request::{Reply, Request};
use crate::driver::sound::{self, Opened};
use crate::event::Event;
use crate::output::{AccountKey, MediaCommand, Output};

/// How long closed sockets may take to send their last bytes after everything has ended.
const LAST_BYTES: Duration = Duration::from_millis(500);

type Attempt = (
    SocketKey,
    Option<Result<(Connection, ConnectTimings), ConnectError>>,
);

pub(crate) struct Shard {
    pub(crate) core: Core,
    pub(crate) lines: Vec<Line>,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) media_events: mpsc::Receiver<(CallKey, CallEvent)>,
    pub(crate) workers: Workers,
    pub(crate) audio: AudioConfig,
    pub(crate) disk: Disk,
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) media: MediaConfig,
    pub(crate) bind: Bind,
    pub(crate) notices: broadcast::Sender<Notice>,
    pub(crate) state: Moving,
}

/// What moves while the shard runs.
#[derive(Default)]
pub(crate) struct Moving {
    connections: SelectAll<Keyed>,
    attempts: FuturesUnordered<BoxFuture<'static, Attempt>>,
    sounds: FuturesUnordered<BoxFuture<'static, (CallKey, Opened)>>,
    /// Commands of calls whose sound is still being opened.
    opening: HashMap<CallKey, Vec<MediaCommand>>,
    /// When which session wants its timeout.
    waits: BTreeSet<(Instant, usize)>,
    core_wait: Option<Instant>,
    seq: u64,
    finished: bool,
    enders: Vec<Reply<()>>,
}

/// What came next.
#[expect(
    clippy::large_enum_variant,
    reason = "one value at a time, moved once, on the stack"
)]
enum Next {
    Request(Option<Request>),
    Media(CallKey, CallEvent),
    Incoming(SocketKey, Incoming),
    Attempt(Attempt),
    Sound(CallKey, Opened),
    Timeout,
}

impl Shard {
    /// Runs until it was shut down, by request or because every handle is gone.
    pub(crate) async fn run(mut self) {
        let mut requests_open = true;
        for account in 0..self.lines.len() {
            self.session_timeout(account, now());
        }
        self.settle(now());
        while !self.state.finished {
            let next = self.next(requests_open).await;
            let now = now();
            match next {
                Next::Request(None) => {
                    requests_open = false;
                    self.core.shut_down(now);
                }
                Next::Request(Some(request)) => self.on_request(request, now),
                Next::Media(call, event) => self.core.on_media(call, event, now),
                Next::Incoming(key, incoming) => self.on_incoming(key, incoming, now),
                Next::Attempt((key, outcome)) => self.on_attempt(key, outcome, now),
                Next::Sound(call, opened) => self.on_sound(call, opened, now),
                Next::Timeout => self.on_timeout(now),
            }
            self.settle(now);
        }
        self.flush().await;
        for ender in self.state.enders.drain(..) {
            // Whoever asked may have gone.
            let _ = ender.send(());
        }
    }

    async fn next(&mut self, requests_open: bool) -> Next {
        let wait = self
            .state
            .waits
            .first()
            .map(|(at, _)| *at)
            .into_iter()
            .chain(self.state.core_wait)
            .min();
        let timer = async {
            match wait {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let state = &mut self.state;
        tokio::select! {
            request = self.requests.recv(), if requests_open => Next::Request(request),
            Some((call, event)) = self.media_events.recv() => Next::Media(call, event),
            Some((key, incoming)) = state.connections.next() => Next::Incoming(key, incoming),
            Some(attempt) = state.attempts.next() => Next::Attempt(attempt),
            Some((call, opened)) = state.sounds.next() => Next::Sound(call, opened),
            () = timer => Next::Timeout,
        }
    }

    fn on_request(&mut self, request: Request, now: Instant) {
        // Whoever asked may have gone; what was asked is done all the same.
        match request {
            Request::Call(call, reply) => drop(reply.send(self.core.call(&call, now))),
            Request::Answer(call, reply) => drop(reply.send(self.core.answer(call.as_ref(), now))),
            Request::HangUp(call, cause, reply) => {
                drop(reply.send(self.core.hang_up(call.as_ref(), cause, now)))
            }
            Request::Dtmf(call, digits, reply) => {
                drop(reply.send(self.core.dtmf(&call, &digits, now)))
            }
            Request::Mute(call, on, reply) => drop(reply.send(self.core.mute(&call, on, now))),
            Request::Status(reply) => drop(reply.send(self.core.status(now))),
            Request::Calls(reply) => drop(reply.send(self.core.calls(now))),
            Request::Subscribe(reply) => drop(reply.send(Subscription {
                status: self.core.status(now),
                seq: self.state.seq,
                events: Events::new(self.notices.subscribe()),
            })),
            Request::ShutDown(reply) => {
                self.state.enders.push(reply);
                self.core.shut_down(now);
            }
        }
    }

    fn on_incoming(&mut self, key: SocketKey, incoming: Incoming, now: Instant) {
        let Some(line) = self
            .lines
            .get_mut(key.account)
            .filter(|line| line.is_present(key))
        else {
            return;
        };
        match incoming {
            Incoming::Text(text) => line.session.handle(Input::Text(&text), now),
            Incoming::Closed(closed) => {
                line.disconnect();
                line.session
                    .handle(Input::Closed(close_reason(&closed)), now);
            }
        }
        self.drain_session(key.account, now);
    }

    fn on_attempt(
        &mut self,
        key: SocketKey,
        outcome: Option<Result<(Connection, ConnectTimings), ConnectError>>,
        now: Instant,
    ) {
        let Some(line) = self
            .lines
            .get_mut(key.account)
            .filter(|line| line.is_present(key))
        else {
            return;
        };
        match outcome {
            None => return,
            Some(Err(error)) => {
                line.disconnect();
                line.session.handle(Input::Failed(failure(&error)), now);
            }
            Some(Ok((connection, timings))) => {
                line.opened(connection.outbox());
                self.state.connections.push(Keyed { key, connection });
                let stages = Stages {
                    dns: timings.dns,
                    tcp: timings.tcp + timings.proxy.unwrap_or_default(),
                    tls: timings.tls,
                    upgrade: timings.upgrade,
                };
                self.core.connected(AccountKey(key.account), stages, now);
                line.session.handle(Input::Opened, now);
            }
        }
        self.drain_session(key.account, now);
    }

    fn on_timeout(&mut self, now: Instant) {
        while let Some((at, account)) = self.state.waits.first().copied() {
            if at > now {
                break;
            }
            self.state.waits.remove(&(at, account));
            if let Some(line) = self.lines.get_mut(account) {
                line.wait = None;
            }
            self.session_timeout(account, now);
        }
        if self.state.core_wait.is_some_and(|at| at <= now) {
            self.core.on_timeout(now);
        }
    }

    fn session_timeout(&mut self, account: usize, now: Instant) {
        if let Some(line) = self.lines.get_mut(account) {
            line.session.handle(Input::Timeout, now);
            self.drain_session(account, now);
        }
    }

    /// Does what a session says, until it waits.
    fn drain_session(&mut self, account: usize, now: Instant) {
        let Some(line) = self.lines.get_mut(account) else {
            return;
        };
        let wait = loop {
            match line.session.poll() {
                SessionOutput::Connect { url } => {
                    let (handle, registration) = AbortHandle::new_pair();
                    let key = line.connecting(account, handle);
                    let options = line.options.clone();
                    let attempt = async move { connect(&url, &options).await };
                    let attempt = Abortable::new(attempt, registration);
                    self.state
                        .attempts
                        .push(attempt.map(move |outcome| (key, outcome.ok())).boxed());
                }
                SessionOutput::Send(frame) => line.send(frame, now),
                SessionOutput::Disconnect => line.disconnect(),
                SessionOutput::Event(event) => {
                    self.core.on_signaling(AccountKey(account), event, now)
                }
                SessionOutput::Wait(wait) => break wait.map(|(at, _)| at),
                // An output of a later protocol, which no session of ours gives.
                _ => {}
            }
        };
        if line.wait != wait {
            if let Some(at) = line.wait {
                self.state.waits.remove(&(at, account));
            }
            self.state.waits.extend(wait.map(|at| (at, account)));
            line.wait = wait;
        }
    }

    /// Does what the core says, until it waits.
    fn settle(&mut self, now: Instant) {
        loop {
            match self.core.poll() {
                Output::Signaling(AccountKey(account), command) => {
                    if let Some(line) = self.lines.get_mut(account) {
                        line.session.handle(Input::Command(command), now);
                        self.drain_session(account, now);
                    }
                }
                Output::Media(call, command) => self.on_media_command(call, command, now),
                Output::Event(event) => self.tell(event),
                Output::Finished => self.state.finished = true,
                Output::Wait(wait) => {
                    self.state.core_wait = wait.map(|(at, _)| at);
                    return;
                }
            }
        }
    }

    fn on_media_command(&mut self, call: CallKey, command: MediaCommand, now: Instant) {
        if let MediaCommand::Open(id) = command {
            self.state.opening.insert(call, Vec::new());
            let opening = sound::open(
                self.audio.clone(),
                self.disk.clone(),
                id,
                clock::time_of_day(),
            );
            self.state
                .sounds
                .push(opening.map(move |opened| (call, opened)).boxed());
            return;
        }
        match self.state.opening.get_mut(&call) {
            Some(waiting) => waiting.push(command),
            None => self.give(call, command, now),
        }
    }

    fn on_sound(&mut self, call: CallKey, opened: Opened, now: Instant) {
        let waiting = self.state.opening.remove(&call).unwrap_or_default();
        if waiting.contains(&MediaCommand::Close) {
            // The call ended while its sound was being opened.
            return self.core.on_media(call, closed(), now);
        }
        for fault in opened.faults {
            self.core.on_audio_fault(call, fault, now);
        }
        let config = SessionConfig {
            codecs: self.media.codecs.clone(),
            no_media_after: self.media.no_media_after,
            media_timeout: self.media.media_timeout,
            ..SessionConfig::new(Arc::clone(&self.certificate))
        };
        let bind = self.bind.clone();
        if self
            .workers
            .of(call)
            .open(call, config, opened.program, bind)
            .is_err()
        {
            return self.core.on_media(call, closed(), now);
        }
        for command in waiting {
            self.give(call, command, now);
        }
    }

    fn give(&mut self, call: CallKey, command: MediaCommand, now: Instant) {
        let worker = self.workers.of(call);
        let given = match command {
            MediaCommand::Open(_) => Ok(()),
            MediaCommand::CreateOffer => worker.create_offer(call),
            MediaCommand::AcceptOffer(sdp, renewal) => worker.accept_offer(call, sdp, renewal),
            MediaCommand::AcceptAnswer(sdp) => worker.accept_answer(call, sdp),
            MediaCommand::Program(command) => worker.program(call, command),
            MediaCommand::Close => worker.close(call),
        };
        if let Err(error) = given {
            tracing::error!(call = call.0, "{error}");
            self.core.on_media(call, closed(), now);
        }
    }

    fn tell(&mut self, event: Event) {
        self.state.seq += 1;
        tracing::trace!(seq = self.state.seq, account = %event.account, kind = ?event.kind, "event");
        // Nobody needs to listen.
        let _ = self.notices.send(Notice {
            seq: self.state.seq,
            time: clock::time_of_day(),
            event: event.into(),
        });
    }

    /// Lets closed sockets send what they hold, and recordings reach the disk.
    async fn flush(&mut self) {
        let disk = self.disk.clone();
        let recordings = spawn_blocking(move || disk.wait_for_recordings(LAST_BYTES));
        for line in &mut self.lines {
            line.disconnect();
        }
        let emptied = async { while self.state.connections.next().await.is_some() {} };
        // Whoever is not done by then has lost its last bytes; the end must come all the same.
        let _ = timeout(LAST_BYTES, emptied).await;
        let _ = recordings.await;
    }
}

/// What the worker would say of a call that it does not carry.
fn closed() -> CallEvent {
    CallEvent::Closed {
        error: None,
        statistics: Box::new(Statistics::default()),
    }
}

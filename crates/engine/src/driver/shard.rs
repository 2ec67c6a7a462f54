//! The one task behind many accounts: takes whatever comes next, hands it to core or session, does what they say.

mod media;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable, BoxFuture, FutureExt, ready};
use futures_util::stream::{self, BoxStream, FuturesUnordered, SelectAll};
use offhook_media::device::disk::Disk;
use offhook_media::driver::bind::Bind;
use offhook_media::driver::event::CallEvent;
use offhook_media::driver::worker::Workers;
use offhook_media::dtls::certificate::Certificate;
use offhook_media::program::CallKey;
use offhook_signaling::auth::login::Login;
use offhook_signaling::command::Command as SessionCommand;
use offhook_signaling::remembered::Remembered;
use offhook_signaling::secret::Secret;
use offhook_signaling::transport::connect::{ConnectTimings, connect};
use offhook_signaling::transport::error::{ConnectError, Fault};
use offhook_signaling::transport::websocket::{Connection, Incoming};
use serde_json::Value;
use tokio::sync::{broadcast, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::{sleep_until, timeout};

use crate::account::Stages;
use crate::builder::Programs;
use crate::config::{AudioConfig, MediaConfig};
use crate::core::machine::Core;
use crate::driver::clock::{self, now};
use crate::driver::events::{Events, Notice, Subscription};
use crate::driver::ice_servers::{AccountIce, Found, Names};
use crate::driver::line::{Keyed, Line, SocketKey, close_reason, failure};
use crate::driver::memory::Memory;
#[cfg(feature = "call-reports")]
use crate::driver::reporting::Reporting;
use crate::driver::request::{Reply, Request};
use crate::driver::session::{Input, Output as SessionOutput};
use crate::driver::shard::media::Opening;
use crate::driver::sound::Opened;
use crate::driver::surroundings::{Change, ClockChange, Surroundings};
use crate::driver::token::fetch::fetch;
use crate::driver::token::files::{self, Files};
use crate::driver::token::password::PasswordFile;
use crate::driver::tools::{Finished, Tools};
use crate::driver::turns::{SourceTurns, Turns};
use crate::error::Error;
use crate::event::Event;
use crate::output::{AccountKey, CallMedia, Output};
use crate::token_source::{TokenError, TokenSource};

/// How long closed sockets may take to send their last bytes after everything has ended.
const LAST_BYTES: Duration = Duration::from_millis(500);
/// How long parts of call reports that are on their way may take then, repeats included: what the vendor's client waits.
const LAST_REPORTS: Duration = Duration::from_secs(10);

/// An attempt at a connection has come this far.
enum Attempt {
    /// It has its turn.
    Begun,
    Ended(Result<Box<(Connection, ConnectTimings)>, ConnectError>),
}

/// A question to a token source has come this far.
enum Question {
    /// It has its turn.
    Asked,
    Answered(Result<Secret, TokenError>),
}

/// A password file that was read; whether somebody asked for another try.
type Reading = (usize, bool, Result<Login, String>);

pub(crate) struct Shard {
    pub(crate) core: Core,
    pub(crate) lines: Vec<Line>,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) media_events: mpsc::Receiver<(CallKey, CallEvent)>,
    pub(crate) workers: Workers,
    pub(crate) audio: AudioConfig,
    /// In its place.
    pub(crate) programs: Option<Programs>,
    pub(crate) disk: Disk,
    pub(crate) certificate: Arc<Certificate>,
    pub(crate) media: MediaConfig,
    pub(crate) bind: Bind,
    /// What each account asks of STUN and TURN servers, in the order of accounts.
    pub(crate) ice: Vec<AccountIce>,
    pub(crate) names: Names,
    /// Reports of calls, for accounts that want them.
    #[cfg(feature = "call-reports")]
    pub(crate) reporting: Reporting,
    pub(crate) notices: broadcast::Sender<Notice>,
    /// Where accounts get their tokens, in the order of accounts.
    pub(crate) token_sources: Vec<Option<TokenSource>>,
    /// Files of tokens and of passwords.
    pub(crate) token_files: Files,
    /// Where accounts have their passwords, in the order of accounts.
    pub(crate) passwords: Vec<Option<PasswordFile>>,
    /// How many sources are asked at a time.
    pub(crate) questions: SourceTurns,
    pub(crate) tools: Tools,
    pub(crate) memory: Option<Memory>,
    pub(crate) surroundings: Surroundings,
    pub(crate) state: Moving,
}

/// The sound of a call, and what its sockets need to be opened; `None`: they are open already.
type Sounded = (CallKey, Option<CallMedia>, Opened, Found);

/// What moves while the shard runs.
#[derive(Default)]
pub(crate) struct Moving {
    connections: SelectAll<Keyed>,
    attempts: SelectAll<BoxStream<'static, (SocketKey, Attempt)>>,
    turns: Turns,
    sounds: FuturesUnordered<BoxFuture<'static, Sounded>>,
    /// Commands of calls whose sound is still being opened.
    opening: HashMap<CallKey, Opening>,
    /// When which session wants its timeout.
    waits: BTreeSet<(Instant, usize)>,
    core_wait: Option<Instant>,
    /// When the token files are looked at next, if there are any.
    look_at: Option<Instant>,
    /// Questions to token sources that are under way.
    fetches: SelectAll<BoxStream<'static, (usize, Question)>>,
    /// Password files that are being read.
    readings: FuturesUnordered<BoxFuture<'static, Reading>>,
    /// Parts of call reports on their way.
    posts: FuturesUnordered<BoxFuture<'static, ()>>,
    /// The state file is being written.
    writing: Option<BoxFuture<'static, ()>>,
    /// Commands that wait for a server's answer, by their number.
    answers: HashMap<u64, Reply<Result<Value, Error>>>,
    commands: u64,
    seq: u64,
    finished: bool,
    enders: Vec<Reply<()>>,
}

/// What came next.
enum Next {
    Request(Option<Request>),
    Media(CallKey, CallEvent),
    Incoming(SocketKey, Incoming),
    Attempt(SocketKey, Attempt),
    Sound(CallKey, Option<CallMedia>, Opened, Found),
    Token(usize, Question),
    Password(usize, bool, Result<Login, String>),
    Tool(Finished),
    Written,
    Posted,
    LookAtFiles,
    Addresses(Vec<Change>),
    Timeout,
}

impl Shard {
    /// Runs until it was shut down, by request or because every handle is gone.
    pub(crate) async fn run(mut self) {
        let mut requests_open = true;
        self.state.look_at = (!self.token_files.is_empty()).then(|| now() + files::EVERY);
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
                Next::Attempt(key, attempt) => self.on_attempt(key, attempt, now),
                Next::Sound(call, media, opened, found) => {
                    self.on_sound(call, media, opened, found, now)
                }
                Next::Token(account, question) => self.on_question(account, question, now),
                Next::Password(account, retry, outcome) => {
                    self.core.password(AccountKey(account), outcome, retry, now);
                }
                Next::Tool((account, call, outcome)) => {
                    self.core.tool_finished(account, call, outcome, now);
                }
                Next::Written => self.state.writing = None,
                Next::Posted => {}
                Next::LookAtFiles => {
                    self.state.look_at = Some(now + files::EVERY);
                    for account in self.token_files.changed() {
                        self.fetch(account, now);
                        self.read_password(account, false);
                    }
                }
                Next::Addresses(changes) => self.on_addresses(&changes, now),
                Next::Timeout => self.on_timeout(now),
            }
            self.look_at_clocks(now);
            self.settle(now);
            self.write_memory();
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
        let look_at = self.state.look_at;
        let files = async {
            match look_at {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let state = &mut self.state;
        let written = async {
            match &mut state.writing {
                Some(writing) => writing.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            request = self.requests.recv(), if requests_open => Next::Request(request),
            Some((call, event)) = self.media_events.recv() => Next::Media(call, event),
            Some((key, incoming)) = state.connections.next() => Next::Incoming(key, incoming),
            Some((key, attempt)) = state.attempts.next() => Next::Attempt(key, attempt),
            Some((call, media, opened, found)) = state.sounds.next() => Next::Sound(call, media, opened, found),
            Some((account, question)) = state.fetches.next() => Next::Token(account, question),
            Some((account, retry, outcome)) = state.readings.next() => Next::Password(account, retry, outcome),
            Some(finished) = self.tools.next() => Next::Tool(finished),
            Some(()) = state.posts.next() => Next::Posted,
            () = written => Next::Written,
            () = files => Next::LookAtFiles,
            changes = self.surroundings.changes() => Next::Addresses(changes),
            () = timer => Next::Timeout,
        }
    }

    fn on_request(&mut self, request: Request, now: Instant) {
        match request {
            Request::Core(request) => request(&mut self.core, now),
            Request::Server {
                account,
                command,
                reply,
            } => {
                self.state.commands += 1;
                let id = self.state.commands;
                match self.core.server_command(account.as_deref(), id, command) {
                    Ok(()) => drop(self.state.answers.insert(id, reply)),
                    Err(error) => drop(reply.send(Err(error))),
                }
            }
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
        let flow = key.flow;
        match incoming {
            Incoming::Text(text) => line.session.handle(Input::Text(flow, &text), now),
            #[cfg(feature = "sip")]
            Incoming::Bytes(bytes) => line.session.handle(Input::Bytes(flow, &bytes), now),
            #[cfg(not(feature = "sip"))]
            Incoming::Bytes(_) => {}
            Incoming::Pong => line.session.handle(Input::Pong(flow), now),
            Incoming::Closed(closed) => {
                line.disconnect(flow);
                let reason = close_reason(&closed);
                line.session.handle(Input::Closed(flow, reason), now);
            }
        }
        self.drain_session(key.account, now);
    }

    fn on_attempt(&mut self, key: SocketKey, attempt: Attempt, now: Instant) {
        let Some(line) = self
            .lines
            .get_mut(key.account)
            .filter(|line| line.is_present(key))
        else {
            return;
        };
        match attempt {
            Attempt::Begun => line.session.handle(Input::Begun(key.flow), now),
            Attempt::Ended(Err(error)) => {
                line.disconnect(key.flow);
                line.unrouted = error.is_unrouted();
                let failed = if matches!(error.fault, Fault::Refused { .. }) {
                    Input::Unauthorized(key.flow, failure(&error))
                } else {
                    Input::Failed(key.flow, failure(&error))
                };
                line.session.handle(failed, now);
            }
            Attempt::Ended(Ok(opened)) => {
                let (connection, timings) = *opened;
                line.unrouted = false;
                let local = connection.local_address().ip();
                line.opened(key.flow, connection.outbox(), local);
                let date = connection.server_date();
                self.state.connections.push(Keyed { key, connection });
                let stages = Stages {
                    dns: timings.dns,
                    tcp: timings.tcp + timings.proxy.unwrap_or_default(),
                    tls: timings.tls,
                    upgrade: timings.upgrade,
                };
                self.core.connected(AccountKey(key.account), stages, now);
                line.session.handle(Input::Opened(key.flow, date), now);
            }
        }
        self.drain_session(key.account, now);
    }

    /// An address that is gone takes its sockets along; a new one, a link that is back or a new route may be the way for whoever waits.
    fn on_addresses(&mut self, changes: &[Change], now: Instant) {
        if !changes.is_empty() {
            for worker in self.workers.handles() {
                if let Err(error) = worker.surroundings_changed() {
                    tracing::warn!(%error, "calls find out by themselves what has changed");
                }
            }
        }
        for account in 0..self.lines.len() {
            let Some(line) = self.lines.get(account) else {
                continue;
            };
            let stranded: Vec<_> = changes
                .iter()
                .filter_map(|change| match change {
                    Change::Gone(address) => Some(line.flows_bound_to(*address)),
                    Change::Came(_) | Change::LinkUp | Change::Routes | Change::Unknown => None,
                })
                .flatten()
                .collect();
            let concerned = changes.iter().any(|change| match change {
                // Only those that are bound to it; others of the account carry its calls.
                Change::Gone(_) => false,
                Change::Came(address) => line.is_idle() && !address.is_loopback(),
                Change::LinkUp => line.is_idle(),
                // Somebody's routes change all the time: they are news to whoever had none.
                Change::Routes => line.is_idle() && line.unrouted,
                Change::Unknown => true,
            });
            if concerned {
                self.reconnect(account, now);
                continue;
            }
            for flow in stranded {
                if let Some(line) = self.lines.get_mut(account) {
                    line.session.handle(Input::Stranded(flow), now);
                    self.drain_session(account, now);
                }
            }
        }
    }

    fn look_at_clocks(&mut self, now: Instant) {
        let Some(change) = self.surroundings.clocks(now) else {
            return;
        };
        let time = clock::time_of_day();
        tracing::info!(?change, "the machine's clock");
        for account in 0..self.lines.len() {
            if let Some(line) = self.lines.get_mut(account) {
                line.session.handle(Input::WallClock(time), now);
                self.drain_session(account, now);
            }
            if change == ClockChange::Slept {
                self.reconnect(account, now);
            }
        }
    }

    /// Gives up the connection there is, or does not wait any longer for the next. An account that rests because its login
    /// was refused goes on resting: nothing of that has changed.
    fn reconnect(&mut self, account: usize, now: Instant) {
        if let Some(line) = self.lines.get_mut(account)
            && (!line.is_idle() || self.core.is_waiting(account))
        {
            line.session
                .handle(Input::Command(SessionCommand::Reconnect), now);
            self.drain_session(account, now);
        }
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
        self.tell_session(account, Input::Timeout, now);
    }

    /// Does what a session says, until it waits.
    fn drain_session(&mut self, account: usize, now: Instant) {
        let Some(line) = self.lines.get_mut(account) else {
            return;
        };
        let wait = loop {
            match line.session.poll() {
                SessionOutput::Connect(flow, url, headers, login) => {
                    #[cfg(feature = "call-reports")]
                    if let Some(name) = self.core.name_of(account) {
                        self.reporting.connects(&name, &url);
                    }
                    let (handle, registration) = AbortHandle::new_pair();
                    let key = line.connecting(account, flow, handle);
                    let mut options = line.options.clone();
                    options.login = login;
                    for (name, value) in headers {
                        options.headers.push((name, value.expose().to_owned()));
                    }
                    let turn = self.state.turns.at(&url);
                    let attempt = async move {
                        // The semaphore is never closed; without a turn the server would merely be asked at once.
                        let turn = turn.acquire_owned().await.ok();
                        // In a box of its own: what waits for its turn shall be small.
                        let ended = Box::pin(async move {
                            let ended = connect(&url, &options).await;
                            drop(turn);
                            Attempt::Ended(ended.map(Box::new))
                        });
                        stream::once(ready(Attempt::Begun)).chain(stream::once(ended))
                    };
                    let attempt = Abortable::new(attempt.flatten_stream(), registration);
                    let attempt = attempt.map(move |attempt| (key, attempt));
                    self.state.attempts.push(attempt.boxed());
                    // What it waits for here is none of the server's time.
                    line.session.handle(Input::Deferred(flow), now);
                }
                SessionOutput::Send(flow, text) => line.send(flow, text, now),
                #[cfg(feature = "sip")]
                SessionOutput::SendBytes(flow, bytes) => line.send_bytes(flow, bytes, now),
                #[cfg(feature = "sip")]
                SessionOutput::Ping(flow) => line.ping(flow),
                SessionOutput::Disconnect(flow) => line.disconnect(flow),
                SessionOutput::Event(event) => {
                    self.core.on_signaling(AccountKey(account), event, now)
                }
                SessionOutput::Wait(wait) => break wait,
            }
        };
        let malformed = line.session.malformed();
        self.core.note_malformed(AccountKey(account), malformed);
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
                Output::FetchToken(AccountKey(account)) => self.fetch(account, now),
                Output::ReadPassword(AccountKey(account)) => self.read_password(account, true),
                Output::RunTool(account, call) => {
                    if let Some(name) = self.core.name_of(account.0) {
                        self.tools.start(account, &name, call);
                    }
                }
                Output::Remember(AccountKey(account), state) => self.remember(account, state),
                Output::ReportKey(AccountKey(account), id) => self.report_key(account, id),
                Output::Answer(id, result) => {
                    if let Some(reply) = self.state.answers.remove(&id) {
                        drop(reply.send(result.map_err(Error::Server)));
                    }
                }
                Output::Event(event) => self.tell(event),
                Output::Finished => self.state.finished = true,
                Output::Wait(wait) => {
                    self.state.core_wait = wait.map(|(at, _)| at);
                    return;
                }
            }
        }
    }

    /// Asks an account's token source, in its turn.
    fn fetch(&mut self, account: usize, now: Instant) {
        let Some(Some(source)) = self.token_sources.get(account).cloned() else {
            return;
        };
        let turn = self.questions.at(&source);
        let asking = async move {
            // The semaphore is never closed; without a turn the source would merely be asked at once.
            let turn = turn.acquire_owned().await.ok();
            let answered = async move {
                let answered = fetch(source).await;
                drop(turn);
                Question::Answered(answered)
            };
            stream::once(ready(Question::Asked)).chain(stream::once(answered))
        };
        let asking = asking.flatten_stream();
        let asking = asking.map(move |question| (account, question));
        self.state.fetches.push(asking.boxed());
        // What it waits for here is none of the source's time.
        self.tell_session(account, Input::TokenDeferred, now);
    }

    fn on_question(&mut self, account: usize, question: Question, now: Instant) {
        match question {
            Question::Asked => self.tell_session(account, Input::TokenAsked, now),
            Question::Answered(outcome) => self.core.fetched(AccountKey(account), outcome, now),
        }
    }

    fn tell_session(&mut self, account: usize, input: Input<'_>, now: Instant) {
        if let Some(line) = self.lines.get_mut(account) {
            line.session.handle(input, now);
            self.drain_session(account, now);
        }
    }

    /// Reads an account's password file, if it has one.
    fn read_password(&mut self, account: usize, retry: bool) {
        if let Some(Some(file)) = self.passwords.get(account).cloned() {
            self.token_files.note(account);
            let reading = async move { (account, retry, file.read().await) };
            self.state.readings.push(reading.boxed());
        }
    }

    fn remember(&mut self, account: usize, state: Remembered) {
        let Some(name) = self.core.name_of(account) else {
            return;
        };
        #[cfg(feature = "call-reports")]
        self.reporting.instance(&name, state.voice_sdk_id.clone());
        if let Some(memory) = &mut self.memory {
            memory.set(&name, state);
        }
    }

    /// Begins to write the state file when it is out of date and not being written.
    fn write_memory(&mut self) {
        if self.state.writing.is_none()
            && let Some(writing) = self.memory.as_mut().and_then(Memory::take_writing)
        {
            let written = spawn_blocking(move || writing.run());
            self.state.writing = Some(written.map(drop).boxed());
        }
    }

    fn tell(&mut self, event: Event) {
        self.state.seq += 1;
        self.report(&event);
        tracing::trace!(seq = self.state.seq, account = %event.account, kind = ?event.kind, "event");
        // Nobody needs to listen.
        let _ = self.notices.send(Notice {
            seq: self.state.seq,
            time: clock::time_of_day(),
            event: event.into(),
        });
    }

    #[cfg(feature = "call-reports")]
    fn report_key(&mut self, account: usize, id: String) {
        if let Some(name) = self.core.name_of(account) {
            self.reporting.named(&name, id);
        }
    }

    #[cfg(feature = "call-reports")]
    fn report(&mut self, event: &Event) {
        if let Some(posting) = self.reporting.event(event) {
            self.state.posts.push(posting.boxed());
        }
    }

    #[cfg(not(feature = "call-reports"))]
    fn report_key(&mut self, _account: usize, _id: String) {}

    #[cfg(not(feature = "call-reports"))]
    fn report(&mut self, _event: &Event) {}

    /// Lets closed sockets send what they hold, and recordings reach the disk.
    async fn flush(&mut self) {
        let disk = self.disk.clone();
        let recordings = spawn_blocking(move || disk.wait_for_recordings(LAST_BYTES));
        for line in &mut self.lines {
            line.disconnect_all();
        }
        let emptied = async { while self.state.connections.next().await.is_some() {} };
        let posted = async { while self.state.posts.next().await.is_some() {} };
        // Whoever is not done by then has lost its last bytes; the end must come all the same.
        let _ = tokio::join!(timeout(LAST_BYTES, emptied), timeout(LAST_REPORTS, posted));
        let _ = recordings.await;
        if let Some(writing) = self.state.writing.take() {
            writing.await;
        }
        if let Some(writing) = self.memory.as_mut().and_then(Memory::take_writing) {
            let _ = spawn_blocking(move || writing.run()).await;
        }
    }
}

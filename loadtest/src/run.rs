//! Runs the machine: an engine with the users' accounts, its events, the clock, the signals that end it.

use std::collections::{BTreeMap, HashMap};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_engine::Engine;
use offhook_engine::builder::Programs;
use offhook_engine::config::{Limits, MediaConfig};
use offhook_engine::driver::events::{Events, Next};
use offhook_engine::error::{BuildError, Error as EngineError};
use offhook_engine::event::Event;
use offhook_engine::request::{CallRequest, EndOptions};
use offhook_engine::status::Status;
use offhook_engine::vocabulary::CallId;
use offhook_media::audio::playback::Playback;
use offhook_media::audio::recording::RecordingError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::accounts;
use crate::args::{Args, Command, Run};
use crate::figures::Figures;
use crate::limits_met::Machine;
use crate::load::{Action, Load, Plan};
use crate::local_limits::{self, LimitError, PerCall};
use crate::report::{self, Report};
use crate::report_file::ReportFile;
use crate::speech;
use crate::target::{self, Allowed, TargetError};
use crate::users::{self, UsersError};

/// Most threads that carry media, as `--threads` has it.
const MOST_THREADS: u16 = 64;
/// A shorter call has no time to be heard.
const LEAST_HOLD: f64 = 1.0;
/// Requests to the engine that may wait.
const REQUESTS: usize = 1024;
/// Events that may wait, for each user: a call's whole beginning at once.
const EVENTS_PER_USER: usize = 64;
/// Events that are taken in before the next thing is done.
const EVENTS_AT_ONCE: usize = 1024;
/// How long nothing is looked at where nothing is to be waited for.
const IDLE: Duration = Duration::from_secs(60);
/// How often the line on how things stand is written.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Why nothing could be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    Speech(#[from] RecordingError),
    #[error("--{name} is {value}; it must be {wanted}")]
    Value {
        name: &'static str,
        value: f64,
        wanted: &'static str,
    },
    #[error("the program could not start: {0}")]
    Runtime(std::io::Error),
    #[error(transparent)]
    Engine(#[from] BuildError),
    #[error("the engine has ended: {0}")]
    Ended(#[from] EngineError),
    #[error("{path} cannot be written: {error}", path = .path.display())]
    Json {
        path: PathBuf,
        error: std::io::Error,
    },
}

/// What the exit code is made of.
pub(crate) struct Outcome {
    placed: usize,
    calls_failed: usize,
    users_failed: usize,
    /// The report is where it was wanted.
    written: bool,
}

impl Outcome {
    pub(crate) const fn is_good(&self) -> bool {
        self.placed > 0 && self.calls_failed == 0 && self.users_failed == 0 && self.written
    }
}

pub(crate) fn run(args: Args) -> Result<Outcome, RunError> {
    let Command::Run(run) = args.command;
    let allowed = Allowed::read(&run.allow_host)?;
    target::check(&run.server, &allowed)?;
    let plan = plan(&run)?;
    let calls = run.calls as usize;
    let users = users::read(
        &run.users,
        calls,
        run.token_url.as_deref(),
        accounts::protocol(run.dialect),
    )?;
    target::check_endpoints(users.iter().filter_map(users::User::token_url), &allowed)?;
    let machine = machine(&run);
    let per_call = PerCall {
        sockets: local_limits::media_sockets(&run.server),
        streams: local_limits::turn_streams(&accounts::ice_servers(&run.server, run.dialect)),
    };
    local_limits::prepare(run.calls.into(), per_call)?;
    // What cannot be written is found before the run, not after an hour of it.
    let unwritable = |error| RunError::Json {
        path: run.json.clone().unwrap_or_default(),
        error,
    };
    let json = run.json.as_deref().map(ReportFile::open).transpose();
    let json = json.map_err(unwritable)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    let began = Instant::now();
    let figures = runtime.block_on(async {
        let ends = Ends::listen().map_err(RunError::Runtime)?;
        let (engine, names) = engine(&run, &users, machine)?;
        let own_names = users.iter().map(users::User::names).collect();
        let mut load = Load::new(plan, own_names, Instant::now());
        let subscription = engine.subscribe().await?;
        // What happened before somebody listened.
        for account in subscription.status.accounts {
            let Some(user) = names.get(&account.name) else {
                continue;
            };
            if let Some(steps) = &account.steps {
                load.on_steps(*user, steps, Instant::now());
            }
            let reason = account.reason.as_ref();
            load.on_state(*user, account.state, reason, Instant::now());
        }
        let mut driver = Driver {
            load,
            events: subscription.events,
            read: subscription.seq,
            look: None,
            ends,
            engine,
            names,
            users: users.into_iter().map(|user| user.name).collect(),
            to: run.to.clone(),
        };
        let figures = driver.drive().await;
        driver.engine.shut_down().await;
        Ok::<Figures, RunError>(figures)
    })?;
    let report = Report {
        figures: &figures,
        took: began.elapsed(),
        // A query may hold a token.
        server: run.server.split(['?', '#']).next().unwrap_or_default(),
        dialect: dialect_name(&run),
        rate: run.rate,
        machine,
    };
    tell(&mut std::io::stdout(), &report.text());
    let text = format!("{:#}\n", report.json());
    let written = json.map_or(Ok(()), |file| file.write(&text));
    let written = written.map_err(unwritable);
    if let Err(error) = &written {
        tell_error(error);
    }
    Ok(Outcome {
        placed: figures.placed,
        calls_failed: figures.call_failures.count,
        users_failed: figures.user_failures.count,
        written: written.is_ok(),
    })
}

/// The threads that carry media, by default one for each core that this process may use.
fn machine(run: &Run) -> Machine {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let cores = u16::try_from(cores).unwrap_or(MOST_THREADS);
    let threads = run.threads.unwrap_or_else(|| cores.min(MOST_THREADS));
    Machine { threads, cores }
}

fn plan(run: &Run) -> Result<Plan, RunError> {
    let span = |name, value: f64| {
        let wanted = "a number of seconds from 0 to a million";
        let within = (0.0..=1e6).contains(&value);
        within
            .then(|| Duration::from_secs_f64(value))
            .ok_or(RunError::Value {
                name,
                value,
                wanted,
            })
    };
    if !(0.001..=100_000.0).contains(&run.rate) {
        return Err(RunError::Value {
            name: "rate",
            value: run.rate,
            wanted: "calls a second, from 0.001 to 100000",
        });
    }
    if run.hold < LEAST_HOLD {
        return Err(RunError::Value {
            name: "hold",
            value: run.hold,
            wanted: "1 second at least, or nothing can be heard",
        });
    }
    Ok(Plan {
        pause: Duration::from_secs_f64(1.0 / run.rate),
        hold: span("hold", run.hold)?,
        ring: span("ring", run.ring)?,
        login: span("login", run.login)?,
        repeat: run
            .duration
            .map(|duration| span("duration", duration))
            .transpose()?,
    })
}

/// The engine, and which user an account is.
fn engine(
    run: &Run,
    users: &[users::User],
    machine: Machine,
) -> Result<(Engine, HashMap<Arc<str>, usize>), RunError> {
    let speech = speech::encoded()?;
    let engine = Engine::builder()
        .accounts(accounts::of(
            users,
            &run.server,
            run.dialect,
            run.ca_file.as_ref(),
            &run.trusted_authz,
        ))
        .programs(Programs::new(move |_| {
            Box::new(Playback::new(speech.clone()))
        }))
        .media(MediaConfig {
            workers: machine.threads.into(),
            ..MediaConfig::default()
        })
        .limits(Limits {
            calls: users.len() + 1,
            requests: REQUESTS,
            events: (users.len() * EVENTS_PER_USER).max(1024),
        })
        .build()?;
    let names = users.iter().enumerate();
    let names = names.map(|(index, user)| (Arc::from(user.name.as_str()), index));
    Ok((engine, names.collect()))
}

/// The signals that end the run politely. One listener for all of it: what comes while the driver is busy with a call
/// or a line waits here.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

impl Ends {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

struct Driver {
    load: Load,
    engine: Engine,
    events: Events,
    /// Number of the last event that was taken in.
    read: u64,
    /// How things stood after events were lost, to be taken in as soon as all events up to then are.
    look: Option<Look>,
    ends: Ends,
    /// Which user an account is.
    names: HashMap<Arc<str>, usize>,
    users: Vec<String>,
    to: String,
}

/// How things stood.
struct Look {
    status: Status,
    /// The last event that it holds.
    seq: u64,
    asked: Instant,
}

impl Driver {
    async fn drive(&mut self) -> Figures {
        let began = Instant::now();
        let mut lines = interval(LINE_EVERY);
        // Lines that were missed are of no use later.
        lines.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ending = false;
        let mut engine_ended = false;
        loop {
            // Where something was done, more may be due: what has come meanwhile is taken in all the same, and nothing is waited for.
            let wake = match self.load.poll(Instant::now()) {
                Action::Call(user) => {
                    self.call(user).await;
                    None
                }
                Action::HangUp(call) => {
                    self.hang_up(call).await;
                    None
                }
                Action::Wait(wake) => Some(wake.unwrap_or_else(|| Instant::now() + IDLE)),
                Action::Done => break,
            };
            let pause = async {
                if let Some(wake) = wake {
                    sleep_until(wake.into()).await;
                }
            };
            tokio::select! {
                biased;
                () = self.ends.next() => {
                    // Who asks twice does not want to wait for the calls' ends.
                    if std::mem::replace(&mut ending, true) {
                        break;
                    }
                    self.load.stop(Instant::now());
                }
                _ = lines.tick() => self.show(began.elapsed()),
                next = self.events.next() => {
                    if !self.take_waiting(next).await {
                        engine_ended = true;
                        break;
                    }
                }
                () = pause => {}
            }
        }
        self.load.abandon(engine_ended);
        self.show(began.elapsed());
        tell(&mut std::io::stderr(), "\n");
        self.load.figures.clone()
    }

    async fn hang_up(&mut self, call: CallId) {
        let hung_up = self.engine.hang_up(Some(call), EndOptions::default()).await;
        // It has ended by itself: its end is told, if it has not been lost.
        if let Err(EngineError::UnknownCall { .. }) = hung_up {
            self.look().await;
        }
    }

    /// Takes in what came and what waits behind it; says whether the engine is still there.
    async fn take_waiting(&mut self, first: Option<Next>) -> bool {
        let mut next = first;
        for _ in 1..EVENTS_AT_ONCE {
            if !self.take_next(next).await {
                return false;
            }
            next = tokio::select! {
                biased;
                next = self.events.next() => next,
                () = std::future::ready(()) => return true,
            };
        }
        self.take_next(next).await
    }

    async fn take_next(&mut self, next: Option<Next>) -> bool {
        match next {
            Some(Next::Notice(notice)) => {
                self.read = notice.seq;
                self.take(&notice.event);
                self.reconcile();
            }
            Some(Next::Lost(lost)) => {
                self.load.figures.ours.events_lost += lost;
                // Whatever was seen before does not hold what is lost now.
                self.look = None;
                self.look().await;
            }
            None => return false,
        }
        true
    }

    async fn call(&mut self, user: usize) {
        let request = CallRequest {
            account: self.users.get(user).cloned(),
            ..CallRequest::to(&self.to)
        };
        let placed = self.engine.call(request).await;
        let now = Instant::now();
        match placed {
            Ok(call) => self.load.placed(user, call, now),
            Err(error) => self.load.not_placed(user, &error, now),
        }
    }

    /// Looks at how things stand, since events that told of it may be lost.
    async fn look(&mut self) {
        if self.look.is_some() {
            return;
        }
        let asked = Instant::now();
        // An engine that has ended says so by the end of its events.
        let Ok(subscription) = self.engine.subscribe().await else {
            return;
        };
        self.look = Some(Look {
            status: subscription.status,
            seq: subscription.seq,
            asked,
        });
        self.reconcile();
    }

    /// Takes in how things stood, once nothing that is older waits to be read.
    fn reconcile(&mut self) {
        let read = self.read;
        let Some(Look { status, asked, .. }) = self.look.take_if(|look| look.seq <= read) else {
            return;
        };
        let now = Instant::now();
        for account in status.accounts {
            if let Some(user) = self.names.get(&account.name) {
                let reason = account.reason.as_ref();
                self.load.on_state(*user, account.state, reason, now);
            }
        }
        let calls = status.calls.into_iter();
        let living: BTreeMap<_, _> = calls.map(|call| (call.call, call.state)).collect();
        self.load.reconcile(&living, asked, now);
    }

    fn take(&mut self, event: &Event) {
        let now = Instant::now();
        match &event.call {
            Some(call) => self.load.on_call(call, &event.kind, event.at, now),
            None => {
                if let Some(user) = self.names.get(&event.account) {
                    self.load.on_account(*user, &event.kind, event.at, now);
                }
            }
        }
    }

    fn show(&self, elapsed: Duration) {
        let line = report::line(&self.load.figures, elapsed);
        let mut stderr = std::io::stderr();
        let line = match stderr.is_terminal() {
            true => format!("\r{line}\u{1b}[K"),
            false => format!("{line}\n"),
        };
        tell(&mut stderr, &line);
    }
}

fn dialect_name(run: &Run) -> &'static str {
    use crate::args::DialectName;
    match run.dialect {
        DialectName::Telnyx => "telnyx",
        DialectName::Freeswitch => "freeswitch",
        DialectName::Sip => "sip",
    }
}

/// Says what went wrong.
pub(crate) fn tell_error(error: &RunError) {
    tell(&mut std::io::stderr(), &format!("offhook-load: {error}\n"));
}

/// Whoever reads it may be gone; that ends no run.
fn tell(to: &mut impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

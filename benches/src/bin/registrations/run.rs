//! The run: all accounts come up, then all of them register again and again.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use offhook_benches::machine::{self, cpu_time, cpu_time_of, resident_kib};
use offhook_engine::Engine;
use offhook_engine::config::AccountConfig;
use offhook_engine::driver::events::{Events, Next};
use offhook_engine::event::EventKind;
use offhook_engine::protocol::Protocol;
use offhook_engine::status::AccountState;
use offhook_engine::vocabulary::{ConnectOptions, Login, Secret, Trust};
use tokio::time::{sleep, timeout};

use crate::count::{Counter, granted};
use crate::report::Figures;
use crate::sandbox::Sandbox;

/// Nothing more happened for so long: the run is given up.
const STUCK: Duration = Duration::from_secs(60);
/// What a process of so many accounts has left to tidy up after they came.
const REST: Duration = Duration::from_secs(2);
/// How long it is waited before all accounts are looked at, where events came too fast to be counted.
const LOST: Duration = Duration::from_millis(200);
/// How often it is asked whether all have registered again.
const LOOK: Duration = Duration::from_millis(1);

/// What is measured.
pub(crate) struct Plan {
    pub(crate) accounts: usize,
    pub(crate) tls: bool,
    pub(crate) rounds: u32,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Machine(#[from] machine::Failure),
    #[error("the sandbox cannot be started ({0}): cargo build --release -p offhook-sandbox")]
    Sandbox(std::io::Error),
    #[error("the sandbox ended before it was ready")]
    NotReady,
    #[error("no runtime: {0}")]
    Runtime(std::io::Error),
    #[error(transparent)]
    Engine(#[from] offhook_engine::error::Error),
    #[error(transparent)]
    Build(#[from] offhook_engine::error::BuildError),
    #[error("{done} of {wanted} {what}, and nothing happens any more")]
    Stuck {
        what: &'static str,
        done: u64,
        wanted: u64,
    },
}

pub(crate) fn run(plan: &Plan, sandbox: &Sandbox) -> Result<Figures, Failure> {
    // The first one counts; there is no other.
    let _ = tracing::subscriber::set_global_default(Counter);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    runtime.block_on(measure(plan, sandbox))
}

async fn measure(plan: &Plan, sandbox: &Sandbox) -> Result<Figures, Failure> {
    let before = resident_kib()?;
    let cpu_before = cpu_time()?;
    let began = Instant::now();
    let engine = engine(plan, sandbox)?;
    let mut events = engine.subscribe().await?.events;
    all_ready(&engine, &mut events, plan).await?;
    let up = began.elapsed();
    let up_cpu = cpu_time()? - cpu_before;
    drop(events);
    sleep(REST).await;
    let idle = resident_kib()?;
    let (cpu, theirs) = (cpu_time()?, cpu_time_of(sandbox.process())?);
    let began = Instant::now();
    let accounts = plan.accounts as u64;
    for _ in 0..plan.rounds {
        let wanted = granted() + accounts;
        for number in 1..=plan.accounts {
            engine.retry(Some(name(number))).await?;
        }
        until_granted(wanted).await?;
    }
    let refreshes = accounts * u64::from(plan.rounds);
    let span = began.elapsed();
    let cpu = cpu_time()? - cpu;
    let theirs = cpu_time_of(sandbox.process())?.saturating_sub(theirs);
    sleep(REST).await;
    let after = resident_kib()?;
    let each = |span: Duration| span.as_secs_f64() * 1e6 / refreshes as f64;
    let memory = |now: u64| now.saturating_sub(before) as f64 / accounts as f64;
    let figures = Figures {
        accounts: plan.accounts,
        tls: plan.tls,
        up_s: up.as_secs_f64(),
        up_cpu_us: up_cpu.as_secs_f64() * 1e6 / accounts as f64,
        rss_kib_per_account: memory(idle),
        rss_kib_per_account_after: memory(after),
        refreshes,
        refreshes_per_second: refreshes as f64 / span.as_secs_f64(),
        cpu_us_per_refresh: each(cpu),
        sandbox_cpu_us_per_refresh: each(theirs),
        ready_at_the_end: ready(&engine).await?,
    };
    engine.shut_down().await;
    Ok(figures)
}

fn name(number: usize) -> String {
    format!("user-{number}")
}

fn engine(plan: &Plan, sandbox: &Sandbox) -> Result<Engine, Failure> {
    // One value for all of them: it holds the roots once.
    let trust = match &sandbox.ca {
        Some(ca) if plan.tls => Trust::with_ca_file(ca.clone()),
        _ => Trust::default(),
    };
    // An address of its own for each kind of run: ports of the last one may still be taken.
    let here = Ipv4Addr::new(127, 0, 0, if plan.tls { 3 } else { 2 });
    let options = ConnectOptions {
        trust,
        local_address: Some(IpAddr::V4(here)),
        ..ConnectOptions::default()
    };
    let accounts = (1..=plan.accounts).map(|number| {
        let login = Login::Password {
            user: name(number),
            password: Secret::new("sandbox"),
        };
        let mut account =
            AccountConfig::new(name(number), Protocol::Sip, sandbox.url.as_str(), login);
        account.connect = options.clone();
        account
    });
    Ok(Engine::builder().accounts(accounts).build()?)
}

async fn all_ready(engine: &Engine, events: &mut Events, plan: &Plan) -> Result<(), Failure> {
    let mut done = 0;
    while done < plan.accounts {
        match timeout(STUCK, events.next()).await {
            Ok(Some(Next::Notice(notice))) => {
                done += usize::from(matches!(notice.event.kind, EventKind::Ready));
            }
            // Looking at all of them takes a while: not for each event that was lost.
            Ok(Some(Next::Lost(_))) => {
                sleep(LOST).await;
                done = ready(engine).await?;
            }
            Ok(None) | Err(_) => {
                return Err(Failure::Stuck {
                    what: "accounts registered",
                    done: done as u64,
                    wanted: plan.accounts as u64,
                });
            }
        }
    }
    Ok(())
}

async fn ready(engine: &Engine) -> Result<usize, Failure> {
    let status = engine.status().await?;
    let ready = status
        .accounts
        .iter()
        .filter(|account| account.state == AccountState::Ready);
    Ok(ready.count())
}

async fn until_granted(wanted: u64) -> Result<(), Failure> {
    let (mut last, mut since) = (granted(), Instant::now());
    while granted() < wanted {
        sleep(LOOK).await;
        if granted() != last {
            (last, since) = (granted(), Instant::now());
        } else if since.elapsed() > STUCK {
            return Err(Failure::Stuck {
                what: "registrations granted",
                done: last,
                wanted,
            });
        }
    }
    Ok(())
}

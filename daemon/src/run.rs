//! From start to end: configuration, log, socket, engine, signals, and the order in which all of it goes away.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use offhook_control::socket_path::SYSTEM_SOCKET;
use offhook_engine::Engine;
use offhook_engine::driver::sound;
use offhook_engine::error::BuildError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::arguments::{Arguments, Command};
use crate::config::checked::{Config, load};
use crate::config::literal_secret::hide;
use crate::control::server::{Daemon, Server};
use crate::control::socket::{ClaimError, Claimed, claim};
use crate::doctor;
use crate::event_log;
use crate::log::{self, LogLevel};

/// Exit code for a configuration that cannot be used.
const BAD_CONFIG: u8 = 2;
/// Exit code for everything else that keeps the daemon from running.
const FAILED: u8 = 1;
/// All calls hung up, all sessions closed: a supervisor usually waits 5 s before it kills.
const END_WITHIN: Duration = Duration::from_millis(4800);
/// Call reports that nobody takes at once have this much longer, where an account wants some.
const REPORTS_WITHIN: Duration = Duration::from_secs(10);

/// Why the daemon ended before its time.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Socket(#[from] ClaimError),
    #[error("the daemon could not start: {0}")]
    Runtime(std::io::Error),
    #[error(transparent)]
    Engine(#[from] BuildError),
}

/// Runs the daemon; returns when it was told to end, or could not start.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    if let Some(Command::Doctor(wish)) = &arguments.command {
        return doctor::run::run(wish);
    }
    let Some(file) = &arguments.config else {
        // The command line asks for one wherever there is no other command.
        return ExitCode::from(BAD_CONFIG);
    };
    let config = match usable(file, arguments.check) {
        Ok(config) => config,
        Err(sentence) => {
            complain(&sentence);
            return ExitCode::from(BAD_CONFIG);
        }
    };
    if arguments.check {
        return ExitCode::SUCCESS;
    }
    let level = log::start(config.level);
    match serve(config, level) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.to_string());
            ExitCode::from(FAILED)
        }
    }
}

/// The configuration, after a look at everything it names. A fault that may mend itself by the time of a call only
/// counts when asked for by `--check`.
fn usable(file: &Path, strict: bool) -> Result<Config, String> {
    // A mistake may have put a secret where a path belongs, and this sentence ends up in a log.
    let config =
        load(file, credentials_directory().as_deref()).map_err(|error| hide(&error.to_string()))?;
    for warning in &config.warnings {
        complain(&format!("{}: {warning}", file.display()));
    }
    match sound::check(&config.audio) {
        Err(fault) if strict || !fault.may_pass() => Err(format!("{}: {fault}", file.display())),
        Err(fault) => {
            complain(&format!("{fault} (calls go on without it until then)"));
            Ok(config)
        }
        Ok(()) => Ok(config),
    }
}

/// Where systemd puts the service's credentials.
pub(crate) fn credentials_directory() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

fn serve(config: Config, level: LogLevel) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    // From the first moment that anybody can see this daemon, a signal ends it in order.
    let ends = {
        let _within = runtime.enter();
        Ends::listen().map_err(Failure::Runtime)?
    };
    // Claimed before the engine lives: a second daemon must not log in with the same accounts first.
    let claimed = claim(&config.socket.clone().unwrap_or_else(default_socket))?;
    let reports = config.accounts.iter().any(|account| account.call_reports);
    let end_within = END_WITHIN
        + if reports {
            REPORTS_WITHIN
        } else {
            Duration::ZERO
        };
    runtime.block_on(async {
        let engine = Engine::builder()
            .accounts(config.accounts)
            .audio(config.audio)
            .media(config.media);
        let engine = match config.state_file.or_else(usual_state_file) {
            Some(path) => engine.state_file(path).build()?,
            None => engine.build()?,
        };
        live(engine, claimed, level, ends, end_within).await
    })
}

/// Where systemd lets the service keep its state (`StateDirectory=`).
pub(crate) fn usual_state_file() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("STATE_DIRECTORY")?);
    Some(folder.join("offhookd.json"))
}

async fn live(
    engine: Engine,
    claimed: Claimed,
    level: LogLevel,
    mut ends: Ends,
    end_within: Duration,
) -> Result<(), Failure> {
    let path = claimed.path().to_owned();
    let events = tokio::spawn(event_log::write(engine.clone()));
    let daemon = Daemon::new(engine.clone(), level).map_err(Failure::Runtime)?;
    let server = Server::new(claimed, daemon)
        .map_err(Failure::Runtime)?
        .spawn();
    tracing::info!(socket = %path.display(), version = env!("CARGO_PKG_VERSION"), "started");
    let name = ends.next().await;
    tracing::info!(signal = name, "ending: hanging up all calls");
    tokio::select! {
        _ = timeout(end_within, engine.shut_down()) => {}
        name = ends.next() => tracing::warn!(signal = name, "told again: ending at once"),
    }
    // The engine has told its last event; whoever reads them gets them before the socket goes.
    let _ = timeout(Duration::from_millis(100), events).await;
    server.end().await;
    tracing::info!("ended");
    Ok(())
}

/// The signals that end the daemon. `SIGHUP` is only noted: a terminal that closes must not end a service.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Ends {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => tracing::info!("SIGHUP ignored: restart to read the configuration again"),
            }
        }
    }
}

/// Where the control socket is when the configuration names none: the rule by which clients look for it.
pub(crate) fn default_socket() -> PathBuf {
    let named = std::env::var_os("OFFHOOK_SOCKET").filter(|path| !path.is_empty());
    let session = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    match (named, session) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(folder)) if !nix::unistd::geteuid().is_root() => {
            Path::new(&folder).join("offhook/control.sock")
        }
        (None, _) => PathBuf::from(SYSTEM_SOCKET),
    }
}

/// One sentence on standard error, for whoever started the daemon.
fn complain(sentence: &str) {
    // Without standard error there is nobody to complain to.
    let _ = writeln!(std::io::stderr(), "offhookd: {sentence}");
}

//! The command line: what can be asked, and its help.

use clap::{Args, Parser, Subcommand, ValueEnum};
use offhook_control::{request::Level, socket_path::default_socket_path};
use std::{env, path::PathBuf, time::Duration};

/// Places and watches calls through the running offhookd.
#[derive(Debug, Parser)]
#[command(
    name = "offhook",
    version,
    after_help = "Exit codes: 0 done, 1 refused or the call failed, 2 wrong usage, 3 no daemon answers.\n\
                  With --json, results are one JSON value a line on standard output, and an error is one JSON object on\n\
                  standard error."
)]
pub(crate) struct Arguments {
    /// Control socket of the daemon; else $OFFHOOK_SOCKET, $XDG_RUNTIME_DIR/offhook/control.sock if it exists, or
    /// /run/offhook/control.sock
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print JSON for scripts instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How long the daemon may take to answer a request
    #[arg(long, global = true, value_name = "SECONDS", default_value = "10", value_parser = read_seconds)]
    pub(crate) reply_limit: Duration,
    #[command(subcommand)]
    pub(crate) command: Command,
}

fn read_seconds(text: &str) -> Result<Duration, &'static str> {
    let wanted = "wanted: seconds above 0, such as 10 or 0.5";
    let seconds: f64 = text.parse().map_err(|_| wanted)?;
    let limit = Duration::try_from_secs_f64(seconds).map_err(|_| wanted)?;
    if limit.is_zero() {
        Err(wanted)
    } else {
        Ok(limit)
    }
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the daemon, its accounts and its calls
    Status,
    /// Place a call
    Call(Call),
    /// Answer a ringing call
    Answer {
        /// The call; may be left out when just one rings
        call: Option<String>,
    },
    /// End a call, or refuse a ringing one
    Hangup {
        /// The call; may be left out when there is only one
        call: Option<String>,
        /// Why: a name such as USER_BUSY, or its Q.850 number
        #[arg(long)]
        cause: Option<String>,
    },
    /// Send DTMF digits
    Dtmf {
        /// The call
        call: String,
        /// 0-9 * # A-D; w waits 0.5 s, W 1 s
        digits: String,
    },
    /// Send silence instead of sound, or sound again
    Mute {
        /// The call
        call: String,
        /// On: silence is sent
        #[arg(value_enum)]
        state: Switch,
    },
    /// List the calls
    Calls,
    /// Follow what happens until interrupted; with --json the first line is the state at the beginning
    Events,
    /// Change how much the running daemon logs
    LogLevel {
        /// The new level
        #[arg(value_enum)]
        level: LevelName,
    },
}

/// Parameters of `call`.
#[derive(Debug, Args)]
pub(crate) struct Call {
    /// Number or user to call
    pub(crate) number: String,
    /// Account to call with; may be left out when there is only one
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// Return when the call is answered (0) or has failed (1); interrupting this leaves the call alone
    #[arg(long)]
    pub(crate) wait: bool,
    /// Name to show to the callee
    #[arg(long, value_name = "NAME")]
    pub(crate) caller_name: Option<String>,
    /// Number to show to the callee
    #[arg(long, value_name = "NUMBER")]
    pub(crate) caller_number: Option<String>,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

/// Names of the log levels.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LevelName {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<LevelName> for Level {
    fn from(name: LevelName) -> Self {
        match name {
            LevelName::Error => Self::Error,
            LevelName::Warn => Self::Warn,
            LevelName::Info => Self::Info,
            LevelName::Debug => Self::Debug,
            LevelName::Trace => Self::Trace,
        }
    }
}

impl Arguments {
    /// Where the daemon's socket is.
    pub(crate) fn socket_path(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| {
            default_socket_path(
                env::var_os("OFFHOOK_SOCKET").as_deref(),
                env::var_os("XDG_RUNTIME_DIR").as_deref(),
                |path| path.exists(),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}

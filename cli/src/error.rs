//! What can go wrong between a person's wish and the daemon, with what to do and the exit code.

use offhook_control::{error::RpcError, notice::Ended};
use std::{io, path::PathBuf, time::Duration};

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no daemon runs here: there is no socket {}", path.display())]
    NoSocket { path: PathBuf },
    #[error("no daemon runs here: nobody answers on the socket {}", path.display())]
    NobodyAnswers { path: PathBuf },
    #[error("the socket {} may not be opened by this user", path.display())]
    NotAllowed { path: PathBuf },
    #[error("the socket {} cannot be opened: {source}", path.display())]
    CannotOpen { path: PathBuf, source: io::Error },
    #[error("the daemon does not answer within {} s", limit.as_secs_f64())]
    Silent { limit: Duration },
    #[error("the daemon has ended")]
    Vanished,
    #[error("the connection to the daemon broke: {0}")]
    Broken(io::Error),
    #[error("what answers on the socket {} is not offhookd", path.display())]
    NotOurs { path: PathBuf },
    #[error(
        "the daemon speaks version {daemon} of the control protocol, and this offhook version {ours}"
    )]
    TooNew { daemon: u32, ours: u32 },
    #[error("the daemon's answer cannot be read: {0}")]
    BadAnswer(String),
    #[error("{0}")]
    Refused(RpcError),
    #[error("the call {call} failed with {} ({}): {}", ended.cause, ended.code, ended.reason)]
    CallFailed { call: String, ended: Box<Ended> },
    #[error(
        "the call {call} has ended, and how was lost because this program was told too much at once"
    )]
    OutcomeLost { call: String },
    #[error("the result cannot be printed: {0}")]
    CannotPrint(#[from] io::Error),
    #[error("standard input cannot be read: {0}")]
    Input(io::Error),
    #[error("the servers in {} cannot be used: {why}", path.display())]
    IceServers { path: PathBuf, why: String },
    #[error("{} cannot be run: {source}", program.display())]
    NoProgram { program: PathBuf, source: io::Error },
}

impl Error {
    /// 1: asked and refused, or the call failed. 3: no daemon to ask. (2 is wrong usage.)
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_)
            | Self::CallFailed { .. }
            | Self::OutcomeLost { .. }
            | Self::Input(_)
            | Self::IceServers { .. }
            | Self::CannotPrint(_) => 1,
            Self::NoSocket { .. }
            | Self::NobodyAnswers { .. }
            | Self::NotAllowed { .. }
            | Self::CannotOpen { .. }
            | Self::Silent { .. }
            | Self::Vanished
            | Self::Broken(_)
            | Self::NotOurs { .. }
            | Self::TooNew { .. }
            | Self::NoProgram { .. }
            | Self::BadAnswer(_) => 3,
        }
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> Option<&str> {
        match self {
            Self::NoSocket { .. } | Self::NobodyAnswers { .. } => Some(
                "start one with `offhookd --config FILE`, or name the socket of one that runs with --socket PATH",
            ),
            Self::NotAllowed { .. } => {
                Some("join the group that the socket belongs to, or run this as its owner")
            }
            Self::CannotOpen { .. } => {
                Some("check the path given with --socket or in OFFHOOK_SOCKET")
            }
            Self::Silent { .. } => Some("see the daemon's log, and restart it if it hangs"),
            Self::Vanished | Self::Broken(_) => Some("see the daemon's log, and start it again"),
            Self::NotOurs { .. } => Some("name the daemon's socket with --socket PATH"),
            Self::TooNew { .. } | Self::BadAnswer(_) => {
                Some("use the offhook of the same version as the daemon")
            }
            Self::Refused(error) => error.remedy(),
            Self::CallFailed { ended, .. } => ended.remedy.as_deref(),
            Self::OutcomeLost { .. } => Some("see the daemon's log"),
            Self::CannotPrint(_) => None,
            Self::NoProgram { .. } => {
                Some("install offhookd beside offhook, or into a folder of PATH")
            }
            Self::Input(_) => Some("give it a text of at most 60 KiB, in UTF-8"),
            Self::IceServers { .. } => Some(
                "write [\"stun:HOST\", {\"url\": \"turn:HOST\", \"username\": \"...\", \"password\": \"...\"}] into a file of mode 0600",
            ),
        }
    }

    /// The daemon's own number for a refusal.
    pub(crate) fn code(&self) -> Option<i32> {
        if let Self::Refused(refusal) = self {
            Some(refusal.code)
        } else {
            None
        }
    }

    /// A word for scripts.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::NoSocket { .. } | Self::NobodyAnswers { .. } => "no_daemon",
            Self::NotAllowed { .. } => "not_allowed",
            Self::CannotOpen { .. } => "cannot_open",
            Self::Silent { .. } => "silent",
            Self::Vanished | Self::Broken(_) => "vanished",
            Self::NotOurs { .. } => "not_ours",
            Self::TooNew { .. } => "too_new",
            Self::BadAnswer(_) => "bad_answer",
            Self::Refused(_) => "refused",
            Self::CallFailed { .. } | Self::OutcomeLost { .. } => "call_failed",
            Self::CannotPrint(_) => "cannot_print",
            Self::Input(_) => "input",
            Self::IceServers { .. } => "ice_servers",
            Self::NoProgram { .. } => "no_program",
        }
    }
}

//! What can stop the demo before it has a verdict.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{what} {}: {source}", path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{program} could not be started: {source}. `make demo` builds it")]
    Start {
        program: &'static str,
        source: std::io::Error,
    },
    #[error("{program} ended before it was ready; its log is {}", log.display())]
    EndedEarly { program: &'static str, log: PathBuf },
    #[error("{what} did not happen within {seconds} s; the logs are in {}", logs.display())]
    TooLate {
        what: &'static str,
        seconds: u64,
        logs: PathBuf,
    },
    #[error("the control socket broke: {0}")]
    Control(String),
    #[error("`offhook {command}` failed: {output}")]
    Cli { command: String, output: String },
    #[error("the call ended before it was answered: {0}")]
    CallEnded(String),
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::File { .. }
            | Self::Start { .. }
            | Self::EndedEarly { .. }
            | Self::TooLate { .. }
            | Self::Control(_)
            | Self::Cli { .. }
            | Self::CallEnded(_) => 2,
        }
    }
}

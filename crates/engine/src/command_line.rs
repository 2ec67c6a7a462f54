//! A program that the engine runs: what it is, and what can go wrong with it.

use std::fmt;
use std::io;
use std::time::Duration;

/// A program with its arguments. It is run without a shell.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// It is killed, with whatever it started, when it takes longer.
    pub time_limit: Duration,
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandLine")
            .field("program", &self.program())
            .finish_non_exhaustive()
    }
}

impl CommandLine {
    /// The program's name; its arguments stay out of every message.
    #[must_use]
    pub fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }
}

/// Why a program brought nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It cannot be started.
    #[error("the command `{program}` cannot be started ({error}): check its path and rights")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        error: io::Error,
    },
    /// It took too long.
    #[error("the command `{program}` did not end within {} s: look what it waits for", .limit.as_secs_f64())]
    TimeLimit {
        /// The program.
        program: String,
        /// The limit.
        limit: Duration,
    },
    /// It failed.
    #[error("the command `{program}` ended with {status}{}", said(.stderr))]
    Status {
        /// The program.
        program: String,
        /// Its exit code or signal.
        status: String,
        /// The end of what it wrote on its standard error.
        stderr: String,
    },
    /// It printed more than anybody wants to read.
    #[error("the command `{program}` printed more than {limit} bytes")]
    TooLong {
        /// The program.
        program: String,
        /// The limit.
        limit: usize,
    },
    /// It printed bytes that are no text.
    #[error("what the command `{program}` printed is not UTF-8 text")]
    NotText {
        /// The program.
        program: String,
    },
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() {
        " and said nothing on its standard error".to_owned()
    } else {
        format!(", saying: {stderr}")
    }
}

//! The command line, as `calls` has it.

use std::time::Duration;

use crate::machine;
use clap::Parser;

/// Measures calls of this stack with itself: both ends of every call are in this process, every figure is per end.
#[derive(Clone, Debug, Parser)]
pub struct Arguments {
    /// Ends of calls; a pair is two of them.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=20_000))]
    calls: u32,
    /// Seconds of media that are measured.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Calls that are set up at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    inflight: u32,
    /// Stay on this core.
    #[arg(long)]
    core: Option<usize>,
    /// End with one line of JSON in place of the table.
    #[arg(long)]
    json: bool,
}

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Calls, each with two ends.
    pub pairs: usize,
    /// Media that are measured.
    pub span: Duration,
    /// Calls set up at a time.
    pub inflight: usize,
    /// JSON in place of a table.
    pub json: bool,
}

impl Plan {
    /// Reads the command line and makes room on this machine.
    ///
    /// # Errors
    /// When the machine does not let us.
    pub fn from_command_line() -> Result<Self, machine::Failure> {
        let arguments = Arguments::parse();
        let pairs = arguments.calls.div_ceil(2) as usize;
        arguments.core.map_or(Ok(()), machine::stay_on)?;
        machine::allow_descriptors(pairs * 4 + 64)?;
        Ok(Self {
            pairs,
            span: Duration::from_secs(arguments.seconds.into()),
            inflight: arguments.inflight as usize,
            json: arguments.json,
        })
    }
}

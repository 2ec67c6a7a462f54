//! Carries many calls in one process over loopback, and says what one end of a call costs.

mod clip;
mod machine;
mod report;
mod run;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// Measures calls between ends of our own: both ends of every call are in this process, every figure is per end.
#[derive(Debug, Parser)]
struct Arguments {
    /// Ends of calls; a pair is two of them.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=20_000))]
    calls: u32,
    /// Seconds of media that are measured.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Calls that are set up at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    inflight: u32,
    /// Worker threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// Stay on this core.
    #[arg(long)]
    core: Option<usize>,
    /// Real-time priority of the workers, where that is allowed; 0 for ordinary threads.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=99))]
    real_time: u8,
    /// End with one line of JSON in place of the table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let plan = run::Plan {
        pairs: arguments.calls.div_ceil(2) as usize,
        span: Duration::from_secs(arguments.seconds.into()),
        inflight: arguments.inflight as usize,
        threads: arguments.threads as usize,
        real_time: (arguments.real_time > 0).then_some(arguments.real_time),
    };
    let outcome = arguments
        .core
        .map_or(Ok(()), machine::stay_on)
        .and_then(|()| machine::allow_descriptors(plan.pairs * 2 + 64))
        .and_then(|()| run::run(&plan));
    match outcome {
        Ok(figures) => {
            report::show(&figures, arguments.json);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            report::complain(&failure);
            ExitCode::FAILURE
        }
    }
}

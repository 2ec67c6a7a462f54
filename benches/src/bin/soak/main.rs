//! Calls for hours under loss that changes: memory, descriptors and the clock of every call have to stay where they are.

mod run;
mod series;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// Holds calls between ends of our own in a network that loses datagrams, now many, now none; exit 1 when something grows
/// or drifts. Needs root and nft.
#[derive(Debug, Parser)]
struct Arguments {
    /// Calls; each has two ends, both in this process.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    calls: u32,
    /// How many of them have all of a client's audio: Opus both ways, jitter buffer, concealment. The others send payloads
    /// made beforehand.
    #[arg(long, default_value_t = 10)]
    audio: u32,
    /// Seconds of media. The first quarter is for settling and is not judged.
    #[arg(long, default_value_t = 7200, value_parser = clap::value_parser!(u32).range(60..=604_800))]
    seconds: u32,
    /// Seconds until the loss changes.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(5..=3_600))]
    every: u32,
    /// Worker threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let plan = run::Plan {
        calls: arguments.calls as usize,
        audio: arguments.audio as usize,
        span: Duration::from_secs(arguments.seconds.into()),
        every: Duration::from_secs(arguments.every.into()),
        threads: arguments.threads as usize,
    };
    match run::run(&plan) {
        Ok(verdict) => run::tell(&verdict),
        Err(failure) => run::complain(&failure),
    }
}

//! Registers many SIP accounts in one process, each over a WebSocket of its own, and says what one of them costs.

mod count;
mod report;
mod run;
mod sandbox;

use std::process::ExitCode;

use clap::Parser;
use offhook_benches::machine;

/// Measures accounts of one engine at the sandbox, which is a process of its own.
#[derive(Debug, Parser)]
struct Arguments {
    /// Accounts, each with a WebSocket of its own.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=25_000))]
    accounts: u32,
    /// Over TLS.
    #[arg(long)]
    tls: bool,
    /// How often every account registers again, as fast as it goes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Core of the engine.
    #[arg(long)]
    core: Option<usize>,
    /// Core of the sandbox.
    #[arg(long)]
    sandbox_core: Option<usize>,
    /// End with one line of JSON in place of the table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let plan = run::Plan {
        accounts: arguments.accounts as usize,
        tls: arguments.tls,
        rounds: arguments.rounds,
    };
    let outcome = machine::allow_descriptors(plan.accounts + 256)
        .and_then(|()| arguments.sandbox_core.map_or(Ok(()), machine::stay_on))
        .map_err(run::Failure::from)
        .and_then(|()| sandbox::Sandbox::start(&plan))
        .and_then(|sandbox| {
            arguments.core.map_or(Ok(()), machine::stay_on)?;
            run::run(&plan, &sandbox)
        });
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

//! A load tester: many users, each with a credential of its own, call at a rate, and a table says how it went.

mod accounts;
mod args;
mod figures;
mod hearing;
mod kind;
mod limits_met;
mod load;
mod local_limits;
mod log;
mod report;
mod report_file;
mod run;
mod samples;
mod speech;
mod target;
mod users;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;

/// Exit code for what cannot be run at all.
const CANNOT_RUN: u8 = 2;

fn main() -> ExitCode {
    let args = Args::parse();
    log::start(args.verbose);
    match run::run(args) {
        Ok(outcome) if outcome.is_good() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            run::tell_error(&error);
            ExitCode::from(CANNOT_RUN)
        }
    }
}

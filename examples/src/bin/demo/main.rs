//! The demo: two real calls on this machine, with speech played into each, recorded when it comes back, and compared.

mod args;
mod calls;
mod compare;
mod control;
mod error;
mod processes;
mod report;
mod timeline;
mod wave;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match calls::run(&args::Args::parse()) {
        Ok(calls::Verdict::Heard) => ExitCode::SUCCESS,
        Ok(calls::Verdict::NotHeard) => ExitCode::FAILURE,
        Err(error) => {
            timeline::say_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

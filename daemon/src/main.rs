//! The headless daemon: accounts from a file, calls by a local control socket.

mod arguments;
mod config;
mod control;
mod doctor;
mod event_log;
mod log;
mod run;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    run::run(&arguments::Arguments::parse())
}

//! A Verto gateway for people without an account, and for tests.

mod args;
mod assistant;
mod call_report;
mod certificate;
mod driver;
mod face;
mod fault;
mod limits;
mod log;
mod numbers;
mod program;
mod ready;
mod rest;
mod sip;
mod switch;
mod tls;
mod users;
mod verto;
mod websocket;

use std::process::ExitCode;

fn main() -> ExitCode {
    let settings = args::Args::settings();
    log::start(settings.log);
    match driver::run::run(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

//! A Verto gateway for people without an account, and for tests.

mod args;
mod certificate;
mod driver;
mod face;
mod limits;
mod numbers;
mod program;
mod ready;
mod switch;
mod tls;
mod users;
mod verto;
mod websocket;

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let settings = args::Args::settings();
    tracing_subscriber::fmt()
        .with_max_level(settings.log.filter())
        .with_writer(io::stderr)
        .init();
    match driver::run::run(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

//! `offhook-credentials`: connections, users and tokens of Telnyx's WebRTC gateway, and a token endpoint.

mod arguments;
mod command;
mod failure;
mod serve;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(arguments.verbose);
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            command::output::complain(&failure);
            failure.exit_code()
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let client = || arguments.server.client();
    match &arguments.command {
        Command::Connections(which) => command::connections::run(which, &client()?),
        Command::Users(which) => command::users::run(which, &client()?, &arguments.server),
        Command::Token(token) => command::token::run(token, &client()?),
        Command::Serve(settings) => serve::run::run(settings, client()?),
    }
}

/// Only our own words are logged: other crates may write what they should not.
fn start_log(verbose: bool) {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;

    let level = if verbose {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    tracing_subscriber::registry()
        .with(
            tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(false),
        )
        .with(Targets::new().with_target("offhook_credentials", level))
        .init();
}

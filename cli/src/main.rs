//! `offhook`: asks the daemon over its control socket, prints what it says, and exits.

mod arguments;
mod client;
mod command;
mod error;
mod ice_servers;
mod output;
mod table;

use crate::{arguments::Arguments, client::Client, output::Output};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.json);
    if let arguments::Command::Doctor { arguments: wish } = &arguments.command {
        // It needs no daemon: it is there for when none runs, too.
        return output.fail(&command::doctor::run(wish, arguments.json));
    }
    let outcome = Client::connect(&arguments.socket_path(), arguments.reply_limit)
        .and_then(|mut client| command::run(&arguments.command, &mut client, &output));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output.fail(&error),
    }
}

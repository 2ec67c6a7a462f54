//! One file per command, or per kind of command.

mod call;
mod calls;
mod describe;
mod events;
mod orders;
mod status;

use crate::{arguments::Command, client::Client, error::Error, output::Output};

/// Does what the command line asks for.
pub(crate) fn run(command: &Command, client: &mut Client, output: &Output) -> Result<(), Error> {
    match command {
        Command::Status => status::run(client, output),
        Command::Call(call) => call::run(call, client, output),
        Command::Answer { call } => orders::answer(call.as_deref(), client, output),
        Command::Hangup { call, cause } => {
            orders::hangup(call.as_deref(), cause.as_deref(), client, output)
        }
        Command::Dtmf { call, digits } => orders::dtmf(call, digits, client, output),
        Command::Mute { call, state } => orders::mute(call, *state, client, output),
        Command::Calls => calls::run(client, output),
        Command::Events => events::run(client, output),
        Command::LogLevel { level } => orders::log_level((*level).into(), client, output),
    }
}

//! One file per command, or per kind of command.

mod call;
mod calls;
mod describe;
pub(crate) mod doctor;
mod events;
mod orders;
mod status;

use crate::{arguments::Command, client::Client, error::Error, output::Output};

/// Does what the command line asks for.
pub(crate) fn run(command: &Command, client: &mut Client, output: &Output) -> Result<(), Error> {
    match command {
        Command::Status => status::run(client, output),
        Command::Call(call) => call::run(call, client, output),
        Command::Calls => calls::run(client, output),
        Command::Events => events::run(client, output),
        Command::Jsapi {
            command,
            data,
            account,
        } => orders::jsapi(command, data, account.as_deref(), client, output),
        Command::Fsapi {
            command,
            arguments,
            account,
        } => orders::fsapi(command, arguments, account.as_deref(), client, output),
        Command::Echo { data, account } => orders::echo(data, account.as_deref(), client, output),
        Command::AttachCalls { call, account } => {
            orders::attach_calls(call.as_deref(), account.as_deref(), client, output)
        }
        Command::DisablePushNotification { account } => {
            orders::disable_push_notification(account.as_deref(), client, output)
        }
        Command::Doctor { arguments } => Err(doctor::run(arguments, false)),
        Command::Order(order) => {
            let (request, words) = orders::request(order)?;
            orders::give(&request, &words, client, output)
        }
    }
}

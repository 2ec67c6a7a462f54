//! `token`: prints a token when it can be used.

use offhook_credentials::api::client::Client;

use crate::arguments::Token;
use crate::command::output;
use crate::failure::Failure;

pub(crate) fn run(arguments: &Token, client: &Client) -> Result<(), Failure> {
    let token = client.token(&arguments.id)?;
    client.pause(arguments.freshness);
    output::line(token.expose())
}

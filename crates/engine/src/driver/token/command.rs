//! Runs a program that prints a token.

use offhook_signaling::secret::Secret;

use crate::command_line::CommandLine;
use crate::driver::command;
use crate::token_source::{LONGEST_ANSWER, TokenError};

pub(super) async fn run(wanted: &CommandLine) -> Result<Secret, TokenError> {
    let answer = command::run(wanted, None, LONGEST_ANSWER).await?;
    Ok(Secret::new(answer))
}

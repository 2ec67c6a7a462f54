//! One file a command.

pub(crate) mod connections;
pub(crate) mod output;
mod progress;
pub(crate) mod token;
pub(crate) mod users;

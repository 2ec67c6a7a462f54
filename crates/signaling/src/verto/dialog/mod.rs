//! One call as a machine: phases, and the steps between them by who asks.

mod commands;
mod digits;
mod endings;
mod replies;
mod reports;
pub(crate) mod state;

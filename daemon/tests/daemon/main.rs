//! The daemon from outside: its exit codes, its control socket, its signals.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_start;
mod control_session;
mod ending;
mod process;

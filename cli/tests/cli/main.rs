//! The real program against a scripted daemon: what it asks, what it prints for people and for scripts, and how it exits.
#![expect(
    clippy::unwrap_used,
    reason = "in a scripted daemon, as in a test, what fails ends the test"
)]

mod call;
mod daemon;
mod events;
mod orders;
mod scripted;
mod status;

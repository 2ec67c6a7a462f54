//! Sessions over time: tokens that end, calls that outlive the daemon, calls beside each other.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

mod beside;
mod every_secret;
mod passwords;
mod push;
mod recovery;
mod regions;
mod secrets;
mod tokens;

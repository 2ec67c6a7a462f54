//! Real browser clients in Chromium: they call the sandbox, and they and the daemon call each other through it.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

mod call;
mod clients;
mod logins;
mod losses;
mod world;

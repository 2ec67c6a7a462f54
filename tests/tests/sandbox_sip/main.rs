//! The real SIP user agent session over a real WebSocket against the sandbox, with real media where it matters.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test waits for one thing among many"
)]

mod calls;
mod daemon;
mod features;
mod kiosk;
mod phone;
mod recovery;
mod registrations;
mod transfers;
mod world;

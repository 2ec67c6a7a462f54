//! The sandbox as a process, called over loopback by clients with real media, in both dialects of Verto and in SIP.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by panicking, and waits for one thing among many"
)]

mod client;
mod numbers;
mod phone;
mod process;
mod reports;
mod robust;
mod sip;
mod users;

//! What a FreeSWITCH has beside calls, end to end: daemon, command line and a sandbox that stands in for the server.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

mod commands;
mod conference;
mod kiosks;
mod messages;
mod phone;
mod transfers;

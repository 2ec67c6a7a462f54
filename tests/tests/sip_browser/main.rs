//! JsSIP and SIP.js in Chromium as far ends of the daemon, through Kamailio with rtpengine and through the sandbox.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

mod stories;
mod world;

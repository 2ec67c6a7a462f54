//! A machine whose address changes or whose link fails: what its user notices, idle and in a call.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

mod flows;
mod interfaces;
mod link;
mod moves;
mod network;
mod world;

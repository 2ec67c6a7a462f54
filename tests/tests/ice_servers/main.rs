//! Calls whose candidates come from STUN and TURN servers, or one by one.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

mod of_call;
mod relay;
mod trickle;

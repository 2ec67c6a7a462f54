//! Calls through a real STUN and TURN server: coturn.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

mod relay;

//! Everything that a server or the way to it may do wrong, on purpose, and what a user notices of it.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that are not asked for are passed over"
)]

mod attach;
mod gateway_states;
mod half_open;
mod logins;
mod pair;
mod plan;
mod reattach;
mod rivals;
mod sockets;
mod world;

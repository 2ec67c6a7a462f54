//! The daemon's calls through a real Kamailio with rtpengine: every kind of user, every number, sound both ways.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a story waits for one of many events"
)]

mod between_users;
mod cuts;
mod edges;
mod identity;
mod numbers;
mod packages;
mod recovery;
mod trunk;
mod users;
mod world;

//! One call's media as a whole: offer and answer, transport, RTP both ways, the program, statistics; sans-IO.
//!
//! Drive a [`MediaSession`](media_session::MediaSession) like every machine of this house: one input, then
//! [`poll`](media_session::MediaSession::poll) until it says `Wait`.

mod agreement;
mod census;
pub mod config;
pub mod error;
pub mod event;
mod figures;
pub mod forks;
mod incoming;
pub mod media_session;
mod names;
mod outgoing;
mod pacing;
pub mod policy;
mod reports;
mod rtcp_component;
mod silence;

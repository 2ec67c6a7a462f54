//! One call's media as a whole: offer and answer, transport, RTP both ways, the program, statistics; sans-IO.

pub mod config;
pub mod error;
pub mod event;

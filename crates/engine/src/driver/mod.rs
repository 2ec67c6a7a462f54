//! The edge: one task that drives many accounts' sockets and timers, media worker threads, and the handle to both.
//!
//! It decides nothing about calls: every input goes into the core or into a signalling session, every output comes out
//! of one. There is no task and no timer per call or per account, and no lock that calls share.

mod clock;
mod command;
pub mod engine;
pub mod events;
#[cfg(any(feature = "token-endpoint", feature = "call-reports"))]
mod https;
mod ice_servers;
mod line;
mod memory;
pub mod probe;
#[cfg(feature = "call-reports")]
mod report_post;
#[cfg(feature = "call-reports")]
mod reporting;
mod request;
pub mod secret_file;
mod session;
mod shard;
pub mod sound;
pub(crate) mod start;
mod surroundings;
pub mod token;
mod tools;
mod turns;
#[cfg(feature = "sip")]
mod user_agent;

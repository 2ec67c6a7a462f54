//! One SIP user agent with its flows: the machine and the chapters of its life.

mod arrivals;
mod calls;
pub mod census;
pub mod contract;
pub(in crate::sip) mod core;
mod ended;
pub(in crate::sip) mod flow;
mod flows;
pub mod machine;
mod notices;
pub(in crate::sip) mod owner;
mod placing;
mod publishing;
mod referring;
mod refreshing;
mod registering;
mod subscribing;
mod texts;
mod tokens;

pub use contract::{Input, Output};
pub use machine::Session;

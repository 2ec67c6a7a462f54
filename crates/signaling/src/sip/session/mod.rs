//! One SIP user agent with its flows: the machine and the chapters of its life.

mod arrivals;
mod calls;
pub mod contract;
pub(in crate::sip) mod core;
pub(in crate::sip) mod flow;
mod flows;
pub mod machine;
pub(in crate::sip) mod owner;
mod registering;

pub use machine::Session;

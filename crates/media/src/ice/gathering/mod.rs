//! Candidates beyond our own addresses: what STUN servers see, and what TURN servers relay. No I/O.

mod binding;
pub mod config;
pub mod failure;
pub(crate) mod gatherer;
mod relay;
#[cfg(test)]
mod tests;

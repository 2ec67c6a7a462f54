//! Candidates beyond our own addresses: what STUN servers see, and what TURN servers relay. No I/O.

#[cfg(feature = "driver")]
mod alternate;
#[cfg(feature = "driver")]
mod binding;
pub mod config;
pub mod failure;
#[cfg(feature = "driver")]
mod framing;
#[cfg(feature = "driver")]
pub mod gatherer;
#[cfg(feature = "driver")]
mod liveness;
#[cfg(feature = "driver")]
pub mod probe;
#[cfg(feature = "driver")]
mod relay;
#[cfg(test)]
#[cfg(feature = "driver")]
mod tests;

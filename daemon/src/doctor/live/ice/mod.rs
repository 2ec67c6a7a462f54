//! STUN and TURN servers: whether each is reached, by which transport, and what kind of NAT lies between.

pub(crate) mod check;
mod exchange;
mod nat;
pub(crate) mod server;

//! The jitter buffer: packets in as the network brings them, sound out every 20 ms. Sans-IO.

pub mod buffer;
mod delay;
mod slots;
pub mod statistics;
mod stream;

//! Two media transports, or sessions, at the ends of an emulated network.
//!
//! The network repeats its history from the seed, and so do the ends' own draws. The crates below them draw identifiers, keys
//! and signatures of their own, whose lengths may differ by a byte or two: a seed says what happens to a call and nearly
//! always when, but two runs of it need not be equal to the last byte, and their hashes cover choices and outcomes only.

mod acts;
mod calm;
pub mod connect;
mod held;
pub mod life;
mod places;
mod programs;
mod scene;
mod watch;

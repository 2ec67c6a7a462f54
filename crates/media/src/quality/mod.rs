//! How a call sounds and fares: counters, the E-model, correlation of recordings, purity of a tone.

pub mod statistics;

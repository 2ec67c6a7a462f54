//! How a call sounds and fares: counters, the E-model, correlation of recordings, purity of a tone.

pub mod correlation;
pub mod emodel;
pub mod statistics;
pub mod tone;
pub mod voip_metrics;

//! Sound as it flows through a call: frames and the real-time nodes that make, change and carry them.
//!
//! Everything here runs on a media worker or in a device callback: it never allocates, locks, logs or calls the
//! system after construction.

pub mod event;
pub mod frame;
pub mod gain;
pub mod meter;
pub mod resampler;
pub mod ring;
pub mod ringback;
pub mod sink;
pub mod source;
pub mod tone;

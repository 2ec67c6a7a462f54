//! Placeholder.

#[cfg(feature = "transport")]
pub mod transport;

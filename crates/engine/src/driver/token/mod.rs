//! Asks token sources: files, programs, web services.

mod command;
#[cfg(feature = "token-endpoint")]
mod endpoint;
pub mod fetch;
pub(crate) mod files;

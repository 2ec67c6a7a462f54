//! Asks token sources: files, programs, web services; and reads password files again.

mod command;
#[cfg(feature = "token-endpoint")]
mod endpoint;
pub mod fetch;
pub(crate) mod files;
pub(crate) mod password;

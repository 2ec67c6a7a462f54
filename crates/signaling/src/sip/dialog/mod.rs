//! Dialogs: what two user agents remember of each other (RFC 3261, 12).

pub mod edge;
pub mod peer;
pub mod state;

pub use state::Dialog;

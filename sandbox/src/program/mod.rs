//! What a call hears from the sandbox; no program has a codec of its own.

pub(crate) mod bridge;
pub(crate) mod clip;
pub(crate) mod echo;

//! A stand-in for an AI assistant: what it says to what it hears, and what it remembers; sans-IO.

pub(crate) mod message;
pub(crate) mod settings;
pub(crate) mod stand_in;
#[cfg(test)]
mod tests;

//! The edge to sound cards and files: the only rooms of this crate's sound side that know a disk, a card or a clock.

pub mod callback;
#[cfg(feature = "device")]
mod card;
pub mod disk;
pub mod error;
pub mod open;
pub mod spec;
pub mod wav;

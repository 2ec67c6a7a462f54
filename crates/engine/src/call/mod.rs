//! One call, from its first word to its end.

pub(crate) mod dialog;
mod offers;
mod sound;
pub(crate) mod state;

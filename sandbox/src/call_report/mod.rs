//! Call reports: after a call, clients post its figures to the host of the signalling, under an id that the gateway gave them.

pub(crate) mod book;
pub(crate) mod post;

//! The control socket: claimed once, served to local clients, each request mapped to the engine and back.

pub(crate) mod notices;
pub(crate) mod replies;
pub(crate) mod requests;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod socket;

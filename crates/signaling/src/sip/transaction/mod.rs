//! Requests with their answers, on a transport that loses nothing (RFC 3261, 17; RFC 6026).

pub mod client;
pub mod draft;
pub mod server;

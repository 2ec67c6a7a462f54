//! The server's side of WebSocket (RFC 6455), sans-IO: upgrade and frames.
//!
//! Ready-made libraries answer pings by themselves; a FreeSWITCH does not, and a client must be seen to live with
//! that. So frames are read and written here, where the gateway decides about each.

pub(crate) mod frame;
pub(crate) mod upgrade;

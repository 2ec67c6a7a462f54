//! The Verto protocol: JSON-RPC over a WebSocket, as the Telnyx gateway and FreeSWITCH's `mod_verto` speak it.

pub mod dialect;
pub mod lenient;
pub mod message;
pub mod method;
pub mod rpc;
pub mod session;

//! The Verto protocol: JSON-RPC over a WebSocket, as the Telnyx gateway and FreeSWITCH's `mod_verto` speak it.

pub mod address;
mod assistant;
mod channels;
mod conference;
pub mod dialect;
mod dialog;
pub mod lenient;
mod liveness;
pub mod message;
pub mod method;
mod registration;
mod requests;
pub mod rpc;
pub mod session;
mod wording;

//! The way to the servers: each stage by itself, then the login, then a call of each account to itself.
//!
//! Everything behind the open WebSocket is asked over the control socket: of the daemon that runs or, when none does, of an
//! engine within this process that is served the same way. So nobody logs in beside a running daemon.

mod accounts;
pub(crate) mod client;
mod connect;
mod connect_fault;
pub(crate) mod go;
pub(crate) mod ice;
mod media;
mod own_engine;
mod own_number;
mod self_call;
mod test_call;
mod tokens;

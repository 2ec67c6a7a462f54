//! Worlds of one Verto session: an hour with calls, pings, lost sockets and re-logins.

mod gateway;
mod model;
mod network;
pub mod world;

//! Worlds of one Verto session: an hour with calls, pings, lost sockets and re-logins.

mod accord;
mod acks;
mod errands;
mod gateway;
mod model;
mod network;
mod user;
pub mod world;

//! The Verto side of the gateway, as a server sees it: sockets, sessions, logins and calls of both dialects; sans-IO.

mod assistants;
mod calls;
mod channels;
mod chat;
mod commands;
mod conference;
pub(crate) mod credentials;
mod frames;
pub(crate) mod gateway;
pub(crate) mod line;
mod login;
mod mishaps;
mod push;
mod reports;
mod said;
pub(crate) mod second_login;
mod session;
pub(crate) mod socket;
#[cfg(test)]
mod tests;
mod transfers;
mod trickle;

//! The edge where the gateway meets the operating system: sockets, clock, signals, standard input, media worker.

mod connection;
mod listener;
mod media;
mod operator;
pub(crate) mod run;

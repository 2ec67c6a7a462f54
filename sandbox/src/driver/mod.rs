//! The edge where the gateway meets the operating system: sockets, clock, signals, standard input, media worker.

mod connection;
mod listener;
mod media;
mod operator;
mod rest;
pub(crate) mod run;

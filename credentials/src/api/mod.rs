//! The REST API: one file an object, and below them how a request is sent, repeated, paced and read.

pub mod client;
pub mod connection;
pub mod credential;
pub mod error;
pub mod http;
mod list;
mod pace;
pub mod registration;
mod reply;
mod retry;
#[cfg(test)]
mod tests;
pub mod wire;

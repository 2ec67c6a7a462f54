//! The token endpoint: callers in, each gets tokens of its own credential and of no other.

mod answer;
mod callers;
mod desk;
pub(crate) mod failure;
mod http;
mod metrics;
mod mint;
mod rate;
pub(crate) mod run;
mod slot;
mod tls;

//! One Verto session with one server: the machine and the chapters of its life.

mod calls;
mod candidates;
mod conferences;
pub mod config;
mod connection;
mod errands;
mod frames;
mod logging_in;
pub mod machine;
mod memory;
mod new_media;
mod saying;
mod tokens;

pub use config::Config;
pub use machine::Session;

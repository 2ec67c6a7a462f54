//! One Verto session with one server: the machine and the chapters of its life.

mod calls;
pub mod config;
mod connection;
mod frames;
mod logging_in;
pub mod machine;

pub use config::Config;
pub use machine::Session;

//! The transport in virtual time.

mod associations;
mod connecting;
mod hostile;
mod paths;
mod world;

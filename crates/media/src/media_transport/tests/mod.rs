//! The transport in virtual time.

mod associations;
mod connecting;
mod hostile;
mod lite;
mod paths;
mod responder;
mod world;

//! The params and results of Verto's messages, for both ends of the wire.
//!
//! Every type is read leniently (unknown fields ignored, null for absent, numbers as text) and written without what
//! is absent. Names are those of the wire. Which prefix a method has is the dialect's business.

pub mod both;
pub mod client;
pub mod dialog_params;
pub mod login;
pub mod server;

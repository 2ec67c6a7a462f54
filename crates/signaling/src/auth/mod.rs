//! Who we are to a server, and what can be read from a token without asking anybody.

pub mod jwt;
pub(crate) mod life;
pub mod login;
pub mod pace;
pub(crate) mod questions;
pub mod refresh;
pub(crate) mod server_clock;

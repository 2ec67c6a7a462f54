//! The harness: real programs started on free loopback ports, ended with their test, and what a test asks of them.
//!
//! Behaviours stand in `tests/`, one module each, gathered in a few binaries. Nothing outside this package depends on it.

pub mod audio_server;
pub mod authority;
pub mod browser;
pub mod cable;
pub mod control;
pub mod daemon;
pub mod far_end;
pub mod figures;
pub mod internet;
pub mod kamailio;
pub mod line;
pub mod names;
pub mod namespace;
pub mod near_end;
pub mod own_certificate;
pub mod phone;
pub mod program;
pub mod rest;
pub mod rivals;
pub mod sandbox;
pub mod sip_client;
pub mod skip;
pub mod sound;
pub mod tamper;
pub mod tls_server;
pub mod turn_server;

//! The WebSocket client against servers and proxies on loopback: what works, and the sentence of everything that does not.
#![cfg(feature = "transport")]
#![expect(
    clippy::unwrap_used,
    reason = "in a test server, as in a test, what fails ends the test"
)]

mod connection;
mod identity;
mod login;
mod openssl;
mod pins;
mod proxy;
mod server;
mod stages;
mod tls;
mod upgrade;

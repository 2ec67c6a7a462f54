//! The edge of this crate: a WebSocket client with name lookup, raced TCP, proxy and TLS, the only part that knows tokio.
//!
//! [`connect()`] walks the stages DNS, TCP, (proxy,) TLS and upgrade. Each has its own time limit, each is timed, and each is named when it
//! fails. What comes out is a [`Connection`]: one stream of [`Incoming`] that also drives its own bounded outbox, so that one task can hold
//! thousands of them.
//!
//! *Invariant:* nothing here knows what a message means, and nothing here decides to connect again: both belong to the session.
//!
//! *Invariant:* no secret is logged here, and none stands in an error or a `Debug`. The library below writes whole frames to the `log` crate
//! at its trace level, so a program that forwards `log` records must leave out the target `tungstenite`.

mod certificate;
pub mod connect;
pub mod error;
pub mod fingerprint;
pub mod happy_eyeballs;
mod http;
mod http_date;
pub mod identity;
mod login;
pub mod no_proxy;
pub mod options;
pub mod outbox;
pub mod proxy;
mod remedy;
mod socket;
mod target;
mod tcp;
pub mod tls;
mod upgrade;
mod verify;
pub mod websocket;

pub use connect::{ConnectTimings, connect};
pub use error::{ConnectError, Stage};
pub use options::ConnectOptions;
pub use websocket::{Connection, Incoming};

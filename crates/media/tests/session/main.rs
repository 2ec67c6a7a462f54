//! Two media sessions, one lossy link, virtual time: what a call's media does from offer to goodbye.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;
mod forks;
mod headers;
mod keys;
mod later_offers;
mod lite;
mod over_ipv6;
mod payloads;
mod plain;
mod programs;
mod reduced;
mod reports;
#[path = "../../src/media_transport/tests/responder.rs"]
mod responder;
mod restarts;
mod rtcp_apart;
mod world;

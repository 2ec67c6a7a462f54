//! Reports of calls for Telnyx's support, as its own SDK sends them, where an account has them switched on. No I/O.
//!
//! A report is made of the engine's own events. It never holds a session description, a password, a token or a header.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a report is made of some events; the others do not belong into it"
)]

pub(crate) mod body;
pub(crate) mod collector;

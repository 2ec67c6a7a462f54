//! Being reachable at a server and agreeing with it on calls, without a socket, a clock or chance of its own.
//!
//! A session is a machine: [`verto::session::Session`] is driven by one `handle` per input, then `poll` until
//! [`session::Output::Wait`]. Time comes in with every input, chance from the seed given at the start, so a run
//! repeats exactly. SDP is opaque text here.
//!
//! Commands and events are the same for every protocol; what is particular to Verto stands in [`verto`], what is to SIP in
//! `sip`.
//! The two dialects are values of differences, each behind a cargo feature (`telnyx`, `freeswitch`); the WebSocket
//! client lives behind the feature `transport`, the only part that knows sockets.

pub mod auth;
pub mod backoff;
pub mod calendar;
pub mod call_id;
pub mod cause;
pub mod command;
pub mod deadlines;
mod dtmf;
pub mod error;
pub mod event;
pub mod remembered;
pub mod secret;
pub mod server_name;
pub mod session;
#[cfg(feature = "sip")]
pub mod sip;
#[cfg(feature = "transport")]
pub mod transport;
pub mod variable;
pub mod verto;

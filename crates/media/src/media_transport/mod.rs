//! `MediaTransport`: ICE, DTLS and SRTP of one call as one state machine without I/O.
//!
//! Datagrams, time and parameters go in; datagrams, opened media, events and the next deadline come out:
//!
//! 1. `new`, `add_local_candidate` for each socket, `set_remote` when the far end's parameters are known;
//! 2. each datagram goes through `handle_datagram`, which opens media in place;
//! 3. when the deadline of the last `Output::Wait` has come, `handle_timeout`;
//! 4. after any of these, `poll` until `Output::Wait`.

mod association;
pub mod config;
pub mod counters;
pub mod deadline;
mod demux;
pub mod event;
mod fixed_path;
mod succession;
pub mod transport;

#[cfg(test)]
mod tests;

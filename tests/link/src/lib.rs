//! An emulated network: what lies between two ends of a call, seeded and without clock, socket or thread.
//!
//! Datagrams and time go in, datagrams and the next deadline come out:
//!
//! 1. [`network::Network`] has sites, each behind its own line and, where asked, behind a [`nat::Nat`];
//! 2. `send` takes what a host sends, `poll` yields what arrives by now, and `next_deadline` says when to come back;
//! 3. below it a [`pipe::Pipe`] carries anything that has a length one way, under [`conditions::Conditions`];
//! 4. beside it a [`packets::PacketLine`] is one such line for whole IP packets, as the program `offhook-link` lays it between two
//!    TUN devices for real programs.
//!
//! The same seed and the same inputs give the same history.

pub mod conditions;
pub mod nat;
pub mod network;
pub mod packets;
pub mod pipe;

mod loss;

//! The edge where media meets the operating system: worker threads that own the sockets and timers of many calls.
//!
//! A [`Worker`](worker::Worker) is one thread. It owns its calls whole, so no lock lies on the way of a packet.
//! Commands come in through a [`WorkerHandle`](handle::WorkerHandle), events go out through an
//! [`EventSink`](event::EventSink).

pub mod bind;
pub mod event;
mod event_loop;
mod gathering;
mod guard;
pub mod handle;
mod hearing;
pub mod interfaces;
mod leaving;
mod receive;
mod stream;
mod timers;
pub mod worker;

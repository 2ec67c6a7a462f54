//! The exchange behind the gateway: legs, scripts, bridges and registrations, without a word of any signalling
//! protocol; sans-IO.

mod asleep;
pub(crate) mod cause;
pub(crate) mod exchange;
pub(crate) mod leg;
pub(crate) mod media;
mod negotiation;
pub(crate) mod offered;
mod reattach;
mod refer;
mod release;
pub(crate) mod renewal;
mod script;
mod timers;
pub(crate) mod transfer;

//! Calls: the INVITE usage of dialogs, as caller and as callee (RFC 3261, 13 to 15).

pub(in crate::sip) mod amending;
pub(in crate::sip) mod called;
pub(in crate::sip) mod calling;
mod ending;
pub(in crate::sip) mod headers;
pub(in crate::sip) mod identity;
pub(in crate::sip) mod info;
pub(in crate::sip) mod offers;
mod provisional;
pub(in crate::sip) mod reason;
mod refused;
pub(in crate::sip) mod requests;
pub mod session_timer;
pub(in crate::sip) mod state;
pub(in crate::sip) mod stray;
pub(in crate::sip) mod text;
mod their_offers;
pub(in crate::sip) mod transfer;
pub(in crate::sip) mod trickle;
pub(in crate::sip) mod up;

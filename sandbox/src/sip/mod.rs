//! The SIP side of the gateway (RFC 7118): registrar, user agent server and back-to-back user agent of the sandbox's
//! users and numbers; sans-IO.

mod call;
mod deadlines;
mod dialog;
mod documents;
mod in_dialog;
mod invites;
pub(crate) mod location;
mod login;
mod mishaps;
mod names;
mod nonces;
mod offers;
mod refer;
mod register;
mod reports;
mod requests;
mod responses;
mod ringing;
mod scenes;
pub(crate) mod server;
mod session_timer;
pub(crate) mod settings;
mod socket;
mod subscriptions;
#[cfg(test)]
mod tests;
pub(crate) mod texts;

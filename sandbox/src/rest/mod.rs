//! The REST API for credentials, as `api.telnyx.com/v2` answers it: request in, answer out; sans-IO.

pub(crate) mod account;
mod api;
mod connections;
mod credentials;
mod fields;
pub(crate) mod login;
pub(crate) mod message;
mod page;
mod rate;
mod refusal;
mod registration;
pub(crate) mod settings;
#[cfg(test)]
mod tests;
mod timestamp;
mod token;
